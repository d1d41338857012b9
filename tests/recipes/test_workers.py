"""Parts in parallel: the same bytes whoever makes them, and whoever of them is killed."""

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from climbench.errors import UserError
from climbench.recipes import Recipe, build, load_recipe, store_path
from climbench.recipes import workers as engine
from climbench.recipes.lock import building_folder
from climbench.recipes.parts import COPIES
from climbench.recipes.sources import Surroundings
from climbench.recipes.workers import Processes, WorkerLostError, cores, sensible_count
from climbench.recipes.writing import Work

from .conftest import weather
from .test_build import arrays

WriteRecipe = Callable[..., Path]


@pytest.fixture
def pool() -> Iterator[Processes]:
    processes = Processes(2)
    yield processes
    processes.shutdown(cancel_futures=True)


@pytest.mark.parametrize("workers", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_the_same_bytes_from_one_worker_and_several(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path, workers: int
) -> None:
    recipe = load_recipe(str(write_recipe()))
    stores = [build(recipe, tmp_path / str(n), archive, workers=n) for n in (1, workers)]
    contents = [{**arrays(one), "root": (one / "zarr.json").read_text()} for one in stores]
    assert contents[0] == contents[1]
    ledgers = [(one / "ledger.jsonl").read_text().splitlines() for one in stores]
    for lines in ledgers:
        assert [json.loads(line)["part"] for line in lines] == [0, 1, 2]


@pytest.mark.slow
def test_a_worker_does_not_run_the_callers_script(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    """Many scripts call `build` without ``if __name__ == "__main__"``."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nfrom climbench.recipes import build, load_recipe\n"
        "print('once')\n"
        "print(build(load_recipe(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), workers=2))\n"
    )
    command = [sys.executable, str(script), str(write_recipe()), str(tmp_path / "s"), str(archive)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.count("once") == 1
    assert Path(done.stdout.split()[-1]).is_dir()


def fail(error: BaseException) -> None:
    raise error


def test_what_fails_in_a_worker_fails_here(pool: Processes) -> None:
    assert pool.submit(divmod, 7, 2).result() == (3, 1)
    with pytest.raises(UserError, match=r"^a\.nc is damaged\.$"):
        pool.submit(fail, UserError("a.nc is damaged.")).result()
    with pytest.raises(OSError) as caught:
        pool.submit(fail, OSError(errno.ENOSPC, "full")).result()
    assert caught.value.errno == errno.ENOSPC
    with pytest.raises(ZeroDivisionError) as failed:
        pool.submit(divmod, 7, 0).result()
    assert "in a worker" in failed.value.__notes__[0]
    assert pool.submit(print, "on standard output").result() is None


def die_until(marks: Path, times: int) -> int:
    """Be killed so many times, as by the system when memory is short."""
    tried = len(list(marks.iterdir()))
    if tried < times:
        (marks / str(tried)).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return tried


@pytest.mark.slow
def test_a_killed_worker_is_replaced_twice_and_not_thrice(pool: Processes, tmp_path: Path) -> None:
    for times in (2, 3):
        (tmp_path / str(times)).mkdir()
    assert pool.submit(die_until, tmp_path / "2", 2).result() == 2
    with pytest.raises(WorkerLostError):
        pool.submit(die_until, tmp_path / "3", 3).result()


@pytest.mark.slow
def test_a_part_that_kills_every_worker_is_refused_in_a_sentence(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe(str(write_recipe()))
    build_module = sys.modules["climbench.recipes.build"]
    with monkeypatch.context() as patched:
        patched.setattr(build_module, "make", kill_second_part)
        with pytest.raises(UserError, match=r"part 1 \(0 MiB\) lost its worker 3 times"):
            build(recipe, tmp_path / "stores", archive, workers=2)
    path = build(recipe, tmp_path / "stores", archive, workers=2)
    assert arrays(path) == arrays(build(recipe, tmp_path / "whole", archive))


def kill_second_part(job: Any) -> dict[str, Any]:
    from climbench.recipes.writing import make

    if job.part.number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return make(job)


def long_archive(folder: Path, years: int) -> Path:
    folder.mkdir()
    for year in range(2001, 2001 + years):
        weather(f"{year}-01-01", 365, calendar="noleap", use_cftime=True).to_netcdf(
            folder / f"{year}.nc"
        )
    return folder


def disturb(pool: Processes, ledger: Path, seed: int, log: list[int], every: int) -> None:
    """Kill a worker each time that a few parts more are finished, until the ledger is gone."""
    draw = random.Random(seed)
    ledger = wait_for(lambda: ledger if ledger.is_file() else None)
    finished = 0
    while ledger.is_file():
        finished += draw.randint(1, every)
        while ledger.is_file() and len(ledger.read_bytes().splitlines()) < finished:
            time.sleep(0.005)
        time.sleep(draw.uniform(0, 0.03))
        if running := pool.pids():
            log.append(draw.choice(running))
            os.kill(log[-1], signal.SIGKILL)


def build_disturbed(
    recipe: Recipe,
    stores: Path,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    every: int,
) -> tuple[Path, int]:
    """Build while workers are killed at random; return the store and how many were killed."""
    killed: list[int] = []
    start = Processes.__init__
    ledger = building_folder(store_path(recipe, stores)) / "ledger.jsonl"

    def started(self: Processes, count: int) -> None:
        start(self, count)
        Thread(target=disturb, args=(self, ledger, seed, killed, every), daemon=True).start()

    with monkeypatch.context() as patched:
        patched.setattr(Processes, "__init__", started)
        patched.setattr(engine, "ATTEMPTS", 100)  # here a kill says nothing about the part
        return build(recipe, stores, data, workers=2), len(killed)


def faults(path: Path, whole: Path, parts: int) -> dict[str, int]:
    """Count what a disturbed build has lost, doubled and corrupted, against an undisturbed one."""
    lines = (path / "ledger.jsonl").read_text().splitlines()
    recorded = [json.loads(line)["part"] for line in lines]
    found, expected = arrays(path), arrays(whole)
    return {
        "lost": len({*range(parts)} - {*recorded}) + len(expected.keys() - found.keys()),
        "duplicated": len(recorded) - len({*recorded}) + len(found.keys() - expected.keys()),
        "corrupted": sum(found[name] != expected[name] for name in found.keys() & expected.keys()),
    }


def check_undisturbed(path: Path, whole: Path, parts: int) -> None:
    """Nothing lost, nothing doubled, nothing corrupted, nothing left over."""
    assert faults(path, whole, parts) == {"lost": 0, "duplicated": 0, "corrupted": 0}
    assert (path / "zarr.json").read_text() == (whole / "zarr.json").read_text()
    assert not list(path.parent.glob("*.building"))


def test_killed_workers_leave_no_trace(
    write_recipe: WriteRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = long_archive(tmp_path / "archive", 1)
    recipe = load_recipe(str(write_recipe(output={"chunk": 4, "shard": 16})))
    whole = build(recipe, tmp_path / "whole", data)
    path, killed = build_disturbed(recipe, tmp_path / "stores", data, monkeypatch, 1, 12)
    assert killed
    check_undisturbed(path, whole, 23)


@pytest.mark.slow
def test_twenty_builds_of_200_parts_with_workers_killed_at_random(
    write_recipe: WriteRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = long_archive(tmp_path / "archive", 2)
    options = {"dates": {"start": "2001", "end": "2002-02-04"}, "output": {"chunk": 1, "shard": 2}}
    recipe = load_recipe(str(write_recipe(**options)))
    whole = build(recipe, tmp_path / "whole", data)
    figures = Counter(parts=0, kills=0, lost=0, duplicated=0, corrupted=0)
    for seed in range(20):
        stores = tmp_path / str(seed)
        path, killed = build_disturbed(recipe, stores, data, monkeypatch, seed, 60)
        figures.update({"parts": 200, "kills": killed, **faults(path, whole, 200)})
        assert not list(stores.glob("*.building"))
        shutil.rmtree(stores)
    print(", ".join(f"{name} {count}" for name, count in figures.items()))
    assert figures["kills"] >= 40
    assert figures["lost"] == figures["duplicated"] == figures["corrupted"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGKILL", "SIGINT"])
def test_a_coordinator_that_is_stopped_takes_its_workers_along(
    write_recipe: WriteRecipe, tmp_path: Path, name: str
) -> None:
    data = long_archive(tmp_path / "archive", 1)
    recipe_file = write_recipe(output={"chunk": 2, "shard": 8})
    options = [f"recipe={recipe_file}", f"data_root={data}", f"stores_dir={tmp_path / 'stores'}"]
    command = [sys.executable, "-m", "climbench", "build", "workers=2", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    ledger = wait_for(lambda: next((tmp_path / "stores").glob("*.building/ledger.jsonl"), None))
    wait_for(lambda: len(ledger.read_text().splitlines()) > 3 or None)
    workers = children(process.pid)
    assert len(workers) == 2
    process.send_signal(signal.Signals[name])
    error = process.communicate(timeout=180)[1]
    if name == "SIGINT":
        assert process.returncode == 130
        assert error.strip() == "climbench: interrupted; the same command continues."
    wait_for(lambda: None if any(Path(f"/proc/{pid}").exists() for pid in workers) else True)
    assert not list((tmp_path / "stores").glob("*.zarr"))
    recipe = load_recipe(str(recipe_file))
    path = build(recipe, tmp_path / "stores", data)
    check_undisturbed(path, build(recipe, tmp_path / "whole", data), 46)


def wait_for(look: Callable[[], Any], seconds: float = 180.0) -> Any:
    """Return what is looked for as soon as it is there."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = look()
        if found is not None:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come")


def children(pid: int) -> list[int]:
    """Return the child processes of a process."""
    tasks = Path(f"/proc/{pid}/task")
    if not tasks.is_dir():
        pytest.skip("no /proc here to find workers in")
    return [int(n) for task in tasks.iterdir() for n in (task / "children").read_text().split()]


def test_little_data_needs_no_workers_and_much_data_no_more_than_memory_holds(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe(str(write_recipe()))
    work = Work.of(recipe, Surroundings(archive, tmp_path, tmp_path))
    job = work.job(work.layout.parts[0], tmp_path, tmp_path)
    assert sensible_count(job, 3, None) == 1
    assert sensible_count(job, 3, 5) == 5
    monkeypatch.setattr(engine, "SMALL", 0)
    assert sensible_count(job, 1000, None) == min(cores(), engine.MOST)
    monkeypatch.setattr(engine, "cores", lambda: 4)
    monkeypatch.setattr(engine, "memory", lambda: 2 * COPIES * 10 * job.lazy.nbytes)
    assert sensible_count(job, 1000, None) == 4
    assert sensible_count(job, 1000, None, 2 * job.lazy.nbytes) == 2  # 4 threads hold 8 of 10
    monkeypatch.setattr(engine, "memory", lambda: 7 * job.lazy.nbytes)
    assert sensible_count(job, 1000, None) == 1


def test_a_wrong_number_of_workers_is_refused(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    recipe = load_recipe(str(write_recipe()))
    for wrong in (0, -1, True):
        with pytest.raises(UserError, match=f"option 'workers' = {wrong} is wrong"):
            build(recipe, tmp_path, archive, workers=wrong)
