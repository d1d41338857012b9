"""Noise that is white on the sphere: as rough at the equator as at the poles, whatever the grid."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from climbench.models.spherical_harmonics import legendre_functions
from climbench.tasks.sample import Signature


class SphereNoise(nn.Module):
    r"""Isotropic Gaussian fields of variance one with the same power at every wavenumber.

    .. math:: \epsilon(\phi, \lambda) = \frac{1}{L + 1} \sum_{l=0}^{L} \sum_{m=-l}^{l}
       a_{lm} Y_{lm}(\phi, \lambda), \quad a_{lm} \sim N(0, 1)

    with real harmonics of mean square one and the finest wavenumber :math:`L` that the grid
    shows. Cells that lie close together, as round the poles, have nearly the same value.

    Parameters
    ----------
    signature
        Tells the grid, global or regional.

    References
    ----------
    Price et al. (2025), GenCast, Nature 637, methods (noise on the sphere).
    """

    legendre: Tensor
    waves: Tensor

    def __init__(self, signature: Signature) -> None:
        super().__init__()
        latitude, longitude = np.array(signature.latitude), np.array(signature.longitude)
        degree = _finest(latitude, longitude)
        self.coefficients = (2, degree + 1, degree + 1)
        functions = legendre_functions(signature.latitude, degree) * np.sqrt(4 * np.pi)
        functions[1:] *= np.sqrt(2.0)  # cosines and sines of mean square one half
        functions /= degree + 1
        angle = np.arange(degree + 1)[:, None] * np.deg2rad(longitude)
        waves = np.stack([np.cos(angle), np.sin(angle)])
        self.register_buffer("legendre", torch.from_numpy(functions).float(), persistent=False)
        self.register_buffer("waves", torch.from_numpy(waves).float(), persistent=False)

    def forward(self, drawn: Tensor) -> Tensor:
        """Return fields of coefficients.

        Parameters
        ----------
        drawn
            Normal numbers ``[..., cosine or sine, order, degree]``, shaped ``coefficients``.

        Returns
        -------
        torch.Tensor
            ``[..., latitude, longitude]``.
        """
        by_order = torch.einsum("...pml,mlj->...pmj", drawn, self.legendre)
        return torch.einsum("...pmj,pmi->...ji", by_order, self.waves)


def _finest(latitude: NDArray[np.float64], longitude: NDArray[np.float64]) -> int:
    """Return the finest wavenumber of a grid: half a wave over the larger of its steps."""
    steps = [
        abs(axis[-1] - axis[0]) / (axis.size - 1) for axis in (latitude, longitude) if axis.size > 1
    ]
    return max(1, round(180.0 / max(steps, default=180.0)) - 1)
