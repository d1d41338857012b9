r"""Scores of climate emulators, as ClimateBench defines them.

:math:`y_t` is the truth of year :math:`t` (the mean over members), :math:`p_t` the prediction,
:math:`\langle\cdot\rangle` the weighted mean over cells and the bar the mean over the years of the
period (ClimateBench: 2080 to 2100 with cos(latitude) weights). All three are relative to
:math:`|\langle\bar y\rangle|`, so they are meant for anomalies from the pre-industrial climate.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from climbench.metrics.metric import Metric, Orientation, register
from climbench.metrics.state import State, ratio
from climbench.metrics.statistic import Array, Error, Statistic, Truth


@register
@dataclass(frozen=True)
class NormalisedRmseGlobal(Metric):
    r"""Error of the global mean's course, relative to the change.

    .. math:: \sqrt{\overline{(\langle p_t \rangle - \langle y_t \rangle)^2}}
        \; / \; |\langle \bar y \rangle|

    Unit: none. Better: lower.

    References
    ----------
    Watson-Parris et al. (2022), ClimateBench v1.0, J. Adv. Model. Earth Syst., eq. (2).
    """

    name: ClassVar[str] = "nrmse_global"
    orientation: ClassVar[Orientation] = "lower"
    unit_power: ClassVar[int] = 0
    equal_samples: ClassVar[bool] = True

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The error and the truth."""
        return (Error(), Truth())

    def quantities(self, means: Mapping[Statistic, Array]) -> Array:
        """Return the squared error of each year's global mean, and the truth's global mean."""
        return np.stack([np.square(means[Error()]), means[Truth()]])

    def value(self, averages: Array) -> Array:
        """Return the root of the first over the size of the second."""
        return ratio(np.sqrt(averages[0]), np.abs(averages[1]))


@register
@dataclass(frozen=True)
class NormalisedRmseSpatial(Metric):
    r"""Error of the pattern of the period's mean, relative to the change.

    .. math:: \sqrt{\langle (\bar p - \bar y)^2 \rangle} \; / \; |\langle \bar y \rangle|

    Unit: none. Better: lower.

    References
    ----------
    Watson-Parris et al. (2022), ClimateBench v1.0, J. Adv. Model. Earth Syst., eq. (1).
    """

    name: ClassVar[str] = "nrmse_spatial"
    orientation: ClassVar[Orientation] = "lower"
    unit_power: ClassVar[int] = 0
    equal_samples: ClassVar[bool] = True
    needs_cells: ClassVar[bool] = True

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The error (summed per cell as well) and the truth."""
        return (Error(), Truth())

    def quantities(self, means: Mapping[Statistic, Array]) -> Array:
        """Return the truth's global mean of each year."""
        return means[Truth()][np.newaxis]

    def score(self, state: State) -> Array:
        """Return the error of the mean pattern over the mean change."""
        error = state.cell_mean(Error())
        known = np.isfinite(error)
        squares = np.where(known, np.square(error), 0.0) @ state.weights
        pattern = np.sqrt(ratio(squares, known.astype(np.float64) @ state.weights))
        return ratio(pattern, np.abs(super().score(state)))


@register
@dataclass(frozen=True)
class NormalisedRmseTotal(Metric):
    """ClimateBench's total: spatial plus five times global normalised error.

    Unit: none. Better: lower.

    References
    ----------
    Watson-Parris et al. (2022), ClimateBench v1.0, J. Adv. Model. Earth Syst., eq. (3).
    """

    name: ClassVar[str] = "nrmse_total"
    orientation: ClassVar[Orientation] = "lower"
    unit_power: ClassVar[int] = 0
    needs_cells: ClassVar[bool] = True
    global_factor: float = 5.0

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The error (summed per cell as well) and the truth."""
        return (Error(), Truth())

    def score(self, state: State) -> Array:
        """Return the sum of both parts."""
        spatial, course = NormalisedRmseSpatial(), NormalisedRmseGlobal()
        return spatial.score(state) + self.global_factor * course.score(state)
