"""What an event is: a value above or below a threshold, of one variable in one cell."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from climbench.metrics.fields import Array, Batch, Companion, Threshold


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
            raise ValueError("give threshold=.. or quantile=..")
        if self.threshold is not None and not isinstance(self.threshold, int | float):
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

    A value on the threshold is neither; both are compared in the precision of the value.

    Attributes
    ----------
    above
        Whether above is the event, else below.
    """

    above: bool = True

    def occurs(self, values: NDArray[Any], batch: Batch) -> Array:
        """Tell which values ``[field, cell]`` are events: 0 or 1, NaN where no threshold is."""
        threshold = self.bound.of(batch)
        return _known(threshold, self._compare(values, threshold))

    def count(self, batch: Batch) -> Array:
        """Return how many members have the event ``[field, cell]``, NaN as above."""
        threshold = self.bound.of(batch)
        events = self._compare(members_of(batch), threshold[:, np.newaxis])
        return _known(threshold, np.count_nonzero(events, axis=1))

    def _compare(self, values: NDArray[Any], threshold: NDArray[Any]) -> NDArray[np.bool_]:
        bound = threshold.astype(values.dtype, copy=False)
        return np.asarray(values > bound if self.above else values < bound)


def _known(threshold: NDArray[Any], number: NDArray[Any]) -> Array:
    return np.where(np.isnan(threshold), np.nan, number)
