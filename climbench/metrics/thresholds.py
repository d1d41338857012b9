"""Thresholds of extremes: percentiles of each cell by season, day of the year or all year."""

import numpy as np
from numpy.typing import NDArray

from climbench.grids import is_periodic
from climbench.metrics.climatology import DAYS, counts_twice
from climbench.metrics.climatology_quantiles import window_quantiles

Array = NDArray[np.float64]
SEASON_STARTS = (61, 153, 245, 336)
"""Day of the year on which March, June, September and December begin in a leap year."""
KERNEL = {0: 4.0, 1: 1.0, 2: 0.25}
"""Weight of a cell by the number of its steps aside, over 9: the middle, an edge, a corner."""


def season_of(day: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the season of days of the year 1..366: 0 for winter (December to February) to 3.

    Days are counted as in a leap year, alike for thresholds and for what is held against them: in
    a common year a season so begins one day late.

    Examples
    --------
    >>> season_of(np.array([1, 60, 61, 335, 336])).tolist()
    [0, 0, 1, 3, 0]
    """
    return np.searchsorted(SEASON_STARTS, day, side="right") % 4


def percentile_thresholds(
    values: NDArray[np.floating],
    day: NDArray[np.int64],
    days_in_year: NDArray[np.int64],
    levels: NDArray[np.float64],
    window: str | int,
) -> Array:
    """Return quantiles of each cell over the training times of the same part of the year.

    Parameters
    ----------
    values
        Of the training period alone, at one hour of the day or at all ``[time, cell]``; missing
        ones do not count.
    day, days_in_year
        Day of the year of each, 1..366, and how many its year has ``[time]``.
    levels
        Between 0 and 1 ``[quantile]``.
    window
        ``season``, ``year``, or an odd number of days round each day, nearer ones counting more
        (:func:`climbench.metrics.climatology_quantiles.window_quantiles`).

    Returns
    -------
    numpy.ndarray
        ``[quantile, dayofyear 366, cell]``; NaN where there is no value.
    """
    if not isinstance(window, str):
        again = counts_twice(day - 1, days_in_year)
        days = np.append(day - 1, np.full(np.count_nonzero(again), DAYS - 1))
        return window_quantiles(np.concatenate([values, values[again]]), days, window, levels)
    every = np.arange(1, DAYS + 1)
    own, wanted = (season_of(d) if window == "season" else 0 * d for d in (day, every))
    result = np.full((levels.size, DAYS, values.shape[1]), np.nan)
    for part in np.unique(own):
        here = values[own == part].astype(np.float64)
        known = np.isfinite(here).any(axis=0)
        found = np.full((levels.size, values.shape[1]), np.nan)
        if known.any():
            some = np.where(np.isfinite(here[:, known]), here[:, known], np.nan)
            found[:, known] = np.nanquantile(some, levels, axis=0)
        result[:, wanted == part] = found[:, None]
    return result


def running_mean(values: NDArray[np.floating], hours: NDArray[np.int64], days: int) -> Array:
    """Return the mean over the days that end at each time; NaN where one of its steps is missing.

    Parameters
    ----------
    values
        ``[time, ...]``.
    hours
        Hours since any date, ascending ``[time]``.
    days
        Length of the window.
    """
    steps = np.diff(hours)
    step = int(steps.min()) if steps.size else 24 * days
    number = 24 * days // step
    sums = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0, dtype="f8")])
    result = np.full(values.shape, np.nan)
    result[number - 1 :] = (sums[number:] - sums[:-number]) / number
    whole = np.zeros(len(hours), dtype=np.bool_)
    whole[number - 1 :] = hours[number - 1 :] - hours[: len(hours) - number + 1] == (
        (number - 1) * step
    )
    result[~whole] = np.nan
    return result


def smooth_neighbours(values: NDArray[np.floating], latitude: Array, longitude: Array) -> Array:
    """Return a weighted mean of each cell and its eight neighbours: (4, 1, 0.25) / 9.

    Round the globe and over the poles, where the neighbour of a row lies across; beyond the edge
    of a region lies its last row or column again.

    Parameters
    ----------
    values
        ``[..., latitude, longitude]``.
    latitude, longitude
        Cell centres, degrees, monotonic.
    """
    periodic = is_periodic(longitude)
    wide = np.concatenate([values[..., -1:], values, values[..., :1]], axis=-1)
    if not periodic:
        wide[..., 0], wide[..., -1] = values[..., 0], values[..., -1]
    south, north = (_beyond(wide, latitude, edge, periodic) for edge in (0, -1))
    padded = np.concatenate([south, wide, north], axis=-2)
    rows, columns = values.shape[-2:]
    total = np.zeros(values.shape)
    for row in range(3):
        for column in range(3):
            weight = KERNEL[abs(row - 1) + abs(column - 1)] / 9
            total += weight * padded[..., row : row + rows, column : column + columns]
    return total


def _beyond(wide: Array, latitude: Array, edge: int, periodic: bool) -> Array:
    """Return the row beyond the first or last, with the columns beyond the edges."""
    step = abs(float(latitude[1] - latitude[0]))
    gap = 90.0 - abs(float(latitude[edge]))
    if not periodic or gap > step + 1e-4:
        return wide[..., [edge], :]
    inner = 1 if edge == 0 else -2
    across = wide[..., [inner if gap < 1e-4 else edge], 1:-1]  # a row on the pole is its own
    turned = np.roll(across, across.shape[-1] // 2, axis=-1)
    return np.concatenate([turned[..., -1:], turned, turned[..., :1]], axis=-1)
