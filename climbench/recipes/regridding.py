"""Regridding between latitude-longitude grids: one short list of weights per row and per column.

All methods are separable: ``target = W_latitude @ field @ W_longitude.T``. A matrix has one or few
entries in a row, so both are applied as sparse products in one pass over the field, which is read
once, in its own type, and never copied; sums are float64.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from climbench.grids import is_periodic, latitude_bounds, longitude_bounds

Method = Literal["conservative", "bilinear", "nearest"]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Weights:
    """A sparse matrix, compressed by rows.

    Attributes
    ----------
    starts
        First entry of each row, and the number of all ``[target + 1]``.
    sources
        Which source each entry is of ``[entry]``.
    shares
        Its weight ``[entry]``.
    """

    starts: NDArray[np.int64]
    sources: NDArray[np.int64]
    shares: Matrix

    @classmethod
    def of(cls, matrix: Matrix) -> "Weights":
        """Return the entries of a matrix ``[target, source]`` that are not zero."""
        rows, columns = np.nonzero(matrix)
        starts = np.searchsorted(rows, np.arange(matrix.shape[0] + 1))
        return cls(starts.astype(np.int64), columns.astype(np.int64), matrix[rows, columns])


@dataclass(frozen=True)
class Regridder:
    """A regridding that has been prepared.

    Attributes
    ----------
    latitude
        Weights of the source rows.
    longitude
        Weights of the source columns.
    valid
        Least share of a target cell (conservative) or of the weight (bilinear, nearest) that must
        have values; below it the target is missing.
    """

    latitude: Weights
    longitude: Weights
    valid: float

    def __call__(self, fields: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return fields ``[..., latitude, longitude]`` on the target grid, type kept.

        Missing values take no part: a target cell is the mean over the part that has values.
        """
        from climbench.recipes.regridding_kernel import apply  # numba is not loaded for a schema

        if fields.dtype not in (np.float32, np.float64):
            fields = fields.astype(np.float32)
        *outer, rows, columns = fields.shape
        planes = np.ascontiguousarray(fields).reshape(-1, rows, columns)
        to_rows, to_columns = self.latitude.starts.size - 1, self.longitude.starts.size - 1
        moved = np.empty((planes.shape[0], to_rows, to_columns), fields.dtype)
        enough = max(self.valid - 1e-6, 1e-6)
        one, other = self.latitude, self.longitude
        apply(
            *(planes, one.starts, one.sources, one.shares),
            *(other.starts, other.sources, other.shares, enough, moved),
        )
        return moved.reshape(*outer, to_rows, to_columns)


def regridder(
    latitude: ArrayLike,
    longitude: ArrayLike,
    target_latitude: ArrayLike,
    target_longitude: ArrayLike,
    method: Method = "conservative",
    valid: float = 0.5,
) -> Regridder:
    r"""Prepare a regridding.

    Conservative weights are the shares of a target cell's area that each source cell covers,
    :math:`w_{ji} = |\Delta_j \cap \Delta_i| / |\Delta_j|`, with :math:`\Delta` an interval of
    :math:`\sin\phi` or of longitude; so the area integral is kept where the source covers the
    target. Bilinear weights are those of linear interpolation along each axis; beyond the last row
    of a source that reaches to within one row of a pole, the last row is repeated. Nearest takes
    the source cell in which a target centre lies.

    Parameters
    ----------
    latitude, longitude
        Source cell centres, degrees, strictly monotonic; longitudes may be periodic.
    target_latitude, target_longitude
        Target cell centres, degrees.
    method
        ``conservative`` for means and fluxes, ``bilinear`` for smooth fields to a finer grid,
        ``nearest`` for classes and masks.
    valid
        Least share of a target cell with values (conservative); the others need all.

    Examples
    --------
    >>> coarse = regridder([-60.0, 0.0, 60.0], [0, 90, 180, 270], [0.0], [135.0])
    >>> np.round(coarse(np.arange(12.0).reshape(3, 4)), 6).tolist()
    [[5.5]]

    References
    ----------
    Jones (1999), First- and second-order conservative remapping schemes for grids in spherical
    coordinates, Mon. Weather Rev. 127 (the first-order scheme, on grids where it separates).
    """
    if method == "conservative":
        rows = _overlap(
            np.sin(np.deg2rad(latitude_bounds(latitude))),
            np.sin(np.deg2rad(latitude_bounds(target_latitude))),
        )
        columns = _overlap(longitude_bounds(longitude), longitude_bounds(target_longitude), 360.0)
        return Regridder(Weights.of(rows), Weights.of(columns), valid)
    if method == "nearest":
        edges, east = latitude_bounds(latitude), longitude_bounds(longitude)
        rows = _containing(edges, _floats(target_latitude))
        columns = _containing(east, _around(_floats(target_longitude), east))
        return Regridder(Weights.of(rows), Weights.of(columns), 1.0)
    rows = _interpolate_latitude(_floats(latitude), _floats(target_latitude))
    columns = _interpolate_longitude(_floats(longitude), _floats(target_longitude))
    return Regridder(Weights.of(rows), Weights.of(columns), 1.0)


