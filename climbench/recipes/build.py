"""Building a store in parts that survive a kill, and publishing it at once."""

import errno
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import track

from climbench.errors import UserError
from climbench.recipes.checks import check_part
from climbench.recipes.fields import open_fields
from climbench.recipes.ledger import Ledger
from climbench.recipes.parts import Layout, Part, lay_out
from climbench.recipes.reading import compute, overlapping
from climbench.recipes.schema import Recipe
from climbench.recipes.sources import Input, Surroundings
from climbench.store.layout import create_store, write_part
from climbench.store.provenance import software_versions, source_record
from climbench.store.statistics import RunningStatistics, write_statistics
from climbench.store.time_axis import time_step

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def store_path(recipe: Recipe, stores_dir: Path) -> Path:
    """Return where the finished store of a recipe lies."""
    return Path(stores_dir) / f"{recipe.name}-{recipe.hash[:12]}.zarr"


def build(recipe: Recipe, stores_dir: Path, data_root: Path | None = None) -> Path:
    """Build a store, or continue or recognise one that was built from the same recipe.

    Parts of whole shards are computed, checked, written and recorded one after the other in
    ``<store>.building``; when all are there the store gets its name by one rename. A second
    builder of the same store waits for the first.

    Parameters
    ----------
    recipe
        From :func:`climbench.recipes.load_recipe`.
    stores_dir
        Folder of the stores; made if absent.
    data_root
        Folder with local copies of the archive; the public address is read without it.

    Returns
    -------
    pathlib.Path
        Folder of the finished store.

    Raises
    ------
    UserError
        If a source, a step, a check or the disk is at fault; what was finished is kept.
    """
    if data_root is not None and not data_root.is_dir():
        raise UserError(f"option 'data_root': there is no folder {data_root}.")
    path = store_path(recipe, stores_dir)
    if path.exists():
        return path
    with _writable(path), _alone(path):
        if not path.exists():
            _Build(recipe, path, data_root).run()
        shutil.rmtree(_building(path), ignore_errors=True)
    return path


def _building(path: Path) -> Path:
    return path.with_name(path.name + ".building")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock of a store; wait for another builder and say who it is."""
    holder = path.with_name(f".{path.name}.holder")
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who = holder.read_text() if holder.exists() else "another process"
        Console(stderr=True).print(f"{path.name} is being built by {who}; waiting for it ...")
        lock.acquire()
    try:
        holder.write_text(f"process {os.getpid()} on {socket.gethostname()}")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    """Make the folder of the stores, and say what to do when the disk refuses to take more."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except PermissionError as error:
        raise UserError(
            f"{error.filename} may not be written: choose another folder with stores_dir."
        ) from error
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise UserError(
            f"the disk is full at {path.parent}: free some space and run the same build again, it "
            "goes on from the parts that are finished."
        ) from error


