"""The embedded planet as a source: fields are computed when they are asked for."""

import hashlib
from pathlib import Path
from threading import Lock
from typing import Any

import dask
import dask.array
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.recipes.schema import Recipe, SimulatedAtmosphere, SimulatedEarth
from climbench.recipes.sources.source import Input, Opened, Surroundings
from climbench.simulate.atmosphere import Atmosphere
from climbench.simulate.earth import simulate_climate
from climbench.simulate.emissions import emissions_dataset, pathway
from climbench.variables import variable

BLOCK = 730  # steps that are computed together, at most, if that divides a shard
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
    return Opened(dataset, (_identity(source),))


def _block(shard: int) -> int:
    """Return steps of a block, so that a shard is whole blocks and no block is computed twice.

    Examples
    --------
    >>> _block(1460), _block(100), _block(367)
    (730, 100, 367)
    """
    blocks = -(-shard // BLOCK)
    return shard // blocks if shard % blocks == 0 else shard


def open_earth(source: SimulatedEarth, recipe: Recipe, surroundings: Surroundings) -> Opened:
    """Open the planet's climate: one block per scenario and member."""
    forcings = emissions_dataset([pathway(name) for name in source.scenarios])
    sample = simulate_climate(source.scenarios[:1], 1, source.model, source.seed)
    shape = (1, 1, forcings.sizes["time"], sample.sizes["latitude"], sample.sizes["longitude"])
    members = np.arange(1, source.members + 1)
    fields = {}
    blocks = [
        [dask.delayed(_earth_block)(source, name, int(member), forcings) for member in members]
        for name in source.scenarios
    ]
    for name in ("tas", "pr"):
        arrays = [
            [dask.array.from_delayed(block[name], shape, dtype=np.float32) for block in row]
            for row in blocks
        ]
        whole = dask.array.concatenate([dask.array.concatenate(row, axis=1) for row in arrays])
        fields[name] = (sample[name].dims, whole, sample[name].attrs)
    grid = {name: sample[name] for name in ("latitude", "longitude")}
    dataset = forcings.assign_coords({"member": members, **grid}).assign(fields)
    dataset.attrs = {k: v for k, v in sample.attrs.items() if k != "simulated"}
    return Opened(with_axes(dataset), (_identity(source),))


def _earth_block(
    source: SimulatedEarth, scenario: str, member: int, forcings: xr.Dataset
) -> Fields:
    climate = simulate_climate([scenario], [member], source.model, source.seed)
    fields = climate[["tas", "pr"]].reindex(time=forcings["time"])
    return {str(name): array.values for name, array in fields.items()}


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


def _identity(source: SimulatedAtmosphere | SimulatedEarth) -> Input:
    options = source.model_dump(mode="json", exclude={"kind"})
    text = "&".join(f"{key}={value}" for key, value in sorted(options.items()))
    address = f"climbench:{source.kind}?{text}"
    digest = hashlib.sha256(address.encode()).hexdigest()
    return Input(address, record={"address": address, "size": 0, "sha256": digest})
