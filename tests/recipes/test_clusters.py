"""Parts on a dask scheduler, and in jobs of a queue that looks like SLURM's."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from climbench.cli import main
from climbench.errors import UserError
from climbench.recipes import build, load_recipe, store_path
from climbench.recipes.clusters import slurm_cluster
from climbench.recipes.lock import building_folder

from .test_build import arrays
from .test_workers import check_undisturbed, long_archive, wait_for

WriteRecipe = Callable[..., Path]

SBATCH = """#!/bin/sh
# what sbatch does, without a queue: run the script apart and print the number of the job
for script; do :; done
setsid sh "$script" >"{folder}/job.log" 2>&1 &
cp "$script" "{folder}/$!.sh"
echo $! >>"{folder}/jobs"
echo "Submitted batch job $!"
"""
SQUEUE = """#!/bin/sh
cat "{folder}/jobs"
"""
SCANCEL = """#!/bin/sh
for job; do
    echo "$job" >>"{folder}/cancelled"
    kill -- -"$job" 2>/dev/null
done
exit 0
"""


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """A dask scheduler with two worker processes."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


def test_dask_workers_give_the_same_bytes(
    scheduler: str, archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    recipe = load_recipe(str(write_recipe()))
    path = build(recipe, tmp_path / "cluster", archive, scheduler=scheduler)
    whole = build(recipe, tmp_path / "here", archive)
    assert arrays(path) == arrays(whole)
    assert (path / "zarr.json").read_text() == (whole / "zarr.json").read_text()


def test_what_fails_on_a_dask_worker_is_the_same_sentence(
    scheduler: str, archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    recipe = load_recipe(str(write_recipe(checks={"ranges": {"2m_temperature": [0, 1]}})))
    with pytest.raises(UserError, match=r"'2m_temperature' from a\.nc reaches from"):
        build(recipe, tmp_path / "stores", archive, scheduler=scheduler)


def test_an_address_where_nobody_answers(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    pytest.importorskip("distributed")
    recipe = load_recipe(str(write_recipe()))
    for address in ("tcp://127.0.0.1:1", "127.0.0.1:1", "tcp://[::1]:1", "tcp://127.0.0.1:99999"):
        with pytest.raises(UserError, match=r"no dask scheduler answers at .*: start one with"):
            build(recipe, tmp_path / "stores", archive, scheduler=address)
    for address in ("garbage", "tcp://", "tcp://node1", "8786"):
        with pytest.raises(UserError, match=f"'scheduler' = '{address}' is no address: write"):
            build(recipe, tmp_path / "stores", archive, scheduler=address)
    assert not (tmp_path / "stores").exists()


def test_slurm_without_its_commands(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dask_jobqueue")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"needs SLURM's command sbatch on PATH"):
        recipe = load_recipe(str(write_recipe()))
        build(recipe, tmp_path / "stores", archive, scheduler={"queue": "short"})


def test_slurm_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    with pytest.raises(UserError, match=r"dask-jobqueue: `pip install climbench\[slurm\]`"):
        slurm_cluster({"jobs": 1})


def test_parts_of_a_killed_dask_worker_are_made_by_another(
    scheduler: str, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    from distributed import Client

    data = long_archive(tmp_path / "archive", 1)
    recipe = load_recipe(str(write_recipe(output={"chunk": 4, "shard": 16})))
    ledger = building_folder(store_path(recipe, tmp_path / "cluster")) / "ledger.jsonl"
    killed: list[int] = []

    def kill_one() -> None:
        wait_for(lambda: ledger if ledger.is_file() and ledger.read_bytes().count(b"\n") else None)
        killed.append(pids[0])
        os.kill(pids[0], signal.SIGKILL)

    with Client(scheduler, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=30)
        pids = [*client.run(os.getpid).values()]
        killer = Thread(target=kill_one)
        killer.start()
        path = build(recipe, tmp_path / "cluster", data, scheduler=scheduler)
        killer.join()
        client.wait_for_workers(2, timeout=30)  # the nanny has started another
        assert killed[0] not in client.run(os.getpid).values()
    check_undisturbed(path, build(recipe, tmp_path / "here", data), 23)


def test_a_simulation_on_dask_workers_is_refused_in_a_sentence(
    scheduler: str, tmp_path: Path
) -> None:
    """Each of its parts goes on from the one before, in one process."""
    with pytest.raises(UserError, match=r"planet_weather: its parts .* leave out scheduler"):
        build(load_recipe("planet_weather"), tmp_path, scheduler=scheduler)


@pytest.mark.slow
def test_jobs_of_slurm(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the command line to the job script, whose worker runs beside the test."""
    pytest.importorskip("dask_jobqueue")
    commands = tmp_path / "commands"
    commands.mkdir()
    for name, text in {"sbatch": SBATCH, "squeue": SQUEUE, "scancel": SCANCEL}.items():
        (commands / name).write_text(text.format(folder=commands))
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{Path(sys.executable).parent}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    recipe_file = write_recipe()
    options = [f"recipe={recipe_file}", f"stores_dir={tmp_path / 'slurm'}", f"data_root={archive}"]
    cluster = ["jobs=2", "cores=1", "processes=1", "memory=2GB", "walltime=00:10:00"]
    words = ["launcher=dask_slurm", *(f"cluster.{one}" for one in cluster)]
    assert main(["build", *options, *words]) == 0
    jobs = (commands / "jobs").read_text().split()
    assert len(jobs) == 2
    assert "#SBATCH -t 00:10:00" in (commands / f"{jobs[0]}.sh").read_text()
    assert sorted((commands / "cancelled").read_text().split()) == sorted(jobs)
    recipe = load_recipe(str(recipe_file))
    path = store_path(recipe, tmp_path / "slurm")
    assert arrays(path) == arrays(build(recipe, tmp_path / "here", archive))