def _floats(values: ArrayLike) -> NDArray[np.float64]:
    return np.atleast_1d(np.asarray(values, dtype=np.float64))


def _overlap(source: Matrix, target: Matrix, period: float | None = None) -> Matrix:
    """Return the share of each target interval that each source interval covers."""
    s_low, s_high = np.minimum(source[:-1], source[1:]), np.maximum(source[:-1], source[1:])
    t_low, t_high = np.minimum(target[:-1], target[1:]), np.maximum(target[:-1], target[1:])
    shared = np.zeros((t_low.size, s_low.size))
    first = last = 0
    if period:  # every turn by which one axis may lie beside the other
        first = int(np.floor((t_low.min() - s_high.max()) / period))
        last = int(np.ceil((t_high.max() - s_low.min()) / period))
    for turn in range(first, last + 1):
        shift = turn * (period or 0.0)
        low = np.maximum(t_low[:, None], s_low + shift)
        high = np.minimum(t_high[:, None], s_high + shift)
        shared += np.maximum(high - low, 0.0)
    return np.asarray(shared / (t_high - t_low)[:, None])


def _around(points: Matrix, edges: Matrix) -> Matrix:
    """Return longitudes on the turn of the globe that begins at the western edge."""
    west = edges.min()
    return np.asarray(west + (points - west + 1e-9) % 360.0 - 1e-9)


def _containing(edges: Matrix, points: Matrix) -> Matrix:
    """Return 1 for the interval in which each point lies, none outside ``[point, interval]``."""
    low, high = np.minimum(edges[:-1], edges[1:]), np.maximum(edges[:-1], edges[1:])
    inside = (points[:, None] >= low - 1e-9) & (points[:, None] <= high + 1e-9)
    first = inside & (np.cumsum(inside, axis=1) == 1)  # on an edge between two, the first
    return np.asarray(first, dtype=np.float64)


def _interpolate_latitude(source: Matrix, target: Matrix) -> Matrix:
    order = np.argsort(source)
    rows = source[order]
    step = np.diff(rows).max() if rows.size > 1 else 180.0
    low = -90.0 if rows[0] - step <= -90.0 else rows[0]
    high = 90.0 if rows[-1] + step >= 90.0 else rows[-1]
    inside = (target >= low - 1e-9) & (target <= high + 1e-9)
    weights = np.zeros((target.size, source.size))
    weights[:, order] = _linear(rows, np.clip(target, rows[0], rows[-1])) * inside[:, None]
    return weights


def _interpolate_longitude(source: Matrix, target: Matrix) -> Matrix:
    order = np.argsort(source)
    columns = source[order]
    wrapped = columns[0] + (target - columns[0] + 1e-9) % 360.0 - 1e-9
    weights = np.zeros((target.size, source.size))
    if is_periodic(columns):
        extended = _linear(np.append(columns, columns[0] + 360.0), wrapped)
        extended[:, 0] += extended[:, -1]
        weights[:, order] = extended[:, :-1]
    else:
        inside = wrapped <= columns[-1] + 1e-9
        weights[:, order] = _linear(columns, np.minimum(wrapped, columns[-1])) * inside[:, None]
    return weights


def _linear(nodes: Matrix, points: Matrix) -> Matrix:
    """Return weights of linear interpolation ``[point, node]``; nodes ascending."""
    weights = np.zeros((points.size, nodes.size))
    rows = np.arange(points.size)
    if nodes.size == 1:
        weights[:, 0] = 1.0
        return weights
    left = np.clip(np.searchsorted(nodes, points, side="right") - 1, 0, nodes.size - 2)
    right_share = (points - nodes[left]) / (nodes[left + 1] - nodes[left])
    right_share = np.where(np.abs(right_share) < 1e-9, 0.0, right_share)  # on a node: that alone
    right_share = np.where(np.abs(right_share - 1) < 1e-9, 1.0, right_share)
    weights[rows, left] = 1.0 - right_share
    weights[rows, left + 1] = right_share
    return weights
