"""What a build has downloaded, and how often it had to ask."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from dask.utils import format_bytes
from rich.console import Console

from climbench.recipes.downloads.cache import evict, in_use, size_limit


@dataclass
class Traffic:
    """Counts of a build.

    Attributes
    ----------
    files
        Files that came.
    bytes
        Their bytes, and those that came twice.
    requests
        How often a server was asked; what it redirects to counts once.
    repeated
        Those that were not the first for a file.
    """

    files: int = 0
    bytes: int = 0
    requests: int = 0
    repeated: int = 0

    def __str__(self) -> str:
        """Return one line."""
        return (
            f"downloaded {self.files} file{'s' * (self.files != 1)} ({format_bytes(self.bytes)}) "
            f"in {self.requests} request{'s' * (self.requests != 1)}, {self.repeated} of them "
            "repeated"
        )


_counting: list[Traffic] = []
_lock = Lock()


@contextmanager
def counting() -> Iterator[Traffic]:
    """Count the downloads of a block."""
    traffic = Traffic()
    with _lock:
        _counting.append(traffic)
    try:
        yield traffic
    finally:
        with _lock:
            _counting[:] = [one for one in _counting if one is not traffic]


@contextmanager
def taking(folder: Path) -> Iterator[Traffic]:
    """Count the downloads of a block, and keep what it takes from the cache until its end.

    Raises
    ------
    UserError
        If CLIMBENCH_DOWNLOADS_LIMIT is no size.
    """
    size_limit()  # a mistake in it shall show before hours of work
    with counting() as traffic:
        try:
            with in_use(folder):
                yield traffic
        finally:
            if traffic.requests:
                Console(stderr=True).print(str(traffic), highlight=False)
                evict(folder)


def count(**increments: int) -> None:
    """Add to the counts of all blocks that are open in this process."""
    with _lock:
        for traffic in _counting:
            for name, increment in increments.items():
                setattr(traffic, name, getattr(traffic, name) + increment)
