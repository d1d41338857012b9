"""The four seasons of the embedded planet's years."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from climbench.simulate.climate_patterns import mean_temperature, polar
from climbench.simulate.planet_geography import land_sea_mask

Array = NDArray[np.float64]

SEASONS = ("djf", "mam", "jja", "son")
"""Three months each by their first letters: the December of a year is in the winter of the next."""

SEASON_DAYS = np.array([90.25, 92.0, 92.0, 91.0])  # in the order of SEASONS, mean over leap years
COLD = np.array([1.0, 0.1, -1.0, -0.1])  # of the north, less its mean: spring is behind autumn
AMPLIFIED = np.array([1.0, -0.5, -1.0, 0.5])  # warming of the Arctic: after the summer's melt
SEA_CYCLE, LAND_CYCLE = 4.0, 20.0  # half of January less July at the pole, K
WINTER_WARMING = 0.5  # at the pole, added to the year's 1 in winter and taken off in summer


def seasonal_temperature(
    season: str, temperature: Array, latitude: ArrayLike, longitude: ArrayLike
) -> Array:
    r"""Return a season's mean temperature, given that of its year.

    .. math::

        T_s = T - c_s \, (4 + 16\, m) \sin\phi
            + 0.5 \, a_s \, (\sin^4_+\!\phi - \sin^4_+\!(-\phi)) \, (T - \bar T)

    with the land fraction :math:`m` and the state of 1850 :math:`\bar T`. From December on
    :math:`c = (1, 0.1, -1, -0.1)` and :math:`a = (1, -0.5, -1, 0.5)`, less their means over the
    days of a year, so that the mean of the four seasons over their days is the year's. Land has the
    wider cycle, and poles warm most in winter and in the autumn before. The numbers are chosen;
    signs and orders of magnitude are those of the references. A season has no weather of its own:
    it departs from its usual state as its year does, more in the polar winter.

    Parameters
    ----------
    season
        One of `SEASONS`.
    temperature
        Of the year ``[year, latitude, longitude]``, K.
    latitude
        Rows ``[latitude]``, degrees north.
    longitude
        Columns ``[longitude]``, degrees east.

    Returns
    -------
    numpy.ndarray
        ``[year, latitude, longitude]``, K.

    References
    ----------
    Holland and Bitz (2003), Clim. Dyn. 21, 221, and Serreze and Barry (2011), Global Planet. Change
    77, 85 (the Arctic warms most in winter, least in summer).
    """
    north = np.asarray(latitude, dtype=np.float64)[:, None]
    at = SEASONS.index(season)
    cold, amplified = (
        shape[at] - np.average(shape, weights=SEASON_DAYS) for shape in (COLD, AMPLIFIED)
    )
    land = land_sea_mask(latitude, longitude)
    cycle = (SEA_CYCLE + (LAND_CYCLE - SEA_CYCLE) * land) * np.sin(np.deg2rad(north))
    stronger = WINTER_WARMING * (polar(north) - polar(-north))
    warming = temperature - mean_temperature(latitude, longitude)
    return np.asarray(temperature - cold * cycle + amplified * stronger * warming)
