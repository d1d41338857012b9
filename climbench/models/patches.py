"""Patches that cover a grid, whatever its size."""

from torch import Tensor, nn

from climbench.errors import UserError
from climbench.models.padding import Edges, pad
from climbench.models.vit import initialise, unpatchify
from climbench.tasks.sample import Signature


class Patches:
    """Square patches over a grid that is extended to the north and east until they cover it.

    Parameters
    ----------
    signature
        The question, for its grid.
    size
        Rows and columns of a patch.
    multiple
        What the rows and the columns of patches must be multiples of.

    Attributes
    ----------
    rows, columns
        Number of patches.
    edges
        How the grid goes on beyond its edges.

    Raises
    ------
    UserError
        If a patch has no cells.
    """

    def __init__(self, signature: Signature, size: int, multiple: tuple[int, int] = (1, 1)) -> None:
        if size < 1:
            raise UserError(f"patch_size = {size} must be at least 1.")
        self.size = size
        self.edges = Edges.of(signature.latitude, signature.longitude)
        self.grid = signature.shape
        self.rows, self.columns = (
            many * -(-cells // (many * size))
            for cells, many in zip(self.grid, multiple, strict=True)
        )

    def extend(self, fields: Tensor) -> Tensor:
        """Return fields ``[..., rows * size, columns * size]``."""
        north = self.rows * self.size - self.grid[0]
        east = self.columns * self.size - self.grid[1]
        return pad(fields, self.edges, (0, north), (0, east))

    def join(self, tokens: Tensor) -> Tensor:
        """Return maps ``[batch, channel, latitude, longitude]`` on the grid itself.

        Parameters
        ----------
        tokens
            Patches ``[batch, rows * columns, size * size * channel]``.
        """
        maps = unpatchify(tokens, (self.rows, self.columns), self.size)
        return maps[..., : self.grid[0], : self.grid[1]]


def initialise_any(module: nn.Module) -> None:
    """Start linear maps as :func:`climbench.models.vit.initialise`, with a bias or without."""
    if isinstance(module, nn.Linear) and module.bias is None:
        nn.init.trunc_normal_(module.weight, std=0.02)
    else:
        initialise(module)
