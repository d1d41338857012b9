"""The plan: what a build would take, with a speed that was measured."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from climbench.recipes import build, load_recipe, plan
from climbench.recipes.parts import COPIES, lay_out
from climbench.recipes.plan import Plan, duration, size
from climbench.recipes.workers import cores

WriteRecipe = Callable[..., Path]


def shown(planned: Plan) -> str:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(planned)
    return console.export_text()


def test_the_speed_is_that_of_the_last_build(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    recipe = load_recipe(str(write_recipe()))
    stores = tmp_path / "stores"
    path = build(recipe, stores, archive)
    entries = [json.loads(line) for line in (path / "ledger.jsonl").read_text().splitlines()]
    assert sum(entry["bytes"] for entry in entries) == open_size(path)
    assert all(entry["seconds"] > 0 for entry in entries)

    def write_ledger(seconds: float) -> None:
        lines = "".join(json.dumps(entry | {"seconds": seconds}) + "\n" for entry in entries)
        (path / "ledger.jsonl").write_text(lines + '{"part": 3, "sec')  # that a kill has cut

    write_ledger(0.1)  # too short to say anything
    assert "a little noise" in shown(plan(recipe, archive, stores_dir=stores))
    write_ledger(2.0)
    planned = plan(recipe, archive, stores_dir=stores)
    assert planned.throughput.speed == pytest.approx(20 * 6 * 8 * 4 / 6)
    assert planned.worker_hours == pytest.approx(6 / 3600)
    assert "6 seconds for one worker at 640 B/s" in shown(planned)
    assert "measured in the last build of small (3 parts)" in shown(planned)


def open_size(path: Path) -> int:
    from climbench.store import open_store

    return sum(array.nbytes for array in open_store(path).data_vars.values())


def test_memory_counts_what_threads_hold_of_the_sources(
    archive: Path, write_recipe: WriteRecipe
) -> None:
    """Of fields that are put on fewer cells, a block at a time is there, and not all of a part."""
    steps = [{"sort": {}}, {"regrid": {"resolution": 45}}]
    planned = plan(load_recipe(str(write_recipe(steps=steps))), archive)
    block, part = 10 * 6 * 8 * 4, 8 * 4 * 8 * 4  # times of a file, and of a shard
    assert planned.block == block
    assert planned.memory == COPIES * (part + cores() * block)


def test_a_probe_is_a_speed_of_this_machine(archive: Path, write_recipe: WriteRecipe) -> None:
    planned = plan(load_recipe(str(write_recipe())), archive, stores_dir=archive)
    assert 1e5 < planned.throughput.speed < 1e11
    assert "reading, downloading and steps such as regridding come on top" in shown(planned)
    assert planned.throughput is planned.throughput  # measured once


def test_the_whole_of_era5_is_planned_without_a_byte_of_it(tmp_path: Path) -> None:
    """0.25 degrees, six-hourly from 1959 on, 13 levels: as the store of WeatherBench 2 has them."""
    time = xr.date_range("1959-01-01", "2023-01-10T18:00", freq="6h")
    sizes = {"time": time.size, "level": 13, "latitude": 721, "longitude": 1440}
    surface = [d for d in sizes if d != "level"]

    def lazy(dims: list[str]) -> tuple[list[str], np.ndarray]:
        return dims, np.broadcast_to(np.float32(0), [sizes[d] for d in dims])

    upper = {f"upper{n}": lazy([*sizes]) for n in range(6)}
    flat = {f"surface{n}": lazy(surface) for n in range(10)}
    coordinates = {
        "time": time,
        "level": np.arange(13) * 50.0 + 50,
        "latitude": np.linspace(-90, 90, 721),
        "longitude": np.arange(1440) * 0.25,
    }
    dataset = xr.Dataset({**upper, **flat}, coordinates)
    recipe = load_recipe("era5_wb2_0p25")
    planned = Plan(recipe, dataset, lay_out(dataset, recipe.output), (), tmp_path)
    assert planned.bytes == time.size * 88 * 721 * 1440 * 4
    length = planned.layout.parts[0].stop
    assert len(planned.layout.parts) == -(-time.size // length)
    assert planned.memory == pytest.approx(3 * length * 88 * 721 * 1440 * 4, rel=0.1)
    hours = planned.bytes / planned.throughput.speed / 3600
    assert planned.worker_hours == pytest.approx(hours)
    text = shown(planned)
    assert "31.1 TiB before compression" in text
    assert f"{len(planned.layout.parts)} parts along time" in text
    assert f"{duration(hours)} for one worker at {size(planned.throughput.speed)}/s" in text
