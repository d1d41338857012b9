"""Coarse inputs made of fine fields: area means of blocks of cells."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.grids import latitude_weights


@dataclass(frozen=True)
class Coarsening:
    """Blocks of ``factor`` x ``factor`` cells, from the first row and column on.

    Attributes
    ----------
    factor
        Rows and columns of a block.
    weights
        Area of a cell of each fine row ``[fine latitude]``.
    latitude, longitude
        Centres of the coarse cells, the means of their cells' centres.
    """

    factor: int
    weights: NDArray[np.float64]
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]

    @classmethod
    def of(cls, grid: xr.Dataset, factor: int) -> Self:
        """Return the coarsening of a grid with ``latitude`` and ``longitude``.

        Raises
        ------
        UserError
            If the factor is below 2 or does not divide the grid into whole blocks.
        """
        latitude, longitude = (
            np.asarray(grid[name].values, dtype=np.float64) for name in ("latitude", "longitude")
        )
        least = min(latitude.size, longitude.size) // 2
        fits = [n for n in range(2, least + 1) if not (latitude.size % n or longitude.size % n)]
        if factor not in fits:
            others = f"take {', '.join(map(str, fits))}" if fits else "give an input store instead"
            raise UserError(
                f"option 'coarsening' = {factor} makes no whole blocks of {latitude.size} x "
                f"{longitude.size} cells: {others}"
            )
        centres = (axis.reshape(-1, factor).mean(axis=1) for axis in (latitude, longitude))
        return cls(factor, latitude_weights(latitude, "area"), *centres)

    def __call__(self, fields: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the area mean of the values in each block, NaN where it has none.

        Parameters
        ----------
        fields
            ``[..., latitude, longitude]`` on the fine grid.

        Examples
        --------
        >>> axes = {"latitude": [-15.0, 15, 45, 75], "longitude": [0, 90, 180, 270]}
        >>> grid = xr.Dataset(coords=axes)
        >>> fields = np.arange(16, dtype=np.float32).reshape(4, 4)
        >>> Coarsening.of(grid, 2)(fields)[0].tolist()
        [2.5, 4.5]
        """
        *front, rows, columns = fields.shape
        blocks = (rows // self.factor, self.factor, columns // self.factor, self.factor)
        cells = fields.reshape(*front, *blocks)
        there = np.isfinite(cells)
        weights = self.weights.reshape(*blocks[:2], 1, 1)
        total = (np.where(there, cells, 0.0) * weights).sum(axis=(-3, -1))
        area = (there * weights).sum(axis=(-3, -1))
        with np.errstate(invalid="ignore"):
            return np.asarray(total / area, dtype=np.float32)
