r"""Scores of a single forecast: errors and the anomaly correlation.

Throughout, :math:`f` is the forecast, :math:`o` the truth, :math:`c` the climatology at the time
of the truth, :math:`\langle\cdot\rangle` the weighted mean over the cells that are valid in all
of them, and the bar the mean over samples (initial times, or years).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from climbench.metrics.metric import Metric, Orientation, register
from climbench.metrics.state import ratio
from climbench.metrics.statistic import (
    AbsoluteError,
    AnomalyProduct,
    Array,
    Error,
    SquaredError,
    SquaredForecastAnomaly,
    SquaredTruthAnomaly,
    Statistic,
)


@register
@dataclass(frozen=True)
class MeanSquaredError(Metric):
    r"""Mean squared error, :math:`\overline{\langle (f - o)^2 \rangle}`.

    Unit: the variable's, squared. Better: lower.

    References
    ----------
    Rasp et al. (2024), WeatherBench 2, J. Adv. Model. Earth Syst., section 4.1.
    """

    name: ClassVar[str] = "mse"
    orientation: ClassVar[Orientation] = "lower"
    unit_power: ClassVar[int] = 2

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The squared error."""
        return (SquaredError(),)


@register
@dataclass(frozen=True)
class RootMeanSquaredError(MeanSquaredError):
    r"""Root mean squared error, :math:`\sqrt{\overline{\langle (f - o)^2 \rangle}}`.

    The root is taken last, after the mean over samples, as ECMWF and WeatherBench 2 do.
    Unit: the variable's. Better: lower.

    References
    ----------
    Rasp et al. (2024), WeatherBench 2, J. Adv. Model. Earth Syst., section 4.1.
    """

    name: ClassVar[str] = "rmse"
    unit_power: ClassVar[int] = 1

    def value(self, averages: Array) -> Array:
        """Return the root of the mean squared error."""
        root: Array = np.sqrt(averages[0])
        return root


@register
@dataclass(frozen=True)
class MeanAbsoluteError(Metric):
    r"""Mean absolute error, :math:`\overline{\langle |f - o| \rangle}`.

    Unit: the variable's. Better: lower.

    References
    ----------
    Willmott and Matsuura (2005), Climate Research 30, 79-82.
    """

    name: ClassVar[str] = "mae"
    orientation: ClassVar[Orientation] = "lower"
    unit_power: ClassVar[int] = 1

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The absolute error."""
        return (AbsoluteError(),)


@register
@dataclass(frozen=True)
class Bias(Metric):
    r"""Mean error, :math:`\overline{\langle f - o \rangle}`; positive where the forecast is high.

    Unit: the variable's. Better: nearer to zero.

    References
    ----------
    Rasp et al. (2024), WeatherBench 2, J. Adv. Model. Earth Syst., section 4.1.
    """

    name: ClassVar[str] = "bias"
    orientation: ClassVar[Orientation] = "zero"
    unit_power: ClassVar[int] = 1

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The error."""
        return (Error(),)


@register
@dataclass(frozen=True)
class AnomalyCorrelation(Metric):
    r"""Anomaly correlation coefficient, uncentred, the mean of each time's correlation.

    .. math::

        \overline{\left(\frac{\langle (f-c)(o-c) \rangle}
        {\sqrt{\langle (f-c)^2 \rangle \langle (o-c)^2 \rangle}}\right)}

    Each sample counts the same. A forecast that equals the climatology everywhere scores 0; a
    sample whose truth equals the climatology everywhere has no correlation and does not count.
    Unit: none, -1 to 1. Better: higher.

    References
    ----------
    Rasp et al. (2024), WeatherBench 2, J. Adv. Model. Earth Syst., section 4.1.
    """

    name: ClassVar[str] = "acc"
    orientation: ClassVar[Orientation] = "higher"
    unit_power: ClassVar[int] = 0
    equal_samples: ClassVar[bool] = True

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """Covariance and variances of the anomalies."""
        return (AnomalyProduct(), SquaredForecastAnomaly(), SquaredTruthAnomaly())

    def quantities(self, means: Mapping[Statistic, Array]) -> Array:
        """Return the correlation of each sample."""
        product, forecast, truth = (means[statistic] for statistic in self.statistics)
        # Two roots: the product of two tiny variances would underflow.
        correlation = ratio(product, np.sqrt(forecast) * np.sqrt(truth))
        return np.where((forecast == 0) & (truth > 0), 0.0, correlation)[np.newaxis]
