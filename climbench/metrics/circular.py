r"""Errors of angles: 1 degree and 359 degrees are two degrees apart.

:math:`d(f, o) = ((f - o + 180) \bmod 360) - 180` is the shorter way from truth to forecast, in
degrees; the forecast of an ensemble is the direction of the mean of its members' unit vectors.
Only variables in degrees have these scores.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from climbench.metrics.fields import Array, Batch
from climbench.metrics.metric import Metric, Orientation, register
from climbench.metrics.statistic import CellStatistic, Statistic

DEGREES = ("degree", "degrees", "degree_true", "degrees_true", "deg", "°")
"""Units of angles, as archives write them."""


def mean_direction(angles: NDArray[Any], axis: int) -> Array:
    """Return the direction of the mean unit vector, degrees in [0, 360).

    Examples
    --------
    >>> float(mean_direction(np.array([350.0, 10.0, 30.0]), axis=0).round(6))
    10.0
    """
    radians = np.deg2rad(angles.astype(np.float64))
    east, north = np.sin(radians).mean(axis), np.cos(radians).mean(axis)
    return np.asarray(np.mod(np.rad2deg(np.arctan2(east, north)), 360.0))


@dataclass(frozen=True)
class CircularError(CellStatistic):
    """The shorter way from truth to forecast round the circle: its length, square or sign too."""

    name: ClassVar[str] = "circular_error"
    takes_members: ClassVar[bool] = True
    form: Literal["signed", "length", "square"] = "signed"

    def values(self, batch: Batch) -> Array:
        """Return the error ``[field, cell]``, degrees, positive clockwise; or its square."""
        forecast: NDArray[Any] = batch.forecast
        if batch.members is not None:
            forecast = mean_direction(batch.members, axis=1)
        apart = np.subtract(forecast, batch.truth, dtype=np.float64)
        way: Array = np.mod(apart + 180.0, 360.0) - 180.0
        return {"signed": way, "length": np.abs(way), "square": np.square(way)}[self.form]


class AngleScore(Metric):
    """A score of variables in degrees; others have none."""


@register
@dataclass(frozen=True)
class CircularMeanAbsoluteError(AngleScore):
    r"""Mean absolute error of an angle, :math:`\overline{\langle |d(f, o)| \rangle}`.

    Of channels in degrees alone. Unit: degrees. Better: lower.

    References
    ----------
    Jammalamadaka and SenGupta (2001), Topics in Circular Statistics, section 1.3.
    """

    name: ClassVar[str] = "circular_mae"
    limits: ClassVar[tuple[float, float]] = (0.0, 180.0)
    orientation: ClassVar[Orientation] = "lower"
    unit_power: ClassVar[int] = 1

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The length of the shorter way."""
        return (CircularError("length"),)


@register
@dataclass(frozen=True)
class CircularRootMeanSquaredError(AngleScore):
    r"""Root mean squared error of an angle, :math:`\sqrt{\overline{\langle d(f, o)^2 \rangle}}`.

    Of channels in degrees alone. Unit: degrees. Better: lower.

    References
    ----------
    Jammalamadaka and SenGupta (2001), Topics in Circular Statistics, section 1.3.
    """

    name: ClassVar[str] = "circular_rmse"
    limits: ClassVar[tuple[float, float]] = (0.0, 180.0)
    orientation: ClassVar[Orientation] = "lower"
    unit_power: ClassVar[int] = 1

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The square of the shorter way."""
        return (CircularError("square"),)

    def value(self, averages: Array) -> Array:
        """Return the root of the mean square."""
        root: Array = np.sqrt(averages[0])
        return root


@register
@dataclass(frozen=True)
class CircularBias(AngleScore):
    r"""Mean error of an angle, :math:`\overline{\langle d(f, o) \rangle}`.

    Of channels in degrees alone; positive where the forecast lies clockwise of the truth. Unit:
    degrees. Better: nearer to zero.

    References
    ----------
    Jammalamadaka and SenGupta (2001), Topics in Circular Statistics, section 1.3.
    """

    name: ClassVar[str] = "circular_bias"
    limits: ClassVar[tuple[float, float]] = (-180.0, 180.0)
    orientation: ClassVar[Orientation] = "zero"
    unit_power: ClassVar[int] = 1

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The shorter way with its sign."""
        return (CircularError(),)
