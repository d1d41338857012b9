"""Names of coordinates, levels in hPa, missing values: what CF says, made explicit."""

import numpy as np
import xarray as xr

from climbench.errors import UserError, nearest
from climbench.recipes.schema import Files
from climbench.recipes.sources.places import check_grid, columns, in_degrees, station_names
from climbench.recipes.steps.convert_units import conversion

DEFAULT_FILL = 9.9e36  # netCDF's default fill value is 9.97e36, and some writers never declare it
PACKED_FILL = {"int8": -127, "int16": -32767, "int32": -2147483647}  # and those of packed integers

BY_UNITS = {
    "degrees_north": "latitude",
    "degree_north": "latitude",
    "degrees_n": "latitude",
    "degrees_east": "longitude",
    "degree_east": "longitude",
    "degrees_e": "longitude",
    "pa": "level",
    "hpa": "level",
    "mbar": "level",
    "mb": "level",
    "millibar": "level",
    "millibars": "level",
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
    "number": "member",
    "realization": "member",
    "member_id": "member",
    "alt": "altitude",
    "altitude": "altitude",
    "elevation": "altitude",
}
BY_STANDARD_NAME = {
    "latitude": "latitude",
    "longitude": "longitude",
    "time": "time",
    "air_pressure": "level",
    "realization": "member",
}
HIGHEST_PRESSURE = 1100.0  # hPa; more is in another unit

MAPS = ("grid_", "projection_")
"""How standard names of a rotated pole or a map begin, whatever the axis is called."""

SINGLE = {"isobaricInhPa", "isobaricInPa", "plev", "pressure", "pressure_level", "level"}
"""Scalar coordinates that are the one pressure level of all fields."""


def conform(dataset: xr.Dataset, where: str, source: Files) -> xr.Dataset:
    """Return the gridded variables of a file, with the coordinate names of a store.

    Axes are recognised by their CF units, standard name or usual name and called ``time``,
    ``member``, ``level`` (hPa), ``latitude`` and ``longitude``. A single time or pressure level
    becomes an axis of length one. Bounds, grid mappings and everything else that is not on the grid
    are left out, unless it is a series in time that is asked for by name.

    Parameters
    ----------
    dataset
        A file as xarray opens it, with dates.
    where
        Its name, for errors.
    source
        Its ``axes``, ``variables``, ``fixed``, ``one_level`` and ``flatten``.

    Raises
    ------
    UserError
        If the fields are not on a latitude-longitude grid, or levels are not pressures.
    """
    dataset = _with_declared_axes(dataset, where, source)
    dataset = _with_single_axes(dataset.rename(_axes(dataset)), source)
    places = ("latitude", "longitude")
    scalar = [n for n in dataset.coords if not dataset[n].ndim and n not in places]
    dataset = dataset.drop_vars(scalar)
    if source.series:
        return _numeric(dataset, {"time"}, {"time", "member"}, where)
    if source.stations is not None:
        return _of_stations(dataset, source.stations, where)
    series = [
        name
        for name, array in dataset.data_vars.items()
        if name in (source.variables or ()) and array.dims == ("time",)
    ]
    if source.variables and set(series) == set(source.variables):
        return dataset[series]
    if source.flatten:
        dataset = columns(dataset, where)
    else:
        check_grid(dataset, where)
        dataset = in_degrees(dataset, where)
    plane = {"column"} if source.flatten else {*places}
    bounds = {str(dataset[n].attrs.get("bounds")) for n in dataset.variables}
    gridded = [
        name
        for name, array in dataset.data_vars.items()
        if plane <= set(array.dims) and name not in bounds and array.dtype.kind in "fiub"
    ]
    dataset = dataset[[*gridded, *series]]
    kept = {*map(str, dataset.dims), *(places if source.flatten else ())}
    dataset = _levels(dataset.drop_vars([n for n in dataset.coords if n not in kept]), where)
    return _without_level(dataset, where) if source.one_level else dataset


def _numeric(dataset: xr.Dataset, needed: set[str], allowed: set[str], where: str) -> xr.Dataset:
    """Return the variables of numbers with these dimensions, and no other coordinates.

    Raises
    ------
    UserError
        If there are none.
    """
    bounds = {str(dataset[n].attrs.get("bounds")) for n in dataset.variables}
    names = [
        name
        for name, array in dataset.data_vars.items()
        if needed <= {*array.dims} <= allowed
        and name not in bounds
        and array.dtype.kind in "fiub"
        and " since " not in str(array.attrs.get("units", ""))  # other times
    ]
    if not names:
        raise UserError(f"{where} has no variable of numbers along {' and '.join(sorted(needed))}.")
    kept = {*allowed, *(("latitude", "longitude", "altitude") if "station" in allowed else ())}
    return dataset[names].drop_vars([n for n in dataset[names].coords if n not in kept])


