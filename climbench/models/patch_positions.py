"""Where patches lie on the globe, and positions learnt on one grid for the patches of another."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from climbench.grids import is_periodic
from climbench.tasks.sample import Signature

Array = NDArray[np.float64]


class PatchCentres(NamedTuple):
    """Centres of the rows and columns of patches, evenly spaced.

    Attributes
    ----------
    latitude, longitude
        Degrees north (ascending) and east.
    periodic
        Whether the columns go all round the globe.
    """

    latitude: Array
    longitude: Array
    periodic: bool

    @classmethod
    def of(cls, signature: Signature, patch_size: int) -> "PatchCentres":
        """Return the centres on the grid of a signature, as if it went on at its edges."""
        latitude, longitude = (
            _centres(np.array(axis), patch_size)
            for axis in (signature.latitude, signature.longitude)
        )
        return cls(latitude, longitude, is_periodic(signature.longitude))

    @classmethod
    def of_globe(cls, rows: int, columns: int) -> "PatchCentres":
        """Return the centres of patches of the WeatherBench grid 5.625, or of its like.

        Their first column begins at half a cell west of Greenwich; as in ClimaX a patch is two
        cells of that grid on a side, or four of 1.40625 degrees.
        """
        cell = 360.0 / columns / 2
        latitude = np.asarray(-90.0 + 180.0 / rows * (np.arange(rows) + 0.5))
        return cls(latitude, np.asarray(cell / 2 + 2 * cell * np.arange(columns)), True)


def positions_on(positions: Tensor, old: PatchCentres, new: PatchCentres) -> Tensor:
    """Return positions at other patches: by bicubic splines, exact where patches coincide.

    The splines are those of ``torch.nn.functional.interpolate`` (a = -0.75, the outermost patch
    repeated beyond the edge), but patches are placed by their coordinates, so that a part of the
    globe gets the positions of that part.

    Parameters
    ----------
    positions
        ``[row * column, width]`` of the old patches.
    old, new
        Where they lie, and where they are wanted.

    Returns
    -------
    torch.Tensor
        ``[row * column, width]`` of the new patches.
    """
    rows = _spline(_place(new.latitude, old.latitude), len(old.latitude))
    at = _place(new.longitude, old.longitude)
    step = _step(old.longitude)
    first = -0.5 if old.periodic else (len(old.longitude) - 1) / 2 - 180.0 / step
    columns = _spline((at - first) % (360.0 / step) + first, len(old.longitude))
    grid = positions.double().reshape(len(old.latitude), len(old.longitude), -1)
    answer = torch.einsum("rR,cC,RCw->rcw", rows, columns, grid)
    return answer.flatten(0, 1).to(positions.dtype)


def _step(values: Array) -> float:
    return float(values[-1] - values[0]) / (len(values) - 1) if len(values) > 1 else 360.0


def _centres(cells: Array, patch_size: int) -> Array:
    count = -(-len(cells) // patch_size)
    first = np.arange(count) * patch_size
    return np.asarray(cells[0] + _step(cells) * (first + (patch_size - 1) / 2))


def _place(wanted: Array, known: Array) -> Array:
    """Return the fractional index of coordinates among evenly spaced ones."""
    return np.asarray(np.round((wanted - known[0]) / _step(known), 5))  # they may be float32


def _spline(places: Array, count: int) -> Tensor:
    """Return the weight of each of ``count`` values at fractional indices ``[place, count]``.

    Keys (1981), Cubic convolution interpolation, equation 4 with a = -0.75.
    """
    weights = np.zeros((len(places), count))
    base = np.floor(places).astype(int)
    for tap in (-1, 0, 1, 2):
        d = np.abs(places - base - tap)
        near = (1.25 * d - 2.25) * d**2 + 1.0
        far = -0.75 * (((d - 5.0) * d + 8.0) * d - 4.0)
        index = np.clip(base + tap, 0, count - 1)
        np.add.at(weights, (np.arange(len(places)), index), np.where(d <= 1.0, near, far))
    return torch.from_numpy(weights)
