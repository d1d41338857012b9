"""Spherical harmonics of fields on global grids: how much power each total wavenumber has."""

from functools import lru_cache
from typing import Any

import ducc0
import numpy as np
from numpy.typing import NDArray

from climbench.metrics.fields import Array, Layout

ROUNDING = 1e-24  # share of the power that rounding alone makes (1e-12 in amplitude)
MATRIX_VALUES = 4_000_000  # beyond them (about 200 latitudes) fields are transformed one by one


def goes_round(longitude: Array) -> bool:
    """Tell whether longitudes go round the globe once in even steps, from any start.

    Examples
    --------
    >>> goes_round(np.array([180.0, 270.0, 0.0, 90.0])), goes_round(np.array([0.0, 90.0]))
    (True, False)
    """
    step = 360.0 / longitude.size
    turns = np.diff(longitude, append=longitude[:1])
    return any(
        bool(np.allclose(np.mod(turn, 360.0), step, atol=0.01 * step, rtol=0.0))
        for turn in (turns, -turns)
    )


class Harmonics:
    """The power per total wavenumber of fields on one of the grids of ducc0.

    Parameters
    ----------
    geometry
        ducc0's name of the grid.
    shape
        Number of latitudes and longitudes.
    degree
        The highest wavenumber.
    pole_last
        Whether the last row is the only one on a pole, instead of the first.
    """

    def __init__(
        self, geometry: str, shape: tuple[int, int], degree: int, pole_last: bool = False
    ) -> None:
        self.degree = degree
        self._shape = shape
        self._rows = slice(None, None, -1 if pole_last else 1)
        self._options: dict[str, Any] = {"spin": 0, "lmax": degree, "geometry": geometry}
        # orders ascending, and within each the degrees ascending
        self._first = np.cumsum([0, *range(degree + 1, 0, -1)])
        fits = self._first[-1] * shape[0] <= MATRIX_VALUES
        self._matrices = self._by_order() if fits else []

    def power(self, fields: Array) -> Array:
        """Return the power ``[field, degree]`` of fields ``[field, latitude, longitude]``."""
        # The mean is put back into the first coefficient: small scales would drown in its rounding.
        means = fields.mean(axis=(1, 2))
        ordered = (fields - means[:, np.newaxis, np.newaxis])[:, self._rows]
        first = means * np.sqrt(4 * np.pi)
        transform = self._at_once if self._matrices else self._one_by_one
        power = transform(ordered, first) / (4 * np.pi)
        power[power < ROUNDING * power.sum(axis=-1, keepdims=True)] = 0.0
        return power

    def _at_once(self, fields: Array, first: Array) -> Array:
        """Transform all fields: along longitude, then per order a product with its matrix."""
        waves = np.fft.rfft(fields, axis=-1)[..., : self.degree + 1]
        by_order = np.ascontiguousarray(waves.transpose(2, 1, 0))
        power = np.zeros((self.degree + 1, len(fields)))
        for order, matrix in enumerate(self._matrices):
            modes = (matrix @ by_order[order].view(np.float64)).reshape(len(matrix), -1, 2)
            if order == 0:
                modes[0, :, 0] += first
            twins = 1.0 if order == 0 else 2.0
            power[order:] += twins * np.square(modes).sum(axis=-1)
        return np.ascontiguousarray(power.T)

    def _one_by_one(self, fields: Array, first: Array) -> Array:
        power = np.zeros((len(fields), self.degree + 1))
        for field, mean, row in zip(fields, first, power, strict=True):
            modes = self._analysis(field)
            modes[0] += mean
            squares = 2.0 * (np.square(modes.real) + np.square(modes.imag))
            squares[: self.degree + 1] /= 2.0
            for order in range(self.degree + 1):
                row[order:] += squares[self._first[order] : self._first[order + 1]]
        return power

    def _by_order(self) -> list[Array]:
        """Return the matrices ``[degree, latitude]``: the coefficients of single points."""
        columns = []
        for latitude in range(self._shape[0]):
            point = np.zeros(self._shape)
            point[latitude, 0] = 1.0
            columns.append(self._analysis(point).real)
        matrix = np.stack(columns, axis=-1)
        return np.split(matrix, self._first[1:-1])

    def _analysis(self, field: Array) -> NDArray[np.complex128]:
        field = np.ascontiguousarray(field)
        modes = ducc0.sht.analysis_2d(map=field[np.newaxis], **self._options)
        return np.asarray(modes[0])


def harmonics_of(layout: Layout) -> Harmonics | None:
    """Return the transform of a grid; None where there is none."""
    if not goes_round(layout.longitude):
        return None
    return _harmonics(tuple(layout.latitude.tolist()), layout.longitude.size)


@lru_cache(maxsize=4)
def _harmonics(latitude: tuple[float, ...], longitudes: int) -> Harmonics | None:
    """Return the transform of a grid; None where ducc0 has none.

    Mirrored fields have the same power, so that any pole may be the first.
    """
    rows, number = np.array(latitude), len(latitude)
    pole_last = bool(abs(rows[-1]) > abs(rows[0]) + 1e-4)
    rows = rows[::-1] if pole_last else rows
    ring = np.arange(number)
    grids = {
        "GL": (np.rad2deg(np.arcsin(np.polynomial.legendre.leggauss(number)[0])), number - 1),
        "F1": (90.0 - (ring + 0.5) * 180.0 / number, number - 1),
        "CC": (90.0 - ring * 180.0 / max(number - 1, 1), number - 2),
        "DH": (90.0 - ring * 180.0 / number, number // 2 - 1),
    }
    for geometry, (centres, degree) in grids.items():
        mirrored = centres if centres[0] * rows[0] > 0 else -centres
        degree = min(degree, (longitudes - 1) // 2)
        if degree > 0 and np.allclose(rows, mirrored, atol=1.0 / number, rtol=0.0):
            return Harmonics(geometry, (number, longitudes), degree, pole_last)
    return None
