r"""Pattern scaling of many subsets of an ensemble at once, from sums that all of them share.

Pattern scaling is fitted on the mean over some members. With :math:`E` the predictor,
:math:`T_m` and :math:`y_m` the global mean and the local value of member :math:`m`, all less
their means over the training years, and :math:`w_m` the share of member :math:`m` in the mean
(:math:`1/n` or 0), both least-squares slopes are ratios of products that are sums over members:

.. math::

    \beta = \frac{\sum_m w_m \overline{E T_m}}{\overline{E^2}}, \qquad
    a_i = \frac{\sum_{m,k} w_m w_k \overline{T_m y_{k,i}}}
               {\sum_{m,k} w_m w_k \overline{T_m T_k}}

The bars do not depend on the subset: they are made in one pass over the data, and a fit is a
weighted sum of them.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

STILL = 1e-12  # a predictor that varies less, relative to its size, explains nothing
BLOCK_VALUES = 8_000_000  # products of members and cells that are summed at a time: 64 MB


class Lines(NamedTuple):
    """Straight lines of one fit per subset: slope and intercept ``[subset, ...]``."""

    slope: Array
    intercept: Array


class SubsetLines:
    """Both stages of pattern scaling for subsets of an ensemble.

    Parameters
    ----------
    predictor
        What the global mean follows, such as cumulative emissions ``[year]``, any unit.
    global_mean
        Area-weighted mean of the target that scales the patterns ``[member, year]``.
    shares
        Share of each member in the mean of each subset ``[subset, member]``, rows add up to 1.

    References
    ----------
    Luetjens et al. (2025), The impact of internal variability on benchmarking deep learning
    climate emulators, for the experiment; the sums are climbench's own.
    """

    def __init__(self, predictor: Array, global_mean: Array, shares: Array) -> None:
        self.shares = shares
        self.mean = shares @ global_mean.mean(axis=1)
        self.centred = global_mean - global_mean.mean(axis=1, keepdims=True)
        self.spread = np.einsum("sm,mk,sk->s", shares, self.centred @ self.centred.T, shares)
        size = np.square(shares @ global_mean).sum(axis=1)
        self.still = self.spread <= STILL * np.maximum(size, 1.0)
        self.predictor = predictor

    def global_lines(self) -> Lines:
        """Return the lines of the global mean on the predictor ``[subset]``."""
        departure = self.predictor - self.predictor.mean()
        spread = np.square(departure).sum()
        moving = spread > STILL * max(np.square(self.predictor).sum(), 1.0)
        product = self.shares @ (self.centred @ departure)
        slope = product / spread if moving else np.zeros_like(product)
        return Lines(slope, self.mean - slope * self.predictor.mean())

    def local_lines(self, members: Iterable[NDArray[np.floating]]) -> Lines:
        """Return the lines of each cell on the global mean of the same years.

        Parameters
        ----------
        members
            Fields of one target, member by member ``[year, cell]``, in the order of the shares.

        Returns
        -------
        Lines
            ``[subset, cell]``: slope in units of the target per unit of the global mean, and
            intercept in units of the target.
        """
        products, means = [], []
        for field in members:
            exact = np.asarray(field, dtype=np.float64)
            products.append(self.centred @ exact)
            means.append(exact.mean(axis=0))
        mean = self.shares @ np.stack(means)
        slope = self._weigh(products)
        slope /= np.where(self.still, 1.0, self.spread)[:, np.newaxis]
        slope[self.still] = 0.0
        return Lines(slope, mean - slope * self.mean[:, np.newaxis])

    def _weigh(self, products: list[Array]) -> Array:
        """Return the products ``[member of T, cell]`` of each member of y, summed by shares."""
        number, cells = len(products), products[0].shape[1]
        pairs = np.einsum("sk,sm->skm", self.shares, self.shares).reshape(len(self.shares), -1)
        total = np.empty((len(self.shares), cells))
        width = max(1, BLOCK_VALUES // number**2)
        for start in range(0, cells, width):
            here = slice(start, start + width)
            block = np.concatenate([product[:, here] for product in products])
            np.matmul(pairs, block, out=total[:, here])
        return total


def predict_lines(first: Lines, second: Lines, predictor: Array) -> Array:
    """Return the fields of both stages chained.

    Parameters
    ----------
    first, second
        Lines of the global mean ``[subset]`` and of the cells ``[subset, cell]``.
    predictor
        In the years that are predicted ``[year]``.

    Returns
    -------
    numpy.ndarray
        ``[subset, year, cell]``.
    """
    warming = first.intercept[:, None] + first.slope[:, None] * predictor
    return second.intercept[:, None] + second.slope[:, None] * warming[:, :, None]
