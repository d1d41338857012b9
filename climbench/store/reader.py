"""Reading batches from a packed training cache as fast as memory allows."""

import logging
import mmap
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from climbench.errors import UserError, nearest
from climbench.memory import free_memory
from climbench.store.batch_memory import BatchMemory
from climbench.store.opening import read_group

Method = Literal["auto", "mmap", "ram", "zarr"]
Fields = NDArray[np.float32]

RAM_BYTES = 2**28  # a larger cache is as fast from mapped files, and its first batch comes sooner
MEMORY_SHARE = 0.25  # of the free memory: a cache up to this size is held in memory
MAPPED_BYTES = 2**27  # that are read before mapped pages are given back
BLOCK_BYTES = 2**26
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
        ``ram`` up to 256 MB where that is little of the free memory, and ``mmap`` elsewhere. Files
        that cannot be mapped, because another program wrote them in another order, are read
        through zarr. A worker process maps what its parent holds in memory.
    memory_share
        How much of the free memory ``auto`` may fill.

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

    def __init__(
        self, path: Path | str, method: Method = "auto", memory_share: float = MEMORY_SHARE
    ) -> None:
        if method not in get_args(Method):
            raise UserError(f"unknown reader '{method}': {nearest(method, get_args(Method))}")
        self.path = Path(path)
        self._array: Any = zarr.open_array(str(self.path / "fields"), mode="r")
        self.shape: tuple[int, int, int, int] = self._array.shape
        group = read_group(self.path).drop_vars("fields").load()
        self.coordinates: xr.Dataset = group.drop_vars("missing", errors="ignore")
        self._missing = group["missing"].values if "missing" in group else None
        attributes = zarr.open_group(str(self.path), mode="r").attrs
        self.channels: list[str] = [str(channel) for channel in attributes["channels"]]
        if method == "auto":
            fits = self._array.nbytes <= min(RAM_BYTES, memory_share * free_memory())
            method = "ram" if fits else "mmap"
        files = None if method == "zarr" else shard_files(self.path / "fields", self._array)
        self.method: Method = "zarr" if files is None else method
        self._length: int = (self._array.shards or self._array.chunks)[0]
        self._shards: list[Fields] = []
        self._maps: list[mmap.mmap] = []
        self._since = 0
        self._memory = BatchMemory()
        if files is not None and method == "mmap":
            maps = [np.memmap(file, dtype="<f4", mode="r", shape=shape) for file, shape in files]
            self._maps = [mapped._mmap for mapped in maps]  # type: ignore[attr-defined]
            self._shards = [np.asarray(one).reshape(-1, *self.shape[2:]) for one in maps]
        elif files is not None:
            whole = _in_memory(files, self.shape)
            self._shards, self._length = [whole.reshape(-1, *self.shape[2:])], self.shape[0]
        log.info("reading %s (%.0f MB) by %s", path, self._array.nbytes / 1e6, self.method)

    def __len__(self) -> int:
        """Return the number of steps."""
        return self.shape[0]

    def __getitem__(self, indices: NDArray[np.int64]) -> Fields:
        """Return the steps at ``indices [n]``, in any order, as ``[n, channel, latitude, ...]``."""
        return self.take(np.atleast_1d(np.asarray(indices, dtype=np.int64)))

    def take(self, steps: NDArray[np.int64], channels: Sequence[int] | None = None) -> Fields:
        """Return steps of any shape, in any order, with some channels or all.

        Parameters
        ----------
        steps
            Positions along ``time [...]``.
        channels
            Positions along the channel axis, in the order wanted.

        Returns
        -------
        numpy.ndarray
            ``[..., channel, latitude, longitude]``, a copy of one's own.

        Raises
        ------
        IndexError
            If a step is negative or beyond the last.
        """
        flat = steps.ravel()
        if flat.size and (flat.min() < 0 or flat.max() >= self.shape[0]):
            raise IndexError(f"steps must lie in 0..{self.shape[0] - 1}")
        wanted = list(range(self.shape[1])) if channels is None else list(channels)
        if not wanted:
            return np.empty((*steps.shape, 0, *self.shape[2:]), dtype=np.float32)
        fields = self._copied(flat, wanted) if self._shards else self._through_zarr(flat, wanted)
        return fields.reshape(*steps.shape, *fields.shape[1:])

    def _copied(self, steps: NDArray[np.int64], channels: list[int]) -> Fields:
        """Copy rows of fields as they lie in memory: other indexing by arrays is half as fast."""
        fields = self._memory.empty(steps.size, len(channels), *self.shape[2:])
        shards, within = np.divmod(steps, self._length)
        places = within[:, None] * self.shape[1] + np.array(channels)
        begins = np.flatnonzero(np.diff(shards, prepend=-1)).tolist()
        for begin, end in pairwise([*begins, steps.size]):
            part = fields[begin:end].reshape(-1, *self.shape[2:])
            shard = self._shards[shards[begin]]
            np.take(shard, places[begin:end].ravel(), axis=0, out=part, mode="clip")
        self._give_back(fields.nbytes)
        return fields

    def _give_back(self, read: int) -> None:
        """Let go of mapped pages now and then: they stay in the system's cache, not in ours.

        Else the memory of this process would grow to the length of the archive.
        """
        self._since += read
        if self._since > MAPPED_BYTES and hasattr(mmap, "MADV_DONTNEED"):
            self._since = 0
            for mapped in self._maps:
                mapped.madvise(mmap.MADV_DONTNEED)

    def _through_zarr(self, steps: NDArray[np.int64], channels: list[int]) -> Fields:
        once, back = np.unique(steps, return_inverse=True)
        fields = self._array.get_orthogonal_selection((once,))
        return np.asarray(fields[back[:, None], channels])

    @cached_property
    def missing(self) -> NDArray[np.bool_]:
        """Where a channel has a missing value at a step ``[time, channel]``."""
        return missing_values(self) if self._missing is None else self._missing

    @property
    def time(self) -> NDArray[Any]:
        """Times ``[time]``, datetime64 or cftime."""
        return np.asarray(self.coordinates["time"].values)

    def __reduce__(self) -> tuple[type["PackedReader"], tuple[Path, Method]]:
        """Open the files anew in a worker process instead of sending their content."""
        return PackedReader, (self.path, "mmap" if self._shards else "zarr")


