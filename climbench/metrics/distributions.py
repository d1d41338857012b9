r"""Scores of the distribution that an ensemble stands for: a normal one, or its quantiles.

:math:`\bar x` is the mean of the :math:`M` members, :math:`s` their standard deviation (the
variance divided by :math:`M - 1`; 0 of a single member), :math:`y` the truth;
:math:`\langle\cdot\rangle` is the weighted mean over the cells where truth and all members are
valid, the bar the mean over samples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from climbench.metrics.ensemble import variance
from climbench.metrics.events import check_share, members_of
from climbench.metrics.fields import Array, Batch, Layout
from climbench.metrics.metric import Metric, Orientation, register
from climbench.metrics.statistic import CellStatistic, Statistic


def gaussian_crps(mean: ArrayLike, deviation: ArrayLike, truth: ArrayLike) -> Array:
    """Return the CRPS of normal distributions, with the formula of :class:`GaussianCrps`.

    Parameters
    ----------
    mean, deviation
        Mean and standard deviation; where the deviation is 0 the score is the absolute error.
    truth
        In the same unit.

    Returns
    -------
    numpy.ndarray
        In the unit of the values.

    Examples
    --------
    >>> gaussian_crps([280.0, 280.0], [1.0, 0.0], [280.0, 281.0]).round(4)
    array([0.2337, 1.    ])
    """
    error = np.subtract(truth, mean, dtype=np.float64)
    spread = np.asarray(deviation, dtype=np.float64)
    z = error / np.where(spread == 0, 1.0, spread)
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    score = spread * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / np.sqrt(np.pi))
    return np.asarray(np.where(spread == 0, np.abs(error), score))


def ensemble_quantile(
    members: NDArray[Any], levels: Sequence[float], unbiased: bool = False
) -> Array:
    """Return quantiles of ensembles, linear between the sorted members.

    Parameters
    ----------
    members
        ``[field, member, cell]``.
    levels
        Between 0 and 1 ``[level]``.
    unbiased
        Whether the member of rank k of M has the level k / (M + 1) (Hyndman and Fan's definition
        6, Weibull), instead of (k - 1) / (M - 1) (definition 7, numpy's default). Beyond the
        outermost members it is their value.

    Returns
    -------
    numpy.ndarray
        ``[level, field, cell]``, in the unit of the members.

    Examples
    --------
    >>> ensemble_quantile(np.array([[[5.0], [1.0], [2.0]]]), [0.75]).item()
    3.5
    """
    ordered = np.sort(members, axis=1)
    last = members.shape[1] - 1
    result = np.empty((len(levels), *members.shape[::2]))
    for quantile, level in zip(result, levels, strict=True):
        position = (last + 2) * level - 1 if unbiased else last * level
        position = min(max(position, 0.0), last)
        low = min(int(position), max(last - 1, 0))
        lower = ordered[:, low].astype(np.float64)
        quantile[:] = lower + (position - low) * (ordered[:, min(low + 1, last)] - lower)
    return result


@dataclass(frozen=True)
class GaussianDistance(CellStatistic):
    """CRPS of the normal distribution with the ensemble's mean and standard deviation."""

    name: ClassVar[str] = "gaussian_distance"
    needs_members: ClassVar[bool] = True

    def values(self, batch: Batch) -> Array:
        """Return the CRPS ``[field, cell]``."""
        return gaussian_crps(batch.forecast, np.sqrt(variance(members_of(batch))), batch.truth)


@register
@dataclass(frozen=True)
class GaussianCrps(Metric):
    r"""CRPS of the normal distribution with the ensemble's mean and standard deviation.

    .. math:: \overline{\langle s \, [ z (2 \Phi(z) - 1) + 2 \varphi(z) - 1/\sqrt{\pi} ] \rangle},
        \quad z = (y - \bar x) / s

    with the distribution function and density of the standard normal distribution; the absolute
    error where the members are equal. Unit: the variable's. Better: lower.

    References
    ----------
    Gneiting et al. (2005), Monthly Weather Review 133, 1098-1118.
    """

    family: ClassVar[str] = "probabilistic"
    name: ClassVar[str] = "gaussian_crps"
    orientation: ClassVar[Orientation] = "lower"
    unit_power: ClassVar[int] = 1

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The CRPS of each cell."""
        return (GaussianDistance(),)


@dataclass(frozen=True)
class GaussianSurprise(CellStatistic):
    """Negative logarithm of the ensemble's normal density at the truth.

    Components: the score, 0 where the members are equal, and the share of cells where they are.
    """

    name: ClassVar[str] = "gaussian_surprise"
    needs_members: ClassVar[bool] = True

    def components(self, layout: Layout, members: int) -> tuple[str, ...]:
        """Return ``score`` and ``without_spread``."""
        return ("score", "without_spread")

    def values(self, batch: Batch) -> Array:
        """Return score and flag ``[component, field, cell]``."""
        spread = variance(members_of(batch))
        flat = spread == 0
        known = np.where(flat, 1.0, spread)
        error = np.subtract(batch.truth, batch.forecast, dtype=np.float64)
        score = 0.5 * (np.log(2 * np.pi * known) + np.square(error) / known)
        return np.stack([np.where(flat, 0.0, score), flat])


@register
@dataclass(frozen=True)
class LogScore(Metric):
    r"""Logarithmic score of the normal distribution with the ensemble's mean and variance.

    .. math:: \overline{\Bigl\langle \frac{1}{2} \ln(2 \pi s^2)
        + \frac{(y - \bar x)^2}{2 s^2} \Bigr\rangle}

    Infinite if the members are equal in any cell that counts: that leaves the truth no chance. A
    change of unit by a factor adds the factor's logarithm. Unit: nats (of a density per unit of
    the variable). Better: lower.

    References
    ----------
    Good (1952), J. R. Statistical Society B 14, 107-114; Gneiting and Raftery (2007), J. American
    Statistical Association 102, 359-378, section 4.1.
    """

    family: ClassVar[str] = "probabilistic"
    name: ClassVar[str] = "log_score"
    unit: ClassVar[str] = "nats"
    orientation: ClassVar[Orientation] = "lower"
    unit_power: ClassVar[int] = 0

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The score and where there is none."""
        return (GaussianSurprise(),)

    def quantities(self, means: Mapping[Statistic, Array]) -> Array:
        """Return both components of each sample."""
        return np.moveaxis(means[GaussianSurprise()], -1, 0)

    def value(self, averages: Array) -> Array:
        """Return the score, infinite where some cell has no spread."""
        score, without_spread = averages
        return np.where(without_spread > 0, np.inf, score)


