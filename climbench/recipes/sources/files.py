"""Files of an archive as a source."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from climbench.errors import UserError, nearest
from climbench.recipes.dates import within
from climbench.recipes.downloads import Wanted, fetch_all, shown
from climbench.recipes.downloads.cache import UNPACKED
from climbench.recipes.schema import Files, Recipe, as_list
from climbench.recipes.sources.addresses import locate, wanted
from climbench.recipes.sources.annual import annual_fields
from climbench.recipes.sources.archives import is_archive, members
from climbench.recipes.sources.combining import along_time, check_frequency, check_gaps
from climbench.recipes.sources.conform import numbered
from climbench.recipes.sources.narrowing import narrow
from climbench.recipes.sources.opening import open_file
from climbench.recipes.sources.relabelling import relabel
from climbench.recipes.sources.remote_zarr import key_of, remote_record
from climbench.recipes.sources.source import Input, Opened, Surroundings
from climbench.recipes.steps import STEPS
from climbench.store.time_axis import hours

IDENTITY = ("tracking_id",)
"""Attributes by which an archive knows a file, whatever its name."""


def open_files(source: Files, recipe: Recipe, surroundings: Surroundings) -> Opened:
    """Open the files of a source as one dataset along time, within the recipe's dates.

    Raises
    ------
    UserError
        If a file is absent, damaged or different from its siblings, or times overlap or lack.
    """
    files, inputs = _open_all(source, recipe, surroundings)
    name, dataset = along_time(files)
    if recipe.checks.gaps == "refuse" and source.annual is None:
        check_frequency(name, dataset)
    if source.annual is not None:
        dataset = annual_fields(dataset, name, source.annual)
        inputs = [replace(one, hours=_span(dataset)) for one in inputs]
    for old in source.rename:
        if old not in dataset and old not in dataset.dims:
            raise UserError(f"{name} has no '{old}' to rename: {nearest(old, map(str, dataset))}")
    dataset = relabel(numbered(dataset.rename(source.rename)), source.relabel, name)
    if recipe.dates is not None and "time" in dataset.dims:
        # one scenario of several may lie outside the dates, all files of one series may not
        start, end = recipe.dates.start, recipe.dates.end
        lies_apart = bool(source.coordinates)
        dataset = dataset.sel(time=slice(start, end)) if lies_apart else within(dataset, start, end)
    if source.regrid is not None:
        dataset = source.regrid.apply(STEPS["sort"].parse({}).apply(dataset))
    if recipe.checks.gaps == "refuse":
        check_gaps(name, dataset, recipe.dates.missing if recipe.dates else [])
    return Opened(dataset, tuple(inputs))


def _open_all(
    source: Files, recipe: Recipe, surroundings: Surroundings
) -> tuple[list[tuple[str, xr.Dataset]], list[Input]]:
    """Return all files of a source with their names, and what they are; a plan reads the first."""
    files: list[tuple[str, xr.Dataset]] = []
    inputs: list[Input] = []
    located = locate(source, recipe.dates, surroundings)
    for name, address in located[1:]:
        if surroundings.peek and "://" in address:
            inputs.append(Input(shown(name), address, dict(source.coordinates), unread=True))
    needed = located[: len(located) - len(inputs)]
    paths = _fetched([wanted(source, *one) for one in needed], surroundings.downloads)
    for (address, _), path in zip(needed, paths, strict=True):
        name = shown(address)
        parts = [(name, path)]
        if source.archive is not None and is_archive(path):
            parts = members(path, name, source, surroundings.downloads / UNPACKED)
        for part, place in parts:
            record = remote_record(place) if "://" in place else None
            version = record["etag"] if record else ""
            chunks = surroundings.downloads / "chunks" / key_of(f"{part} {version}")
            cut = partial(narrow, source=source, recipe=recipe)
            dataset = open_file(place, part, source, cut, chunks)
            files.append((part, dataset))
            about = {name: str(dataset.attrs[name]) for name in IDENTITY if name in dataset.attrs}
            labels = dict(source.coordinates)
            inputs.append(Input(part, place, labels, _span(dataset), record, about=about))
    return files, inputs


def prefetch(sources: Sequence[object], recipe: Recipe, surroundings: Surroundings) -> None:
    """Fetch the files of several sources side by side, before each is opened by itself.

    Raises
    ------
    UserError
        If one of them cannot be had.
    """
    found = [
        wanted(source, name, address)
        for source in sources
        if isinstance(source, Files) and not any(set("*?[") & {*a} for a in as_list(source.address))
        for name, address in locate(source, recipe.dates, surroundings)
        if "://" in address
    ]
    fetch_all(list(dict.fromkeys(found)), surroundings.downloads)


def _fetched(needed: list[Wanted], folder: Path) -> Iterator[str]:
    """Give the paths of files; the first is fetched alone, so that a mistake in the recipe shows.

    It would be a pity to download all others before.
    """
    yield from fetch_all(needed[:1], folder)
    yield from fetch_all(needed[1:], folder)


def _span(dataset: xr.Dataset) -> tuple[float, float] | None:
    """Return the first and the last time, hours."""
    ends = hours(dataset["time"]) if dataset.sizes.get("time") else np.empty(0)
    return (float(ends.min()), float(ends.max())) if ends.size else None
