"""States of atmospheric columns: drawn about published statistics, on the real grid of ClimSim."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import yaml
from numpy.typing import NDArray

Array = NDArray[np.float64]

REFERENCE_PRESSURE = 1e5  # Pa
GRAVITY = 9.80616  # m s-2
SOLAR_CONSTANT = 1361.0  # W m-2
TILT = np.deg2rad(23.44)
DAYS_PER_YEAR = 365  # of the calendar without leap years
LEVEL_CORRELATION = 0.9  # of the drawn part of neighbouring levels
SEASON_SHARE = 0.85  # of the deviation of temperature at the surface that follows the sun
PRESSURE_STD = 500.0  # of the weather, Pa
TROPOPAUSE = 1.2e4  # Pa; humidity above does not follow temperature
DRY_SPREAD = 0.3  # of the logarithm of relative humidity
WARMEST = 1.7  # deviations that warm air comes near to
EXCHANGE = 2.2e-3  # of heat and vapour with the surface, dimensionless
WIND, WIND_SPREAD = 6.0, 0.35  # mean, m s-1, and spread of its logarithm
WETNESS = 0.54  # of the surface: land is drier than the sea
MELTING = 273.15  # K
DRY_AIR, VAPOUR_RATIO = 287.04, 0.622  # J kg-1 K-1; gas constants of dry air over that of vapour
HEAT_CAPACITY, LATENT_HEAT = 1004.64, 2.501e6  # J kg-1 K-1, J kg-1


@dataclass(frozen=True)
class ColumnPlanet:
    """The grid and the statistics that states are drawn about.

    Attributes
    ----------
    latitude, longitude
        Degrees north and east ``[column]``.
    area
        Steradians ``[column]``.
    surface_pressure
        Of the topography, Pa ``[column]``.
    interface_a, interface_b
        Hybrid coefficients at the interfaces of the levels ``[interface]``, from the top down.
    temperature_mean, temperature_std
        K ``[level]``.
    humidity_mean
        kg kg-1 ``[level]``.
    """

    latitude: Array
    longitude: Array
    area: Array
    surface_pressure: Array
    interface_a: Array
    interface_b: Array
    temperature_mean: Array
    temperature_std: Array
    humidity_mean: Array

    @property
    def middle_a(self) -> Array:
        """Hybrid coefficient of pressure alone at the middle of each level ``[level]``."""
        return np.asarray((self.interface_a[1:] + self.interface_a[:-1]) / 2)

    @property
    def middle_b(self) -> Array:
        """Hybrid coefficient of surface pressure at the middle of each level ``[level]``."""
        return np.asarray((self.interface_b[1:] + self.interface_b[:-1]) / 2)

    def pressure(self, surface_pressure: Array) -> Array:
        """Return the pressure at the middle of each level ``[..., level]``, Pa."""
        return np.asarray(
            REFERENCE_PRESSURE * self.middle_a + surface_pressure[..., None] * self.middle_b
        )

    def mass(self, surface_pressure: Array) -> Array:
        """Return the mass of each layer ``[..., level]``, kg m-2."""
        thickness = REFERENCE_PRESSURE * np.diff(self.interface_a)
        return np.asarray(
            (thickness + surface_pressure[..., None] * np.diff(self.interface_b)) / GRAVITY
        )


@cache
def column_planet() -> ColumnPlanet:
    """Return the grid of 384 columns and 60 levels, and its statistics."""
    text = files("climbench.simulate").joinpath("column_planet.yaml").read_text("utf-8")
    content = yaml.safe_load(text)
    parts = {**content["grid"], **content["statistics"]}
    return ColumnPlanet(**{name: np.array(values, np.float64) for name, values in parts.items()})


@dataclass(frozen=True)
class ColumnStates:
    """States of columns before the physics; the names of fields are those of ClimSim.

    Attributes
    ----------
    state_t, state_q0001
        Temperature, K, and specific humidity, kg kg-1 ``[time, column, level]``.
    state_ps
        Surface pressure, Pa ``[time, column]``.
    pbuf_SOLIN, pbuf_LHFLX, pbuf_SHFLX
        Insolation, latent and sensible heat flux from the surface, W m-2 ``[time, column]``.
    """

    state_t: Array
    state_q0001: Array
    state_ps: Array
    pbuf_SOLIN: Array
    pbuf_LHFLX: Array
    pbuf_SHFLX: Array


def saturation_humidity(temperature: Array, pressure: Array) -> Array:
    r"""Return the specific humidity of saturated air, kg kg-1.

    .. math:: e_s = 611.2 \, \exp\frac{17.67 (T - 273.15)}{T - 29.65}, \quad
              q_s = \min(1, 0.622 \, e_s / p)

    Bolton (1980), Mon. Weather Rev. 108, 1046-1053, eq. (10), over water at all temperatures.

    Parameters
    ----------
    temperature, pressure
        K and Pa, of one shape.
    """
    celsius = np.maximum(temperature, 150.0) - MELTING
    vapour_pressure = 611.2 * np.exp(17.67 * celsius / (celsius + 243.5))
    return np.asarray(np.minimum(1.0, VAPOUR_RATIO * vapour_pressure / pressure))


def cosine_of_zenith(day: Array, latitude: Array, longitude: Array) -> Array:
    """Return the cosine of the sun's zenith angle ``[time, column]``, negative at night.

    Parameters
    ----------
    day
        Days since the beginning of the year with their fraction, UTC ``[time]``.
    latitude, longitude
        Degrees ``[column]``.
    """
    declination = _declination(day)[:, None]
    angle = 2 * np.pi * (day[:, None] % 1.0 + longitude / 360.0) - np.pi
    north = np.deg2rad(latitude)
    return np.asarray(
        np.sin(north) * np.sin(declination) + np.cos(north) * np.cos(declination) * np.cos(angle)
    )


def daily_insolation(day: Array, latitude: Array) -> Array:
    """Return the insolation of a whole day at the top of the air ``[time, column]``, W m-2."""
    declination, north = _declination(day)[:, None], np.deg2rad(latitude)
    half = np.arccos(np.clip(-np.tan(north) * np.tan(declination), -1.0, 1.0))
    sun = half * np.sin(north) * np.sin(declination)
    return np.asarray(
        SOLAR_CONSTANT / np.pi * (sun + np.cos(north) * np.cos(declination) * np.sin(half))
    )


def _declination(day: Array) -> Array:
    return np.asarray(-TILT * np.cos(2 * np.pi * (day + 10.0) / DAYS_PER_YEAR))


def column_states(day: Array, rng: np.random.Generator, warming: float = 0.0) -> ColumnStates:
    r"""Draw states of all columns at some times, independent from time to time.

    Temperature is the published mean of its level and a deviation of the published size: a part
    follows the day's insolation of the place a month before, less so the higher, the rest is
    noise whose neighbouring levels are correlated by 0.9. Below 120 hPa relative humidity is drawn
    about the one of the mean profile, higher up humidity about its mean, both log-normal. Warm
    deviations end at 1.7 published ones, as the tropics do. Surface
    fluxes are bulk formulas, :math:`E = \rho C |u| L (q_s(T_s) - q)` and :math:`H = \rho C |u| c_p
    (T_s - T)`, with a wind and a difference of temperature that are drawn.

    Parameters
    ----------
    day
        Days since the beginning of the year with their fraction ``[time]``.
    rng
        Where chance comes from.
    warming
        By how much all levels below 120 hPa are warmer, K: relative humidity stays, so that
        humidity grows after Clausius and Clapeyron.
    """
    planet = column_planet()
    times, columns, levels = day.size, planet.latitude.size, planet.temperature_mean.size
    surface = planet.surface_pressure + PRESSURE_STD * rng.standard_normal((times, columns))
    pressure = planet.pressure(surface)
    sun = daily_insolation(day - 30.0, planet.latitude)
    pattern = (sun - 330.0) / 110.0  # of mean 0 and deviation 1 over the globe and the year
    share = SEASON_SHARE * np.clip((pressure - 1e4) / 7e4, 0.0, 1.0)
    noise = _noise(rng, (times, columns, levels))
    deviation = share * pattern[..., None] + np.sqrt(1 - share**2) * noise
    deviation = np.where(deviation > 0, WARMEST * np.tanh(deviation / WARMEST), deviation)
    below = pressure > TROPOPAUSE
    temperature = planet.temperature_mean + planet.temperature_std * deviation
    temperature += warming * below
    humidity = _humidity(planet, temperature, pressure, below, rng)
    cosine = cosine_of_zenith(day, planet.latitude, planet.longitude)
    latent, sensible = _surface_fluxes(
        temperature[..., -1], humidity[..., -1], surface, cosine, rng
    )
    return ColumnStates(
        state_t=temperature,
        state_q0001=humidity,
        state_ps=surface,
        pbuf_SOLIN=SOLAR_CONSTANT * np.maximum(cosine, 0.0),
        pbuf_LHFLX=latent,
        pbuf_SHFLX=sensible,
    )


def _noise(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return noise of variance 1 whose neighbouring levels (last axis) are correlated."""
    noise = rng.standard_normal((shape[-1], *shape[:-1]))
    rest = np.sqrt(1 - LEVEL_CORRELATION**2)
    for level in range(1, shape[-1]):
        noise[level] = LEVEL_CORRELATION * noise[level - 1] + rest * noise[level]
    return np.ascontiguousarray(np.moveaxis(noise, 0, -1))


