"""The packed training cache of columns: one row of numbers for each column at each time."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from filelock import FileLock
from numpy.typing import NDArray

from climbench.store.batch_memory import BatchMemory
from climbench.store.disk import disk_full_is_a_user_error
from climbench.store.reader import shard_files

COLUMN, LEVEL = "column", "level"
SHARD_BYTES = 256_000_000
READ_BYTES = 64_000_000
Rows = NDArray[np.float32]


def pack_columns(ds: xr.Dataset, variables: Sequence[str], directory: Path, key: str) -> Path:
    """Copy variables of columns into one array ``columns [row, value]``.

    A row is a column at a time, in order of time and then of column; its values are those of the
    variables in order, a profile all its levels from the top down. The array is float32, a chunk
    all columns of a time, nothing is compressed: any Zarr v3 reader opens it, and
    :class:`PackedColumns` maps it into memory.

    Parameters
    ----------
    ds
        A store ``[time, (level), column]``.
    variables
        In the order wanted.
    directory
        Folder of caches.
    key
        Identity of the store's content, :func:`climbench.store.store_hash`.

    Returns
    -------
    Path
        Folder of the cache, complete. If it was there already, nothing is done.

    Raises
    ------
    UserError
        If the disk is full.
    """
    identity = hashlib.sha256(json.dumps([key, list(variables)]).encode()).hexdigest()
    path = directory / f"columns-{identity[:16]}.zarr"
    building = path.with_suffix(".building")
    directory.mkdir(parents=True, exist_ok=True)
    with FileLock(directory / f".{path.name}.lock"):
        if not path.exists():
            shutil.rmtree(building, ignore_errors=True)
            with disk_full_is_a_user_error(building):
                _write(building, ds[list(variables)])
            building.rename(path)
    return path


def _write(path: Path, ds: xr.Dataset) -> None:
    columns, times = ds.sizes[COLUMN], ds.sizes["time"]
    widths = [ds.sizes[LEVEL] if LEVEL in array.dims else 1 for array in ds.data_vars.values()]
    together = 4 * columns * sum(widths)  # bytes of a time
    shard = min(times, max(1, SHARD_BYTES // together))
    array = zarr.open_group(str(path), mode="w").create_array(
        "columns",
        shape=(times * columns, sum(widths)),
        chunks=(columns, sum(widths)),
        shards=(shard * columns, sum(widths)),
        dtype="float32",
        compressors=None,
        fill_value=float("nan"),
        dimension_names=("row", "value"),
        config={"write_empty_chunks": True},  # a mapped file must have every chunk in its place
    )
    for start in range(0, times, shard):
        block = np.empty((min(shard, times - start), columns, sum(widths)), dtype=np.float32)
        at = 0
        for (name, field), width in zip(ds.data_vars.items(), widths, strict=True):
            order = ("time", COLUMN, LEVEL) if LEVEL in field.dims else ("time", COLUMN)
            values = ds[name].isel(time=slice(start, start + shard)).transpose(*order).values
            block[..., at : at + width] = values.reshape(*block.shape[:2], width)
            at += width
        first = start * columns
        array[first : first + len(block) * columns] = block.reshape(-1, sum(widths))


class PackedColumns:
    """Rows of the cache that :func:`pack_columns` made, by position.

    Parameters
    ----------
    path
        Folder of the cache.

    Attributes
    ----------
    shape
        ``(row, value)``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._array: Any = zarr.open_array(str(path / "columns"), mode="r")
        self.shape: tuple[int, int] = self._array.shape
        files = shard_files(path / "columns", self._array)
        self._shards: list[Rows] | None = None
        if files is not None:
            maps = [np.memmap(file, dtype="<f4", mode="r", shape=shape) for file, shape in files]
            self._shards = [np.asarray(one) for one in maps]
        self._length = int((self._array.shards or self._array.chunks)[0])
        self._memory = BatchMemory()

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.shape[0]

    def take(self, rows: NDArray[np.int64]) -> Rows:
        """Return ``[row, value]`` at some positions in any order, in memory of its own.

        Raises
        ------
        IndexError
            If a position is negative or beyond the last.
        """
        if rows.size and (rows.min() < 0 or rows.max() >= self.shape[0]):
            raise IndexError(f"rows must lie in 0..{self.shape[0] - 1}")
        if self._shards is None:  # another program wrote the files in another order
            return np.asarray(self._array.oindex[rows], dtype=np.float32)
        values = self._memory.empty(rows.size, self.shape[1])
        from climbench.store.rows_kernel import copy_rows  # numba is loaded where it is needed

        number, within = np.divmod(rows, self._length)
        for shard in np.unique(number):
            here = np.flatnonzero(number == shard)
            copy_rows(self._shards[shard], within[here], values, here)
        return values

    def __reduce__(self) -> tuple[type["PackedColumns"], tuple[Path]]:
        """Let a worker process map the files itself."""
        return PackedColumns, (self.path,)
