"""Maps of the embedded planet's climate: mean state, patterns of change, size of variability."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from climbench.grids import latitude_weights
from climbench.simulate.earth_model import EarthModel
from climbench.simulate.planet_geography import land_sea_mask, orography

Array = NDArray[np.float64]

SULPHUR_REGIONS = (  # degrees north, degrees east, share
    (32.0, 113.0, 1.0),  # eastern Asia
    (23.0, 80.0, 0.6),  # southern Asia
    (50.0, 18.0, 0.8),  # Europe
    (40.0, 276.0, 0.8),  # eastern North America
    (-26.0, 28.0, 0.2),  # southern Africa
)
BLACK_CARBON_REGIONS = (
    (32.0, 113.0, 1.0),
    (23.0, 80.0, 0.9),
    (6.0, 12.0, 0.8),  # western and central Africa
    (-10.0, 300.0, 0.5),  # Amazonia
    (50.0, 18.0, 0.3),
)
LAPSE_RATE = 6.5e-3  # K m-1
LATENT_HEAT = 2.5e6  # of condensation, J kg-1
SECONDS_PER_DAY = 86400.0


class ClimatePatterns(NamedTuple):
    """Maps ``[latitude, longitude]``; those by agent have the order of `AGENTS` first."""

    temperature: Array  # of 1850, K
    precipitation: Array  # of 1850, kg m-2 s-1
    warming: Array  # [agent, ...], K per K of the global mean, area mean 1
    delay: Array  # K per K of the deep ocean, area mean 0
    moistening: Array  # [agent, ...], slow change of precipitation, fraction per W m-2
    adjustment: Array  # [agent, ...], fast change of precipitation, fraction per W m-2
    temperature_variability: Array  # standard deviation without El Niño, K
    precipitation_variability: Array  # the same, fraction
    nino_temperature: Array  # K per standard deviation of El Niño
    nino_precipitation: Array  # fraction per standard deviation of El Niño


def climate_patterns(
    latitude: ArrayLike, longitude: ArrayLike, model: EarthModel
) -> ClimatePatterns:
    """Return the maps of one model on a grid.

    Parameters
    ----------
    latitude
        Rows ``[latitude]``, degrees north.
    longitude
        Columns ``[longitude]``, degrees east.
    model
        Strengths of polar amplification, land-sea contrast, delay, moistening and variability.

    Returns
    -------
    ClimatePatterns
        Analytic maps; those of change are normalised on this grid, so that 1 W m-2 of latent
        heat more makes 1 W m-2 more rain in the global mean.
    """
    north, east = np.meshgrid(latitude, longitude, indexing="ij")
    land = land_sea_mask(latitude, longitude)
    rain = mean_precipitation(latitude, longitude)
    sulphur = region_bumps(north, east, SULPHUR_REGIONS)
    soot = region_bumps(north, east, BLACK_CARBON_REGIONS)
    poles = polar(north) + polar(-north)
    warming = _warming(north, land, sulphur, soot, model)
    moistening = _moistening(north, sulphur, model)
    fast_sea = 1.3 - 0.9 * land  # rapid adjustment dries the sea, hardly the land
    adjustment = np.stack([fast_sea, fast_sea, np.ones_like(land), 0.5 + 3.0 * soot])
    delay = (1.0 - land) * (_bump(north, -58.0, 12.0) + 0.8 * _near(north, east, 55.0, 325.0, 14.0))
    pacific = _near(north, east, 0.0, 235.0, 38.0, aspect=4.0)
    indonesia = _near(north, east, 2.0, 130.0, 26.0, aspect=2.0)
    rim = _near(north, east, 32.0, 185.0, 20.0) + _near(north, east, -32.0, 190.0, 20.0)
    nino = pacific + 0.15 * _bump(north, 0.0, 20.0) - 0.3 * rim
    return ClimatePatterns(
        temperature=mean_temperature(latitude, longitude),
        precipitation=rain,
        warming=np.stack([one / area_mean(one, latitude) for one in warming]),
        delay=model.uptake_delay * (delay - area_mean(delay, latitude)),
        moistening=_per_watt(moistening, rain, latitude),
        adjustment=_per_watt(adjustment, rain, latitude),
        temperature_variability=model.variability * (0.25 + 0.25 * land + 0.55 * poles),
        precipitation_variability=model.variability * (0.09 + 0.05 * land + 0.05 * _dry(north)),
        nino_temperature=model.nino_variability * nino,
        nino_precipitation=0.4 * model.nino_variability * (pacific - 0.5 * indonesia),
    )


def mean_temperature(latitude: ArrayLike, longitude: ArrayLike) -> Array:
    r"""Return the annual mean near-surface air temperature of 1850.

    :math:`300.3 - 22 \sin^2\phi - 24 \sin^4\phi - \Gamma h` with the surface height :math:`h` and a
    lapse rate :math:`\Gamma` of 6.5 K / km, 6 K less over Antarctica.

    Parameters
    ----------
    latitude
        Rows ``[latitude]``, degrees north.
    longitude
        Columns ``[longitude]``, degrees east.

    Returns
    -------
    numpy.ndarray
        Temperature ``[latitude, longitude]``, K.
    """
    north = np.asarray(latitude, dtype=np.float64)[:, None]
    square = np.sin(np.deg2rad(north)) ** 2
    sea_level = 300.3 - 22.0 * square - 24.0 * square**2 - 6.0 * polar(-north)
    return np.asarray(sea_level - LAPSE_RATE * orography(latitude, longitude))


def mean_precipitation(latitude: ArrayLike, longitude: ArrayLike) -> Array:
    """Return the annual mean precipitation of 1850.

    A tropical rain belt north of the equator, storm tracks at 45 degrees, dry belts, little
    snow at the poles; wetter in the western Pacific, drier over land.

    Parameters
    ----------
    latitude
        Rows ``[latitude]``, degrees north.
    longitude
        Columns ``[longitude]``, degrees east.

    Returns
    -------
    numpy.ndarray
        Precipitation ``[latitude, longitude]``, kg m-2 s-1.
    """
    north, east = np.meshgrid(latitude, longitude, indexing="ij")
    belt = 5.0 * _bump(north, 6.0, 7.0) + 1.5 * _bump(north, -6.0, 8.0)
    storms = 2.6 * _bump(north, 45.0, 13.0) + 3.0 * _bump(north, -48.0, 13.0)
    zonal = 0.45 + 1.25 * np.cos(np.deg2rad(north)) ** 2 + belt + storms
    warm_pool = _near(north, east, 4.0, 135.0, 40.0, aspect=2.0)
    cold_tongue = _near(north, east, -8.0, 255.0, 35.0, aspect=3.0)
    regional = (1.0 + 0.7 * warm_pool) * (1.0 - 0.6 * cold_tongue)
    regional = regional * (1.0 - 0.3 * land_sea_mask(latitude, longitude))
    return np.asarray(zonal * regional / SECONDS_PER_DAY)


def area_mean(field: ArrayLike, latitude: ArrayLike) -> NDArray[np.float64]:
    """Return the mean over the sphere of ``[..., latitude, longitude]``, with cell areas.

    Examples
    --------
    >>> area_mean([[1.0], [3.0], [1.0]], [-60.0, 0.0, 60.0]).round(9)
    np.float64(2.0)
    """
    rows = np.mean(np.asarray(field, dtype=np.float64), axis=-1)
    return np.asarray(np.mean(rows * latitude_weights(latitude), axis=-1))[()]


def region_bumps(
    north: Array, east: Array, regions: tuple[tuple[float, float, float], ...]
) -> Array:
    """Return the sum of Gaussian bumps, 20 degrees wide, around (north, east, height)."""
    bumps = [height * _near(north, east, y, x, 20.0) for y, x, height in regions]
    return np.asarray(np.sum(bumps, axis=0))


def _warming(north: Array, land: Array, sulphur: Array, soot: Array, model: EarthModel) -> Array:
    amplified = 1.0 + (model.arctic_warming - 1.0) * polar(north)
    amplified = amplified + (model.antarctic_warming - 1.0) * polar(-north)
    greenhouse = amplified * (1.0 + (model.land_warming - 1.0) * land)
    lopsided = greenhouse * (0.5 + 0.7 / (1.0 + np.exp(-north / 12.0)))  # more in the north
    return np.stack([greenhouse, greenhouse, lopsided + 1.6 * sulphur, lopsided + 1.2 * soot])


def _moistening(north: Array, sulphur: Array, model: EarthModel) -> Array:
    wet = 0.8 * _bump(north, 2.0, 9.0) + 2.0 * (polar(north) + polar(-north))
    wetter = 1.0 + model.wet_gets_wetter * (wet - 1.6 * _dry(north))
    rain_belt = _bump(north, 9.0, 7.0) - _bump(north, -9.0, 7.0)  # a cooler north pushes it south
    return np.stack(
        [wetter, wetter, wetter + 2.5 * rain_belt + 1.5 * sulphur, wetter + 2.0 * rain_belt]
    )


def _dry(north: Array) -> Array:
    return _bump(north, 27.0, 10.0) + _bump(north, -30.0, 10.0)


def _per_watt(patterns: Array, precipitation: Array, latitude: ArrayLike) -> Array:
    latent_heat = LATENT_HEAT * area_mean(patterns * precipitation, latitude)
    return patterns / np.reshape(latent_heat, (-1, 1, 1))


def polar(north: Array) -> Array:
    """Return 1 at the North Pole, falling as the fourth power of the sine, 0 in the south."""
    return np.maximum(np.sin(np.deg2rad(north)), 0.0) ** 4


def _bump(north: Array, centre: float, width: float) -> Array:
    return np.exp(-(((north - centre) / width) ** 2))


def _near(
    north: Array,
    east: Array,
    centre_north: float,
    centre_east: float,
    radius: float,
    aspect: float = 1.0,
) -> Array:
    """Return a Gaussian bump ``radius`` degrees wide in longitude, ``aspect`` times less high."""
    across = (east - centre_east + 180.0) % 360.0 - 180.0
    across = across * np.cos(np.deg2rad(centre_north))
    along = (north - centre_north) * aspect
    return np.asarray(np.exp(-(across**2 + along**2) / radius**2))
