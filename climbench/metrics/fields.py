"""Matching fields in memory: which row of each source belongs to which place."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from climbench.metrics.averaging import Regions

Array = NDArray[np.float64]
Index = NDArray[np.int64]
ABSENT = -1  # row of a field that there is not
BATCH_VALUES = 131072  # values of one batch: its temporaries stay in the cache


@dataclass(frozen=True)
class Layout:
    """How cells lie on the globe.

    Attributes
    ----------
    latitude, longitude
        Centres ``[latitude]``, ``[longitude]``, degrees, in the order of the predictions.
    longitude_first
        Whether longitude is the slower of the two, as in WeatherBench 2.
    """

    latitude: Array
    longitude: Array
    longitude_first: bool = False

    @property
    def size(self) -> int:
        """Number of cells."""
        return self.latitude.size * self.longitude.size

    def fields(self, values: NDArray[Any]) -> NDArray[Any]:
        """Unfold cells: ``[..., cell]`` to ``[..., latitude, longitude]``."""
        shape = values.shape[:-1]
        if self.longitude_first:
            unfolded = values.reshape(*shape, self.longitude.size, self.latitude.size)
            return np.swapaxes(unfolded, -1, -2)
        return values.reshape(*shape, self.latitude.size, self.longitude.size)

    def cells(self, values: NDArray[Any]) -> NDArray[Any]:
        """Fold fields: ``[..., latitude, longitude]`` to ``[..., cell]``."""
        ordered = np.swapaxes(values, -1, -2) if self.longitude_first else values
        return ordered.reshape(*values.shape[:-2], self.size)


@dataclass(frozen=True)
class Stack:
    """Fields of one variable, and which of them is wanted where; nothing is copied.

    Attributes
    ----------
    values
        Fields ``[row, cell]``, contiguous.
    rows
        Row of each place ``[sample, condition, channel]``, with a last dimension ``member`` for
        ensembles; ``ABSENT`` where there is none.
    """

    values: NDArray[Any]
    rows: Index

    def gather(self, places: tuple[Index, ...]) -> NDArray[Any]:
        """Return the fields of some places ``[field, (member,) cell]``."""
        fields: NDArray[Any] = self.values[self.rows[places]]
        return fields


@dataclass(frozen=True)
class Companion:
    """A field that comes with the climatology: a quantile, a standard deviation, a threshold.

    Attributes
    ----------
    suffix
        What stands after the variable's name in the climatology: ``<variable>_<suffix>``.
    quantile
        Which one, where the field has a dimension ``quantile``.
    over_year
        Whether its mean over hours and days of the year is wanted, instead of the value at the
        time of the truth.
    """

    suffix: str
    quantile: float | None = None
    over_year: bool = False


@dataclass(frozen=True)
class Threshold:
    """What an event must exceed: a value in the variable's unit, or a quantile of the climate.

    Exactly one is given. The quantile is that of the climatology store, for each cell, day of
    the year and hour.
    """

    value: float | None = None
    quantile: float | None = None

    def __post_init__(self) -> None:
        if (self.value is None) == (self.quantile is None):
            raise ValueError("a threshold is either a value or a quantile")

    @property
    def companions(self) -> tuple[Companion, ...]:
        """What it needs from the climatology."""
        return () if self.quantile is None else (Companion("quantile", self.quantile),)

    def of(self, batch: "Batch") -> NDArray[Any]:
        """Return the threshold ``[field, cell]``, or ``[1, 1]`` where it is one value."""
        if self.quantile is None:
            return np.full((1, 1), self.value)
        return batch.companion(self.companions[0])


@dataclass(frozen=True)
class Batch:
    """A few fields of one channel as plain arrays, for statistics that are written in numpy.

    Attributes
    ----------
    forecast
        ``[field, cell]``; of an ensemble the mean.
    truth
        ``[field, cell]``.
    climatology
        The climate at the time of the truth ``[field, cell]``, or None.
    members
        The ensemble ``[field, member, cell]``, or None.
    layout
        Where the cells lie.
    companions
        Further fields of the climatology, each ``[field, cell]`` or ``[1, cell]``.
    """

    forecast: NDArray[Any]
    truth: NDArray[Any]
    climatology: NDArray[Any] | None
    members: NDArray[Any] | None
    layout: Layout
    companions: Mapping[Companion, NDArray[Any]] = field(default_factory=dict)

    @cached_property
    def valid(self) -> NDArray[np.bool_] | None:
        """Where forecast, truth and climatology all have a value ``[field, cell]``; None: all."""
        checked = [self.forecast, self.truth]
        checked += [] if self.climatology is None else [self.climatology]
        valid: NDArray[np.bool_] = np.logical_and.reduce([np.isfinite(a) for a in checked])
        return None if valid.all() else valid

    def companion(self, wanted: Companion) -> NDArray[Any]:
        """Return a further field of the climatology ``[field, cell]`` (or ``[1, cell]``)."""
        return self.companions[wanted]


@dataclass(frozen=True)
class Fields:
    """All that one block of data holds: samples x conditions x channels of one variable.

    Attributes
    ----------
    forecast, truth, climatology
        Where each field lies.
    layout
        Where the cells lie.
    regions
        Weights of the cells.
    companions
        Further fields of the climatology.
    split
        Runs a function on parts of the conditions, perhaps at the same time:
        ``split(function, number)`` calls ``function(start, stop)``.
    """

    forecast: Stack
    truth: Stack
    climatology: Stack | None
    layout: Layout
    regions: Regions
    companions: Mapping[Companion, Stack] = field(default_factory=dict)
    split: Callable[[Callable[[int, int], None], int], None] = lambda call, number: call(0, number)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of samples, conditions and channels."""
        samples, conditions, channels = self.truth.rows.shape
        return samples, conditions, channels

    @property
    def members(self) -> int:
        """Size of the ensemble; 0 where there is none."""
        return self.forecast.rows.shape[3] if self.forecast.rows.ndim == 4 else 0

    def batches(self) -> Iterator[tuple[tuple[Index, ...], Batch]]:
        """Yield places (sample, condition, channel) and their fields, a few at a time."""
        forecast_there = self.forecast.rows != ABSENT
        if self.members:
            forecast_there = forecast_there.all(axis=-1)
        present = ((self.truth.rows != ABSENT) & forecast_there).nonzero()
        step = max(1, BATCH_VALUES // (self.layout.size * max(self.members, 1)))
        for start in range(0, present[0].size, step):
            places = tuple(axis[start : start + step] for axis in present)
            forecast = self.forecast.gather(places)
            members = forecast if self.members else None
            if members is not None:
                forecast = members.mean(axis=1, dtype=np.float64)
            yield (
                places,
                Batch(
                    forecast,
                    self.truth.gather(places),
                    None if self.climatology is None else self.climatology.gather(places),
                    members,
                    self.layout,
                    {name: stack.gather(places) for name, stack in self.companions.items()},
                ),
            )