class _Build:
    """One run of a builder that holds the lock."""

    def __init__(self, recipe: Recipe, path: Path, data_root: Path | None) -> None:
        self.recipe = recipe
        self.path = path
        self.folder = _building(path)
        self.store = self.folder / "store"
        self.surroundings = Surroundings(
            data_root=Path(data_root) if data_root is not None else None,
            downloads=path.parent / "downloads",
            states=self.folder / "states",
        )
        self.records: dict[str, dict[str, Any]] = {}

    def run(self) -> None:
        """Build what is not there yet, and publish."""
        dataset, inputs = open_fields(self.recipe, self.surroundings)
        layout = lay_out(dataset, self.recipe.output)
        self._prepare(dataset, layout)
        ledger = Ledger(self.folder / "ledger.jsonl")
        step = time_step(dataset["time"]) if "time" in dataset.dims else float("nan")
        todo = [part for part in layout.parts if not self._is_done(part, ledger)]
        console = Console(stderr=True)
        for part in track(
            todo,
            f"building {self.recipe.name}",
            len(layout.parts),
            len(layout.parts) - len(todo),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        ):
            self._build_part(dataset, inputs, layout, part, ledger, step)
        self._publish(dataset, layout, ledger, step)

    def _prepare(self, dataset: xr.Dataset, layout: Layout) -> None:
        """Write the empty store, unless an earlier run has."""
        ready = self.folder / "prepared"
        if ready.exists():
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        attributes = {
            "recipe": json.dumps(self.recipe.resolved(), sort_keys=True),
            "recipe_hash": self.recipe.hash,
            "sources": "[]",
            "software": json.dumps(software_versions(), sort_keys=True),
            "simulated": "true" if self.recipe.simulated else "false",
            "licence": self.recipe.licence,
            "citation": self.recipe.citation,
            "Conventions": "CF-1.11",
        }
        create_store(self.store, dataset, attributes, layout.encoding)
        ready.touch()

    def _is_done(self, part: Part, ledger: Ledger) -> bool:
        return ledger.is_intact(part, self.folder)

    def _build_part(
        self,
        dataset: xr.Dataset,
        inputs: list[Input],
        layout: Layout,
        part: Part,
        ledger: Ledger,
        step: float,
    ) -> None:
        along = layout.dimension
        lazy = (
            dataset.isel({along: slice(part.start, part.stop)})
            if along in dataset.dims
            else dataset
        )
        sources = overlapping(inputs, lazy)
        records = [self._record(one, ledger) for one in sources]
        ledger.forget(part, self.folder)
        fields = compute(lazy, sources)
        check_part(fields, self.recipe, sources)
        files = write_part(self.store, fields, along, part.start)
        statistics = RunningStatistics(along, step)
        measured = self._training(fields, along)
        if measured is not None:
            statistics.update(measured)
        state = self.folder / "statistics" / f"{part.number}.npz"
        state.parent.mkdir(exist_ok=True)
        np.savez(state, allow_pickle=False, **statistics.to_dict())
        ledger.record(part, records, [*files, state], self.folder)

    def _training(self, fields: xr.Dataset, along: str) -> xr.Dataset | None:
        """Return what statistics may see, or None if the part holds nothing of it."""
        chosen = self.recipe.statistics
        if chosen.period is not None and "time" in fields.dims:
            fields = fields.sel(time=slice(*chosen.period))
        if chosen.scenarios is not None and "scenario" in fields.dims:
            kept = [s for s in fields["scenario"].values if s in chosen.scenarios]
            fields = fields.sel(scenario=kept)
        return None if 0 in fields.sizes.values() else fields

    def _record(self, source: Input, ledger: Ledger) -> dict[str, Any]:
        """Return address, size and checksum of an input, measured once.

        Raises
        ------
        UserError
            If an earlier run has read another content.
        """
        if source.address not in self.records:
            record = {**(source.record or source_record(source.path)), "address": source.address}
            if ledger.inputs().get(source.address, record) != record:
                raise UserError(
                    f"{source.address} has changed since the build began: restore it, or delete "
                    f"{self.folder} to begin again."
                )
            self.records[source.address] = record
        return self.records[source.address]

    def _publish(self, dataset: xr.Dataset, layout: Layout, ledger: Ledger, step: float) -> None:
        total = RunningStatistics(layout.dimension, step)
        for part in layout.parts:
            with np.load(self.folder / "statistics" / f"{part.number}.npz") as arrays:
                state = {name: arrays[name] for name in arrays.files}
            total = total.merge(RunningStatistics.from_dict(state))
        zarr.open_group(str(self.store), mode="r+").attrs["sources"] = json.dumps(
            [*ledger.inputs().values()]
        )
        write_statistics(self.store, total, self._period(dataset), self.recipe.hash)
        shutil.copyfile(ledger.path, self.store / "ledger.jsonl")
        self.store.replace(self.path)

    def _period(self, dataset: xr.Dataset) -> list[str]:
        chosen = self.recipe.statistics
        if chosen.period is not None or "time" not in dataset.dims:
            return [*(chosen.period or ()), *(chosen.scenarios or ())]
        ends = dataset.indexes["time"][[0, -1]]
        return [*(time.isoformat()[:10] for time in ends), *(chosen.scenarios or ())]
