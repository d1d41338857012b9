r"""Scores that machine learning has for a classifier of two classes: the event, and no event.

The event is a value above a threshold, as everywhere (``above=false``: below it): the
``threshold`` is in the variable's unit, or a ``quantile`` of the climatology; cells where that is
missing do not count. Forecasts that are classes themselves (land cover, burnt or not) are scored
by the functions of ``climbench.metrics.classification``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from climbench.metrics.averaging import Regions, ratio
from climbench.metrics.contingency import Accuracy, ProbabilityOfDetection, TableScore
from climbench.metrics.event_curves import JointShares, area_of_roc, called
from climbench.metrics.events import Event
from climbench.metrics.fields import Array, Batch, Layout
from climbench.metrics.metric import Metric, Orientation, check_choice, register
from climbench.metrics.statistic import FieldStatistic, Statistic


@register
@dataclass(frozen=True)
class Precision(TableScore):
    r"""Precision, :math:`a / (a + b)`: the share of forecast events that happened.

    :math:`a` are the hits, :math:`b` the false alarms, as of ``far``, which is one less this.
    Also called success ratio. Unit: none, 0 to 1. Better: higher.

    References
    ----------
    Jolliffe and Stephenson (2012), Forecast Verification, chapter 3.
    """

    name: ClassVar[str] = "precision"
    family: ClassVar[str] = "classification"
    limits: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def value(self, averages: Array) -> Array:
        """Return hits over forecast events."""
        hit, false_alarm, _, _ = averages
        return ratio(hit, hit + false_alarm)


@register
@dataclass(frozen=True)
class Recall(ProbabilityOfDetection):
    r"""Recall, :math:`a / (a + c)`: the same number as ``pod``, hits over hits and misses.

    Unit: none, 0 to 1. Better: higher.

    References
    ----------
    Jolliffe and Stephenson (2012), Forecast Verification, chapter 3.
    """

    name: ClassVar[str] = "recall"
    family: ClassVar[str] = "classification"


@register
@dataclass(frozen=True)
class F1Score(TableScore):
    r"""F1 score, :math:`2 a / (2 a + b + c)`: the harmonic mean of ``precision`` and ``recall``.

    Unit: none, 0 to 1. Better: higher.

    References
    ----------
    van Rijsbergen (1979), Information Retrieval, chapter 7; Dice (1945), Ecology 26, 297-302.
    """

    name: ClassVar[str] = "f1"
    family: ClassVar[str] = "classification"
    limits: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def value(self, averages: Array) -> Array:
        """Return the harmonic mean."""
        hit, false_alarm, miss, _ = averages
        return ratio(2 * hit, 2 * hit + false_alarm + miss)


@register
@dataclass(frozen=True)
class OverallAccuracy(Accuracy):
    r"""Overall accuracy (OA), :math:`(a + d) / (a + b + c + d)`: the same number as ``accuracy``.

    Of a rare event it is high for the forecast that never gives it. Unit: none, 0 to 1. Better:
    higher.

    References
    ----------
    Congalton (1991), Remote Sensing of Environment 37, 35-46.
    """

    name: ClassVar[str] = "overall_accuracy"
    family: ClassVar[str] = "classification"


@dataclass(frozen=True)
class RankedEvents(Event, FieldStatistic):
    """Areas under the curves of each field, its cells ranked by how much they forecast the event.

    An ensemble ranks by the number of members that have it, a single forecast by how far it lies
    above the threshold (below it for ``above=false``).
    """

    name: ClassVar[str] = "ranked_events"
    takes_members: ClassVar[bool] = True

    def components(self, layout: Layout, members: int) -> tuple[str, ...]:
        """Return both areas."""
        return ("roc", "precision_recall")

    def means(self, batch: Batch, regions: Regions) -> Array:
        """Return the areas ``[field, region, component]``, NaN where there is no such curve."""
        happened, rank = self.occurs(batch.truth, batch), self._rank(batch)
        known = np.isfinite(happened) & np.isfinite(rank)
        known &= True if batch.valid is None else batch.valid
        result = np.empty((len(known), regions.number, 2))
        for field, cells in enumerate(known):
            if not cells.any():
                result[field] = np.nan
                continue
            order = np.flatnonzero(cells)[np.argsort(-rank[field, cells], kind="stable")]
            last = np.flatnonzero(np.diff(rank[field, order], append=np.nan) != 0)  # of each tie
            weight = regions.by_region[:, order]
            events = happened[field, order]
            hits, others = (
                np.cumsum(weight * which, axis=1)[:, last] for which in (events, 1.0 - events)
            )
            result[field, :, 0] = area_of_roc(others, hits)
            result[field, :, 1] = average_precision(others, hits)
        return result

    def _rank(self, batch: Batch) -> Array:
        if batch.members is not None:
            return self.count(batch)
        # A common threshold changes no order, but taking it off could make ties by rounding.
        origin = 0.0 if self.quantile is None else self.bound.of(batch)
        excess: Array = np.subtract(batch.forecast, origin, dtype=np.float64)
        return excess if self.above else -excess


@dataclass(frozen=True)
class RankingScore(Event, Metric):
    """The area under a curve over all ranks at which an event could be called."""

    family: ClassVar[str] = "classification"
    orientation: ClassVar[Orientation] = "higher"
    unit_power: ClassVar[int] = 0
    limits: ClassVar[tuple[float, float]] = (0.0, 1.0)
    component: ClassVar[int]
    form: Literal["mean_of_samples", "pooled"] = "mean_of_samples"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("form", self.form, ("mean_of_samples", "pooled"))

    @property
    def equal_samples(self) -> bool:  # type: ignore[override]
        """Whether each sample's own area is averaged."""
        return self.form == "mean_of_samples"

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """Each sample's areas, or the joint distribution of probability and event."""
        kind = RankedEvents if self.form == "mean_of_samples" else JointShares
        return (kind(self.threshold, self.quantile, self.above),)

    def quantities(self, means: Mapping[Statistic, Array]) -> Array:
        """Return each sample's area, or its joint distribution."""
        [found] = (means[statistic] for statistic in self.statistics)
        return (found[..., self.component] if self.equal_samples else found)[np.newaxis]

    def value(self, averages: Array) -> Array:
        """Return the mean of the areas, or the area of the mean distribution."""
        if self.equal_samples:
            return np.asarray(averages[0])
        return (area_of_roc, average_precision)[self.component](*called(averages))


