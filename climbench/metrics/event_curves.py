r"""Curves over the probability of an event: reliability, relative operating characteristic, value.

All follow from one statistic, the joint distribution of forecast and truth (Murphy and Winkler
1987, Monthly Weather Review 115, 1330-1338): :math:`a_n` is the share of weight, over all cells
and samples, where :math:`n` of :math:`M` members have the event and the truth has it too,
:math:`b_n` where the truth does not. These are :math:`2 (M + 1)` numbers for each sample, so ask
for few channels at a time where there are many members.

The ``threshold`` is in the variable's unit, or a ``quantile`` of the climatology; cells where
that is missing do not count.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from climbench.metrics.averaging import Regions, ratio
from climbench.metrics.events import Event, check_share, members_of
from climbench.metrics.fields import Array, Batch, Layout
from climbench.metrics.metric import Metric, Orientation, check_choice, register
from climbench.metrics.statistic import FieldStatistic, Statistic

COST_LOSS = tuple(percent / 100 for percent in range(5, 100, 5))


@dataclass(frozen=True)
class JointShares(Event, FieldStatistic):
    """Share of weight for each number of members with the event, without and with it in truth."""

    name: ClassVar[str] = "joint_shares"
    needs_members: ClassVar[bool] = True

    def components(self, layout: Layout, members: int) -> tuple[str, ...]:
        """Return ``0:no``, ``1:no`` .. and then ``0:yes``, ``1:yes`` .."""
        return tuple(f"{n}:{truth}" for truth in ("no", "yes") for n in range(members + 1))

    def means(self, batch: Batch, regions: Regions) -> Array:
        """Return the shares ``[field, region, component]``, of no cell without a threshold."""
        numbers = members_of(batch).shape[1] + 1
        component = self.count(batch) + numbers * self.occurs(batch.truth, batch)
        unknown = np.isnan(component)
        place = np.where(unknown, 0, component).astype(np.int64)
        valid = np.ones(unknown.shape, dtype=bool) if batch.valid is None else batch.valid
        result = np.full((len(place), regions.number, 2 * numbers), np.nan)
        for field, region in np.ndindex(result.shape[:2]):
            weight = regions.by_region[region] * valid[field]
            sums = np.bincount(place[field], weight * ~unknown[field], 2 * numbers)
            result[field, region] = ratio(sums.astype(np.float64), weight.sum())
        return result


@dataclass(frozen=True)
class EventCurve(Event, Metric):
    """A metric of the joint distribution, by default a curve over the probability n / M."""

    family: ClassVar[str] = "probabilistic"
    unit_power: ClassVar[int] = 0
    curve: ClassVar[str | None] = "probability"

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The joint distribution."""
        return (JointShares(self.threshold, self.quantile, self.above),)

    def coordinate(self, layout: Layout, members: int) -> Array:
        """Return the probabilities that the ensemble can give ``[probability]``."""
        return np.arange(members + 1) / members


def joint(averages: Array) -> tuple[Array, Array]:
    """Return the shares without and with the event ``[..., number of members]``."""
    without, with_event = np.split(averages[0], 2, axis=-1)
    return without, with_event


def called(averages: Array) -> tuple[Array, Array]:
    """Return the shares without and with the event where at least M, M - 1, .. 0 members have it.

    Returns
    -------
    tuple of numpy.ndarray
        Two of ``[..., rank]``.
    """
    without, with_event = (np.cumsum(part[..., ::-1], axis=-1) for part in joint(averages))
    return without, with_event


def area_of_roc(others: Array, hits: Array) -> Array:
    """Return the area under hit rate over false alarm rate, by trapezia.

    Parameters
    ----------
    others, hits
        Weight without and with the event among the cells of at least each rank, from the highest
        rank to the lowest ``[..., rank]``.

    Returns
    -------
    numpy.ndarray
        ``[...]``; NaN where the event happens always or never.

    Examples
    --------
    >>> area_of_roc(np.array([0.0, 1.0, 1.0, 2.0]), np.array([1.0, 1.0, 2.0, 2.0])).item()
    0.75
    """
    heights = hits - 0.5 * np.diff(hits, axis=-1, prepend=0.0)
    area = np.sum(np.diff(others, axis=-1, prepend=0.0) * heights, axis=-1)
    return ratio(area, others[..., -1] * hits[..., -1])


def rates(averages: Array) -> tuple[Array, Array]:
    """Return false alarm rate and hit rate of acting if at least n members have the event.

    Returns
    -------
    tuple of numpy.ndarray
        Two of ``[..., n]``, from 0 (act always) to M.
    """
    false_alarms, hits = (part[..., ::-1] for part in called(averages))
    return ratio(false_alarms, false_alarms[..., :1]), ratio(hits, hits[..., :1])


@register
@dataclass(frozen=True)
class Reliability(EventCurve):
    r"""Reliability curve: how often the event happens where its probability was :math:`n/M`.

    .. math:: \frac{a_n}{a_n + b_n}

    at the :math:`M + 1` probabilities that the ensemble can give, without bins; NaN where it
    never gave one. ``sharpness`` says how often it did. Unit: none. Better: neither; on the
    diagonal is best.

    References
    ----------
    Bröcker and Smith (2007), Weather and Forecasting 22, 651-661.
    """

    name: ClassVar[str] = "reliability"
    orientation: ClassVar[Orientation] = "none"

    def value(self, averages: Array) -> Array:
        """Return the frequency of the event ``[..., probability]``."""
        without, with_event = joint(averages)
        return ratio(with_event, without + with_event)