def _of_stations(dataset: xr.Dataset, dimension: str, where: str) -> xr.Dataset:
    """Return the series of stations, with the place of each; the altitude may be unknown.

    Raises
    ------
    UserError
        If there is no such dimension, or the stations have no places.
    """
    if dimension not in dataset.dims:
        hint = nearest(dimension, map(str, dataset.dims))
        raise UserError(f"{where} has no dimension '{dimension}' of stations: {hint}")
    dataset = dataset.rename({dimension: "station"} if dimension != "station" else {})
    for axis in ("latitude", "longitude"):
        if axis not in dataset.variables or dataset[axis].dims != ("station",):
            raise UserError(f"{where}: its stations have no {axis} each.")
        if not np.isfinite(dataset[axis].values).all():
            raise UserError(f"{where}: a station has no {axis}: mend the file.")
    if "altitude" not in dataset.variables:
        unknown = np.full(dataset.sizes["station"], np.nan)
        dataset = dataset.assign_coords(altitude=("station", unknown, {"units": "m"}))
    dataset = dataset.assign_coords(station=station_names(dataset))
    if not dataset.indexes["station"].is_unique:
        again = dataset.indexes["station"]
        raise UserError(f"{where}: station '{again[again.duplicated()][0]}' is there twice.")
    dataset = dataset.set_coords(["latitude", "longitude", "altitude"])
    return _numeric(dataset, {"time", "station"}, {"time", "station", "member"}, where)


def _with_declared_axes(dataset: xr.Dataset, where: str, source: Files) -> xr.Dataset:
    """Return a file with the axes that the recipe declares; levels of no pressure are numbers.

    Raises
    ------
    UserError
        If there is no such axis.
    """
    for old, new in source.axes.items():
        if old not in dataset.dims or old not in dataset.variables:
            hint = nearest(old, map(str, dataset.dims))
            raise UserError(f"{where} has no axis '{old}' as its option 'axes' says: {hint}")
        axis = dataset[old]
        units = str(axis.attrs.get("units", "")).lower()
        if new == "level" and BY_UNITS.get(units) != "level":
            attributes = {"standard_name": "model_level_number", "units": "1"}
            dataset = dataset.assign_coords({old: (old, axis.values, attributes)})
        elif new in ("latitude", "longitude"):
            unit = units or f"degrees_{'north' if new == 'latitude' else 'east'}"
            attributes = {"standard_name": new, "units": unit}
            dataset = dataset.assign_coords({old: (old, axis.values, attributes)})
    return dataset.rename(source.axes)


def without_time(dataset: xr.Dataset, where: str) -> xr.Dataset:
    """Return fields that do not vary, of a file that has them for several times.

    Raises
    ------
    UserError
        If one varies.
    """
    first = dataset.isel(time=0, drop=True)
    for name, array in dataset.data_vars.items():
        for number in range(1, dataset.sizes["time"]):
            if not array.isel(time=number, drop=True).equals(first[name]):
                raise UserError(
                    f"{where}: '{name}' varies with time: leave 'fixed' out, or the variable."
                )
    return first


def _axes(dataset: xr.Dataset) -> dict[str, str]:
    """Return the new names of the axes: dimension coordinates first, by units, then by name."""
    names: dict[str, str] = {}
    axes = [str(n) for n in dataset.dims if n in dataset.variables]
    single = [str(n) for n in dataset.coords if not dataset[n].ndim and n in ("valid_time",)]
    for name in [*axes, *single]:
        axis = dataset[name]
        units = str(axis.attrs.get("units", "")).lower()
        standard_name = str(axis.attrs.get("standard_name", ""))
        found = BY_UNITS.get(units) or BY_NAME.get(name.lower())
        if axis.attrs.get("axis") == "T":
            found = "time"
        found = BY_STANDARD_NAME.get(standard_name, found)
        if standard_name.startswith(MAPS):
            found = None
        free = found == name or found not in dataset.variables
        if found and free and found not in names.values():
            names[name] = found
    for name in map(str, dataset.variables):  # two-dimensional ones, to be refused by name
        standard_name = str(dataset[name].attrs.get("standard_name", ""))
        found = BY_NAME.get(name.lower()) or BY_STANDARD_NAME.get(standard_name)
        if standard_name.startswith(MAPS):
            continue
        taken = {*names.values(), *map(str, dataset.variables), *map(str, dataset.dims)}
        if (
            found in ("latitude", "longitude", "altitude")
            and name not in names
            and found not in taken
        ):
            names[name] = str(found)
    return {old: new for old, new in names.items() if old != new}


