r"""Whether a forecast varies as much as the truth.

Throughout, :math:`f` is the forecast (of an ensemble its mean), :math:`o` the truth, :math:`c`
the climatology at the time of the truth, :math:`\langle\cdot\rangle` the weighted mean over the
cells that are valid in all of them, and the bar the mean over samples (initial times, or years).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from climbench.metrics.averaging import departures, ratio, variance
from climbench.metrics.fields import Array
from climbench.metrics.metric import Metric, Orientation, register
from climbench.metrics.moments import (
    Forecast,
    ForecastAnomaly,
    ForecastVariance,
    SquaredForecastAnomaly,
    SquaredTruthAnomaly,
    Truth,
    TruthAnomaly,
    TruthVariance,
)
from climbench.metrics.statistic import Statistic


@register
@dataclass(frozen=True)
class Activity(Metric):
    r"""Activity of the forecast: standard deviation of its anomaly over the cells.

    .. math:: \overline{\sqrt{\langle f'^2 \rangle - \langle f' \rangle^2}}, \quad f' = f - c

    Too low means that the forecast is smoother than the weather. Unit: the variable's. Better:
    neither; compare with the truth's, ``activity_ratio``.

    References
    ----------
    ECMWF (Haiden et al., 2023, Technical Memorandum 911), standard deviation of the anomaly.
    """

    name: ClassVar[str] = "activity"
    orientation: ClassVar[Orientation] = "none"
    unit_power: ClassVar[int] = 1
    equal_samples: ClassVar[bool] = True

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """Square and mean of the forecast's anomaly."""
        return (SquaredForecastAnomaly(), ForecastAnomaly())

    def quantities(self, means: Mapping[Statistic, Array]) -> Array:
        """Return the standard deviation of each sample."""
        square, mean = (means[statistic] for statistic in self.statistics)
        return np.sqrt(variance(square, mean))[np.newaxis]


@register
@dataclass(frozen=True)
class ActivityRatio(Metric):
    r"""How far the forecast's activity is from the truth's, as a ratio minus one.

    .. math:: \overline{\sigma_{f'}} \,/\, \overline{\sigma_{o'}} - 1

    with the standard deviations of ``activity``. Negative: too smooth. Unit: none. Better:
    nearer to zero.

    References
    ----------
    ECMWF (Haiden et al., 2023, Technical Memorandum 911).
    """

    name: ClassVar[str] = "activity_ratio"
    orientation: ClassVar[Orientation] = "zero"
    unit_power: ClassVar[int] = 0
    equal_samples: ClassVar[bool] = True

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """Squares and means of both anomalies."""
        return (
            SquaredForecastAnomaly(),
            ForecastAnomaly(),
            SquaredTruthAnomaly(),
            TruthAnomaly(),
        )

    def quantities(self, means: Mapping[Statistic, Array]) -> Array:
        """Return both standard deviations of each sample."""
        f2, f, o2, o = (means[statistic] for statistic in self.statistics)
        return np.sqrt(np.stack([variance(f2, f), variance(o2, o)]))

    def value(self, averages: Array) -> Array:
        """Return their ratio minus one."""
        return ratio(averages[0], averages[1]) - 1.0


@register
@dataclass(frozen=True)
class VarianceRatio(Metric):
    r"""Ratio of the variances of forecast and truth over samples and cells, minus one.

    .. math:: \sigma^2_f / \sigma^2_o - 1

    Unit: none. Better: nearer to zero.

    References
    ----------
    Murphy (1988), Monthly Weather Review 116, 2417-2424 (decomposition of the MSE).
    """

    name: ClassVar[str] = "variance_ratio"
    orientation: ClassVar[Orientation] = "zero"
    unit_power: ClassVar[int] = 0

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """Variances and means over the cells."""
        return (ForecastVariance(), TruthVariance(), Forecast(), Truth())

    def quantities(self, means: Mapping[Statistic, Array]) -> Array:
        """Return the moments about a common origin."""
        forecast, truth, f, o = (means[statistic] for statistic in self.statistics)
        f, o = departures(f), departures(o)
        return np.stack([forecast + f * f, truth + o * o, f, o])

    def value(self, averages: Array) -> Array:
        """Return the ratio of the variances minus one."""
        forecast, truth, f, o = averages
        return ratio(variance(forecast, f), variance(truth, o)) - 1.0
