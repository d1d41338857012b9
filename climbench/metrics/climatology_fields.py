"""Fields of a period to their climatology, some cells at a time."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from climbench.metrics.climatology import (
    DAYS,
    DaySums,
    box_weights,
    counts_twice,
    triangular_weights,
)
from climbench.metrics.climatology_quantiles import window_quantiles
from climbench.store.positions import as_slice

Index = NDArray[np.int64]

SPACE = ("level", "latitude", "longitude")
DRY = {"_24hr": 0.25, "_6hr": 0.1}  # mm in the time that the name ends with, as WeatherBench 2
MILLIMETRES = {"": 1e3, "m": 1e3, "mm": 1.0, "kg m-2": 1.0, "kg m**-2": 1.0}
HEAVY = 2 / 3  # quantile of the amounts that are not dry
READ = 32 * 2**20  # bytes of one read


@dataclass(frozen=True)
class Steps:
    """The time steps of a period.

    Attributes
    ----------
    position
        Place of each step in the store, ascending ``[step]``.
    hours
        Hours of the day that occur ``[hour]``.
    hour, day
        Position among ``hours``, and day of the year from 0 ``[step]``.
    again
        Whether the step also stands for day 366, which its common year lacks ``[step]``.
    first, last
        Earliest and latest time.
    """

    position: Index
    hours: Index
    hour: Index
    day: Index
    again: NDArray[np.bool_]
    first: str
    last: str

    @classmethod
    def at(cls, index: pd.Index, position: Index) -> "Steps":
        """Return the steps at ascending positions of a time axis, dates of any calendar."""
        chosen = index[position]
        time = xr.DataArray(chosen, dims="time").dt
        hours, hour = np.unique(time.hour.values, return_inverse=True)
        day = time.dayofyear.values.astype(np.int64) - 1
        return cls(
            position=position,
            hours=hours.astype(np.int64),
            hour=hour.astype(np.int64),
            day=day,
            again=counts_twice(day, time.days_in_year.values),
            first=chosen.min().strftime("%Y-%m-%dT%H:%M"),
            last=chosen.max().strftime("%Y-%m-%dT%H:%M"),
        )

    def of(self, hour: int) -> tuple[Index, Index]:
        """Return steps and days of one hour, with the steps that stand for two days twice."""
        own = np.flatnonzero(self.hour == hour)
        again = own[self.again[own]]
        return np.concatenate([own, again]), np.append(self.day[own], [DAYS - 1] * again.size)


@dataclass(frozen=True)
class Wanted:
    """What is computed beside the mean: options of ``build_climatology``."""

    window: int
    quantiles: tuple[float, ...]
    std: bool
    seeps: tuple[str, ...]

    def outputs(self, name: str) -> dict[str, tuple[int, ...]]:
        """Return what is made of a variable, each with the length of the axis in front."""
        found: dict[str, tuple[int, ...]] = {name: ()}
        if self.std:
            found[f"{name}_std"] = ()
        if self.quantiles:
            found[f"{name}_quantile"] = (len(self.quantiles),)
        if name in self.seeps:
            found |= {f"{name}_seeps_threshold": (), f"{name}_seeps_dry_fraction": ()}
        return found


def precision(array: xr.DataArray) -> np.dtype[Any]:
    """Return the type of a variable's climatology: float64 where it is, else float32."""
    return np.dtype(np.float64 if array.dtype == np.float64 else np.float32)


def cells_at_once(array: xr.DataArray, steps: Steps, wanted: Wanted, memory: float) -> int:
    """Return for how many cells some memory (GB) is enough, roughly."""
    name, size = str(array.name), precision(array).itemsize
    seeps = name in wanted.seeps
    outputs = wanted.outputs(name).values()
    slot = 10 + 8 * wanted.std + 10 * seeps + size * sum(math.prod(front) for front in outputs)
    kept = 2 * steps.position.size * size if wanted.quantiles or seeps else 0
    read = 2 * _chunks(array)["time"] * size
    scratch = 8 * DAYS * (6 + len(wanted.quantiles))
    return max(1, int(memory * 1e9 / (slot * steps.hours.size * DAYS + kept + read + scratch)))


def _chunks(array: xr.DataArray) -> dict[str, int]:
    """Return how many entries are decompressed together along each dimension; 1 if unknown."""
    known = array.encoding.get("preferred_chunks", {})
    return {str(dim): max(1, int(known.get(dim, 1))) for dim in array.dims}


