"""Making one part of a store: computing, checking, writing and measuring it; in any process."""

import os
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import dask
import numpy as np
import xarray as xr

from climbench.recipes.checks import check_part
from climbench.recipes.climatology import keep_climatology
from climbench.recipes.fields import open_fields
from climbench.recipes.parts import Layout, Part, lay_out
from climbench.recipes.reading import compute, overlapping
from climbench.recipes.schema import Recipe
from climbench.recipes.sources import Input, Surroundings
from climbench.store.layout import write_part
from climbench.store.opening import read_group
from climbench.store.provenance import file_sha256
from climbench.store.statistics import RunningStatistics, write_statistics
from climbench.store.time_axis import time_step


@dataclass(frozen=True)
class Job:
    """A part to be made, with all that another process needs for it.

    Attributes
    ----------
    part
        Which one.
    lazy
        Its fields, unread, and nothing of other parts.
    inputs
        What they are read from.
    recipe
        The recipe of the store.
    store, statistics
        Folders of the store and of the statistics of its parts.
    dimension
        Along which parts follow each other.
    step
        Usual step of the whole time axis, hours.
    """

    part: Part
    lazy: xr.Dataset
    inputs: tuple[Input, ...]
    recipe: Recipe
    store: Path
    statistics: Path
    dimension: str
    step: float


@dataclass(frozen=True)
class Work:
    """All parts of a store, unread.

    Attributes
    ----------
    recipe
        The recipe of the store.
    dataset
        Its fields.
    inputs
        What they are read from.
    layout
        How they are cut.
    block
        What a thread holds of the sources, bytes.
    """

    recipe: Recipe
    dataset: xr.Dataset
    inputs: tuple[Input, ...]
    layout: Layout
    block: int = 0

    @classmethod
    def of(cls, recipe: Recipe, surroundings: Surroundings) -> "Work":
        """Open the sources of a recipe."""
        opened = open_fields(recipe, surroundings)
        layout = lay_out(opened.dataset, recipe.output)
        return cls(recipe, opened.dataset, opened.inputs, layout, opened.block)

    @cached_property
    def step(self) -> float:
        """Usual step of the time axis, hours; NaN without one."""
        return time_step(self.dataset["time"]) if "time" in self.dataset.dims else float("nan")

    def job(self, part: Part, store: Path, statistics: Path) -> Job:
        """Return a part with only its own share of the fields."""
        along = self.layout.dimension
        lazy = self.dataset
        if along in lazy.dims:
            lazy = lazy.isel({along: slice(part.start, part.stop)})
        if part.start > 0:  # what does not vary is in the first part
            lazy = lazy[[name for name, array in lazy.data_vars.items() if along in array.dims]]
        inputs = tuple(overlapping(self.inputs, lazy))
        (lazy,) = dask.optimize(lazy)
        return Job(part, lazy, inputs, self.recipe, store, statistics, along, self.step)

    @property
    def borders(self) -> tuple[Part, ...]:
        """Parts into which changes lead from parts before."""
        return self.layout.parts[1:] if self.layout.dimension == "time" else ()

    def border_job(self, part: Part, store: Path, statistics: Path) -> Job:
        """Return what :func:`make_border` needs, which reads the store and no source."""
        along = self.layout.dimension
        return Job(part, xr.Dataset(), (), self.recipe, store, statistics, along, self.step)


def make(job: Job) -> dict[str, Any]:
    """Make a part; making it again gives the same bytes, and no file is ever half-written.

    Returns
    -------
    dict
        For the ledger: ``files``, the SHA-256 of each as it lies on disk (``store/...``,
        ``statistics/...``); ``bytes`` of its fields and ``seconds`` that it took; ``missing``
        values, from :func:`climbench.recipes.checks.check_part`.

    Raises
    ------
    UserError
        If a source, a check or the disk is at fault.
    """
    began = time.perf_counter()
    fields = compute(job.lazy, job.inputs)
    missing = check_part(fields, job.recipe, job.inputs)
    shards = write_part(job.store, fields, job.dimension, job.part.start)
    state = measure(job, fields)
    files = {f"store/{one.relative_to(job.store).as_posix()}": file_sha256(one) for one in shards}
    return {
        "files": {**files, f"statistics/{state.name}": file_sha256(state)},
        "bytes": sum(array.nbytes for array in fields.data_vars.values()),
        "seconds": round(time.perf_counter() - began, 3),
        "missing": missing,
    }


