"""What the fits of the internal-variability experiment are scored against: the test members."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from climbench.metrics.averaging import Regions
from climbench.metrics.metric import Metric
from climbench.metrics.noise_floor import noise_floor
from climbench.metrics.truth_draws import scores_against

Array = NDArray[np.float64]

TRUTHS = ("all", "held_out")
"""The mean of all members; the mean of those that a fit did not see."""

BLOCK_VALUES = 8_000_000  # values of the predictions that are scored at a time: 64 MB


@dataclass(frozen=True)
class MemberTruth:
    """One variable of the test scenario in the years that are scored, with its members.

    Attributes
    ----------
    members
        ``[member, year, cell]``, float64.
    regions
        Weights of the cells; one region.
    metrics
        What is scored.
    """

    members: Array
    regions: Regions
    metrics: Sequence[Metric]

    @cached_property
    def mean(self) -> Array:
        """The mean of all members ``[year, cell]``."""
        return np.asarray(self.members.mean(axis=0))

    def scores(self, predict: Callable[[slice], Array], shares: Array) -> dict[str, Array]:
        """Return the scores of many fits against both truths.

        Parameters
        ----------
        predict
            Returns the predictions of some of the fits ``[fit, year, cell]``.
        shares
            Share of each member in the mean that each fit has seen ``[fit, member]``.

        Returns
        -------
        dict of str to numpy.ndarray
            By truth ``[metric, fit]``; NaN where a fit has seen all members.
        """
        scores = {name: np.full((len(self.metrics), len(shares)), np.nan) for name in TRUTHS}
        step = max(1, BLOCK_VALUES // self.mean.size)
        for start in range(0, len(shares), step):
            fits = slice(start, start + step)
            predictions = predict(fits)
            unseen = shares[fits] == 0
            some = unseen.any(axis=1)
            truths = np.broadcast_to(self.mean, predictions.shape)
            scores["all"][:, fits] = self._against(predictions, truths)
            if some.any():
                held_out = self._means(unseen[some])
                places = np.flatnonzero(some) + start
                scores["held_out"][:, places] = self._against(predictions[some], held_out)
        return scores

    def without_one(self, prediction: Array) -> Array:
        """Return the scores against the means of all members but one ``[metric, member]``.

        Parameters
        ----------
        prediction
            ``[year, cell]``.
        """
        truths = self._means(~np.eye(len(self.members), dtype=bool))
        return self._against(prediction, truths)

    def floors(self, shares: Array) -> dict[str, Array]:
        """Return what a perfect emulator would score against both truths of each fit.

        Returns
        -------
        dict of str to numpy.ndarray
            By truth ``[metric, fit]``; NaN where fewer than two members are left.
        """
        shape = (len(self.metrics), len(shares))
        floors = {name: np.full(shape, np.nan) for name in TRUTHS}
        floors["all"][:] = self._floor(self.members)[:, np.newaxis]
        for fit, share in enumerate(shares):
            unseen = self.members[share == 0]
            if len(unseen) > 1:
                floors["held_out"][:, fit] = self._floor(unseen)
        return floors

    def _floor(self, members: Array) -> Array:
        return np.array([noise_floor(members, self.regions, m)[0] for m in self.metrics])

    def _means(self, chosen: NDArray[np.bool_]) -> Array:
        """Return the means of the chosen members ``[choice, year, cell]``."""
        weights = chosen / chosen.sum(axis=1, keepdims=True)
        flat = self.members.reshape(len(self.members), -1)
        return np.asarray((weights @ flat).reshape(-1, *self.mean.shape))

    def _against(self, predictions: Array, truths: Array) -> Array:
        scores = scores_against(predictions, truths, self.regions, self.metrics)
        return np.stack([score[:, 0] for score in scores])


def spread_of_a_mean(without_one: Array) -> Array:
    r"""Return the variance of a score that stems from the members of its truth: the jackknife.

    .. math:: \frac{N - 1}{N} \sum_m (S_{-m} - \overline{S_{-m}})^2

    with :math:`S_{-m}` the score (or the difference of two) without member :math:`m`.

    Parameters
    ----------
    without_one
        ``[..., member]``.

    References
    ----------
    Efron and Tibshirani (1993), An Introduction to the Bootstrap, eq. (11.5).

    Examples
    --------
    >>> sample = np.array([1.0, 2.0, 3.0, 6.0])  # of a mean it is the usual variance of the mean
    >>> float(spread_of_a_mean((12.0 - sample) / 3).round(6)), float((sample.var(ddof=1) / 4))
    (1.166667, 1.1666666666666667)
    """
    number = without_one.shape[-1]
    departures = without_one - without_one.mean(axis=-1, keepdims=True)
    return np.asarray((number - 1) / number * np.square(departures).sum(axis=-1))
