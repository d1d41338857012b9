r"""Scores of a single forecast: errors, correlations and activity.

Throughout, :math:`f` is the forecast (of an ensemble its mean), :math:`o` the truth, :math:`c`
the climatology at the time of the truth, :math:`\langle\cdot\rangle` the weighted mean over the
cells that are valid in all of them, and the bar the mean over samples (initial times, or years).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from climbench.metrics.averaging import ratio
from climbench.metrics.fields import Array
from climbench.metrics.metric import Metric, Orientation, register
from climbench.metrics.moments import (
    AbsoluteError,
    AnomalyProduct,
    Covariance,
    Error,
    Forecast,
    ForecastAnomaly,
    ForecastVariance,
    PlainForecastAnomaly,
    PlainTruthAnomaly,
    SquaredError,
    SquaredForecastAnomaly,
    SquaredTruthAnomaly,
    Truth,
    TruthAnomaly,
    TruthVariance,
    ValidCells,
)
from climbench.metrics.statistic import Statistic

ROUNDING = 1e-12  # what the sums over the cells of a fine grid may be wrong by, relative


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
class RootMeanSquaredError(Metric):
    r"""Root mean squared error, :math:`\sqrt{\overline{\langle (f - o)^2 \rangle}}`.

    By default the root is taken last, after the mean over samples, as ECMWF and WeatherBench 2
    do. ``root=before`` is the mean of each sample's root,
    :math:`\overline{\sqrt{\langle (f - o)^2 \rangle}}`, as ClimateLearn and ClimaX print it.
    Unit: the variable's. Better: lower.

    References
    ----------
    Rasp et al. (2024), WeatherBench 2, J. Adv. Model. Earth Syst., section 4.1.
    """

    name: ClassVar[str] = "rmse"
    orientation: ClassVar[Orientation] = "lower"
    unit_power: ClassVar[int] = 1
    root: Literal["after", "before"] = "after"

    def __post_init__(self) -> None:
        _check("root", self.root, ("after", "before"))

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The squared error."""
        return (SquaredError(),)

    @property
    def equal_samples(self) -> bool:  # type: ignore[override]
        """Each root counts the same; squares count by the weight of their valid cells."""
        return self.root == "before"

    def quantities(self, means: Mapping[Statistic, Array]) -> Array:
        """Return the squared error of each sample, or its root."""
        squares = super().quantities(means)
        return np.sqrt(squares) if self.root == "before" else squares

    def value(self, averages: Array) -> Array:
        """Return the root of the mean squared error, unless it has been taken."""
        first: Array = averages[0]
        return first if self.root == "before" else np.sqrt(first)


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
class ErrorStandardDeviation(Metric):
    r"""Standard deviation of the error over samples and cells: the RMSE without the mean error.

    .. math:: \sqrt{\overline{\langle e^2 \rangle} - \overline{\langle e \rangle}^2},
        \quad e = f - o

    Unit: the variable's. Better: lower.

    References
    ----------
    Wilks (2011), Statistical Methods in the Atmospheric Sciences, eq. (8.31).
    """

    name: ClassVar[str] = "error_std"
    orientation: ClassVar[Orientation] = "lower"
    unit_power: ClassVar[int] = 1

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The squared error and the error."""
        return (SquaredError(), Error())

    def value(self, averages: Array) -> Array:
        """Return the root of the centred mean square."""
        return np.sqrt(_variance(averages[0], averages[1]))


@register
@dataclass(frozen=True)
class AnomalyCorrelation(Metric):
    r"""Anomaly correlation coefficient of :math:`f' = f - c` and :math:`o' = o - c`.

    Four published definitions, by ``form``:

    ``mean_of_ratios`` (default; WeatherBench 2): uncentred, of each sample, then averaged; each
    sample counts the same,
    :math:`\overline{\langle f'o' \rangle / \sqrt{\langle f'^2 \rangle \langle o'^2 \rangle}}`.

    ``ratio_of_means`` (WeatherBench-X): one ratio of means over all samples,
    :math:`\overline{\langle f'o' \rangle} /
    \sqrt{\overline{\langle f'^2 \rangle}\;\overline{\langle o'^2 \rangle}}`.

    ``centred`` (WMO, Wilks): as the first, of anomalies less their mean over the cells.

    ``pooled_centred`` (WeatherBench 1, ClimateLearn): one ratio over all samples, of anomalies
    less their mean over all samples and cells, each cell of that mean counted the same.

    A forecast that equals the climatology everywhere scores 0; a sample whose truth does has no
    correlation and does not count. Unit: none, -1 to 1. Better: higher.

    References
    ----------
    Rasp et al. (2024), WeatherBench 2, J. Adv. Model. Earth Syst., section 4.1; Wilks (2011),
    Statistical Methods in the Atmospheric Sciences, eqs. (8.36), (8.37); Rasp et al. (2020),
    WeatherBench, J. Adv. Model. Earth Syst., eq. (2).
    """

    name: ClassVar[str] = "acc"
    orientation: ClassVar[Orientation] = "higher"
    unit_power: ClassVar[int] = 0
    form: Literal["mean_of_ratios", "ratio_of_means", "centred", "pooled_centred"] = (
        "mean_of_ratios"
    )

    def __post_init__(self) -> None:
        known = ("mean_of_ratios", "ratio_of_means", "centred", "pooled_centred")
        _check("form", self.form, known)

    @property
    def equal_samples(self) -> bool:  # type: ignore[override]
        """Whether each sample's own correlation is averaged."""
        return self.form in ("mean_of_ratios", "centred")

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """Covariance and variances of the anomalies, and their means where they are centred."""
        moments = (AnomalyProduct(), SquaredForecastAnomaly(), SquaredTruthAnomaly())
        means = (ForecastAnomaly(), TruthAnomaly())
        if self.form == "centred":
            return (*moments, *means)
        if self.form == "pooled_centred":
            return (*moments, *means, PlainForecastAnomaly(), PlainTruthAnomaly(), ValidCells())
        return moments

    def quantities(self, means: Mapping[Statistic, Array]) -> Array:
        """Return the correlation of each sample, or what the pooled ones need."""
        values = [means[statistic] for statistic in self.statistics]
        if not self.equal_samples:
            return np.stack(values[:5])
        product, forecast, truth = values[:3]
        if self.form == "centred":
            product = product - values[3] * values[4]
            forecast, truth = _variance(forecast, values[3]), _variance(truth, values[4])
        return _correlation(product, forecast, truth)[np.newaxis]

    def value(self, averages: Array) -> Array:
        """Return the mean of the correlations, or the correlation of the means."""
        if self.equal_samples:
            first: Array = averages[0]
            return first
        return _correlation(*averages[:3])

    def resampled(self, means: Mapping[Statistic, Array], weight: Array, counts: Array) -> Array:
        """Return the score for each way of drawing samples, see :class:`Metric`."""
        if self.form != "pooled_centred":
            return super().resampled(means, weight, counts)
        values = np.stack([means[statistic] for statistic in self.statistics])
        weight = np.where(np.isfinite(values).all(axis=0), weight, 0.0)
        values = np.where(weight > 0, values, 0.0)
        total = np.tensordot(counts, weight, axes=1)
        product, forecast, truth, f, o = (
            ratio(np.tensordot(counts, value * weight, axes=1), total) for value in values[:5]
        )
        cells = np.tensordot(counts, values[7], axes=1)
        a, b = (
            ratio(np.tensordot(counts, plain * values[7], axes=1), cells) for plain in values[5:7]
        )
        return _correlation(
            product - f * b - o * a + a * b,
            _unless_rounding(forecast - 2 * a * f + a * a, forecast),
            _unless_rounding(truth - 2 * b * o + b * b, truth),
        )


