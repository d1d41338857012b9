"""Tables of time series as a source: series ``[time]``, or records of stations."""

import hashlib
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pandas as pd
import xarray as xr

from climbench.errors import UserError, nearest
from climbench.metrics.circular import DEGREES
from climbench.recipes.dates import within
from climbench.recipes.downloads import fetch, fetch_all, shown
from climbench.recipes.downloads.cache import UNPACKED, made_once
from climbench.recipes.schema import Dates, Files, Recipe
from climbench.recipes.schema.tables import Tables, nanoseconds
from climbench.recipes.sources.addresses import locate, wanted
from climbench.recipes.sources.archives import is_packed, members
from climbench.recipes.sources.combining import along_time
from climbench.recipes.sources.resampling import Axis, resampled
from climbench.recipes.sources.source import Input, Opened, Surroundings
from climbench.recipes.sources.stations import Places, twins, with_places
from climbench.recipes.sources.table_columns import Column, Series, Table, columns_of

CHUNK = 500_000  # samples of a dask chunk
NANOSECONDS_PER_HOUR = 3.6e12
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
    if source.resample is None:
        dataset = along_time([(name, _as_they_are(table)) for name, table in tables])[1]
        if recipe.dates is not None:
            dataset = within(dataset, recipe.dates.start, recipe.dates.end)
    else:
        dataset = _on_axis(tables, source, recipe.dates, surroundings, folder)
    return Opened(dataset, (*inputs, *unread))


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
    axis = _axis(tables, source, dates)
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
    key = hashlib.sha256(f"{marks} {axis} {options}".encode()).hexdigest()
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
    places: Places = {s: one.place for s, found in series.items() for one in found if one.place}
    dataset = with_places(dataset, _places(source, places, surroundings), where)
    return twins(dataset)


def _axis(tables: Sequence[Named], source: Tables, dates: Dates | None) -> Axis:
    """Return the axis: over the dates of the recipe, or over all samples."""
    if source.resample is None:
        raise ValueError("tables without 'resample' have no common axis")
    step = nanoseconds(source.resample.every)
    if dates is not None:
        end = pd.Period(dates.end).end_time if len(dates.end) <= 10 else pd.Timestamp(dates.end)
        first, last = pd.Timestamp(dates.start).value, end.as_unit("ns").value
    else:
        spans = [one.time[[0, -1]] for _, t in tables for one in t.series if one.time.shape[0]]
        if not spans:
            raise UserError(f"{tables[0][0]} has no rows of what is wanted: look at 'stations'.")
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


def _by_station(tables: Sequence[Named]) -> dict[str, list[Series]]:
    """Return the series of each station, in the order of their times."""
    found: dict[str, list[Series]] = {}
    for _, table in tables:
        for one in table.series:
            found.setdefault(one.station, []).append(one)
    for several in found.values():
        several.sort(key=lambda one: int(one.time[0]) if one.time.shape[0] else 0)
        for one, other in pairwise(several):
            _refuse_contradiction(one, other)
    return found


def _refuse_contradiction(one: Series, other: Series) -> None:
    """Refuse two parts of a station's record that give a time different values.

    Raises
    ------
    UserError
        With the station and the first such time.
    """
    if not (one.time.shape[0] and other.time.shape[0]) or one.time[-1] < other.time[0]:
        return
    common, first, second = np.intersect1d(one.time[:], other.time[:], return_indices=True)
    for name in one.columns.keys() & other.columns.keys() if common.size else ():
        left, right = one.columns[name][first], other.columns[name][second]
        differs = np.isfinite(left) & np.isfinite(right) & (left != right)
        if differs.any():
            stamp = pd.Timestamp(int(common[differs][0]))
            raise UserError(
                f"two files hold the station '{one.station}' at {stamp} with different values of "
                f"'{name}': leave one of them out."
            )


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
        parts = [(one.time, one.columns[name]) for one in series[station] if name in one.columns]
        whole[:, at] = resampled(parts, axis, rule, source.resample.valid, angle=angle)
    whole.flush()


def _places(source: Tables, of_tables: Places, surroundings: Surroundings) -> Places:
    """Return where the stations are: as the tables, a list or the recipe say, the last first."""
    stations = source.stations
    if stations is None:
        return {}
    listed: Places = {}
    if stations.list is not None:
        root = surroundings.data_root
        if root is not None and stations.list_local is not None:
            path = Path(root, stations.list_local)
        else:
            path = Path(fetch(stations.list, surroundings.downloads))
        listed = _listed(path, stations.list)
    return {**of_tables, **listed, **stations.places}


def _listed(path: Path, where: str) -> Places:
    """Return the places of a list of stations as Meteostat has it."""
    try:
        import gzip

        content = path.read_bytes()
        entries = json.loads(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)
        return {
            str(entry["id"]): tuple(
                entry["location"].get(key) for key in ("latitude", "longitude", "elevation")
            )
            for entry in entries
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{where} is no list of stations with 'id' and 'location'.") from error
