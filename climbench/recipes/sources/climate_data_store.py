"""From a data set of the Climate Data Store to one file per request."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import groupby
from typing import Any
from urllib.parse import quote, urlencode

from climbench.errors import UserError, nearest
from climbench.recipes.schema import ClimateDataStore, Dates, Files, Recipe
from climbench.recipes.sources.narrowing import NAME_BY_NAME
from climbench.recipes.sources.source import Surroundings

LONGEST_MONTH = 31


def requests_of(
    source: ClimateDataStore, recipe: Recipe, surroundings: Surroundings
) -> list[Files]:
    """Return files by request: a source per group of variables, with an address per month.

    The address says all that is asked for, so that what lies in the cache is not asked for again,
    and the provenance of a store repeats the request.

    Raises
    ------
    UserError
        If the recipe names no dates, or one field a day is too much for a request.
    """
    if recipe.dates is None:
        raise UserError("dates is missing: the Climate Data Store is asked month by month.")
    if surroundings.data_root is not None and source.local is not None:
        names = _chosen(source, recipe)
        address = [f"cds://{source.dataset}"]
        return [_files(source, names, address, source.local)] if names else []
    return [
        _files(source, names, list(_addresses(source, recipe, names)), None)
        for names in _groups(source, recipe)
    ]


def _files(source: ClimateDataStore, names: list[str], address: list[str], local: Any) -> Files:
    rename = {source.variables[name]: name for name in names}
    return Files(
        kind="files",
        address=address,
        local=local,
        archive="*.nc" if source.format == "netcdf" else None,  # some come in a zip file
        variables=list(rename),
        rename={old: new for old, new in rename.items() if old != new},
    )


def _chosen(source: ClimateDataStore, recipe: Recipe) -> list[str]:
    """Return which of its variables the recipe keeps; all if a step may need them."""
    known = {name for one in recipe.sources for name in getattr(one, "variables", None) or ()}
    if recipe.variables is None or any(step.name not in NAME_BY_NAME for step in recipe.steps):
        return list(source.variables)
    for name in recipe.variables:
        if name not in known:
            raise UserError(f"variables: no source has '{name}': {nearest(name, sorted(known))}")
    return [name for name in source.variables if name in recipe.variables]


def _groups(source: ClimateDataStore, recipe: Recipe) -> list[list[str]]:
    """Return the variables that fit into a request together."""
    names = _chosen(source, recipe)
    month = LONGEST_MONTH * _fields_a_day(source, recipe)
    together = 1 if source.format == "grib" else max(1, source.fields // month)
    return [names[start : start + together] for start in range(0, len(names), together)]


def _levels(source: ClimateDataStore, recipe: Recipe) -> list[float]:
    return [] if source.levels is None else recipe.levels or source.levels


def _fields_a_day(source: ClimateDataStore, recipe: Recipe) -> int:
    return len(source.hours) * max(1, len(_levels(source, recipe)))


def _addresses(source: ClimateDataStore, recipe: Recipe, names: list[str]) -> Iterator[str]:
    most = source.fields // (_fields_a_day(source, recipe) * len(names))
    if most == 0:
        raise UserError(
            f"source {source.dataset}: one day of {names[0]} is more than {source.fields} fields: "
            "ask for fewer levels or hours, or raise 'fields'."
        )
    dates: Dates = recipe.dates  # type: ignore[assignment]  # checked before
    for month, days in groupby(_days(dates), lambda day: (day.year, day.month)):
        all_days = list(days)
        for start in range(0, len(all_days), most):
            yield _address(source, recipe, names, all_days[start : start + most], month)


def _days(dates: Dates) -> Iterator[date]:
    first, last = (
        _edge(text, at_end) for text, at_end in ((dates.start, False), (dates.end, True))
    )
    while first <= last:
        yield first
        first += timedelta(days=1)


def _edge(text: str, at_end: bool) -> date:
    """Return the first or the last day of a year, of a month or of a day."""
    numbers = [int(part) for part in text[:10].split("-")]
    year, month, day = (*numbers, 12 if at_end else 1, 31 if at_end else 1)[:3]
    if len(numbers) == 3 or not at_end:
        return date(year, month if len(numbers) > 1 else 1, day if len(numbers) > 2 else 1)
    month = numbers[1] if len(numbers) == 2 else 12
    return date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)


def _address(
    source: ClimateDataStore,
    recipe: Recipe,
    names: list[str],
    days: list[date],
    month: tuple[int, int],
) -> str:
    request: dict[str, Any] = {
        **source.request,
        "variable": names,
        "year": [f"{month[0]:04d}"],
        "month": [f"{month[1]:02d}"],
        "day": [f"{day.day:02d}" for day in days],
        "time": [f"{hour:02d}:00" for hour in source.hours],
    }
    if levels := _levels(source, recipe):
        request["pressure_level"] = [f"{level:g}" for level in levels]
    if source.area is not None:
        request["area"] = [f"{edge:g}" for edge in source.area]
    if source.grid is not None:
        request["grid"] = [f"{step:g}" for step in source.grid]
    request |= {"data_format": source.format, "download_format": "unarchived"}
    suffix = "nc" if source.format == "netcdf" else "grib"
    name = quote(f"{month[0]:04d}-{month[1]:02d}.{suffix}")
    return f"cds://{source.dataset}/{name}#{urlencode(request, doseq=True, safe=':,')}"
