"""From what a recipe writes to the objects that it means: globs, years, local copies."""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

from climbench.errors import UserError
from climbench.recipes.schema import Dates, Files, as_list, years
from climbench.recipes.sources.source import Surroundings

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
REMOTE_MENDS = {"gs": "gcs", "gcs": "gcs", "s3": "s3", "http": "http", "https": "http", "hf": "hub"}


def locate(source: Files, dates: Dates | None, surroundings: Surroundings) -> list[tuple[str, str]]:
    """Return (name in the store's provenance, path or address) of each object of a source.

    Local copies below ``data_root`` are used where the caller has them.

    Raises
    ------
    UserError
        If nothing is found or an address cannot be reached.
    """
    root = surroundings.data_root
    if root is not None and source.local is not None:
        found = [
            (path.relative_to(root).as_posix(), str(path))
            for pattern in as_list(source.local)
            for path in _glob(root, _per_year(pattern, dates))
        ]
        if not found and source.archive is not None:
            found = _unpacked(root, source)
        if not found:
            raise UserError(
                f"nothing in {root} matches {', '.join(as_list(source.local))}: check data_root, "
                "or leave it out to read from the public address."
            )
        return found
    located = []
    for pattern in as_list(source.address):
        for address in _per_year(pattern, dates):
            located += _expand(address)
    return located


def each_of(source: Files) -> list[Files]:
    """Return a source for every combination of its lists of coordinates.

    Raises
    ------
    UserError
        If nothing in the addresses tells the files of one label from those of another.
    """
    lists = {name: one for name, one in source.coordinates.items() if isinstance(one, list)}
    texts = (source.address, source.local, source.archive)
    for name in lists:
        if not any(f"{{{name}}}" in text for one in texts if one for text in as_list(one)):
            raise UserError(
                f"coordinates.{name} has several values: write {{{name}}} where they stand in the "
                "address."
            )
    return [
        source.model_copy(
            update={
                "coordinates": {**source.coordinates, **dict(zip(lists, values, strict=True))},
                **{
                    option: _filled(getattr(source, option), dict(zip(lists, values, strict=True)))
                    for option in ("address", "local", "archive")
                },
            }
        )
        for values in product(*lists.values())
    ]


def _filled(texts: str | list[str] | None, labels: dict[str, Any]) -> list[str] | None:
    if texts is None:
        return None
    filled = as_list(texts)
    for name, value in labels.items():
        filled = [text.replace(f"{{{name}}}", str(value)) for text in filled]
    return filled


def _unpacked(root: Path, source: Files) -> list[tuple[str, str]]:
    """Return the members of a local archive that lie beside it, if somebody has unpacked it."""
    folders = {Path(pattern).parent for pattern in as_list(source.local or [])}
    patterns = as_list(source.archive or [])
    return [
        (path.relative_to(root).as_posix(), str(path))
        for folder in sorted(folders)
        for pattern in patterns
        for path in _glob(root, [str(folder / pattern)])
    ]


def _per_year(pattern: str, dates: Dates | None) -> list[str]:
    if "{year}" not in pattern or dates is None:
        return [pattern]
    return [pattern.replace("{year}", f"{year:04d}") for year in years(dates)]


def _glob(root: Path, patterns: list[str]) -> list[Path]:
    return [path for pattern in patterns for path in sorted(root.glob(pattern))]


def _expand(address: str) -> list[tuple[str, str]]:
    """Return the objects behind one address or glob, remote or not."""
    if "://" not in address:
        local = Path(address).expanduser()
        paths = sorted(Path(local.anchor).glob(str(local.relative_to(local.anchor))))
        if not paths:
            raise UserError(f"no file matches {address}.")
        return [(one.name, str(one)) for one in paths]
    if not any(sign in address for sign in "*?["):
        return [(address, address)]
    with _reaching(address) as (filesystem, path):
        objects = [filesystem.unstrip_protocol(name) for name in sorted(filesystem.glob(path))]
    if not objects:
        raise UserError(f"no object matches {address}.")
    return [(one, one) for one in objects]


def fetch(address: str, downloads: Path) -> str:
    """Return where an object can be opened: files are copied once, Zarr is read in place.

    A copy that was cut short never gets the final name.

    Raises
    ------
    UserError
        If the address cannot be reached.
    """
    if "://" not in address or address.rstrip("/").endswith(".zarr"):
        return address
    key = hashlib.sha256(address.encode()).hexdigest()[:12]
    path = downloads / f"{key}-{address.rsplit('/', 1)[-1]}"
    if not path.exists():
        downloads.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
        with _reaching(address) as (filesystem, name):
            filesystem.get_file(name, str(temporary))
        temporary.replace(path)
    return str(path)


@contextmanager
def _reaching(address: str) -> Iterator[tuple[Any, str]]:
    """Give the filesystem and the path of an address; turn its failures into sentences."""
    import fsspec

    try:
        yield fsspec.core.url_to_fs(address)
    except ImportError as error:
        extra = REMOTE_MENDS.get(address.partition("://")[0], "http")
        raise UserError(f"{address} needs `pip install climbench[{extra}]`.") from error
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            raise
        raise UserError(f"{address} cannot be reached: {error}.") from error
