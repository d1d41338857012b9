"""Where the stations of tables are: of their own columns, of a list, or of the recipe."""

import gzip
import json
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from climbench.errors import UserError, nearest
from climbench.recipes.downloads import fetch
from climbench.recipes.schema.tables import Tables
from climbench.recipes.sources.source import Surroundings
from climbench.recipes.sources.stations import Places
from climbench.recipes.sources.table_rows import numbers

STANDS_STILL = (0.015, 0.02, 50.0)
"""Degrees north and east, and m, by which a place may differ: digits that were cut (METAR has two),
and instruments that were moved by some hundred metres, are one station still."""
KINDS = ("latitude", "longitude", "altitude")


class Whereabouts:
    """The places of a table's stations, as its rows say them; a station that moves is refused."""

    def __init__(self, where: str, source: Tables) -> None:
        self.where, self.source = where, source
        self.found: dict[str, list[float]] = {}

    def add(self, station: str, rows: pd.DataFrame) -> None:
        """Take in rows of a station.

        Raises
        ------
        UserError
            If a column of the place is not there, or the station was elsewhere before.
        """
        stations = self.source.stations
        if stations is None or stations.place_columns is None:
            return
        known = self.found.setdefault(station, [np.nan] * 3)
        for at, name in enumerate(stations.place_columns):
            if name not in rows:
                hint = nearest(name, map(str, rows.columns))
                raise UserError(f"{self.where} has no column '{name}' for the place: {hint}")
            values = numbers(rows, name, self.where, self.source)
            there = np.flatnonzero(np.isfinite(values))
            if there.size and np.isnan(known[at]):
                known[at] = float(values[there[0]])
            moved = _apart(values, known[at], at)
            if moved.any() and station not in stations.places:
                row = int(np.argmax(moved))
                raise UserError(
                    f"{self.where}, line {rows.index[row]}: '{name}' of the station '{station}' "
                    f"changes from {known[at]:g} to {values[row]:g}: give its place in "
                    "'stations.places', or two stations two names."
                )


def _apart(values: NDArray[np.floating], known: float, kind: int) -> NDArray[np.bool_]:
    """Tell which latitudes, longitudes or altitudes are another place; missing ones are none."""
    away = np.abs(values.astype(np.float64) - known)
    if KINDS[kind] == "longitude":
        away = np.minimum(away % 360, 360 - away % 360)
    return np.asarray(away > STANDS_STILL[kind])


def of_files(found: Iterable[tuple[str, str, Sequence[float] | None]], source: Tables) -> Places:
    """Return the place of each station of several files.

    Parameters
    ----------
    found
        File, station and its place there.
    source
        Its ``stations.places`` come first, so that those may be anywhere here.

    Raises
    ------
    UserError
        If a station is elsewhere in another file.
    """
    places: dict[str, list[float]] = {}
    chosen = source.stations.places if source.stations else {}
    for where, station, place in found:
        if place is None:
            continue
        known = places.setdefault(station, [np.nan] * 3)
        for at, value in enumerate(place):
            if np.isnan(known[at]):
                known[at] = float(value)
            if _apart(np.array([value]), known[at], at).any() and station not in chosen:
                raise UserError(
                    f"{where}: the {KINDS[at]} of the station '{station}' is {value:g}, and in "
                    f"another file {known[at]:g}: give its place in 'stations.places', or two "
                    "stations two names."
                )
    return {name: (place[0], place[1], place[2]) for name, place in places.items()}


def places_of(source: Tables, of_tables: Places, surroundings: Surroundings) -> Places:
    """Return where the stations are: as the tables, a list or the recipe say, the last first."""
    stations = source.stations
    if stations is None:
        return {}
    listed: Places = {}
    if stations.list is not None:
        root = surroundings.data_root
        if root is not None and stations.list_local is not None:
            path = Path(root, stations.list_local)
            if not path.is_file():
                raise UserError(
                    f"there is no file {path}: correct 'stations.list_local', or put the list of "
                    "stations there."
                )
            listed = _listed(path, stations.list_local)
        else:
            listed = _listed(Path(fetch(stations.list, surroundings.downloads)), stations.list)
    return {**of_tables, **listed, **stations.places}


def _listed(path: Path, where: str) -> Places:
    """Return the places of a list of stations as Meteostat has it."""
    try:
        content = path.read_bytes()
        entries = json.loads(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)
        return {
            str(entry["id"]): tuple(
                entry["location"].get(key) for key in ("latitude", "longitude", "elevation")
            )
            for entry in entries
        }
    except (
        OSError,
        EOFError,
        zlib.error,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    ) as error:
        raise UserError(f"{where} is no list of stations with 'id' and 'location'.") from error
