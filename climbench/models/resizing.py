"""From one latitude-longitude grid to another inside a model: by coordinate, round the globe."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from climbench.errors import UserError, nearest
from climbench.grids import latitude_bounds, longitude_bounds
from climbench.models.padding import Edges, pad
from climbench.tasks.sample import Signature

Method = Literal["nearest", "bilinear", "bicubic"]
METHODS: tuple[Method, ...] = get_args(Method)
MARGIN = 2  # rows and columns beyond each edge, as many as a cubic polynomial needs
LEAST_WEIGHT = 1e-3  # of the cells that have values; with less a cell counts as missing


class Resize(nn.Module):
    r"""Interpolate fields to another grid.

    The interpolation is separable, :math:`y = R\,x\,C^T` with one small matrix for rows and one
    for columns, and goes by coordinates: cells of any size, Gaussian rows and regional grids are
    right, and the two grids need not fit into each other. Longitudes go round the globe, rows on
    over the poles as in :func:`climbench.models.padding.pad`; beyond the outermost centres of a
    regional grid fields stay constant.

    ``nearest`` takes the cell with the nearest centre (at equal distance that to the south or
    west); ``bilinear`` is exact for fields that are linear in latitude and longitude;
    ``bicubic`` is the piecewise cubic Hermite polynomial whose slopes are those of the parabola
    through three centres, on an even grid the cubic convolution with :math:`a = -1/2`.

    Parameters
    ----------
    latitude, longitude
        Cell centres of the fields that are given.
    target_latitude, target_longitude
        Cell centres of those that are wanted.
    method
        ``nearest``, ``bilinear`` or ``bicubic``.

    Raises
    ------
    UserError
        If there is no such method.

    References
    ----------
    Keys (1981), Cubic convolution interpolation for digital image processing, IEEE Trans. Acoust.
    Speech Signal Process. 29, eq. (15).

    Examples
    --------
    >>> resize = Resize([0.0, 10.0], [0.0, 10.0], [2.5], [0.0, 5.0])
    >>> resize(torch.tensor([[0.0, 1.0], [10.0, 11.0]]))
    tensor([[2.5000, 3.0000]])
    """

    rows: Tensor
    columns: Tensor

    def __init__(
        self,
        latitude: Sequence[float],
        longitude: Sequence[float],
        target_latitude: Sequence[float],
        target_longitude: Sequence[float],
        method: Method = "bilinear",
    ) -> None:
        super().__init__()
        if method not in METHODS:
            raise UserError(f"option 'method' = {method} is wrong: {nearest(method, METHODS)}")
        self.method, self.edges = method, Edges.of(latitude, longitude)
        centres, wanted = extended_rows(latitude, self.edges), np.asarray(target_latitude)
        if self.edges.south is None:
            wanted = np.maximum(wanted, latitude[0])
        if self.edges.north is None:
            wanted = np.minimum(wanted, latitude[-1])
        self._keep("rows", interpolation_matrix(centres, wanted, method))
        centres = extended_columns(longitude, self.edges)
        wanted = around(np.asarray(target_longitude), longitude, self.edges)
        self._keep("columns", interpolation_matrix(centres, wanted, method))

    def _keep(self, name: str, matrix: NDArray[np.float64]) -> None:
        self.register_buffer(name, torch.from_numpy(matrix).float(), persistent=False)

    def forward(self, fields: Tensor) -> Tensor:
        """Return fields ``[..., latitude, longitude]`` on the target grid."""
        padded = pad(fields, self.edges, (MARGIN, MARGIN), (MARGIN, MARGIN))
        resized: Tensor = self.rows.to(fields) @ padded @ self.columns.to(fields).mT
        return resized

    def valid(self, fields: Tensor) -> Tensor:
        """Return the same of fields with NaN: the mean over the neighbours that have values.

        Where no neighbour has one, NaN; that of ``bicubic``, whose weights may be negative, is NaN
        where any of its neighbours is missing.
        """
        missing = fields.isnan()
        if not missing.any():
            return torch.as_tensor(self(fields))
        share = self((~missing).to(fields))
        values = self(fields.masked_fill(missing, 0.0))
        if self.method == "bicubic":
            padded = pad(missing.to(fields), self.edges, (MARGIN, MARGIN), (MARGIN, MARGIN))
            sees = self.rows.abs().to(fields) @ padded @ self.columns.abs().to(fields).mT
            return torch.as_tensor(values.masked_fill(sees > 0, torch.nan))
        return torch.as_tensor((values / share).masked_fill(share < LEAST_WEIGHT, torch.nan))


def input_resize(signature: Signature, method: Method = "bilinear") -> Resize:
    """Return what brings a signature's inputs to the grid of its targets."""
    return Resize(
        signature.input_latitude or signature.latitude,
        signature.input_longitude or signature.longitude,
        signature.latitude,
        signature.longitude,
        method,
    )


def extended_rows(latitude: Sequence[float], edges: Edges) -> NDArray[np.float64]:
    """Return the latitudes of the rows and of ``MARGIN`` more to each side, ascending.

    Beyond a pole they are counted on: the row at 85 N across the pole stands for 95.
    """
    rows = np.asarray(latitude, dtype=np.float64)
    south, north = _before(rows, edges.south), -_before(-rows[::-1], edges.north)[::-1]
    return np.concatenate([south, rows, north])


