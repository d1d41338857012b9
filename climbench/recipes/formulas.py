"""Formulas behind derived variables: pure functions on arrays, lazy or not."""

from typing import Any

import numpy as np

SOLAR_CONSTANT = 1361.0
"""Total solar irradiance at one astronomical unit, W m-2 (Kopp and Lean 2011)."""


def saturation_vapour_pressure(temperature: Any) -> Any:
    r"""Return the saturation vapour pressure over water, ice or a mixture of both.

    :math:`e = 611.21 \exp\{a_3 (T - 273.16) / (T - a_4)\}` Pa with
    :math:`(a_3, a_4) = (17.502, 32.19)` over water and :math:`(22.587, -0.7)` over ice; between
    250.16 K and 273.16 K the two are mixed with :math:`\alpha = ((T - 250.16) / 23)^2`.

    Parameters
    ----------
    temperature
        Air temperature, K.

    Returns
    -------
    array
        Pa.

    References
    ----------
    ECMWF, IFS Documentation CY47R3, part IV, section 7.4.2, eqs. (7.4) to (7.7).

    Examples
    --------
    >>> float(round(saturation_vapour_pressure(np.float64(273.16)), 2))
    611.21
    """
    melting, freezing = 273.16, 250.16
    water = 611.21 * np.exp(17.502 * (temperature - melting) / (temperature - 32.19))
    ice = 611.21 * np.exp(22.587 * (temperature - melting) / (temperature + 0.7))
    share = np.clip((temperature - freezing) / (melting - freezing), 0.0, 1.0) ** 2
    return share * water + (1.0 - share) * ice


def relative_humidity(specific_humidity: Any, temperature: Any, pressure: Any) -> Any:
    r"""Return the relative humidity, :math:`100\,e / e_{sat}(T)`.

    The vapour pressure is :math:`e = p q / (\epsilon + (1 - \epsilon) q)` with
    :math:`\epsilon = 0.621981`.

    Parameters
    ----------
    specific_humidity
        kg kg-1.
    temperature
        K.
    pressure
        Pa.

    Returns
    -------
    array
        Percent; not cut at 0 or 100.

    Examples
    --------
    >>> float(round(relative_humidity(np.float64(0.01), np.float64(290.0), 1e5), 1))
    83.4
    """
    epsilon = 0.621981
    vapour = pressure * specific_humidity / (epsilon + (1.0 - epsilon) * specific_humidity)
    return 100.0 * vapour / saturation_vapour_pressure(temperature)


def toa_incident_solar_radiation(
    day: Any, hour: Any, latitude: Any, longitude: Any, window: float = 1.0
) -> Any:
    r"""Return the solar energy that reached the top of the atmosphere in the hours before a time.

    :math:`S \int (r_0/r)^2 \max(0, \sin\phi \sin\delta + \cos\phi \cos\delta \cos h)\,dt`, with
    declination, equation of time and distance as Fourier series of the day, by the midpoint rule
    in steps of at most 10 minutes.

    Parameters
    ----------
    day
        Day of the year, 1..366.
    hour
        Hour of the day (UTC) at the end of the window.
    latitude, longitude
        Degrees north and east.
    window
        Length of the window, hours: 1 for ERA5's hourly field.

    Returns
    -------
    array
        J m-2, broadcast over all arguments.

    References
    ----------
    Spencer (1971), Fourier series representation of the position of the sun, Search 2(5).

    Examples
    --------
    >>> noon = toa_incident_solar_radiation(81.0, 12.5, 0.0, 0.0)  # equinox, equator
    >>> bool(0.98 < noon / (1361.0 * 3600.0) < 1.02)
    True
    """
    pieces = int(np.ceil(6 * window))
    total = 0.0
    for piece in range(pieces):
        before = window * (piece + 0.5) / pieces
        moment = hour - before
        angle = 2.0 * np.pi * (day - 1.0 + moment / 24.0) / 365.0
        total = total + _irradiance(angle, moment, latitude, longitude)
    return total * (3600.0 * window / pieces)


def _irradiance(angle: Any, hour: Any, latitude: Any, longitude: Any) -> Any:
    """Return the irradiance of a horizontal plane, W m-2, at a year angle and an hour (UTC)."""
    one, two, three = np.exp(1j * angle), np.exp(2j * angle), np.exp(3j * angle)
    declination = (
        0.006918
        + (-0.399912 * one.real + 0.070257 * one.imag)
        + (-0.006758 * two.real + 0.000907 * two.imag)
        + (-0.002697 * three.real + 0.001480 * three.imag)
    )
    equation_of_time = 229.18 * (  # minutes
        0.000075
        + (0.001868 * one.real - 0.032077 * one.imag)
        + (-0.014615 * two.real - 0.040849 * two.imag)
    )
    inverse_distance_squared = (
        1.000110
        + (0.034221 * one.real + 0.001280 * one.imag)
        + (0.000719 * two.real + 0.000077 * two.imag)
    )
    hour_angle = np.deg2rad(15.0 * (hour + equation_of_time / 60.0 - 12.0) + longitude)
    phi = np.deg2rad(latitude)
    elevation = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(
        hour_angle
    )
    return SOLAR_CONSTANT * inverse_distance_squared * np.maximum(elevation, 0.0)
