"""Count, mean and squared deviations of rows of cells, mergeable in float64."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    r"""What is needed for mean, deviation and extremes of samples in each row of a grid.

    Rows are kept apart so that the weights of the rows can be chosen afterwards: one pass over
    the data gives area-weighted and plain figures.

    Attributes
    ----------
    count, missing
        Number of values and of NaNs ``[row]``.
    mean, squares
        Mean and sum of squared deviations from it, :math:`\sum (x - \bar x)^2` ``[row]``.
    minimum, maximum
        Extremes ``[row]``; infinite where a row has no value.

    References
    ----------
    Chan, Golub and LeVeque (1983), Algorithms for computing the sample variance, eq. (2.1).
    """

    count: Rows
    missing: Rows
    mean: Rows
    squares: Rows
    minimum: Rows
    maximum: Rows

    @classmethod
    def empty(cls, rows: int) -> "Moments":
        """Return the moments of nothing, which change nothing when merged."""
        zero, infinite = np.zeros(rows), np.full(rows, np.inf)
        return cls(zero, zero, zero, zero, infinite, -infinite)

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> "Moments":
        """Return the moments of ``values [sample, row, column]``; NaNs are counted and skipped.

        Examples
        --------
        >>> moments = Moments.of(np.array([[[1.0, 3.0]], [[np.nan, 5.0]]]))
        >>> moments.mean.item(), moments.squares.item(), moments.missing.item()
        (3.0, 8.0, 1.0)
        """
        from climbench.store.moments_kernel import measure  # numba is loaded where it is needed

        samples, rows, columns = values.shape
        count, mean, squares, minimum, maximum = np.empty((5, rows))
        measure(values, count, mean, squares, minimum, maximum)
        return cls(count, samples * columns - count, mean, squares, minimum, maximum)

    def merge(self, other: "Moments") -> "Moments":
        """Return the moments of both sets of samples together."""
        count = self.count + other.count
        some = np.maximum(count, 1.0)
        shift = other.mean - self.mean
        return Moments(
            count,
            self.missing + other.missing,
            self.mean + shift * other.count / some,
            self.squares + other.squares + shift**2 * self.count * other.count / some,
            np.minimum(self.minimum, other.minimum),
            np.maximum(self.maximum, other.maximum),
        )

    def mean_and_std(self, weights: Rows) -> tuple[float, float]:
        r"""Return mean and standard deviation over all rows.

        .. math:: m = \frac{\sum_j w_j n_j \bar x_j}{\sum_j w_j n_j}, \quad
                  s^2 = \frac{\sum_j w_j (S_j + n_j (\bar x_j - m)^2)}{\sum_j w_j n_j}

        Parameters
        ----------
        weights
            Weight of a cell of each row ``[row]``.

        Returns
        -------
        tuple of float
            Mean and (population) standard deviation; NaN if there is no value.
        """
        total = float(weights @ self.count)
        if total == 0.0:
            return float("nan"), float("nan")
        mean = float(weights @ (self.count * self.mean)) / total
        squares = weights @ (self.squares + self.count * (self.mean - mean) ** 2)
        return mean, float(np.sqrt(squares / total))
