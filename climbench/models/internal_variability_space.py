"""Internal variability in space: localised covariances and what draws fields from them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg
from scipy.spatial.distance import cdist

Array = NDArray[np.float64]

EARTH_RADIUS = 6371.0  # km, mean
LARGEST_RADIUS = 10_000.0  # km: beyond, the taper is no correlation on the sphere
JITTER = 1e-6  # of each variance: equal cells, as at a pole, have no inverse


class SpatialFactor(NamedTuple):
    """What makes correlated fields of independent numbers: ``modes @ z + remainder * z'``.

    Attributes
    ----------
    modes
        ``[cell, mode]``.
    remainder
        Standard deviation of what is left to each cell alone ``[cell]``.
    radius
        Of the localisation, km; infinite where there is none.
    """

    modes: Array
    remainder: Array
    radius: float

    def covariance_with(self, weights: Array) -> Array:
        """Return the covariance of each cell with a weighted mean ``[cell]``."""
        return np.asarray(self.modes @ (self.modes.T @ weights) + self.remainder**2 * weights)


def great_circle(latitude: ArrayLike, longitude: ArrayLike) -> Array:
    """Return the distances of all cells of a grid, km ``[cell, cell]``.

    Parameters
    ----------
    latitude, longitude
        Rows and columns, degrees; cells count along longitude first.

    Examples
    --------
    >>> great_circle([0.0], [0.0, 90.0]).round()[0].tolist()
    [0.0, 10008.0]
    """
    phi, lam = np.meshgrid(np.deg2rad(latitude), np.deg2rad(longitude), indexing="ij")
    vector = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)
    vector = vector.reshape(-1, 3)
    chord = cdist(vector, vector)  # keeps its digits where points are close
    return np.asarray(2.0 * EARTH_RADIUS * np.arcsin(np.minimum(chord / 2.0, 1.0)))


def gaspari_cohn(distance: ArrayLike) -> Array:
    r"""Return the compactly supported correlation of Gaspari and Cohn.

    With the distance :math:`r` in units of the radius,

    .. math::

        1 - \tfrac{5}{3} r^2 + \tfrac{5}{8} r^3 + \tfrac{1}{2} r^4 - \tfrac{1}{4} r^5
        \quad (r \le 1), \qquad
        4 - 5 r + \tfrac{5}{3} r^2 + \tfrac{5}{8} r^3 - \tfrac{1}{2} r^4 + \tfrac{1}{12} r^5
        - \tfrac{2}{3 r} \quad (1 < r < 2),

    and 0 beyond.

    References
    ----------
    Gaspari and Cohn (1999), Q. J. R. Meteorol. Soc. 125, 723-757, equation 4.10; Gneiting (2013),
    Bernoulli 19, 1327-1349, theorem 3 (valid for distances on the sphere up to a radius of a
    quarter of its circumference).

    Examples
    --------
    >>> gaspari_cohn([0.0, 1.0, 2.0, 3.0]).round(4).tolist()
    [1.0, 0.2083, 0.0, 0.0]
    """
    r = np.asarray(distance, dtype=np.float64)
    near = 1 + r**2 * (-5 / 3 + r * (5 / 8 + r * (1 / 2 - r / 4)))
    s = np.clip(r, 1.0, 2.0)
    far = 4 + s * (-5 + s * (5 / 3 + s * (5 / 8 + s * (-1 / 2 + s / 12)))) - 2 / (3 * s)
    return np.asarray(np.where(r <= 1, near, np.where(r < 2, far, 0.0)))


def localised_factor(
    residuals: Array, distance: Array, radii: Sequence[float], folds: int
) -> SpatialFactor:
    """Return the factor of the localised sample covariance, its radius chosen by likelihood.

    Of the ascending radii the first is taken whose successor is not more likely, see
    :func:`held_out_likelihood`.

    Parameters
    ----------
    residuals
        Of mean zero ``[row, cell]``, neighbours in time close together.
    distance
        Of all cells, km ``[cell, cell]``.
    radii
        The choices, km, at most 10,000.
    folds
        Blocks of rows that are held out in turn.

    References
    ----------
    Beusch et al. (2020), Earth Syst. Dynam. 11, 139-159, section 3.3.
    """
    ascending = sorted(radii)
    best, likelihood = ascending[0], -np.inf
    for radius in ascending if len(ascending) > 1 else ():
        found = held_out_likelihood(residuals, gaspari_cohn(distance / radius), folds)
        if found <= likelihood:
            break
        best, likelihood = radius, found
    covariance = _localised(residuals.T @ residuals / len(residuals), gaspari_cohn(distance / best))
    modes = linalg.cholesky(covariance, lower=True, check_finite=False)
    return SpatialFactor(modes, np.zeros(len(modes)), best)


def held_out_likelihood(residuals: Array, taper: Array, folds: int) -> float:
    r"""Return the Gaussian log likelihood of rows under the covariance of the other rows.

    .. math:: -\tfrac{1}{2} \sum_t \left( \ln \det C + e_t^T C^{-1} e_t \right) + \text{const},
        \quad C = \rho \circ \overline{e e^T}

    Parameters
    ----------
    residuals
        ``[row, cell]``; each fold is a block of rows.
    taper
        Localisation :math:`\rho` ``[cell, cell]``.
    folds
        How many blocks there are.

    Returns
    -------
    float
        Minus infinity where a covariance has no inverse.
    """
    products = residuals.T @ residuals
    total = 0.0
    for held in np.array_split(residuals, min(folds, len(residuals))):
        rest = (products - held.T @ held) / max(len(residuals) - len(held), 1)
        try:
            root = linalg.cholesky(
                _localised(rest, taper), lower=True, overwrite_a=True, check_finite=False
            )
        except linalg.LinAlgError:
            return -np.inf
        scaled = linalg.solve_triangular(root, held.T, lower=True, check_finite=False)
        total -= len(held) * np.log(root.diagonal()).sum() + 0.5 * float((scaled**2).sum())
    return total


def _localised(covariance: Array, taper: Array) -> Array:
    localised = covariance * taper
    variance = localised.diagonal()
    np.fill_diagonal(localised, variance * (1.0 + JITTER) + 1e-12)
    return np.asarray(localised)


def truncated_factor(residuals: Array, weights: Array, modes: int) -> SpatialFactor:
    """Return the leading patterns of the residuals and what is left of each cell's variance.

    For grids too large for the covariance of all cells. Not localised: where samples are few,
    distant cells may go together by chance.

    Parameters
    ----------
    residuals
        Of mean zero ``[row, cell]``.
    weights
        Area of each cell ``[cell]``; the patterns are those of the area-weighted variance.
    modes
        The most patterns to keep.
    """
    scale = np.sqrt(np.maximum(weights, weights.max() * 1e-6))
    _, singular, patterns = linalg.svd(residuals * scale, full_matrices=False, check_finite=False)
    singular, patterns = singular[:modes], patterns[:modes]
    kept = (patterns * singular[:, None]).T / (scale[:, None] * np.sqrt(len(residuals)))
    left = np.mean(residuals**2, axis=0) - (kept**2).sum(axis=1)
    return SpatialFactor(kept, np.sqrt(np.maximum(left, 0.0)), np.inf)
