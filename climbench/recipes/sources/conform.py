"""Names of coordinates, levels in hPa, missing values: what CF says, made explicit."""

from collections.abc import Collection

import numpy as np
import xarray as xr

from climbench.errors import UserError
from climbench.recipes.steps.convert_units import conversion

DEFAULT_FILL = 9.9e36  # netCDF's default fill value is 9.97e36, and some writers never declare it

BY_UNITS = {
    "degrees_north": "latitude",
    "degree_north": "latitude",
    "degrees_n": "latitude",
    "degrees_east": "longitude",
    "degree_east": "longitude",
    "degrees_e": "longitude",
}
BY_NAME = {
    "lat": "latitude",
    "latitude": "latitude",
    "lon": "longitude",
    "longitude": "longitude",
    "time": "time",
    "plev": "level",
    "isobaricinhpa": "level",
    "pressure_level": "level",
    "level": "level",
    "valid_time": "time",
    "year": "time",
}


def conform(
    dataset: xr.Dataset, where: str, variables: Collection[str] | None = None
) -> xr.Dataset:
    """Return the gridded variables of a file, with the coordinate names of a store.

    Axes are recognised by their CF units, standard name or usual name and called ``time``,
    ``level`` (hPa), ``latitude`` and ``longitude``. Bounds, grid mappings and everything else
    that is not on the grid are left out, unless it is a series in time that is asked for by name.
    Members without names are numbered from 1.

    Parameters
    ----------
    dataset
        A file as xarray opens it.
    where
        Its name, for errors.
    variables
        Those that are asked for by name.

    Raises
    ------
    UserError
        If the fields are not on a latitude-longitude grid, or levels are not pressures.
    """
    dataset = dataset.rename(_axes(dataset))
    scalar = [name for name in dataset.coords if dataset[name].ndim == 0]
    dataset = dataset.drop_vars(scalar)
    if "member" in dataset.dims and "member" not in dataset.coords:
        dataset = dataset.assign_coords(member=np.arange(1, dataset.sizes["member"] + 1))
    series = [
        name
        for name, array in dataset.data_vars.items()
        if name in (variables or ()) and array.dims == ("time",)
    ]
    if variables and set(series) == set(variables):
        return dataset[series]
    for axis in ("latitude", "longitude"):
        if axis in dataset.variables and dataset[axis].ndim != 1:
            raise UserError(
                f"{where}: '{axis}' has dimensions {dataset[axis].dims}: a curvilinear grid; "
                "interpolate it to a latitude-longitude grid first."
            )
        if axis not in dataset.dims:
            dims = ", ".join(map(str, dataset.dims)) or "none"
            raise UserError(f"{where}: there is no {axis} axis among its dimensions ({dims}).")
    bounds = {str(dataset[n].attrs.get("bounds")) for n in dataset.variables}
    gridded = [
        name
        for name, array in dataset.data_vars.items()
        if {"latitude", "longitude"} <= set(array.dims)
        and name not in bounds
        and array.dtype.kind in "fiub"
    ]
    dataset = dataset[[*gridded, *series]]
    extra = [name for name in dataset.coords if name not in dataset.dims]
    return _levels(dataset.drop_vars(extra), where)


def _axes(dataset: xr.Dataset) -> dict[str, str]:
    """Return the new names of the axes: dimension coordinates first, by units, then by name."""
    names: dict[str, str] = {}
    for name in map(str, dataset.dims):
        if name not in dataset.variables:
            continue
        axis = dataset[name]
        units = str(axis.attrs.get("units", "")).lower()
        found = BY_UNITS.get(units) or BY_NAME.get(name.lower())
        if axis.attrs.get("standard_name") == "time" or axis.attrs.get("axis") == "T":
            found = "time"
        if axis.attrs.get("standard_name") == "air_pressure":
            found = "level"
        free = found == name or found not in dataset.variables
        if found and free and found not in names.values():
            names[name] = found
    for name in map(str, dataset.variables):  # two-dimensional ones, to be refused by name
        found = BY_NAME.get(name.lower())
        taken = {*names.values(), *map(str, dataset.variables)}
        if found and name not in names and found not in taken:
            names[name] = found
    return {old: new for old, new in names.items() if old != new}


def _levels(dataset: xr.Dataset, where: str) -> xr.Dataset:
    if "level" not in dataset.dims:
        return dataset
    level = dataset["level"]
    unit = str(level.attrs.get("units", "hPa"))
    factor, offset = conversion(unit, "hPa", f"{where}: level")
    values = np.round(level.values.astype(np.float64) * factor + offset, 6)
    return dataset.assign_coords(level=("level", values, level.attrs | {"units": "hPa"}))


def without_default_fill(array: xr.DataArray) -> xr.DataArray:
    """Return a field with NetCDF's default fill value as NaN, where none was declared.

    Parameters
    ----------
    array
        In chunks: a comparison would read a field that is not.
    """
    declared = {"_FillValue", "missing_value", "scale_factor"} & set(array.encoding)
    if array.dtype not in (np.float32, np.float64) or declared:
        return array
    return array.where(np.abs(array) < DEFAULT_FILL)
