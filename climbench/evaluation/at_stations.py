"""Forecasts of maps brought to weather stations, to be scored against what these measured."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import dask.array
import numpy as np
import xarray as xr
import zarr

from climbench.errors import UserError, nearest
from climbench.evaluation.cells_at_stations import Method, cells_at_stations
from climbench.evaluation.maps_at_stations import MAP, Cells, MapsAtStations
from climbench.evaluation.options import one_of
from climbench.evaluation.source import (
    Source,
    check_same_grid,
    content_hash,
    open_dataset,
    open_source,
)
from climbench.evaluation.station_bias import StationBias
from climbench.evaluation.times import TimeConvention, by_time
from climbench.metrics.circular import DEGREES
from climbench.metrics.fields import Array
from climbench.progress import track
from climbench.recipes.lock import alone
from climbench.recipes.steps.convert_units import conversion, same_unit
from climbench.store import disk_full_is_a_user_error
from climbench.store.layout import consolidate, create_store, encoding, write_part
from climbench.store.stations import PLACE, STATION

GRAVITY = 9.80665  # m s-2, between geopotential and height
STEEPEST = 0.1  # K m-1: ten times the dry air's, and a hundredth of one in K km-1
HEIGHTS = ("orography", "surface_altitude", "geopotential_at_surface")


def at_stations(
    forecasts: xr.Dataset | Path | str,
    stations: xr.Dataset | Path | str,
    output: Path | str,
    *,
    method: Method = "bilinear",
    variables: Sequence[str] | None = None,
    lapse_rate: float = 0.0,
    lapse_variables: Sequence[str] = ("2m_temperature",),
    orography: xr.Dataset | Path | str | None = None,
    correct_on: Sequence[Any] | None = None,
    name: str | None = None,
    progress_bar: bool = False,
) -> Path:
    r"""Write what forecasts of maps say at stations, for :func:`climbench.evaluate`.

    .. math:: \hat T_s = \sum_c w_c T_c - \Gamma (z_s - \sum_c w_c z_c) - b_s

    with the heights :math:`z` of station and model ground, and the mean error :math:`b` of the
    same station, lead time and hour of the day over a period before. Stations outside of the map
    are left out. Memory does not grow with the number of forecasts.

    Parameters
    ----------
    forecasts
        Maps in any layout that :func:`climbench.evaluate` takes, along ``time``.
    stations
        Observations ``[time, station]``, with ``latitude``, ``longitude`` and, for a lapse rate,
        ``altitude``.
    output
        The Zarr group to write ``[time, (member), (prediction_timedelta), station]``; it gets its
        name when it is whole. If it is there, from the same data and options, nothing is done.
    method
        ``bilinear`` or ``nearest``.
    variables
        By default those that both have.
    lapse_rate
        :math:`\Gamma`, K m-1: 0.0065 in the standard atmosphere, 0 for none.
    lapse_variables
        Which variables fall with height.
    orography
        Where the height of the model's ground is (``orography`` in m, or
        ``geopotential_at_surface`` in m2 s-2), on the grid of the forecasts; by default theirs.
    correct_on
        First and last initial time from which mean errors are learnt, ten or more of an hour of
        the day; only later forecasts, from when the last of these has come true, are written.
        Angles, which have no mean error, stay as they are.
    name
        Of the model; by default the attribute ``model`` of the forecasts, else the file's name.
    progress_bar
        Whether progress is shown.

    Returns
    -------
    Path
        ``output``.

    Raises
    ------
    UserError
        If an option is wrong, a coordinate is missing, or the two have nothing in common.

    References
    ----------
    WMO-No. 485, appendix 2.2.34, verification against observations: nearest or bilinear, and
    0.0065 K m-1 for temperature at 2 m.
    """
    one_of("method", method, get_args(Method))
    maps, by = by_time(open_source(forecasts, "forecasts"), None)
    observed = _observations(stations)
    chosen = _variables(maps, observed, variables, method)
    placed = _placed(maps, observed, chosen, method)
    heights = {}
    _check_lapse(lapse_rate, lapse_variables, chosen)
    if lapse_rate:
        lower = lapse_rate * _above(placed, _ground(maps, orography))
        heights = {variable: -lower for variable in lapse_variables}
    placed = replace(placed, change=heights)
    bias = None
    if correct_on is not None:
        linear = [name for name in chosen if not _is_angle(*_units(maps, observed, name))]
        inside = observed[linear].sel({STATION: placed.stations[STATION]})
        bias = StationBias.of(placed, inside, correct_on, valid=by == "valid")
    record = {
        "method": method,
        "lapse_rate": lapse_rate,
        "lapse_variables": list(lapse_variables) if lapse_rate else [],
        "orography_hash": content_hash(orography),
        "correct_on": None if correct_on is None else [str(date) for date in correct_on],
        "forecasts_hash": content_hash(forecasts),
        "stations_hash": content_hash(stations),
        "variables": chosen,
    }
    attributes = {
        "model": name or str(maps.dataset.attrs.get("model") or Path(str(forecasts)).stem),
        "simulated": str(maps.dataset.attrs.get("simulated", "false")),
        "at_stations": json.dumps(record, sort_keys=True),
    }
    path = Path(output)
    path.parent.mkdir(parents=True, exist_ok=True)
    with alone(path), disk_full_is_a_user_error(path):
        if not _is_there(path, attributes):
            building = path.with_name(path.name + ".building")
            try:
                _write(building, placed, bias, attributes, by, progress_bar)
                building.rename(path)
            finally:
                shutil.rmtree(building, ignore_errors=True)
    return path


def _observations(stations: xr.Dataset | Path | str) -> xr.Dataset:
    """Return the stations' dataset, refusing one whose stations have no place."""
    label = "stations" if isinstance(stations, xr.Dataset) else f"stations {stations}"
    raw = stations if isinstance(stations, xr.Dataset) else open_dataset(stations, label)
    if STATION not in raw.dims or "time" not in raw.dims:
        raise UserError(f"{label} has no dimensions 'time' and 'station': give observations there.")
    _check_names(raw, label)
    for coordinate in ("latitude", "longitude"):
        values = raw.coords.get(coordinate)
        if values is None or values.dims != (STATION,) or not bool(values.notnull().all()):
            without = (
                raw[STATION].values if values is None else raw[STATION].values[values.isnull()]
            )
            raise UserError(
                f"{label}: the station '{without[0]}' has no {coordinate}: give its place in the "
                "recipe, or leave the station out."
            )
    beyond = np.abs(raw["latitude"].values) > 90
    if beyond.any():
        raise UserError(
            f"{label}: the station '{raw[STATION].values[beyond][0]}' has the latitude "
            f"{raw['latitude'].values[beyond][0]:g}: correct its place."
        )
    return raw


