r"""Scores of an ensemble by distances: of its members from the truth, and from each other.

:math:`x_1, \dots, x_M` are the members, :math:`y` the truth; :math:`\langle\cdot\rangle` is the
weighted mean over the cells where truth and all members are valid, the bar the mean over samples.
The distance of two members of an ensemble of one counts as 0, as in WeatherBench 2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from climbench.metrics.averaging import Regions, ratio
from climbench.metrics.ensemble_kernel import ABSOLUTE, PAIR, VARIANCE, crps_parts, ensemble_parts
from climbench.metrics.events import AtThreshold, CountedMean, CountedStatistic, members_of
from climbench.metrics.fields import Array, Batch, Fields, Layout
from climbench.metrics.metric import Metric, Orientation, check_choice, register
from climbench.metrics.statistic import CellStatistic, FieldStatistic, Kernel, Statistic

Fairness = Literal["fair", "ensemble"]
FAIRNESS = ("fair", "ensemble")
CrpsForm = Literal["fair", "ensemble", "almost_fair"]
CRPS_FORMS = ("fair", "ensemble", "almost_fair")
ALPHA = 0.95
Tail = Literal["upper", "lower"]
BLOCK = 4096  # cells of a field whose products are summed at once


def crps(
    members: ArrayLike,
    truth: ArrayLike,
    form: CrpsForm = "fair",
    axis: int = 0,
    alpha: float = ALPHA,
    threads: int = 2,
) -> Array:
    """Return the continuous ranked probability score of each cell.

    Parameters
    ----------
    members
        Values with the members along ``axis``; each layout is read where it lies.
    truth
        The same shape without ``axis``, in the same unit.
    form, alpha
        As in :class:`EnsembleCrps`, which has the formula.
    axis
        Which dimension of ``members`` the members are.
    threads
        How many parts are computed at the same time.

    Returns
    -------
    numpy.ndarray
        Shape of ``truth``, float64, in the unit of the values; NaN where a value is missing.

    Examples
    --------
    >>> crps([[1.0], [2.0], [6.0]], [2.0], form="ensemble").round(3)
    array([0.556])
    """
    check_choice("form", form, CRPS_FORMS)
    sample, target = np.moveaxis(_floats(members), axis, 0), _floats(truth)
    if sample.shape[1:] != target.shape:
        raise ValueError(f"members {sample.shape[1:]} and truth {target.shape} differ in shape")
    number = len(sample)
    absolute, pair = crps_parts(sample.reshape(number, -1), target.reshape(-1), threads)
    share = {"fair": 1.0, "ensemble": 0.0, "almost_fair": alpha}[form]
    absolute -= 0.5 * (share + (1.0 - share) * (number - 1) / number) * pair
    return absolute.reshape(target.shape)


def _floats(values: ArrayLike) -> NDArray[Any]:
    array = np.asarray(values)
    return array.astype(np.float32 if array.dtype == np.float32 else np.float64, copy=False)


def fused(block: Fields, statistics: Sequence[Statistic]) -> Mapping[Statistic, Array]:
    """Compute all statistics of this module's kernel in one pass over the members."""
    sums, weight = ensemble_parts(block)
    means = ratio(sums, weight[..., np.newaxis])
    return {
        statistic: means[..., statistic.slot] * statistic.factor(block.members)
        for statistic in statistics
        if isinstance(statistic, EnsembleStatistic)
    }


@dataclass(frozen=True)
class EnsembleStatistic(CellStatistic):
    """A statistic of the ensemble's kernel; ``slot`` is its place in the kernel's sums."""

    slot: ClassVar[int]
    needs_members: ClassVar[bool] = True
    kernel: ClassVar[Kernel] = staticmethod(fused)

    def factor(self, members: int) -> float:
        """Return what the kernel's mean is multiplied by."""
        return 1.0


@dataclass(frozen=True)
class MemberDistance(EnsembleStatistic):
    r"""Mean distance of the members from the truth, :math:`\frac{1}{M} \sum_k |x_k - y|`."""

    name: ClassVar[str] = "member_distance"
    slot: ClassVar[int] = ABSOLUTE

    def values(self, batch: Batch) -> Array:
        """Return the mean distance ``[field, cell]``."""
        parts = [crps_parts(x, y)[0] for x, y in zip(members_of(batch), batch.truth, strict=True)]
        return np.stack(parts)


@dataclass(frozen=True)
class PairDistance(EnsembleStatistic):
    r"""Mean distance of two members, :math:`|x_k - x_l|`.

    Over all pairs of different members, :math:`M (M - 1)` of them, or, with ``itself``, over all
    :math:`M^2` pairs, each member with itself too.
    """

    name: ClassVar[str] = "pair_distance"
    slot: ClassVar[int] = PAIR
    itself: bool = False

    def factor(self, members: int) -> float:
        """Return the share of pairs that have two different members."""
        return (members - 1) / members if self.itself else 1.0

    def values(self, batch: Batch) -> Array:
        """Return the mean distance ``[field, cell]``."""
        sample = members_of(batch)
        parts = [crps_parts(x, y)[1] for x, y in zip(sample, batch.truth, strict=True)]
        return np.asarray(np.stack(parts) * self.factor(sample.shape[1]))


