"""The embedded planet as a source: fields are computed when they are asked for."""

import hashlib
from pathlib import Path
from threading import Lock
from typing import Any

import dask
import dask.array
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.recipes.schema import (
    Recipe,
    SimulatedAtmosphere,
    SimulatedEarth,
    SimulatedStations,
    SimulatedTelemetry,
)
from climbench.recipes.sources.source import Input, Opened, Surroundings
from climbench.simulate.atmosphere import Atmosphere
from climbench.simulate.earth import simulate_climate
from climbench.simulate.emission_maps import FLUX, REGIONS, emission_maps
from climbench.simulate.emissions import emissions_dataset, pathway
from climbench.simulate.telemetry import STEP, simulate_telemetry
from climbench.variables import variable

BLOCK = 730  # steps that are computed together, at most, if that divides a shard
SHORTEST = 2000  # steps of telemetry, some two weeks, in which events find room
Fields = dict[str, NDArray[np.float32]]


class WeatherBlocks:
    """Blocks of a simulation; the state at each block's start is kept on disk.

    A block follows from the state that the block before it has left, so that any of them can be
    computed again, and a build that was killed goes on with the same bytes.

    Parameters
    ----------
    atmosphere
        The model.
    block
        Steps of a block.
    folder
        Where the states lie.
    """

    def __init__(self, atmosphere: Atmosphere, block: int, folder: Path) -> None:
        self.atmosphere = atmosphere
        self.block = block
        self.folder = folder
        self._lock = Lock()

    def fields(self, number: int, steps: int) -> Fields:
        """Return the fields of the first ``steps`` steps of a block."""
        with self._lock:
            known = number
            while known > 0 and not self._path(known).exists():
                known -= 1
            state = self._load(known)
            for earlier in range(known, number):
                _, state = self.atmosphere.integrate(state, self.block)
                self._save(earlier + 1, state)
            fields, state = self.atmosphere.integrate(state, steps)
            if steps == self.block:
                self._save(number + 1, state)
        return fields

    def _path(self, number: int) -> Path:
        return self.folder / f"atmosphere-{self.atmosphere.seed}-{self.block}-{number}.npz"

    def _load(self, number: int) -> dict[str, Any]:
        if not self._path(number).exists():
            state = self.atmosphere.initial_state()
            self._save(number, state)
            return state
        with np.load(self._path(number)) as arrays:
            return {name: arrays[name] for name in arrays.files}

    def _save(self, number: int, state: dict[str, Any]) -> None:
        path = self._path(number)
        if path.exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            np.savez(file, **state)
        temporary.replace(path)


def open_atmosphere(
    source: SimulatedAtmosphere, recipe: Recipe, surroundings: Surroundings
) -> Opened:
    """Open the planet's weather from 2000-01-01 to the recipe's last date."""
    atmosphere = Atmosphere(seed=source.seed)
    step = np.timedelta64(atmosphere.hours_per_step, "h")
    coordinates = {name: (name, values) for name, values in atmosphere.coordinates().items()}
    end = recipe.dates.end if recipe.dates else "2000"
    last = np.datetime64(end.replace(" ", "T")) + 1  # the unit of the text: all of a year or day
    time = np.arange(atmosphere.start, last, step)
    if not time.size:
        raise UserError(f"the embedded planet's weather begins on 2000-01-01, after {end}.")
    block = _block(recipe.output.shard or BLOCK)
    blocks = WeatherBlocks(atmosphere, block, surroundings.states)
    starts = range(0, time.size, block)
    pieces = [
        (dask.delayed(blocks.fields)(i, min(block, time.size - s)), min(block, time.size - s))
        for i, s in enumerate(starts)
    ]
    data: dict[str, Any] = {}
    grid = (len(coordinates["latitude"][1]), len(coordinates["longitude"][1]))
    for name, unit in atmosphere.units.items():
        levels = (len(coordinates["level"][1]),) if name in ("geopotential", "temperature") else ()
        arrays = [
            dask.array.from_delayed(piece[name], (steps, *levels, *grid), dtype=np.float32)
            for piece, steps in pieces
        ]
        dims = ("time", *(("level",) if levels else ()), "latitude", "longitude")
        data[name] = (dims, dask.array.concatenate(arrays), variable(name).attributes)
        if data[name][2]["units"] != unit:
            raise ValueError(f"{name}: simulated in {unit}, the variable table says otherwise")
    for name, field in atmosphere.static().items():
        data[name] = (("latitude", "longitude"), field, variable(name).attributes)
    dataset = with_axes(xr.Dataset(data, {"time": time, **coordinates}))
    return Opened(dataset, (identity(source),))


