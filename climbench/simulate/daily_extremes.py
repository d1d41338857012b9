"""What the days of a year do: their range of temperature, and rain on the wet ones."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from climbench.simulate.climate_patterns import (
    BLACK_CARBON_REGIONS,
    SULPHUR_REGIONS,
    mean_precipitation,
    mean_temperature,
    region_bumps,
)
from climbench.simulate.planet_geography import land_sea_mask

Array = NDArray[np.float64]

SECONDS_PER_DAY = 86400.0
SEA_RANGE, LAND_RANGE = 1.5, 7.0  # K, of the day's temperature under clouds
DRY_RANGE = 7.0  # K more over land without any rain
DRY_RAIN = 1.5 / SECONDS_PER_DAY  # rain at which e^-1 of that is left, kg m-2 s-1
RANGE_PER_WARMING = -0.05  # over land, K per K of the local warming
RANGE_PER_WATT = 1.0  # where aerosols are, K per W m-2 of the global forcing (both dim the sun)
CLOUDINESS = 0.25  # the range falls as rain to the power of this

INTENSITY_PER_KELVIN = 0.065  # Clausius-Clapeyron
WET = 0.1  # the wettest tenth of the days is beyond the 0.9 quantile


def diurnal_temperature_range(
    temperature: Array,
    precipitation: Array,
    aerosol_forcing: Array,
    latitude: ArrayLike,
    longitude: ArrayLike,
) -> Array:
    r"""Return the annual mean of the daily maximum less the daily minimum.

    .. math::

        D = \max\Big(0,\ 1.5 + m \, \big(5.5 + 7 \, e^{-\bar P / P_0} - 0.05 \, (T - \bar T)
            + r_s F_s - r_b F_b \big) \Big) \, (P / \bar P)^{-1/4}

    with the land fraction :math:`m`, the state of 1850 :math:`\bar T, \bar P`, emission regions
    :math:`r` and forcings :math:`F` of sulphate (negative) and black carbon: dry land has the
    widest range, warming at night narrows it, aerosols dim the day, wet years are cloudy. Its
    numbers are chosen; signs and orders of magnitude are those of the references.

    Parameters
    ----------
    temperature
        ``[year, latitude, longitude]``, K.
    precipitation
        The same, kg m-2 s-1.
    aerosol_forcing
        Of sulphate and of black carbon, global ``[year, 2]``, W m-2.
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
    Dai, Trenberth and Karl (1999), J. Climate 12, 2451 (clouds and rain); Stone and Weaver (2003),
    Clim. Dyn. 20, 435 (greenhouse gases); Wild (2009), J. Geophys. Res. 114, D00D16 (dimming).
    """
    north, east = np.meshgrid(latitude, longitude, indexing="ij")
    land = land_sea_mask(latitude, longitude)
    rain = mean_precipitation(latitude, longitude)
    usual = LAND_RANGE - SEA_RANGE + DRY_RANGE * np.exp(-rain / DRY_RAIN)
    warming = temperature - mean_temperature(latitude, longitude)
    sulphate, soot = np.asarray(aerosol_forcing, dtype=np.float64).T
    dimming = np.multiply.outer(sulphate, region_bumps(north, east, SULPHUR_REGIONS))
    dimming -= np.multiply.outer(soot, region_bumps(north, east, BLACK_CARBON_REGIONS))
    range_ = SEA_RANGE + land * (usual + RANGE_PER_WARMING * warming + RANGE_PER_WATT * dimming)
    wetness = np.maximum(precipitation / rain, 0.05)
    return np.asarray(np.maximum(range_, 0.0) * wetness**-CLOUDINESS)


def heavy_precipitation(
    temperature: Array, precipitation: Array, latitude: ArrayLike, longitude: ArrayLike
) -> Array:
    r"""Return the 0.9 quantile of a year's daily rain.

    Of all days a share :math:`w` is wet, with exponentially distributed amounts of the mean
    :math:`P / w`, so the quantile is

    .. math:: q = \frac{P}{w} \ln \frac{w}{0.1}, \quad w > 0.1; \quad 0 \text{ else}, \quad
        w = \bar w \, \frac{P}{\bar P} \, e^{-0.065 (T - \bar T)}

    A warmer air rains 6.5 % harder per kelvin when it rains (Clausius and Clapeyron); the mean
    :math:`P` grows less, so wet days become fewer.

    Parameters
    ----------
    temperature
        ``[year, latitude, longitude]``, K.
    precipitation
        The same, kg m-2 s-1.
    latitude
        Rows ``[latitude]``, degrees north.
    longitude
        Columns ``[longitude]``, degrees east.

    Returns
    -------
    numpy.ndarray
        ``[year, latitude, longitude]``, kg m-2 s-1.

    References
    ----------
    Todorovic and Woolhiser (1975), J. Appl. Meteorol. 14, 17 (exponential amounts); Trenberth et
    al. (2003), Bull. Am. Meteorol. Soc. 84, 1205 (intensity and frequency).
    """
    rain = mean_precipitation(latitude, longitude)
    warming = temperature - mean_temperature(latitude, longitude)
    wet = usual_wet_share(rain) * precipitation / rain * np.exp(-INTENSITY_PER_KELVIN * warming)
    wet = np.clip(wet, WET, 0.95)
    return np.asarray(precipitation / wet * np.log(wet / WET))


def usual_wet_share(rain: ArrayLike) -> Array:
    """Return the share of wet days where it rains so much in the mean (kg m-2 s-1).

    Examples
    --------
    >>> usual_wet_share(np.array([0.5, 3.0, 9.0]) / 86400).round(2).tolist()
    [0.23, 0.52, 0.78]
    """
    depth = np.asarray(rain, dtype=np.float64) * SECONDS_PER_DAY
    return np.asarray(0.15 + 0.7 * (1.0 - np.exp(-depth / 4.0)))
