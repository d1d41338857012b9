r"""Errors of a single forecast.

Throughout, :math:`f` is the forecast (of an ensemble its mean), :math:`o` the truth, :math:`c`
the climatology at the time of the truth, :math:`\langle\cdot\rangle` the weighted mean over the
cells that are valid in all of them, and the bar the mean over samples (initial times, or years).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from climbench.metrics.averaging import ratio, variance
from climbench.metrics.fields import Array
from climbench.metrics.metric import Metric, Orientation, check_choice, register
from climbench.metrics.moments import (
    AbsoluteError,
    Error,
    SquaredError,
    SquaredTruthAnomaly,
    ValidCells,
    numbers_of_cells,
)
from climbench.metrics.statistic import Statistic


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
    limits: ClassVar[tuple[float, float]] = (0.0, np.inf)
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
    limits: ClassVar[tuple[float, float]] = (0.0, np.inf)
    orientation: ClassVar[Orientation] = "lower"
    unit_power: ClassVar[int] = 1
    root: Literal["after", "before"] = "after"

    def __post_init__(self) -> None:
        check_choice("root", self.root, ("after", "before"))

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
    limits: ClassVar[tuple[float, float]] = (0.0, np.inf)
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

    ClimateLearn's has the other sign, ``sign=truth_minus_forecast``, and counts each valid cell
    of each sample the same, ``weights=none``. Unit: the variable's. Better: nearer to zero.

    References
    ----------
    Rasp et al. (2024), WeatherBench 2, J. Adv. Model. Earth Syst., section 4.1; Nguyen et al.
    (2023), ClimateLearn, arXiv:2307.01909, for the other sign.
    """

    name: ClassVar[str] = "bias"
    orientation: ClassVar[Orientation] = "zero"
    unit_power: ClassVar[int] = 1
    sign: Literal["forecast_minus_truth", "truth_minus_forecast"] = "forecast_minus_truth"
    weights: Literal["cells", "none"] = "cells"

    def __post_init__(self) -> None:
        check_choice("sign", self.sign, ("forecast_minus_truth", "truth_minus_forecast"))
        check_choice("weights", self.weights, ("cells", "none"))

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The error, and the number of cells where they count the same."""
        return (Error(),) if self.weights == "cells" else (Error(weighted=False), ValidCells())

    def value(self, averages: Array) -> Array:
        """Return the mean error in the sign that is wanted."""
        error: Array = averages[0]
        return error if self.sign == "forecast_minus_truth" else -error

    def resampled(
        self, means: Mapping[Statistic, Array], weight: Array, counts: Array | None
    ) -> Array:
        """Return the score for each way of drawing samples, see :class:`Metric`."""
        weight = numbers_of_cells(means, weight) if self.weights == "none" else weight
        return super().resampled(means, weight, counts)


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
    limits: ClassVar[tuple[float, float]] = (0.0, np.inf)
    orientation: ClassVar[Orientation] = "lower"
    unit_power: ClassVar[int] = 1

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The squared error and the error."""
        return (SquaredError(), Error())

    def value(self, averages: Array) -> Array:
        """Return the root of the centred mean square."""
        return np.sqrt(variance(averages[0], averages[1]))


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
    limits: ClassVar[tuple[float, float]] = (-np.inf, 1.0)
    orientation: ClassVar[Orientation] = "higher"
    unit_power: ClassVar[int] = 0

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The squared errors of the forecast and of the climatology."""
        return (SquaredError(), SquaredTruthAnomaly())

    def value(self, averages: Array) -> Array:
        """Return one minus the ratio of both."""
        return 1.0 - ratio(averages[0], averages[1])