def blocks(steps: NDArray[np.int64], shape: Sequence[int]) -> Iterator[NDArray[np.int64]]:
    """Yield the steps in parts of some 64 MB of fields of a shape ``(time, channel, ...)``."""
    size = max(1, BLOCK_BYTES // max(1, 4 * int(np.prod(shape[1:]))))
    for start in range(0, steps.size, size):
        yield steps[start : start + size]


def missing_values(reader: Any) -> NDArray[np.bool_]:
    """Look through all that a reader gives for missing values ``[time, channel]``."""
    found = np.empty(reader.shape[:2], dtype=np.bool_)
    for block in blocks(np.arange(len(found)), reader.shape):
        found[block] = ~np.isfinite(reader.take(block)).all(axis=(2, 3))
    return found


def shard_files(path: Path, array: Any) -> list[tuple[Path, tuple[int, ...]]] | None:
    """Return the files of an uncompressed Zarr v3 array that are as good as memory.

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
    list or None
        File and shape ``(step, ...)`` of each shard; None if the files are not laid out so.
    """
    if array.shards is None or array.chunks[1:] != array.shape[1:] or array.compressors:
        return None
    codec = array.metadata.codecs[0]
    if array.dtype != np.dtype("<f4") or codec.index_location.value != "end":
        return None
    per_shard = array.shards[0] // array.chunks[0]
    chunk_bytes = 4 * int(np.prod(array.chunks))
    files = []
    for start in range(0, array.shape[0], array.shards[0]):
        file = path / array.metadata.encode_chunk_key(
            (start // array.shards[0], *[0] * (array.ndim - 1))
        )
        steps = min(array.shards[0], array.shape[0] - start)
        if not file.is_file() or not _in_order(
            file, -(-steps // array.chunks[0]), per_shard, chunk_bytes
        ):
            return None
        files.append((file, (steps, *array.shape[1:])))
    return files


def _in_memory(files: list[tuple[Path, tuple[int, ...]]], shape: tuple[int, ...]) -> Fields:
    whole, start = np.empty(shape, dtype="<f4"), 0
    for file, (steps, *_) in files:
        with file.open("rb", buffering=0) as stream:
            left = whole[start : start + steps].reshape(-1).view(np.uint8).data
            while left and (count := stream.readinto(left)):  # 2 GB at most in one call
                left = left[count:]
        start += steps
    return whole


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
