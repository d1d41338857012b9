"""Where a column model is right: R2 of zonal and daily means, by latitude and level."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.metrics.averaging import ratio

Array = NDArray[np.float64]


class ZonalDays:
    r"""Daily means of zonal means, from which :math:`R^2` follows by latitude and level.

    The zones are the latitudes that the columns have, as in ClimSim's pressure-latitude figures;
    a day counts with the times that it has.

    Parameters
    ----------
    latitude
        Degrees north ``[column]``.
    """

    def __init__(self, latitude: Array) -> None:
        self.latitude, zone = np.unique(np.round(latitude, 4), return_inverse=True)
        counts = np.bincount(zone)
        self.mean = np.zeros((self.latitude.size, latitude.size))
        self.mean[zone, np.arange(latitude.size)] = 1.0 / counts[zone]
        self._days: dict[int, tuple[int, Array, Array]] = {}

    def add(self, day: NDArray[np.int64], prediction: Array, truth: Array) -> None:
        """Add times ``[time, column, level]`` of some days ``[time]``; NaN spreads to its zone."""
        zonal = [np.matmul(self.mean, values) for values in (prediction, truth)]
        for one in np.unique(day):
            count, *sums = self._days.get(int(one), (0, np.zeros(()), np.zeros(())))
            here = day == one
            own, other = (s + z[here].sum(axis=0) for s, z in zip(sums, zonal, strict=True))
            self._days[int(one)] = (count + int(here.sum()), own, other)

    def r2(self) -> Array:
        """Return ``[latitude, level]``; NaN where the truth of all days is the same."""
        own, other = (
            np.stack([entry[at] / entry[0] for entry in self._days.values()]) for at in (1, 2)
        )
        known = np.isfinite(own - other)
        number = known.sum(axis=0)

        def mean(values: Array) -> Array:
            return ratio(np.where(known, values, 0.0).sum(axis=0), number)

        return np.asarray(1.0 - ratio(mean((own - other) ** 2), mean((other - mean(other)) ** 2)))


def day_numbers(time: xr.DataArray) -> NDArray[np.int64]:
    """Return a number for each day ``[time]``, of any calendar."""
    return np.asarray(1000 * time.dt.year.values + time.dt.dayofyear.values, dtype=np.int64)
