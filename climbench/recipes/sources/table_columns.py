"""Tables as columns on disk: each parameter a file of numbers, so that memory holds a block."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from climbench.errors import UserError, nearest
from climbench.recipes.dates import stamps
from climbench.recipes.downloads.cache import made_once
from climbench.recipes.schema.tables import Tables
from climbench.recipes.sources.table_places import Whereabouts
from climbench.recipes.sources.table_rows import (
    blocks,
    numbers,
    units_of,
    unpacked,
)
from climbench.recipes.sources.table_times import time_columns, times
from climbench.store.provenance import file_sha256

FORMAT = 3  # of the columns on disk


@dataclass(frozen=True)
class Column:
    """Numbers of a file, read when they are asked for.

    Attributes
    ----------
    path
        Where they are.
    dtype
        Their type.
    shape
        How many, or ``(time, station)``.
    """

    path: Path
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return some of the numbers."""
        return np.array(np.memmap(self.path, self.dtype, "r", shape=self.shape)[key])


@dataclass(frozen=True)
class Series:
    """What a table holds of one station, on one ascending time axis (ns since 1970 UTC).

    Attributes
    ----------
    station
        Its name; empty without stations.
    place
        Latitude, longitude (degrees) and altitude (m), where the table has them.
    time
        ``[sample]``.
    columns
        ``[sample]`` of each parameter.
    """

    station: str
    place: tuple[float, float, float] | None
    time: Column
    columns: dict[str, Column]


@dataclass(frozen=True)
class Table:
    """A file as columns: its series, the units that it gives, and the names of all columns."""

    series: tuple[Series, ...]
    units: dict[str, str]
    names: frozenset[str]


def columns_of(path: Path, where: str, source: Tables, folder: Path) -> Table:
    """Return a table as columns on disk, made once for each content and source.

    Raises
    ------
    UserError
        If the file is empty, has one row, a column of text or without any value, or a clock that
        goes backwards or stands still.
    """
    if path.is_dir():
        raise UserError(f"{where} is a folder: name the tables in it.")
    options = json.dumps(source.model_dump(mode="json"), sort_keys=True)
    key = hashlib.sha256(f"{FORMAT} {where} {options} {file_sha256(path)}".encode()).hexdigest()
    place = folder / f"table-{key[:20]}"
    return _read(made_once(place, lambda empty: _Converter(path, where, source, empty).run()))


def _read(folder: Path) -> Table:
    index = json.loads((folder / "index.json").read_text())
    series = []
    for number, entry in enumerate(index["series"]):
        shape = (int(entry["samples"]),)
        named = {
            name: Column(folder / f"{number}.{at}", np.dtype("<f4"), shape)
            for at, name in enumerate(entry["columns"])
        }
        time = Column(folder / f"{number}.time", np.dtype("<i8"), shape)
        place = tuple(entry["place"]) if entry["place"] else None
        series.append(Series(entry["station"], place, time, named))
    return Table(tuple(series), index["units"], frozenset(index["names"]))


