"""Fields in memory, addressed by the dimensions of their source."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.metrics.fields import Index


@dataclass(frozen=True)
class Slab:
    """Fields of one variable in memory.

    Attributes
    ----------
    label
        Source and variable, for messages.
    values
        Fields ``[row, cell]``; the rows run through all leading dimensions, the last fastest.
    sizes
        The leading dimensions, as loaded.
    loaded
        Which positions of the source lie there, ascending, along those dimensions that were not
        taken whole.
    """

    label: str
    values: NDArray[Any]
    sizes: dict[str, int]
    loaded: Mapping[str, Index]

    def rows(self, **positions: Index) -> Index:
        """Return the row of the field at positions along the source's dimensions.

        Parameters
        ----------
        positions
            For each dimension positions of shapes that broadcast; those of dimensions that the
            variable lacks do not matter. Dimensions not named have length 1.

        Raises
        ------
        UserError
            If the variable has a further dimension that is longer.
        """
        row = np.zeros((), dtype=np.int64)
        for dim, size in self.sizes.items():
            if size > 1 and dim not in positions:
                raise UserError(
                    f"{self.label} has the dimension '{dim}', which scores do not know here: "
                    "select or average over it."
                )
            position = positions.get(dim, np.zeros((), dtype=np.int64))
            if dim in self.loaded:
                position = np.searchsorted(self.loaded[dim], position)
            row = row * size + position
        shape = np.broadcast_shapes(*(np.shape(p) for p in positions.values()))
        return np.broadcast_to(row, shape)


def is_identity(index: Index) -> bool:
    """Tell whether positions are 0, 1, 2, ... ."""
    return bool(np.array_equal(index, np.arange(index.size)))


def is_plain(values: NDArray[Any]) -> bool:
    """Tell whether an array is contiguous and of float32 or float64 in native byte order."""
    return bool(values.flags.c_contiguous) and values.dtype in (np.float32, np.float64)
