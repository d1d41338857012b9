"""A build: what the store holds, and what happens when it is stopped, repeated or disturbed."""

import errno
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.recipes import build, load_recipe, plan, store_path
from climbench.store.opening import open_store
from climbench.store.statistics import read_statistics

from .conftest import weather

WriteRecipe = Callable[..., Path]


def arrays(store: Path) -> dict[str, str]:
    """Checksums of every chunk and of every array's metadata."""
    return {
        path.relative_to(store).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(store.rglob("*"))
        if path.is_file()
        and path.name not in ("ledger.jsonl", "checksums.sha256")
        and path != store / "zarr.json"
    }


def test_the_store_holds_the_fields_of_the_files(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    recipe = load_recipe(str(write_recipe(statistics={"period": ["2001-01-01", "2001-01-12"]})))
    path = build(recipe, tmp_path / "stores", archive)
    store = open_store(path)
    with xr.open_mfdataset(sorted(archive.glob("*.nc"))) as files:
        expected = files["t2m"].sortby("lat").values
    np.testing.assert_array_equal(store["2m_temperature"].values, expected)
    assert store["2m_temperature"].dims == ("time", "latitude", "longitude")
    assert store["2m_temperature"].attrs["units"] == "K"
    statistics = read_statistics(path)["2m_temperature"]
    assert float(statistics.sel(statistic="mean_plain")) == pytest.approx(expected[:12].mean())
    assert float(statistics.sel(statistic="count")) == expected[:12].size


def test_provenance_names_every_file_with_its_checksum(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    recipe = load_recipe(str(write_recipe()))
    path = build(recipe, tmp_path / "stores", archive)
    attributes = open_store(path).attrs
    sources = {one["address"]: one for one in json.loads(attributes["sources"])}
    assert set(sources) == {"a.nc", "b.nc"}
    content = (archive / "a.nc").read_bytes()
    assert sources["a.nc"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert sources["a.nc"]["size"] == len(content)
    assert attributes["recipe_hash"] == recipe.hash
    assert json.loads(attributes["recipe"])["licence"] == "CC0-1.0"
    assert attributes["simulated"] == "false"
    assert str(tmp_path) not in json.dumps(dict(attributes))
    ledger = [json.loads(line) for line in (path / "ledger.jsonl").read_text().splitlines()]
    assert [entry["part"] for entry in ledger] == [0, 1, 2]
    assert [len(entry["inputs"]) for entry in ledger] == [1, 2, 1]
    assert not list(tmp_path.glob("stores/*.building"))


def test_a_second_build_does_nothing(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    recipe = load_recipe(str(write_recipe()))
    path = build(recipe, tmp_path / "stores", archive)
    before = {file: file.stat().st_mtime_ns for file in path.rglob("*")}
    (archive / "a.nc").unlink()  # not even looked for
    assert build(recipe, tmp_path / "stores", archive) == path
    assert {file: file.stat().st_mtime_ns for file in path.rglob("*")} == before


def test_another_recipe_makes_another_store(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    one = build(load_recipe(str(write_recipe())), tmp_path / "stores", archive)
    other = build(
        load_recipe(
            str(
                write_recipe(),
            ),
            {"output": {"chunk": 2}},
        ),
        tmp_path / "stores",
        archive,
    )
    assert one != other


def test_what_was_refused_can_be_mended_and_goes_on(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe(str(write_recipe()))
    whole = build(recipe, tmp_path / "whole", archive)
    stopped = stop_at(monkeypatch, part=2, error=OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(UserError, match=r"no space is left for .*give the same command again"):
        build(recipe, tmp_path / "stores", archive)
    monkeypatch.undo()
    path = store_path(recipe, tmp_path / "stores")
    assert not path.exists()
    with pytest.raises(UserError, match="half-written"):
        open_store(path)
    written = count_parts(monkeypatch)
    assert arrays(build(recipe, tmp_path / "stores", archive)) == arrays(whole)
    assert stopped == [0, 1, 2]
    assert written == [2]


def test_a_file_that_may_not_grow_is_as_a_full_disk(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_at(monkeypatch, part=0, error=OSError(errno.EFBIG, "File too large"))
    with pytest.raises(UserError, match=r"no space is left for .*, raise the limit of `ulimit -f`"):
        build(load_recipe(str(write_recipe())), tmp_path / "stores", archive)


def stop_at(monkeypatch: pytest.MonkeyPatch, part: int, error: Exception) -> list[int]:
    """Let the store's write fail at a part; return the parts that were tried."""
    return count_parts(monkeypatch, part, error)


def count_parts(
    monkeypatch: pytest.MonkeyPatch, part: int = -1, error: Exception | None = None
) -> list[int]:
    module = sys.modules["climbench.recipes.writing"]
    write = module.write_part
    tried: list[int] = []

    def counted(path: Path, fields: xr.Dataset, dimension: str, start: int) -> Any:
        tried.append(start // 8)
        if tried[-1] == part and error is not None:
            raise error
        return write(path, fields, dimension, start)

    monkeypatch.setattr(module, "write_part", counted)
    return tried


@pytest.mark.parametrize("harm", ["lose", "alter", "statistics"])
def test_a_recorded_part_that_was_lost_or_altered_is_made_again(
    archive: Path,
    write_recipe: WriteRecipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    harm: str,
) -> None:
    recipe = load_recipe(str(write_recipe()))
    whole = build(recipe, tmp_path / "whole", archive)
    stop_at(monkeypatch, part=2, error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        build(recipe, tmp_path / "stores", archive)
    monkeypatch.undo()
    (building,) = (tmp_path / "stores").glob("*.building")
    shard = building / "store" / "2m_temperature" / "c" / "0" / "0" / "0"
    if harm == "lose":
        shard.unlink()
    elif harm == "alter":
        shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    else:
        (building / "statistics" / "0.npz").unlink()
    written = count_parts(monkeypatch)
    assert arrays(build(recipe, tmp_path / "stores", archive)) == arrays(whole)
    assert written == [0, 2]


def test_a_ledger_line_that_was_cut_is_ignored(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe(str(write_recipe()))
    whole = build(recipe, tmp_path / "whole", archive)
    stop_at(monkeypatch, part=2, error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        build(recipe, tmp_path / "stores", archive)
    monkeypatch.undo()
    (ledger,) = (tmp_path / "stores").glob("*.building/ledger.jsonl")
    ledger.write_bytes(ledger.read_bytes()[:-20])
    written = count_parts(monkeypatch)
    assert arrays(build(recipe, tmp_path / "stores", archive)) == arrays(whole)
    assert written == [1, 2]


def test_an_input_that_changed_between_two_runs_is_refused(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe(str(write_recipe()))
    stop_at(monkeypatch, part=2, error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        build(recipe, tmp_path / "stores", archive)
    monkeypatch.undo()
    with xr.open_dataset(archive / "b.nc") as opened:
        changed = opened.load()
    (archive / "b.nc").unlink()
    (changed + 1.0).assign_attrs(changed.attrs).to_netcdf(archive / "b.nc")
    with pytest.raises(UserError, match=r"b\.nc has changed since the build began"):
        build(recipe, tmp_path / "stores", archive)


def test_a_simulation_goes_on_from_its_last_state(
    write_recipe: WriteRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from climbench.simulate.atmosphere import Atmosphere

    spin_up = Atmosphere.initial_state
    monkeypatch.setattr(Atmosphere, "initial_state", lambda self: spin_up(self, spin_up_days=1))
    recipe = load_recipe(
        str(
            write_recipe(
                sources=[{"kind": "simulated_atmosphere", "seed": 3}],
                dates={"start": "2000-01-02", "end": "2000-01-06", "frequency": "6h"},
                steps=[{"resample_time": {"to": "12h"}}],
                output={"chunk": 2, "shard": 4},
            )
        ),
        {"dates": {"frequency": "12h"}},
    )
    whole = build(recipe, tmp_path / "whole")
    assert open_store(whole).attrs["simulated"] == "true"
    with monkeypatch.context() as patched:
        stop_at(patched, part=1, error=KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            build(recipe, tmp_path / "stores")
    steps = 0
    integrate = Atmosphere.integrate

    def counted(self: Atmosphere, state: Any, number: int) -> Any:
        nonlocal steps
        steps += number
        return integrate(self, state, number)

    monkeypatch.setattr(Atmosphere, "integrate", counted)
    assert arrays(build(recipe, tmp_path / "stores")) == arrays(whole)
    assert steps < 20


DRIVER = """
import os, sys, time
from pathlib import Path
from climbench.recipes import build, load_recipe

recipe, stores, data = load_recipe(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])

def start(folder):
    child = os.fork()  # before any thread is there: modules are loaded once for all builders
    if child == 0:
        build(recipe, folder, data)
        os._exit(0)
    return child

began = time.monotonic()
assert os.waitpid(start(stores / "whole"), 0)[1] == 0
duration = time.monotonic() - began
for share in map(float, sys.argv[4:]):
    child = start(stores / "killed")
    time.sleep(share * duration)
    os.kill(child, 9)
    print("killed after", round(share * duration, 2), "s:", os.waitpid(child, 0)[1])
children = [start(stores / "killed"), start(stores / "killed")]
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
"""


def test_kill_at_three_random_moments_then_two_builders_at_once(
    write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    (tmp_path / "archive").mkdir()
    for year in range(2001, 2003):
        weather(f"{year}-01-01", 365).to_netcdf(tmp_path / f"archive/{year}.nc")
    recipe = write_recipe(
        output={"chunk": 4, "shard": 8}, statistics={"period": ["2001-01-01", "2002-06-30"]}
    )
    shares = np.sort(np.random.default_rng().uniform(0.02, 0.28, size=3))
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            DRIVER,
            str(recipe),
            tmp_path,
            tmp_path / "archive",
            *map(str, shares),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    assert done.stdout.count("s: 9") >= 2  # the last may come when all is done
    (whole,) = (tmp_path / "whole").glob("*.zarr")
    (path,) = (tmp_path / "killed").glob("*.zarr")
    assert arrays(path) == arrays(whole)
    parts = [json.loads(line)["part"] for line in (path / "ledger.jsonl").read_text().splitlines()]
    assert parts == list(range(92))  # each once, none twice
    assert not list((tmp_path / "killed").glob("*.building"))


def test_a_full_disk_is_one_sentence_and_the_build_goes_on(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    """On a real small file system, where one can be mounted."""
    small = tmp_path / "small_disk"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(small)]
    if os.name != "posix" or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no right to mount a small tmpfs here")
    try:
        recipe = load_recipe(str(write_recipe(output={"chunk": 1, "shard": 2})))
        with pytest.raises(UserError, match=r"no space is left for .*small_disk"):
            (small / "filler").write_bytes(bytes(100_000))
            build(recipe, small / "stores", archive)
        assert not list(small.glob("stores/*.zarr"))
        subprocess.run(["mount", "-o", "remount,size=20m", str(small)], check=True)
        path = build(recipe, small / "stores", archive)
        assert open_store(path).sizes["time"] == 20
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_the_plan_reads_no_field_and_says_what_will_be(
    archive: Path, write_recipe: WriteRecipe, capsys: pytest.CaptureFixture[str]
) -> None:
    from rich.console import Console

    recipe = load_recipe(str(write_recipe()))
    planned = plan(recipe, archive)
    Console(width=140).print(planned)
    text = capsys.readouterr().out
    assert "2m_temperature" in text
    assert "20 x 6 x 8" in text
    assert "2 inputs, 3.8 KiB before compression, 3 parts along time" in text
    assert planned.bytes == 20 * 6 * 8 * 4
    assert planned.dataset["2m_temperature"].chunks is not None


def test_narrowing_a_recipe(archive: Path, write_recipe: WriteRecipe, tmp_path: Path) -> None:
    overrides = {"dates": "2001-01-03/2001-01-06", "variables": ["2m_temperature"]}
    recipe = load_recipe(str(write_recipe()), overrides)
    store = open_store(build(recipe, tmp_path / "stores", archive))
    assert store.sizes["time"] == 4
    assert json.loads(store.attrs["sources"])[0]["address"] == "a.nc"
    late = {"statistics": {"period": [2002, 2003]}}
    with pytest.raises(UserError, match=r"statistics.period is 2002 to 2003 and the store reaches"):
        plan(load_recipe(str(write_recipe()), late), archive)
    with pytest.raises(UserError, match="no time lies between 1999 and 1999"):
        build(load_recipe(str(write_recipe()), {"dates": "1999/1999"}), tmp_path, archive)