@dataclass(frozen=True)
class QuantileLoss(CellStatistic):
    """Distance of the truth from a quantile of the ensemble, weighted by the side it is on."""

    name: ClassVar[str] = "quantile_loss"
    needs_members: ClassVar[bool] = True
    level: float = 0.9

    def values(self, batch: Batch) -> Array:
        """Return the loss ``[field, cell]``."""
        error = batch.truth - ensemble_quantile(members_of(batch), [self.level])[0]
        return np.asarray(np.maximum(self.level * error, (self.level - 1.0) * error))


@register
@dataclass(frozen=True)
class QuantileScore(Metric):
    r"""Quantile score, or pinball loss, of the ensemble's quantile :math:`q_p`.

    .. math:: \overline{\langle \max\{ p (y - q_p), (p - 1)(y - q_p) \} \rangle}

    with :math:`p` = ``level`` and the quantile that numpy computes by default. Half the mean
    absolute error of the median for ``level=0.5``. Unit: the variable's. Better: lower.

    References
    ----------
    Koenker and Bassett (1978), Econometrica 46, 33-50; Bentzien and Friederichs (2014), Q. J. R.
    Meteorol. Soc. 140, 1924-1934.
    """

    family: ClassVar[str] = "probabilistic"
    name: ClassVar[str] = "quantile_score"
    orientation: ClassVar[Orientation] = "lower"
    unit_power: ClassVar[int] = 1
    level: float = 0.9

    def __post_init__(self) -> None:
        check_share("level", self.level)

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The loss of each cell."""
        return (QuantileLoss(self.level),)