@dataclass(frozen=True)
class EnsembleVariance(EnsembleStatistic):
    r"""Variance of the members, :math:`s^2`; with ``of_mean`` that of their mean, :math:`s^2/M`."""

    name: ClassVar[str] = "ensemble_variance"
    slot: ClassVar[int] = VARIANCE
    of_mean: bool = False

    def factor(self, members: int) -> float:
        """Return one, or one over the number of members."""
        return 1.0 / members if self.of_mean else 1.0

    def values(self, batch: Batch) -> Array:
        """Return the variance ``[field, cell]``."""
        sample = members_of(batch)
        return variance(sample) * self.factor(sample.shape[1])


def variance(members: NDArray[Any]) -> Array:
    """Return the variance ``[field, cell]`` of members ``[field, member, cell]``; 0 of one."""
    first = members[:, :1].astype(np.float64)  # as origin: equal members have no variance at all
    return np.asarray(np.var(members - first, axis=1, ddof=min(members.shape[1] - 1, 1)))


@register
@dataclass(frozen=True)
class EnsembleCrps(Metric):
    r"""Continuous ranked probability score of an ensemble.

    .. math:: \overline{\Bigl\langle \frac{1}{M} \sum_k |x_k - y|
        - \frac{1}{2 d} \sum_{k,l} |x_k - x_l| \Bigr\rangle}

    Three published forms, by ``form``:

    ``fair`` (default; WeatherBench 2): :math:`d = M (M - 1)`. What an infinite ensemble would
    score, so that ensembles of different size compare; it can be negative.

    ``ensemble``: :math:`d = M^2`, the score of the members' own step function (``ecdf`` in
    ``scores``).

    ``almost_fair``: ``alpha`` times the first plus ``1 - alpha`` times the second.

    A single member scores its mean absolute error, in each form. Unit: the variable's. Better:
    lower.

    References
    ----------
    Hersbach (2000), Weather and Forecasting 15, 559-570; Ferro (2014), Q. J. R. Meteorol. Soc.
    140, 1917-1923; Lang et al. (2024), AIFS-CRPS, arXiv:2412.15832.
    """

    family: ClassVar[str] = "probabilistic"
    name: ClassVar[str] = "crps"
    orientation: ClassVar[Orientation] = "lower"
    unit_power: ClassVar[int] = 1
    form: CrpsForm = "fair"
    alpha: float = ALPHA

    def __post_init__(self) -> None:
        check_choice("form", self.form, CRPS_FORMS)
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha={self.alpha} does not lie between 0 and 1")
        if self.alpha != ALPHA and self.form != "almost_fair":
            raise ValueError("alpha belongs to form=almost_fair")

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """Distance from the truth, and distance of two members by one or both definitions."""
        pairs = {
            "fair": (PairDistance(),),
            "ensemble": (PairDistance(itself=True),),
            "almost_fair": (PairDistance(), PairDistance(itself=True)),
        }
        return (MemberDistance(), *pairs[self.form])

    def value(self, averages: Array) -> Array:
        """Return the distance from the truth less half the distance of two members."""
        if self.form == "almost_fair":
            pair = self.alpha * averages[1] + (1.0 - self.alpha) * averages[2]
        else:
            pair = averages[1]
        return np.asarray(averages[0] - 0.5 * pair)


@dataclass(frozen=True)
class TailCrps(AtThreshold, CountedStatistic):
    """CRPS of values that are moved to a threshold where they lie on its other side."""

    name: ClassVar[str] = "tail_crps"
    needs_members: ClassVar[bool] = True
    tail: Tail = "upper"
    form: Fairness = "fair"

    def amounts(self, batch: Batch) -> Array:
        """Return the CRPS ``[field, cell]``."""
        chain = np.maximum if self.tail == "upper" else np.minimum
        bound = np.broadcast_to(self.bound.of(batch), batch.truth.shape)
        cells = zip(members_of(batch), batch.truth, bound, strict=True)
        return np.stack([crps(chain(x, t), chain(y, t), self.form, threads=1) for x, y, t in cells])


