"""Tables of time series as a source: series ``[time]``, or records of stations."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pandas as pd
import xarray as xr

from climbench.errors import UserError, nearest
from climbench.metrics.circular import DEGREES
from climbench.recipes.dates import within
from climbench.recipes.downloads import fetch_all, shown
from climbench.recipes.downloads.cache import UNPACKED, made_once
from climbench.recipes.schema import Dates, Files, Recipe
from climbench.recipes.schema.tables import Tables, nanoseconds
from climbench.recipes.sources.addresses import locate, wanted
from climbench.recipes.sources.archives import is_packed, members
from climbench.recipes.sources.combining import along_time
from climbench.recipes.sources.overlapping import in_order
from climbench.recipes.sources.resampling import Axis, resampled
from climbench.recipes.sources.source import Input, Opened, Surroundings
from climbench.recipes.sources.stations import twins, with_places
from climbench.recipes.sources.table_columns import Column, Series, Table, columns_of
from climbench.recipes.sources.table_places import of_files, places_of

CHUNK = 500_000  # samples of a dask chunk
NANOSECONDS_PER_HOUR = 3.6e12
FORMAT = 2  # of the series on disk
LONGEST = 200_000_000  # times of an axis, beyond which a wrong date is likelier

Named = tuple[str, Table]


def open_tables(source: Tables, recipe: Recipe, surroundings: Surroundings) -> Opened:
    """Open tables as one dataset, lazily: of their columns on disk, which are made here.

    Raises
    ------
    UserError
        If a table cannot be read, or does not fit to the others.
    """
    shared = ("address", "local", "archive", "mirrors", "sha256", "md5")
    files = Files(kind="files", **{name: getattr(source, name) for name in shared})
    located = locate(files, recipe.dates, surroundings)
    remote = [one for one in located[1:] if surroundings.peek and "://" in one[1]]
    unread = [Input(shown(name), address, unread=True) for name, address in remote]
    located = [one for one in located if one not in remote]
    paths = fetch_all([wanted(files, *one) for one in located], surroundings.downloads)
    folder = surroundings.downloads / UNPACKED
    parts = [(shown(name), path) for (name, _), path in zip(located, paths, strict=True)]
    if source.archive is not None:
        parts = [
            member
            for name, path in parts
            for member in (
                members(path, name, files, folder) if is_packed(path) else [(name, path)]
            )
        ]
    tables = [(name, columns_of(Path(path), name, source, folder)) for name, path in parts]
    inputs = [
        Input(name, path, hours=_span(table))
        for (name, table), (_, path) in zip(tables, parts, strict=True)
    ]
    if not unread:
        _check_names(source, [table for _, table in tables])
    if source.resample is None:
        dataset = along_time([(name, _as_they_are(table)) for name, table in tables])[1]
        if recipe.dates is not None:
            dataset = within(dataset, recipe.dates.start, recipe.dates.end)
    else:
        dataset = _on_axis(tables, source, recipe.dates, surroundings, folder)
    return Opened(dataset, (*inputs, *unread))


def _check_names(source: Tables, tables: Sequence[Table]) -> None:
    """Refuse columns to be left out, or to be read as letters, that no file has."""
    names = {name for table in tables for name in table.names}
    for option in ("drop", "compass"):
        for name in getattr(source, option):
            if name not in names:
                hint = nearest(name, names)
                raise UserError(f"'{option}' in a source: no file has a column '{name}': {hint}")


def _span(table: Table) -> tuple[float, float] | None:
    """Return the first and last time of a table, hours since 1970."""
    ends = [one.time[[0, -1]] for one in table.series if one.time.shape[0]]
    if not ends:
        return None
    hours = np.array(ends) / NANOSECONDS_PER_HOUR
    return float(hours.min()), float(hours.max())


def _attributes(units: dict[str, str], name: str) -> dict[str, str]:
    return {"units": units.get(name, "unknown")}


def _as_they_are(table: Table) -> xr.Dataset:
    """Return the one series of a table at its own times."""
    (series,) = table.series
    time = series.time[:].view("datetime64[ns]")
    fields = {
        name: ("time", _lazy(column, (CHUNK,)), _attributes(table.units, name))
        for name, column in series.columns.items()
    }
    return xr.Dataset(fields, {"time": time})


def _lazy(column: Column, chunks: tuple[int, ...]) -> Any:
    name = f"column-{hashlib.sha256(f'{column.path} {column.shape}'.encode()).hexdigest()[:24]}"
    return dask.array.from_array(column, chunks=chunks, name=name)


def _on_axis(
    tables: Sequence[Named],
    source: Tables,
    dates: Dates | None,
    surroundings: Surroundings,
    folder: Path,
) -> xr.Dataset:
    """Return all series on one regular axis ``[time, (station)]``, from disk."""
    series = _by_station(tables)
    for name in (source.stations and source.stations.names) or ():
        if name not in series:
            raise UserError(
                f"{tables[0][0]} has no station '{name}': correct stations.names, or name the "
                "file that has it."
            )
    axis = _axis(tables, source, dates, whole=not surroundings.peek)
    stations = list(series) if source.stations else [""]
    parameters = list(
        dict.fromkeys(n for found in series.values() for one in found for n in one.columns)
    )
    if source.resample is not None:
        for name in source.resample.rules:
            if name not in parameters:
                hint = nearest(name, parameters)
                raise UserError(f"resample.rules: there is no parameter '{name}': {hint}")
    marks = [str(one.time.path) for found in series.values() for one in found]
    options = source.model_dump_json()
    key = hashlib.sha256(f"{FORMAT} {marks} {axis} {options}".encode()).hexdigest()
    place = folder / f"series-{key[:20]}"

    units = {name: unit for _, table in tables for name, unit in table.units.items()}
    compass = {source.rename.get(column, column) for column in source.compass}

    def write_all(empty: Path) -> None:
        for number, name in enumerate(parameters):
            angle = units.get(name) in DEGREES or name in compass
            _write(empty / f"{number}.f4", name, series, stations, axis, source, angle)

    made_once(place, write_all)
    shape = (axis.size, len(stations))
    time = (axis.start + axis.step * np.arange(axis.size, dtype=np.int64)).view("datetime64[ns]")
    fields = {}
    for number, name in enumerate(parameters):
        column = Column(place / f"{number}.f4", np.dtype("<f4"), shape)
        lazy = _lazy(column, (max(1, CHUNK // len(stations)), -1))
        dims = ("time", "station") if source.stations else ("time",)
        fields[name] = (dims, lazy if source.stations else lazy[:, 0], _attributes(units, name))
    dataset = xr.Dataset(fields, {"time": time})
    if source.stations is None:
        return dataset
    dataset = dataset.assign_coords(station=stations)
    where = ", ".join(sorted({name for name, _ in tables})[:2])
    places = of_files(((f, one.station, one.place) for f, t in tables for one in t.series), source)
    dataset = with_places(dataset, places_of(source, places, surroundings), where)
    return twins(dataset)


def _axis(tables: Sequence[Named], source: Tables, dates: Dates | None, *, whole: bool) -> Axis:
    """Return the axis: over the dates of the recipe, or over all samples.

    Where ``whole`` is false these are not all tables, and dates may lie beyond them.
    """
    if source.resample is None:
        raise ValueError("tables without 'resample' have no common axis")
    step = nanoseconds(source.resample.every)
    spans = [one.time[[0, -1]] for _, t in tables for one in t.series if one.time.shape[0]]
    if whole and not spans:
        raise UserError(f"{tables[0][0]} has no rows of what is wanted: look at 'stations'.")
    if dates is not None:
        first, last = _ends(dates)
        if whole and (first > np.max(spans) or last < np.min(spans)):
            reach = [str(pd.Timestamp(int(end))) for end in (np.min(spans), np.max(spans))]
            raise UserError(
                f"no time lies between {dates.start} and {dates.end}: the tables reach from "
                f"{reach[0]} to {reach[1]}."
            )
    else:
        first, last = int(np.min(spans)), int(np.max(spans))
        last = -(-last // step) * step
    start = -(-first // step) * step
    size = (last - start) // step + 1
    if not 1 <= size <= LONGEST:
        raise UserError(
            f"{tables[0][0]}: from {pd.Timestamp(first)} to {pd.Timestamp(last)} every "
            f"{source.resample.every} are {size} times: correct the times, or 'resample'."
        )
    return Axis(start, step, size)


def _ends(dates: Dates) -> tuple[int, int]:
    """Return the first and last moment of the dates, ns since 1970."""
    try:
        end = pd.Period(dates.end).end_time if len(dates.end) <= 10 else pd.Timestamp(dates.end)
        return pd.Timestamp(dates.start).as_unit("ns").value, end.as_unit("ns").value
    except ValueError as error:  # 2001-02-30, or beyond the years of nanoseconds
        raise UserError(
            f"dates {dates.start} to {dates.end}: one of the two is no date of the years 1678 to "
            "2261: correct it."
        ) from error


def _by_station(tables: Sequence[Named]) -> dict[str, list[Series]]:
    """Return the series of each station, in the order of the files."""
    found: dict[str, list[Series]] = {}
    for _, table in tables:
        for one in table.series:
            found.setdefault(one.station, []).append(one)
    return found


def _write(
    path: Path,
    name: str,
    series: dict[str, list[Series]],
    stations: Sequence[str],
    axis: Axis,
    source: Tables,
    angle: bool,
) -> None:
    """Write one parameter of all stations ``[time, station]``."""
    if source.resample is None:
        raise ValueError("there is no rule")
    rule = source.resample.rules.get(name, source.resample.rule)
    if angle and rule in ("sum", "min", "max"):
        raise UserError(
            f"resample: the rule of '{name}' is {rule}, and of directions there is none: give it "
            "mean, last or nearest in 'resample.rules'."
        )
    whole = np.memmap(path, "<f4", "w+", shape=(axis.size, len(stations)))
    for at, station in enumerate(stations):
        found = [(one.time, one.columns[name]) for one in series[station] if name in one.columns]
        what = f"station '{station}', '{name}'" if station else f"'{name}'"
        parts = in_order(found, source.duplicates, what)
        whole[:, at] = resampled(parts, axis, rule, source.resample.valid, angle=angle)
    whole.flush()