class _Converter:
    """One table on its way to columns."""

    def __init__(self, path: Path, where: str, source: Tables, folder: Path) -> None:
        self.path, self.where, self.source, self.folder = path, where, source, folder
        self.series: dict[tuple[str, str], dict[str, Any]] = {}
        self.zones: set[str] = set()
        self.last: dict[tuple[str, str], int] = {}
        self.places = Whereabouts(where, source)
        self.names: list[str] = []
        self.labels: dict[str, str] = {}

    def run(self) -> None:
        """Read all rows, put them in order and write down what there is."""
        rows = 0
        for frame in blocks(self.path, self.where, self.source):
            rows += len(frame)
            self.names = [str(name) for name in frame.columns]
            if len(frame):
                self._add(frame)
        if rows < 2 and self.source.stations is None:
            raise UserError(
                f"{self.where} has {rows or 'no'} row{'s' * (rows != 1)}: a series needs two."
            )
        entries = []
        for number, entry in enumerate(self.series.values()):
            entry["samples"] = self._in_order(number, entry)
            entry["place"] = self.places.found.get(entry["station"])
            entries.append(entry)
        if self.source.stations is None:
            self._refuse_empty(entries)
        elif rows < 2:
            raise UserError(
                f"{self.where} has {rows or 'no'} row{'s' * (rows != 1)}: a series needs two."
            )
        index = {"series": entries, "units": self._units(), "names": self.names}
        (self.folder / "index.json").write_text(json.dumps(index))

    def _units(self) -> dict[str, str]:
        letters = dict.fromkeys(self.source.compass, "degree")
        given = {**letters, **units_of(self.path, self.where, self.source), **self.source.units}
        return {self.source.rename.get(name, name): unit for name, unit in given.items()}

    def _add(self, frame: pd.DataFrame) -> None:
        moments = times(frame, self.where, self.source, self.zones)
        for (station, parameter), rows in self._groups(frame):
            part = frame.iloc[rows]
            self._check_clock((station, parameter), moments[rows], part)
            if parameter:
                value = str(self.source.value)
                named = {parameter: numbers(part, value, self.where, self.source)}
            else:
                named = self._parameters(part)
            self.places.add(station, part)
            if (station, parameter) not in self.series:
                entry = {"station": station, "columns": list(named)}
                self.series[station, parameter] = entry
            number = list(self.series).index((station, parameter))
            self._append(f"{number}.time", moments[rows].astype("<i8"))
            for at, name in enumerate(self.series[station, parameter]["columns"]):
                self._append(f"{number}.{at}", named[name].astype("<f4"))

    def _append(self, name: str, values: NDArray[Any]) -> None:
        with (self.folder / name).open("ab") as file:
            file.write(values.tobytes())

    def _groups(self, frame: pd.DataFrame) -> Iterator[tuple[tuple[str, str], NDArray[np.int64]]]:
        """Yield the rows of each station and parameter."""
        everything = np.arange(len(frame))
        stations, source = self.source.stations, self.source
        keys = [c for c in (stations and stations.column, source.parameter) if c]
        for column in keys:
            if column not in frame:
                hint = nearest(column, map(str, frame.columns))
                raise UserError(f"{self.where} has no column '{column}': {hint}")
        in_name = stations.from_name if stations else None
        station = self._from_name(in_name) if in_name else ""
        pattern = source.parameter_from_name
        parameter = self._from_name(pattern) if pattern and not source.value else ""
        if not keys:
            if not self._is_wanted(station):
                return
            if parameter and len(self._names(frame)) != 1:
                raise UserError(
                    f"{self.where} has {len(self._names(frame))} columns beside the time and its "
                    "name is of one parameter: say which with 'variables'."
                )
            yield (station, ""), everything
            return
        for labels, found in frame.groupby(keys, sort=False).indices.items():
            texts = [
                str(one).strip() for one in (labels if isinstance(labels, tuple) else [labels])
            ]
            name = texts[0] if stations and stations.column else station
            if stations and stations.column and name in ("", "nan", "None"):
                raise UserError(
                    f"{self.where}, line {frame.index[found[0]]}: the station has no name in "
                    f"column '{stations.column}': give it one, or remove the row."
                )
            wanted = (
                source.variables is None or not source.parameter or texts[-1] in source.variables
            )
            if self._is_wanted(name) and wanted:
                label = self._label(texts[-1]) if source.parameter else ""
                yield (name, label), np.sort(np.asarray(found))

    def _label(self, parameter: str) -> str:
        """Return what a parameter is called in the store."""
        label = self.source.rename.get(parameter, parameter)
        if self.labels.setdefault(label, parameter) != parameter:
            raise UserError(
                f"{self.where}: '{self.labels[label]}' and '{parameter}' are both renamed to "
                f"'{label}': correct 'rename', or name one in 'variables'."
            )
        return label

    def _is_wanted(self, station: str) -> bool:
        chosen = self.source.stations.names if self.source.stations else None
        return chosen is None or station in chosen

    def _from_name(self, pattern: str) -> str:
        found = re.search(pattern, self.where.rsplit("/", 1)[-1])
        if found is None:
            raise UserError(f"{self.where}: its name has nothing like '{pattern}'.")
        if not found[1]:
            raise UserError(
                f"{self.where}: its name has nothing where '{pattern}' has brackets: correct the "
                "pattern, or call the file otherwise."
            )
        return found[1]

    def _names(self, frame: pd.DataFrame) -> list[str]:
        """Return the columns that are parameters."""
        source, stations = self.source, self.source.stations
        if source.variables is not None:
            for name in source.variables:
                if name not in frame:
                    hint = nearest(name, map(str, frame.columns))
                    raise UserError(f"{self.where} has no column '{name}': {hint}")
            return source.variables
        if source.packed:
            return []
        left_out = {*source.drop, *time_columns(frame, self.where, source)}
        if stations:
            left_out |= {stations.column or "", *(stations.place_columns or ())}
        return [str(name) for name in frame.columns if name not in left_out]

    def _parameters(self, frame: pd.DataFrame) -> dict[str, NDArray[np.float32]]:
        source = self.source
        found: dict[str, NDArray[np.float32]] = {}
        pattern = source.parameter_from_name
        for name in self._names(frame):
            values = numbers(frame, name, self.where, source)
            if source.quality and name + source.quality.suffix in frame:
                good = frame[name + source.quality.suffix].isin(source.quality.good).to_numpy()
                values[~good] = np.nan
            label = self._from_name(pattern) if pattern else name
            renamed = source.rename.get(label, label)
            self._refuse_second(renamed, found)
            found[renamed] = values
        for name, packed in source.packed.items():
            self._refuse_second(name, found)
            found[name] = unpacked(frame, packed, self.where)
        if not found:
            raise UserError(f"{self.where} has no column of numbers beside the time.")
        return found

    def _refuse_second(self, name: str, found: Iterable[str]) -> None:
        if name in found:
            raise UserError(
                f"{self.where}: two columns are renamed to '{name}': correct 'rename', or leave "
                "one out with 'drop'."
            )

    def _check_clock(
        self, key: tuple[str, str], moments: NDArray[np.int64], rows: pd.DataFrame
    ) -> None:
        """Refuse times that go backwards or stand still, unless the source says what then."""
        steps = np.diff(moments, prepend=self.last.get(key, moments[0] - 1))
        back = self.source.order == "refuse" and np.any(steps < 0)
        again = self.source.duplicates == "refuse" and np.any(steps == 0)
        self.last[key] = int(moments[-1])
        if back or again:
            at = int(np.argmax(steps < 0 if back else steps == 0))
            stamp = stamps(pd.DatetimeIndex(moments[[at]]))[0]
            words = (
                ("goes backwards", "'order: sort'") if back else ("is there twice", "'duplicates'")
            )
            raise UserError(
                f"{self.where}, line {rows.index[at]}: the time {stamp} {words[0]}: mend the "
                f"table, or set {words[1]} in the source."
            )

    def _in_order(self, number: int, entry: dict[str, Any]) -> int:
        """Put a series in order of its times, keep one row of each; return how many are left."""
        moments = np.fromfile(self.folder / f"{number}.time", "<i8")
        steps = np.diff(moments)
        if not np.any(steps <= 0):
            return int(moments.size)
        order = np.argsort(moments, kind="stable")
        ascending = moments[order]
        same = np.diff(ascending) == 0
        if self.source.duplicates == "refuse" and same.any():
            stamp = stamps(pd.DatetimeIndex(ascending[1:][same][:1]))[0]
            raise UserError(
                f"{self.where}: the time {stamp} is there twice: set 'duplicates' in the source."
            )
        kept = np.r_[True, ~same] if self.source.duplicates == "first" else np.r_[~same, True]
        order = order[kept]
        for name, kind in [
            ("time", "<i8"),
            *((str(n), "<f4") for n in range(len(entry["columns"]))),
        ]:
            path = self.folder / f"{number}.{name}"
            np.fromfile(path, kind)[order].tofile(path)
        return int(order.size)

    def _refuse_empty(self, entries: list[dict[str, Any]]) -> None:
        for number, entry in enumerate(entries):
            for at, name in enumerate(entry["columns"]):
                if np.isnan(np.memmap(self.folder / f"{number}.{at}", "<f4", "r")).all():
                    raise UserError(
                        f"{self.where}: column '{name}' has no value at all: leave it out with "
                        "'drop'."
                    )