@register
@dataclass(frozen=True)
class Sharpness(EventCurve):
    r"""Sharpness: how often the ensemble gives each probability, :math:`a_n + b_n`.

    It belongs to ``reliability``. Unit: none. Better: neither; shares near 0 and 1 are, if the
    forecast is reliable.

    References
    ----------
    Bröcker and Smith (2007), Weather and Forecasting 22, 651-661.
    """

    name: ClassVar[str] = "sharpness"
    orientation: ClassVar[Orientation] = "none"

    def value(self, averages: Array) -> Array:
        """Return the share of each probability ``[..., probability]``."""
        shares = np.sum(joint(averages), axis=0)
        return ratio(shares, np.sum(shares, axis=-1, keepdims=True))


@register
@dataclass(frozen=True)
class RelativeOperatingCharacteristic(EventCurve):
    r"""Relative operating characteristic: hits and false alarms by the probability to act at.

    ``rate=hit`` (default) is the share of events where at least :math:`n` members have it,
    :math:`H_n = \sum_{m \ge n} a_m / \sum_m a_m`; ``rate=false_alarm`` is the share of the other
    cells where they have, :math:`F_n = \sum_{m \ge n} b_m / \sum_m b_m`. Both run over
    :math:`n/M` from 0, where they are 1; plotted against each other, and joined to (0, 0), they
    are the ROC. Unit: none. Better: higher for hits, lower for false alarms.

    References
    ----------
    Mason (1982), Australian Meteorological Magazine 30, 291-303; Mason and Graham (2002), Q. J.
    R. Meteorol. Soc. 128, 2145-2166.
    """

    name: ClassVar[str] = "roc"
    rate: Literal["hit", "false_alarm"] = "hit"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("rate", self.rate, ("hit", "false_alarm"))

    @property
    def orientation(self) -> Orientation:  # type: ignore[override]
        """More hits are better, and fewer false alarms."""
        return "higher" if self.rate == "hit" else "lower"

    def value(self, averages: Array) -> Array:
        """Return the rate ``[..., probability]``."""
        false_alarm_rate, hit_rate = rates(averages)
        return hit_rate if self.rate == "hit" else false_alarm_rate


@register
@dataclass(frozen=True)
class RocArea(EventCurve):
    r"""Area under the relative operating characteristic, by trapezia.

    .. math:: \sum_n (F_n - F_{n+1}) \frac{H_n + H_{n+1}}{2}, \quad F_{M+1} = H_{M+1} = 0

    The chance that more members have the event where it happens than where it does not, with
    ties counted half; 0.5 without skill. Unit: none, 0 to 1. Better: higher.

    References
    ----------
    Mason and Graham (2002), Q. J. R. Meteorol. Soc. 128, 2145-2166.
    """

    name: ClassVar[str] = "roc_area"
    orientation: ClassVar[Orientation] = "higher"
    curve: ClassVar[str | None] = None

    def value(self, averages: Array) -> Array:
        """Return the area."""
        return area_of_roc(*called(averages))


@register
@dataclass(frozen=True)
class RelativeEconomicValue(EventCurve):
    r"""Relative economic value of the forecast to users who can protect themselves.

    .. math:: V = \max_n \frac{\min(r, s) - [r (F_n (1 - s) + H_n s) + (1 - H_n) s]}
        {\min(r, s) - r s}

    :math:`r` is the cost of protection over the loss that it prevents, one of ``cost_loss``;
    :math:`s` how often the event happens. Each user acts at the probability that pays best, or
    always, or never: 0 is the worth of knowing :math:`s` alone, 1 that of a perfect forecast. NaN
    where the event happens always or never. Unit: none, 0 to 1. Better: higher.

    References
    ----------
    Richardson (2000), Q. J. R. Meteorol. Soc. 126, 649-667.
    """

    name: ClassVar[str] = "relative_economic_value"
    orientation: ClassVar[Orientation] = "higher"
    curve: ClassVar[str | None] = "cost_loss_ratio"
    cost_loss: tuple[float, ...] = COST_LOSS

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.cost_loss, tuple) or not self.cost_loss:
            raise ValueError("write cost_loss=[.., ..]")
        for cost in self.cost_loss:
            check_share("cost_loss", cost)

    def coordinate(self, layout: Layout, members: int) -> Array:
        """Return the ratios of cost and loss ``[cost_loss_ratio]``."""
        return np.array(self.cost_loss)

    def value(self, averages: Array) -> Array:
        """Return the value ``[..., cost_loss_ratio]``."""
        without, with_event = joint(averages)
        total = np.sum(without + with_event, axis=-1)
        often = ratio(np.sum(with_event, axis=-1), total)[..., np.newaxis]
        false_alarm_rate, hit_rate = (rate[..., np.newaxis] for rate in rates(averages))
        cost, event = np.array(self.cost_loss), often[..., np.newaxis]
        acting = cost * (false_alarm_rate * (1 - event) + hit_rate * event)
        expense = np.minimum((acting + (1 - hit_rate) * event).min(axis=-2), often)
        climate = np.minimum(cost, often)
        return ratio(climate - expense, climate - cost * often)
