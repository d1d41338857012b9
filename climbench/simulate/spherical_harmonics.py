"""Spherical-harmonic transforms of a triangular truncation, on the Gauss or an even grid."""

from typing import Any, Literal

import ducc0
import numpy as np
from numpy.typing import NDArray

Coefficients = NDArray[np.complex128]
Field = NDArray[np.float64]

_sht = ducc0.sht.experimental


class SphericalHarmonics:
    r"""Transforms between fields on a grid and orthonormal spherical-harmonic coefficients.

    :math:`f(\theta, \lambda) = \sum_{l \le L} \sum_{|m| \le l} f_l^m Y_l^m`. Only
    :math:`m \ge 0` is stored, one order after another, degrees ascending within an order.
    Fields run from north to south, so that the first component of a vector points south
    (along the colatitude :math:`\theta`) and the second one east.

    Parameters
    ----------
    degree
        Highest degree :math:`L` of the triangular truncation.
    grid
        ``GL`` for Gauss-Legendre latitudes, on which products of two fields are transformed
        without aliasing; ``F1`` for even latitudes half a step away from the poles.
    shape
        Number of latitudes and longitudes.

    References
    ----------
    Reinecke and Seljebotn (2013), Libsharp, doi:10.1051/0004-6361/201321494 (the transforms
    of ducc0).

    Examples
    --------
    >>> harmonics = SphericalHarmonics(5, "GL", (16, 32))
    >>> field = np.sin(np.deg2rad(harmonics.latitude))[:, None] * np.ones(32)
    >>> bool(np.allclose(harmonics.synthesis(harmonics.analysis(field)), field))
    True
    """

    def __init__(self, degree: int, grid: Literal["GL", "F1"], shape: tuple[int, int]) -> None:
        latitudes, longitudes = shape
        orders = [(l, m) for m in range(degree + 1) for l in range(m, degree + 1)]  # noqa: E741
        self.degree, self.order = np.array(orders).T
        self.laplacian: Field = -(self.degree * (self.degree + 1.0))
        if grid == "GL":
            sine = np.polynomial.legendre.leggauss(latitudes)[0][::-1]
            self.latitude: Field = np.rad2deg(np.arcsin(sine))
        else:
            self.latitude = 90.0 - (np.arange(latitudes) + 0.5) * 180.0 / latitudes
        self.longitude: Field = np.arange(longitudes) * 360.0 / longitudes
        self._from_below, self._from_above = _balance_factors(self.degree, self.order)
        self._shape = shape
        self._to_coefficients: dict[str, Any] = {"lmax": degree, "geometry": grid, "nthreads": 1}
        self._to_grid = {**self._to_coefficients, "ntheta": latitudes, "nphi": longitudes}
        # ducc0 gives the area of a ring, which its points share
        self._area = _sht.get_gridweights(grid, latitudes) / longitudes

    def synthesis(self, coefficients: Coefficients) -> Field:
        """Return the field ``[..., latitude, longitude]`` of coefficients ``[..., mode]``."""
        rows = np.atleast_2d(coefficients)
        fields = np.empty((len(rows), *self._shape))
        for row, field in zip(rows, fields, strict=True):
            _sht.synthesis_2d(alm=row[None], map=field[None], spin=0, **self._to_coefficients)
        return fields.reshape(*coefficients.shape[:-1], *self._shape)

    def gradient(self, coefficients: Coefficients) -> Field:
        r"""Return :math:`(\partial_\theta, \partial_\lambda / \sin\theta)` on the unit sphere.

        Coefficients ``[..., mode]`` give ``[..., 2, latitude, longitude]``.
        """
        rows = np.atleast_2d(coefficients)
        fields = np.empty((len(rows), 2, *self._shape))
        for row, field in zip(rows, fields, strict=True):
            _sht.synthesis_2d_deriv1(alm=row[None], map=field, **self._to_coefficients)
        return fields.reshape(*coefficients.shape[:-1], 2, *self._shape)

    def analysis(self, field: Field) -> Coefficients:
        """Return the coefficients ``[..., mode]`` of a field ``[..., latitude, longitude]``."""
        fields = field.reshape(-1, 1, *self._shape)
        rows = [_sht.analysis_2d(map=one, spin=0, **self._to_coefficients)[0] for one in fields]
        return np.array(rows).reshape(*field.shape[:-2], -1)

    def divergence(self, vector: Field) -> Coefficients:
        """Return the divergence of ``[..., 2, latitude, longitude]`` as ``[..., mode]``.

        The divergence is minus the adjoint of the gradient, so that one call does it.
        """
        rows = [
            _sht.adjoint_synthesis_2d(
                map=one, spin=1, mode="DERIV1", ringfactor=self._area, **self._to_coefficients
            )[0]
            for one in vector.reshape(-1, 2, *self._shape)
        ]
        return -np.array(rows).reshape(*vector.shape[:-3], -1)

    def linear_balance(self, streamfunction: Coefficients) -> Coefficients:
        r"""Return the solution of :math:`\nabla^2 \Phi = \nabla\cdot(\sin\phi\,\nabla\psi)`.

        In spectral space

        .. math:: \Phi_l^m = \epsilon_l^m \frac{l-1}{l} \psi_{l-1}^m
                  + \epsilon_{l+1}^m \frac{l+2}{l+1} \psi_{l+1}^m, \quad
                  \epsilon_l^m = \sqrt{\frac{l^2 - m^2}{4 l^2 - 1}}.

        Times twice the rotation rate, this is the geopotential that balances a streamfunction.

        References
        ----------
        Lorenz (1960), Energy and numerical weather prediction, Tellus 12, 364-373.
        """
        balanced = np.zeros_like(streamfunction)
        balanced[..., 1:] = self._from_below[1:] * streamfunction[..., :-1]
        balanced[..., :-1] += self._from_above[:-1] * streamfunction[..., 1:]
        return balanced


def _balance_factors(degree: NDArray[np.int64], order: NDArray[np.int64]) -> tuple[Field, Field]:
    epsilon = np.sqrt((degree**2 - order**2) / (4.0 * degree**2 - 1.0))
    below = epsilon * (degree - 1) / np.maximum(degree, 1)
    above = np.roll(epsilon, -1) * (degree + 2) / (degree + 1)
    # the mean has no balance, and nothing lies above the truncation
    return below, np.where((degree > 0) & (degree < degree.max()), above, 0.0)
