"""Where the embedded planet emits: maps of aerosol emissions that sum to the world's totals."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from climbench.grids import latitude_weights
from climbench.simulate.planet_geography import land_sea_mask

Array = NDArray[np.float64]

EARTH_RADIUS = 6_371_000.0  # m
SECONDS_PER_YEAR = 365.0 * 86400.0
KG_PER_MEGATONNE = 1e9
FLUX = "kg m-2 s-1"


class Region(NamedTuple):
    """A region that emits, and its weight long before and long after a turn of the times."""

    latitude: float  # degrees north
    longitude: float  # degrees east
    before: float
    after: float
    turn: float  # year in which the weight is half-way between the two


SULPHUR = (
    Region(32.0, 113.0, 0.1, 1.5, 1990.0),  # eastern Asia
    Region(23.0, 80.0, 0.1, 1.8, 2010.0),  # southern Asia
    Region(50.0, 18.0, 2.0, 0.3, 1985.0),  # Europe
    Region(40.0, 276.0, 1.2, 0.3, 1975.0),  # eastern North America
    Region(-26.0, 28.0, 0.05, 0.6, 2030.0),  # southern Africa
)
BLACK_CARBON = (
    Region(32.0, 113.0, 0.6, 1.0, 1990.0),
    Region(23.0, 80.0, 0.5, 1.5, 2010.0),
    Region(6.0, 12.0, 0.4, 1.6, 2030.0),  # western and central Africa
    Region(-10.0, 300.0, 0.3, 0.7, 1970.0),  # Amazonia
    Region(50.0, 18.0, 1.0, 0.2, 1960.0),
)
REGIONS = {"sulphur_dioxide": SULPHUR, "black_carbon": BLACK_CARBON}
RADIUS = 12.0  # of a region, degrees
TURN_WIDTH = 12.0  # years
SPREAD = 0.05  # weight of all land, where some emit everywhere


def emission_maps(
    name: str, totals: ArrayLike, years: ArrayLike, latitude: ArrayLike, longitude: ArrayLike
) -> Array:
    r"""Return maps of an aerosol's emissions whose sum over the planet is the given total.

    .. math::

        e(x, t) = E(t) \, \frac{s(x, t)}{\int s \, dA}, \quad
        s = m(x) \, \Big( s_0 + \sum_k w_k(t) \, e^{-r_k(x)^2} \Big), \quad
        w_k = b_k + \frac{a_k - b_k}{1 + e^{-(t - t_k) / \tau}}

    with the land fraction :math:`m` and regions whose weights go from :math:`b_k` to :math:`a_k`
    around the year :math:`t_k`: from the North Atlantic to Asia and Africa, as emissions have
    gone. The numbers are invented. The planet's climate knows the totals only, so that its
    response to them keeps one pattern wherever they come from.

    Parameters
    ----------
    name
        ``sulphur_dioxide`` or ``black_carbon``.
    totals
        Emissions of the world ``[year]``, Mt / yr; NaN gives maps of NaN.
    years
        Calendar years ``[year]``.
    latitude
        Rows ``[latitude]``, degrees north, of the whole globe.
    longitude
        Columns ``[longitude]``, degrees east, of the whole globe.

    Returns
    -------
    numpy.ndarray
        ``[year, latitude, longitude]``, kg m-2 s-1.
    """
    north, east = np.meshgrid(latitude, longitude, indexing="ij")
    time = np.asarray(years, dtype=np.float64)[:, None, None]
    shape = np.full((time.size, *north.shape), SPREAD)
    for region in REGIONS[name]:
        turned = 1.0 / (1.0 + np.exp(-(time - region.turn) / TURN_WIDTH))
        weight = region.before + (region.after - region.before) * turned
        across = (east - region.longitude + 180.0) % 360.0 - 180.0
        across = across * np.cos(np.deg2rad(region.latitude))
        squared = (across**2 + (north - region.latitude) ** 2) / RADIUS**2
        shape += weight * np.exp(-squared)
    shape *= land_sea_mask(latitude, longitude)
    area = cell_areas(latitude, longitude)
    share = shape / np.sum(shape * area, axis=(1, 2), keepdims=True)
    total = np.asarray(totals, dtype=np.float64)[:, None, None]
    return np.asarray(total * share * KG_PER_MEGATONNE / SECONDS_PER_YEAR)


def cell_areas(latitude: ArrayLike, longitude: ArrayLike) -> Array:
    """Return the areas of the cells of a global grid ``[latitude, longitude]``, m2.

    Examples
    --------
    >>> float(cell_areas([-60.0, 0.0, 60.0], [0.0, 180.0]).sum() / 1e12)  # million km2
    510.0644719...
    """
    rows = latitude_weights(latitude)
    columns = np.size(longitude)
    mean = 4.0 * np.pi * EARTH_RADIUS**2 / (rows.size * columns)
    return np.asarray(mean * np.repeat(rows[:, None], columns, axis=1))
