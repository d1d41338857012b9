"""Tar, zip, gzip: unpacked once, and nothing that would land outside or is no plain file."""

import errno
import fnmatch
import gzip
import hashlib
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from climbench.errors import UserError, nearest
from climbench.recipes.downloads.cache import locked, mark_used
from climbench.recipes.schema import Files, as_list
from climbench.store.disk import DISK_FULL

DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError)
INNER = re.compile(r"(.+?\.(?:zip|tar|tgz|tar\.gz))/(.+)")
"""A pattern for members of an archive that is a member itself."""
Member = tuple[str, IO[bytes] | gzip.GzipFile, int]
"""Name, content, and size in bytes; 0 where the archive does not say it."""
RATIO = 1000
"""How much larger an archive may become; beyond, it was made to fill a disk."""
HARMLESS = 2**30
"""Bytes that may come out of any archive."""


def is_archive(path: str) -> bool:
    """Tell whether a path is a tar, zip or gzip file, by its bytes; half of one is one as well."""
    if "://" in path or not Path(path).is_file():
        return False
    return is_packed(path) or _is_gzip(path)


def is_packed(path: str) -> bool:
    """Tell whether a file is a tar file, compressed or not, or a zip file."""
    with Path(path).open("rb") as file:
        if file.read(6).startswith((b"PK\x03\x04", b"BZh", b"\xfd7zXZ")):
            return True
    try:
        return tarfile.is_tarfile(path)
    except DAMAGED:  # it begins as one
        return True


def members(path: str, where: str, source: Files, unpacked: Path) -> list[tuple[str, str]]:
    """Return (name in the store's provenance, path) of the members of an archive.

    Parameters
    ----------
    path
        The archive.
    where
        How to call it.
    source
        Which members.
    unpacked
        Folder for what comes out of it; one that is there and whole is used as it is.

    Raises
    ------
    UserError
        If the archive is damaged, holds something that is no plain file inside the folder, or
        lacks the members.
    """
    folder = unpacked / _key(Path(path))
    with locked(folder):
        if not folder.is_dir():
            _unpack(Path(path), where, folder)
        mark_used(folder)
    names = sorted(f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file())
    found: list[tuple[str, str]] = []
    for pattern in as_list(source.archive or "*"):
        inside = INNER.fullmatch(pattern)
        if inside and (archives := fnmatch.filter(names, inside[1])):
            rest = source.model_copy(update={"archive": inside[2]})
            for name in archives:
                found += members(str(folder / name), f"{where}/{name}", rest, unpacked)
            continue
        matching = [name for name in names if fnmatch.fnmatchcase(name, pattern)]
        if not matching:
            hint = nearest(pattern, names)
            raise UserError(f"{where} has no member {pattern}: {hint}")
        found += [(f"{where}/{name}", str(folder / name)) for name in matching]
    return list(dict.fromkeys(found))


def _key(path: Path) -> str:
    """Return the name of an archive's folder; another content has another one."""
    about = path.stat()
    text = f"{path.resolve()} {about.st_size} {about.st_mtime_ns}"
    return f"{path.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _unpack(path: Path, where: str, folder: Path) -> None:
    """Write all members into a folder that gets its name when they are whole."""
    temporary = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    left = max(HARMLESS, RATIO * path.stat().st_size)  # of what may come out of it
    try:
        for name, content, size in _opened(path, where):
            target = temporary / _inside(name, where)
            target.parent.mkdir(parents=True, exist_ok=True)
            left -= size
            if left >= 0 and size > shutil.disk_usage(temporary).free:
                raise OSError(errno.ENOSPC, "No space left on device")
            with target.open("wb") as file:
                while left >= 0 and (piece := content.read(2**20)):
                    written = file.write(piece)
                    left -= 0 if size else written
            if left < 0:
                raise UserError(_refusal(where, name, f"more than {RATIO} times as large"))
    except (*DAMAGED, OSError) as error:
        if getattr(error, "errno", None) in DISK_FULL or isinstance(error, PermissionError):
            raise
        again = f"remove {path} and fetch it again"
        raise UserError(f"{where} is cut short or damaged: {again}.") from error
    else:
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _opened(path: Path, where: str) -> Iterator[Member]:
    if tarfile.is_tarfile(path):
        return _tar(path, where)
    return _gzip(path, where) if _is_gzip(path) else _zip(path, where)


def _is_gzip(path: str | Path) -> bool:
    with Path(path).open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _gzip(path: Path, where: str) -> Iterator[Member]:
    """Give the one file that is in there, under the archive's own name without its ending."""
    with gzip.open(path) as content:
        yield where.partition("?")[0].rsplit("/", 1)[-1].removesuffix(".gz"), content, 0


def _tar(path: Path, where: str) -> Iterator[Member]:
    with tarfile.open(path) as archive:
        for one in archive:
            if one.isdir():
                _inside(one.name, where)
                continue
            content = archive.extractfile(one) if one.isfile() else None
            if content is None:
                raise UserError(_refusal(where, one.name, "a link or a device"))
            yield one.name, content, one.size
        while archive.fileobj is not None and archive.fileobj.read(2**20):
            pass  # to the checksum of the compression, which stands behind the last member


def _zip(path: Path, where: str) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for one in archive.infolist():
            if one.is_dir():
                _inside(one.filename, where)
                continue
            kind = stat.S_IFMT(one.external_attr >> 16)
            if kind not in (0, stat.S_IFREG):
                raise UserError(_refusal(where, one.filename, "a link or a device"))
            with archive.open(one) as content:
                yield one.filename, content, one.file_size


def _inside(name: str, where: str) -> Path:
    """Return the path of a member below the folder.

    Raises
    ------
    UserError
        If it would lie elsewhere.
    """
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or parts[0] == "/" or ".." in parts or ":" in parts[0]:
        raise UserError(_refusal(where, name, "a path out of its folder"))
    return Path(*parts)


def _refusal(where: str, name: str, what: str) -> str:
    return f"{where} is not unpacked: its member '{name}' is {what}; fetch it from its owner again."
