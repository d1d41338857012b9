"""Building a store in parts that survive a kill, and publishing it at once."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xarray as xr
import zarr

from climbench.errors import UserError
from climbench.progress import Meter
from climbench.recipes.checks import check_filled
from climbench.recipes.clusters import check_cluster
from climbench.recipes.downloads import downloads_folder, taking
from climbench.recipes.ledger import CHECKSUMS, Ledger
from climbench.recipes.lock import alone, building_folder, writable
from climbench.recipes.own_tables import with_contents
from climbench.recipes.parts import Part
from climbench.recipes.schema import Recipe
from climbench.recipes.sources import Input, Surroundings
from climbench.recipes.workers import OPEN_FILES, can_be_sent, executor, in_turn, sensible_count
from climbench.recipes.writing import Job, Work, border_file, make, make_border, write_groups
from climbench.store.layout import create_store
from climbench.store.provenance import software_versions, source_record
from climbench.store.repository import commit_store


def store_path(recipe: Recipe, stores_dir: Path) -> Path:
    """Return where the finished store of a recipe lies."""
    return Path(stores_dir) / f"{recipe.name}-{recipe.hash[:12]}.{recipe.output.format}"


def build(
    recipe: Recipe,
    stores_dir: Path,
    data_root: Path | None = None,
    *,
    workers: int | None = None,
    scheduler: str | Mapping[str, Any] | None = None,
) -> Path:
    """Build a store, or continue or recognise one that was built from the same recipe.

    Parts of whole shards are computed, checked, written and recorded in ``<store>.building``;
    when all are there the store gets its name by one rename. A second builder of the same store
    waits for the first. The bytes are the same whoever makes the parts.

    Parameters
    ----------
    recipe
        From :func:`climbench.recipes.load_recipe`.
    stores_dir
        Folder of the stores; made if absent.
    data_root
        Folder with local copies of the archive; the public address is read without it.
    workers
        Processes that make parts; by default as many as cores and memory allow, and none beside
        this one for little data.
    scheduler
        Address of a dask scheduler, or options of :func:`climbench.recipes.clusters.slurm_cluster`,
        whose workers make the parts instead.

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
    if workers is not None and (type(workers) is not int or workers < 1):
        raise UserError(f"option 'workers' = {workers} is wrong: give a whole number from 1.")
    recipe = with_contents(recipe, data_root)
    path = store_path(recipe, stores_dir)
    if path.exists():
        return path
    if scheduler is not None:
        check_cluster(scheduler)
    with writable(path), alone(path), taking(downloads_folder(path.parent)):
        if not path.exists():
            with (
                xr.set_options(file_cache_maxsize=OPEN_FILES),  # type: ignore[no-untyped-call]
                _nothing_left(building_folder(path)),
            ):
                _Build(recipe, path, data_root, workers, scheduler).run()
        shutil.rmtree(building_folder(path), ignore_errors=True)
    return path


@contextmanager
def _nothing_left(folder: Path) -> Iterator[None]:
    """Remove the folder of a build that is refused before a part of it was made."""
    try:
        yield
    except UserError:
        if not (folder / "ledger.jsonl").exists():
            shutil.rmtree(folder, ignore_errors=True)
        raise


