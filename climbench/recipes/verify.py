"""Whether a finished store is still what was built; and making again what is not."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import xarray as xr

from climbench.errors import UserError
from climbench.recipes.build import store_path
from climbench.recipes.downloads import downloads_folder
from climbench.recipes.ledger import is_same
from climbench.recipes.lock import alone
from climbench.recipes.parts import Part, part_dimension
from climbench.recipes.reading import compute
from climbench.recipes.schema import Recipe
from climbench.recipes.sources import Surroundings
from climbench.recipes.workers import executor, in_turn, sensible_count
from climbench.recipes.writing import Job, Work, make
from climbench.store.opening import open_store
from climbench.store.repository import is_repository, stored_sha256, zarr_store

Manner = Literal["checksums", "source", "mend"]


@dataclass(frozen=True)
class Damage:
    """A shard that is not what the ledger says."""

    path: Path
    variable: str
    part: Part


def verify(
    recipe: Recipe,
    stores_dir: Path,
    data_root: Path | None = None,
    *,
    manner: Manner = "checksums",
    workers: int | None = None,
) -> tuple[int, int]:
    """Read a finished store again and hold it against its ledger.

    Parameters
    ----------
    recipe, stores_dir, data_root, workers
        As for :func:`climbench.recipes.build`.
    manner
        ``checksums`` of all shards; ``source``: then also every value against the sources, read
        and worked on again; ``mend``: make damaged parts again from the sources.

    Returns
    -------
    tuple of int
        Parts that were looked at, and parts that were made again.

    Raises
    ------
    UserError
        If there is no such store, or a shard or value is not as it was; the sentence names it.
    """
    path = store_path(recipe, stores_dir)
    if not path.exists():
        raise UserError(f"there is no finished store {path} to verify: build it first.")
    ledger = path / "ledger.jsonl"
    if not ledger.is_file():
        raise UserError(f"{path} has no ledger.jsonl to be held against: build it again.")
    entries = {one["part"]: one for one in map(json.loads, ledger.read_text().splitlines())}
    damaged = [one for entry in entries.values() for one in _damaged(path, entry)]
    if manner == "mend" and damaged and not is_repository(path):
        numbers = {one.part.number for one in damaged}
        with alone(path):
            for one in damaged:
                one.path.unlink(missing_ok=True)
            _mend(recipe, path, data_root, {number: entries[number] for number in numbers})
        return len(entries), len(numbers)
    if damaged and is_repository(path):
        raise UserError(
            f"{path}: '{damaged[0].variable}' is not what was built in "
            f"{_named(path, recipe, damaged[0].part)}: delete the repository and build it again, "
            "or reset its branch 'main' to the version that was built."
        )
    if damaged:
        more = f" and {len(damaged) - 1} more" if len(damaged) > 1 else ""
        raise UserError(
            f"{path}: '{damaged[0].variable}' is damaged in {_named(path, recipe, damaged[0].part)}"
            f"{more}: give the same command with verify=mend, which makes that again from the "
            "sources."
        )
    if manner == "source":
        _compare(recipe, path, data_root, workers)
    return len(entries), 0


def _damaged(path: Path, entry: Mapping[str, Any]) -> Iterator[Damage]:
    shards = {n.removeprefix("store/"): d for n, d in entry["files"].items() if n[:6] == "store/"}
    versioned = stored_sha256(path, shards) if is_repository(path) else None
    for below, digest in shards.items():
        same = (
            is_same(path / below, digest) if versioned is None else versioned.get(below) == digest
        )
        if not same:
            part = Part(entry["part"], entry["start"], entry["stop"])
            yield Damage(path / below, below.partition("/")[0], part)


def _named(path: Path, recipe: Recipe, part: Part) -> str:
    """Return a part in words: its number and its first and last label."""
    store = open_store(path)
    along = part_dimension(store, recipe.output)
    if along not in store.dims:
        return f"part {part.number}"
    ends = store.indexes[along][[part.start, part.stop - 1]]
    first, last = (one.isoformat() if hasattr(one, "isoformat") else str(one) for one in ends)
    return f"part {part.number} ({along} {first} to {last})"


def _work(recipe: Recipe, path: Path, data_root: Path | None, states: Path) -> Work:
    return Work.of(recipe, Surroundings(data_root, downloads_folder(path.parent), states))


def _mend(
    recipe: Recipe, path: Path, data_root: Path | None, entries: Mapping[int, Mapping[str, Any]]
) -> None:
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.mending.") as folder:
        work = _work(recipe, path, data_root, Path(folder) / "states")
        for part in work.layout.parts:
            if part.number not in entries:
                continue
            made = make(work.job(part, path, Path(folder) / "statistics"))
            for name, digest in entries[part.number]["files"].items():
                if name.startswith("store/") and made["files"].get(name) != digest:
                    raise UserError(
                        f"{path}: {_named(path, recipe, part)} was made again and is not what it "
                        "was, so sources or software have changed: delete the store and build it "
                        "again."
                    )


def _compare(recipe: Recipe, path: Path, data_root: Path | None, workers: int | None) -> None:
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.verifying.") as folder:
        work = _work(recipe, path, data_root, Path(folder) / "states")
        parts = work.layout.parts
        jobs = (work.job(part, path, Path(folder)) for part in parts)
        count = sensible_count(work.job(parts[0], path, Path(folder)), len(parts), workers)
        with executor(count, None, Path(folder)) as pool:
            for job, name in in_turn(pool, partial(_first_difference, path), jobs):
                if name is not None:
                    raise UserError(
                        f"{path}: '{name}' in {_named(path, recipe, job.part)} is not what the "
                        "sources give now: sources or software have changed; delete the store and "
                        "build it again."
                    )


def _first_difference(path: Path, job: Job) -> str | None:
    """Return the first variable of a part whose values are not those of the sources."""
    fields = compute(job.lazy, job.inputs)
    store = xr.open_zarr(zarr_store(path), chunks=None, consolidated=False)
    for name, array in fields.data_vars.items():
        stored = store[name]
        if job.dimension in stored.dims:
            stored = stored.isel({job.dimension: slice(job.part.start, job.part.stop)})
        if not np.array_equal(stored.values, array.values, equal_nan=array.dtype.kind == "f"):
            return str(name)
    return None
