"""Stores without a map: stations, or one place, are the cells of a single row."""

from collections.abc import Iterable, Iterator

import numpy as np
import xarray as xr
from numpy.typing import NDArray

STATION = "station"
PLACE = "latitude", "longitude", "altitude"
SAME = 0.99  # share of common values that are equal, from which on two records are one
LEAST = 500  # common values that are needed to tell
SAMPLE = 5000  # times that are looked at
FEW_VALUES = 30  # different ones: of rain, say, many are equal by chance
GLANCE = 64  # values of each station that are compared first
MOSTLY = 0.8  # share of these that a pair must have in common to be looked at again
ALONE = "-"  # the name of the one place of a store without stations


def sharing_one_record(ds: xr.Dataset, pairs: Iterable[tuple[int, int]] | None = None) -> list[str]:
    """Return which pairs of stations have the same values, as words with names and variables.

    Variables of many values are compared, over the first years.

    Parameters
    ----------
    ds
        Variables along ``time`` and ``station``.
    pairs
        Positions of two stations each; by default all.

    Examples
    --------
    >>> record = np.sin(np.arange(600.0))
    >>> ds = xr.Dataset({"t": (("time", "station"), np.stack([record, 0 * record, record], 1))})
    >>> sharing_one_record(ds.assign_coords(station=["a", "b", "c"]), [(0, 1), (0, 2)])
    ['a and c (t)']
    """
    asked = None if pairs is None else {tuple(sorted(pair)): pair for pair in pairs}
    found: dict[tuple[int, int], list[str]] = {}
    for label, array in ds.data_vars.items():
        if not {"time", STATION} == set(array.dims):
            continue
        values = array.isel(time=slice(0, SAMPLE)).transpose("time", STATION).values
        if len(np.unique(values[np.isfinite(values)])) < FEW_VALUES:
            continue
        for one, other in _alike(values):
            if asked is not None and (one, other) not in asked:
                continue
            common = np.isfinite(values[:, one]) & np.isfinite(values[:, other])
            equal = values[common, one] == values[common, other]
            if equal.size >= LEAST and equal.mean() >= SAME:
                pair = (one, other) if asked is None else asked[one, other]
                found.setdefault(pair, []).append(str(label))
    names = ds[STATION].values
    return [f"{names[one]} and {names[two]} ({', '.join(v)})" for (one, two), v in found.items()]


def _alike(values: NDArray[np.floating]) -> Iterator[tuple[int, int]]:
    """Yield pairs of stations that agree in most of a few values ``[time, station]``.

    So thousands of stations are compared in seconds; whether a pair shares its record, more
    values say.
    """
    there = np.isfinite(values).sum(axis=1)
    best = np.sort(np.argsort(there, kind="stable")[-GLANCE:])
    few = values[best]
    for one in range(few.shape[1] - 1):
        own, others = few[:, one : one + 1], few[:, one + 1 :]
        common = np.isfinite(own) & np.isfinite(others)
        equal = ((own == others) & common).sum(axis=0)
        alike = equal >= np.maximum(1, MOSTLY * common.sum(axis=0))
        yield from ((one, one + 1 + int(other)) for other in np.flatnonzero(alike))


def has_map(ds: xr.Dataset) -> bool:
    """Tell whether fields lie on latitudes and longitudes."""
    return {"latitude", "longitude"} <= set(ds.dims)


def as_one_row(ds: xr.Dataset) -> xr.Dataset:
    """Return stations as the columns of a map of one row, lazily.

    All that is written for maps then serves stations too. Columns keep the order of the stations;
    a store of one place, without stations, is one column. Fields have no dimension ``latitude``.

    Parameters
    ----------
    ds
        Variables along ``time`` and ``station``, or along ``time`` alone; with the coordinates
        ``latitude``, ``longitude`` and ``altitude`` of each station where they are known.

    Returns
    -------
    xarray.Dataset
        Along ``time`` and ``longitude``, whose labels are the degrees east of each station (0
        where they are not known), with ``station`` and ``cell_latitude`` beside it; ``latitude``
        is one row, 0.
    """
    alone = STATION not in ds.dims
    names = np.array([ALONE]) if alone else np.array([str(name) for name in ds[STATION].values])
    places = {name: _along(ds, name, len(names)) for name in PLACE}
    bare = ds.drop_vars([*PLACE, STATION], errors="ignore")
    row = bare if alone else bare.rename_dims({STATION: "longitude"})
    return row.assign_coords(
        latitude=("latitude", np.zeros(1)),
        longitude=("longitude", np.nan_to_num(places["longitude"])),
        station=("longitude", names),
        cell_latitude=("longitude", np.nan_to_num(places["latitude"])),
        cell_altitude=("longitude", np.nan_to_num(places["altitude"])),
    )


def as_stations(row: xr.Dataset, store: xr.Dataset) -> xr.Dataset:
    """Return what was computed on the row of a store along its stations again.

    Parameters
    ----------
    row
        Fields whose last dimensions are ``latitude`` (of length one) and ``longitude``.
    store
        What :func:`as_one_row` was given.
    """
    flat = row.isel(latitude=0, drop=True)
    extra = [name for name in ("station", "cell_latitude", "cell_altitude") if name in flat.coords]
    if STATION not in store.dims:
        return flat.isel(longitude=0, drop=True).drop_vars(extra, errors="ignore")
    named = flat.drop_vars(["longitude", *extra]).rename_dims(longitude=STATION)
    places = {name: store[name] for name in (STATION, *PLACE) if name in store.coords}
    return named.assign_coords(places)


def _along(ds: xr.Dataset, name: str, size: int) -> np.ndarray:
    if name not in ds.variables:
        return np.full(size, np.nan)
    return np.broadcast_to(np.asarray(ds[name].values, dtype=np.float64), size).copy()
