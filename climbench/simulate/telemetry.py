r"""Housekeeping of a simulated spacecraft: temperatures, what drives them, and labelled events.

Each of 11 bodies relaxes towards an equilibrium and exchanges heat with its neighbours,

.. math:: \frac{dT_k}{dt} = \lambda(T_k) \frac{E_k(t) - T_k}{\tau_k}
          + \frac{T_{k-1} - 2 T_k + T_{k+1}}{\tau_c},

with time constants :math:`\tau_k` of 1 to 48 hours, which louvres shorten to a third as they open
within a kelvin of a set point: :math:`\lambda` goes from 1 to 3. The equilibrium follows from
sunlight (the cosine of an angle, none from behind), heaters (duty times the squared voltage of the
bus), instruments (more than their sum where two run together) and the transmitter. Sensors add
noise and round; records have gaps. Nothing of it was measured.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from climbench.simulate.telemetry_covariates import (
    HEATERS,
    HOURS_PER_STEP,
    INSTRUMENTS,
    Series,
    simulate_covariates,
    unit,
)

STEP = "10min"
BODIES = 11
EXCHANGE = 30.0  # hours, tau_c
KINDS = ("spike", "step", "drift", "transient")
CAUSES = (
    *(f"wheel_current_{wheel}" for wheel in range(1, 5)),
    *(f"gyro_rate_{axis}" for axis in "xyz"),
    *(f"heater_duty_{heater}" for heater in range(1, 9)),
    *("bus_current", "bus_voltage"),
)
"""Covariates that an event can come from."""
STEPS_PER_DAY = 144


@dataclass(frozen=True)
class Event:
    """One injected anomaly.

    Attributes
    ----------
    parameter
        The temperature that it is in.
    cause
        The covariate that departs from its course at the same time.
    kind
        ``spike``, ``step``, ``drift`` or ``transient``.
    start, stop
        Steps, the first inside and the last outside.
    size
        Largest departure, in usual changes of the temperature within an hour.
    """

    parameter: str
    cause: str
    kind: str
    start: int
    stop: int
    size: float


def simulate_telemetry(times: pd.DatetimeIndex, events: int = 4, seed: int = 0) -> xr.Dataset:
    """Return 11 temperatures, 35 covariates and a label for each temperature ``[time]``.

    Parameters
    ----------
    times
        Every ten minutes from a midnight on, for two weeks or more.
    events
        Anomalies of each temperature: half of them in the last fifth, the others anywhere before.
    seed
        Of all random numbers.

    Returns
    -------
    xarray.Dataset
        ``label_NAME`` is 0, and during an event 1 + the place of its cause among
        ``flag_meanings``. Shared gaps of 1 to 12 hours are NaN.
    """
    random, steps = np.random.default_rng(seed), len(times)
    covariates = simulate_covariates(steps, random)
    names = [f"temperature_{number:02d}" for number in range(1, BODIES + 1)]
    temperatures = dict(zip(names, _temperatures(covariates, steps, random), strict=True))
    labels = {name: np.zeros(steps) for name in names}
    usual = {name: _hourly(values) for name, values in temperatures.items()}
    for event in _draw_events(names, steps, events, random):
        _inject(event, temperatures, covariates, labels, usual)
    for name in names:
        grain = random.choice([0.01, 0.02, 0.05])
        noisy = temperatures[name] + 0.01 * random.normal(size=steps)
        temperatures[name] = grain * np.round(noisy / grain)
    lost = _gaps(steps, random)
    return _dataset(times, temperatures, covariates, labels, lost)


def _temperatures(known: dict[str, Series], steps: int, random: np.random.Generator) -> Series:
    """Return the temperatures of all bodies ``[body, time]``, degC."""
    tau = np.geomspace(1, 48, BODIES)
    settled = np.stack([_equilibrium(known, scale, random) for scale in np.sqrt(2 + tau)], 1)
    opens = settled.mean(0)
    state = settled[: 10 * STEPS_PER_DAY].mean(0)
    found = np.empty((steps, BODIES))
    for step in range(steps):
        found[step] = state
        around = np.pad(state, 1, "edge")
        exchanged = (around[:-2] - 2 * state + around[2:]) / EXCHANGE
        louvres = 1 + 2 / (1 + np.exp(-4 * (state - opens)))
        state = state + HOURS_PER_STEP * (louvres * (settled[step] - state) / tau + exchanged)
    return found.T


def _equilibrium(known: dict[str, Series], scale: float, random: np.random.Generator) -> Series:
    """Return what the temperature of a body tends to ``[time]``, degC."""
    towards = np.deg2rad(known["solar_aspect_angle"] - random.uniform(0, 60))
    field = 15 * np.maximum(0.0, np.cos(towards)) + random.uniform(-20, 5)
    voltage = (known["bus_voltage"] / 28) ** 2
    for heater in random.choice(HEATERS, 2, replace=False) + 1:
        field = field + random.uniform(2, 5) * scale * known[f"heater_duty_{heater}"] * voltage
    first, second, third = random.choice(INSTRUMENTS, 3, replace=False) + 1
    modes = [known[f"instrument_mode_{number}"] for number in (first, second, third)]
    field = field + scale * (modes[0] + 3 * modes[1] * (1 - modes[0]) + 2 * modes[2] * modes[0])
    dish = np.cos(np.deg2rad(known["dish_azimuth"])) ** 2
    return np.asarray(field + random.uniform(1, 3) * scale * known["transmitter_on"] * dish)


def _hourly(values: Series) -> float:
    """Return the standard deviation of changes within an hour."""
    return float(np.std(values[6:] - values[:-6]))


def _draw_events(
    names: list[str], steps: int, events: int, random: np.random.Generator
) -> list[Event]:
    """Return events that do not overlap, of any temperature, nor come close to the ends."""
    late = (steps * 4) // 5
    found: list[Event] = []
    for begin, end, number in (
        (2 * STEPS_PER_DAY, late - STEPS_PER_DAY, (events + 1) // 2 * len(names)),
        (late + 2 * STEPS_PER_DAY, steps - STEPS_PER_DAY, events // 2 * len(names)),
    ):
        slots = np.linspace(begin, end, number + 1).astype(np.int64)
        for at, which in enumerate(random.permutation(number)):
            kind = str(random.choice(KINDS))
            length = {"spike": 4, "step": 36, "drift": 36, "transient": 24}[kind]
            room = max(1, int(slots[at + 1] - slots[at]) - length)
            start = int(slots[at] + random.integers(room))
            size = float(random.choice([-1, 1]) * random.uniform(5, 9))
            cause = str(random.choice(CAUSES))
            found.append(Event(names[which % len(names)], cause, kind, start, start + length, size))
    return found


def _inject(
    event: Event,
    temperatures: dict[str, Series],
    covariates: dict[str, Series],
    labels: dict[str, Series],
    usual: dict[str, float],
) -> None:
    """Add an event to its temperature and its cause, and label it."""
    where = slice(event.start, event.stop)
    share = np.linspace(0, 1, event.stop - event.start + 1)[1:]
    shape = {
        "spike": np.ones_like(share),
        "step": np.ones_like(share),
        "drift": share,
        "transient": np.exp(-4 * (share - share[0])),
    }[event.kind]
    temperatures[event.parameter][where] += event.size * usual[event.parameter] * shape
    cause = covariates[event.cause]
    cause[where] += 6 * cause.std()
    labels[event.parameter][where] = 1 + sorted(covariates).index(event.cause)


def _gaps(steps: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Return which steps were lost on the way to the ground ``[time]``."""
    lost = np.zeros(steps, dtype=np.bool_)
    for start in random.integers(0, steps, max(1, steps // 2000)):
        lost[start : start + random.integers(6, 73)] = True
    return lost


def _dataset(
    times: pd.DatetimeIndex,
    temperatures: dict[str, Series],
    covariates: dict[str, Series],
    labels: dict[str, Series],
    lost: NDArray[np.bool_],
) -> xr.Dataset:
    meanings = {"flag_meanings": " ".join(["nominal", *sorted(covariates)]), "units": "1"}

    def series(
        values: Series, **attributes: str
    ) -> tuple[str, NDArray[np.float32], dict[str, str]]:
        return "time", np.where(lost, np.nan, values).astype(np.float32), attributes

    data = {name: series(values, units="degC") for name, values in temperatures.items()}
    data |= {name: series(values, units=unit(name)) for name, values in covariates.items()}
    for name, values in labels.items():
        data[f"label_{name}"] = ("time", values.astype(np.float32), meanings)
    return xr.Dataset(data, {"time": times.as_unit("ns")})