def _check_names(observed: xr.Dataset, label: str) -> None:
    """Refuse stations without names, and names or times that are there twice.

    Raises
    ------
    UserError
        With the first of them.
    """
    if STATION not in observed.coords:
        raise UserError(f"{label}: the stations have no names: give a coordinate 'station'.")
    for dim in (STATION, "time"):
        index = observed.indexes[dim]
        if not index.is_unique:
            again = index[index.duplicated()][0]
            raise UserError(f"{label}: the {dim} '{again}' is there twice: leave one of them out.")


def _variables(
    maps: Source, observed: xr.Dataset, chosen: Sequence[str] | None, method: Method
) -> list[str]:
    """Return what both have, or what was asked for if both have it."""
    fields = [str(n) for n, a in maps.dataset.items() if {"time", *MAP} <= set(a.dims)]
    if not fields:
        raise UserError(
            f"{maps.label} has no variable along time, latitude and longitude: give forecasts of "
            "maps."
        )
    known = [name for name in fields if name in observed.data_vars]
    for name in chosen or []:
        if name not in known:
            raise UserError(
                f"option 'variables': {maps.label} and the stations do not both have '{name}': "
                f"{nearest(name, known)}"
            )
    names = list(known if chosen is None else chosen)
    if not names:
        raise UserError(
            f"{maps.label} and the stations share no variable: the one has {', '.join(fields)}, "
            f"the other {', '.join(map(str, observed.data_vars))}; rename them in one of them."
        )
    for name in names:
        units = _units(maps, observed, name)
        if all(units) and not same_unit(*units):
            raise UserError(
                f"{maps.label} has '{name}' in {units[0]} and the stations in {units[1]}: convert "
                "one of them."
            )
        if _is_angle(*units) and method == "bilinear":
            raise UserError(
                f"'{name}' is an angle, of which there is no mean between cells: give "
                "method=nearest, or leave it out with variables=[...]."
            )
    return names


def _units(maps: Source, observed: xr.Dataset, name: str) -> tuple[str, str]:
    """Return the units of a variable in forecasts and observations, "" where one has none."""
    first, second = (str(each[name].attrs.get("units", "")) for each in (maps.dataset, observed))
    return first, second


def _is_angle(units: str, others: str) -> bool:
    """Tell whether a variable is an angle; units that one file lacks are those of the other."""
    return (units or others) in DEGREES


def _check_lapse(rate: float, variables: Sequence[str], chosen: Sequence[str]) -> None:
    """Refuse a lapse rate that would do nothing, or that is of other units.

    Raises
    ------
    UserError
        With the option and the mend.
    """
    if not abs(rate) <= STEEPEST:
        raise UserError(
            f"option 'lapse_rate' = {rate:g} is none in K m-1: write 0.0065, or 0 for none."
        )
    if rate and not variables:
        raise UserError("option 'lapse_variables' is empty: name variables, or give lapse_rate=0.")
    for name in variables if rate else ():
        if name not in chosen:
            raise UserError(
                f"option 'lapse_variables': '{name}' is not brought to the stations: "
                f"{nearest(name, chosen)}"
            )