def _with_single_axes(dataset: xr.Dataset, source: Files) -> xr.Dataset:
    """Return a file whose only time or pressure level is an axis of its fields."""
    if source.fixed and dataset.sizes.get("time") == 1:
        return dataset.isel(time=0, drop=True)
    if "time" in dataset.coords and not dataset["time"].ndim and not source.fixed:
        if dataset["time"].dtype.kind in "MO":
            dataset = _expanded(dataset, "time")
    for name in SINGLE & {*map(str, dataset.coords)} if "level" not in dataset.dims else ():
        units = str(dataset[name].attrs.get("units", "")).lower()
        if not dataset[name].ndim and BY_UNITS.get(units) == "level":
            return _expanded(dataset.rename({name: "level"}), "level")
    return dataset


def _expanded(dataset: xr.Dataset, name: str) -> xr.Dataset:
    """Return the dataset with a scalar coordinate as an axis of its fields, not of other grids."""
    attributes, value = dataset[name].attrs, dataset[name].values.reshape(1)
    bare = dataset.drop_vars(name)
    fields = {n: a.expand_dims(name) for n, a in bare.data_vars.items() if name not in a.dims}
    return bare.assign(fields).assign_coords({name: (name, value, attributes)})


def _without_level(dataset: xr.Dataset, where: str) -> xr.Dataset:
    """Return fields of one level without it.

    Raises
    ------
    UserError
        If there are several.
    """
    if dataset.sizes.get("level", 1) > 1:
        listed = ", ".join(f"{value:g}" for value in dataset["level"].values)
        raise UserError(f"{where} has the levels {listed} hPa: leave its option 'one_level' out.")
    return dataset.squeeze("level", drop=True) if "level" in dataset.dims else dataset


def _levels(dataset: xr.Dataset, where: str) -> xr.Dataset:
    for name in map(str, dataset.dims):
        axis = dataset[name].attrs if name in dataset.coords else {}
        if "hybrid" in f"{name} {axis.get('standard_name', '')}" or "sigma" in str(
            axis.get("standard_name", "")
        ):
            raise UserError(
                f"{where}: '{name}' are model levels, not pressures: interpolate the fields to "
                "pressure levels first."
            )
    if "level" not in dataset.dims:
        return dataset
    level = dataset["level"]
    if level.attrs.get("standard_name") == "model_level_number":
        return dataset
    given = level.values.astype(np.float64)
    beyond = "Pa" if np.max(given, initial=0) > HIGHEST_PRESSURE else "hPa"
    unit = str(level.attrs.get("units", beyond))
    factor, offset = conversion(unit, "hPa", f"{where}: level")
    values = np.round(given * factor + offset, 6)
    if not np.all((values >= 0) & (values <= HIGHEST_PRESSURE)):
        raise UserError(
            f"{where}: its levels {given.min():g} to {given.max():g} ('{unit}') are no pressures "
            "of the atmosphere: correct their unit in the file."
        )
    return dataset.assign_coords(level=("level", values, level.attrs | {"units": "hPa"}))


def numbered(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset with members numbered from 1, where they have no names."""
    if "member" in dataset.dims and "member" not in dataset.coords:
        return dataset.assign_coords(member=np.arange(1, dataset.sizes["member"] + 1))
    return dataset


def without_default_fill(array: xr.DataArray) -> xr.DataArray:
    """Return a field with NetCDF's default fill value as NaN, where none was declared.

    Parameters
    ----------
    array
        In chunks: a comparison would read a field that is not.
    """
    stored = array.encoding
    if array.dtype not in (np.float32, np.float64) or {"_FillValue", "missing_value"} & set(stored):
        return array
    if "scale_factor" not in stored:
        return array.where((np.abs(array) < DEFAULT_FILL) | np.isinf(array))  # for the checks
    fill = PACKED_FILL.get(str(stored.get("dtype")))
    if fill is None:
        return array
    scale, offset = float(stored["scale_factor"]), float(stored.get("add_offset", 0.0))
    return array.where(np.abs(array - (fill * scale + offset)) > abs(scale) / 2)