@register
@dataclass(frozen=True)
class ThresholdWeightedCrps(AtThreshold, CountedMean):
    r"""CRPS of one tail: the integral over the values beyond a threshold alone.

    The ``crps`` of :math:`v(x_k)` and :math:`v(y)` with the chaining function
    :math:`v(z) = \max(z, t)` for ``tail=upper``, :math:`\min(z, t)` for ``tail=lower``; the upper
    and the lower one add up to the ``crps``. The ``threshold`` :math:`t` is in the variable's
    unit, or a ``quantile`` of the climatology; cells where that is missing do not count. Unit: the
    variable's. Better: lower.

    References
    ----------
    Gneiting and Ranjan (2011), J. Business and Economic Statistics 29, 411-422; Allen, Ginsbourger
    and Ziegel (2023), SIAM/ASA J. Uncertainty Quantification 11, 906-940.
    """

    family: ClassVar[str] = "probabilistic"
    name: ClassVar[str] = "twcrps"
    orientation: ClassVar[Orientation] = "lower"
    unit_power: ClassVar[int] = 1
    tail: Tail = "upper"
    form: Fairness = "fair"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("tail", self.tail, ("upper", "lower"))
        check_choice("form", self.form, FAIRNESS)

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The CRPS of the tail."""
        return (TailCrps(self.threshold, self.quantile, self.tail, self.form),)


@dataclass(frozen=True)
class FieldDistances(FieldStatistic):
    r"""Distances of whole fields, :math:`\lVert a - b \rVert = \sqrt{\langle (a - b)^2 \rangle}`.

    Components: the mean over members of the distance from the truth, the mean over pairs of
    different members, and the mean over all pairs, each member with itself too.
    """

    name: ClassVar[str] = "field_distances"
    needs_members: ClassVar[bool] = True

    def components(self, layout: Layout, members: int) -> tuple[str, ...]:
        """Return ``truth``, ``pair`` and ``pair_or_itself``."""
        return ("truth", "pair", "pair_or_itself")

    def means(self, batch: Batch, regions: Regions) -> Array:
        """Return the three distances ``[field, region, component]``."""
        sample, target = members_of(batch), batch.truth
        result = np.full((*target.shape[:1], regions.number, 3), np.nan)
        valid = np.ones(target.shape, dtype=bool) if batch.valid is None else batch.valid
        for field, region in np.ndindex(result.shape[:2]):
            weight = regions.by_region[region] * valid[field]
            if weight.any():
                result[field, region] = _distances(sample[field], target[field], weight)
        return result


def _distances(members: NDArray[Any], truth: NDArray[Any], weight: Array) -> Array:
    """Return the components of FieldDistances, from the products of all pairs of departures.

    The departures are those from the ensemble mean, so that close members do not cancel.
    """
    number, cells = len(members), weight.nonzero()[0]
    errors, products = np.zeros(number), np.zeros((number, number))
    for start in range(0, cells.size, BLOCK):
        some = cells[start : start + BLOCK]
        values = members[:, some].astype(np.float64)
        errors += np.square(values - truth[some]) @ weight[some]
        values -= values.mean(axis=0)
        products += (values * weight[some]) @ values.T
    lengths = products.diagonal()
    squares = np.maximum(lengths[:, np.newaxis] + lengths - 2.0 * products, 0.0)
    np.fill_diagonal(squares, 0.0)
    total = np.sqrt(squares).sum()
    distances = np.sqrt(errors).mean(), total / max(number * (number - 1), 1), total / number**2
    return np.asarray(np.array(distances) / np.sqrt(weight.sum()))


@register
@dataclass(frozen=True)
class EnergyScore(Metric):
    r"""Energy score: the CRPS of whole fields, which sees whether cells go together.

    .. math:: \overline{\frac{1}{M} \sum_k \lVert x_k - y \rVert
        - \frac{1}{2 d} \sum_{k,l} \lVert x_k - x_l \rVert}, \quad
        \lVert a \rVert = \sqrt{\langle a^2 \rangle}

    over all pairs of members, with :math:`d = M (M - 1)` for ``form=fair`` (default) and
    :math:`M^2` for ``form=ensemble``. The norm is that of WeatherBench 2, which takes
    neighbouring members only. Unit: the variable's. Better: lower.

    References
    ----------
    Gneiting and Raftery (2007), J. American Statistical Association 102, 359-378, section 4.3.
    """

    family: ClassVar[str] = "probabilistic"
    name: ClassVar[str] = "energy_score"
    orientation: ClassVar[Orientation] = "lower"
    unit_power: ClassVar[int] = 1
    form: Fairness = "fair"

    def __post_init__(self) -> None:
        check_choice("form", self.form, FAIRNESS)

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The distances of fields."""
        return (FieldDistances(),)

    def quantities(self, means: Mapping[Statistic, Array]) -> Array:
        """Return the score of each sample."""
        truth, pair, pair_or_itself = np.moveaxis(means[FieldDistances()], -1, 0)
        score = truth - 0.5 * (pair if self.form == "fair" else pair_or_itself)
        return np.asarray(score[np.newaxis])
