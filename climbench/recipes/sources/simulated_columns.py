"""Simulated columns as a source: the variables of ClimSim's first vectors, on its grid."""

import hashlib
from dataclasses import fields
from typing import Any

import cftime
import dask
import dask.array
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.columns import column_variables, column_vectors, time_step
from climbench.errors import UserError
from climbench.recipes.schema import Dates, Recipe, SimulatedColumns, years
from climbench.recipes.sources.source import Input, Opened, Surroundings
from climbench.simulate.column_function import column_changes
from climbench.simulate.column_states import (
    DAYS_PER_YEAR,
    REFERENCE_PRESSURE,
    column_planet,
    column_states,
)

BLOCK = 24  # times of one task
UNITS, CALENDAR = "minutes since 0001-01-01", "noleap"
MINUTES = round(time_step() / 60)
STEPS_PER_DAY = 24 * 60 // MINUTES


def open_simulated_columns(
    source: SimulatedColumns, recipe: Recipe, surroundings: Surroundings
) -> Opened:
    """Open simulated columns ``[time, (level), column]``, not yet computed.

    Raises
    ------
    UserError
        If the recipe has no dates of a calendar without leap years.
    """
    if recipe.dates is None:
        raise UserError(f"recipe '{recipe.name}' needs 'dates', such as 0001-01/0001-12.")
    steps = _steps(recipe.dates, source.stride)
    planet, known, vectors = column_planet(), column_variables(), column_vectors("v1")
    columns, levels = planet.latitude.size, planet.temperature_mean.size
    blocks = [steps[at : at + BLOCK] for at in range(0, steps.size, BLOCK)]
    made = [dask.delayed(_fields)(source, block) for block in blocks]
    data: dict[str, Any] = {}
    for name in (*vectors.inputs, *vectors.targets):
        shape = (levels, columns) if known[name].levels else (columns,)
        arrays = [
            dask.array.from_delayed(one[name], (block.size, *shape), np.float32)
            for one, block in zip(made, blocks, strict=True)
        ]
        dims = ("time", *(("level",) if known[name].levels else ()), "column")
        attributes = {"units": known[name].units, "long_name": known[name].long_name}
        data[name] = (dims, dask.array.concatenate(arrays), attributes)
    minutes = steps * MINUTES
    time = cftime.num2date(minutes, UNITS, calendar=CALENDAR, only_use_cftime_datetimes=True)
    return Opened(xr.Dataset(data, {"time": time, **_grid()}), (_identity(source),))


def _steps(dates: Dates, stride: int) -> NDArray[np.int64]:
    """Return the numbers of the time steps within the dates, from the first of the year 1."""
    span = years(dates)
    days = xr.date_range(
        f"{span[0]:04d}-01-01", f"{span[-1]:04d}-12-31", calendar=CALENDAR, use_cftime=True
    )
    number = np.arange(days.size) + (span[0] - 1) * DAYS_PER_YEAR
    try:
        inside = xr.DataArray(number, {"time": days}, "time").sel(
            time=slice(dates.start, dates.end)
        )
        bounds = int(inside[0]), int(inside[-1]) + 1
    except (ValueError, IndexError) as error:
        raise UserError(
            f"'dates': {dates.start}/{dates.end} are none such as 0001-01-01/0001-12-31."
        ) from error
    return np.arange(bounds[0] * STEPS_PER_DAY, bounds[1] * STEPS_PER_DAY, stride)


def _fields(source: SimulatedColumns, steps: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
    """Return the fields of some steps: each step follows from the seed and its number alone."""
    parts: dict[str, list[NDArray[np.float32]]] = {}
    for step in steps:
        rng = np.random.default_rng([source.seed, int(step)])
        day = np.array([step / STEPS_PER_DAY % DAYS_PER_YEAR])
        states = column_states(day, rng, source.warming)
        changes = column_changes(states, rng, source.fidelity)
        for group in (states, changes):
            for field in fields(group):
                values = getattr(group, field.name).astype(np.float32)
                order = (0, 2, 1) if values.ndim == 3 else (0, 1)
                parts.setdefault(field.name, []).append(values.transpose(order))
    return {name: np.concatenate(values) for name, values in parts.items()}


def _grid() -> dict[str, Any]:
    """Return the coordinates of columns and levels, as those of ClimSim's own files."""
    planet = column_planet()
    level = 1000.0 * (planet.middle_a + planet.middle_b)
    interfaces = (planet.interface_a, planet.interface_b)
    return {
        "latitude": ("column", planet.latitude, {"units": "degrees_north"}),
        "longitude": ("column", planet.longitude, {"units": "degrees_east"}),
        "area": ("column", planet.area, {"units": "sr", "standard_name": "cell_area"}),
        "level": ("level", level, {"units": "hPa", "long_name": "hybrid level at 1000 hPa"}),
        "hyam": ("level", planet.middle_a, {"units": "1"}),
        "hybm": ("level", planet.middle_b, {"units": "1"}),
        **layer_coordinates(*interfaces, REFERENCE_PRESSURE),
    }


def layer_coordinates(
    a: NDArray[Any], b: NDArray[Any], reference_pressure: float
) -> dict[str, Any]:
    r"""Return the thickness of layers, :math:`\Delta p = A + B p_s`, as coordinates of the levels.

    Parameters
    ----------
    a, b
        Hybrid coefficients at the interfaces ``[interface]``.
    reference_pressure
        Pa.
    """
    return {
        "layer_a": ("level", reference_pressure * np.diff(a), {"units": "Pa"}),
        "layer_b": ("level", np.diff(b), {"units": "1"}),
    }


def _identity(source: SimulatedColumns) -> Input:
    options = source.model_dump(mode="json", exclude={"kind"})
    text = "&".join(f"{key}={value}" for key, value in sorted(options.items()))
    address = f"climbench:{source.kind}?{text}"
    digest = hashlib.sha256(address.encode()).hexdigest()
    return Input(address, record={"address": address, "size": 0, "sha256": digest})
