"""Sun and ground of the embedded planet: insolation and a slab that stores heat."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Field = NDArray[np.float64]

SOLAR_CONSTANT = 1361.0  # W m-2, Kopp and Lean (2011)
OBLIQUITY = 23.44  # degrees
YEAR = 365.2425  # days
DAYS_TO_EQUINOX = 79.3  # days from 1 January 2000 to the equinox of March
# Outgoing radiation and albedo: North, Cahalan and Coakley (1981)
OUTGOING_AT_FREEZING = 203.3  # W m-2
OUTGOING_SLOPE = 2.09  # W m-2 K-1
FREEZING = 273.15  # K
LAND_CAPACITY = 1.5e6  # J m-2 K-1, about half a metre of moist soil
OCEAN_CAPACITY = 1.2e8  # J m-2 K-1, thirty metres of water
OCEAN_HEATING = 50.0  # W m-2 that currents bring to the poles (and half of it from the equator)
EXCHANGE = 12.0  # W m-2 K-1 between surface and lower air, latent heat included


def season(days: float) -> float:
    """Return the angle of the year since the equinox of March, radians, for days since 2000.

    Examples
    --------
    >>> season(79.3)
    0.0
    """
    return 2 * np.pi * (days - DAYS_TO_EQUINOX) / YEAR


def insolation(days: float, latitude: ArrayLike, longitude: ArrayLike) -> Field:
    r"""Return the sunlight at the top of the atmosphere.

    :math:`S = S_0 \max(0, \sin\phi\sin\delta + \cos\phi\cos\delta\cos H)` with the declination
    :math:`\sin\delta = \sin\varepsilon \sin\alpha` on a circular orbit and the hour angle
    :math:`H = 2\pi (t - 1/2) + \lambda`.

    Parameters
    ----------
    days
        Time since 2000-01-01T00 UTC, days.
    latitude
        Rows ``[latitude]``, degrees north.
    longitude
        Columns ``[longitude]``, degrees east.

    Returns
    -------
    numpy.ndarray
        Insolation ``[latitude, longitude]``, W m-2.

    Examples
    --------
    >>> insolation(79.5, [0.0], [0.0, 90.0, 180.0]).round().tolist()  # noon at Greenwich
    [[1361.0, 0.0, 0.0]]
    """
    phi = np.deg2rad(np.asarray(latitude, dtype=np.float64))[:, None]
    hour_angle = 2 * np.pi * (days - 0.5) + np.deg2rad(np.asarray(longitude))[None, :]
    declination = np.arcsin(np.sin(np.deg2rad(OBLIQUITY)) * np.sin(season(days)))
    height = np.sin(phi) * np.sin(declination)
    height = height + np.cos(phi) * np.cos(declination) * np.cos(hour_angle)
    return np.asarray(SOLAR_CONSTANT * np.maximum(height, 0.0))


def second_legendre(latitude: ArrayLike) -> Field:
    """Return the second Legendre polynomial of the sine of latitude, as a column."""
    sine = np.sin(np.deg2rad(np.asarray(latitude, dtype=np.float64)))[:, None]
    return np.asarray(1.5 * sine**2 - 0.5)


def heat_capacity(land: Field) -> Field:
    """Return the capacity of a mixed surface, J m-2 K-1: the geometric mean of its parts.

    Examples
    --------
    >>> heat_capacity(np.array([0.0, 1.0])).tolist() == [OCEAN_CAPACITY, LAND_CAPACITY]
    True
    """
    return np.asarray(OCEAN_CAPACITY * (LAND_CAPACITY / OCEAN_CAPACITY) ** land)


def warm_surface(
    temperature: Field, air: Field, sunlight: Field, latitude: ArrayLike, land: Field, step: float
) -> tuple[Field, Field]:
    r"""Step the slab and return its temperature and the heat that it gave to the air.

    .. math:: C \dot T = (1 - \alpha) S + Q - A - B (T - T_0) - K (T - T_{air})

    is linear in :math:`T`, and is solved exactly with forcings that stay for the step.

    Parameters
    ----------
    temperature
        Surface temperature ``[latitude, longitude]``, K.
    air
        Temperature of the lower air brought down to the surface, K.
    sunlight
        Insolation, W m-2.
    latitude
        Rows, degrees north.
    land
        Land fraction, dimensionless.
    step
        Seconds.

    Returns
    -------
    tuple of numpy.ndarray
        Surface temperature after the step, K, and mean heat flux into the air, W m-2.
    """
    legendre = second_legendre(latitude)
    albedo = 0.303 + 0.0779 * legendre
    currents = OCEAN_HEATING * legendre * (1.0 - land)
    gain = (1.0 - albedo) * sunlight + currents - OUTGOING_AT_FREEZING
    damping = OUTGOING_SLOPE + EXCHANGE
    equilibrium = (gain + OUTGOING_SLOPE * FREEZING + EXCHANGE * air) / damping
    rate = damping / heat_capacity(land)
    kept = np.exp(-rate * step)
    warmed = equilibrium + (temperature - equilibrium) * kept
    mean = equilibrium + (temperature - equilibrium) * (1.0 - kept) / (rate * step)
    return warmed, EXCHANGE * (mean - air)
