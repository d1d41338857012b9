r"""Scores of climate emulators that compare maps over the years: patterns and variability.

:math:`f` is the forecast, :math:`o` the truth, :math:`\langle\cdot\rangle` the weighted mean
over cells, the bar the mean over the years of the period and :math:`\sigma^2` the variance over
them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from climbench.metrics.averaging import ratio
from climbench.metrics.fields import Array
from climbench.metrics.metric import Metric, Orientation, register
from climbench.metrics.moments import Forecast, ForecastVariance, Truth, TruthVariance
from climbench.metrics.state import State
from climbench.metrics.statistic import Statistic

EPSILON = float(np.finfo(np.float64).eps)
TERMS = 16  # rounding of a mean over cells, in units of EPSILON


@dataclass(frozen=True)
class OfCells(Metric):
    """A score of sums over the years in each cell: years cannot be redrawn."""

    family: ClassVar[str] = "climate"
    needs_cells: ClassVar[bool] = True

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """None: the sums in each cell are enough."""
        return ()

    def resampled(
        self, means: Mapping[Statistic, Array], weight: Array, counts: Array | None
    ) -> Array:
        """Refuse: means over cells do not tell this score."""
        raise NotImplementedError(f"the samples of '{self.label}' cannot be redrawn")


@register
@dataclass(frozen=True)
class PatternCorrelation(OfCells):
    r"""Correlation over the cells of the period's mean maps of forecast and truth.

    ``form=centred`` (default) takes each map's mean over the region out,
    :math:`\bar f' = \bar f - \langle \bar f \rangle`; ``form=uncentred`` does not, which suits
    anomalies, where a uniform change is part of the pattern:

    .. math:: \frac{\langle \bar f' \bar o' \rangle}
        {\sqrt{\langle \bar f'^2 \rangle \langle \bar o'^2 \rangle}}

    A forecast without a pattern scores 0; a truth without one has no correlation (NaN). Unit:
    none, -1 to 1. Better: higher.

    References
    ----------
    Santer et al. (1995), Climate Dynamics 12, 77-100 (centred and uncentred statistics);
    Taylor (2001), J. Geophys. Res. 106, 7183-7192, eq. (1).
    """

    name: ClassVar[str] = "pattern_correlation"
    orientation: ClassVar[Orientation] = "higher"
    unit_power: ClassVar[int] = 0
    form: Literal["centred", "uncentred"] = "centred"

    def __post_init__(self) -> None:
        _check("form", self.form, ("centred", "uncentred"))

    @property
    def cell_statistics(self) -> tuple[Statistic, ...]:
        """Forecast and truth, for their means over the period."""
        return (Forecast(), Truth())

    def score(self, state: State) -> Array:
        """Return the correlation of both mean maps."""
        centred = self.form == "centred"
        read = _departures if centred else State.cell_mean
        forecast, truth = (read(state, statistic) for statistic in self.cell_statistics)

        def mean(values: Array) -> Array:
            return state.regions.mean(values, state.cell_count > 0)

        f, o = (mean(forecast), mean(truth)) if centred else (np.zeros(1), np.zeros(1))
        f2 = _variance(mean(forecast * forecast), f)
        o2 = _variance(mean(truth * truth), o)
        correlation = ratio(mean(forecast * truth) - f * o, np.sqrt(f2) * np.sqrt(o2))
        return np.where((f2 == 0) & (o2 > 0), 0.0, correlation)


@register
@dataclass(frozen=True)
class TemporalVarianceRatio(OfCells):
    r"""Ratio of the variances over the years in each cell, minus one.

    ``form=ratio_of_means`` (default) is :math:`\langle \sigma^2_f \rangle /
    \langle \sigma^2_o \rangle - 1`; ``form=mean_of_ratios`` is
    :math:`\langle \sigma^2_f / \sigma^2_o \rangle - 1` over the cells whose truth varies. A
    trend counts as variance, and the mean over :math:`N` members keeps only :math:`1/N` of a
    single member's. Negative: too steady. Unit: none. Better: nearer to zero.

    References
    ----------
    Gleckler et al. (2008), J. Geophys. Res. 113, D06104 (ratio of interannual variances).
    """

    name: ClassVar[str] = "temporal_variance_ratio"
    orientation: ClassVar[Orientation] = "zero"
    unit_power: ClassVar[int] = 0
    form: Literal["ratio_of_means", "mean_of_ratios"] = "ratio_of_means"

    def __post_init__(self) -> None:
        _check("form", self.form, ("ratio_of_means", "mean_of_ratios"))

    @property
    def cell_statistics(self) -> tuple[Statistic, ...]:
        """Both fields and their squares, for their variances over the years."""
        return (Forecast(), ForecastVariance(), Truth(), TruthVariance())

    def score(self, state: State) -> Array:
        """Return the ratio of the variances minus one."""
        forecast, truth = _variances(state)
        if self.form == "mean_of_ratios":
            return state.regions.mean(ratio(forecast, truth), truth > 0) - 1.0
        known = state.cell_count > 0
        means = [state.regions.mean(variance, known) for variance in (forecast, truth)]
        return ratio(means[0], means[1]) - 1.0


@register
@dataclass(frozen=True)
class VariabilityError(OfCells):
    r"""Relative error of the standard deviation over the years, averaged over the cells.

    .. math:: \langle |\sigma_f - \sigma_o| \, / \, \sigma_o \rangle

    over the cells whose truth varies. Unlike ``temporal_variance_ratio``, too much here does not
    make up for too little there. Unit: none. Better: lower.

    References
    ----------
    Taylor (2001), J. Geophys. Res. 106, 7183-7192 (normalised standard deviation); the mean of
    its departures from one is climbench's own.
    """

    name: ClassVar[str] = "variability_error"
    orientation: ClassVar[Orientation] = "lower"
    unit_power: ClassVar[int] = 0

    @property
    def cell_statistics(self) -> tuple[Statistic, ...]:
        """Both fields and their squares, for their variances over the years."""
        return TemporalVarianceRatio().cell_statistics

    def score(self, state: State) -> Array:
        """Return the mean of the relative errors."""
        forecast, truth = (np.sqrt(variance) for variance in _variances(state))
        return state.regions.mean(ratio(np.abs(forecast - truth), truth), truth > 0)


def _check(parameter: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{parameter}={value} is none of {', '.join(known)}")


def _departures(state: State, statistic: Statistic) -> Array:
    """Return a mean map as departures from its largest value, zero where rounding made them."""
    means = state.cell_mean(statistic)
    origin: Array = np.fmax.reduce(means, axis=-1, keepdims=True)
    departures = means - origin
    rounding = len(state.samples) * EPSILON * np.abs(origin)
    return np.where(np.abs(departures) > rounding, departures, 0.0)


def _variances(state: State) -> list[Array]:
    """Return the variances of forecast and truth over the years ``[condition, channel, cell]``."""
    f, f2, o, o2 = (state.cell_mean(s) for s in TemporalVarianceRatio().cell_statistics)
    return [_variance(f2, f, state.cell_count), _variance(o2, o, state.cell_count)]


def _variance(square: Array, mean: Array, terms: NDArray[Any] | int = TERMS) -> Array:
    """Return the mean square less the squared mean, zero where rounding could have made it."""
    variance = square - mean * mean
    return np.where(variance > terms * EPSILON * square, variance, 0.0)
