"""Climatology of the day of the year and hour: running sums in, smooth means out."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

DAYS = 366
"""Slots of the day-of-year axis; common years leave the last one empty."""


def triangular_weights(window: int) -> NDArray[np.float64]:
    r"""Return the weight of each offset in days, :math:`w_o = 1 - |o| / h`, over all days.

    Parameters
    ----------
    window
        Odd width in days, :math:`2 h + 1`; the two ends have weight zero. 1 means no smoothing.

    Returns
    -------
    numpy.ndarray
        Weights by circular offset ``[366]``: entry ``o`` and entry ``-o`` belong to ``o`` days.

    Raises
    ------
    ValueError
        If the window is even or does not fit into a year.

    Examples
    --------
    >>> triangular_weights(5)[[-2, -1, 0, 1, 2]].tolist()
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if window < 1 or window % 2 == 0 or window >= DAYS:
        raise ValueError(f"the window must be an odd number of days below {DAYS}, not {window}")
    offset = np.minimum(np.arange(DAYS), DAYS - np.arange(DAYS))
    return np.asarray(np.maximum(1.0 - offset / max(window // 2, 1), 0.0), dtype=np.float64)


def smooth_climatology(sums: ArrayLike, counts: ArrayLike, window: int = 61) -> NDArray[np.float64]:
    r"""Return the mean of each hour and day of the year, smoothed over neighbouring days.

    .. math:: c_{h,d} = \frac{\sum_o w_o S_{h,d+o}}{\sum_o w_o N_{h,d+o}}

    with triangular weights :math:`w_o`, days counted round the year. Leap days weigh as often as
    they occur. Where no value lies within the window, the mean over all days of that hour is
    used, and where the hour has none, the mean over all hours: the result is NaN-free.

    Parameters
    ----------
    sums
        Sums of the values ``[hour, dayofyear 366, ...]``, zero where there are none.
    counts
        How many values went into each sum ``[hour, dayofyear 366]``, or of the shape of ``sums``.
    window
        Odd width in days.

    Returns
    -------
    numpy.ndarray
        Climatology ``[hour, dayofyear 366, ...]`` in the unit of ``sums``.

    Raises
    ------
    ValueError
        If the shapes do not match or some cell has no value at all.

    References
    ----------
    Rasp et al. (2024), WeatherBench 2, section 3.2 (61-day window); equal to it where each day
    has the same number of years.

    Examples
    --------
    >>> sums, counts = np.zeros((1, 366)), np.zeros((1, 366))
    >>> sums[0, [10, 12]], counts[0, [10, 12]] = [4.0, 12.0], [2, 2]
    >>> smooth_climatology(sums, counts, window=5)[0, [10, 11, 13, 200]].tolist()
    [2.0, 4.0, 6.0, 4.0]
    """
    total = np.asarray(sums, dtype=np.float64)
    number = np.asarray(counts, dtype=np.float64)
    if total.shape[1:2] != (DAYS,) or number.shape not in (total.shape[:2], total.shape):
        raise ValueError(f"sums {total.shape} and counts {number.shape} must be [hour, {DAYS}, ..]")
    number = number.reshape(number.shape + (1,) * (total.ndim - number.ndim))
    weights = triangular_weights(window)
    day = np.arange(DAYS)
    circulant = weights[(day[:, None] - day[None, :]) % DAYS]
    numerator, denominator = _along_days(circulant, total), _along_days(circulant, number)
    for axis in (1, (0, 1)):
        empty = denominator == 0
        numerator = np.where(empty, total.sum(axis, keepdims=True), numerator)
        denominator = np.where(empty, number.sum(axis, keepdims=True), denominator)
    if not np.all(denominator > 0):
        raise ValueError("a cell has no value on any day of the year")
    return np.asarray(numerator / denominator, dtype=np.float64)


def _along_days(matrix: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    hours = values.shape[0]
    return (matrix @ values.reshape(hours, DAYS, -1)).reshape(values.shape)
