"""The folder of the stores: one builder of a store at a time, and a disk that may be full."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from climbench.errors import UserError
from climbench.recipes.downloads.cache import release
from climbench.store.disk import disk_full_is_a_user_error


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock of a store; wait for another builder and say who it is."""
    holder = path.with_name(f".{path.name}.holder")
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    Path(lock.lock_file).touch()  # a folder that takes no files would be waited for without end
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who = holder.read_text() if holder.exists() else "another process"
        Console(stderr=True).print(f"{path.name} is being built by {who}; waiting for it ...")
        lock.acquire()
    try:
        holder.write_text(f"process {os.getpid()} on {socket.gethostname()}")
        yield
    finally:
        holder.unlink(missing_ok=True)
        release(lock)


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """Make the folder of a store, and say what to do when the disk refuses to take more.

    Raises
    ------
    UserError
        If the folder may not be written, or the disk is full.
    """
    try:
        with disk_full_is_a_user_error(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield
    except PermissionError as error:
        raise UserError(
            f"{error.filename} may not be written: choose another folder with stores_dir."
        ) from error


def building_folder(path: Path) -> Path:
    """Return where a store lies while it is built."""
    return path.with_name(path.name + ".building")
