"""From what a recipe writes to the objects that it means: globs, years, local copies."""

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from climbench.errors import UserError
from climbench.recipes.dates import is_listed
from climbench.recipes.downloads import Wanted, find
from climbench.recipes.schema import Dates, Files, Label, as_list, years
from climbench.recipes.sources.source import Surroundings


def locate(source: Files, dates: Dates | None, surroundings: Surroundings) -> list[tuple[str, str]]:
    """Return (name in the store's provenance, path or address) of each object of a source.

    Local copies below ``data_root`` are used where the caller has them.

    Raises
    ------
    UserError
        If nothing is found or an address cannot be reached.
    """
    root, by_date = surroundings.data_root, getattr(source, "by_date", {})
    if root is not None and source.local is not None:
        found = [
            (path.relative_to(root).as_posix(), str(path))
            for pattern in as_list(source.local)
            for path in _glob(root, _per_date(pattern, dates, by_date))
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
        for address in _per_date(pattern, dates, by_date):
            located += _expand(address, as_list(source.local or []) if root is None else [])
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


def _per_date(
    pattern: str, dates: Dates | None, by_date: Mapping[str, Mapping[str, Label]]
) -> list[str]:
    """Return a pattern for each year, month or day that it names, but for those known to lack."""
    kinds = [kind for kind in ("year", "month", "day") if f"{{{kind}}}" in pattern]
    if dates is None or not kinds:
        return [pattern]
    filled = []
    for date in _dates(dates, kinds[-1]):
        if is_listed(date, dates.missing):
            continue
        words = dict(zip(("year", "month", "day"), date.split("-"), strict=False))
        for word, changes in by_date.items():
            begun = [text for text in sorted(changes) if text <= f"{date}-01-01"[:10]]
            if not begun and f"{{{word}}}" in pattern:
                raise UserError(f"'by_date' has no '{word}' for {date}: it begins {min(changes)}.")
            words |= {word: str(changes[begun[-1]])} if begun else {}
        text = pattern
        for word, value in words.items():
            text = text.replace(f"{{{word}}}", value)
        filled.append(text)
    return filled


def _dates(dates: Dates, kind: str) -> list[str]:
    """Return the years, months or days that the dates touch: ``2001``, ``2001-02-03``."""
    if kind == "year":
        return [f"{year:04d}" for year in years(dates)]
    try:
        first, last = (pd.Period(text[:10], freq=kind[0].upper()) for text in _ends(dates))
    except ValueError as error:
        raise UserError(f"dates {dates.start} to {dates.end}: {error}.") from error
    return [str(date) for date in pd.period_range(first, last)]


def _ends(dates: Dates) -> tuple[str, str]:
    end = pd.Period(dates.end[:10])  # 2001 as the end means all of 2001
    return str(pd.Period(dates.start[:10]).start_time), str(end.end_time)


def _glob(root: Path, patterns: list[str]) -> list[Path]:
    return [path for pattern in patterns for path in sorted(root.glob(pattern))]


def _expand(address: str, local: list[str]) -> list[tuple[str, str]]:
    """Return the objects behind one address or glob, remote or not.

    ``local`` says what a folder would have to hold that the caller could still name.
    """
    if "://" not in address:
        path = Path(address).expanduser()
        paths = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
        if not paths and local:
            raise UserError(
                f"no file matches {address}, and nothing of it can be downloaded: give the folder "
                f"that holds {', '.join(local)} as data_root."
            )
        if not paths:
            raise UserError(f"no file matches {address}.")
        return [(one.name, str(one)) for one in paths]
    signs = "*[" if address.startswith("http") else "*?["  # there ? begins a query
    if not any(sign in address for sign in signs):
        return [(address, address)]
    return [(one, one) for one in find(address)]


def wanted(source: Files, name: str, address: str) -> Wanted:
    """Return what to fetch for an object of a source: its mirrors, and its published checksum."""
    file = name.partition("?")[0].rstrip("/").rsplit("/", 1)[-1]
    mirrors = tuple(one + file if one.endswith("/") else one for one in source.mirrors)
    published = {"sha256": source.sha256, "md5": source.md5}
    checksums = [f"{kind}:{sums[file]}" for kind, sums in published.items() if file in sums]
    return Wanted(address, mirrors, next(iter(checksums), None))
