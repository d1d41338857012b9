"""Climatology of the day of the year and hour: running sums in, smooth statistics out."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

DAYS = 366
"""Slots of the day-of-year axis; the last day of common years fills the last two."""


def counts_twice(day: Any, days_in_year: Any) -> Any:
    """Tell which days also stand for day 366, which their common year lacks.

    Parameters
    ----------
    day
        Day of the year, from 0; an array or a tensor.
    days_in_year
        How many days its year has, of the same shape; years of 360 days fill no more than these.

    References
    ----------
    Rasp et al. (2024), WeatherBench 2, ``compute_climatology.py``.

    Examples
    --------
    >>> counts_twice(np.array([363, 364, 364]), np.array([365, 365, 366])).tolist()
    [False, True, False]
    """
    return (day == DAYS - 2) & (days_in_year == DAYS - 1)


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
    weights = np.maximum(1.0 - _distance(window) / max(window // 2, 1), 0.0)
    return np.asarray(weights, dtype=np.float64)


def box_weights(window: int) -> NDArray[np.float64]:
    """Return weight 1 for each offset in days inside the window, ends included, else 0.

    Parameters
    ----------
    window
        Odd width in days.

    Returns
    -------
    numpy.ndarray
        Weights by circular offset ``[366]``, as of :func:`triangular_weights`.

    Examples
    --------
    >>> box_weights(5)[[-3, -2, -1, 0, 1, 2, 3]].tolist()
    [0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]
    """
    return np.asarray(_distance(window) <= window // 2, dtype=np.float64)


def _distance(window: int) -> NDArray[np.int64]:
    """Return how many days each circular offset is away, for a window that is right."""
    if window < 1 or window % 2 == 0 or window >= DAYS:
        raise ValueError(f"the window must be an odd number of days below {DAYS}, not {window}")
    return np.minimum(np.arange(DAYS), DAYS - np.arange(DAYS))


class DaySums:
    r"""Sums over years by hour and day of the year, and the statistics of windows of days.

    Values are summed as distances from the first one of their cell, so that the variance of a
    small signal on a large offset keeps its digits. Values that are not finite do not count.

    .. math:: c_d = \frac{\sum_o w_o \sum_y x_{y,d+o}}{\sum_o w_o N_{d+o}}, \quad
        s_d^2 = \frac{\sum_o w_o \sum_y (x_{y,d+o} - c_d)^2}{\sum_o w_o N_{d+o}}

    with days counted round the year and :math:`N_d` the number of values of a day.

    Parameters
    ----------
    hours
        How many hours of the day there are.
    cells
        How many values a field has.
    squares
        Whether squares are summed too, for the standard deviation.

    References
    ----------
    Rasp et al. (2024), WeatherBench 2, section 3.2 (61-day window); equal to its published
    script if the last day of common years is added a second time, as day 366.

    Examples
    --------
    >>> sums = DaySums(1, 1, squares=True)
    >>> sums.add(np.array([[4.0], [12.0]]), np.array([0, 0]), np.array([10, 12]))
    >>> mean, deviation = sums.window(0, triangular_weights(5))
    >>> mean[[10, 11, 13], 0].tolist(), deviation[[10, 11, 13], 0].tolist()
    ([4.0, 8.0, 12.0], [0.0, 4.0, 0.0])
    """

    def __init__(self, hours: int, cells: int, squares: bool = False) -> None:
        self.first = np.full(cells, np.nan)
        self.counts = np.zeros((hours, DAYS, cells), dtype=np.uint16)
        self.sums = np.zeros((hours, DAYS, cells))
        self.squares = np.zeros((hours, DAYS, cells)) if squares else None

    def add(self, fields: NDArray[np.floating], hour: ArrayLike, day: ArrayLike) -> None:
        """Add fields.

        Parameters
        ----------
        fields
            Values ``[time, cell]``.
        hour, day
            Position of each field's hour, and of its day of the year, from 0 ``[time]``.
        """
        for field, at_hour, at_day in zip(fields, np.asarray(hour), np.asarray(day), strict=True):
            valid = np.isfinite(field)
            np.copyto(self.first, field, where=valid & np.isnan(self.first))
            distance = np.where(valid, field, self.first) - self.first
            np.nan_to_num(distance, copy=False)  # cells without any value so far
            self.counts[at_hour, at_day] += valid
            self.sums[at_hour, at_day] += distance
            if self.squares is not None:
                self.squares[at_hour, at_day] += distance**2

    def window(
        self, hour: int, weights: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """Return mean and standard deviation over the window round each day.

        Parameters
        ----------
        hour
            Position of the hour.
        weights
            Of each circular offset in days ``[366]``, from :func:`triangular_weights` or
            :func:`box_weights`.

        Returns
        -------
        tuple
            Mean ``[dayofyear 366, cell]``, and the standard deviation or None; NaN where the
            window has no value. Unit: that of the fields.
        """
        circulant = _circulant(weights)
        number = circulant @ self.counts[hour].astype(np.float64)
        number[number == 0] = np.nan
        mean = circulant @ self.sums[hour] / number
        if self.squares is None:
            return mean + self.first, None
        variance = circulant @ self.squares[hour] / number - mean**2
        return mean + self.first, np.sqrt(np.maximum(variance, 0.0))


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
    circulant = _circulant(triangular_weights(window))
    numerator, denominator = _along_days(circulant, total), _along_days(circulant, number)
    for axis in (1, (0, 1)):
        empty = denominator == 0
        numerator = np.where(empty, total.sum(axis, keepdims=True), numerator)
        denominator = np.where(empty, number.sum(axis, keepdims=True), denominator)
    if not np.all(denominator > 0):
        raise ValueError("a cell has no value on any day of the year")
    return np.asarray(numerator / denominator, dtype=np.float64)


def _circulant(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrix ``[day, other day]`` of the weights by circular offset."""
    day = np.arange(DAYS)
    return np.asarray(weights[(day[:, None] - day[None, :]) % DAYS], dtype=np.float64)


def _along_days(matrix: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    hours = values.shape[0]
    return (matrix @ values.reshape(hours, DAYS, -1)).reshape(values.shape)
