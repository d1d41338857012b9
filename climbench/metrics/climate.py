r"""Scores of climate emulators, year by year: errors relative to the change, and trends.

:math:`f_t` is the forecast of year :math:`t`, :math:`o_t` the truth (often the mean over the
members of an ensemble), :math:`\langle\cdot\rangle` the weighted mean over cells and the bar the
mean over the years of the period. Scores of maps alone are in ``climate_maps``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from climbench.metrics.averaging import ratio
from climbench.metrics.climate_maps import OfCells
from climbench.metrics.fields import Array
from climbench.metrics.metric import Metric, Orientation, register
from climbench.metrics.moments import Error, Truth, TruthVariance
from climbench.metrics.state import State
from climbench.metrics.statistic import Statistic

Norms = Literal["mean", "std", "none"]
YEARS_OF_TREND = 10


@dataclass(frozen=True)
class Norm(Metric):
    r"""What an error of emulation is divided by, by ``kind``.

    ``mean`` is the size of the period's mean, :math:`|\langle \bar o \rangle|`; ``std`` the
    truth's standard deviation over all years and cells,
    :math:`\sqrt{\overline{\langle (o - \langle \bar o \rangle)^2 \rangle}}`; ``none`` is one.
    """

    name: ClassVar[str] = "norm"
    family: ClassVar[str] = "climate"
    orientation: ClassVar[Orientation] = "zero"
    equal_samples: ClassVar[bool] = True
    kind: Norms = "mean"

    def __post_init__(self) -> None:
        _check(self.kind)

    @property
    def unit_power(self) -> int:  # type: ignore[override]
        """It has the variable's unit, unless it is one."""
        return 0 if self.kind == "none" else 1

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The truth, and its variance over the cells where that is the norm."""
        return (Truth(), TruthVariance()) if self.kind == "std" else (Truth(),)

    def quantities(self, means: Mapping[Statistic, Array]) -> Array:
        """Return the truth's mean over cells, or its moments about an origin near all years."""
        truth = means[Truth()]
        if self.kind != "std":
            return truth[np.newaxis]
        departure = truth - np.fmax.reduce(truth, axis=0, keepdims=True)
        return np.stack([departure, means[TruthVariance()] + np.square(departure)])

    def value(self, averages: Array) -> Array:
        """Return the norm."""
        size: Array = np.abs(averages[0])
        if self.kind == "mean":
            return size
        if self.kind == "none":
            return np.where(np.isnan(size), np.nan, 1.0)
        deviation: Array = np.sqrt(np.maximum(averages[1] - np.square(size), 0.0))
        return deviation


@dataclass(frozen=True)
class Normalised(Metric):
    """An error divided by a norm; its unit is the variable's only where ``norm=none``."""

    family: ClassVar[str] = "climate"
    orientation: ClassVar[Orientation] = "lower"
    equal_samples: ClassVar[bool] = True
    norm: Norms = "mean"

    def __post_init__(self) -> None:
        _check(self.norm)

    @property
    def unit_power(self) -> int:  # type: ignore[override]
        """None, unless nothing is divided by."""
        return 1 if self.norm == "none" else 0


@register
@dataclass(frozen=True)
class NormalisedRmseGlobal(Normalised):
    r"""Error of the course of the global mean, relative to the change (ClimateBench).

    .. math:: \sqrt{\overline{(\langle f_t \rangle - \langle o_t \rangle)^2}} \; / \; n,
        \qquad n = |\langle \bar o \rangle|

    In ClimateBench the period is 2080 to 2100, weights are cos(latitude), and fields are
    anomalies from the pre-industrial climate: without such a zero :math:`n` means nothing. Then
    ``norm=std`` divides by the truth's standard deviation over all years and cells, and
    ``norm=none`` by nothing. Unit: none (the variable's with ``norm=none``). Better: lower.

    References
    ----------
    Watson-Parris et al. (2022), ClimateBench v1.0, J. Adv. Model. Earth Syst., eq. (2).
    """

    name: ClassVar[str] = "nrmse_global"

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The error and what the norm needs."""
        return (Error(), *Norm(self.norm).statistics)

    def quantities(self, means: Mapping[Statistic, Array]) -> Array:
        """Return the squared error of each year's global mean, and what the norm needs."""
        squares = np.square(means[Error()])[np.newaxis]
        return np.concatenate([squares, Norm(self.norm).quantities(means)])

    def value(self, averages: Array) -> Array:
        """Return the root of the first over the norm."""
        return ratio(np.sqrt(averages[0]), Norm(self.norm).value(averages[1:]))


