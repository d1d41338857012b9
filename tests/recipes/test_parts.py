"""Parts are whole shards, and whole blocks of the files where these allow it."""

from itertools import pairwise

import dask.array
import numpy as np
import pytest
import xarray as xr

from climbench.recipes.parts import SHARD_BYTES, lay_out
from climbench.recipes.schema import Output


def lazy(times: int, block: int, rows: int = 128) -> xr.Dataset:
    data = dask.array.zeros((times, rows, 256), dtype=np.float32, chunks=(block, rows, 256))
    return xr.Dataset({"t": (("time", "lat", "lon"), data)})


@pytest.mark.parametrize(
    ("block", "length"),
    [
        (1, 512),  # 64 MiB of 128 KiB each
        (24, 504),  # a file a day of hourly fields
        (365, 365),  # a year, compressed as a whole
        (1460, 1460),  # a larger year: rather one part of it than three that read it each
        (8760, 512),  # too large to be one part
    ],
)
def test_the_default_part_is_whole_blocks_of_the_files(block: int, length: int) -> None:
    layout = lay_out(lazy(10 * max(block, 512), block), Output())
    assert {part.stop - part.start for part in layout.parts[:-1]} == {length}
    chunk, shard = layout.encoding["t"]["chunks"][0], layout.encoding["t"]["shards"][0]
    assert shard == length
    assert shard % chunk == 0
    assert 4 <= chunk <= 8


def test_what_the_recipe_says_is_obeyed() -> None:
    layout = lay_out(lazy(100, 24), Output(chunk=5, shard=10))
    assert [part.stop - part.start for part in layout.parts] == [10] * 10


def test_parts_cover_everything_once() -> None:
    layout = lay_out(lazy(1000, 7), Output())
    edges = [(part.start, part.stop) for part in layout.parts]
    assert edges[0][0] == 0
    assert edges[-1][1] == 1000
    assert all(one[1] == other[0] for one, other in pairwise(edges))
    assert (edges[0][1] - edges[0][0]) * 128 * 256 * 4 <= SHARD_BYTES