def _placed(maps: Source, observed: xr.Dataset, names: list[str], method: Method) -> MapsAtStations:
    """Return the maps at the stations that lie on them."""
    rows, columns, weights = cells_at_stations(
        maps.latitude, maps.longitude, observed["latitude"], observed["longitude"], method
    )
    inside = np.isfinite(weights).all(axis=1)
    if not inside.any():
        raise UserError(
            f"none of the {inside.size} stations lies on the map of {maps.label}: latitude "
            f"{maps.latitude[0]:g} to {maps.latitude[-1]:g}, longitude {maps.longitude[0]:g} to "
            f"{maps.longitude[-1]:g}."
        )
    cells = Cells(maps.rows[rows[inside]], maps.columns[columns[inside]], weights[inside])
    coordinates = [name for name in (STATION, *PLACE) if name in observed.coords]
    stations = observed[coordinates].isel({STATION: inside}).reset_coords(drop=False)
    stations = stations.set_coords([name for name in coordinates if name in stations])
    return MapsAtStations(maps.dataset[names], stations, cells, {})


def _ground(maps: Source, orography: xr.Dataset | Path | str | None) -> xr.DataArray:
    """Return the height of the model's ground, m ``[latitude, longitude]``, as the maps lie."""
    source = maps if orography is None else open_source(orography, "orography")
    check_same_grid(maps, source)
    name = next((name for name in HEIGHTS if name in source.dataset), None)
    if name is None:
        raise UserError(
            f"option 'lapse_rate': {source.label} has none of {', '.join(HEIGHTS)}: give the "
            "model's ground with orography=PATH, or lapse_rate=0."
        )
    field = source.dataset[name]
    extra = {dim: 0 for dim in field.dims if dim not in MAP}
    field = field.isel(extra).transpose(*MAP).astype(np.float64)
    ascending = field.isel(latitude=source.rows, longitude=source.columns)
    ordered = ascending.isel(latitude=np.argsort(maps.rows), longitude=np.argsort(maps.columns))
    units = str(field.attrs.get("units", "m2 s-2" if name.startswith("geo") else "m"))
    if name == "geopotential_at_surface":
        return ordered * (conversion(units, "m2 s-2", name)[0] / GRAVITY)
    return ordered * conversion(units, "m", name)[0]


def _above(placed: MapsAtStations, ground: xr.DataArray) -> Array:
    """Return how far each station lies above the model's ground, m ``[station]``."""
    altitude = placed.stations.coords.get("altitude")
    missing = placed.stations[STATION] if altitude is None else altitude[altitude.isnull()][STATION]
    if missing.size:
        raise UserError(
            f"option 'lapse_rate': the station '{missing.values[0]}' has no altitude: give it in "
            "the recipe, leave the station out, or give lapse_rate=0."
        )
    above: Array = np.asarray(altitude, dtype=np.float64) - placed.cells.values(ground)
    if not np.isfinite(above).all():
        name = placed.stations[STATION].values[~np.isfinite(above)][0]
        raise UserError(
            f"option 'orography': the model's ground is missing at the station '{name}': give a "
            "complete one, or leave the station out."
        )
    return above


def _is_there(path: Path, attributes: dict[str, str]) -> bool:
    """Tell whether these very forecasts are there; refuse to replace anything else."""
    if not path.exists():
        return False
    try:
        found = dict(zarr.open_group(str(path), mode="r").attrs)
    except (OSError, ValueError, KeyError):
        found = {}
    hashes = json.loads(attributes["at_stations"])
    known = bool(hashes["forecasts_hash"] and hashes["stations_hash"])
    if not known or any(found.get(key) != value for key, value in attributes.items()):
        raise UserError(
            f"{path} is there already and is not of these forecasts, stations and options: delete "
            "it or choose another output."
        )
    return True


def _write(
    path: Path,
    placed: MapsAtStations,
    bias: StationBias | None,
    attributes: dict[str, str],
    by: TimeConvention,
    progress_bar: bool,
) -> None:
    """Write the forecasts block by block, all or those later than what the bias was learnt from."""
    if bias is not None:
        placed = replace(placed, maps=placed.maps.isel(time=np.flatnonzero(bias.later)))
    steps = placed.maps.sizes["time"]
    blocks = list(placed.parts(np.ones(steps, dtype=bool)))
    template = _lengthened(placed.part(*blocks[0]), placed.maps["time"])
    called = "valid_time" if by == "valid" else "time"
    layout = encoding(template.rename(time=called), called, blocks[0][1], blocks[0][1])
    create_store(path, template.rename(time=called), attributes, layout)
    for start, stop in track(blocks, "at the stations", shown=progress_bar):
        part = placed.part(start, stop)
        part = part if bias is None else bias.corrected(part)
        write_part(path, part.rename(time=called), called, start)
    consolidate(path)


def _lengthened(first: xr.Dataset, time: xr.DataArray) -> xr.Dataset:
    """Return a dataset like one block, of all times, its values not in memory."""
    whole = {
        name: (
            array.dims,
            dask.array.zeros((time.size, *array.shape[1:]), array.dtype),
            array.attrs,
        )
        for name, array in first.items()
    }
    return xr.Dataset(whole, {**first.drop_vars("time").coords, "time": time})
