"""What a plan knows of files without fetching them: from a header and names, or from requests."""

import re
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import dask.array
import fsspec
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.recipes.downloads.cds import parsed
from climbench.recipes.downloads.credentials import storage_options
from climbench.recipes.schema import Files
from climbench.recipes.sources.cmip_names import NAMES
from climbench.recipes.sources.opening import conformed, times_of_a_block
from climbench.store.time_axis import hours
from climbench.variables import variables

BLOCK = 2**18  # bytes of a range
SMALL = 2**22  # bytes of a variable that is read: coordinates and their bounds
DAY, MONTH, YEAR = 24.0, 650.0, 8000.0  # hours; a shorter step is none of months, none of years
SPAN = re.compile(r"_(\d{4,12})-(\d{4,12})(?:-clim)?\.nc$")
DIFFER = ("experiment_id", "member_id", "first", "last")
"""What the names of files with the same grid and calendar differ in."""

GRIDS = {"reanalysis-era5-land": 0.1, "reanalysis-era5": 0.25}
"""Spacing of data sets of the Climate Data Store, degrees, by the beginning of their names."""

_headers: dict[tuple[str, ...], tuple[str, xr.Dataset]] = {}


def is_foreseeable(addresses: Sequence[str]) -> bool:
    """Tell whether files are far away and have names of CMIP that say their times."""
    return bool(addresses) and all(
        one.startswith(("https://", "http://")) and SPAN.search(one) and _same_header(one)
        for one in addresses
    )


def header(addresses: Sequence[str], source: Files) -> xr.Dataset | None:
    """Return a file with zeros for its fields, read by byte ranges; None if no server gives these.

    That of another run of the same climate model, table, variable and grid will do.

    Parameters
    ----------
    addresses
        Of the file and its copies.
    source
        Which variables, and what their files lack.
    """
    for address in addresses:
        key = _same_header(address)
        if key not in _headers:
            try:
                _headers[key] = address, _read(address)
            except (ImportError, OSError, ValueError):  # no library, no ranges, or no HDF5
                continue
        where, dataset = _headers[key]
        return conformed(dataset, where, source)
    return None


def _same_header(address: str) -> tuple[str, ...]:
    """Return the server and the words of a name that tell its header; nothing of other names."""
    parts = urlsplit(address)
    name = parts.path.rsplit("/", 1)[-1]
    found = next((m for pattern in NAMES.values() if (m := pattern.fullmatch(name))), None)
    words = found.groupdict() if found else {}
    return (parts.netloc, *(t or "" for k, t in words.items() if k not in DIFFER)) if words else ()


def _read(address: str) -> xr.Dataset:
    options = storage_options(address)
    with fsspec.open(address, block_size=BLOCK, cache_type="blockcache", **options) as file:
        file.seek(-1, 2)
        file.read(1)  # fails where ranges are not given
        dataset = xr.open_dataset(
            file, engine="h5netcdf", chunks=None, decode_times=False, decode_timedelta=False
        )
        return dataset.map(_without_field, keep_attrs=True).load()


def _without_field(array: xr.DataArray) -> xr.DataArray:
    """Return zeros for a field, which are never made, and all else as it is."""
    if array.nbytes <= SMALL:
        return array.load()
    zeros = array.copy(data=np.broadcast_to(array.dtype.type(0), array.shape))
    zeros.encoding = {"preferred_chunks": array.encoding.get("preferred_chunks", {})}
    return zeros


def series(template: xr.Dataset, addresses: Sequence[str]) -> xr.Dataset:
    """Return what the files of a series will hold, as lazy zeros.

    Parameters
    ----------
    template
        One of them, or one of another run.
    addresses
        All of them; their names say the times.
    """
    times = [_times(SPAN.search(one), template["time"]) for one in sorted(addresses)]
    return _along(times[0].append(times[1:]), template)


