"""What lies beyond the edge of a latitude-longitude grid."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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

    def coarser(self) -> Self:
        """Return the edges of a coarser grid, where no row is taken to lie on a pole."""
        south, north = (None if side is None else 0 for side in (self.south, self.north))
        return replace(self, south=south, north=north)


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
        Rows to add (south, north); more than there are lead over the other pole.
    columns
        Columns to add (west, east); more than there are go round again.

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
        below = _beyond(fields, edges.south, edges.north, south)
        above = _beyond(fields.flip(-2), edges.north, edges.south, north).flip(-2)
        fields = torch.cat([below, fields, above], dim=-2)
    west, east = columns
    if west or east:
        count = fields.shape[-1]
        if edges.periodic:
            around = fields.repeat(*[1] * (fields.ndim - 1), -(-max(west, east) // count))
            left, right = around[..., around.shape[-1] - west :], around[..., :east]
        else:
            left = fields[..., :1].expand(*fields.shape[:-1], west)
            right = fields[..., -1:].expand(*fields.shape[:-1], east)
        fields = torch.cat([left, fields, right], dim=-1)
    return fields


def _beyond(fields: Tensor, near: int | None, far: int | None, width: int) -> Tensor:
    """Return the ``width`` rows before the first one, given the rows on the near and far pole."""
    if near is None:
        return fields[..., :1, :].expand(*fields.shape[:-2], width, fields.shape[-1])
    mirrored = fields[..., near : near + width, :].flip(-2).roll(fields.shape[-1] // 2, dims=-1)
    if (further := width - mirrored.shape[-2]) > 0:
        rest = _beyond(torch.cat([mirrored, fields], dim=-2), far, near, further)
        mirrored = torch.cat([rest, mirrored], dim=-2)
    return mirrored


class GlobeConv2d(nn.Conv2d):
    """A convolution of odd kernel size on the sphere: the grid keeps its shape.

    With a ``stride`` every so-many-th row and column stays, from the first; ``groups`` and
    ``dilation`` are those of :class:`torch.nn.Conv2d`.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        edges: Edges,
        bias: bool = True,
        *,
        stride: int = 1,
        groups: int = 1,
        dilation: int = 1,
    ) -> None:
        super().__init__(
            inputs, outputs, kernel, stride, groups=groups, dilation=dilation, bias=bias
        )
        self.edges = edges
        self.width = dilation * (kernel // 2)

    def forward(self, fields: Tensor) -> Tensor:
        """Return the convolved fields ``[batch, outputs, latitude, longitude]``."""
        width = (self.width, self.width)
        padded: Tensor = super().forward(pad(fields, self.edges, width, width))
        return padded