def _humidity(
    planet: ColumnPlanet,
    temperature: Array,
    pressure: Array,
    below: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Array:
    mean_pressure = planet.pressure(np.array(REFERENCE_PRESSURE))
    of_mean = saturation_humidity(planet.temperature_mean, mean_pressure)
    relative = np.clip(planet.humidity_mean / of_mean, 0.02, 0.85)
    noise = _noise(rng, temperature.shape)
    drawn = np.minimum(1.05, relative * np.exp(DRY_SPREAD * noise - DRY_SPREAD**2 / 2))
    moist = drawn * saturation_humidity(temperature, pressure)
    return np.asarray(np.where(below, moist, planet.humidity_mean * np.exp(0.2 * noise)))


def _surface_fluxes(
    temperature: Array, humidity: Array, pressure: Array, cosine: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return the latent and the sensible heat flux ``[time, column]``, W m-2."""
    wind = WIND * np.exp(WIND_SPREAD * rng.standard_normal(temperature.shape))
    warmer = 0.5 + 2.0 * np.maximum(cosine, 0.0) + rng.standard_normal(temperature.shape)
    conductance = EXCHANGE * wind * pressure / (DRY_AIR * temperature)
    deficit = saturation_humidity(temperature + warmer, pressure) - humidity
    return (
        np.asarray(WETNESS * conductance * LATENT_HEAT * deficit),
        np.asarray(conductance * HEAT_CAPACITY * warmer),
    )
