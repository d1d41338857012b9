"""Parts of a build: whole shards along one dimension."""

import math
from dataclasses import dataclass
from typing import Any

import xarray as xr

from climbench.errors import UserError
from climbench.recipes.schema import Output
from climbench.store.layout import encoding

CHUNK_BYTES = 2**20
SHARD_BYTES = 2**26


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


def lay_out(dataset: xr.Dataset, output: Output) -> Layout:
    """Return the layout of a store: the recipe's, or chunks of 1 MiB in shards of 64 MiB.

    Raises
    ------
    UserError
        If the store has no such dimension.
    """
    dimension = output.dimension or ("scenario" if "scenario" in dataset.dims else "time")
    if dimension not in dataset.dims:
        if output.dimension is not None:
            raise UserError(f"output.dimension: the store has no dimension '{dimension}'.")
        return Layout(dimension, (Part(0, 0, 1),), encoding(dataset, dimension, 1, 1))
    size = dataset.sizes[dimension]
    varying = [a for a in dataset.data_vars.values() if dimension in a.dims]
    entry = max(array.nbytes // size for array in varying)
    field = max(array.nbytes // (size * array.sizes.get("level", 1)) for array in varying)
    chunk = output.chunk or max(1, CHUNK_BYTES // field)
    shard = output.shard or max(chunk, SHARD_BYTES // entry)
    layout = encoding(dataset, dimension, chunk, shard)
    one = varying[0]
    step = int(layout[str(one.name)]["shards"][one.dims.index(dimension)])
    starts = range(math.ceil(size / step))
    parts = tuple(Part(n, n * step, min((n + 1) * step, size)) for n in starts)
    return Layout(dimension, parts, layout)