def _block(shard: int) -> int:
    """Return steps of a block, so that a shard is whole blocks and no block is computed twice.

    Examples
    --------
    >>> _block(1460), _block(100), _block(367)
    (730, 100, 367)
    """
    blocks = -(-shard // BLOCK)
    return shard // blocks if shard % blocks == 0 else shard


GRIDS: dict[str, tuple[NDArray[np.floating], NDArray[np.floating]]] = {
    "planet": (np.arange(32) * 5.625 - 87.1875, np.arange(64) * 5.625),
    "climatebench": (np.linspace(-90.0, 90.0, 96), np.arange(144) * 2.5),
}
"""Rows and columns, degrees north and east."""


def open_earth(source: SimulatedEarth, recipe: Recipe, surroundings: Surroundings) -> Opened:
    """Open the planet's climate: one block per climate model, scenario and member."""
    latitude, longitude = GRIDS[source.grid]
    forcings = emissions_dataset([pathway(name) for name in source.scenarios])
    if source.emission_maps:
        forcings = _with_maps(forcings, latitude, longitude)
    models = source.model if isinstance(source.model, list) else [source.model]
    if len(set(models)) < len(models):
        raise UserError("option 'model' of simulated_earth names a climate model twice.")
    datasets = [_earth(source, model, forcings) for model in models]
    dataset = datasets[0]
    if isinstance(source.model, list):
        labels = xr.Variable("source_id", [f"planet-{model}" for model in models])
        fields = [one[source.variables] for one in datasets]
        dataset = forcings.merge(xr.concat([*fields], labels, join="exact"))
    return Opened(with_axes(dataset), (identity(source),))


def _earth(source: SimulatedEarth, model: int, forcings: xr.Dataset) -> xr.Dataset:
    """Return one climate model's fields and what drives them, not yet computed."""
    latitude, longitude = GRIDS[source.grid]
    options = (model, source.seed, latitude, longitude, source.variables)
    sample = simulate_climate(source.scenarios[:1], 1, model, source.seed, [0.0], [0.0], options[4])
    shape = (1, 1, forcings.sizes["time"], latitude.size, longitude.size)
    members = np.arange(1, source.members + 1)
    blocks = [
        [
            dask.delayed(_earth_block)(name, int(member), options, forcings["time"])
            for member in members
        ]
        for name in source.scenarios
    ]
    fields = {}
    for name in source.variables:
        arrays = [
            [dask.array.from_delayed(block[name], shape, dtype=np.float32) for block in row]
            for row in blocks
        ]
        whole = dask.array.concatenate([dask.array.concatenate(row, axis=1) for row in arrays])
        fields[name] = (sample[name].dims, whole, sample[name].attrs)
    axes = {"member": members, "latitude": latitude, "longitude": longitude}
    dataset = forcings.assign_coords(axes).assign(fields)
    dataset.attrs = {k: v for k, v in sample.attrs.items() if k != "simulated"}
    return dataset


def _earth_block(
    scenario: str, member: int, options: tuple[Any, ...], time: xr.DataArray
) -> Fields:
    climate = simulate_climate([scenario], [member], *options)
    fields = climate[list(options[4])].reindex(time=time)
    return {str(name): array.values for name, array in fields.items()}


def _with_maps(
    emissions: xr.Dataset, latitude: NDArray[np.floating], longitude: NDArray[np.floating]
) -> xr.Dataset:
    """Return the emissions with maps of the aerosols in place of their totals."""
    years = emissions["time"].dt.year.values
    dims = ("scenario", "time", "latitude", "longitude")
    for name in REGIONS:
        maps = [
            emission_maps(name, totals, years, latitude, longitude).astype(np.float32)
            for totals in emissions[name].values
        ]
        attributes = emissions[name].attrs | {"units": FLUX}
        emissions = emissions.assign({name: (dims, np.stack(maps), attributes)})
    return emissions.assign_coords(latitude=latitude, longitude=longitude)


def open_telemetry(
    source: SimulatedTelemetry, recipe: Recipe, surroundings: Surroundings
) -> Opened:
    """Open the spacecraft's records over the recipe's dates."""
    if recipe.dates is None:
        raise ValueError("the schema lets no simulated telemetry through without dates")
    times = pd.date_range(recipe.dates.start, pd.Period(recipe.dates.end).end_time, freq=STEP)
    if len(times) < SHORTEST:
        raise UserError(
            f"simulated_telemetry needs {SHORTEST} steps of ten minutes or more, and the dates "
            f"hold {len(times)}: lengthen 'dates'."
        )
    dataset = simulate_telemetry(times, source.events, source.seed)
    return Opened(with_axes(dataset.chunk(time=BLOCK * 10)), (identity(source),))


def with_axes(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset with CF attributes on the coordinates that it has."""
    attributes = {
        "time": {"standard_name": "time"},
        "level": {"standard_name": "air_pressure", "units": "hPa", "positive": "down"},
        "latitude": {"standard_name": "latitude", "units": "degrees_north"},
        "longitude": {"standard_name": "longitude", "units": "degrees_east"},
    }
    named = {
        name: dataset[name].assign_attrs(attributes[name])
        for name in attributes
        if name in dataset.coords
    }
    return dataset.assign_coords(named)


def identity(
    source: SimulatedAtmosphere | SimulatedEarth | SimulatedStations | SimulatedTelemetry,
) -> Input:
    """Return what stands for the source in a store's provenance."""
    options = source.model_dump(mode="json", exclude={"kind"})
    text = "&".join(f"{key}={value}" for key, value in sorted(options.items()))
    address = f"climbench:{source.kind}?{text}"
    digest = hashlib.sha256(address.encode()).hexdigest()
    return Input(address, record={"address": address, "size": 0, "sha256": digest})