@register
@dataclass(frozen=True)
class PearsonCorrelation(Metric):
    r"""Correlation of forecast and truth themselves.

    ``form=mean_of_samples`` (default) is the mean of each sample's spatial correlation;
    ``form=pooled`` is one correlation over all samples and cells. Without a climatology taken
    out, the seasons and the contrast of pole and equator alone make it high. Unit: none, -1 to 1.
    Better: higher.

    References
    ----------
    Wilks (2011), Statistical Methods in the Atmospheric Sciences, eq. (3.24).
    """

    name: ClassVar[str] = "pearson"
    orientation: ClassVar[Orientation] = "higher"
    unit_power: ClassVar[int] = 0
    form: Literal["mean_of_samples", "pooled"] = "mean_of_samples"

    def __post_init__(self) -> None:
        _check("form", self.form, ("mean_of_samples", "pooled"))

    @property
    def equal_samples(self) -> bool:  # type: ignore[override]
        """Whether each sample's own correlation is averaged."""
        return self.form == "mean_of_samples"

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """Covariance, variances and means over the cells."""
        return (Covariance(), ForecastVariance(), TruthVariance(), Forecast(), Truth())

    def quantities(self, means: Mapping[Statistic, Array]) -> Array:
        """Return the correlation of each sample, or its moments about a common origin."""
        product, forecast, truth, f, o = (means[statistic] for statistic in self.statistics)
        if self.form == "mean_of_samples":
            return _correlation(product, forecast, truth)[np.newaxis]
        f, o = _departures(f), _departures(o)
        return np.stack([product + f * o, forecast + f * f, truth + o * o, f, o])

    def value(self, averages: Array) -> Array:
        """Return the mean of the correlations, or the correlation of all."""
        if self.form == "mean_of_samples":
            first: Array = averages[0]
            return first
        product, forecast, truth, f, o = averages
        return _correlation(product - f * o, _variance(forecast, f), _variance(truth, o))


