"""What a simulated spacecraft does: attitude, heaters, instruments, power, wheels, gyroscopes."""

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]
HOURS_PER_STEP = 1 / 6
INSTRUMENTS, HEATERS, WHEELS, AXES = 6, 8, 4, ("x", "y", "z")

UNITS = {
    "solar_aspect_angle": "degree",
    "attitude": "degree",
    "transmitter_on": "1",
    "dish": "degree",
    "instrument_mode": "1",
    "heater_duty": "1",
    "bus_voltage": "V",
    "bus_current": "A",
    "battery_charge": "1",
    "wheel_speed": "rpm",
    "wheel_current": "A",
    "gyro_rate": "degree h-1",
}
"""Units by the beginning of the name."""


def simulate_covariates(steps: int, random: np.random.Generator) -> dict[str, Series]:
    """Return the 35 covariates every ten minutes, from midnight on.

    The attitude moves in steps (slews) between rests of some 12 hours, and the angle to the Sun
    follows it on an annual drift. Heaters are switched with periods of 3 to 9 hours, instruments
    and the transmitter by a daily schedule with exceptions; currents, voltage and charge follow
    from what is on; wheels wander, and gyroscopes show slews.

    Parameters
    ----------
    steps
        Number of steps.
    random
        Where the numbers come from.

    Returns
    -------
    dict
        Name to values ``[time]``.
    """
    hours: Series = np.asarray(np.arange(steps) * HOURS_PER_STEP, dtype=np.float64)
    slews = random.random(steps) < HOURS_PER_STEP / 12
    found: dict[str, Series] = {}
    attitude = [_rests(slews, random) for _ in AXES]
    drift = 15 * np.sin(2 * np.pi * hours / (24 * 365.25))
    found["solar_aspect_angle"] = 85 + drift + 4 * attitude[0]
    found |= {f"attitude_{axis}": 3 * one for axis, one in zip(AXES, attitude, strict=True)}
    found |= _schedules(hours, random)
    for number in range(HEATERS):
        found[f"heater_duty_{number + 1}"] = _duty(hours, random)
    found |= _power(found, random)
    for number in range(WHEELS):
        wander = np.convolve(random.normal(size=steps + 143), np.ones(144) / 12, "valid")
        speed = 2000 + 300 * wander + 150 * attitude[number % 3]
        found[f"wheel_speed_{number + 1}"] = speed
        found[f"wheel_current_{number + 1}"] = speed / 4000 + 0.01 * random.normal(size=steps)
    for axis in AXES:
        found[f"gyro_rate_{axis}"] = random.normal(size=steps) * np.where(slews, 3.0, 0.1)
    return found


def _rests(slews: NDArray[np.bool_], random: np.random.Generator) -> Series:
    """Return a level that is drawn anew at each slew."""
    levels = random.normal(size=int(slews.sum()) + 1)
    return np.asarray(levels[np.cumsum(slews)])


def _schedules(hours: Series, random: np.random.Generator) -> dict[str, Series]:
    """Return instruments and transmitter, on in a window of most days, and the dish's angles."""
    day, hour = np.divmod(hours, 24)
    days = day.astype(np.int64)

    def window(begin: float, length: float, kept: float) -> Series:
        planned = random.random(days[-1] + 1) < kept
        on: Series = ((hour - begin) % 24 < length) * planned[days] * 1.0
        return on

    found = {
        f"instrument_mode_{number + 1}": window(4 * number, 5 + number % 3, 0.85)
        for number in range(INSTRUMENTS)
    }
    on = window(18, 4, 0.9)
    found["transmitter_on"] = on
    track = np.clip((hour - 18) / 4, 0, 1)
    found["dish_azimuth"] = on * (120 * track - 60)
    found["dish_elevation"] = on * 60 * np.sin(np.pi * track)
    return found


def _duty(hours: Series, random: np.random.Generator) -> Series:
    """Return the share of the time that a heater is on, switched with a period of its own."""
    period, share = random.uniform(3, 9), random.uniform(0.3, 0.6)
    high = random.uniform(0.6, 0.95)
    on = (hours / period + random.random()) % 1 < share
    return np.where(on, high, 0.05) + 0.01 * random.random(hours.size)


def _power(known: dict[str, Series], random: np.random.Generator) -> dict[str, Series]:
    """Return current and voltage of the bus, and the charge of the battery."""
    heaters = sum(values for name, values in known.items() if name.startswith("heater_duty"))
    modes = sum(values for name, values in known.items() if name.startswith("instrument_mode"))
    noise = random.normal(size=(2, known["transmitter_on"].size))
    current = 6 + heaters + 1.5 * modes + 3 * known["transmitter_on"] + 0.05 * noise[0]
    charge = np.clip(0.95 - 0.02 * (current - 10), 0.3, 1.0)
    return {
        "bus_current": np.asarray(current),
        "bus_voltage": np.asarray(29 - 0.08 * current + 0.02 * noise[1]),
        "battery_charge": np.asarray(charge),
    }


def unit(name: str) -> str:
    """Return the unit of a covariate.

    Examples
    --------
    >>> unit("heater_duty_3"), unit("gyro_rate_x")
    ('1', 'degree h-1')
    """
    return next(unit for beginning, unit in UNITS.items() if name.startswith(beginning))
