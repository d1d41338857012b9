"""The folder of downloads: who uses what, and what goes when it grows beyond its limit."""

import hashlib
import os
import re
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock
from urllib.parse import unquote, urlsplit

from dask.utils import format_bytes, parse_bytes
from filelock import BaseFileLock, FileLock, Timeout
from rich.console import Console

from climbench.errors import UserError
from climbench.recipes.downloads.credentials import shown
from climbench.recipes.downloads.retrying import Stopped
from climbench.store.disk import disk_full_is_a_user_error

FOLDER = "CLIMBENCH_DOWNLOADS"
LIMIT = "CLIMBENCH_DOWNLOADS_LIMIT"
DEFAULT_LIMIT = "200 GB"

UNPACKED = "unpacked"
"""Folder in that of the downloads, for what comes out of archives."""
CHUNKS = "chunks"
"""The same for chunks of remote Zarr stores, which two parts of a build need."""
LISTING = ".in-use-"
"""Beginning of the names of files that list what a running build uses."""


@dataclass(frozen=True)
class Entry:
    """A file of the cache, or a folder into which one was unpacked, or with a store's chunks.

    Attributes
    ----------
    path
        Where it is.
    bytes
        Its size.
    used
        When somebody asked for it last, ns since 1970.
    """

    path: Path
    bytes: int
    used: int


def downloads_folder(stores_dir: Path) -> Path:
    """Return the folder of downloads: that in CLIMBENCH_DOWNLOADS, or one beside the stores."""
    chosen = os.environ.get(FOLDER)
    return Path(chosen).expanduser() if chosen else Path(stores_dir) / "downloads"


def limit_text() -> str:
    """Return how many bytes downloads may take, as the user or climbench wrote it."""
    return os.environ.get(LIMIT) or DEFAULT_LIMIT


def size_limit() -> float:
    """Return how many bytes downloads may take: CLIMBENCH_DOWNLOADS_LIMIT, ``none`` for any.

    Raises
    ------
    UserError
        If it is no size.
    """
    text = limit_text()
    if text.strip().lower() == "none":
        return float("inf")
    try:
        return float(parse_bytes(text))
    except ValueError as error:
        raise UserError(f"{LIMIT} is '{text}': write a size such as '50 GB', or none.") from error


def place(address: str, folder: Path) -> Path:
    """Return where the copy of an object lies; a new token in its address changes nothing."""
    key = hashlib.sha256(shown(address).encode()).hexdigest()[:12]
    name = unquote(urlsplit(address).path).rstrip("/").rsplit("/", 1)[-1]
    plain = re.sub(r"[^\w.+=@-]+", "_", name)[-100:].lstrip(".") or "file"
    return folder / f"{key}-{plain}"


@contextmanager
def locked(path: Path, stop: Event | None = None) -> Iterator[None]:
    """Hold the lock of one file, which another thread, process or machine may want as well.

    Raises
    ------
    Stopped
        If ``stop`` is set while another one has it.
    UserError
        If the disk is full on which the folder lies: another one perhaps than that of the stores.
    """
    with disk_full_is_a_user_error(path.parent), _held(path, stop):
        yield


@contextmanager
def _held(path: Path, stop: Event | None) -> Iterator[None]:
    lock = _lock_of(path)
    while True:
        try:
            lock.acquire(timeout=1)
            break
        except Timeout:
            if stop is not None and stop.is_set():
                raise Stopped from None
    try:
        yield
    finally:
        release(lock)


def _lock_of(path: Path) -> BaseFileLock:
    """Return the lock of a file, that of its parts as well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[.]part([.]json)?$", "", path.name)
    return FileLock(path.with_name(f".{name}.lock"))


def release(lock: BaseFileLock) -> None:
    """Leave no lock file behind; who waits for it notices that it is another one by then."""
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


class _Use:
    """What one block of this process uses of a folder, written down from the first file on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.listing = folder / f"{LISTING}{name}"
        # held as long as the listing counts, so that a killed build holds nothing back
        self.lock = FileLock(f"{self.listing}.lock", thread_local=False)

    def add(self, name: str) -> None:
        if not self.lock.is_locked:
            self.lock.acquire()
        with self.listing.open("a", encoding="utf-8") as file:
            file.write(f"{name}\n")

    def end(self) -> None:
        if self.lock.is_locked:
            _drop(self.listing, self.lock)


