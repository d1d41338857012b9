"""The climatology of a training period, that anomalies are taken from."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from climbench.metrics.climatology import DAYS, counts_twice, smooth_climatology
from climbench.tasks.fields import Fields
from climbench.tasks.layout import by_variable


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
    timeline = fields.timeline
    steps = np.arange(period.start, period.stop)
    steps = steps[fields.complete[steps]]
    hours, hour = np.unique(timeline.hour_of_day[steps], return_inverse=True)
    day = timeline.day_of_year[steps] - 1
    again = counts_twice(day, timeline.days_in_year[steps])
    steps, hour = (np.append(values, values[again]) for values in (steps, hour))
    slot = hour * DAYS + np.append(day, np.full(np.count_nonzero(again), DAYS - 1))
    counts = np.bincount(slot, minlength=hours.size * DAYS).reshape(hours.size, DAYS)
    means = {}
    for name in channels:
        sums = np.zeros((hours.size * DAYS, store.sizes["latitude"], store.sizes["longitude"]))
        for at in np.array_split(np.arange(steps.size), max(1, steps.size // 256)):
            np.add.at(sums, slot[at], fields.read(steps[at, None], [name])[:, 0, 0])
        by_day = sums.reshape(hours.size, DAYS, *sums.shape[1:])
        means[name] = smooth_climatology(by_day, counts, window).astype(np.float32)
    front = {"hour": ("hour", hours), "dayofyear": ("dayofyear", np.arange(1, DAYS + 1))}
    return by_variable(store, means, front)
