"""Which cells of a map say something about a station, and how much each of them."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from climbench.grids import is_periodic

Method = Literal["bilinear", "nearest"]


def cells_at_stations(
    latitude: NDArray[np.float64],
    longitude: NDArray[np.float64],
    north: ArrayLike,
    east: ArrayLike,
    method: Method = "bilinear",
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    r"""Return the four cells round each station and their weights.

    .. math:: (1 - u)(1 - v),\ (1 - u) v,\ u (1 - v),\ u v, \qquad
        u = \frac{\varphi - \varphi_i}{\varphi_{i+1} - \varphi_i},\
        v = \frac{\lambda - \lambda_j}{\lambda_{j+1} - \lambda_j}

    Up to half a cell beyond the outermost centres, and over the poles, the outermost count alone.

    Parameters
    ----------
    latitude, longitude
        Cell centres, ascending, degrees north and degrees east in [0, 360).
    north, east
        Places of the stations ``[station]``, degrees.
    method
        ``bilinear``, or ``nearest``: the one of the four with the least distance on the sphere.

    Returns
    -------
    rows, columns, weights
        ``[station, 4]``; weights sum to 1, and are NaN for a station outside of the map.

    Examples
    --------
    >>> rows, columns, weights = cells_at_stations(
    ...     np.array([50.0, 60.0]), np.array([0.0, 10.0]), [52.5], [10.0]
    ... )
    >>> weights.tolist()
    [[0.0, 0.75, 0.0, 0.25]]
    """
    there = np.asarray(north, dtype=np.float64)
    row, u, in_rows = _between(latitude, there)
    # A region may lie across the meridian of 0: it begins after the widest gap.
    first = int(np.diff(longitude, append=longitude[0] + 360.0).argmax()) + 1
    along = np.roll(longitude, -first)
    along = along[0] + np.mod(along - along[0], 360.0)
    if along.size > 1 and is_periodic(along):
        along = np.append(along, along[0] + 360.0)
    begin = (along[0] + along[-1]) / 2 - 180.0
    places = begin + np.mod(np.asarray(east, dtype=np.float64) - begin, 360.0)
    column, v, in_columns = _between(along, places)
    column = (column + first) % longitude.size
    next_row = np.minimum(row + 1, latitude.size - 1)
    next_column = (column + 1) % longitude.size
    rows = np.stack([row, row, next_row, next_row], axis=-1)
    columns = np.stack([column, next_column, column, next_column], axis=-1)
    weights = np.stack([(1 - u) * (1 - v), (1 - u) * v, u * (1 - v), u * v], axis=-1)
    if method == "nearest":
        weights = _nearest(latitude[rows], longitude[columns], there, places, weights)
    weights[~(in_rows & in_columns)] = np.nan
    return rows, columns, weights


def _between(
    centres: NDArray[np.float64], places: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return the last centre before each place, the share of the way to the next, and if inside."""
    if centres.size == 1:
        return np.zeros(places.size, np.int64), np.zeros(places.size), places == centres[0]
    at = np.clip(np.searchsorted(centres, places, side="right") - 1, 0, centres.size - 2)
    share = (places - centres[at]) / (centres[at + 1] - centres[at])
    inside = (share >= -0.5) & (share <= 1.5)
    return at.astype(np.int64), np.clip(np.nan_to_num(share), 0.0, 1.0), inside


def _nearest(
    latitude: NDArray[np.float64],
    longitude: NDArray[np.float64],
    north: NDArray[np.float64],
    east: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return weight 1 for the nearest of four cells; of cells without weight none is."""
    phi, there = np.deg2rad(latitude), np.deg2rad(north)[:, None]
    apart = np.deg2rad(longitude - east[:, None])
    closeness = np.sin(phi) * np.sin(there) + np.cos(phi) * np.cos(there) * np.cos(apart)
    best = np.where(weights > 0, closeness, -np.inf).argmax(axis=1)
    chosen: NDArray[np.float64] = np.eye(4)[best]
    return chosen
