r"""Scores of yes or no: a contingency table of an event, forecast and true.

One table is made of all cells and samples: the shares of the weight that are hits :math:`a`,
false alarms :math:`b`, misses :math:`c` and correct negatives :math:`d`; ratios come last. The
event is that the forecast (of an ensemble its mean), or the truth, is above a threshold, with
``above=false`` below it: the ``threshold`` is in the variable's unit, or a ``quantile`` of the
climatology for the cell, day of year and hour; cells where that is missing do not count. A score
whose denominator is 0 is NaN.

:math:`H = a / (a + c)` is the hit rate, :math:`F = b / (b + d)` the false alarm rate.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from climbench.metrics.averaging import ratio
from climbench.metrics.events import Event
from climbench.metrics.fields import Array, Batch, Layout
from climbench.metrics.metric import Metric, Orientation, register
from climbench.metrics.statistic import CellStatistic, Statistic


@dataclass(frozen=True)
class Contingency(Event, CellStatistic):
    """Shares of hits, false alarms, misses and correct negatives."""

    name: ClassVar[str] = "contingency"

    def components(self, layout: Layout, members: int) -> tuple[str, ...]:
        """Return the four parts of the table."""
        return ("hit", "false_alarm", "miss", "correct_negative")

    def values(self, batch: Batch) -> Array:
        """Return 1 in the part that the cell belongs to ``[component, field, cell]``.

        All are 0 where there is no threshold, which leaves the cell out of all ratios.
        """
        said, happened = (self.occurs(field, batch) for field in (batch.forecast, batch.truth))
        parts = [
            said * happened,
            said * (1.0 - happened),
            (1.0 - said) * happened,
            (1.0 - said) * (1.0 - happened),
        ]
        return np.nan_to_num(np.stack(parts), copy=False)


@dataclass(frozen=True)
class TableScore(Event, Metric):
    """A metric of the contingency table."""

    family: ClassVar[str] = "categorical"
    orientation: ClassVar[Orientation] = "higher"
    unit_power: ClassVar[int] = 0

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The table."""
        return (Contingency(self.threshold, self.quantile, self.above),)

    def quantities(self, means: Mapping[Statistic, Array]) -> Array:
        """Return the table of each sample ``[part, sample, ...]``."""
        return np.moveaxis(means[self.statistics[0]], -1, 0)


def _rates(table: Array) -> tuple[Array, Array]:
    """Return hit rate and false alarm rate."""
    hit, false_alarm, miss, correct = table
    return ratio(hit, hit + miss), ratio(false_alarm, false_alarm + correct)


@register
@dataclass(frozen=True)
class ProbabilityOfDetection(TableScore):
    r"""Probability of detection, :math:`H = a / (a + c)`: the share of events that were forecast.

    Also called hit rate. Unit: none, 0 to 1. Better: higher.

    References
    ----------
    Wilks (2011), Statistical Methods in the Atmospheric Sciences, section 8.2.2.
    """

    name: ClassVar[str] = "pod"
    limits: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def value(self, averages: Array) -> Array:
        """Return hits over events."""
        return _rates(averages)[0]


@register
@dataclass(frozen=True)
class FalseAlarmRatio(TableScore):
    r"""False alarm ratio, :math:`b / (a + b)`: the share of forecast events that did not happen.

    The ratio, not the false alarm rate, which is ``pofd``. Unit: none, 0 to 1. Better: lower.

    References
    ----------
    Wilks (2011), Statistical Methods in the Atmospheric Sciences, section 8.2.2.
    """

    name: ClassVar[str] = "far"
    limits: ClassVar[tuple[float, float]] = (0.0, 1.0)
    orientation: ClassVar[Orientation] = "lower"

    def value(self, averages: Array) -> Array:
        """Return false alarms over forecast events."""
        hit, false_alarm, _, _ = averages
        return ratio(false_alarm, hit + false_alarm)


@register
@dataclass(frozen=True)
class ProbabilityOfFalseDetection(TableScore):
    r"""Probability of false detection, :math:`F = b / (b + d)`: the false alarm rate.

    The share of non-events that were forecast as events. Unit: none, 0 to 1. Better: lower.

    References
    ----------
    Wilks (2011), Statistical Methods in the Atmospheric Sciences, section 8.2.2.
    """

    name: ClassVar[str] = "pofd"
    limits: ClassVar[tuple[float, float]] = (0.0, 1.0)
    orientation: ClassVar[Orientation] = "lower"

    def value(self, averages: Array) -> Array:
        """Return false alarms over non-events."""
        return _rates(averages)[1]


@register
@dataclass(frozen=True)
class CriticalSuccessIndex(TableScore):
    r"""Critical success index, or threat score, :math:`a / (a + b + c)`.

    Unit: none, 0 to 1. Better: higher.

    References
    ----------
    Wilks (2011), Statistical Methods in the Atmospheric Sciences, section 8.2.2.
    """

    name: ClassVar[str] = "csi"
    limits: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def value(self, averages: Array) -> Array:
        """Return hits over all that was forecast or happened."""
        hit, false_alarm, miss, _ = averages
        return ratio(hit, hit + false_alarm + miss)


