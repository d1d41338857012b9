r"""Correlations of a single forecast with the truth.

Throughout, :math:`f` is the forecast (of an ensemble its mean), :math:`o` the truth, :math:`c`
the climatology at the time of the truth, :math:`\langle\cdot\rangle` the weighted mean over the
cells that are valid in all of them, and the bar the mean over samples (initial times, or years).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from climbench.metrics.averaging import departures, ratio, unless_rounding, variance
from climbench.metrics.fields import Array
from climbench.metrics.metric import Metric, Orientation, check_choice, drawn_sums, register
from climbench.metrics.moments import (
    AnomalyProduct,
    Covariance,
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
    numbers_of_cells,
)
from climbench.metrics.statistic import Statistic


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
    limits: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    orientation: ClassVar[Orientation] = "higher"
    unit_power: ClassVar[int] = 0
    form: Literal["mean_of_ratios", "ratio_of_means", "centred", "pooled_centred"] = (
        "mean_of_ratios"
    )

    def __post_init__(self) -> None:
        known = ("mean_of_ratios", "ratio_of_means", "centred", "pooled_centred")
        check_choice("form", self.form, known)

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
            forecast, truth = variance(forecast, values[3]), variance(truth, values[4])
        return _correlation(product, forecast, truth)[np.newaxis]

    def value(self, averages: Array) -> Array:
        """Return the mean of the correlations, or the correlation of the means."""
        if self.equal_samples:
            first: Array = averages[0]
            return first
        return _correlation(*averages[:3])

    def resampled(
        self, means: Mapping[Statistic, Array], weight: Array, counts: Array | None
    ) -> Array:
        """Return the score for each way of drawing samples, see :class:`Metric`."""
        if self.form != "pooled_centred":
            return super().resampled(means, weight, counts)
        values = np.stack([means[statistic] for statistic in self.statistics])
        weight = np.where(np.isfinite(values).all(axis=0), weight, 0.0)
        values = np.where(weight > 0, values, 0.0)
        total = drawn_sums(counts, weight)
        product, forecast, truth, f, o = (
            ratio(drawn_sums(counts, value * weight), total) for value in values[:5]
        )
        cells = drawn_sums(counts, values[7])
        a, b = (ratio(drawn_sums(counts, plain * values[7]), cells) for plain in values[5:7])
        return _correlation(
            product - f * b - o * a + a * b,
            unless_rounding(forecast - 2 * a * f + a * a, forecast),
            unless_rounding(truth - 2 * b * o + b * b, truth),
        )


@register
@dataclass(frozen=True)
class PearsonCorrelation(Metric):
    r"""Correlation of forecast and truth themselves.

    .. math:: \frac{\langle (f - \langle f \rangle)(o - \langle o \rangle) \rangle}
        {\sqrt{\langle (f - \langle f \rangle)^2 \rangle \langle (o - \langle o \rangle)^2 \rangle}}

    ``form=mean_of_samples`` (default) is the mean of each sample's spatial correlation;
    ``form=pooled`` is one correlation over all samples and cells. Without a climatology taken
    out, the seasons and the contrast of pole and equator alone make it high. ``weights=none``
    counts each valid cell of each sample the same, whatever the other scores do, as ``scores``
    and ClimateLearn do. Unit: none, -1 to 1. Better: higher.

    References
    ----------
    Wilks (2011), Statistical Methods in the Atmospheric Sciences, eq. (3.24).
    """

    name: ClassVar[str] = "pearson"
    limits: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    orientation: ClassVar[Orientation] = "higher"
    unit_power: ClassVar[int] = 0
    form: Literal["mean_of_samples", "pooled"] = "mean_of_samples"
    weights: Literal["cells", "none"] = "cells"

    def __post_init__(self) -> None:
        check_choice("form", self.form, ("mean_of_samples", "pooled"))
        check_choice("weights", self.weights, ("cells", "none"))

    @property
    def equal_samples(self) -> bool:  # type: ignore[override]
        """Whether each sample's own correlation is averaged."""
        return self.form == "mean_of_samples"

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """Covariance, variances and means over the cells."""
        moments = (Covariance, ForecastVariance, TruthVariance, Forecast, Truth)
        if self.weights == "none":
            return (*(moment(weighted=False) for moment in moments), ValidCells())
        return tuple(moment() for moment in moments)

    def quantities(self, means: Mapping[Statistic, Array]) -> Array:
        """Return the correlation of each sample, or its moments about a common origin."""
        product, forecast, truth, f, o = (means[statistic] for statistic in self.statistics[:5])
        if self.form == "mean_of_samples":
            return _correlation(product, forecast, truth)[np.newaxis]
        f, o = departures(f), departures(o)
        return np.stack([product + f * o, forecast + f * f, truth + o * o, f, o])

    def value(self, averages: Array) -> Array:
        """Return the mean of the correlations, or the correlation of all."""
        if self.form == "mean_of_samples":
            first: Array = averages[0]
            return first
        product, forecast, truth, f, o = averages
        return _correlation(product - f * o, variance(forecast, f), variance(truth, o))

    def resampled(
        self, means: Mapping[Statistic, Array], weight: Array, counts: Array | None
    ) -> Array:
        """Return the score for each way of drawing samples, see :class:`Metric`."""
        weight = numbers_of_cells(means, weight) if self.weights == "none" else weight
        return super().resampled(means, weight, counts)


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
    limits: ClassVar[tuple[float, float]] = (-np.inf, 1.0)
    orientation: ClassVar[Orientation] = "higher"
    unit_power: ClassVar[int] = 0

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The squared error, and variance and mean of the truth over the cells."""
        return (SquaredError(), TruthVariance(), Truth())

    def quantities(self, means: Mapping[Statistic, Array]) -> Array:
        """Return squared error, and the truth's moments about a common origin."""
        error, spread, truth = (means[statistic] for statistic in self.statistics)
        truth = departures(truth)
        return np.stack([error, spread + truth * truth, truth])

    def value(self, averages: Array) -> Array:
        """Return one minus the share of the variance that is error."""
        error, square, truth = averages
        return 1.0 - ratio(error, variance(square, truth))


def _correlation(product: Array, forecast: Array, truth: Array) -> Array:
    # Two roots: the product of two tiny variances would underflow.
    correlation = ratio(product, np.sqrt(forecast) * np.sqrt(truth))
    return np.where((forecast == 0) & (truth > 0), 0.0, correlation)
