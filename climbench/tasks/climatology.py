"""The climatology of a training period, that anomalies are taken from."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.metrics.climatology import (
    DAYS,
    DaySums,
    counts_twice,
    smooth_climatology,
    triangular_weights,
)
from climbench.tasks.fields import Fields
from climbench.tasks.layout import by_variable
from climbench.tasks.timeline import Timeline

Read = Callable[[NDArray[np.int64]], NDArray[np.float32]]


def training_climatology(
    store: xr.Dataset, fields: Fields, channels: Sequence[str], period: range, window: int
) -> xr.Dataset:
    """Return the mean of each hour and day of the year over a period, smoothed over days.

    Parameters
    ----------
    store
        Gives levels, attributes and grid.
    fields
        The channels over time.
    channels
        Those of which the climatology is asked for; one at a time is in memory.
    period
        Positions of the training period; only complete steps count.
    window
        Days, see :func:`climbench.metrics.climatology.smooth_climatology`.

    Returns
    -------
    xarray.Dataset
        ``[hour, dayofyear, (level), latitude, longitude]``, float32, without NaN.
    """
    steps = np.arange(period.start, period.stop)
    steps, hour, day, hours = _by_day(fields.timeline, steps[fields.complete[steps]])
    slot = hour * DAYS + day
    counts = np.bincount(slot, minlength=hours.size * DAYS).reshape(hours.size, DAYS)
    means = {}
    for name in channels:
        sums = np.zeros((hours.size * DAYS, store.sizes["latitude"], store.sizes["longitude"]))
        for at in np.array_split(np.arange(steps.size), max(1, steps.size // 256)):
            np.add.at(sums, slot[at], fields.read(steps[at, None], [name])[:, 0, 0])
        by_day = sums.reshape(hours.size, DAYS, *sums.shape[1:])
        means[name] = smooth_climatology(by_day, counts, window).astype(np.float32)
    return by_variable(store, means, _front(hours))


def climatology_of_values(
    timeline: Timeline, read: Read, steps: NDArray[np.int64], window: int
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Return the same of fields with missing values, which do not count.

    Parameters
    ----------
    timeline
        The time axis.
    read
        Gives ``[sample, 1, channel, latitude, longitude]`` at positions ``[sample, 1]``.
    steps
        Positions of the times that count.
    window
        Days, see :func:`climbench.metrics.climatology.triangular_weights`.

    Returns
    -------
    tuple
        ``[hour, dayofyear, channel, latitude, longitude]``, without NaN: a cell that has no value
        within the window has its mean over all days, one that never has any the mean of all
        others at that hour and day; and the leading dimensions with their coordinates.
    """
    steps, hour, day, hours = _by_day(timeline, steps)
    shape = read(steps[:1, None]).shape[2:]
    sums = DaySums(hours.size, int(np.prod(shape)))
    for at in np.array_split(np.arange(steps.size), max(1, steps.size // 256)):
        sums.add(read(steps[at, None]).reshape(at.size, -1), hour[at], day[at])
    weights = triangular_weights(window)
    means = np.stack([sums.window(each, weights)[0] for each in range(hours.size)])
    means = means.reshape(hours.size, DAYS, *shape)
    for axes in ((0, 1), (3, 4), (0, 1, 3, 4)):
        known = np.ma.masked_invalid(means).mean(axis=axes, keepdims=True)
        means = np.where(np.isnan(means), known.filled(np.nan), means)
    return means.astype(np.float32), _front(hours)


def _by_day(timeline: Timeline, steps: NDArray[np.int64]) -> tuple[NDArray[Any], ...]:
    """Return steps, position of the hour and of the day of each, and the hours that occur.

    The last day of common years stands there again, as day 366.
    """
    hours, hour = np.unique(timeline.hour_of_day[steps], return_inverse=True)
    day = timeline.day_of_year[steps] - 1
    again = counts_twice(day, timeline.days_in_year[steps])
    steps, hour = (np.append(values, values[again]) for values in (steps, hour))
    return steps, hour, np.append(day, np.full(np.count_nonzero(again), DAYS - 1)), hours


def _front(hours: NDArray[Any]) -> dict[str, Any]:
    return {"hour": ("hour", hours), "dayofyear": ("dayofyear", np.arange(1, DAYS + 1))}
