"""What the names of CMIP's files say: their run, variable and years."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from climbench.recipes.sources.cmip_selection import Offer, Series

TIMES = r"(?:_(?P<first>\d{4})\d*-(?P<last>\d{4})\d*(?:-clim)?)?"
NAMES = {
    "CMIP6": re.compile(
        r"(?P<variable_id>[A-Za-z0-9]+)_(?P<table_id>[A-Za-z0-9]+)_(?P<source_id>[A-Za-z0-9-]+)"
        r"_(?P<experiment_id>[A-Za-z0-9-]+)_(?P<member_id>(?:s\d+-)?r\d+i\d+p\d+f\d+)"
        rf"_(?P<grid_label>g[nrm][A-Za-z0-9]*){TIMES}\.nc"
    ),
    "input4MIPs": re.compile(
        r"(?P<variable_id>[A-Za-z0-9-]+)_input4MIPs_(?P<category>[A-Za-z0-9-]+)"
        r"_(?P<target>[A-Za-z0-9-]+)_(?P<source_id>[A-Za-z0-9.-]+)"
        rf"_(?P<grid_label>g[nrm][A-Za-z0-9]*){TIMES}\.nc"
    ),
}
"""How a project names its files."""

VERSION = re.compile(r"v?(\d{8})")


def years_of(name: str) -> tuple[int, int] | None:
    """Return the first and last year in the name of a file; None for a fixed field.

    Examples
    --------
    >>> years_of("tas_Amon_CanESM5_historical_r1i1p1f1_gn_185001-201412.nc")
    (1850, 2014)
    """
    found = re.search(TIMES.removesuffix("?") + r"\.nc$", name)
    return (int(found["first"]), int(found["last"])) if found else None


def local_series(folder: Path, project: str) -> list[Series]:
    """Return the series that lie below a folder, in any tree.

    The version is that of a folder such as ``v20190429`` above the file, where there is one.
    """
    groups: dict[tuple[str, ...], list[Offer]] = {}
    for path, words in _named(folder, project):
        key = (
            words["source_id"],
            words.get("experiment_id", ""),
            words.get("member_id", ""),
            words.get("table_id", ""),
            words["variable_id"].replace("-", "_"),
            words["grid_label"],
            _version(path.relative_to(folder).parts[:-1]),
        )
        groups.setdefault(key, []).append(Offer(path.name, (str(path),)))
    return [
        Series.of(key, sorted(offers, key=lambda one: one.name))
        for key, offers in sorted(groups.items())
    ]


def _named(folder: Path, project: str) -> Iterator[tuple[Path, dict[str, str]]]:
    for path in sorted(folder.rglob("*.nc")):
        found = NAMES[project].fullmatch(path.name)
        if found:
            yield path, {key: text for key, text in found.groupdict().items() if text}


def _version(folders: Sequence[str]) -> str:
    found = [VERSION.fullmatch(part) for part in folders]
    numbers = [match[1] for match in found if match]
    return f"v{numbers[-1]}" if numbers else ""
