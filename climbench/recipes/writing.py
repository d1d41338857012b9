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
from climbench.recipes.fields import open_fields
from climbench.recipes.parts import Layout, Part, lay_out
from climbench.recipes.reading import compute, overlapping
from climbench.recipes.schema import Recipe
from climbench.recipes.sources import Input, Surroundings
from climbench.store.layout import write_part
from climbench.store.provenance import file_sha256
from climbench.store.statistics import RunningStatistics
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
    """

    recipe: Recipe
    dataset: xr.Dataset
    inputs: tuple[Input, ...]
    layout: Layout

    @classmethod
    def of(cls, recipe: Recipe, surroundings: Surroundings) -> "Work":
        """Open the sources of a recipe."""
        dataset, inputs = open_fields(recipe, surroundings)
        return cls(recipe, dataset, tuple(inputs), lay_out(dataset, recipe.output))

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
    statistics = empty_statistics(job.recipe, job.dimension, job.step)
    measured = training(fields, job.recipe, job.dimension)
    if measured is not None:
        statistics.update(measured)
    state = _save(statistics, statistics_file(job.statistics, job.part))
    files = {f"store/{one.relative_to(job.store).as_posix()}": file_sha256(one) for one in shards}
    return {
        "files": {**files, f"statistics/{state.name}": file_sha256(state)},
        "bytes": sum(array.nbytes for array in fields.data_vars.values()),
        "seconds": round(time.perf_counter() - began, 3),
        "missing": missing,
    }


def empty_statistics(recipe: Recipe, dimension: str, step: float) -> RunningStatistics:
    """Return the statistics of nothing yet."""
    return RunningStatistics(dimension, step, recipe.statistics.tendency_leads)


def training(fields: xr.Dataset, recipe: Recipe, dimension: str) -> xr.Dataset | None:
    """Return what statistics may see, or None if the part holds nothing of it."""
    chosen = recipe.statistics
    if chosen.period is not None and "time" in fields.dims:
        fields = fields.sel(time=slice(*chosen.period))
    if chosen.scenarios is not None and "scenario" in fields.dims:
        kept = [s for s in fields["scenario"].values if s in chosen.scenarios]
        fields = fields.sel(scenario=kept)
    return None if 0 in fields.sizes.values() else fields


def statistics_file(folder: Path, part: Part) -> Path:
    """Return where the statistics of a part lie while its store is built."""
    return folder / f"{part.number}.npz"


def measured_part(folder: Path, part: Part) -> RunningStatistics:
    """Return the statistics of a finished part."""
    with np.load(statistics_file(folder, part), allow_pickle=False) as arrays:
        return RunningStatistics.from_dict({name: arrays[name] for name in arrays.files})


def _save(statistics: RunningStatistics, path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    # a worker whose coordinator was killed may be about to write the same
    temporary = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **statistics.to_dict())
    temporary.replace(path)
    return path
