"""Which stations know of each other: graphs as matrices, ``[station, station]``, from 0 to 1.

References
----------
Li et al. (2018), Diffusion convolutional recurrent neural network, ICLR (kernel of the distance);
Kipf and Welling (2017), Semi-supervised classification with graph convolutional networks, ICLR
(normalisation); Zhu et al. (2023), Weather2K, AISTATS (several static graphs).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from climbench.errors import UserError
from climbench.tasks.sample import Signature

EARTH_RADIUS = 6371.2  # km
LEAST = 0.1  # weight below which two stations are not joined
NEIGHBOURS = 8  # of each station


def distances(signature: Signature) -> Tensor:
    """Return the great-circle distances of stations, km ``[station, station]``, float64.

    Raises
    ------
    UserError
        If the place of a station is not known.
    """
    for name, (north, east, _) in zip(signature.stations, signature.places, strict=True):
        if north == 0 and east == 0:  # what stands for no place; there is no land
            raise UserError(
                f"a graph of stations needs their places, and '{name}' has none: give its "
                "coordinates in the recipe, or leave it out with task.stations=[...]."
            )
    north, east, _ = torch.tensor(signature.places, dtype=torch.float64).deg2rad().T
    half = torch.sin((north[:, None] - north) / 2).square()
    half = half + north.cos()[:, None] * north.cos() * torch.sin((east[:, None] - east) / 2) ** 2
    return torch.as_tensor(2 * EARTH_RADIUS * half.clamp(0, 1).sqrt().asin())


def distance_graph(signature: Signature) -> Tensor:
    r"""Return :math:`e^{-(d / r)^2}`, 0 below 0.1.

    The reach :math:`r` is twice the median distance to the eighth neighbour.
    """
    apart = distances(signature)
    weights = torch.exp(-((apart / _reach(apart)) ** 2))
    return torch.where(weights >= LEAST, weights, 0.0)


def neighbour_graph(signature: Signature) -> Tensor:
    """Return 1 for stations of which one is among the eight nearest of the other, else 0."""
    apart = distances(signature)
    count = min(NEIGHBOURS + 1, len(apart))
    nearest = apart.topk(count, largest=False).indices
    joined = torch.zeros_like(apart).scatter_(1, nearest, 1.0)
    return torch.maximum(joined, joined.T)


def similarity_graph(signature: Signature) -> Tensor:
    r"""Return :math:`e^{-|z_i - z_j|^2}` of the standardised places and altitudes, 0 below 0.1."""
    places = torch.tensor(signature.places, dtype=torch.float64)
    spread = places.std(dim=0, correction=0)
    apart = (places - places.mean(dim=0)) / torch.where(spread > 0, spread, 1.0)
    weights = torch.exp(-torch.cdist(apart, apart).square())
    return torch.where(weights >= LEAST, weights, 0.0)


GRAPHS: dict[str, Callable[[Signature], Tensor]] = {
    "distance": distance_graph,
    "neighbours": neighbour_graph,
    "similarity": similarity_graph,
}
"""Graphs that follow from the places alone."""


def correlation_graph(total: Tensor, product: Tensor, square: Tensor, count: Tensor) -> Tensor:
    """Return the correlation of stations, the mean over factors, 0 where negative.

    Parameters
    ----------
    total, square
        Sums of a station's values and of their squares, over the times at which the other has one
        too ``[factor, station, other]``.
    product, count
        Sums of the products of both, and the number of times ``[factor, station, other]``.
    """
    size = count.clamp(min=1.0)
    mean = total / size
    covariance = product / size - mean * mean.transpose(1, 2)
    variance = square / size - mean.square()
    spread = (variance * variance.transpose(1, 2)).clamp(min=0).sqrt()
    correlation = torch.where(spread > 1e-12, covariance / spread, 0.0)
    return correlation.mean(dim=0).clamp(min=0.0)


def row_normalised(graph: Tensor) -> Tensor:
    r"""Return :math:`D^{-1} (A + I)` (of a graph that joins a station to itself: no more)."""
    joined = graph.clone()
    joined.diagonal(dim1=-2, dim2=-1).fill_(1.0)
    return joined / joined.sum(dim=-1, keepdim=True)


def symmetric_normalised(graph: Tensor) -> Tensor:
    r"""Return :math:`D^{-1/2} (A + I) D^{-1/2}`."""
    joined = graph.clone()
    joined.diagonal(dim1=-2, dim2=-1).fill_(1.0)
    root = joined.sum(dim=-1).rsqrt()
    return root[:, None] * joined * root


def scaled_laplacian(graph: Tensor) -> Tensor:
    r"""Return :math:`2 L / \lambda_{max} - I` with :math:`L = I - D^{-1/2} A D^{-1/2}`.

    References
    ----------
    Defferrard et al. (2016), Convolutional neural networks on graphs with fast localized spectral
    filtering, NeurIPS.
    """
    bare = graph.clone()
    bare.diagonal().zero_()
    degree = bare.sum(dim=-1)
    root = torch.where(degree > 0, degree.clamp(min=1e-12).rsqrt(), 0.0)
    unit = torch.eye(len(bare), dtype=bare.dtype)
    laplacian = unit - root[:, None] * bare * root
    largest = torch.linalg.eigvalsh(laplacian)[-1].clamp(min=1e-6)
    return torch.as_tensor(2 * laplacian / largest - unit)


def _reach(apart: Tensor) -> Tensor:
    place = min(NEIGHBOURS, len(apart) - 1)
    reach = 2 * apart.sort(dim=1).values[:, place].median()
    return reach.clamp(min=1e-3)
