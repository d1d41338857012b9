"""Checksums as archives publish them: ``sha256:...``, ``md5:...``."""

import hashlib
from functools import lru_cache
from pathlib import Path


def matches(path: Path, checksum: str | None) -> bool:
    """Tell whether a file has a checksum; without one, every file has.

    Parameters
    ----------
    path
        A local file.
    checksum
        ``ALGORITHM:HEXADECIMAL``, such as ``md5:900150983cd24fb0d6963f7d28e17f72``.
    """
    if checksum is None:
        return True
    algorithm, _, digits = checksum.partition(":")
    return file_digest(path, algorithm) == digits.lower()


def file_digest(path: Path, algorithm: str) -> str:
    """Return the checksum of a file in hexadecimal, read once as long as it does not change."""
    about = path.stat()
    return _digest(str(path), algorithm, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=4096)
def _digest(path: str, algorithm: str, _size: int, _changed: int) -> str:
    with Path(path).open("rb") as file:
        # an archive's MD5 guards against accidents, not against forgery
        return hashlib.file_digest(file, lambda: _hash(algorithm)).hexdigest()


def _hash(algorithm: str) -> "hashlib._Hash":
    return hashlib.new(algorithm, usedforsecurity=False)
