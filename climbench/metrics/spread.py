r"""Whether the spread of an ensemble is right: against its error, by ranks and by intervals.

:math:`x_1, \dots, x_M` are the members, :math:`\bar x` is their mean, :math:`s^2` their variance
(divided by :math:`M - 1`; 0 of a single member, as in WeatherBench 2), :math:`y` the truth;
:math:`\langle\cdot\rangle` is the weighted mean over the cells where truth and all members are
valid, the bar the mean over samples.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from climbench.metrics.averaging import ratio
from climbench.metrics.distributions import ensemble_quantile
from climbench.metrics.ensemble import EnsembleVariance
from climbench.metrics.events import check_share, members_of, one_precision
from climbench.metrics.fields import Array, Batch, Layout
from climbench.metrics.metric import Metric, Orientation, check_choice, register
from climbench.metrics.moments import SquaredError
from climbench.metrics.statistic import CellStatistic, Statistic


@dataclass(frozen=True)
class MeanError(SquaredError):
    """Squared error of the ensemble mean: as ``squared_error``, but of ensembles only.

    Against a truth with members that of the mean over them, and this against each of them.
    """

    name: ClassVar[str] = "squared_error_of_mean"
    needs_members: ClassVar[bool] = True


@register
@dataclass(frozen=True)
class Spread(Metric):
    r"""Spread of the ensemble, :math:`\sqrt{\overline{\langle s^2 \rangle}}`.

    The root comes last; the variance is unbiased (divided by :math:`M - 1`), and 0 for a single
    member. Unit: the variable's. Better: neither; near the ``skill``, see ``spread_skill``.

    References
    ----------
    Fortin et al. (2014), J. Hydrometeorology 15, 1708-1713.
    """

    family: ClassVar[str] = "probabilistic"
    name: ClassVar[str] = "spread"
    orientation: ClassVar[Orientation] = "none"
    unit_power: ClassVar[int] = 1

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The variance of the members."""
        return (EnsembleVariance(),)

    def value(self, averages: Array) -> Array:
        """Return the root of the mean variance."""
        return np.asarray(np.sqrt(averages[0]))


@register
@dataclass(frozen=True)
class Skill(Metric):
    r"""Error of the ensemble mean, :math:`\sqrt{\overline{\langle (\bar x - y)^2 \rangle}}`.

    The same number as ``rmse``, under the name that it has beside ``spread``; but against each
    member of a truth that has several, not their mean. Unit: the variable's. Better: lower.

    References
    ----------
    Fortin et al. (2014), J. Hydrometeorology 15, 1708-1713.
    """

    family: ClassVar[str] = "probabilistic"
    name: ClassVar[str] = "skill"
    orientation: ClassVar[Orientation] = "lower"
    unit_power: ClassVar[int] = 1

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The squared error of the mean."""
        return (MeanError(),)

    def value(self, averages: Array) -> Array:
        """Return the root of the mean square."""
        return np.asarray(np.sqrt(averages[0]))


@register
@dataclass(frozen=True)
class SpreadSkill(Metric):
    r"""How far the ratio of spread to error of the ensemble mean is from one.

    With :math:`E = \overline{\langle (\bar x - y)^2 \rangle}` and
    :math:`S = \overline{\langle s^2 \rangle}`, by ``form``:

    ``corrected`` (default): :math:`\sqrt{(M + 1) S / (M E)} - 1`, which is 0 on average for
    members and truth drawn from one distribution (Fortin et al.).

    ``unbiased``: :math:`\sqrt{S / (E - S/M)} - 1`, with the error that an infinite ensemble's
    mean would have, as WeatherBench-X; NaN where the estimate of that error is not positive.

    ``plain``: :math:`\sqrt{S/E} - 1`; below 0 for small ensembles, however good.

    Negative: too sure of itself. The ratio that others print is this plus one. Unit: none.
    Better: nearer to zero.

    References
    ----------
    Fortin et al. (2014), J. Hydrometeorology 15, 1708-1713; Leutbecher and Palmer (2008), J.
    Computational Physics 227, 3515-3539.
    """

    family: ClassVar[str] = "probabilistic"
    name: ClassVar[str] = "spread_skill"
    orientation: ClassVar[Orientation] = "zero"
    unit_power: ClassVar[int] = 0
    form: Literal["corrected", "unbiased", "plain"] = "corrected"

    def __post_init__(self) -> None:
        check_choice("form", self.form, ("corrected", "unbiased", "plain"))

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """Variances of the members and of their mean, and the squared error of the mean."""
        return (EnsembleVariance(), EnsembleVariance(of_mean=True), MeanError())

    def value(self, averages: Array) -> Array:
        """Return the ratio less one."""
        spread, of_mean, error = averages
        if self.form == "corrected":
            spread = spread + of_mean
        elif self.form == "unbiased":
            error = np.where(error > of_mean, error - of_mean, np.nan)
        return np.sqrt(ratio(spread, error)) - 1.0


@dataclass(frozen=True)
class RankShares(CellStatistic):
    """How often the truth has each rank among the members; members that tie with it share it."""

    name: ClassVar[str] = "rank_shares"
    needs_members: ClassVar[bool] = True

    def components(self, layout: Layout, members: int) -> tuple[str, ...]:
        """Return the ranks, from 0 to the number of members."""
        return tuple(map(str, range(members + 1)))

    def values(self, batch: Batch) -> Array:
        """Return the share of each rank ``[component, field, cell]``."""
        members, truth = one_precision(batch, members_of(batch), batch.truth[:, np.newaxis])
        below = np.count_nonzero(members < truth, axis=1)
        last = below + np.count_nonzero(members == truth, axis=1)
        rank = np.arange(members.shape[1] + 1)[:, np.newaxis, np.newaxis]
        return np.asarray(((rank >= below) & (rank <= last)) / (last - below + 1.0))


@register
@dataclass(frozen=True)
class RankHistogram(Metric):
    r"""Rank histogram: how often :math:`0, 1, \dots, M` members lie below the truth.

    The weighted share of each rank over cells and samples; the shares sum to 1. Where members
    equal the truth, each of the possible ranks gets the same part, so nothing is left to chance
    (``scores`` does so too). Unit: none. Better: neither; flat is best, :math:`1/(M+1)`, a U has
    too little spread, a slope is a bias.

    References
    ----------
    Hamill (2001), Monthly Weather Review 129, 550-560.
    """

    family: ClassVar[str] = "probabilistic"
    name: ClassVar[str] = "rank_histogram"
    orientation: ClassVar[Orientation] = "none"
    unit_power: ClassVar[int] = 0
    curve: ClassVar[str | None] = "rank"

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The share of each rank."""
        return (RankShares(),)

    def coordinate(self, layout: Layout, members: int) -> Array:
        """Return the ranks ``[rank]``."""
        return np.arange(members + 1.0)