@register
@dataclass(frozen=True)
class NormalisedRmseSpatial(Normalised, OfCells):
    r"""Error of the pattern of the period's mean, relative to the change (ClimateBench).

    .. math:: \sqrt{\langle (\bar f - \bar o)^2 \rangle} \; / \; n,
        \qquad n = |\langle \bar o \rangle|

    Period, weights and ``norm`` as in ``nrmse_global``. Unit: none (the variable's with
    ``norm=none``). Better: lower.

    References
    ----------
    Watson-Parris et al. (2022), ClimateBench v1.0, J. Adv. Model. Earth Syst., eq. (1).
    """

    name: ClassVar[str] = "nrmse_spatial"

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """What the norm needs."""
        return Norm(self.norm).statistics

    @property
    def cell_statistics(self) -> tuple[Statistic, ...]:
        """The error, for its mean over the period."""
        return (Error(),)

    def score(self, state: State) -> Array:
        """Return the error of the mean pattern over the norm."""
        error = state.cell_mean(Error())
        pattern = np.sqrt(state.regions.mean(np.square(error), np.isfinite(error)))
        return ratio(pattern, Norm(self.norm).score(state))


@register
@dataclass(frozen=True)
class NormalisedRmseTotal(Normalised, OfCells):
    r"""ClimateBench's total, :math:`E_\text{spatial} + 5 \, E_\text{global}`.

    The parts are ``nrmse_spatial`` and ``nrmse_global``.
    Another factor is ``global_factor``. Unit: none (the variable's with ``norm=none``). Better:
    lower.

    References
    ----------
    Watson-Parris et al. (2022), ClimateBench v1.0, J. Adv. Model. Earth Syst., eq. (3).
    """

    name: ClassVar[str] = "nrmse_total"
    global_factor: float = 5.0

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The error and what the norm needs."""
        return NormalisedRmseGlobal(self.norm).statistics

    @property
    def cell_statistics(self) -> tuple[Statistic, ...]:
        """The error, for its mean over the period."""
        return (Error(),)

    def score(self, state: State) -> Array:
        """Return the sum of both parts."""
        spatial = NormalisedRmseSpatial(self.norm).score(state)
        return spatial + self.global_factor * NormalisedRmseGlobal(self.norm).score(state)


@register
@dataclass(frozen=True)
class TrendError(Metric):
    r"""Difference of the linear trends of the regional means of forecast and truth, per decade.

    .. math:: 10 \, \frac{\overline{(t - \bar t)(\langle f_t \rangle - \langle o_t \rangle)}}
        {\overline{(t - \bar t)^2}}

    which is the trend of the error: least squares is linear. Positive where the forecast warms
    faster. Samples are years; NaN where they are not consecutive ones, or fewer than two have
    values. Unit: the variable's, per decade. Better: nearer to zero.

    References
    ----------
    Wilks (2011), Statistical Methods in the Atmospheric Sciences, eq. (7.7).
    """

    family: ClassVar[str] = "climate"
    name: ClassVar[str] = "trend_error"
    unit: ClassVar[str] = "{units} decade-1"
    orientation: ClassVar[Orientation] = "zero"
    unit_power: ClassVar[int] = 1
    equal_samples: ClassVar[bool] = True

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The error."""
        return (Error(),)

    def quantities(self, means: Mapping[Statistic, Array]) -> Array:
        """Return year, squared year, error and their product; years count from the middle."""
        error = means[Error()]
        order = np.arange(len(error)) - (len(error) - 1) / 2
        year = np.broadcast_to(order.reshape(-1, *[1] * (error.ndim - 1)), error.shape)
        return np.stack([year, np.square(year), error, year * error])

    def value(self, averages: Array) -> Array:
        """Return the slope, per decade."""
        year, square, error, product = averages
        return YEARS_OF_TREND * ratio(product - year * error, square - np.square(year))

    def score(self, state: State) -> Array:
        """Return the slope, or NaN where the order of samples does not tell their years."""
        score = super().score(state)
        return score if _are_consecutive_years(state.samples) else np.full_like(score, np.nan)


def _check(norm: str) -> None:
    if norm not in get_args(Norms):
        raise ValueError(f"norm={norm} is none of {', '.join(get_args(Norms))}")


def _are_consecutive_years(samples: NDArray[Any]) -> bool:
    years = samples.astype("datetime64[Y]") if samples.dtype.kind == "M" else samples
    return years.dtype.kind in "iuM" and bool(np.all(np.diff(years).astype(np.int64) == 1))
