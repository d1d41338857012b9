"""Whether a finished store is still what was built; and making again what is not."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np

from climbench.errors import UserError
from climbench.recipes.build import store_path
from climbench.recipes.downloads import downloads_folder
from climbench.recipes.ledger import CHECKSUMS, is_same, others
from climbench.recipes.lock import alone
from climbench.recipes.own_tables import with_contents
from climbench.recipes.parts import Layout, Part, part_dimension
from climbench.recipes.reading import compute
from climbench.recipes.schema import Recipe
from climbench.recipes.sources import Surroundings
from climbench.recipes.workers import executor, in_turn, sensible_count
from climbench.recipes.writing import Job, Work, make, make_border, measure, write_groups
from climbench.store.opening import read_group
from climbench.store.repository import is_repository, stored_sha256

Manner = Literal["checksums", "source", "mend"]


GROUPS = ("statistics/", "climatology/")
"""What is made of the fields of a store, and again when it is damaged."""


@dataclass(frozen=True)
class Damage:
    """A file that is not what the ledger says, of a part or of the store as a whole."""

    name: str
    part: Part | None = None

    @property
    def mendable(self) -> bool:
        """Whether it can be made again: the names and places of all fields cannot."""
        return self.part is not None or self.name.startswith(GROUPS)


def verify(
    recipe: Recipe,
    stores_dir: Path,
    data_root: Path | None = None,
    *,
    manner: Manner = "checksums",
    workers: int | None = None,
) -> tuple[int, list[str]]:
    """Read a finished store again and hold it against its ledger.

    Parameters
    ----------
    recipe, stores_dir, data_root, workers
        As for :func:`climbench.recipes.build`.
    manner
        ``checksums`` of all files; ``source``: then also every value against the sources, read
        and worked on again; ``mend``: make damaged parts again from the sources, statistics and
        climatology from the fields.

    Returns
    -------
    tuple
        Number of parts that were looked at, and names of what was made again.

    Raises
    ------
    UserError
        If there is no such store, or a file or value is not as it was; the sentence names it.
    """
    recipe = with_contents(recipe, data_root)
    path = store_path(recipe, stores_dir)
    if not path.exists():
        raise UserError(f"there is no finished store {path} to verify: build it first.")
    entries, apart = _lists(path)
    damaged = [one for entry in entries.values() for one in _damaged(path, entry)]
    damaged += [Damage(name) for name in _different(path, apart)]
    lost = next((one for one in damaged if is_repository(path) or not one.mendable), None)
    if lost is not None:
        mend = ", or reset its branch 'main' to the version that was built"
        raise UserError(
            f"{path}: {_named(path, recipe, lost)} is not what was built: delete it and build it "
            f"again{mend if is_repository(path) else ''}."
        )
    _check_complete(path, recipe, entries)
    if manner == "mend" and damaged:
        numbers = {one.part.number for one in damaged if one.part is not None}
        groups = {one.name.partition("/")[0] for one in damaged if one.part is None}
        with alone(path):
            for number in sorted(numbers):
                for name in _shards(entries[number]):
                    (path / name).unlink(missing_ok=True)
            _mend_parts(recipe, path, data_root, {number: entries[number] for number in numbers})
            if groups:
                _mend_groups(recipe, path, entries)
        return len(entries), [*(f"part {number}" for number in sorted(numbers)), *sorted(groups)]
    if damaged:
        more = f" and {len(damaged) - 1} more" if len(damaged) > 1 else ""
        raise UserError(
            f"{path}: {_named(path, recipe, damaged[0])} is damaged{more}: give the same command "
            "with verify=mend, which makes that again."
        )
    if manner == "source":
        _compare(recipe, path, data_root, workers)
    return len(entries), []


def _lists(path: Path) -> tuple[dict[int, dict[str, Any]], dict[str, str]]:
    """Return the lines of the ledger by part, and the SHA-256 of what belongs to no part."""
    for name in ("ledger.jsonl", CHECKSUMS):
        if not (path / name).is_file():
            raise UserError(f"{path} has no {name} to be held against: build it again.")
    try:
        lines = (path / "ledger.jsonl").read_text().splitlines()
        return {one["part"]: one for one in map(json.loads, lines)}, others(path)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: ledger.jsonl or {CHECKSUMS} is damaged itself: delete the store and build it "
            "again."
        ) from error


def _check_complete(path: Path, recipe: Recipe, entries: Mapping[int, Mapping[str, Any]]) -> None:
    """Refuse a ledger that lacks a part."""
    store = read_group(path)
    along = part_dimension(store, recipe.output)
    ends = [0, *(entries[number]["stop"] for number in sorted(entries))]
    starts = [entries[number]["start"] for number in sorted(entries)]
    if starts != ends[:-1] or ends[-1] != store.sizes.get(along, ends[-1]):
        raise UserError(
            f"{path}: ledger.jsonl does not hold all parts: delete the store and build it again."
        )


def _shards(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of the shards of a part, by name in the store."""
    files = entry["files"].items()
    return {n.removeprefix("store/"): d for n, d in files if n.startswith("store/")}


