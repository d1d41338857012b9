"""Time axes of any calendar as plain hours, their step and their holes."""

import cftime
import numpy as np
import xarray as xr
from numpy.typing import NDArray

HOURS_PER_YEAR = 8766.0  # Julian: 365.25 days
STEP_TOLERANCE = 0.1  # months and leap years differ from the usual step by less than this


def hours(time: xr.DataArray) -> NDArray[np.float64]:
    """Return times as hours since 1970-01-01 of their own calendar.

    Parameters
    ----------
    time
        ``[time]`` as datetime64, cftime, or whole numbers, which are years.

    Examples
    --------
    >>> hours(xr.DataArray(np.array(["1970-01-01T06", "1970-01-02"], "datetime64[ns]"))).tolist()
    [6.0, 24.0]
    """
    values = np.atleast_1d(time.values)
    if np.issubdtype(values.dtype, np.datetime64):
        epoch = np.datetime64("1970-01-01", "ns")
        return np.asarray((values - epoch) / np.timedelta64(1, "h"), dtype=np.float64)
    if values.dtype == object:
        return np.asarray(
            cftime.date2num(values, "hours since 1970-01-01", calendar=values[0].calendar),
            dtype=np.float64,
        )
    return (np.asarray(values, dtype=np.float64) - 1970.0) * HOURS_PER_YEAR


def months(time: xr.DataArray) -> NDArray[np.int64]:
    """Return the months of dates, counted from the year 0."""
    return np.asarray(12 * time.dt.year.values + time.dt.month.values, dtype=np.int64)


def is_monthly(time: xr.DataArray) -> bool:
    """Tell whether two or more dates are one for each month from the first to the last."""
    return time.size > 1 and bool(np.all(np.diff(months(time)) == 1))


def time_step(time: xr.DataArray) -> float:
    """Return the usual step of a time axis, the median difference, in hours (NaN for one time).

    Examples
    --------
    >>> time_step(xr.DataArray([2000, 2001, 2002, 2005]))
    8766.0
    """
    steps = np.diff(hours(time))
    return float(np.median(steps)) if steps.size else float("nan")


def gaps(time: xr.DataArray) -> list[tuple[int, int]]:
    """Return the holes of a time axis: position of the time before it, number of lost steps.

    Examples
    --------
    >>> gaps(xr.DataArray([2000, 2001, 2002, 2005]))
    [(2, 2)]
    """
    steps = np.diff(hours(time)) / time_step(time)
    longer = np.flatnonzero(steps > 1 + STEP_TOLERANCE)
    return [(int(position), max(1, round(steps[position]) - 1)) for position in longer]


def repeats(time: xr.DataArray) -> int:
    """Return how many times stand again after an equal or later one.

    Examples
    --------
    >>> repeats(xr.DataArray([2000, 2001, 2001, 2002]))
    1
    """
    return int(np.sum(np.diff(hours(time)) <= 0))
