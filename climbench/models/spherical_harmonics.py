"""A spherical harmonic transform that gradients flow through."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from climbench.errors import UserError
from climbench.grids import latitude_weights

Array = NDArray[np.float64]


class SphericalHarmonics(nn.Module):
    r"""Transforms between fields on a global grid and spherical harmonic coefficients.

    .. math:: f(\phi, \lambda) = \sum_{l=0}^{L} \sum_{m=-l}^{l} a_l^m Y_l^m(\phi, \lambda),
       \quad Y_l^m = \bar P_l^m(\sin\phi) e^{i m \lambda}

    with harmonics that are orthonormal on the unit sphere (with the Condon-Shortley phase);
    longitude :math:`\lambda` counts from the first column. Of real fields the orders
    :math:`m \ge 0` suffice, and only they are kept.

    The analysis is a discrete Fourier transform along longitude and, for each order, the weighted
    least-squares fit of the Legendre functions along latitude. The weights are those of the
    quadrature that the rows allow (see :func:`quadrature_weights`); wherever the quadrature is
    exact for products of two harmonics, the fit is that quadrature. A field within the truncation
    comes back exactly on every grid that carries it.

    Tables are computed in float64 and used in float32, outside of autocast.

    Parameters
    ----------
    latitude
        Rows, degrees north, in either direction.
    columns
        Number of longitudes, evenly round the globe.
    degree
        The truncation :math:`L`, at most :func:`highest_degree`.

    Raises
    ------
    UserError
        If the grid does not carry the truncation.

    References
    ----------
    Driscoll and Healy (1994), Computing Fourier transforms and convolutions on the 2-sphere;
    Schaeffer (2013), Efficient spherical harmonic transforms, for the same split in two.
    """

    synthesis_table: Tensor
    analysis_table: Tensor

    def __init__(self, latitude: Sequence[float], columns: int, degree: int) -> None:
        super().__init__()
        highest = highest_degree(latitude, columns)
        if not 0 <= degree <= highest:
            raise UserError(
                f"a grid of {len(latitude)} x {columns} cells carries spherical harmonics of "
                f"degree 0 to {highest}, not {degree}."
            )
        self.columns, self.degree = columns, degree
        legendre = legendre_functions(latitude, degree)
        analysis = least_squares(legendre, quadrature_weights(latitude))
        for name, table in (("synthesis_table", legendre), ("analysis_table", analysis)):
            self.register_buffer(name, torch.from_numpy(table).float(), persistent=False)

    def analysis(self, fields: Tensor) -> Tensor:
        """Return coefficients ``[..., degree, order]``, complex64.

        Parameters
        ----------
        fields
            ``[..., latitude, longitude]``.
        """
        with torch.autocast(fields.device.type, enabled=False):
            waves = torch.fft.rfft(fields.float(), norm="forward")[..., : self.degree + 1]
            parts = torch.view_as_real(waves)
            table = self.analysis_table.float()
            modes = torch.einsum("...jmc,mlj->...lmc", parts, table)
            return torch.view_as_complex(modes.contiguous())

    def synthesis(self, coefficients: Tensor) -> Tensor:
        """Return fields ``[..., latitude, longitude]``, float32.

        Parameters
        ----------
        coefficients
            ``[..., degree, order]``; what stands at orders above the degree has no effect.
        """
        with torch.autocast(coefficients.device.type, enabled=False):
            parts = torch.view_as_real(coefficients)
            table = self.synthesis_table.float()
            waves = torch.einsum("...lmc,mlj->...jmc", parts, table)
            waves = torch.view_as_complex(waves.contiguous())
            fields: Tensor = torch.fft.irfft(waves, n=self.columns, norm="forward")
        return fields


def highest_degree(latitude: Sequence[float], columns: int) -> int:
    """Return the largest triangular truncation that a global grid carries.

    Columns must resolve the highest order, and rows must determine the coefficients of each
    order; a row on a pole says nothing about any order but the first.

    Examples
    --------
    >>> highest_degree([-67.5, -22.5, 22.5, 67.5], 8)
    3
    >>> highest_degree([-90.0, -45.0, 0.0, 45.0, 90.0], 16)
    3
    """
    on_pole = any(abs(abs(row) - 90.0) < 1e-4 for row in latitude)
    return min(len(latitude) - (2 if on_pole else 1), (columns - 1) // 2)


def legendre_functions(latitude: Sequence[float], degree: int) -> Array:
    r"""Return the normalised associated Legendre functions :math:`\bar P_l^m(\sin\phi)`.

    By the recurrence over the degree at fixed order, which is stable:

    .. math:: \bar P_l^m = \sqrt{\tfrac{4 l^2 - 1}{l^2 - m^2}} \left( \sin\phi\, \bar P_{l-1}^m -
       \sqrt{\tfrac{(l-1)^2 - m^2}{4 (l-1)^2 - 1}}\, \bar P_{l-2}^m \right), \quad
       \bar P_m^m = -\sqrt{\tfrac{2m+1}{2m}} \cos\phi\, \bar P_{m-1}^{m-1}

    Returns
    -------
    numpy.ndarray
        ``[order, degree, latitude]``, zero where the order is above the degree.

    References
    ----------
    Holmes and Featherstone (2002), A unified approach to the Clenshaw summation, eqs. (11)-(13).
    """
    phi = np.deg2rad(np.asarray(latitude, dtype=np.float64))
    sine, cosine = np.sin(phi), np.maximum(np.cos(phi), 0.0)
    table = np.zeros((degree + 1, degree + 1, len(phi)))
    table[0, 0] = np.sqrt(0.25 / np.pi)
    for l in range(1, degree + 1):  # noqa: E741
        table[l, l] = -np.sqrt((2 * l + 1) / (2 * l)) * cosine * table[l - 1, l - 1]
        m = np.arange(l)[:, np.newaxis]
        grow = np.sqrt((4 * l**2 - 1) / (l**2 - m**2))
        back = np.sqrt(np.maximum((l - 1) ** 2 - m**2, 0) / (4 * (l - 1) ** 2 - 1 or 1))
        before = table[:l, l - 2] if l > 1 else 0.0
        table[:l, l] = grow * (sine * table[:l, l - 1] - back * before)
    return table


def quadrature_weights(latitude: Sequence[float]) -> Array:
    r"""Return weights of rows for integrals over :math:`\sin\phi`, with sum 2.

    They integrate all polynomials in :math:`\sin\phi` below the number of rows exactly: those of
    Gauss on Gaussian rows, of Clenshaw and Curtis on even rows with both poles, of Fejer's first
    rule on even rows half a step from the poles. Where such weights would be negative the rows
    share the area of the sphere instead.

    Returns
    -------
    numpy.ndarray
        ``[latitude]``, positive.

    References
    ----------
    Waldvogel (2006), Fast construction of the Fejer and Clenshaw-Curtis quadrature rules.
    """
    sine = np.sin(np.deg2rad(np.asarray(latitude, dtype=np.float64)))
    polynomials = np.polynomial.legendre.legvander(sine, len(sine) - 1).T
    integrals = np.zeros(len(sine))
    integrals[0] = 2.0
    weights = np.linalg.lstsq(polynomials, integrals, rcond=None)[0]
    if weights.min() > 0:
        return np.asarray(weights)
    return 2.0 * latitude_weights(latitude) / len(sine)


def least_squares(legendre: Array, weights: Array) -> Array:
    """Return what turns the Fourier coefficients of rows into those of the sphere.

    Parameters
    ----------
    legendre
        ``[order, degree, latitude]``.
    weights
        Weight of each row in the fit ``[latitude]``.

    Returns
    -------
    numpy.ndarray
        ``[order, degree, latitude]``, zero where the order is above the degree.
    """
    weighted = legendre * weights
    normal = weighted @ legendre.transpose(0, 2, 1)
    orders, degrees = np.indices(normal.shape[:2])
    empty = np.where(orders > degrees, 1.0, 0.0)  # rows of zeros would make it singular
    normal += empty[:, :, np.newaxis] * np.eye(normal.shape[1])
    return np.asarray(np.linalg.solve(normal, weighted))
