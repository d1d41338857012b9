"""Scores of vectors, whose components are two channels."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from climbench.metrics.fields import Array
from climbench.metrics.metric import Metric, Orientation, register
from climbench.metrics.moments import SquaredError
from climbench.metrics.statistic import Statistic


@dataclass(frozen=True)
class SquaredVectorError(SquaredError):
    r"""Squared length of the difference of two vectors, :math:`(\Delta u)^2 + (\Delta v)^2`.

    The evaluation adds the components' squared errors; alone it is that of one component.
    """

    name: ClassVar[str] = "squared_vector_error"


@register
@dataclass(frozen=True)
class WindVectorError(Metric):
    r"""Root mean squared length of the error of the wind vector.

    .. math:: \sqrt{\overline{\langle (u_f - u_o)^2 + (v_f - v_o)^2 \rangle}}

    It is a score of the channels ``wind_vector_<level>``, ``10m_wind_vector``. Unit: the
    variable's. Better: lower.

    References
    ----------
    Rasp et al. (2024), WeatherBench 2, J. Adv. Model. Earth Syst., section 4.1.
    """

    name: ClassVar[str] = "wind_vector_rmse"
    orientation: ClassVar[Orientation] = "lower"
    unit_power: ClassVar[int] = 1

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The components' squared errors, added."""
        return (SquaredVectorError(), SquaredError())

    @property
    def cell_statistics(self) -> tuple[Statistic, ...]:
        """The squared error: its counts tell whether components miss the same cells."""
        return (SquaredError(),)

    def quantities(self, means: dict[Statistic, Array]) -> Array:  # type: ignore[override]
        """Return the squared error of the vector."""
        return means[SquaredVectorError()][np.newaxis]

    def value(self, averages: Array) -> Array:
        """Return the root of the mean squared error."""
        root: Array = np.sqrt(averages[0])
        return root
