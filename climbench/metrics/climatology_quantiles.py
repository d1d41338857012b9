"""Quantiles of the day of the year: weighted as the smooth climatology, for one hour."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from climbench.compilation import compiled
from climbench.metrics.climatology import DAYS, triangular_weights

RANKS = 128  # neighbouring ranks whose weights are summed up together
CELLS = 64  # cells that are sorted at once


def window_quantiles(
    values: NDArray[np.floating], day: ArrayLike, window: int, quantiles: ArrayLike
) -> NDArray[np.float64]:
    r"""Return weighted quantiles over the triangular window round each day.

    With the sorted values :math:`x_k`, their weights as shares :math:`w_k`, cumulated
    :math:`W_k`, and the effective number of values :math:`n = 1 / \sum_k w_k^2`, the quantile of
    level :math:`q` is the mean of the values between two points of the cumulated weight,

    .. math:: Q_q = n \int_{(h-1)/n}^{h/n} x(W) \, dW, \quad h = (n - 1) q + 1,

    the weighted form of the usual linear interpolation (Hyndman and Fan's type 7).

    Parameters
    ----------
    values
        Values of one hour ``[time, cell]``; those that are not finite do not count.
    day
        Day of the year of each, from 0 ``[time]``.
    window
        Odd width in days, as of :func:`triangular_weights`.
    quantiles
        Levels between 0 and 1 ``[quantile]``.

    Returns
    -------
    numpy.ndarray
        ``[quantile, dayofyear 366, cell]``, in the unit of the values; NaN where the window has
        no value.

    Raises
    ------
    ValueError
        If the window is even or does not fit into a year.

    References
    ----------
    Akinshin (2023), Weighted quantile estimators, section 4; what xarray and, with it,
    WeatherBench 2 compute.

    Examples
    --------
    >>> window_quantiles(np.array([[1.0], [2.0], [4.0]]), [7, 7, 7], 5, [0.5, 0.75])[:, 7, 0]
    array([2., 3.])
    """
    days = np.asarray(day, dtype=np.int64)
    by_day = np.argsort(days, kind="stable")
    days = days[by_day]
    starts = np.searchsorted(days, np.arange(DAYS + 1))
    half = int(np.count_nonzero(triangular_weights(window))) // 2 + 1
    levels = np.atleast_1d(np.asarray(quantiles, dtype=np.float64))
    result = np.empty((levels.size, DAYS, values.shape[1]))

    def fill(start: int) -> None:
        series = np.ascontiguousarray(values[by_day, start : start + CELLS].T)
        series[~np.isfinite(series)] = np.nan  # sorted last
        order = np.argsort(series, axis=1)
        for cell, one in enumerate(series):
            result[:, :, start + cell] = _cell_quantiles(
                one, order[cell], days, starts, half, levels
            )

    with ThreadPoolExecutor() as pool:
        list(pool.map(fill, range(0, values.shape[1], CELLS)))
    return result


@compiled
def _cell_quantiles(
    values: NDArray[np.floating],
    order: NDArray[np.int64],
    days: NDArray[np.int64],
    starts: NDArray[np.int64],
    half: int,
    levels: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the quantiles ``[quantile, day]`` of a series ``[time]`` that is sorted by day.

    From one day to the next each weight changes by -1, 0 or 1. So weights (in units of 1 / half,
    which makes them exact) are kept as sums over ``RANKS`` neighbours in the order of values,
    with the change that comes next, and only the neighbours round a quantile are looked at.
    """
    size = values.size
    while size > 0 and np.isnan(values[order[size - 1]]):
        size -= 1
    rank = np.empty(values.size, dtype=np.int64)
    number = np.zeros(DAYS, dtype=np.int64)
    weight = np.zeros(size // RANKS + 1, dtype=np.int64)
    change = np.zeros(size // RANKS + 1, dtype=np.int64)
    for k in range(values.size):
        rank[order[k]] = k
    for k in range(size):
        day = days[order[k]]
        number[day] += 1
        weight[k // RANKS] += max(half - min(day, DAYS - day), 0)
        if 1 <= day <= half:
            change[k // RANKS] += 1
        elif day == 0 or DAYS - day < half:
            change[k // RANKS] -= 1
    result = np.full((levels.size, DAYS), np.nan)
    for today in range(DAYS):
        total, squares = 0, 0
        for offset in range(1 - half, half):
            count, share = number[(today + offset) % DAYS], half - abs(offset)
            total, squares = total + count * share, squares + count * share**2
        if total > 0:
            effective = total / squares * total
            for level in range(levels.size):
                high = ((effective - 1) * levels[level] + 1) / effective * total
                low = max(high - total / effective, 0.0)
                result[level, today] = _mean_between(
                    values, order[:size], days, weight, today, half, low, high
                )
        weight += change
        for offset, bend in ((1, -2), (1 + half, 1), (1 - half, 1)):
            day = (today + offset) % DAYS
            for k in rank[starts[day] : starts[day + 1]]:
                if k < size:
                    change[k // RANKS] += bend
    return result


@compiled
def _mean_between(
    values: NDArray[np.floating],
    order: NDArray[np.int64],
    days: NDArray[np.int64],
    weight: NDArray[np.int64],
    today: int,
    half: int,
    low: float,
    high: float,
) -> float:
    """Return the mean of the sorted values between two points of the cumulated weight."""
    passed, group = 0, 0
    while group < weight.size - 1 and passed + weight[group] <= low:
        passed += weight[group]
        group += 1
    total, inside = 0.0, 0.0
    for k in order[group * RANKS :]:
        distance = abs(days[k] - today)
        own = max(half - min(distance, DAYS - distance), 0)
        share = min(float(passed + own), high) - max(float(passed), low)
        if share > 0:
            total, inside = total + share * values[k], inside + share
        passed += own
        if passed >= high:
            break
    return total / inside
