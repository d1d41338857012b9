"""Reading batches from a packed training cache as fast as memory allows."""

import logging
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from climbench.errors import UserError, nearest
from climbench.store.opening import read_group

Method = Literal["auto", "mmap", "ram", "zarr"]
Fields = NDArray[np.float32]

RAM_BYTES = 2**30  # a cache up to this size is held in memory
CHECKSUM_BYTES = 4  # CRC-32C at the end of a shard's index

log = logging.getLogger(__name__)


class PackedReader:
    """Batches of steps from the cache that :func:`climbench.store.packed.pack` made.

    Parameters
    ----------
    path
        Folder of the cache.
    method
        ``ram`` reads all once and indexes memory, ``mmap`` maps the files into memory and reads
        what a batch needs, ``zarr`` reads through zarr; all give the same values. ``auto`` takes
        ``ram`` up to 1 GiB and ``mmap`` beyond. Files that cannot be mapped, because another
        program wrote them in another order, are read through zarr.

    Attributes
    ----------
    method
        The method in use.
    channels
        Names along the channel axis.
    coordinates
        ``time``, ``latitude``, ``longitude`` and, from a climate store, ``scenario``, ``member``
        and ``year`` along ``time``.
    shape
        ``(time, channel, latitude, longitude)``.

    Raises
    ------
    UserError
        If there is no such method.
    """

    def __init__(self, path: Path | str, method: Method = "auto") -> None:
        if method not in get_args(Method):
            raise UserError(f"unknown reader '{method}': {nearest(method, get_args(Method))}")
        self.path = Path(path)
        self._array: Any = zarr.open_array(str(self.path / "fields"), mode="r")
        self.shape: tuple[int, int, int, int] = self._array.shape
        self.coordinates: xr.Dataset = read_group(self.path).drop_vars("fields").load()
        attributes = zarr.open_group(str(self.path), mode="r").attrs
        self.channels: list[str] = [str(channel) for channel in attributes["channels"]]
        if method == "auto":
            method = "ram" if self._array.nbytes <= RAM_BYTES else "mmap"
        self._shards = None if method == "zarr" else map_shards(self.path / "fields", self._array)
        self._length: int = (self._array.shards or self._array.chunks)[0]
        if method == "ram":
            whole = self._array[:] if self._shards is None else np.concatenate(self._shards)
            self._shards, self._length = [whole], self.shape[0]
        self.method: Method = "zarr" if self._shards is None else method
        log.info("reading %s (%.0f MB) by %s", path, self._array.nbytes / 1e6, self.method)

    def __len__(self) -> int:
        """Return the number of steps."""
        return self.shape[0]

    def __getitem__(self, indices: NDArray[np.int64]) -> Fields:
        """Return the steps at ``indices [n]``, in any order, as ``[n, channel, latitude, ...]``.

        Raises
        ------
        IndexError
            If an index is negative or beyond the last step.
        """
        indices = np.atleast_1d(np.asarray(indices, dtype=np.int64))
        if indices.size and (indices.min() < 0 or indices.max() >= self.shape[0]):
            raise IndexError(f"steps must lie in 0..{self.shape[0] - 1}")
        if self._shards is None:
            return np.asarray(self._array.get_orthogonal_selection((indices,)))
        if len(self._shards) == 1:
            return self._shards[0][indices]
        batch = np.empty((indices.size, *self.shape[1:]), dtype=np.float32)
        shards, within = np.divmod(indices, self._length)
        for row, (shard, step) in enumerate(zip(shards.tolist(), within.tolist(), strict=True)):
            batch[row] = self._shards[shard][step]
        return batch

    @property
    def time(self) -> NDArray[Any]:
        """Times ``[time]``, datetime64 or cftime."""
        return np.asarray(self.coordinates["time"].values)

    def __reduce__(self) -> tuple[type["PackedReader"], tuple[Path, Method]]:
        """Open the files anew in a worker process instead of sending their content."""
        return PackedReader, (self.path, self.method)


def map_shards(path: Path, array: Any) -> list[Fields] | None:
    """Map the shard files of an uncompressed Zarr v3 array into memory.

    A shard is its inner chunks, one after another, and an index at its end: offset and length
    of each chunk as little-endian uint64, then a checksum.

    Parameters
    ----------
    path
        Folder of the array.
    array
        The open array, chunked along its first axis only.

    Returns
    -------
    list of numpy.ndarray or None
        A read-only view ``[step, ...]`` of each shard; None if the files are not laid out so.
    """
    if array.shards is None or array.chunks[1:] != array.shape[1:] or array.compressors:
        return None
    codec = array.metadata.codecs[0]
    if array.dtype != np.dtype("<f4") or codec.index_location.value != "end":
        return None
    per_shard = array.shards[0] // array.chunks[0]
    chunk_bytes = 4 * int(np.prod(array.chunks))
    shards = []
    for start in range(0, array.shape[0], array.shards[0]):
        file = path / array.metadata.encode_chunk_key(
            (start // array.shards[0], *[0] * (array.ndim - 1))
        )
        steps = min(array.shards[0], array.shape[0] - start)
        if not file.is_file() or not _in_order(
            file, -(-steps // array.chunks[0]), per_shard, chunk_bytes
        ):
            return None
        mapped = np.memmap(file, dtype="<f4", mode="r", shape=(steps, *array.shape[1:]))
        shards.append(mapped.view(np.ndarray))  # the subclass costs a microsecond per access
    return shards


def _in_order(file: Path, chunks: int, per_shard: int, chunk_bytes: int) -> bool:
    """Tell whether the first ``chunks`` chunks of a shard lie one after another from its start."""
    index_bytes = 16 * per_shard
    if file.stat().st_size < chunks * chunk_bytes + index_bytes + CHECKSUM_BYTES:
        return False
    with file.open("rb") as stream:
        stream.seek(-(index_bytes + CHECKSUM_BYTES), 2)
        index = np.frombuffer(stream.read(index_bytes), dtype="<u8").reshape(per_shard, 2)
    expected = np.arange(chunks, dtype=np.uint64) * np.uint64(chunk_bytes)
    lengths = index[:chunks, 1]
    return bool(np.array_equal(index[:chunks, 0], expected) and np.all(lengths == chunk_bytes))