@register
@dataclass(frozen=True)
class CoefficientOfDetermination(Metric):
    r"""Coefficient of determination over all samples and cells.

    .. math:: R^2 = 1 - \frac{\overline{\langle (f - o)^2 \rangle}}
        {\overline{\langle (o - \overline{\langle o \rangle})^2 \rangle}}

    Unit: none, at most 1. Better: higher.

    References
    ----------
    Nash and Sutcliffe (1970), Journal of Hydrology 10, 282-290.
    """

    name: ClassVar[str] = "r2"
    orientation: ClassVar[Orientation] = "higher"
    unit_power: ClassVar[int] = 0

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The squared error, and variance and mean of the truth over the cells."""
        return (SquaredError(), TruthVariance(), Truth())

    def quantities(self, means: Mapping[Statistic, Array]) -> Array:
        """Return squared error, and the truth's moments about a common origin."""
        error, variance, truth = (means[statistic] for statistic in self.statistics)
        truth = _departures(truth)
        return np.stack([error, variance + truth * truth, truth])

    def value(self, averages: Array) -> Array:
        """Return one minus the share of the variance that is error."""
        error, square, truth = averages
        return 1.0 - ratio(error, _variance(square, truth))


@register
@dataclass(frozen=True)
class ClimatologySkill(Metric):
    r"""Mean squared error skill score against the climatology.

    .. math:: 1 - \frac{\overline{\langle (f - o)^2 \rangle}}
        {\overline{\langle (o - c)^2 \rangle}}

    0 is the climatology, 1 a perfect forecast. Against any other reference: the skill that
    ``climbench compare`` prints. Unit: none, at most 1. Better: higher.

    References
    ----------
    Murphy (1988), Monthly Weather Review 116, 2417-2424, eq. (4).
    """

    name: ClassVar[str] = "mse_skill"
    orientation: ClassVar[Orientation] = "higher"
    unit_power: ClassVar[int] = 0

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The squared errors of the forecast and of the climatology."""
        return (SquaredError(), SquaredTruthAnomaly())

    def value(self, averages: Array) -> Array:
        """Return one minus the ratio of both."""
        return 1.0 - ratio(averages[0], averages[1])


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
    orientation: ClassVar[Orientation] = "higher"
    unit_power: ClassVar[int] = 1
    equal_samples: ClassVar[bool] = True

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """Square and mean of the forecast's anomaly."""
        return (SquaredForecastAnomaly(), ForecastAnomaly())

    def quantities(self, means: Mapping[Statistic, Array]) -> Array:
        """Return the standard deviation of each sample."""
        square, mean = (means[statistic] for statistic in self.statistics)
        return np.sqrt(_variance(square, mean))[np.newaxis]


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
        return np.sqrt(np.stack([_variance(f2, f), _variance(o2, o)]))

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
        f, o = _departures(f), _departures(o)
        return np.stack([forecast + f * f, truth + o * o, f, o])

    def value(self, averages: Array) -> Array:
        """Return the ratio of the variances minus one."""
        forecast, truth, f, o = averages
        return ratio(_variance(forecast, f), _variance(truth, o)) - 1.0


def _per_cell(values: Array) -> Array:
    """Return what makes sums of the means that count each cell the same, and of the counts."""
    cells = values[7]
    return np.stack([cells, cells, np.ones_like(cells)])


def _check(parameter: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{parameter}={value} is none of {', '.join(known)}")


def _departures(means: Array) -> Array:
    """Return means less the largest, so that variances do not cancel, zero where they are equal."""
    origin: Array = np.fmax.reduce(means, axis=0, keepdims=True)
    departures = means - origin
    return np.where(np.abs(departures) <= ROUNDING * np.abs(origin), 0.0, departures)


def _variance(square: Array, mean: Array) -> Array:
    """Return the mean square less the squared mean, zero where rounding could have made it."""
    return _unless_rounding(square - mean * mean, square)


def _unless_rounding(variance: Array, square: Array) -> Array:
    return np.where(variance <= ROUNDING * square, 0.0, variance)


def _correlation(product: Array, forecast: Array, truth: Array) -> Array:
    # Two roots: the product of two tiny variances would underflow.
    correlation = ratio(product, np.sqrt(forecast) * np.sqrt(truth))
    return np.where((forecast == 0) & (truth > 0), 0.0, correlation)