_uses: list[_Use] = []
_uses_lock = Lock()


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Keep what this process takes from the folder until the end of the block."""
    use = _Use(folder)
    with _uses_lock:
        _uses.append(use)
    try:
        yield
    finally:
        with _uses_lock:
            _uses.remove(use)
            use.end()


def mark_used(path: Path) -> None:
    """Write down that this process uses a file or folder of the cache, now, or will make it."""
    now = time.time_ns()
    # a file's time of change stays, for it identifies the content; a folder's time of access is
    # no use, for whoever measures the folder sets it
    if path.exists():
        os.utime(path, ns=(now, now if path.is_dir() else path.stat().st_mtime_ns))
    with _uses_lock:
        for use in _uses:
            if path.is_relative_to(use.folder):
                use.add(path.relative_to(use.folder).as_posix())


def made_once(place: Path, make: Callable[[Path], None]) -> Path:
    """Return a folder of the cache, made by ``make`` if it is not there yet; never half of it."""
    with locked(place):
        if not place.is_dir():
            partial = place.with_name(f"{place.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            try:
                make(partial)
                partial.replace(place)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        mark_used(place)
    return place


def used_bytes(folder: Path) -> int:
    """Return the size of the downloads, bytes."""
    return sum(entry.bytes for entry in _entries(folder))


def evict(folder: Path) -> None:
    """Remove what was used least recently until the limit is kept, but nothing in use."""
    limit = size_limit()
    entries = _entries(folder) if limit < float("inf") and folder.is_dir() else []
    total = sum(entry.bytes for entry in entries)
    if total <= limit:
        return
    removed = []
    for entry in sorted(entries, key=lambda entry: entry.used):
        if total <= limit:
            break
        if _remove(entry, folder):
            removed.append(entry)
            total -= entry.bytes
    if removed:
        size = format_bytes(sum(entry.bytes for entry in removed))
        Console(stderr=True).print(
            f"{len(removed)} downloads ({size}) that no build uses were removed from {folder}, to "
            f"keep to {format_bytes(int(limit))}; {LIMIT} is the limit."
        )


def _remove(entry: Entry, folder: Path) -> bool:
    """Remove an entry, unless somebody is fetching or using it."""
    lock = _lock_of(entry.path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    try:
        if entry.path.relative_to(folder).as_posix() in _names_in_use(folder):
            return False
        if entry.path.is_dir():
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            entry.path.unlink(missing_ok=True)
        return not entry.path.exists()
    finally:
        release(lock)


def _names_in_use(folder: Path) -> set[str]:
    """Return what running builds have written down; the listings of dead ones are removed."""
    names: set[str] = set()
    own = [use.listing for use in _uses]
    for listing in folder.glob(f"{LISTING}*"):
        if listing.suffix == ".lock":
            continue
        lock = FileLock(f"{listing}.lock")
        try:
            alive = listing in own
            if not alive:
                lock.acquire(timeout=0)
        except Timeout:
            alive = True
        if not alive:
            _drop(listing, lock)
        elif listing.exists():
            names.update(listing.read_text(encoding="utf-8").splitlines())
    return names


def _drop(listing: Path, lock: BaseFileLock) -> None:
    listing.unlink(missing_ok=True)
    release(lock)


def _entries(folder: Path) -> list[Entry]:
    entries = []
    paths = [path for path in _children(folder) if path.is_file()]
    paths += _children(folder / UNPACKED) + _children(folder / CHUNKS)
    for path in paths:
        try:
            about = path.stat()
            size, used = about.st_size, about.st_atime_ns
            if path.is_dir():
                used = about.st_mtime_ns
                size = sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
        except FileNotFoundError:  # another build evicts as well
            continue
        entries.append(Entry(path, size, used))
    return entries


def _children(folder: Path) -> list[Path]:
    return [one for one in folder.glob("*") if not one.name.startswith(".")]
