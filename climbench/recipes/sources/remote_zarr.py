"""Zarr stores on object storage: opened without a key, each chunk fetched once."""

import asyncio
import hashlib
import uuid
import warnings
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import xarray as xr
import zarr.core.sync
from fsspec.asyn import AsyncFileSystem
from fsspec.core import url_to_fs
from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.storage import FsspecStore

from climbench.errors import UserError
from climbench.recipes.downloads.credentials import storage_options
from climbench.recipes.downloads.filesystems import EXTRAS
from climbench.store.disk import disk_full_is_a_user_error

LIMIT_BYTES = 2**31  # of the chunks that a store keeps on disk


class RemoteZarr(FsspecStore):  # type: ignore[misc]  # zarr is Any here
    """A Zarr store behind an address of fsspec.

    Requests run in fsspec's own event loop, so that one filesystem serves Zarr and everything
    else, and its connections are closed with it.

    Attributes
    ----------
    folder
        Where chunks are kept that a later part of a build needs again; None keeps nothing.
    shared
        Names of the arrays of which a chunk may serve two parts.
    """

    folder: Path | None = None
    shared: frozenset[str] = frozenset()

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return an object or a range of it, None if there is none."""
        kept = self._place(key) if byte_range is None else None
        if kept is not None and kept.is_file():
            content = await asyncio.to_thread(kept.read_bytes)
            return prototype.buffer.from_bytes(content)
        found = await self._inside(lambda: FsspecStore.get(self, key, prototype, byte_range))
        if kept is not None and found is not None:
            await asyncio.to_thread(_keep, kept, found.to_bytes())
        return found

    async def exists(self, key: str) -> bool:
        """Tell whether there is an object of this name."""
        return bool(await self._inside(lambda: FsspecStore.exists(self, key)))

    def _place(self, key: str) -> Path | None:
        array, _, chunk = key.partition("/")
        if self.folder is None or array not in self.shared or not chunk[:1].isdigit():
            return None
        return self.folder / f"{array}-{chunk.replace('/', '.')}"

    async def _inside(self, request: Callable[[], Awaitable[Any]]) -> Any:
        async def requested() -> Any:
            return await request()

        future = asyncio.run_coroutine_threadsafe(requested(), self.fs.loop)
        return await asyncio.wrap_future(future)


def _keep(path: Path, content: bytes) -> None:
    """Write a chunk under its name when it is whole, and make room for it."""
    with disk_full_is_a_user_error(path.parent):
        _make_room(path, content)
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
        temporary.write_bytes(content)
        temporary.replace(path)


def _make_room(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = []
    for one in path.parent.glob("[!.]*"):
        with suppress(FileNotFoundError):  # another process has made room
            kept.append((one.stat().st_mtime_ns, one.stat().st_size, one))
    excess = sum(size for _, size, _ in kept) + len(content) - LIMIT_BYTES
    for _, size, oldest in sorted(kept):
        if excess <= 0:
            break
        excess -= size
        oldest.unlink(missing_ok=True)


def key_of(address: str) -> str:
    """Return a short name for an address, for folders."""
    return hashlib.sha256(address.encode()).hexdigest()[:12]


def open_remote_zarr(address: str, folder: Path | None = None, **options: Any) -> xr.Dataset:
    """Open a Zarr group lazily, without dask; of its objects only the metadata are read.

    Parameters
    ----------
    address
        Such as ``gs://bucket/name.zarr``.
    folder
        Where to keep chunks that hold several times, of which two parts of a build need some.
    **options
        Of :func:`xarray.open_dataset`; by default dates are left as numbers.

    Raises
    ------
    UserError
        If the library of this kind of address is not installed.
    OSError, ValueError
        If there is no group.
    """
    store = _store(address, folder)
    usual = {"chunks": None, "decode_times": False, "decode_timedelta": False, "cache": False}
    dataset = xr.open_dataset(store, engine="zarr", **usual | options)
    if isinstance(store, RemoteZarr):
        store.shared = frozenset(
            str(name)
            for name, array in dataset.data_vars.items()
            if array.encoding.get("preferred_chunks", {}).get("time", 2) > 1
        )
    return dataset


def remote_record(address: str) -> dict[str, Any]:
    """Return what identifies a remote Zarr group: SHA-256 and size of its metadata.

    The size of all its objects is not asked for: there may be millions.
    """
    store = _store(address, None)
    for name in (".zmetadata", "zarr.json", ".zgroup"):
        try:
            content = zarr.core.sync.sync(store.get(name, default_buffer_prototype()))
        except (OSError, RuntimeError, ValueError) as error:
            raise UserError(f"{address} cannot be reached: {error}.") from error
        if content is not None:
            digest = hashlib.sha256(content.to_bytes()).hexdigest()
            return {"address": address, "size": len(content), "etag": f"sha256 of {name}: {digest}"}
    raise UserError(f"there is no Zarr group at {address}: check the address.")


def _store(address: str, folder: Path | None) -> FsspecStore:
    try:
        filesystem, path = url_to_fs(address, **storage_options(address))
    except ImportError as error:
        extra = EXTRAS.get(address.partition("://")[0], "http")
        raise UserError(f"{address} needs `pip install climbench[{extra}]`.") from error
    if not isinstance(filesystem, AsyncFileSystem):
        return FsspecStore.from_url(
            address, storage_options=storage_options(address), read_only=True
        )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*was not created with `asynchronous=True`")
        store = RemoteZarr(filesystem, read_only=True, path=path)
    store.folder = folder
    return store
