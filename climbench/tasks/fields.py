"""The channels of a weather store by time step: packed once, surveyed once, read by position."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.recipes.formulas import toa_incident_solar_radiation
from climbench.store import store_hash
from climbench.store.moments import Moments
from climbench.store.packed import pack
from climbench.store.reader import PackedReader
from climbench.tasks.timeline import Timeline

BLOCK_BYTES = 2**26
COMPUTED = {"toa_incident_solar_radiation": toa_incident_solar_radiation}
COMPUTED_STEPS = 1000  # of a smooth function of time, enough for its mean and deviation


class Fields:
    """Channels over time: those of a store, packed, and those that follow from the time.

    Parameters
    ----------
    path
        The store, for its identity.
    ds
        The store, opened.
    channels
        Names; those in ``COMPUTED`` that the store lacks are computed.
    cache
        Folder of the packed copy.
    """

    def __init__(self, path: Path, ds: xr.Dataset, channels: Sequence[str], cache: Path) -> None:
        self.timeline = Timeline(ds.indexes["time"])
        self.latitude, self.longitude = ds["latitude"].values, ds["longitude"].values
        self.computed = [name for name in channels if name in COMPUTED and name not in ds]
        self.packed = [name for name in channels if name not in self.computed]
        self.reader = PackedReader(pack(ds, self.packed, cache, store_hash(path)))

    def read(self, positions: NDArray[np.int64], channels: Sequence[str]) -> NDArray[np.float32]:
        """Return ``[sample, step, channel, latitude, longitude]`` at ``[sample, step]``."""
        flat = positions.ravel()
        packed = [self.packed.index(name) for name in channels if name in self.packed]
        if len(packed) == len(channels):
            fields = self.reader[flat] if packed else np.empty((flat.size, 0, *self._shape), "f4")
            fields = fields if packed == list(range(len(self.packed))) else fields[:, packed]
        else:
            fields = np.stack([self._channel(name, flat) for name in channels], axis=1)
        return fields.reshape(*positions.shape, *fields.shape[1:])

    @property
    def _shape(self) -> tuple[int, int]:
        return self.latitude.size, self.longitude.size

    def _channel(self, name: str, flat: NDArray[np.int64]) -> NDArray[np.float32]:
        if name in self.packed:
            return self.reader[flat][:, self.packed.index(name)]
        day, hour = self.timeline.day_of_year[flat], self.timeline.hour_of_day[flat]
        column = (day[:, None, None], hour[:, None, None])
        field = COMPUTED[name](*column, self.latitude[:, None], self.longitude)
        return np.asarray(field, dtype=np.float32)

    def _blocks(self, positions: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        size = max(1, BLOCK_BYTES // (4 * int(np.prod(self.reader.shape[1:]))))
        return [positions[start : start + size] for start in range(0, positions.size, size)]

    @cached_property
    def complete(self) -> NDArray[np.bool_]:
        """Which steps have no missing value in any channel ``[time]``."""
        steps = self._blocks(np.arange(self.reader.shape[0]))
        return np.concatenate([np.isfinite(self.reader[at]).all(axis=(1, 2, 3)) for at in steps])

    def moments(self, period: range) -> dict[str, Moments]:
        """Return the moments of each channel over the complete steps of a period."""
        steps = np.arange(period.start, period.stop)
        moments = dict.fromkeys([*self.packed, *self.computed], Moments.empty(self._shape[0]))
        for block in self._blocks(steps[self.complete[steps]]):
            fields = self.reader[block]
            for at, name in enumerate(self.packed):
                moments[name] = moments[name].merge(Moments.of(fields[:, at]))
        for name in self.computed:
            # A step that is prime to the steps in a day meets every hour.
            some = steps[:: max(1, steps.size // COMPUTED_STEPS) | 1]
            moments[name] = Moments.of(self._channel(name, some))
        return moments
