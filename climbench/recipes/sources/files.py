"""Files of an archive as a source."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import xarray as xr

from climbench.errors import UserError, nearest
from climbench.recipes.dates import within
from climbench.recipes.schema import Files, Recipe
from climbench.recipes.sources.addresses import fetch, locate
from climbench.recipes.sources.annual import annual_fields
from climbench.recipes.sources.archives import is_archive, members
from climbench.recipes.sources.combining import along_time, check_gaps
from climbench.recipes.sources.opening import open_file
from climbench.recipes.sources.relabelling import relabel
from climbench.recipes.sources.source import Input, Opened, Surroundings
from climbench.store.provenance import file_sha256
from climbench.store.time_axis import hours


def open_files(source: Files, recipe: Recipe, surroundings: Surroundings) -> Opened:
    """Open the files of a source as one dataset along time, within the recipe's dates.

    Raises
    ------
    UserError
        If a file is absent, damaged or different from its siblings, or times overlap or lack.
    """
    files = []
    inputs = []
    located = locate(source, recipe.dates, surroundings)
    for position, (name, address) in enumerate(located):
        if surroundings.peek and position and "://" in address:
            inputs.append(Input(name, address, dict(source.coordinates), unread=True))
            continue
        path = fetch(address, surroundings.downloads)
        _check_sum(source, name, path)
        parts = [(name, path)]
        if source.archive is not None and is_archive(path):
            parts = members(path, name, source, surroundings.downloads / "unpacked")
        for part, place in parts:
            dataset = open_file(place, part, source)
            files.append((part, dataset))
            inputs.append(Input(part, place, dict(source.coordinates), _span(dataset)))
    name, dataset = along_time(files)
    if source.annual is not None:
        dataset = annual_fields(dataset, name, source.annual)
        inputs = [replace(one, hours=_span(dataset)) for one in inputs]
    for old in source.rename:
        if old not in dataset:
            raise UserError(f"{name} has no '{old}' to rename: {nearest(old, map(str, dataset))}")
    dataset = relabel(dataset.rename(source.rename), source.relabel, name)
    if recipe.dates is not None and "time" in dataset.dims:
        # one scenario of several may lie outside the dates, all files of one series may not
        start, end = recipe.dates.start, recipe.dates.end
        lies_apart = bool(source.coordinates)
        dataset = dataset.sel(time=slice(start, end)) if lies_apart else within(dataset, start, end)
    if recipe.checks.gaps == "refuse":
        check_gaps(name, dataset, recipe.dates.missing if recipe.dates else [])
    return Opened(dataset, tuple(inputs))


def _span(dataset: xr.Dataset) -> tuple[float, float] | None:
    """Return the first and the last time, hours."""
    ends = hours(dataset["time"]) if dataset.sizes.get("time") else np.empty(0)
    return (float(ends.min()), float(ends.max())) if ends.size else None


def _check_sum(source: Files, name: str, path: str) -> None:
    published = source.sha256.get(name.rsplit("/", 1)[-1])
    if (
        published
        and Path(path).is_file()
        and _sum_of(path, Path(path).stat().st_mtime_ns) != (published)
    ):
        raise UserError(f"{name} is not the published file: its SHA-256 differs; fetch it again.")


@lru_cache(maxsize=256)
def _sum_of(path: str, changed: int) -> str:
    """Return the SHA-256 of a file, which several sources may be members of, read once."""
    return file_sha256(Path(path))