def _damaged(path: Path, entry: Mapping[str, Any]) -> list[Damage]:
    part = Part(entry["part"], entry["start"], entry["stop"])
    return [Damage(name, part) for name in _different(path, _shards(entry))]


def _different(path: Path, digests: Mapping[str, str]) -> list[str]:
    """Return the names of files, or of keys of a repository, that are not as they were."""
    if not is_repository(path):
        return [name for name, digest in digests.items() if not is_same(path / name, digest)]
    keys = [name for name in digests if not name.endswith("zarr.json")]  # it spells them anew
    found = stored_sha256(path, keys)
    return [key for key in keys if found.get(key) != digests[key]]


def _named(path: Path, recipe: Recipe, damage: Damage) -> str:
    """Return in words what is damaged: of a part the variable, its number and its ends."""
    if damage.part is None:
        return f"'{damage.name}'"
    return f"'{damage.name.partition('/')[0]}' in {_part(path, recipe, damage.part)}"


def _part(path: Path, recipe: Recipe, part: Part) -> str:
    store = read_group(path)
    along = part_dimension(store, recipe.output)
    if along not in store.dims:
        return f"part {part.number}"
    ends = store.indexes[along][[part.start, part.stop - 1]]
    first, last = (one.isoformat() if hasattr(one, "isoformat") else str(one) for one in ends)
    return f"part {part.number} ({along} {first} to {last})"


def _work(recipe: Recipe, path: Path, data_root: Path | None, states: Path) -> Work:
    return Work.of(recipe, Surroundings(data_root, downloads_folder(path.parent), states))


def _mend_parts(
    recipe: Recipe, path: Path, data_root: Path | None, entries: Mapping[int, Mapping[str, Any]]
) -> None:
    if not entries:
        return
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.mending.") as folder:
        work = _work(recipe, path, data_root, Path(folder) / "states")
        for part in work.layout.parts:
            if part.number not in entries:
                continue
            made = make(work.job(part, path, Path(folder) / "statistics"))
            for name, digest in entries[part.number]["files"].items():
                if name.startswith("store/") and made["files"].get(name) != digest:
                    raise UserError(
                        f"{path}: {_part(path, recipe, part)} was made again and is not what it "
                        "was, so sources or software have changed: delete the store and build it "
                        "again."
                    )


def _mend_groups(recipe: Recipe, path: Path, entries: Mapping[int, Mapping[str, Any]]) -> None:
    """Measure the fields of a store again, as its builder did; no source is needed."""
    store = read_group(path)
    parts = tuple(Part(n, one["start"], one["stop"]) for n, one in sorted(entries.items()))
    work = Work(recipe, store, (), Layout(part_dimension(store, recipe.output), parts, {}))
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.mending.") as folder:
        jobs = [work.job(part, path, Path(folder)) for part in parts]
        for job in jobs:
            measure(job, job.lazy)
        for part in work.borders:
            make_border(work.border_job(part, path, Path(folder)))
        for group in GROUPS:
            shutil.rmtree(path / group, ignore_errors=True)
        write_groups(work, path, Path(folder))
    for name in _different(path, others(path)):
        raise UserError(
            f"{path}: '{name}' was made again and is not what it was, so the software has changed: "
            "delete the store and build it again."
        )


def _compare(recipe: Recipe, path: Path, data_root: Path | None, workers: int | None) -> None:
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.verifying.") as folder:
        work = _work(recipe, path, data_root, Path(folder) / "states")
        parts = work.layout.parts
        jobs = (work.job(part, path, Path(folder)) for part in parts)
        first = work.job(parts[0], path, Path(folder))
        count = sensible_count(first, len(parts), workers, work.block)
        with executor(count, None, Path(folder)) as pool:
            for job, name in in_turn(pool, partial(_first_difference, path), jobs):
                if name is not None:
                    raise UserError(
                        f"{path}: '{name}' in {_part(path, recipe, job.part)} is not what the "
                        "sources give now: sources or software have changed; delete the store and "
                        "build it again."
                    )


def _first_difference(path: Path, job: Job) -> str | None:
    """Return the first variable of a part whose values are not those of the sources."""
    fields = compute(job.lazy, job.inputs)
    store = read_group(path)
    for name, array in fields.data_vars.items():
        stored = store[name]
        if job.dimension in stored.dims:
            stored = stored.isel({job.dimension: slice(job.part.start, job.part.stop)})
        if not np.array_equal(stored.values, array.values, equal_nan=array.dtype.kind == "f"):
            return str(name)
    return None
