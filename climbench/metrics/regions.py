"""Named regions as weights of cells, so that all of them are one matrix product."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from climbench.errors import UserError, nearest
from climbench.grids import Weighting, latitude_weights, longitude_bounds
from climbench.metrics.statistic import Array


class Box(NamedTuple):
    """Cells whose centre lies within these bounds (edges included), degrees north and east."""

    south: float
    north: float
    west: float = 0.0
    east: float = 360.0


# WeatherBench 2 (run_benchmark_evaluation.py). A row exactly on 20 degrees belongs to the
# tropics only, so that tropics and extra-tropics together are the globe.
BEYOND_TROPICS = float(np.nextafter(20.0, 90.0))
REGIONS: dict[str, tuple[Box, ...]] = {
    "global": (Box(-90, 90),),
    "tropics": (Box(-20, 20),),
    "extra-tropics": (Box(BEYOND_TROPICS, 90), Box(-90, -BEYOND_TROPICS)),
    "northern-hemisphere": (Box(BEYOND_TROPICS, 90),),
    "southern-hemisphere": (Box(-90, -BEYOND_TROPICS),),
    "arctic": (Box(60, 90),),
    "antarctic": (Box(-90, -60),),
    "europe": (Box(35, 75, -12.5, 42.5),),
    "north-america": (Box(25, 60, 240, 285),),
    "north-atlantic": (Box(25, 65, 290, 350),),
    "north-pacific": (Box(25, 60, 145, 230),),
    "east-asia": (Box(25, 60, 102.5, 150),),
    "ausnz": (Box(-45, -12.5, 120, 175),),
}


def region_weights(
    latitude: ArrayLike,
    longitude: ArrayLike,
    regions: Sequence[str] = ("global",),
    weighting: Weighting = "area",
) -> Array:
    """Return the weight of each cell in each region.

    Parameters
    ----------
    latitude, longitude
        Cell centres ``[latitude]``, ``[longitude]``, degrees.
    regions
        Names in ``REGIONS``.
    weighting
        ``area`` of the cell, ``cos`` of its latitude, or ``none``.

    Returns
    -------
    numpy.ndarray
        Weights ``[latitude * longitude, region]``, dimensionless, mean 1 over all cells, 0
        outside the region.

    Raises
    ------
    UserError
        If a region is unknown or has no cell on this grid.

    Examples
    --------
    >>> region_weights([-45.0, 45.0], [0.0, 180.0], ["global", "northern-hemisphere"]).tolist()
    [[1.0, 0.0], [1.0, 0.0], [1.0, 1.0], [1.0, 1.0]]
    """
    north = np.asarray(latitude, dtype=np.float64)
    east = np.asarray(longitude, dtype=np.float64)
    width = np.abs(np.diff(longitude_bounds(east))) if weighting == "area" else np.ones(east.size)
    cells = np.outer(latitude_weights(north, weighting), width / width.mean())
    columns = []
    for name in regions:
        if name not in REGIONS:
            raise UserError(f"There is no region '{name}': {nearest(name, REGIONS)}")
        inside = np.zeros(cells.shape, dtype=bool)
        for box in REGIONS[name]:
            rows = (north >= box.south) & (north <= box.north)
            inside |= np.outer(rows, (east - box.west) % 360 <= box.east - box.west)
        if not np.any(cells[inside] > 0):
            raise UserError(
                f"The region '{name}' has no cell on the grid of latitude {north.min():g} to "
                f"{north.max():g}, longitude {east.min():g} to {east.max():g}: leave it out."
            )
        columns.append(np.where(inside, cells, 0.0).ravel())
    return np.stack(columns, axis=1)