def _before(rows: NDArray[np.float64], on_pole: int | None) -> NDArray[np.float64]:
    """Return what lies before the first of ascending rows: mirrored at the pole, or even steps."""
    if on_pole is not None and rows.size >= on_pole + MARGIN:
        return np.asarray(-180.0 - rows[on_pole : on_pole + MARGIN][::-1])
    step = rows[1] - rows[0] if rows.size > 1 else 1.0
    return np.asarray(rows[0] - step * np.arange(MARGIN, 0, -1))


def extended_columns(longitude: Sequence[float], edges: Edges) -> NDArray[np.float64]:
    """Return the longitudes of the columns and of ``MARGIN`` more to each side, ascending."""
    columns = np.asarray(longitude, dtype=np.float64)
    if edges.periodic:
        again = np.concatenate([columns - 360.0, columns, columns + 360.0])
        return again[columns.size - MARGIN : 2 * columns.size + MARGIN]
    step = columns[1] - columns[0] if columns.size > 1 else 1.0
    beyond = step * np.arange(1, MARGIN + 1)
    return np.concatenate([columns[0] - beyond[::-1], columns, columns[-1] + beyond])


def around(
    wanted: NDArray[np.float64], longitude: Sequence[float], edges: Edges
) -> NDArray[np.float64]:
    """Return longitudes counted as those of a grid are, inside its outermost centres."""
    first, last = float(longitude[0]), float(longitude[-1])
    if edges.periodic:
        return np.asarray(first + np.mod(wanted - first, 360.0))
    centre = (first + last) / 2
    turned = centre + np.mod(wanted - centre + 180.0, 360.0) - 180.0
    return np.asarray(np.clip(turned, first, last))


def interpolation_matrix(
    centres: NDArray[np.float64], wanted: NDArray[np.float64], method: Method
) -> NDArray[np.float64]:
    """Return the weight of each centre at each wanted point ``[wanted, centre]``.

    Parameters
    ----------
    centres
        Ascending, with at least two more beyond the wanted points on either side.
    wanted
        Points.
    method
        See :class:`Resize`.
    """
    left = np.clip(np.searchsorted(centres, wanted, side="right") - 1, 1, centres.size - 3)
    width = centres[left + 1] - centres[left]
    share, one = (wanted - centres[left]) / width, np.eye(centres.size)
    if method == "nearest":
        return np.asarray(one[left + (share > 0.5)])
    linear = (1 - share)[:, None] * one[left] + share[:, None] * one[left + 1]
    if method == "bilinear":
        return np.asarray(linear)
    slope = _parabola_slopes(centres)
    t, h = share[:, None], width[:, None]
    return np.asarray(
        (1 + 2 * t) * (1 - t) ** 2 * one[left]
        + t**2 * (3 - 2 * t) * one[left + 1]
        + h * t * (1 - t) ** 2 * slope[left]
        - h * t**2 * (1 - t) * slope[left + 1]
    )


def _parabola_slopes(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what gives the slope at each centre from the values ``[centre, centre]``; 0 outside.

    With steps :math:`h_i` and secants :math:`d_i` it is :math:`(h_i d_{i-1} + h_{i-1} d_i) /
    (h_{i-1} + h_i)`, the derivative of the parabola through three points.
    """
    steps, one = np.diff(centres), np.eye(centres.size)
    secants = np.diff(one, axis=0) / steps[:, None]
    slopes = np.zeros_like(one)
    before, after = steps[:-1, None], steps[1:, None]
    slopes[1:-1] = (after * secants[:-1] + before * secants[1:]) / (before + after)
    return slopes


def coarsening_matrices(
    latitude: Sequence[float],
    longitude: Sequence[float],
    target_latitude: Sequence[float],
    target_longitude: Sequence[float],
) -> tuple[Tensor, Tensor]:
    r"""Return the areas that cells of one grid share with those of another, for rows and columns.

    The area of overlap is :math:`(\sin\phi_2 - \sin\phi_1)(\lambda_2 - \lambda_1)`, the product of
    an entry of either matrix ``[target, source]``.
    """
    rows = _overlap(
        np.sin(np.deg2rad(latitude_bounds(latitude))),
        np.sin(np.deg2rad(latitude_bounds(target_latitude))),
        0.0,
    )
    columns = _overlap(longitude_bounds(longitude), longitude_bounds(target_longitude), 360.0)
    return torch.from_numpy(rows), torch.from_numpy(columns)


def _overlap(
    source: NDArray[np.float64], target: NDArray[np.float64], period: float
) -> NDArray[np.float64]:
    """Return the common length of intervals given by edges ``[target, source]``."""
    shared = np.zeros((target.size - 1, source.size - 1))
    for turn in {-period, 0.0, period}:
        low = np.maximum(source[:-1] + turn, target[:-1, None])
        high = np.minimum(source[1:] + turn, target[1:, None])
        shared += np.maximum(high - low, 0.0)
    return shared


def area_mean(fields: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the area mean of the values that there are in each target cell, NaN where none are.

    Parameters
    ----------
    fields
        ``[..., latitude, longitude]``, NaN where missing.
    rows, columns
        From :func:`coarsening_matrices`.
    """
    missing = fields.isnan()
    total = rows @ fields.masked_fill(missing, 0.0).to(rows) @ columns.mT
    area = rows @ (~missing).to(rows) @ columns.mT
    return (total / area).to(fields)
