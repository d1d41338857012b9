"""Stores in an Icechunk repository: the same Zarr keys and bytes, committed as one version."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from climbench.errors import UserError


def is_repository(path: Path | str) -> bool:
    """Tell whether a folder is an Icechunk repository."""
    return all((Path(path) / name).is_dir() for name in ("refs", "snapshots"))


def zarr_store(path: Path | str) -> Any:
    """Return what Zarr opens: the address itself, or the newest version in a repository.

    Raises
    ------
    UserError
        If it is a repository that is damaged, or Icechunk is not installed.
    """
    if "://" in str(path) or not is_repository(path):
        return str(path)
    icechunk = _icechunk(path)
    storage = icechunk.local_filesystem_storage(str(Path(path).resolve()))
    try:
        return icechunk.Repository.open(storage).readonly_session("main").store
    except (icechunk.IcechunkError, ValueError) as error:
        raise UserError(
            f"{path} is damaged, its newest version cannot be opened: build it again."
        ) from error


def commit_store(folder: Path, repository: Path, message: str) -> None:
    """Make a repository with one version, which holds every key of a Zarr folder as it is.

    Chunks and shards are not decoded, and one of them is in memory at a time. Nothing can be
    read before the commit, and all of it after.

    Parameters
    ----------
    folder
        A finished store.
    repository
        A folder that is not there yet.
    message
        Of the commit.

    Raises
    ------
    UserError
        If Icechunk is not installed.
    """
    from zarr.buffer import default_buffer_prototype
    from zarr.core.sync import sync
    from zarr.storage import LocalStore

    icechunk = _icechunk(repository)
    session = icechunk.Repository.create(
        icechunk.local_filesystem_storage(str(repository.resolve()))
    ).writable_session("main")

    async def copy() -> None:
        source, prototype = LocalStore(folder, read_only=True), default_buffer_prototype()
        keys = [key async for key in source.list()]
        metadata = sorted((k for k in keys if k.endswith("zarr.json")), key=lambda k: k.count("/"))
        chunks = (key for key in keys if "/c/" in key or key.endswith("/c"))
        for key in (*metadata, *chunks):  # an array is known before its chunks
            await session.store.set(key, await source.get(key, prototype))

    sync(copy())
    session.commit(message)


def stored_sha256(path: Path | str, keys: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of the bytes under each key of a repository's newest version.

    A key that is not there, or whose bytes cannot be read, is left out.
    """
    from zarr.buffer import default_buffer_prototype
    from zarr.core.sync import sync

    icechunk = _icechunk(path)
    store, prototype = zarr_store(path), default_buffer_prototype()
    digests = {}
    for key in keys:
        try:
            found = sync(store.get(key, prototype))
        except icechunk.IcechunkError:  # bytes are lost
            continue
        if found is not None:
            digests[key] = hashlib.sha256(found.to_bytes()).hexdigest()
    return digests


def _icechunk(path: Path | str) -> Any:
    try:
        import icechunk
    except ImportError as error:
        raise UserError(
            f"{path} is an Icechunk repository: it needs `pip install climbench[icechunk]`."
        ) from error
    if "ICECHUNK_LOG" not in os.environ:
        # it warns of two who commit at once, which the lock of a store does not let happen
        icechunk.set_logs_filter("error")
    return icechunk
