"""Parts of a build: whole shards along one dimension."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import xarray as xr

from climbench.errors import UserError
from climbench.recipes.schema import Output
from climbench.store.layout import encoding

CHUNK_BYTES = 2**20
SHARD_BYTES = 2**26
LONGEST = 4  # times the usual length of a part, for the sake of the files' blocks
COPIES = 3  # of a part that are held at once: its fields, a source's, a temporary


@dataclass(frozen=True)
class Part:
    """Consecutive entries along the part dimension.

    Attributes
    ----------
    number
        Position among the parts.
    start, stop
        First entry, and the one after the last.
    """

    number: int
    start: int
    stop: int


@dataclass(frozen=True)
class Layout:
    """How a store is cut.

    Attributes
    ----------
    dimension
        Along which parts follow each other.
    parts
        All parts, in order.
    encoding
        Chunks, shards and codec by variable.
    """

    dimension: str
    parts: tuple[Part, ...]
    encoding: dict[str, dict[str, Any]]


def part_dimension(dataset: xr.Dataset, output: Output) -> str:
    """Return the dimension along which a store is built."""
    return output.dimension or ("scenario" if "scenario" in dataset.dims else "time")


def _fields_of(array: xr.DataArray) -> int:
    """Return how many fields of a map are in an entry; a column is read with all its levels."""
    return 1 if "column" in array.dims else array.sizes.get("level", 1)


def lay_out(dataset: xr.Dataset, output: Output) -> Layout:
    """Return the layout of a store: the recipe's, or chunks of 1 MiB in shards of 64 MiB.

    Raises
    ------
    UserError
        If the store has no such dimension.
    """
    dimension = part_dimension(dataset, output)
    if dimension not in dataset.dims:
        if output.dimension is not None:
            raise UserError(f"output.dimension: the store has no dimension '{dimension}'.")
        return Layout(dimension, (Part(0, 0, 1),), encoding(dataset, dimension, 1, 1))
    size = dataset.sizes[dimension]
    varying = [a for a in dataset.data_vars.values() if dimension in a.dims]
    entry = max(array.nbytes // size for array in varying)
    field = max(array.nbytes // (size * _fields_of(array)) for array in varying)
    chunk = output.chunk or max(1, CHUNK_BYTES // field)
    shard = output.shard or _whole_blocks(max(chunk, SHARD_BYTES // entry), varying, dimension)
    if output.chunk is None:  # one that divides the shard, which else would be rounded up
        chunk = next((n for n in range(chunk, chunk // 2, -1) if shard % n == 0), chunk)
    layout = encoding(dataset, dimension, chunk, shard)
    one = varying[0]
    step = int(layout[str(one.name)]["shards"][one.dims.index(dimension)])
    starts = range(math.ceil(size / step))
    parts = tuple(Part(n, n * step, min((n + 1) * step, size)) for n in starts)
    return Layout(dimension, parts, layout)


def _whole_blocks(shard: int, arrays: Sequence[xr.DataArray], dimension: str) -> int:
    """Return a length near ``shard`` that is whole blocks of the files, where blocks are alike.

    So a file of one day, or a block of many times that is compressed as a whole, is not read for
    two parts.

    Parameters
    ----------
    shard
        Wanted entries along ``dimension``.
    arrays
        Lazy fields; their first dask chunks tell how the files are cut.
    dimension
        Along which parts follow each other.
    """
    block = max((array.chunksizes.get(dimension, (1,))[0] for array in arrays), default=1)
    if block <= shard:
        return shard // block * block
    return block if block <= LONGEST * shard else shard
