"""From what a recipe writes to the objects that it means: globs, years, local copies."""

from itertools import product
from pathlib import Path
from typing import Any

from climbench.errors import UserError
from climbench.recipes.downloads import Wanted, find
from climbench.recipes.schema import Dates, Files, as_list, years
from climbench.recipes.sources.source import Surroundings


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
                    for option in ("address", "local", "archive", "mirrors")
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
    return [(one, one) for one in find(address)]


def wanted(source: Files, name: str, address: str) -> Wanted:
    """Return what to fetch for an object of a source: its mirrors, and its published checksum."""
    file = name.partition("?")[0].rstrip("/").rsplit("/", 1)[-1]
    mirrors = tuple(one + file if one.endswith("/") else one for one in source.mirrors)
    published = {"sha256": source.sha256, "md5": source.md5}
    checksums = [f"{kind}:{sums[file]}" for kind, sums in published.items() if file in sums]
    return Wanted(address, mirrors, next(iter(checksums), None))