def tiles(array: xr.DataArray, cells: int) -> Iterator[dict[str, slice]]:
    """Yield parts of the field of at most ``cells`` cells, of whole chunks where these fit."""
    chunks = _chunks(array)
    lengths: dict[str, int] = {}
    dims = [dim for dim in SPACE if dim in array.dims]
    for dim in reversed(dims):
        length = min(array.sizes[dim], max(1, cells))
        if chunks[dim] <= length < array.sizes[dim]:
            length -= length % chunks[dim]
        lengths[dim] = length
        cells //= length
    for corner in product(*(range(0, array.sizes[dim], lengths[dim]) for dim in dims)):
        yield {
            dim: slice(start, min(start + lengths[dim], array.sizes[dim]))
            for dim, start in zip(dims, corner, strict=True)
        }


def climatology_of(part: xr.DataArray, steps: Steps, wanted: Wanted) -> dict[str, NDArray[Any]]:
    """Read some cells over a period and return their climatology.

    Parameters
    ----------
    part
        A variable ``[time, ...]`` with few enough cells; read here, a run of times at once.
    steps
        The period.
    wanted
        What is computed.

    Returns
    -------
    dict
        ``[hour, dayofyear, ...]`` by name, quantiles ``[quantile, hour, dayofyear, ...]``.
    """
    name, cells, kind = str(part.name), math.prod(part.shape[1:]), precision(part)
    seeps = name in wanted.seeps
    sums = DaySums(steps.hours.size, cells, squares=wanted.std)
    dry = DaySums(steps.hours.size, cells if seeps else 0)
    kept = np.empty((steps.position.size if seeps or wanted.quantiles else 0, cells), kind)
    for rows in _reads(part, steps.position):
        fields = part.isel(time=as_slice(steps.position[rows])).values
        fields = fields.reshape(-1, cells).astype(kind, copy=False)
        _add(sums, fields, steps, rows)
        if seeps:
            _add(dry, _dryness(fields, part), steps, rows)
        if kept.size:
            kept[rows] = fields
    result = {
        output: np.empty((*front, steps.hours.size, DAYS, cells), kind)
        for output, front in wanted.outputs(name).items()
    }
    for hour in range(steps.hours.size):
        mean, deviation = sums.window(hour, triangular_weights(wanted.window))
        result[name][hour] = mean
        if deviation is not None:
            result[f"{name}_std"][hour] = deviation
        if kept.size:
            own, day = steps.of(hour)
            values = kept[own]
        if wanted.quantiles:
            levels = window_quantiles(values, day, wanted.window, wanted.quantiles)
            result[f"{name}_quantile"][:, hour] = levels
        if seeps:
            fraction, _ = dry.window(hour, box_weights(wanted.window))
            result[f"{name}_seeps_dry_fraction"][hour] = fraction
            values[_dryness(values, part) == 1] = np.nan
            heavy = window_quantiles(values, day, wanted.window, [HEAVY])
            result[f"{name}_seeps_threshold"][hour] = heavy[0]
    return {
        key: values.reshape(*values.shape[:-1], *part.shape[1:]) for key, values in result.items()
    }


def _reads(part: xr.DataArray, position: Index) -> Iterator[slice]:
    """Yield runs of steps that lie in the same chunks, of about ``READ`` bytes or one chunk."""
    chunk = _chunks(part)["time"]
    field = part.dtype.itemsize * math.prod(part.shape[1:])
    size = max(1, READ // field // chunk) * chunk
    edges = np.flatnonzero(np.diff(position // size)) + 1
    for start, stop in zip([0, *edges], [*edges, position.size], strict=True):
        yield slice(int(start), int(stop))


def _add(sums: DaySums, fields: NDArray[Any], steps: Steps, rows: slice) -> None:
    """Add fields to their days, and the last ones of common years to day 366 too."""
    hour, again = steps.hour[rows], steps.again[rows]
    sums.add(fields, hour, steps.day[rows])
    sums.add(fields[again], hour[again], np.full(np.count_nonzero(again), DAYS - 1))


def _dryness(values: NDArray[Any], part: xr.DataArray) -> NDArray[Any]:
    """Return 1 where an amount counts as dry, 0 where it does not, NaN where it is missing."""
    limit = next(limit for ending, limit in DRY.items() if str(part.name).endswith(ending))
    limit /= MILLIMETRES[str(part.attrs.get("units", ""))]
    # Compared in the precision of the data, as there: 0.1 mm in float32 is less than in float64.
    below = values < values.dtype.type(limit)
    return np.where(np.isfinite(values), below, np.nan).astype(values.dtype)