def requested(addresses: Sequence[str], source: Files) -> xr.Dataset:
    """Return what requests to the Climate Data Store will bring, as lazy zeros.

    Parameters
    ----------
    addresses
        ``cds://DATASET/NAME#REQUEST`` of a group of variables, in the order of their times.
    source
        Names of its variables in files, and in the store.

    Raises
    ------
    UserError
        If the grid of the data set is not known.
    """
    requests = [parsed(address) for address in addresses]
    dataset, first = requests[0]
    times = [
        f"{one['year'][0]}-{one['month'][0]}-{day}T{hour}"
        for _, one in requests
        for day in one["day"]
        for hour in one["time"]
    ]
    latitude, longitude = _grid(dataset, first)
    coordinates: dict[str, Any] = {"time": pd.DatetimeIndex(times[:1]), "latitude": latitude}
    if "pressure_level" in first:
        coordinates["level"] = np.array(first["pressure_level"], float)
    coordinates["longitude"] = longitude
    order = [d for d in ("time", "level", "latitude", "longitude") if d in coordinates]
    shape = [len(coordinates[d]) for d in order]
    fields = {}
    for name in source.variables or ():
        known = variables().get(source.rename.get(name, name))
        attributes = {"units": known.units} if known else {}
        fields[name] = (order, np.broadcast_to(np.float32(0), shape), attributes)
    return _along(pd.DatetimeIndex(times), xr.Dataset(fields, coordinates))


def _grid(dataset: str, request: dict[str, list[str]]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return latitude, from north to south, and longitude that a request means."""
    usual = next((step for name, step in GRIDS.items() if dataset.startswith(name)), None)
    if usual is None and "grid" not in request:
        raise UserError(
            f"source {dataset}: a plan asks for nothing and does not know its grid: say it with "
            "'grid', or build without a plan."
        )
    across, along = (float(text) for text in request.get("grid", [str(usual)] * 2))
    north, west, south, east = (
        float(text) for text in request.get("area", ["90", "0", "-90", str(360 - across)])
    )
    rows, columns = round((north - south) / along) + 1, round((east - west) / across) + 1
    return north - along * np.arange(rows), west + across * np.arange(columns)


def _along(axis: pd.Index, template: xr.Dataset) -> xr.Dataset:
    """Return zeros for the fields of a file, along another time axis, in blocks as files have."""
    block = times_of_a_block(template)
    fields = {}
    for name, array in template.data_vars.items():
        sizes = {d: axis.size if d == "time" else array.sizes[d] for d in array.dims}
        chunks = tuple(block if d == "time" else size for d, size in sizes.items())
        zeros = dask.array.zeros(tuple(sizes.values()), dtype=array.dtype, chunks=chunks)
        fields[name] = (array.dims, zeros, array.attrs)
    others = {name: one for name, one in template.coords.items() if "time" not in one.dims}
    return xr.Dataset(fields, {"time": ("time", axis), **others}, template.attrs)


def _times(span: re.Match[str] | None, like: xr.DataArray) -> pd.Index:
    """Return the times between the first and the last that a name says, in steps as others have."""
    assert span is not None  # noqa: S101  for the type checker
    first, last = span.groups()
    given = hours(like)
    by_digits = {4: YEAR, 6: MONTH, 8: DAY}.get(len(first), 6.0)
    step = float(np.median(np.diff(given))) if given.size > 1 else by_digits
    years = int(last[:4]) - int(first[:4]) + 1
    months = 12 * (years - 1) + int(last[4:6] or 12) - int(first[4:6] or 1) + 1
    axis = partial(xr.date_range, calendar=like.dt.calendar, use_cftime=like.dtype == object)
    day = f"{first[:4]}-{first[4:6] or '01'}-01"
    if step >= YEAR:
        found: pd.Index = axis(day, periods=years, freq="YS") + timedelta(days=182)
        return found
    if step >= MONTH:
        found = axis(day, periods=months, freq="MS") + timedelta(days=14.5)
        return found
    begin, end = (_stamp(text) for text in (first, last))
    if len(first) <= 8:  # days, which are stamped with an hour as those of others are
        begin, end = f"{begin[:10]}T{like.dt.strftime('%H:%M').values[0]}", f"{end[:10]}T23:59"
    found = axis(begin, end, freq=f"{round(60 * step)}min")
    return found


def _stamp(digits: str) -> str:
    """Return digits of a name as ISO 8601 text.

    Examples
    --------
    >>> _stamp("185001010600"), _stamp("1850")
    ('1850-01-01T06:00', '1850-01-01T00:00')
    """
    filled = digits + "000001010000"[len(digits) :]
    return f"{filled[:4]}-{filled[4:6]}-{filled[6:8]}T{filled[8:10]}:{filled[10:]}"