@register
@dataclass(frozen=True)
class EquitableThreatScore(TableScore):
    r"""Equitable threat score, or Gilbert skill score: the ``csi`` without the hits by chance.

    .. math:: \frac{a - a_r}{a + b + c - a_r}, \quad a_r = \frac{(a + b)(a + c)}{a + b + c + d}

    Unit: none, -1/3 to 1. Better: higher.

    References
    ----------
    Wilks (2011), Statistical Methods in the Atmospheric Sciences, section 8.2.2.
    """

    name: ClassVar[str] = "ets"
    limits: ClassVar[tuple[float, float]] = (-1 / 3, 1.0)

    def value(self, averages: Array) -> Array:
        """Return hits beyond chance over what they could be."""
        hit, false_alarm, miss, correct = averages
        total = hit + false_alarm + miss + correct
        chance = ratio((hit + false_alarm) * (hit + miss), total)
        return ratio(hit - chance, hit + false_alarm + miss - chance)


@register
@dataclass(frozen=True)
class HeidkeSkillScore(TableScore):
    r"""Heidke skill score: the ``accuracy`` beyond that of a forecast by chance.

    .. math:: \frac{2 (a d - b c)}{(a + c)(c + d) + (a + b)(b + d)}

    Unit: none, -1 to 1. Better: higher.

    References
    ----------
    Wilks (2011), Statistical Methods in the Atmospheric Sciences, section 8.2.2.
    """

    name: ClassVar[str] = "hss"
    limits: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def value(self, averages: Array) -> Array:
        """Return the skill against chance."""
        hit, false_alarm, miss, correct = averages
        events, others = hit + miss, false_alarm + correct
        skill = 2 * (hit * correct - false_alarm * miss)
        return ratio(skill, events * (miss + correct) + others * (hit + false_alarm))


@register
@dataclass(frozen=True)
class FrequencyBias(TableScore):
    r"""Frequency bias, :math:`(a + b) / (a + c) - 1`: how much more often forecast than true.

    The ratio that others print is this plus one. Negative: forecast too rarely. Unit: none.
    Better: nearer to zero.

    References
    ----------
    Wilks (2011), Statistical Methods in the Atmospheric Sciences, section 8.2.2.
    """

    name: ClassVar[str] = "frequency_bias"
    orientation: ClassVar[Orientation] = "zero"

    def value(self, averages: Array) -> Array:
        """Return forecast events over events, less one."""
        hit, false_alarm, miss, _ = averages
        return ratio(hit + false_alarm, hit + miss) - 1.0


@register
@dataclass(frozen=True)
class Accuracy(TableScore):
    r"""Accuracy, :math:`(a + d) / (a + b + c + d)`: the share of right forecasts.

    Of a rare event it is high for the forecast that never gives it. Unit: none, 0 to 1. Better:
    higher.

    References
    ----------
    Wilks (2011), Statistical Methods in the Atmospheric Sciences, section 8.2.2.
    """

    name: ClassVar[str] = "accuracy"
    limits: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def value(self, averages: Array) -> Array:
        """Return right forecasts over all."""
        hit, false_alarm, miss, correct = averages
        return ratio(hit + correct, hit + false_alarm + miss + correct)


@register
@dataclass(frozen=True)
class ExtremalDependenceIndex(TableScore):
    r"""Extremal dependence index, which keeps its meaning as events become rare.

    .. math:: \frac{\ln F - \ln H}{\ln F + \ln H}

    1 for a perfect forecast, 0 for a random one; else NaN where :math:`H` or :math:`F` is 0. Unit:
    none, -1 to 1. Better: higher.

    References
    ----------
    Ferro and Stephenson (2011), Weather and Forecasting 26, 699-713.
    """

    name: ClassVar[str] = "edi"
    limits: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def value(self, averages: Array) -> Array:
        """Return the index."""
        log_h, log_f = (_log(rate) for rate in _rates(averages))
        index = ratio(log_f - log_h, log_f + log_h)
        return np.where(_perfect(averages), 1.0, index)


@register
@dataclass(frozen=True)
class SymmetricExtremalDependenceIndex(TableScore):
    r"""Symmetric extremal dependence index, the same for the event and its opposite.

    .. math:: \frac{\ln F - \ln H - \ln(1 - F) + \ln(1 - H)}
        {\ln F + \ln H + \ln(1 - F) + \ln(1 - H)}

    1 for a perfect forecast, 0 for a random one; else NaN where :math:`H` or :math:`F` is 0 or 1.
    Unit: none, -1 to 1. Better: higher.

    References
    ----------
    Ferro and Stephenson (2011), Weather and Forecasting 26, 699-713.
    """

    name: ClassVar[str] = "sedi"
    limits: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def value(self, averages: Array) -> Array:
        """Return the index."""
        hit_rate, false_alarm_rate = _rates(averages)
        log_h, log_f = _log(hit_rate), _log(false_alarm_rate)
        log_no_h, log_no_f = _log(1.0 - hit_rate), _log(1.0 - false_alarm_rate)
        index = ratio(log_f - log_h - log_no_f + log_no_h, log_f + log_h + log_no_f + log_no_h)
        return np.where(_perfect(averages), 1.0, index)


def _log(rate: Array) -> Array:
    """Return the logarithm, NaN of zero."""
    return np.log(np.where(rate > 0, rate, np.nan))


def _perfect(table: Array) -> NDArray[np.bool_]:
    hit, false_alarm, miss, correct = table
    return np.asarray((false_alarm == 0) & (miss == 0) & (hit > 0) & (correct > 0))
