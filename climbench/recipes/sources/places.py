"""Where the cells of a file are: on a latitude-longitude grid, or each at a place of its own."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError

AXES = ("latitude", "longitude")
RADIANS = ("radian", "radians", "rad")
ELSEWHERE = "set 'flatten: true' in the source and add the step 'regrid' with 'method: nearest'"


def check_grid(dataset: xr.Dataset, where: str) -> None:
    """Refuse whatever is not on a latitude-longitude grid.

    Raises
    ------
    UserError
        Naming the kind of grid, and how it can be read.
    """
    dims = ", ".join(map(str, dataset.dims)) or "none"
    for axis in AXES:
        if axis in dataset.variables and dataset[axis].ndim == 2:
            raise UserError(
                f"{where}: '{axis}' has dimensions {dataset[axis].dims}: a curvilinear or rotated "
                f"grid; {ELSEWHERE}."
            )
        if axis in dataset.variables and dataset[axis].dims not in ((axis,), ()):
            raise UserError(
                f"{where}: the cells of '{dataset[axis].dims[0]}' have a {axis} each: an "
                f"unstructured or reduced grid, or stations; of a grid, {ELSEWHERE}."
            )
        if axis not in dataset.dims:
            raise UserError(f"{where}: there is no {axis} axis among its dimensions ({dims}).")
        if axis not in dataset.variables:
            raise UserError(f"{where}: its {axis} axis has no values.")
    _check_projection(dataset, where)


def _check_projection(dataset: xr.Dataset, where: str) -> None:
    """Refuse axes called latitude and longitude that are those of a map or a rotated pole."""
    for label, array in dataset.data_vars.items():
        words = str(array.attrs.get("grid_mapping", array.encoding.get("grid_mapping", "")))
        named = [dataset.get(word.strip(":")) for word in words.split()]
        kinds = {str(one.attrs.get("grid_mapping_name", "")) for one in named if one is not None}
        true = kinds <= {""} or "latitude_longitude" in kinds
        if {*AXES} <= {*array.dims} and not true:
            raise UserError(
                f"{where}: '{label}' is on a grid of '{max(kinds)}', so its axes are no true "
                "latitudes and longitudes: put it on those first, as with `cdo remapbil`."
            )


def in_degrees(dataset: xr.Dataset, where: str) -> xr.Dataset:
    """Return a grid with axes in degrees, no column of which stands there twice.

    Raises
    ------
    UserError
        If values are missing, or are no latitudes or longitudes.
    """
    for axis in AXES:
        array = dataset[axis]
        values = array.values.astype(np.float64)
        units = str(array.attrs.get("units", "degrees")).strip().lower()
        if units in RADIANS:
            values = np.round(np.rad2deg(values), 9).astype(np.float64)
        elif not units.startswith("degree"):
            raise UserError(f"{where}: {axis} is in '{units}', not in degrees.")
        limit = 90.0 if axis == "latitude" else 720.0
        if not np.all(np.abs(values) <= limit + 1e-3):
            raise UserError(f"{where}: {axis} has missing values or some beyond {limit:g} degrees.")
        if units in RADIANS:
            attributes = array.attrs | {"units": f"degrees_{'north' if limit == 90 else 'east'}"}
            dataset = dataset.assign_coords({axis: (axis, values, attributes)})
    longitude = dataset["longitude"].values.astype(np.float64)
    if longitude.size > 1 and abs(abs(longitude[-1] - longitude[0]) - 360.0) < 1e-4:
        dataset = dataset.isel(longitude=slice(None, -1))  # the first meridian again
    return dataset


def columns(dataset: xr.Dataset, where: str) -> xr.Dataset:
    """Return fields of any grid as fields on ``column``, with the place of each.

    Parameters
    ----------
    dataset
        With ``latitude`` and ``longitude``, one- or two-dimensional.
    where
        Its name, for errors.

    Raises
    ------
    UserError
        If the places of the cells are unknown.
    """
    for axis in AXES:
        if axis not in dataset.variables or not dataset[axis].ndim:
            dims = ", ".join(map(str, dataset.dims)) or "none"
            raise UserError(
                f"{where}: the {axis} of its cells is unknown, so 'flatten' cannot place them; its "
                f"dimensions are {dims}."
            )
    _check_projection(dataset, where)
    latitude, longitude = xr.broadcast(dataset["latitude"], dataset["longitude"])
    plane = latitude.dims
    degrees = {}
    for axis, array in zip(AXES, (latitude, longitude), strict=True):
        units = str(dataset[axis].attrs.get("units", "degrees")).lower()
        values = array.values.astype(np.float64).reshape(-1)
        degrees[axis] = np.rad2deg(values) if units in RADIANS else values
    fields = {
        name: _flat(array, plane)
        for name, array in dataset.data_vars.items()
        if set(plane) <= set(array.dims)
    }
    rest: Any = dataset.drop_vars([*AXES, *fields, *(d for d in plane if d in dataset.variables)])
    rest = rest.drop_vars([n for n, a in rest.variables.items() if set(plane) & set(a.dims)])
    placed = {axis: ("column", values) for axis, values in degrees.items()}
    placed_fields: xr.Dataset = rest.assign(fields).assign_coords(placed)
    return placed_fields


def _flat(array: xr.DataArray, plane: tuple[Any, ...]) -> xr.DataArray:
    """Return a field with its plane as one dimension, the last."""
    others = [dim for dim in array.dims if dim not in plane]
    ordered = array.transpose(*others, *plane)
    shape = (*(ordered.sizes[dim] for dim in others), -1)
    kept = {n: c for n, c in ordered.coords.items() if not set(plane) & set(c.dims)}
    flat = xr.DataArray(
        ordered.chunk().data.reshape(shape) if ordered.ndim > 1 else ordered.chunk().data,
        coords=kept,
        dims=(*others, "column"),
        attrs=array.attrs,
        name=array.name,
    )
    flat.encoding = array.encoding
    return flat


def station_names(dataset: xr.Dataset) -> NDArray[Any]:
    """Return the names of stations: CF's ``timeseries_id``, the dimension's own, or other texts.

    Where there is nothing of that kind, or texts do not tell the stations apart, they are numbered.

    Parameters
    ----------
    dataset
        With the dimension ``station``.
    """
    along = {n: a for n, a in dataset.variables.items() if a.dims == ("station",)}
    declared = [a for a in along.values() if a.attrs.get("cf_role") == "timeseries_id"]
    own = [along[n] for n in ("station",) if n in along]
    texts = [a for a in along.values() if a.dtype.kind in "OSU"]
    for one in (*declared, *own):
        return _text(one) if one.dtype.kind in "OS" else np.asarray(one.values)
    for names in map(_text, texts):
        if np.unique(names).size == names.size:
            return names
    return np.arange(dataset.sizes["station"]).astype(str)


def _text(names: xr.Variable) -> NDArray[Any]:
    plain = [one.decode() if isinstance(one, bytes) else str(one) for one in names.values]
    return np.array([one.strip() for one in plain])