def measure(job: Job, fields: xr.Dataset) -> Path:
    """Keep the statistics of a part for the end of the build; return where."""
    statistics = empty_statistics(job.recipe, job.dimension, job.step)
    measured = training(fields, job.recipe)
    if measured is not None:
        statistics.update(measured)
    return _save(statistics, job.statistics / f"{job.part.number}.npz")


def make_border(job: Job) -> None:
    """Keep the statistics of changes into a part from those before, unless an earlier run has."""
    path = border_file(job.statistics, job.part)
    if path.exists():
        return
    statistics = empty_statistics(job.recipe, job.dimension, job.step)
    whole = read_group(job.store)
    fields = training(whole, job.recipe)
    if fields is not None:
        first = int(np.argmax(whole["time"].values == fields["time"].values[0]))
        ends = (
            np.clip(n - first, 0, fields.sizes["time"]) for n in (job.part.start, job.part.stop)
        )
        statistics.update_border(fields, *map(int, ends))
    _save(statistics, path)


def border_file(folder: Path, part: Part) -> Path:
    """Return where :func:`make_border` keeps its statistics."""
    return folder / f"{part.number}.border.npz"


def empty_statistics(recipe: Recipe, dimension: str, step: float) -> RunningStatistics:
    """Return the statistics of nothing yet."""
    return RunningStatistics(dimension, step, recipe.statistics.tendency_leads)


def training(fields: xr.Dataset, recipe: Recipe) -> xr.Dataset | None:
    """Return what statistics may see, or None if the part holds nothing of it."""
    chosen = recipe.statistics
    if chosen.period is not None and "time" in fields.dims:
        fields = fields.sel(time=slice(*chosen.period))
    if chosen.scenarios is not None and "scenario" in fields.dims:
        kept = [s for s in fields["scenario"].values if s in chosen.scenarios]
        fields = fields.sel(scenario=kept)
    return None if 0 in fields.sizes.values() else fields


def write_groups(work: Work, store: Path, folder: Path) -> None:
    """Write the groups ``climatology`` and ``statistics`` of a store whose parts are all there.

    Parameters
    ----------
    work
        Its parts.
    store
        Its folder.
    folder
        Where :func:`measure` and :func:`make_border` have kept statistics.
    """
    total = empty_statistics(work.recipe, work.layout.dimension, work.step)
    measured = [folder / f"{part.number}.npz" for part in work.layout.parts]
    for path in [*measured, *(border_file(folder, part) for part in work.borders)]:
        with np.load(path, allow_pickle=False) as arrays:
            state = {name: arrays[name] for name in arrays.files}
        total = total.merge(RunningStatistics.from_dict(state))
    keep_climatology(store, work.recipe)
    write_statistics(store, total, _period(work), work.recipe.hash)


def _period(work: Work) -> list[str]:
    """Return what was measured: first and last date, and names of scenarios."""
    chosen, dataset = work.recipe.statistics, work.dataset
    period = list(chosen.period or ())
    if "time" in dataset.dims:
        first, last = (time.isoformat()[:10] for time in dataset.indexes["time"][[0, -1]])
        period = [max(first, period[0]), min(last, period[1])] if period else [first, last]
    return [*period, *(chosen.scenarios or ())]


def _save(statistics: RunningStatistics, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    # a worker whose coordinator was killed may be about to write the same
    temporary = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **statistics.to_dict())
    temporary.replace(path)
    return path
