"""Weather2K as a source: hourly or three-hourly records of stations in one NumPy array."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import dask.array
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError, nearest
from climbench.recipes.dates import within
from climbench.recipes.downloads import fetch_all, shown
from climbench.recipes.schema import Files, Recipe, Weather2K
from climbench.recipes.sources.addresses import locate, wanted
from climbench.recipes.sources.source import Input, Opened, Surroundings
from climbench.recipes.sources.stations import twins, with_places
from climbench.store.time_axis import hours

UNITS = {
    "ap": "hPa",
    "t": "degC",
    "mxt": "degC",
    "mnt": "degC",
    "dt": "degC",
    "rh": "%",
    "wvp": "hPa",
    "p1": "mm",
    "p2": "mm",
    "p3": "mm",
    "p4": "mm",
    "p5": "mm",
    "wd": "degree",
    "ws": "m s-1",
    "mwd": "degree",
    "mws": "m s-1",
    "st": "degC",
    "hv1": "m",
    "hv2": "m",
    "vv": "m",
}
"""Units by factor, in the order of version 1."""

VERSIONS = {
    23: ("1h", tuple(UNITS)),
    13: ("3h", ("ap", "t", "mxt", "mnt", "rh", "p3", "wd", "ws", "mwd", "mws")),
}
"""Step and factors after the three constants, by the number of rows of a station."""

CHUNK_BYTES = 2**24


@dataclass(frozen=True)
class _Factor:
    """One factor of all stations ``[time, station]``, read when it is asked for."""

    path: str
    row: int
    shape: tuple[int, int]
    missing: tuple[float, ...]
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.float32)
    ndim: ClassVar[int] = 2

    def __getitem__(self, key: Any) -> NDArray[np.float32]:
        whole = np.load(self.path, mmap_mode="r", allow_pickle=False)
        values = np.array(whole[:, self.row].T[key], dtype=np.float32)
        return np.where(np.isin(values, self.missing), np.float32(np.nan), values)


def open_weather2k(source: Weather2K, recipe: Recipe, surroundings: Surroundings) -> Opened:
    """Open the array as ``[time, station]`` with the places of the stations.

    Raises
    ------
    UserError
        If it is no such array, or a station moves.
    """
    shared = ("address", "local", "mirrors", "sha256", "md5")
    files = Files(kind="files", **{name: getattr(source, name) for name in shared})
    (name, address), *more = locate(files, recipe.dates, surroundings)
    if more:
        raise UserError(f"{source.local or source.address} are {len(more) + 1} files: name one.")
    (path,) = fetch_all([wanted(files, name, address)], surroundings.downloads)
    where = shown(name)
    try:
        whole = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise UserError(f"{where} is no NumPy array of numbers: fetch it again.") from error
    fits = whole.ndim == 3 and whole.shape[1] in VERSIONS and whole.size
    if not fits or whole.dtype.kind != "f":
        raise UserError(
            f"{where} has the shape {whole.shape} of {whole.dtype}: Weather2K has numbers of "
            "stations, 23 (hourly) or 13 (three-hourly) factors, and times."
        )
    step, factors = VERSIONS[whole.shape[1]]
    shape = (whole.shape[2], whole.shape[0])
    try:
        time = pd.date_range(source.start, periods=shape[0], freq=step, unit="ns")
    except ValueError as error:  # 2017-02-30, or beyond the year 2261
        raise UserError(
            f"{where}: {shape[0]} times cannot begin at {source.start}: correct 'start'."
        ) from error
    for chosen in source.variables or ():
        if chosen not in factors:
            raise UserError(f"{where} has no factor '{chosen}': {nearest(chosen, factors)}")
    rows = max(1, CHUNK_BYTES // (4 * shape[1]))
    fields = {}
    for row, factor in enumerate(factors, start=3):
        if source.variables is None or factor in source.variables:
            reader = _Factor(path, row, shape, tuple(source.missing))
            lazy = dask.array.from_array(reader, chunks=(rows, -1), name=f"{path}-{row}-{shape}")
            fields[factor] = (("time", "station"), lazy, {"units": UNITS[factor]})
    labels = [str(number) for number in range(shape[1])]
    dataset = xr.Dataset(fields, {"time": time, "station": labels})
    if source.stations is not None:
        if max(source.stations) >= shape[1]:
            raise UserError(f"{where} has the stations 0 to {shape[1] - 1}: correct 'stations'.")
        dataset = dataset.isel(station=source.stations)
    mend = "leave the station out with 'stations', or fetch the array again"
    dataset = with_places(dataset, _places(whole, where), where, mend)
    if recipe.dates is not None:
        dataset = within(dataset, recipe.dates.start, recipe.dates.end)
    if not surroundings.peek:
        dataset = twins(dataset)
    ends = hours(dataset["time"])
    return Opened(dataset, (Input(where, str(Path(path)), hours=(ends[0], ends[-1])),))


def _places(whole: NDArray[Any], where: str) -> dict[str, tuple[float, ...]]:
    """Return latitude, longitude and altitude of each station, which stand still."""
    places = np.asarray(whole[:, :3, 0], dtype=np.float64)
    moved = ~np.isclose(places, whole[:, :3, -1], equal_nan=True).all(axis=1)
    if moved.any():
        at = int(np.argmax(moved))
        raise UserError(f"{where}: station {at} is elsewhere at the end: the array is damaged.")
    return {str(number): tuple(place) for number, place in enumerate(places.tolist())}