@register
@dataclass(frozen=True)
class AreaUnderRoc(RankingScore):
    r"""Area under the receiver operating characteristic (AUROC) of an event.

    The chance that of two cells of one sample, one with and one without the event in truth, the
    first has the higher rank in the forecast; ties count half, cells by their weights; 0.5
    without skill. An ensemble ranks cells by the probability of the event, the share of its
    members; a single forecast by its value, less the threshold where that is a quantile.

    The mean over samples (``form=mean_of_samples``, default), without those in which the event
    happens nowhere or everywhere. ``form=pooled`` compares cells of all samples; it needs an
    ensemble, and is the same number as ``roc_area``. Unit: none, 0 to 1. Better: higher.

    References
    ----------
    Fawcett (2006), Pattern Recognition Letters 27, 861-874, section 7.
    """

    name: ClassVar[str] = "auroc"
    component: ClassVar[int] = 0


@register
@dataclass(frozen=True)
class AreaUnderPrecisionRecall(RankingScore):
    r"""Area under the curve of precision over recall (AUPRC) of an event, as average precision.

    .. math:: \sum_n (R_n - R_{n-1}) P_n

    over the ranks :math:`n` from high to low, with the recall :math:`R_n` and the precision
    :math:`P_n` of calling the event in all cells of at least that rank. It is a sum of steps:
    straight lines between points of this curve would be too optimistic. Chance scores the
    frequency of the event.

    Ranks and ``form`` are those of ``auroc``; samples without the event do not count. Unit: none,
    0 to 1. Better: higher.

    References
    ----------
    Davis and Goadrich (2006), The relationship between precision-recall and ROC curves, Proc.
    ICML 23, 233-240.
    """

    name: ClassVar[str] = "auprc"
    component: ClassVar[int] = 1


def average_precision(others: Array, hits: Array) -> Array:
    """Return the average precision of the same weights as of the area; NaN without an event.

    Examples
    --------
    >>> average_precision(np.array([0.0, 1.0, 1.0]), np.array([1.0, 1.0, 2.0])).round(6).item()
    0.833333
    """
    total = others + hits
    precision = np.divide(hits, total, out=np.zeros_like(total), where=total > 0)
    recalled = np.diff(hits, axis=-1, prepend=0.0)
    return ratio(np.sum(recalled * precision, axis=-1), hits[..., -1])
