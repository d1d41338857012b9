r"""Weather at stations of the embedded planet: waves that a steering wind carries along.

An anomaly is a sum of many random waves,

.. math:: F(x, t) = \sqrt{2 / K} \sum_k \cos(\kappa_k \cdot (x - X(t)) + \omega_k t + \phi_k)

with :math:`X(t)` the way of the air from the start. The wave vectors :math:`\kappa_k` are drawn so
that the correlation of two places is :math:`e^{-d / L}`, and the frequencies :math:`\omega_k` so
that along the way of the air it is :math:`e^{-|t| / \tau}`: what happens upstream arrives a few
hours later, a little changed. A time needs no time before it: any part is computed by itself.

References
----------
Shinozuka and Deodatis (1991), Simulation of stochastic processes by spectral representation, Appl.
Mech. Rev. 44; Cressie and Huang (1999), J. Am. Stat. Assoc. 94 (frozen and evolving fields).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]

WAVES = 400
LENGTH = 500.0  # km, over which the correlation of two places falls to 1 / e
MEMORY = 36.0  # hours, over which that along the way of the air does
STEERING = 10.0  # m s-1 to the east in the mean
LAPSE_RATE = 0.0065  # K m-1
START = pd.Timestamp("2000-01-01")
SOUTH, NORTH, WEST, EAST = 28.0, 42.0, 102.0, 122.0  # degrees
FIELDS = ("temperature", "moisture", "pressure", "eastward", "northward")
MISSING = 0.015  # share of single values, and of whole days of a station, that are missing
CALM = 0.2  # m s-1, up to which a wind has no direction and 0 is written, as in Weather2K
KM_PER_DEGREE = 111.195
UNITS = {
    "2m_temperature": "K",
    "relative_humidity": "%",
    "surface_pressure": "Pa",
    "wind_speed": "m s-1",
    "wind_direction": "degree",
    "total_precipitation_1hr": "m",
    "total_precipitation_3hr": "m",
    "total_precipitation_6hr": "m",
}


@dataclass(frozen=True)
class StationWeather:
    """Hourly weather at stations on a plain with hills.

    Parameters
    ----------
    stations
        How many.
    seed
        The same seed gives the same numbers.
    """

    stations: int = 64
    seed: int = 0

    @cached_property
    def places(self) -> Array:
        """Latitude, longitude (degrees) and altitude (m) ``[station, 3]``."""
        drawn = np.random.default_rng([self.seed, 1])
        north, east = (
            drawn.uniform(SOUTH, NORTH, self.stations),
            drawn.uniform(WEST, EAST, self.stations),
        )
        altitude = drawn.gamma(1.5, 300.0, self.stations)
        return np.stack([north, east, altitude], axis=1).round(3)

    @cached_property
    def kilometres(self) -> Array:
        """Places on a plane, km to the east and to the north ``[station, 2]``."""
        north, east = self.places[:, 0], self.places[:, 1]
        along = np.cos(np.deg2rad((SOUTH + NORTH) / 2))
        return KM_PER_DEGREE * np.stack([(east - WEST) * along, north - SOUTH], axis=1)

    @cached_property
    def waves(self) -> dict[str, tuple[Array, Array, Array]]:
        r"""Vectors (km-1) ``[wave, 2]``, frequencies (h-1) and phases ``[wave]`` of each field.

        The spectrum of :math:`e^{-d / L}` on a plane is :math:`(1 + (\kappa L)^2)^{-3/2}`, that of
        :math:`e^{-|t| / \tau}` Cauchy's.
        """
        drawn = np.random.default_rng([self.seed, 2])
        made = {}
        for name in FIELDS:
            share = drawn.uniform(size=WAVES)
            size, turn = np.sqrt(share**-2 - 1) / LENGTH, drawn.uniform(0, 2 * np.pi, WAVES)
            vectors = size[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
            often = drawn.standard_cauchy(WAVES) / MEMORY
            made[name] = vectors, often, drawn.uniform(0, 2 * np.pi, WAVES)
        return made

    def steering(self, hours: Array) -> tuple[Array, Array]:
        """Return the steering wind (m s-1) ``[time, 2]`` and the way of the air (km) since START.

        It swings about west: by a quarter of its strength over nine days, and to both sides over
        six.
        """
        slow, quick = 2 * np.pi / (9.3 * 24), 2 * np.pi / (6.1 * 24)  # h-1
        a, b = STEERING / 4, STEERING / 2
        wind = np.stack([STEERING + a * np.sin(slow * hours), b * np.cos(quick * hours)], axis=1)
        way = [
            STEERING * hours + a / slow * (1 - np.cos(slow * hours)),
            b / quick * np.sin(quick * hours),
        ]
        return wind, 3.6 * np.stack(way, axis=1)

    def anomaly(self, name: str, hours: Array) -> Array:
        """Return a field of mean 0 and variance 1 ``[time, station]``."""
        vectors, often, phases = self.waves[name]
        when = hours[:, None] * often + phases - self.steering(hours)[1] @ vectors.T
        where = self.kilometres @ vectors.T
        waves = np.cos(when) @ np.cos(where).T - np.sin(when) @ np.sin(where).T
        return np.asarray(np.sqrt(2 / WAVES) * waves)

    def rain(self, hours: Array) -> Array:
        """Return the rain of the hour that ends then, m ``[time, station]``: zero mostly."""
        wet = self.anomaly("moisture", hours) - 0.5 * self.anomaly("pressure", hours) - 1.4
        return 0.002 * np.maximum(wet, 0.0) ** 2

    def fields(self, times: pd.DatetimeIndex) -> dict[str, NDArray[np.float32]]:
        """Return all variables ``[time, station]``, with gaps, of whole hours.

        Parameters
        ----------
        times
            Hours from START on.
        """
        hours = np.asarray((times - START) / pd.Timedelta("1h"), dtype=np.float64)
        days = [self._day(int(day), hours[hours // 24 == day]) for day in np.unique(hours // 24)]
        return {name: np.concatenate([day[name] for day in days]) for name in UNITS}

    def _day(self, day: int, hours: Array) -> dict[str, NDArray[np.float32]]:
        """Return the hours of one day; noise and gaps are drawn for the whole of it."""
        every = np.arange(24.0 * day, 24.0 * day + 24)
        drawn = np.random.default_rng([self.seed, 3, day])
        values = self._values(every, drawn)
        found = {}
        absent = drawn.random(self.stations) < MISSING
        for name, field in values.items():
            gaps = (drawn.random(field.shape) < MISSING) | absent
            kept = np.where(gaps, np.nan, field)[(hours - every[0]).astype(int)]
            found[name] = kept.astype(np.float32)
        return found

    def _values(self, hours: Array, drawn: np.random.Generator) -> dict[str, Array]:
        north, east, altitude = self.places.T
        day = hours[:, None] / 24.0
        season = -np.cos(2 * np.pi * (day - 15) / 365.25)
        daytime = np.cos(2 * np.pi * ((hours[:, None] + east / 15) % 24 - 15) / 24)
        base = 300.0 - 0.6 * (north - SOUTH) - LAPSE_RATE * altitude
        warm = 5.0 * self.anomaly("temperature", hours)
        temperature = base + 11 * season + 4 * daytime + warm + drawn.normal(0, 0.3, warm.shape)
        wet = self.anomaly("moisture", hours)
        dew = base - 7 + 11 * season + 0.6 * warm + 4 * wet
        humidity = 100 * np.minimum(1.0, saturation(dew) / saturation(temperature))
        level = 101325.0 + 700 * self.anomaly("pressure", hours)
        wind = self.steering(hours)[0]
        u = 0.35 * wind[:, :1] + 1.8 * self.anomaly("eastward", hours)
        v = 0.35 * wind[:, 1:] + 1.8 * self.anomaly("northward", hours)
        u, v = (each + drawn.normal(0, 0.4, each.shape) for each in (u, v))
        speed = np.hypot(u, v)
        calm, origin = speed <= CALM, np.mod(np.rad2deg(np.arctan2(-u, -v)), 360.0)
        before = self.rain(np.arange(hours[0] - 5, hours[-1] + 1))
        sums = {n: sum(before[5 - k : before.shape[0] - k] for k in range(n)) for n in (1, 3, 6)}
        return {
            "2m_temperature": temperature,
            "relative_humidity": humidity,
            "surface_pressure": level * np.exp(-9.80665 * altitude / (287.05 * (base + 3))),
            "wind_speed": speed,
            "wind_direction": np.where(calm, 0.0, origin),
            **{f"total_precipitation_{n}hr": np.asarray(each) for n, each in sums.items()},
        }


def saturation(temperature: Array) -> Array:
    """Return the vapour pressure over water at saturation, Pa, of a temperature in K.

    References
    ----------
    Bolton (1980), Mon. Wea. Rev. 108, eq. (10).

    Examples
    --------
    >>> float(saturation(np.array(273.15)).round(1))
    611.2
    """
    celsius = np.asarray(temperature) - 273.15
    return np.asarray(611.2 * np.exp(17.67 * celsius / (celsius + 243.5)))
