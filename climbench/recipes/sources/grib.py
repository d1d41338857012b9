"""GRIB messages as fields: at the time for which they hold, none twice, none on a lost grid."""

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from climbench.errors import UserError
from climbench.recipes.schema import Files

PRESSURES = {"isobaricInhPa", "isobaricInPa"}

PROJECTED = ("lambert", "lambert_azimuthal_equal_area", "mercator", "polar_stereographic")
"""Grids whose places ecCodes gives from south to north only, whatever the order of the values."""

STRAY = re.compile(rb"7777G(R(I)?)?$")
"""An end of a file that ecCodes passes over: less of a second message than its first word."""


def open_grib(path: str, where: str, source: Files) -> xr.Dataset:
    """Open the messages of a file as lazy fields.

    Time is that for which a field holds, not that at which its forecast began. Levels in hPa and
    in Pa, as ECMWF writes those above 1 hPa, become one axis.

    Raises
    ------
    UserError
        If messages are damaged, repeat, do not fit into one array, are spectral, or are written
        in an order of columns or rows that would turn the fields.
    ImportError
        Without cfgrib.
    """
    import eccodes
    from cfgrib.dataset import DatasetBuildError

    with Path(path).open("rb") as file:
        file.seek(max(-7, -Path(path).stat().st_size), 2)
        if STRAY.search(file.read()):
            raise UserError(f"{where} is cut short within a message: fetch it again.")
    try:
        return _open(path, where, source.keys)
    except DatasetBuildError as error:
        found = {str(keys.get(error.args[1])) for keys in error.args[2]} if error.args[1:] else ()
        if found and set(found) == PRESSURES and error.args[1] == "typeOfLevel":
            return _both_pressures(path, where, source.keys)
        hint = f"such as {{{error.args[1]}: {sorted(found)[0]}}}" if found else "such as shortName"
        raise UserError(
            f"{where} has messages that do not fit into one array: pick some with 'keys' in the "
            f"source, {hint}."
        ) from error
    except (eccodes.CodesInternalError, EOFError) as error:
        raise UserError(f"{where} has damaged messages ({error}): fetch it again.") from error


def _open(path: str, where: str, keys: dict[str, Any]) -> xr.Dataset:
    from cfgrib.xarray_plugin import CfGribDataStore

    # no index file beside the data, and no skipping of damaged messages
    store = CfGribDataStore(
        path, indexpath="", errors="raise", filter_by_keys=dict(keys), time_dims=("valid_time",)
    )
    first = None
    for name, variable in store.ds.variables.items():
        index = getattr(variable.data, "index", None)
        if index is None:
            continue
        first = index.first()
        _check_grid(str(name), first, where)
        messages = sum(len(positions) for _, positions in index.iter_index())
        if messages > len(variable.data.field_id_index):
            raise UserError(
                f"{where} has several messages of '{name}' for one time and level: pick some with "
                "'keys' in the source, such as {dataType: an} or {step: 6}."
            )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset: xr.Dataset = xr.open_dataset(store, decode_times=False, cache=False)
    return dataset if first is None else _in_their_rows(dataset, first)


def _check_grid(name: str, message: Any, where: str) -> None:
    """Refuse what is no grid, and orders of values that are not those of the places."""
    grid = str(message.get("gridType", ""))
    if grid == "sh":
        raise UserError(
            f"{where}: '{name}' are spherical harmonics, not values at places: transform them to a "
            "grid first, as with `cdo sp2gpl`."
        )
    if message.get("jPointsAreConsecutive", 0):
        order = "column by column"
    elif message.get("iScansNegatively", 0):
        order = "from east to west"
    elif grid in PROJECTED and not message.get("jScansPositively", 1):
        order = "from north to south on a map"
    else:
        return
    raise UserError(
        f"{where}: '{name}' is written {order}, which would turn the field: convert it to NetCDF "
        "first, as with `wgrib2 IN -netcdf OUT`."
    )


def _in_their_rows(dataset: xr.Dataset, message: Any) -> xr.Dataset:
    """Return fields on ``values`` with the places in their order, where every other row runs back.

    cfgrib turns these rows of maps with two dimensions only, and ecCodes gives the places as if
    all rows ran the same way.
    """
    if "values" not in dataset.dims or not message.get("alternativeRowScanning", 0):
        return dataset
    order = np.arange(dataset.sizes["values"]).reshape(message["Ny"], message["Nx"])
    order[1::2] = order[1::2, ::-1].copy()
    turned = {
        name: (axis.dims, axis.values[order.reshape(-1)], axis.attrs)
        for name, axis in dataset.coords.items()
        if axis.dims == ("values",)
    }
    return dataset.assign_coords(turned)


def _both_pressures(path: str, where: str, keys: dict[str, Any]) -> xr.Dataset:
    """Return fields on levels in hPa and in Pa on one axis, in hPa."""
    parts = []
    for kind, factor in (("isobaricInhPa", 1.0), ("isobaricInPa", 0.01)):
        part = open_grib_levels(path, where, keys, kind)
        levels = np.round(np.atleast_1d(part[kind].values) * factor, 6)
        if not part[kind].ndim:
            part = part.expand_dims(kind)
        attributes = {"units": "hPa", "standard_name": "air_pressure"}
        part = part.rename({kind: "level"})
        parts.append(part.assign_coords(level=("level", levels, attributes)))
    try:
        return xr.concat(parts, dim="level", join="exact", combine_attrs="override")
    except ValueError as error:
        raise UserError(
            f"{where} has other fields on levels in Pa than on levels in hPa: pick one kind with "
            "'keys: {typeOfLevel: isobaricInhPa}' in the source."
        ) from error


def open_grib_levels(path: str, where: str, keys: dict[str, Any], kind: str) -> xr.Dataset:
    """Return the messages of one type of level."""
    return _open(path, where, {**keys, "typeOfLevel": kind})
