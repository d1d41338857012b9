r"""Scores of the probability that an ensemble gives to an event, such as a value above a threshold.

:math:`n` of :math:`M` members have the event, so its probability is :math:`p = n/M`; :math:`o` is
1 where the truth has it, else 0; :math:`\langle\cdot\rangle` is the weighted mean over the cells
where truth and all members are valid, the bar the mean over samples. The ``threshold``
is in the variable's unit, or a ``quantile`` of the climatology for the cell, day of year and hour;
cells where that is missing do not count.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from climbench.metrics.ensemble import FAIRNESS, Fairness
from climbench.metrics.events import CountedMean, CountedStatistic, Event, members_of
from climbench.metrics.fields import Array, Batch, Companion
from climbench.metrics.metric import Orientation, check_choice, register
from climbench.metrics.statistic import Statistic


@dataclass(frozen=True)
class ProbabilityError(Event, CountedStatistic):
    """Squared difference of the probability and what happened."""

    name: ClassVar[str] = "probability_error"
    needs_members: ClassVar[bool] = True
    form: Fairness = "fair"

    def amounts(self, batch: Batch) -> Array:
        """Return the squared difference ``[field, cell]``."""
        members = members_of(batch).shape[1]
        share = self.count(batch) / members
        error: Array = np.square(share - self.occurs(batch.truth, batch))
        if self.form == "fair":
            error -= share * (1.0 - share) / max(members - 1, 1)
        return error


@register
@dataclass(frozen=True)
class BrierScore(Event, CountedMean):
    r"""Brier score of an event.

    .. math:: \overline{\Bigl\langle (p - o)^2 - \frac{p (1 - p)}{M - 1} \Bigr\rangle}

    The second term is there for ``form=fair`` (default), which estimates what an infinite
    ensemble would score (and not for a single member), and not for ``form=ensemble``. Unit: none.
    Better: lower.

    References
    ----------
    Brier (1950), Monthly Weather Review 78, 1-3; Ferro (2014), Q. J. R. Meteorol. Soc. 140,
    1917-1923.
    """

    family: ClassVar[str] = "probabilistic"
    name: ClassVar[str] = "brier"
    orientation: ClassVar[Orientation] = "lower"
    unit_power: ClassVar[int] = 0
    form: Fairness = "fair"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("form", self.form, FAIRNESS)

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The squared error of the probability."""
        return (ProbabilityError(self.threshold, self.quantile, self.above, self.form),)


@dataclass(frozen=True)
class RankedProbabilityError(CountedStatistic):
    """Sum of the squared errors of the probabilities of exceeding several thresholds."""

    name: ClassVar[str] = "ranked_probability_error"
    needs_members: ClassVar[bool] = True
    thresholds: tuple[float, ...] = ()
    quantiles: tuple[float, ...] = ()
    form: Fairness = "fair"

    @property
    def parts(self) -> tuple[ProbabilityError, ...]:
        """The error at each threshold."""
        return (
            *(ProbabilityError(threshold=value, form=self.form) for value in self.thresholds),
            *(ProbabilityError(quantile=level, form=self.form) for level in self.quantiles),
        )

    @property
    def companions(self) -> tuple[Companion, ...]:
        """The quantiles that the thresholds are."""
        return tuple(companion for part in self.parts for companion in part.companions)

    def amounts(self, batch: Batch) -> Array:
        """Return the sum ``[field, cell]``."""
        return np.asarray(sum(part.amounts(batch) for part in self.parts))


@register
@dataclass(frozen=True)
class RankedProbabilityScore(CountedMean):
    r"""Ranked probability score: the sum of the ``brier`` scores of exceeding each threshold.

    .. math:: \sum_j \overline{\langle (p_j - o_j)^2 \rangle}

    with ``form`` as there. The thresholds part the values into categories that are ordered; give
    ``thresholds=[..]`` or ``quantiles=[..]``, such as ``rps(quantiles=[0.33, 0.67])`` for terciles.
    Others divide by the number of thresholds. Unit: none. Better: lower.

    References
    ----------
    Epstein (1969), J. Applied Meteorology 8, 985-987; Murphy (1971), J. Applied Meteorology 10,
    155-156.
    """

    family: ClassVar[str] = "probabilistic"
    name: ClassVar[str] = "rps"
    orientation: ClassVar[Orientation] = "lower"
    unit_power: ClassVar[int] = 0
    thresholds: tuple[float, ...] = ()
    quantiles: tuple[float, ...] = ()
    form: Fairness = "fair"

    def __post_init__(self) -> None:
        check_choice("form", self.form, FAIRNESS)
        for name in ("thresholds", "quantiles"):
            if not isinstance(getattr(self, name), tuple):
                raise ValueError(f"write {name}=[.., ..]")
        if bool(self.thresholds) == bool(self.quantiles):
            raise ValueError("give thresholds=[..] or quantiles=[..]")
        _ = self.statistics[0].companions  # complains about wrong thresholds

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The sum of squared errors."""
        return (RankedProbabilityError(self.thresholds, self.quantiles, self.form),)


@dataclass(frozen=True)
class Surprise(Event, CountedStatistic):
    """Negative logarithm, to base 2, of the probability of what happened."""

    name: ClassVar[str] = "surprise"
    needs_members: ClassVar[bool] = True

    def amounts(self, batch: Batch) -> Array:
        """Return the logarithm ``[field, cell]``."""
        members = members_of(batch).shape[1]
        probability = (self.count(batch) + 2 / 3) / (members + 4 / 3)
        happened = self.occurs(batch.truth, batch)
        likely = happened * probability + (1.0 - happened) * (1.0 - probability)
        return np.asarray(-np.log2(likely))


@register
@dataclass(frozen=True)
class Ignorance(Event, CountedMean):
    r"""Ignorance of an event: how many bits of information the truth adds to the forecast.

    .. math:: -\overline{\langle o \log_2 \tilde p + (1 - o) \log_2 (1 - \tilde p) \rangle},
        \quad \tilde p = \frac{n + 2/3}{M + 4/3}

    The probability is estimated at Tukey's plotting position, because no finite ensemble makes
    an event impossible or certain. Unit: bits. Better: lower.

    References
    ----------
    Roulston and Smith (2002), Monthly Weather Review 130, 1653-1660; Wilks (2006), Meteorological
    Applications 13, 243-256 (plotting position).
    """

    family: ClassVar[str] = "probabilistic"
    name: ClassVar[str] = "ignorance"
    unit: ClassVar[str] = "bits"
    orientation: ClassVar[Orientation] = "lower"
    unit_power: ClassVar[int] = 0

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The surprise of each cell."""
        return (Surprise(self.threshold, self.quantile, self.above),)
