"""What a recipe will keep, cut out of a source before a byte of its fields is read."""

from collections.abc import Hashable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.recipes.dates import during, within
from climbench.recipes.schema import Files, Recipe, Source
from climbench.recipes.steps import STEPS

NAME_BY_NAME = ("regrid", "resample_time", "sort")
"""Steps that neither name variables nor make one from another."""
BLOCK_BYTES = 2**26  # of a dask block: enough chunks to be fetched at the same time


def narrow(dataset: xr.Dataset, source: Files, recipe: Recipe) -> xr.Dataset:
    """Return the variables, levels and times of a Zarr store that the recipe keeps in the end.

    Parameters
    ----------
    dataset
        As the store is opened, not yet in blocks of dask: a selection reads nothing.
    source
        Its names in the archive, and what it selects itself.
    recipe
        What is kept in the end; variables and levels are left whole where a step may make them
        from others.

    Returns
    -------
    xarray.Dataset
        In blocks of dask along time, each of whole chunks of the store.
    """
    positions = {}
    if "time" in dataset.dims:
        positions = {"archive_position": ("time", np.arange(dataset.sizes["time"]))}
    dataset = dataset.assign_coords(positions)
    if source.select is not None:
        dataset = source.select.apply(dataset)
    if recipe.dates is not None and "time" in dataset.dims and source.annual is None:
        # years are made of whole ones; and a scenario of several may lie outside the dates
        start, end = recipe.dates.start, recipe.dates.end
        apart = bool(source.coordinates)
        dataset = during(dataset, start, end) if apart else within(dataset, start, end)
    if all(step.name in NAME_BY_NAME for step in recipe.steps):
        dataset = _kept(dataset, source, recipe)
    return _in_whole_chunks(dataset)


def is_kept(source: Source, recipe: Recipe) -> bool:
    """Tell whether a recipe may keep anything of a source: what it does not is never fetched.

    Sources say their variables by their names in the archive and what becomes of them; where a
    step may make variables from others, or no source has what is wanted, all are opened.
    """
    chosen = recipe.variables
    if chosen is None or not all(step.name in NAME_BY_NAME for step in recipe.steps):
        return True
    names = [_names(one) for one in recipe.sources]
    found = any(one is None or not one.isdisjoint(chosen) for one in names)
    own = _names(source)
    return not found or own is None or not own.isdisjoint(chosen)


def _names(source: Source) -> set[str] | None:
    """Return the names of a source's variables in the store, if it tells them."""
    if not isinstance(source, Files) or source.variables is None:
        return None
    return {source.rename.get(name, name) for name in source.variables}


def _kept(dataset: xr.Dataset, source: Files, recipe: Recipe) -> xr.Dataset:
    """Return the variables and levels that the recipe names; all of them if one is not here."""
    if recipe.variables is not None and not source.rename:
        wanted = [name for name in dataset.data_vars if name in recipe.variables]
        if wanted and (len(recipe.sources) > 1 or len(wanted) == len(recipe.variables)):
            dataset = dataset[wanted]
    if recipe.levels is not None and "level" in dataset.dims:
        dataset = STEPS["select"].parse({"levels": recipe.levels}).apply(dataset)
    return dataset


def _in_whole_chunks(dataset: xr.Dataset) -> xr.Dataset:
    """Return every variable in blocks that end where chunks of the store end."""
    if "archive_position" not in dataset.coords:
        return dataset.chunk()
    positions = dataset["archive_position"].values
    dataset = dataset.drop_vars("archive_position")
    blocks: dict[Hashable, Any] = {}
    for name, array in dataset.data_vars.items():
        if "time" not in array.dims:
            blocks[name] = array.chunk()
            continue
        step = int(array.encoding.get("preferred_chunks", {}).get("time", 1))
        most = max(1, BLOCK_BYTES * array.sizes["time"] // max(1, array.nbytes))
        blocks[name] = array.chunk({"time": whole_chunks(positions, step, most)})
    return dataset.assign(blocks)


def whole_chunks(positions: NDArray[np.integer], step: int, most: int) -> tuple[int, ...]:
    """Return lengths of blocks that end where chunks of the archive end.

    Parameters
    ----------
    positions
        Place of each kept time ``[time]`` in the archive, ascending.
    step
        Times in a chunk of the archive.
    most
        Times that a block may hold, unless one chunk has more.

    Examples
    --------
    >>> whole_chunks(np.arange(130, 430), step=100, most=200)
    (170, 130)
    """
    chunks = np.unique(positions // step, return_counts=True)[1]
    blocks: list[int] = []
    for length in chunks.tolist():
        if blocks and blocks[-1] + length <= most:
            blocks[-1] += length
        else:
            blocks.append(length)
    return tuple(blocks)
