"""Regridding between latitude-longitude grids by two small matrices, one per axis.

Both methods are separable: ``target = W_latitude @ field @ W_longitude.T``.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from climbench.grids import is_periodic, latitude_bounds, longitude_bounds

Method = Literal["conservative", "bilinear"]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Regridder:
    """A regridding that has been prepared.

    Attributes
    ----------
    latitude
        Weights ``[target row, source row]``.
    longitude
        Weights ``[target column, source column]``.
    valid
        Least share of a target cell (conservative) or of the weight (bilinear) that must have
        values; below it the target is missing.
    """

    latitude: Matrix
    longitude: Matrix
    valid: float

    def __call__(self, fields: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return fields ``[..., latitude, longitude]`` on the target grid, type kept.

        Missing values take no part: a target cell is the mean over the part that has values.
        """
        missing = np.isnan(fields)
        if not missing.any():
            share = np.outer(self.latitude.sum(axis=1), self.longitude.sum(axis=1))
            total = self._apply(fields)
        else:
            share = self._apply(np.where(missing, 0.0, 1.0))
            total = self._apply(np.where(missing, 0.0, fields))
        enough = share >= max(self.valid - 1e-6, 1e-6)
        result = np.divide(total, share, out=np.full_like(total, np.nan), where=enough)
        return result.astype(fields.dtype)

    def _apply(self, fields: NDArray[np.floating]) -> NDArray[np.float64]:
        rows = self.latitude @ fields.astype(np.float64, copy=False)
        return np.asarray(rows @ self.longitude.T)


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
    of a source that reaches to within one row of a pole, the last row is repeated.

    Parameters
    ----------
    latitude, longitude
        Source cell centres, degrees, strictly monotonic; longitudes may be periodic.
    target_latitude, target_longitude
        Target cell centres, degrees.
    method
        ``conservative`` for means and fluxes, ``bilinear`` for smooth fields to a finer grid.
    valid
        Least share of a target cell with values (conservative); bilinear needs all.

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
        return Regridder(
            _overlap(
                np.sin(np.deg2rad(latitude_bounds(latitude))),
                np.sin(np.deg2rad(latitude_bounds(target_latitude))),
            ),
            _overlap(longitude_bounds(longitude), longitude_bounds(target_longitude), 360.0),
            valid,
        )
    return Regridder(
        _interpolate_latitude(_floats(latitude), _floats(target_latitude)),
        _interpolate_longitude(_floats(longitude), _floats(target_longitude)),
        1.0,
    )


def _floats(values: ArrayLike) -> NDArray[np.float64]:
    return np.atleast_1d(np.asarray(values, dtype=np.float64))


def _overlap(source: Matrix, target: Matrix, period: float | None = None) -> Matrix:
    """Return the share of each target interval that each source interval covers."""
    s_low, s_high = np.minimum(source[:-1], source[1:]), np.maximum(source[:-1], source[1:])
    t_low, t_high = np.minimum(target[:-1], target[1:]), np.maximum(target[:-1], target[1:])
    shared = np.zeros((t_low.size, s_low.size))
    for turn in (-2, -1, 0, 1, 2) if period else (0,):
        shift = turn * (period or 0.0)
        low = np.maximum(t_low[:, None], s_low + shift)
        high = np.minimum(t_high[:, None], s_high + shift)
        shared += np.maximum(high - low, 0.0)
    return np.asarray(shared / (t_high - t_low)[:, None])


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
    weights[rows, left] = 1.0 - right_share
    weights[rows, left + 1] = right_share
    return weights