class _Build:
    """One run of a builder that holds the lock."""

    def __init__(
        self,
        recipe: Recipe,
        path: Path,
        data_root: Path | None,
        workers: int | None,
        scheduler: str | Mapping[str, Any] | None,
    ) -> None:
        self.recipe = recipe
        self.path = path
        self.folder = building_folder(path)
        self.store = self.folder / "store"
        self.workers = workers
        self.scheduler = scheduler
        self.surroundings = Surroundings(
            data_root=Path(data_root) if data_root is not None else None,
            downloads=downloads_folder(path.parent),
            states=self.folder / "states",
        )
        self.records: dict[str, dict[str, Any]] = {}

    def run(self) -> None:
        """Build what is not there yet, and publish."""
        work = Work.of(self.recipe, self.surroundings)
        self._prepare(work)
        ledger = Ledger(self.folder / "ledger.jsonl")
        todo = [part for part in work.layout.parts if not ledger.is_intact(part, self.folder)]
        measured = self.folder / "statistics"
        borders = [one for one in work.borders if todo or not border_file(measured, one).exists()]
        if todo or borders:
            self._make(work, todo, borders, ledger)
        self._publish(work, ledger)

    def _prepare(self, work: Work) -> None:
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
        create_store(self.store, work.dataset, attributes, work.layout.encoding)
        ready.touch()

    def _make(
        self, work: Work, todo: Sequence[Part], borders: Sequence[Part], ledger: Ledger
    ) -> None:
        """Have parts made, and each recorded as soon as it is finished; then measure borders."""
        first, count = self._job(work, [*todo, *borders][0]), self.workers
        if self.scheduler is None:
            count = sensible_count(first, len(todo), count, work.block)
        elif not can_be_sent(first):
            raise UserError(
                f"{self.recipe.name}: its parts follow from one another or are in memory as a "
                "whole, so that only one process can make them: leave out scheduler and launcher."
            )
        done = len(work.layout.parts) - len(todo)
        meter = Meter(f"build {self.recipe.name}", done + len(todo), done=done)
        with meter, executor(count, self.scheduler, self.folder) as pool:
            for job, made in in_turn(pool, make, self._jobs(work, todo, ledger)):
                records = [self.records[one.address] for one in job.inputs]
                ledger.record(job.part, records, made)
                meter.advance()
            changes = (work.border_job(one, self.store, first.statistics) for one in borders)
            for _ in in_turn(pool, make_border, changes):
                pass

    def _job(self, work: Work, part: Part) -> Job:
        return work.job(part, self.store, self.folder / "statistics")

    def _jobs(self, work: Work, todo: Sequence[Part], ledger: Ledger) -> Iterator[Job]:
        """Give a job at a time; its inputs are measured while workers are busy with others."""
        for part in todo:
            job = self._job(work, part)
            for one in job.inputs:
                self._record(one, ledger)
            ledger.forget(part, self.folder)
            border_file(job.statistics, part).unlink(missing_ok=True)
            yield job

    def _record(self, source: Input, ledger: Ledger) -> None:
        """Measure address, size and checksum of an input, once.

        Raises
        ------
        UserError
            If an earlier run has read another content.
        """
        if source.address not in self.records:
            record = source.record or source_record(source.path)
            record = {**record, **source.about, "address": source.address}
            if ledger.inputs.get(source.address, record) != record:
                raise UserError(
                    f"{source.address} has changed since the build began: restore it, or delete "
                    f"{self.folder} to begin again."
                )
            self.records[source.address] = record

    def _publish(self, work: Work, ledger: Ledger) -> None:
        try:
            check_filled(work.dataset, ledger.missing(), self.recipe)
        except UserError:  # of parts that are all there: going on with them ends here again
            shutil.rmtree(self.folder)
            raise
        for leftover in self.store.rglob("*.partial"):  # of workers that were killed
            leftover.unlink()
        sources = [ledger.inputs[address] for address in sorted(ledger.inputs)]
        zarr.open_group(str(self.store), mode="r+").attrs["sources"] = json.dumps(
            sources, sort_keys=True
        )
        write_groups(work, self.store, self.folder / "statistics")
        finished = self.store
        if self.recipe.output.format == "icechunk":
            finished = self.folder / "repository"
            shutil.rmtree(finished, ignore_errors=True)  # of a run that was killed here
            commit_store(self.store, finished, f"{self.recipe.name} {self.recipe.hash}")
        ledger.publish(finished / "ledger.jsonl")
        ledger.publish_others(self.store, finished / CHECKSUMS)
        finished.replace(self.path)
