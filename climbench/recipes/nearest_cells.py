"""From fields without a latitude-longitude grid to the nearest cells of one."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from climbench.errors import UserError

MOST = 10_000_000  # cells: the search tree of more does not fit beside a part
NEIGHBOURS = 4  # as many surround a cell of any grid


def nearest_cells(
    latitude: ArrayLike,
    longitude: ArrayLike,
    target_latitude: ArrayLike,
    target_longitude: ArrayLike,
) -> NDArray[np.int64]:
    """Return which source cell is the nearest to each target, -1 where none is near.

    None is near where the nearest lies farther away than that one's fourth neighbour: outside of a
    region, a target is missing instead of the value of its edge.

    Parameters
    ----------
    latitude, longitude
        Places of the source cells ``[column]``, degrees; cells without a place are left out.
    target_latitude, target_longitude
        Rows and columns of the target, degrees.

    Returns
    -------
    numpy.ndarray
        Positions ``[target row, target column]``.

    Raises
    ------
    UserError
        If there are no places, or too many.

    Examples
    --------
    >>> nearest_cells([0.0, 0.0, 0.0], [358.0, 0.0, 2.0], [0.0, 80.0], [-1.9, 0.9]).tolist()
    [[0, 1], [-1, -1]]
    """
    from scipy.spatial import cKDTree

    north, east = (np.asarray(x, dtype=np.float64).reshape(-1) for x in (latitude, longitude))
    known = np.flatnonzero((np.abs(north) <= 90) & (np.abs(east) <= 720))
    if not 0 < known.size <= MOST:
        raise UserError(
            f"step 'regrid': the nearest of {known.size} cells cannot be searched: between 1 and "
            f"{MOST:,} need a latitude and a longitude; remap such files to a grid first."
        )
    tree = cKDTree(_on_sphere(north[known], east[known]))
    rows, columns = np.meshgrid(target_latitude, target_longitude, indexing="ij")
    distance, at = tree.query(_on_sphere(rows.reshape(-1), columns.reshape(-1)))
    around = min(NEIGHBOURS + 1, known.size)
    reach = tree.query(tree.data[at], k=[around])[0][:, 0] if around > 1 else np.zeros(at.size)
    near = distance <= np.maximum(reach, 1e-9)
    found: NDArray[np.int64] = np.where(near, known[at], -1).reshape(rows.shape)
    return found


def take_cells(fields: NDArray[np.floating], cells: NDArray[np.int64]) -> NDArray[np.floating]:
    """Return fields ``[..., column]`` at these cells, ``[..., row, column]``; NaN where none is."""
    taken = fields[..., cells]
    taken[..., cells < 0] = np.nan
    return taken


def _on_sphere(
    latitude: NDArray[np.float64], longitude: NDArray[np.float64]
) -> NDArray[np.float64]:
    phi, lam = np.deg2rad(latitude), np.deg2rad(longitude)
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=1)
