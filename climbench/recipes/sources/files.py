"""Files of an archive as a source."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from climbench.errors import UserError, nearest
from climbench.recipes.dates import during, within
from climbench.recipes.downloads import Wanted, fetch_all, shown
from climbench.recipes.downloads.cache import CHUNKS, UNPACKED, mark_used
from climbench.recipes.schema import Files, Recipe, as_list
from climbench.recipes.sources.addresses import locate, wanted
from climbench.recipes.sources.annual import annual_fields
from climbench.recipes.sources.archives import is_archive, members
from climbench.recipes.sources.combining import along_time, by_variable, check_frequency, check_gaps
from climbench.recipes.sources.conform import numbered
from climbench.recipes.sources.foreseen import header, is_foreseeable, requested, series
from climbench.recipes.sources.narrowing import narrow
from climbench.recipes.sources.opening import open_file
from climbench.recipes.sources.relabelling import relabel
from climbench.recipes.sources.remote_zarr import key_of, remote_record
from climbench.recipes.sources.source import Input, Opened, Surroundings, largest_block
from climbench.recipes.sources.together import MANY, Together, open_together
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
    block = largest_block(dataset)
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
        dataset = during(dataset, start, end) if lies_apart else within(dataset, start, end)
    if source.regrid is not None:
        dataset = source.regrid.apply(STEPS["sort"].parse({}).apply(dataset))
    if recipe.checks.gaps == "refuse":
        check_gaps(name, dataset, recipe.dates.missing if recipe.dates else [])
    return Opened(dataset, tuple(inputs), block)


def _open_all(
    source: Files, recipe: Recipe, surroundings: Surroundings
) -> tuple[list[tuple[str, xr.Dataset]], list[Input]]:
    """Return all files of a source with their names, and what they are; a plan reads the first."""
    files: list[tuple[str, xr.Dataset]] = []
    inputs: list[Input] = []
    located = locate(source, recipe.dates, surroundings)
    asked = located[0][1].startswith("cds://")
    if surroundings.foresee and (asked or is_foreseeable([address for _, address in located])):
        return _foreseen(source, located, surroundings, asked)
    for name, address in located[1:]:
        if surroundings.peek and "://" in address:
            inputs.append(Input(shown(name), address, dict(source.coordinates), unread=True))
    needed = located[: len(located) - len(inputs)]
    paths = _fetched([wanted(source, *one) for one in needed], surroundings.downloads)
    if source.archive is None and len(needed) >= MANY:
        names = [shown(address) for address, _ in needed]
        first = next(paths)
        open_file(first, names[0], source)  # before all others are fetched
        paths = iter(every := [first, *paths])
        together = open_together([*zip(names, every, strict=True)], source, IDENTITY)
        if together is not None:
            return [together.file], inputs + _inputs(together, source)
    for (address, _), path in zip(needed, paths, strict=True):
        name = shown(address)
        parts = [(name, path)]
        if source.archive is not None and is_archive(path):
            parts = members(path, name, source, surroundings.downloads / UNPACKED)
        shared = len(parts) > 1 and name.startswith("cds://")  # a request of several kinds of data
        own = source.model_copy(update={"variables": None}) if shared else source
        opened: list[tuple[str, xr.Dataset]] = []
        for part, place in parts:
            record = remote_record(place) if "://" in place else None
            version = record["etag"] if record else ""
            chunks = surroundings.downloads / CHUNKS / key_of(f"{part} {version}")
            if record:
                mark_used(chunks)
            cut = partial(narrow, source=source, recipe=recipe)
            dataset = open_file(place, part, own, cut, chunks)
            opened.append((part, dataset))
            about = {name: str(dataset.attrs[name]) for name in IDENTITY if name in dataset.attrs}
            labels = dict(source.coordinates)
            inputs.append(Input(part, place, labels, _span(dataset), record, about=about))
        files += [(name, _together(name, opened, source))] if shared else opened
    return files, inputs


def _together(name: str, parts: list[tuple[str, xr.Dataset]], source: Files) -> xr.Dataset:
    """Return the variables of a request that the Climate Data Store answers with several files.

    Instantaneous fields and sums come apart, at the same times.

    Raises
    ------
    UserError
        If one is in none of them, or in two.
    """
    dataset = by_variable(parts)
    for variable in source.variables or ():
        if variable not in dataset:
            hint = nearest(variable, map(str, dataset.data_vars))
            raise UserError(f"{name} has no gridded variable '{variable}': {hint}")
    return dataset if source.variables is None else dataset[source.variables]


def _inputs(together: Together, source: Files) -> list[Input]:
    """Return what many files are that were opened as one."""
    time = hours(together.dataset["time"])
    labels = dict(source.coordinates)
    return [
        Input(name, path, labels, (float(time[first]), float(time[last])), about=about)
        for name, path, (first, last), about in zip(
            together.names, together.paths, together.ends, together.attributes, strict=True
        )
    ]


def _foreseen(
    source: Files, located: Sequence[tuple[str, str]], surroundings: Surroundings, asked: bool
) -> tuple[list[tuple[str, xr.Dataset]], list[Input]]:
    """Return files by what is asked for, or by a header and names.

    The first is fetched where no server gives ranges of it.
    """
    addresses = [address for _, address in located]
    if asked:
        dataset = requested(addresses, source)
    else:
        first = wanted(source, *located[0])
        template = header([first.address, *first.mirrors], source)
        if template is None:
            (path,) = fetch_all([first], surroundings.downloads)
            template = open_file(path, located[0][0], source)
        dataset = series(template, addresses)
    labels = dict(source.coordinates)
    inputs = []
    for address in addresses:
        size = source.sizes.get(address.rsplit("/", 1)[-1])
        inputs.append(Input(shown(address), address, labels, unread=True, size=size))
    return [(shown(addresses[0]), dataset)], inputs


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