@dataclass(frozen=True)
class InsideInterval(CellStatistic):
    """Whether the truth lies in the central interval of the ensemble, bounds included."""

    name: ClassVar[str] = "inside_interval"
    needs_members: ClassVar[bool] = True
    level: float = 0.9

    def values(self, batch: Batch) -> Array:
        """Return 1 inside and 0 outside ``[field, cell]``."""
        low, high = ensemble_quantile(
            members_of(batch), [0.5 - self.level / 2, 0.5 + self.level / 2], unbiased=True
        )
        # Values of few digits that meet a bound must not fall beside it by rounding.
        [eps] = one_precision(batch, np.zeros(1))
        rounding = 2 * np.finfo(eps.dtype).eps * np.maximum(np.abs(low), np.abs(high))
        inside = (batch.truth >= low - rounding) & (batch.truth <= high + rounding)
        return np.asarray(inside, dtype=np.float64)


@register
@dataclass(frozen=True)
class Coverage(Metric):
    r"""How much more often than promised the truth lies in the ensemble's central interval.

    .. math:: \overline{\langle 1[q_{(1-p)/2} \le y \le q_{(1+p)/2}] \rangle} - p

    with :math:`p` = ``level`` and the quantiles at Weibull's plotting positions :math:`k/(M+1)`:
    where :math:`(M+1)(1-p)/2` is a whole number (19 or 39 members for 0.9), an ensemble drawn from
    the same distribution as the truth scores exactly 0 on average, nearly so with more members,
    and less than 0 with fewer than the smallest of these numbers. Negative: intervals too narrow.
    The coverage itself is this plus the level. Unit: none. Better: nearer to zero.

    References
    ----------
    Gneiting, Balabdaoui and Raftery (2007), J. R. Statistical Society B 69, 243-268; Hyndman and
    Fan (1996), The American Statistician 50, 361-365, definition 6.
    """

    family: ClassVar[str] = "probabilistic"
    name: ClassVar[str] = "coverage"
    orientation: ClassVar[Orientation] = "zero"
    unit_power: ClassVar[int] = 0
    level: float = 0.9

    def __post_init__(self) -> None:
        check_share("level", self.level)

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """Whether the truth lies inside."""
        return (InsideInterval(self.level),)

    def value(self, averages: Array) -> Array:
        """Return the coverage less its level."""
        return np.asarray(averages[0] - self.level)
