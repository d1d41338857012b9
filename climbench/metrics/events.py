"""What an event is: a value above or below a threshold, of one variable in one cell."""

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from climbench.metrics.averaging import ratio
from climbench.metrics.fields import Array, Batch, Companion, Layout, Threshold
from climbench.metrics.metric import Metric
from climbench.metrics.statistic import CellStatistic, Statistic


def check_share(parameter: str, value: float) -> None:
    """Raise ValueError unless a parameter is a number between 0 and 1, both excluded."""
    if not isinstance(value, int | float) or not 0 < value < 1:
        raise ValueError(f"{parameter}={value} is no number between 0 and 1")


def members_of(batch: Batch) -> NDArray[Any]:
    """Return the ensemble ``[field, member, cell]``.

    Raises
    ------
    ValueError
        If the forecast is no ensemble.
    """
    if batch.members is None:
        raise ValueError("this statistic needs an ensemble")
    return batch.members


def one_precision(batch: Batch, *values: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Return values in the coarser precision of forecast and truth, so that ties stay ties.

    An ensemble has that of its members: their mean is always float64.
    """
    forecast = batch.forecast if batch.members is None else batch.members
    given = [array.dtype for array in (forecast, batch.truth) if array.dtype.kind == "f"]
    coarser = min(given, key=lambda dtype: dtype.itemsize, default=np.dtype(np.float64))
    with np.errstate(over="ignore"):
        return tuple(array.astype(coarser, copy=False) for array in values)


@dataclass(frozen=True)
class CountedStatistic(CellStatistic):
    """A statistic that cells without a threshold have no value of: they do not count.

    Components: the value, 0 where there is none, and the share of cells that have one.
    """

    def components(self, layout: Layout, members: int) -> tuple[str, ...]:
        """Return ``value`` and ``counted``."""
        return ("value", "counted")

    @abstractmethod
    def amounts(self, batch: Batch) -> Array:
        """Return the value of each cell ``[field, cell]``, NaN where there is no threshold."""

    def values(self, batch: Batch) -> Array:
        """Return both components ``[component, field, cell]``."""
        amounts = self.amounts(batch)
        counted = ~np.isnan(amounts)
        return np.stack([np.where(counted, amounts, 0.0), counted])


@dataclass(frozen=True)
class CountedMean(Metric):
    """A metric that is the mean of its only statistic over the cells that count."""

    def quantities(self, means: Mapping[Statistic, Array]) -> Array:
        """Return both components of each sample."""
        return np.moveaxis(means[self.statistics[0]], -1, 0)

    def value(self, averages: Array) -> Array:
        """Return the mean over the cells that count."""
        return ratio(averages[0], averages[1])


@dataclass(frozen=True)
class AtThreshold:
    """Part of metrics and statistics that have a threshold: exactly one of two.

    Attributes
    ----------
    threshold
        In the variable's unit.
    quantile
        Or which quantile of the climatology it is, between 0 and 1.
    """

    threshold: float | None = None
    quantile: float | None = None

    def __post_init__(self) -> None:
        if (self.threshold is None) == (self.quantile is None):
            both = self.threshold is not None
            raise ValueError(
                "give only one of threshold and quantile"
                if both
                else "give threshold=.. or quantile=.."
            )
        if self.threshold is not None and not _is_number(self.threshold):
            raise ValueError(f"threshold={self.threshold} is no number")
        if self.quantile is not None:
            check_share("quantile", self.quantile)

    @property
    def bound(self) -> Threshold:
        """The threshold as fields have it."""
        return Threshold(self.threshold, self.quantile)

    @property
    def companions(self) -> tuple[Companion, ...]:
        """What the threshold needs from the climatology."""
        return self.bound.companions


@dataclass(frozen=True)
class Event(AtThreshold):
    """Part of metrics and statistics of an event: the value lies above the threshold, or below.

    A value on the threshold is neither; both are compared in the coarser precision of forecast
    and truth.

    Attributes
    ----------
    above
        Whether above is the event, else below.
    """

    above: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.above, bool):
            raise ValueError(f"above={self.above} is neither true nor false")

    def occurs(self, values: NDArray[Any], batch: Batch) -> Array:
        """Tell which values ``[field, cell]`` are events: 0 or 1, NaN where no threshold is."""
        threshold = self.bound.of(batch)
        return _known(threshold, self._compare(batch, values, threshold))

    def count(self, batch: Batch) -> Array:
        """Return how many members have the event ``[field, cell]``, NaN as above."""
        threshold = self.bound.of(batch)
        events = self._compare(batch, members_of(batch), threshold[:, np.newaxis])
        return _known(threshold, np.count_nonzero(events, axis=1))

    def _compare(
        self, batch: Batch, values: NDArray[Any], threshold: NDArray[Any]
    ) -> NDArray[np.bool_]:
        value, bound = one_precision(batch, values, threshold)
        return np.asarray(value > bound if self.above else value < bound)


def _is_number(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)  # type: ignore[arg-type]


def _known(threshold: NDArray[Any], number: NDArray[Any]) -> Array:
    return np.where(np.isnan(threshold), np.nan, number)
