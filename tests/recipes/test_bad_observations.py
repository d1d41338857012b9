"""Stations, series and columns that cannot be right: each is one clear sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.recipes import build, load_recipe

from . import column_files

ALL_TIMES = {"statistics": {"period": None}}


def refused(recipe: str, options: dict[str, Any], root: Path, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        build(load_recipe(recipe, options), root / "stores", root)
    assert "\n" not in str(caught.value)
    assert not list((root / "stores").glob("*.zarr"))


ROWS = ["2024-01-01T00:00,x,50,10,5,1", "2024-01-01T01:00,x,50,10,5,2"]
TABLES = {
    "empty": ([], {}, "a.csv is empty"),
    "header": (["t,id,lat,lon,z,a"], {}, "a.csv has no rows: a series needs two"),
    "one row": (ROWS[:1], {}, "a.csv has 1 row: a series needs two"),
    "no value": ([row[:-1] for row in ROWS], {}, "'a' has no value at any time"),
    "text": ([ROWS[0], f"{ROWS[1]}x"], {}, "line 3: column 'a' holds the text '2x'"),
    "backwards": (ROWS[::-1], {}, "line 3: the time 2024-01-01T00:00:00 goes backwards"),
    "zones": ([ROWS[0].replace(",x", "Z,x"), ROWS[1]], {}, "are of several zones"),
    "unknown": (ROWS, {"names": ["y"]}, "a.csv has no station 'y'"),
    "one unknown": (ROWS, {"names": ["x", "y"]}, "a.csv has no station 'y'"),
    "no name": (ROWS, {"column": "site"}, "a.csv has no column 'site'"),
    "no place": (
        [row.replace("50", "") for row in ROWS],
        {},
        "station 'x' has the coordinates nan, 10",
    ),
    "moves": (
        [ROWS[0], ROWS[1].replace("50,", "53,")],
        {},
        "line 3: 'lat' of the station 'x' changes from 50 to 53",
    ),
    "nameless": ([ROWS[0], ROWS[1].replace("x", " ")], {}, "line 3: the station has no name"),
    "far future": ([ROWS[0], ROWS[1].replace("2024", "2920")], {}, "beyond 1678 to 2261"),
    "too wide": ([*ROWS, "2024-01-01T02:00,x,50,10,5,1,9"], {}, "line 4 has 7 fields and there"),
    "open quote": ([ROWS[0], '2024-01-01T01:00,"x,50,10,5,2'], {}, "begins in line 3 does not end"),
    "no column": (ROWS, {"place_columns": ["lat", "long", "z"]}, "'long' for the place: did you"),
}


@pytest.mark.parametrize("case", TABLES)
def test_a_table_of_stations(case: str, tmp_path: Path) -> None:
    rows, options, sentence = TABLES[case]
    header = [] if case in ("empty", "header") else ["t,id,lat,lon,z,a"]
    (tmp_path / "a.csv").write_text("\n".join([*header, *rows]))
    stations = {"column": "id", "place_columns": ["lat", "lon", "z"]} | options
    source = {"kind": "tables", "address": "-", "local": "*.csv", "stations": stations}
    source |= {"resample": {"every": "1h", "rule": "last"}}
    refused("telemetry_csv", {"sources": [source]}, tmp_path, sentence)


HOURLY = {"resample": {"every": "1h", "rule": "last"}}
OPTIONS = {
    "renamed to one": ({"rename": {"a": "v", "b": "v"}}, "two columns are renamed to 'v'"),
    "drop": ({"drop": ["c"]}, "'drop' in a source: no file has a column 'c'"),
    "compass": ({"compass": ["bb"]}, "no file has a column 'bb': did you mean"),
    "time format": ({"time_format": "%Q"}, "'time_format: %Q' is none"),
    "zone": ({"zone": "Mars/Olympus"}, "'zone: Mars/Olympus' is no time zone"),
    "pattern": (HOURLY | {"parameter_from_name": "("}, r"'\(' is no regular expression"),
    "no group": (HOURLY | {"parameter_from_name": "two"}, "'two' has no group in brackets"),
    "angle": (
        {"units": {"a": "degree"}, "resample": {"every": "1h", "rule": "max"}},
        "the rule of 'a' is max, and of directions there is none",
    ),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_options_of_a_table(case: str, tmp_path: Path) -> None:
    options, sentence = OPTIONS[case]
    columns = "t,a" if "parameter_from_name" in options else "t,a,b"
    rows = [f"2024-01-01T0{hour}:00,{hour},{hour}" for hour in range(3)]
    rows = [row[: row.rindex(",")] for row in rows] if columns == "t,a" else rows
    (tmp_path / "two.csv").write_text("\n".join([columns, *rows]))
    source = {"kind": "tables", "address": "-", "local": "*.csv", **options}
    refused("telemetry_csv", {"sources": [source]}, tmp_path, sentence)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "two.csv").write_bytes("t,a\n2024-01-01,1\n".encode("utf-16"))
    source = {"kind": "tables", "address": "-", "local": "*.csv"}
    refused("telemetry_csv", {"sources": [source]}, tmp_path, "is no text in UTF-8")


def test_two_files_that_contradict_each_other(tmp_path: Path) -> None:
    header = "t,id,lat,lon,z,a"
    (tmp_path / "a.csv").write_text("\n".join([header, *ROWS]))
    later = [ROWS[1].replace(",2", ",7"), ROWS[1].replace("T01", "T02")]
    (tmp_path / "b.csv").write_text("\n".join([header, *later]))
    stations = {"column": "id", "place_columns": ["lat", "lon", "z"]}
    source = {"kind": "tables", "address": "-", "local": "*.csv", "stations": stations}
    source |= {"resample": {"every": "1h", "rule": "last"}}
    refused(
        "telemetry_csv",
        {"sources": [source]},
        tmp_path,
        "station 'x', 'a': the time 2024-01-01 01:00:00 is there twice, in two files",
    )


def test_stations_without_values_pass_if_others_have_some(tmp_path: Path) -> None:
    others = [row.replace(",x,", ",y,")[:-1] for row in ROWS]
    (tmp_path / "a.csv").write_text("\n".join(["t,id,lat,lon,z,a", *ROWS, *others]))
    stations = {"column": "id", "place_columns": ["lat", "lon", "z"]}
    source = {"kind": "tables", "address": "-", "local": "*.csv", "stations": stations}
    source |= {"resample": {"every": "1h", "rule": "last"}}
    path = build(load_recipe("telemetry_csv", {"sources": [source]}), tmp_path / "s", tmp_path)
    assert xr.open_zarr(path).sizes == {"time": 2, "station": 2}


def cities(**changes: Any) -> xr.Dataset:
    """Two stations in the layout of NetCDF files with a dimension of places."""
    field = np.random.default_rng(0).uniform(0, 1, (2, 5))
    return xr.Dataset(
        {"hurs": (("location", "time"), field, {"units": "1"})},
        {
            "time": xr.date_range("1990-01-01", periods=5),
            "location": ["a", "b"],
            "lat": ("location", [1.0, 2.0]),
            "lon": ("location", [1.0, 2.0]),
        },
    ).assign(changes)


CITIES = {
    "no places": (cities().drop_vars("lat"), "its stations have no latitude each"),
    "no place": (cities(lat=("location", [1.0, np.nan])), "a station has no latitude"),
    "no dimension": (cities().rename(location="site"), "no dimension 'location' of stations"),
    "twice": (cities().assign_coords(location=["a", "a"]), "station 'a' is there twice"),
    "backwards": (cities().isel(time=[0, 2, 1]), "1990-01-02T00:00:00 comes after a later time"),
    "no value": (cities() * np.nan, "'hurs' has no value at any time"),
}


@pytest.mark.parametrize("case", CITIES)
def test_a_file_of_stations(case: str, tmp_path: Path) -> None:
    dataset, sentence = CITIES[case]
    (tmp_path / "era5_canadian_cities").mkdir()
    name = "era5_canadian_cities/daily_surface_cancities_1990-1993.nc"
    dataset.to_netcdf(tmp_path / name)
    refused("era5_canadian_cities", ALL_TIMES, tmp_path, sentence)


def series(**changes: Any) -> xr.Dataset:
    """Minutes of one place, as ARM writes them."""
    units = {"units": "seconds since 2019-01-01"}
    time = ("time", 60.0 * np.arange(5), units)
    return xr.Dataset({"temp": ("time", np.arange(5.0))}, {"time": time}).assign(changes)


SERIES = {
    "no times": (series().isel(time=[]), "has no times at all"),
    "backwards": (series().isel(time=[0, 2, 1]), "2019-01-01T00:01:00 comes after a later time"),
    "twice": (series().isel(time=[0, 1, 1]), "2019-01-01T00:01:00 comes twice"),
    "no value": (series(temp=("time", np.full(5, np.nan))), "'temp' has no value at any time"),
    "text": (series(temp=("time", [*"abcde"])), "no variable of numbers along time"),
}


@pytest.mark.parametrize("case", SERIES)
def test_a_file_of_a_series(case: str, tmp_path: Path) -> None:
    dataset, sentence = SERIES[case]
    (tmp_path / "arm_sgpmet").mkdir()
    path = tmp_path / "arm_sgpmet/sgpmetE13.b1.20190101.000000.cdf"
    dataset.to_netcdf(path, format="NETCDF3_CLASSIC")
    refused("arm_sgpmet", {}, tmp_path, sentence)


def weather2k(stations: int = 3, times: int = 48) -> np.ndarray[Any, Any]:
    data = np.random.default_rng(0).uniform(1, 20, (stations, 13, times)).astype("f4")
    data[:, :4] = np.array([39.9, 116.4, 31, 1000])[:, None]
    return data


def without(row: int) -> np.ndarray[Any, Any]:
    data = weather2k()
    data[:, row] = np.nan
    return data


W2K = {
    "empty": (b"", {}, "data.npy is no NumPy array of numbers"),
    "no times": (weather2k(times=0), {}, r"shape \(3, 13, 0\)"),
    "no stations": (weather2k(stations=0), {}, r"shape \(0, 13, 48\)"),
    "text": (weather2k().astype("U3"), {}, "of <U3: Weather2K has numbers"),
    "no value": (without(4), {}, "'t' has no value at any time"),
    "no place": (
        without(0),
        {},
        "'0' has the coordinates nan, 116.4, which .*: leave the station out with 'stations'",
    ),
    "no start": (weather2k(), {"start": "2017-02-30"}, "cannot begin at 2017-02-30: correct"),
    "no stations wanted": (weather2k(), {"stations": []}, "at least 1 item"),
    "unknown": (weather2k(), {"stations": [7]}, "has the stations 0 to 2: correct 'stations'"),
    "factor": (weather2k(), {"variables": ["tt"]}, "no factor 'tt': did you mean 't'"),
}


@pytest.mark.parametrize("case", W2K)
def test_an_array_of_stations(case: str, tmp_path: Path) -> None:
    data, options, sentence = W2K[case]
    (tmp_path / "weather2k").mkdir()
    path = tmp_path / "weather2k/data.npy"
    path.write_bytes(data) if isinstance(data, bytes) else np.save(path, data)
    source = load_recipe("weather2k").sources[0].model_dump() | options
    refused("weather2k", ALL_TIMES | {"sources": [source]}, tmp_path, sentence)


def changed(path: Path, change: Callable[[xr.Dataset], xr.Dataset]) -> None:
    dataset = change(xr.load_dataset(path))
    dataset.to_netcdf(path)


COLUMNS: dict[str, tuple[Callable[[xr.Dataset], xr.Dataset], str]] = {
    "levels": (lambda data: data.isel(lev=slice(30)), "has 4 columns and 30 levels, the first"),
    "columns": (lambda data: data.isel(ncol=slice(2)), "has 2 columns and 60 levels, the first"),
    "lacking": (lambda data: data.drop_vars("state_t"), "has no numbers 'state_t'"),
    "text": (lambda data: data.assign(state_t=data["state_t"].astype(str)), "no numbers 'state_t'"),
}


@pytest.mark.parametrize("case", COLUMNS)
def test_one_of_many_files_of_columns(case: str, tmp_path: Path) -> None:
    change, sentence = COLUMNS[case]
    sentence = f"mli.0001-02-01-01200.nc or its other half .*{sentence}"
    options = columns(tmp_path)
    path = tmp_path / "climsim/train/0001-02/E3SM-MMF.mli.0001-02-01-01200.nc"
    changed(path, change)
    refused("climsim", options, tmp_path, sentence)


@pytest.mark.parametrize(("number", "words"), [(0, "is no file of ClimSim"), (1, "is damaged")])
def test_an_empty_file_of_columns(tmp_path: Path, number: int, words: str) -> None:
    options = columns(tmp_path)
    path = tmp_path / f"climsim/train/0001-02/E3SM-MMF.mli.0001-02-01-{1200 * number:05d}.nc"
    path.write_bytes(b"")
    refused("climsim", options, tmp_path, words)


def test_columns_without_their_area(tmp_path: Path) -> None:
    options = columns(tmp_path)
    grid = tmp_path / "climsim/ClimSim_low-res_grid-info.nc"
    changed(grid, lambda data: data.drop_vars("area"))
    refused("climsim", options, tmp_path, "is no grid file of ClimSim: it needs lat, lon, area")


def columns(root: Path) -> dict[str, Any]:
    """Write three pairs of ClimSim; return what makes the recipe read all of them."""
    grid = root / "climsim/ClimSim_low-res_grid-info.nc"
    column_files.write_small(root / "climsim/train", grid, "0001-02", 3)
    source = load_recipe("climsim").sources[0].model_dump() | {"stride": 1}
    dates = {"start": "0001-02-01", "end": "0001-02-01"}
    return ALL_TIMES | {"sources": [source], "dates": dates, "variables": ["state_t"]}
