"""What lies beyond the edge of a latitude-longitude grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from climbench.grids import is_periodic


@dataclass(frozen=True)
class Edges:
    """How a grid goes on beyond its edges.

    Attributes
    ----------
    periodic
        Whether the columns go all round the globe.
    south, north
        Rows lying on that pole (0 or 1) where the grid reaches it, else None.
    """

    periodic: bool
    south: int | None
    north: int | None

    @classmethod
    def of(cls, latitude: Sequence[float], longitude: Sequence[float]) -> Self:
        """Return the edges of a grid with ascending ``latitude``."""
        periodic = is_periodic(longitude)
        step = (latitude[-1] - latitude[0]) / max(len(latitude) - 1, 1)

        def rows_on_pole(outermost: float) -> int | None:
            # Half a step is left to the pole on an even grid, 0.77 on a Gaussian one.
            gap = 90.0 - abs(outermost)
            return (1 if gap < 1e-3 else 0) if periodic and gap < 0.9 * step else None

        return cls(periodic, rows_on_pole(latitude[0]), rows_on_pole(latitude[-1]))


def pad(fields: Tensor, edges: Edges, rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
    """Extend fields beyond their edges.

    In longitude a global grid goes round; beyond a pole the grid goes on at longitude + 180
    degrees, with the rows in reverse order (the nearest column to the left where the number of
    columns is odd). Where the grid is regional the outermost values are repeated. All fields are
    treated as scalars: the components of a wind, which change their sign across a pole, do not.

    Parameters
    ----------
    fields
        ``[..., latitude, longitude]``, latitude ascending.
    edges
        How the grid goes on.
    rows
        Rows to add (south, north).
    columns
        Columns to add (west, east).

    Returns
    -------
    torch.Tensor
        ``[..., south + latitude + north, west + longitude + east]``.

    Examples
    --------
    >>> globe = Edges(periodic=True, south=0, north=0)
    >>> pad(torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]]), globe, (1, 0), (1, 1))
    tensor([[2, 3, 4, 1, 2, 3],
            [4, 1, 2, 3, 4, 1],
            [8, 5, 6, 7, 8, 5]])
    """
    south, north = rows
    if south or north:
        below = _beyond(fields, edges.south, south)
        above = _beyond(fields.flip(-2), edges.north, north).flip(-2)
        fields = torch.cat([below, fields, above], dim=-2)
    west, east = columns
    if west or east:
        if edges.periodic:
            left, right = fields[..., fields.shape[-1] - west :], fields[..., :east]
        else:
            left = fields[..., :1].expand(*fields.shape[:-1], west)
            right = fields[..., -1:].expand(*fields.shape[:-1], east)
        fields = torch.cat([left, fields, right], dim=-1)
    return fields


def _beyond(fields: Tensor, rows_on_pole: int | None, width: int) -> Tensor:
    """Return the ``width`` rows before the first one."""
    if rows_on_pole is None:
        return fields[..., :1, :].expand(*fields.shape[:-2], width, fields.shape[-1])
    mirrored = fields[..., rows_on_pole : rows_on_pole + width, :].flip(-2)
    return mirrored.roll(fields.shape[-1] // 2, dims=-1)


class GlobeConv2d(nn.Conv2d):
    """A convolution of odd kernel size on the sphere: the grid keeps its shape."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, edges: Edges, bias: bool = True
    ) -> None:
        super().__init__(inputs, outputs, kernel, bias=bias)
        self.edges = edges
        self.width = kernel // 2

    def forward(self, fields: Tensor) -> Tensor:
        """Return the convolved fields ``[batch, outputs, latitude, longitude]``."""
        width = (self.width, self.width)
        padded: Tensor = super().forward(pad(fields, self.edges, width, width))
        return padded
