"""Weighted means over the cells of regions."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
ROUNDING = 1e-12  # what the sums over the cells of a fine grid may be wrong by, relative


@dataclass(frozen=True)
class Regions:
    """Weights of cells in each region.

    Attributes
    ----------
    weights
        ``[cell, region]``, dimensionless, zero outside the region.
    """

    weights: Array

    @property
    def number(self) -> int:
        """How many regions."""
        return int(self.weights.shape[1])

    @cached_property
    def total(self) -> Array:
        """Sum of the weights of each region ``[region]``."""
        return np.asarray(self.weights.sum(axis=0), dtype=np.float64)

    @cached_property
    def plain(self) -> "Regions":
        """The same regions, in which each cell counts the same."""
        return Regions((self.weights != 0).astype(np.float64))

    @cached_property
    def by_region(self) -> Array:
        """The weights, region by region ``[region, cell]``, contiguous."""
        return np.ascontiguousarray(self.weights.T)

    @cached_property
    def runs(self) -> NDArray[np.int64]:
        """Stretches of neighbouring cells that lie in a region ``[run, (region, start, stop)]``.

        The sums over a region then touch its own cells only, and each stretch is contiguous.
        """
        inside = np.zeros((self.number, self.weights.shape[0] + 2), dtype=np.int8)
        inside[:, 1:-1] = self.by_region != 0
        change = np.diff(inside, axis=1)
        region, start = (change == 1).nonzero()
        _, stop = (change == -1).nonzero()
        return np.ascontiguousarray(np.stack([region, start, stop], axis=1), dtype=np.int64)

    def weight(self, valid: NDArray[np.bool_] | None, leading: tuple[int, ...] = ()) -> Array:
        """Return the weight of the valid cells ``[..., region]``.

        Parameters
        ----------
        valid
            Which cells count ``[..., cell]``; None: all of them.
        leading
            Shape of the leading dimensions where all cells count.
        """
        if valid is None:
            return np.broadcast_to(self.total, (*leading, self.number))
        return np.asarray(valid.astype(np.float64) @ self.weights, dtype=np.float64)

    def mean(self, values: NDArray[Any], valid: NDArray[np.bool_] | None = None) -> Array:
        """Return the weighted mean over the valid cells of each region.

        Parameters
        ----------
        values
            ``[..., cell]``.
        valid
            Which cells count, of a shape that broadcasts to ``values``; None: all of them.

        Returns
        -------
        numpy.ndarray
            ``[..., region]``; NaN where no cell counts.

        Examples
        --------
        >>> Regions(np.array([[1.0], [3.0]])).mean(np.array([2.0, 6.0])).tolist()
        [5.0]
        """
        exact = np.asarray(values, dtype=np.float64)
        if valid is not None:
            exact = np.where(valid, exact, 0.0)
        return ratio(exact @ self.weights, self.weight(valid))


def variance(square: Array, mean: Array) -> Array:
    """Return the mean square less the squared mean, zero where rounding could have made it.

    Examples
    --------
    >>> variance(np.array([5.0, 0.01]), np.array([1.0, 0.1])).tolist()
    [4.0, 0.0]
    """
    return unless_rounding(square - mean * mean, square)


def unless_rounding(difference: Array, square: Array) -> Array:
    """Return a variance, zero where it is no more than what rounding leaves of a mean square."""
    return np.where(difference <= ROUNDING * square, 0.0, difference)


def ratio(numerator: Array, denominator: NDArray[Any] | float) -> Array:
    """Divide, with NaN where the denominator is zero.

    Examples
    --------
    >>> ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0])).tolist()
    [0.5, nan]
    """
    shape = np.broadcast_shapes(np.shape(numerator), np.shape(denominator))
    quotient = np.full(shape, np.nan)
    np.divide(numerator, denominator, out=quotient, where=np.asarray(denominator) != 0)
    return quotient


def departures(means: Array) -> Array:
    """Return means less the largest, so that variances do not cancel, zero where they are equal."""
    origin: Array = np.fmax.reduce(means, axis=0, keepdims=True)
    departures = means - origin
    return np.where(np.abs(departures) <= ROUNDING * np.abs(origin), 0.0, departures)
