"""Continents and mountains of the embedded planet: smooth, analytic, loosely like the Earth's."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Patch(NamedTuple):
    """An ellipse in latitude and longitude, whose long axis may be turned."""

    latitude: float  # centre, degrees north
    longitude: float  # centre, degrees east
    half_height: float  # degrees of latitude
    half_width: float  # degrees of longitude
    tilt: float = 0.0  # degrees of longitude that the centre moves east per degree north
    summit: float = 0.0  # metres, mountains only


CONTINENTS = (
    Patch(52.0, 80.0, 24.0, 75.0, 0.2),  # Eurasia
    Patch(22.0, 92.0, 14.0, 28.0),  # its south
    Patch(17.0, 10.0, 19.0, 28.0),  # northern Africa
    Patch(-12.0, 26.0, 25.0, 14.0),  # southern Africa
    Patch(52.0, 258.0, 24.0, 40.0, -0.3),  # North America
    Patch(20.0, 262.0, 14.0, 10.0, -0.8),  # its isthmus
    Patch(-8.0, 300.0, 18.0, 20.0, 0.3),  # South America
    Patch(-36.0, 290.0, 20.0, 8.0, 0.2),  # its cone
    Patch(-25.0, 134.0, 12.0, 20.0),  # Australia
    Patch(74.0, 318.0, 11.0, 22.0),  # Greenland
    Patch(-90.0, 0.0, 19.0, 1e6),  # Antarctica
)
MOUNTAINS = (
    Patch(34.0, 88.0, 8.0, 17.0, 0.0, 4500.0),  # Tibet
    Patch(50.0, 100.0, 8.0, 15.0, 0.8, 1500.0),  # Altai
    Patch(46.0, 246.0, 18.0, 9.0, -0.5, 2500.0),  # Rocky Mountains
    Patch(-22.0, 290.0, 24.0, 5.0, 0.1, 3000.0),  # Andes
    Patch(0.0, 34.0, 18.0, 9.0, 0.0, 1300.0),  # East Africa
    Patch(74.0, 320.0, 8.0, 14.0, 0.0, 2500.0),  # Greenland
    Patch(-90.0, 0.0, 17.0, 1e6, 0.0, 2800.0),  # Antarctica
    Patch(40.0, 20.0, 5.0, 25.0, 0.0, 800.0),  # Alps to Caucasus
)
COAST_WIDTH = 0.2  # fraction of a patch's radius over which land gives way to sea


def land_sea_mask(latitude: ArrayLike, longitude: ArrayLike) -> NDArray[np.float64]:
    r"""Return the fraction of land, from 0 over the sea to 1 inside a continent.

    Each continent is an ellipse with a soft coast,
    :math:`m = 1 / (1 + \exp((r^2 - 1) / w))`; together they cover
    :math:`1 - \prod (1 - m)`, about a third of the planet.

    Parameters
    ----------
    latitude
        Rows ``[latitude]``, degrees north.
    longitude
        Columns ``[longitude]``, degrees east.

    Returns
    -------
    numpy.ndarray
        Land fraction ``[latitude, longitude]``, dimensionless.

    Examples
    --------
    >>> land_sea_mask([50.0, 0.0], [80.0, 200.0]).round(1).tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    sea = np.ones((np.size(latitude), np.size(longitude)))
    for patch in CONTINENTS:
        excess = (_squared_radius(patch, latitude, longitude) - 1.0) / COAST_WIDTH
        sea *= 1.0 - 1.0 / (1.0 + np.exp(np.minimum(excess, 50.0)))
    return 1.0 - sea


def orography(latitude: ArrayLike, longitude: ArrayLike) -> NDArray[np.float64]:
    r"""Return the height of the surface: Gaussian mountains that stand on land.

    :math:`h = m \, (150 + \sum h_k e^{-r_k^2})` with the land fraction :math:`m`.

    Parameters
    ----------
    latitude
        Rows ``[latitude]``, degrees north.
    longitude
        Columns ``[longitude]``, degrees east.

    Returns
    -------
    numpy.ndarray
        Height ``[latitude, longitude]``, metres.

    Examples
    --------
    >>> bool(orography([34.0], [88.0])[0, 0] > 3000.0)
    True
    """
    height = np.full((np.size(latitude), np.size(longitude)), 150.0)
    for patch in MOUNTAINS:
        height += patch.summit * np.exp(-_squared_radius(patch, latitude, longitude))
    return np.asarray(land_sea_mask(latitude, longitude) * height)


def _squared_radius(patch: Patch, latitude: ArrayLike, longitude: ArrayLike) -> NDArray[np.float64]:
    north = np.asarray(latitude, dtype=np.float64)[:, None] - patch.latitude
    east = np.asarray(longitude, dtype=np.float64)[None, :] - patch.longitude - patch.tilt * north
    east = (east + 180.0) % 360.0 - 180.0
    squared: NDArray[np.float64] = (north / patch.half_height) ** 2 + (east / patch.half_width) ** 2
    return squared
