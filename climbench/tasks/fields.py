"""The channels of a weather store by time step: packed once, surveyed once, read by position."""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.recipes.formulas import toa_incident_solar_radiation
from climbench.store import open_store, read_channel, store_hash
from climbench.store.moments import Moments
from climbench.store.reader import blocks
from climbench.store.reading import Reading
from climbench.store.stations import STATION, has_map
from climbench.tasks.calendar_channels import CALENDAR_CHANNELS
from climbench.tasks.timeline import Timeline

COMPUTED = {"toa_incident_solar_radiation": toa_incident_solar_radiation, **CALENDAR_CHANNELS}
"""Channels that follow from day of the year, hour (UTC), latitude and longitude."""
CONSTANT = ("latitude",)
"""Constant channels that every grid has."""
COMPUTED_STEPS = 1000  # of a smooth function of time, enough for its mean and deviation
KEPT_BYTES = 2**26  # of computed fields that come again every year


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
    region
        Which cells of the store ``ds`` has: part of the copy's identity.
    reading
        From memory, files or the store; the same values.
    """

    def __init__(
        self,
        path: Path,
        ds: xr.Dataset,
        channels: Sequence[str],
        cache: Path,
        region: Any = None,
        reading: Reading = Reading(),  # noqa: B008 -- it cannot be changed
    ) -> None:
        self.timeline = Timeline(ds.indexes["time"])
        self.latitude, self.longitude = ds["latitude"].values, ds["longitude"].values
        of_stations = "cell_latitude" in ds.coords  # each cell of a row has its own
        self.cell_latitude = ds["cell_latitude"].values if of_stations else self.latitude[:, None]
        self.computed = [name for name in channels if name in COMPUTED and name not in ds]
        self.packed = [name for name in channels if name not in self.computed]
        key = store_hash(path) + ("" if region is None else json.dumps(region, sort_keys=True))
        self.reader = reading.open(ds, self.packed, cache, key)
        self._kept: dict[str, NDArray[np.float32]] = {}

    def read(self, positions: NDArray[np.int64], channels: Sequence[str]) -> NDArray[np.float32]:
        """Return ``[sample, step, channel, latitude, longitude]`` at ``[sample, step]``."""
        packed = [self.packed.index(name) for name in channels if name in self.packed]
        if len(packed) == len(channels):
            return self.reader.take(positions, packed)
        fields = np.empty((*positions.shape, len(channels), *self._shape), dtype=np.float32)
        fields[:, :, [name in self.packed for name in channels]] = self.reader.take(
            positions, packed
        )
        for at, name in enumerate(channels):
            if name in self.computed:
                fields[:, :, at] = self._computed(name, positions)
        return fields

    @property
    def _shape(self) -> tuple[int, int]:
        return self.latitude.size, self.longitude.size

    def _computed(self, name: str, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return a computed channel ``[..., latitude, longitude]`` at positions ``[...]``.

        It follows from the day and the hour: where a year of them is small they are kept.
        """
        moments, which = self._moments
        if 4 * moments.shape[1] * int(np.prod(self._shape)) > KEPT_BYTES:
            return self._formula(name, *moments[:, which[positions]])
        if name not in self._kept:
            self._kept[name] = np.full((moments.shape[1], *self._shape), np.nan, np.float32)
        kept, wanted = self._kept[name], which[positions]
        new = np.unique(wanted[np.isnan(kept[wanted, 0, 0])])
        kept[new] = self._formula(name, *moments[:, new])
        return kept[wanted]

    def _formula(
        self, name: str, day: NDArray[np.float64], hour: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        column = (day[..., None, None], hour[..., None, None])
        field = COMPUTED[name](*column, self.cell_latitude, self.longitude)
        return np.asarray(field, dtype=np.float32)

    @cached_property
    def _moments(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Days and hours that occur ``[2, moment]``, and which of them each step is ``[time]``."""
        pairs = np.stack([self.timeline.day_of_year, self.timeline.hour_of_day])
        moments, which = np.unique(pairs, axis=1, return_inverse=True)
        return moments, which.reshape(-1)

    @cached_property
    def complete(self) -> NDArray[np.bool_]:
        """Which steps have no missing value in any channel ``[time]``."""
        return np.asarray(~self.reader.missing.any(axis=1))

    def moments(
        self, period: range, every: bool = False, columns: Any = slice(None)
    ) -> dict[str, Moments]:
        """Return the moments of each channel over the complete steps of a period.

        Or over ``every`` step, without the values that are missing; of all ``columns`` or some.
        """
        steps = np.arange(period.start, period.stop)
        counted = steps if every else steps[self.complete[steps]]
        moments = dict.fromkeys([*self.packed, *self.computed], Moments.empty(self._shape[0]))
        for block in blocks(counted, self.reader.shape):
            fields = self.reader.take(block)
            for at, name in enumerate(self.packed):
                moments[name] = moments[name].merge(Moments.of(fields[:, at, :, columns]))
        for name in self.computed:
            # A step that is prime to the steps in a day meets every hour.
            some = steps[:: max(1, steps.size // COMPUTED_STEPS) | 1]
            moments[name] = Moments.of(self._computed(name, some))
        return moments


def cells_of(path: Path, ds: xr.Dataset) -> str | list[str] | None:
    """Return what tells the cells of a dataset from those of its store; None for the same."""
    whole = open_store(path)
    if not has_map(whole):
        names = [str(name) for name in ds[STATION].values]
        same = STATION not in whole.dims or names == [str(each) for each in whole[STATION].values]
        return None if same else names
    return None if np.array_equal(whole["latitude"], ds["latitude"]) else "northward"


def constant_field(ds: xr.Dataset, name: str) -> NDArray[np.float32]:
    """Return a constant channel ``[latitude, longitude]``, of the store or of its grid."""
    if name in CONSTANT and name not in ds.data_vars:
        field = ds[name] + 0.0 * ds["longitude"]
    else:
        field = read_channel(ds, name)
    return field.transpose("latitude", "longitude").values.astype(np.float32)
