"""A store in an Icechunk repository: built, killed, read, scored and trained like any other."""

import io
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from climbench.errors import UserError
from climbench.evaluation.source import open_source
from climbench.recipes import build, load_recipe, store_path
from climbench.recipes.verify import verify
from climbench.store import PackedReader, open_store, pack, read_statistics, store_hash
from climbench.store.repository import commit_store

from .conftest import weather

icechunk = pytest.importorskip("icechunk")
WriteRecipe = Callable[..., Path]
OUTPUT = {"chunk": 4, "shard": 8}


def both(archive: Path, write_recipe: WriteRecipe, folder: Path) -> tuple[Path, Path]:
    """The same recipe as a Zarr folder and as a repository."""
    recipe = load_recipe(str(write_recipe()))
    versioned = load_recipe(str(write_recipe()), {"output": {"format": "icechunk"}})
    return build(recipe, folder, archive), build(versioned, folder, archive)


def test_a_repository_is_read_like_a_folder(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    from rich.console import Console

    from climbench.store import describe_store

    plain, repository = both(archive, write_recipe, tmp_path / "stores")
    assert repository.suffix == ".icechunk"
    xr.testing.assert_identical(
        open_store(repository).drop_attrs(deep=False), open_store(plain).drop_attrs(deep=False)
    )
    xr.testing.assert_equal(read_statistics(repository), read_statistics(plain))
    np.testing.assert_array_equal(
        open_source(repository, "truth").dataset["2m_temperature"].values,
        open_store(plain)["2m_temperature"].values,
    )
    packed = pack(
        open_store(repository), ["2m_temperature"], tmp_path / "cache", store_hash(repository)
    )
    np.testing.assert_array_equal(  # what a training step reads
        PackedReader(packed)[np.array([3, 7])][:, 0],
        open_store(plain)["2m_temperature"].values[[3, 7]],
    )
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(describe_store(repository))
    text = console.export_text()
    assert "8 x 6 x 8" in text  # a shard, unchanged
    assert "Missing values: none." in text
    before = {file: file.stat().st_mtime_ns for file in repository.rglob("*")}
    recipe = load_recipe(str(write_recipe()), {"output": {"format": "icechunk"}})
    assert build(recipe, tmp_path / "stores", archive) == repository
    assert {file: file.stat().st_mtime_ns for file in repository.rglob("*")} == before


def test_a_repository_has_one_commit_that_names_the_recipe(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    recipe = load_recipe(str(write_recipe()), {"output": {"format": "icechunk"}})
    path = build(recipe, tmp_path / "stores", archive)
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(path)))
    versions = list(repository.ancestry(branch="main"))
    assert versions[0].message == f"small {recipe.hash}"
    assert versions[1].parent_id is None  # the empty one that every repository begins with
    session = repository.writable_session("main")
    zarr.open_group(session.store, mode="r+").attrs["licence"] = "changed"
    session.commit("a later version")
    assert open_store(path).attrs["licence"] == "changed"
    first = repository.readonly_session(snapshot_id=versions[0].id)
    assert zarr.open_group(first.store, mode="r").attrs["licence"] == "CC0-1.0"


def test_a_repository_is_held_against_its_ledger(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    recipe = load_recipe(str(write_recipe()), {"output": {"format": "icechunk"}})
    path = build(recipe, tmp_path / "stores", archive)
    assert verify(recipe, tmp_path / "stores", archive) == (3, [])
    assert verify(recipe, tmp_path / "stores", archive, manner="source") == (3, [])
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(path)))
    built = repository.lookup_branch("main")
    for name, words in (
        ("2m_temperature", r"'2m_temperature' in part 1 \(time 2001-01-09.*\)"),
        ("statistics/2m_temperature", "'statistics/2m_temperature/c/0'"),
    ):
        session = repository.writable_session("main")
        zarr.open_group(session.store, mode="r+")[name][9] = 0.0
        session.commit("a mistake")
        for manner in ("checksums", "mend"):
            with pytest.raises(UserError, match=f"{words} is not .* or reset its branch 'main'"):
                verify(recipe, tmp_path / "stores", archive, manner=manner)
        repository.reset_branch("main", built)


DRIVER = """
import sys
from pathlib import Path
from climbench.recipes import build, load_recipe
recipe = load_recipe(sys.argv[1], {"output": {"format": "icechunk"}})
build(recipe, Path(sys.argv[2]), Path(sys.argv[3]))
"""


def test_a_build_that_was_killed_goes_on_and_commits_all(
    write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    for start in ("2001-01-01", "2001-05-01"):
        weather(start, 120).to_netcdf(folder / f"{start}.nc")
    path = write_recipe()
    words = [sys.executable, "-c", DRIVER, str(path), str(tmp_path / "stores"), str(folder)]
    child = subprocess.Popen(words)
    ledger: list[Path] = []
    while not ledger or ledger[0].read_text().count("\n") < 5:
        ledger = [*(tmp_path / "stores").glob("*.building/ledger.jsonl")]
        assert child.poll() is None
        time.sleep(0.002)
    child.kill()
    child.wait()
    recipe = load_recipe(str(path), {"output": {"format": "icechunk"}})
    finished = store_path(recipe, tmp_path / "stores")
    assert not finished.exists()
    with pytest.raises(UserError, match="half-written"):
        open_store(finished)
    kept = len(ledger[0].read_text().splitlines())
    repository = ledger[0].parent / "repository"
    repository.mkdir(exist_ok=True)
    (repository / "left").touch()  # as if the kill had come while it was committed
    build(recipe, tmp_path / "stores", folder)
    with xr.open_mfdataset(sorted(folder.glob("*.nc"))) as files:
        expected = files["t2m"].sortby("lat").values
    np.testing.assert_array_equal(open_store(finished)["2m_temperature"].values, expected)
    entries = [json.loads(line) for line in (finished / "ledger.jsonl").read_text().splitlines()]
    assert [entry["part"] for entry in entries] == list(range(30))
    assert kept >= 5
    assert not (finished / "left").exists()


def test_without_the_package_the_sentence_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "icechunk", None)
    with pytest.raises(UserError, match=r"pip install climbench\[icechunk\]"):
        commit_store(tmp_path / "store", tmp_path / "repository", "a version")
    for name in ("refs", "snapshots"):
        (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=r"pip install climbench\[icechunk\]"):
        open_store(tmp_path)
