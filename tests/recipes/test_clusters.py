"""Parts on a dask scheduler, and in jobs of a queue that looks like SLURM's."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from climbench.errors import UserError
from climbench.recipes import build, load_recipe
from climbench.recipes.clusters import slurm_cluster

from .test_build import arrays

WriteRecipe = Callable[..., Path]

SBATCH = """#!/bin/sh
# what sbatch does, without a queue: run the script apart and print the number of the job
for script; do :; done
sh "$script" >"{folder}/job.log" 2>&1 &
echo $! >>"{folder}/jobs"
echo $!
"""
SCANCEL = """#!/bin/sh
for job; do kill "$job" 2>/dev/null; done
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
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed")
    del distributed
    import dask

    with (
        dask.config.set({"distributed.comm.timeouts.connect": "0.5s"}),
        pytest.raises(UserError, match=r"no dask scheduler answers at tcp://127\.0\.0\.1:1: start"),
    ):
        build(load_recipe(str(write_recipe())), tmp_path, archive, scheduler="tcp://127.0.0.1:1")


def test_slurm_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    with pytest.raises(UserError, match=r"dask-jobqueue: `pip install climbench\[slurm\]`"):
        slurm_cluster({"jobs": 1})


@pytest.mark.slow
def test_jobs_of_slurm(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dask_jobqueue")
    commands = tmp_path / "commands"
    commands.mkdir()
    for name, text in {"sbatch": SBATCH, "scancel": SCANCEL}.items():
        (commands / name).write_text(text.format(folder=commands))
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{Path(sys.executable).parent}:/usr/bin:/bin")
    options = {"jobs": 1, "cores": 1, "processes": 1, "memory": "2GB", "queue": None}
    local = {"local_directory": str(tmp_path), "scheduler_options": {"dashboard_address": None}}
    recipe = load_recipe(str(write_recipe()))
    path = build(recipe, tmp_path / "slurm", archive, scheduler={**options, **local})
    assert (commands / "jobs").read_text().count("\n") == 1
    assert arrays(path) == arrays(build(recipe, tmp_path / "here", archive))
