"""Records of stations: real files, and files in the layouts of the archives."""

import csv
import gzip
import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from rich.console import Console

from climbench.cli import run_verb
from climbench.errors import UserError
from climbench.recipes import build, load_recipe
from climbench.recipes.schema import Recipe
from climbench.recipes.sources.stations import twins
from climbench.store import open_store, read_statistics
from climbench.store.describe import describe_store
from climbench.testing.recipe_contract import check_recipe


def built(recipe: str | Recipe, folder: Path, root: Path) -> xr.Dataset:
    recipe = load_recipe(recipe) if isinstance(recipe, str) else recipe
    return open_store(build(recipe, folder, root))


@pytest.mark.data
def test_metar_takes_the_report_nearest_to_the_hour(data_root: Path, tmp_path: Path) -> None:
    store = built("metar", tmp_path, data_root)
    table = pd.read_parquet(data_root / "metar/metar_2020-01.parquet")
    reports = table[(table.stationName == "EBCI") & table.temperatureDD.isin(list("CSVG"))]
    hour = pd.Timestamp("2020-01-10T12:00")
    nearest = reports.iloc[(reports.timeObs - hour).abs().argmin()]
    there = store["2m_temperature"].sel(station="EBCI", time=hour)
    assert float(there) == pytest.approx(float(nearest.temperature))
    place = store.sel(station="EBCI")
    assert (float(place.latitude), float(place.altitude)) == pytest.approx((50.47, 192.0))


def beijing(files: str) -> Recipe:
    """The recipe, for some of the files."""
    source = load_recipe("beijing_stations").sources[0].model_dump()
    return load_recipe("beijing_stations", {"sources": [source | {"local": files}]})


@pytest.mark.data
def test_beijing_in_utc_with_its_twins_named(data_root: Path, tmp_path: Path) -> None:
    recipe = beijing("beijing_stations/PRSA_Data_[AG]*.csv.gz")
    with pytest.warns(UserWarning, match=r"Aotizhongxin and Guanyuan"):
        path = build(recipe, tmp_path, data_root)
    store = open_store(path)
    assert "Gucheng" not in store.attrs["comment"]
    first = store.isel(time=0).sel(station="Aotizhongxin")
    assert str(first["time"].values)[:13] == "2013-02-28T16"  # midnight in Beijing
    assert float(first["2m_temperature"]) == pytest.approx(273.15 - 0.7)
    assert float(first["wind_direction"]) == 337.5  # NNW
    assert store.sizes == {"time": 35064, "station": 3}
    figures = read_statistics(path)["PM2.5"]
    training = store["PM2.5"].sel(time=slice("2013-03-01", "2015-12-31"))
    assert float(figures.sel(statistic="missing")) == int(training.isnull().sum())
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(describe_store(path))
    text = console.export_text()
    assert "3, latitude 39.91..39.98, longitude 116.2..116.4: Aotizh" in text
    assert "Statistics of 2013-03-01 to 2015-12-31" in text and "weighted" not in text


@pytest.mark.data
@pytest.mark.slow
def test_both_pairs_of_twins_of_beijing_are_found(data_root: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"Aotizhongxin and Guanyuan .*Dongsi and Tiantan"):
        check_recipe("beijing_stations", tmp_path, None, data_root)


@pytest.mark.data
def test_statistics_of_stations_count_each_station_once(data_root: Path, tmp_path: Path) -> None:
    path = build(load_recipe("era5_canadian_cities"), tmp_path, data_root)
    store, found = open_store(path), read_statistics(path)["tas"]
    training = store["tas"].sel(time=slice("1990", "1992")).values.astype(np.float64)
    assert float(found.sel(statistic="mean")) == pytest.approx(training.mean(), rel=1e-9)
    assert store["station"].values.tolist()[:2] == ["Halifax", "Montréal"]
    assert store["latitude"].values.tolist() == [44.5, 45.5, 63.75, 52.0, 48.5]
    assert float(store["hurs"].max()) > 50  # per cent


@pytest.mark.data
def test_series_of_members_at_one_point(data_root: Path, tmp_path: Path) -> None:
    store = built("cesm_le_point", tmp_path, data_root)
    field = store["surface_temperature"]
    assert field.dims == ("member", "time") and field.sizes["member"] == 40
    assert int(field.isnull().sum()) == 35
    assert field["time"].dt.calendar == "noleap"


@pytest.mark.data
def test_arm_keeps_its_quality_flags(data_root: Path, tmp_path: Path) -> None:
    store = built("arm_sgpmet", tmp_path, data_root)
    assert store.sizes == {"time": 7200}
    flags = [str(name) for name in store.data_vars if str(name).startswith("qc_")]
    assert flags and all(name.removeprefix("qc_") in store for name in flags)
    assert all(store[name].dtype.kind == "i" for name in flags)
    assert float(store["temp_mean"].min()) == pytest.approx(-5.736)


HEADER = "STATION DATE SOURCE LATITUDE LONGITUDE ELEVATION NAME WND VIS TMP DEW SLP AA1".split()
CALM = ["4", "51.478", "-0.461", "25.3", "HEATHROW"]
REPORTS = [
    (
        "2020-01-01T00:00:00",
        "270,1,N,0046,1",
        "010000,1,N,9",
        "+0123,1",
        "-0005,1",
        "10132,1",
        "01,0025,9,1",
    ),
    ("2020-01-01T01:00:00", "999,9,C,0000,1", "999999,9,N,9", "+9999,9", "-0005,3", "99999,9", ""),
]


def write_isd(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(HEADER)
        for date, *fields in REPORTS:
            writer.writerow([path.stem, date, *CALM, *fields])


def test_isd_unpacks_its_fields_and_heeds_their_quality(tmp_path: Path) -> None:
    write_isd(tmp_path / "isd/2020/03772099999.csv")
    days = {"dates": {"start": "2020-01-01", "end": "2020-01-01"}}
    store = check_recipe(
        "isd_stations", tmp_path, days | {"statistics": {"period": None}}, tmp_path
    )
    store = store.sel(station="03772099999")
    first, second = (store.isel(time=n) for n in (0, 1))
    expected = {
        "2m_temperature": 285.45,
        "2m_dewpoint_temperature": 272.65,
        "mean_sea_level_pressure": 101320.0,
        "wind_direction": 270.0,
        "wind_speed": 4.6,
        "visibility": 10000.0,
        "total_precipitation": 0.0025,
    }
    for name, value in expected.items():
        assert float(first[name]) == pytest.approx(value, rel=1e-6), name
        if name != "wind_speed":  # all else is all nines, or of quality 3
            assert np.isnan(second[name]), name
    assert float(second["wind_speed"]) == 0.0
    assert (float(store.latitude), float(store.altitude)) == pytest.approx((51.478, 25.3))


def write_meteostat(root: Path, *stations: str) -> None:
    (root / "hourly").mkdir(parents=True)
    (root / "stations").mkdir()
    rows = [
        "2018-01-01,0,5.6,2.1,78,0.0,10,220,18.0,30,1009.1,9,5",
        "2018-01-01,2,5.0,,,,,,36.0,,,,",
    ]
    for station in stations:
        path = root / f"hourly/{station}.csv.gz"
        path.write_bytes(gzip.compress("\n".join(rows).encode()))
    place = {"latitude": 52.4667, "longitude": 13.4, "elevation": 48}
    known = ("10384", "03772")
    listed = json.dumps([{"id": one, "name": {"en": "x"}, "location": place} for one in known])
    (root / "stations/lite.json.gz").write_bytes(gzip.compress(listed.encode()))


MORNING = {
    "dates": {"start": "2018-01-01", "end": "2018-01-01"},
    "statistics": {"period": None},
}


def test_meteostat_without_header_and_with_a_list_of_stations(tmp_path: Path) -> None:
    write_meteostat(tmp_path / "meteostat", "10384")
    recipe = load_recipe("meteostat", MORNING)
    store = built(recipe, tmp_path / "stores", tmp_path).sel(station="10384")
    assert store.sizes["time"] == 24
    assert store["2m_temperature"].values[:3] == pytest.approx(
        [278.75, np.nan, 278.15], nan_ok=True
    )
    assert float(store["wind_speed"][2]) == pytest.approx(10.0)  # 36 km/h
    assert float(store.altitude) == 48


def test_a_station_without_coordinates_is_refused(tmp_path: Path) -> None:
    write_meteostat(tmp_path / "meteostat", "99999")
    with pytest.raises(UserError, match="station '99999' has no coordinates: add them"):
        built(load_recipe("meteostat", MORNING), tmp_path / "stores", tmp_path)


def weather2k(root: Path, factors: int, times: int = 48) -> np.ndarray[Any, Any]:
    """An array of three stations in the layout of either version."""
    rng = np.random.default_rng(0)
    data = rng.uniform(1, 20, (3, factors, times)).astype(np.float32)
    data[:, :3] = np.array([[39.9, 116.4, 31], [31.2, 121.5, 5], [29.7, 91.1, 3650]])[..., None]
    data[:, 3] += 1000
    data[1, 4, 5] = np.nan
    (root / "weather2k").mkdir()
    np.save(root / "weather2k/data.npy", data)
    return data


@pytest.mark.parametrize(("factors", "step", "humidity"), [(23, "1h", 8), (13, "3h", 7)])
def test_both_versions_of_weather2k(tmp_path: Path, factors: int, step: str, humidity: int) -> None:
    data = weather2k(tmp_path, factors)
    store = check_recipe("weather2k", tmp_path, {"statistics": {"period": None}}, tmp_path)
    assert len(store.data_vars) == factors - 3
    assert store.indexes["time"].equals(pd.date_range("2017-01-01", periods=48, freq=step))
    np.testing.assert_array_equal(store["rh"].values, data[:, humidity].T)
    np.testing.assert_allclose(store["t"].values, data[:, 4].T + 273.15, rtol=1e-6)
    assert store["altitude"].values.tolist() == [31, 5, 3650]


def test_a_station_of_weather2k_without_a_place_can_be_left_out(tmp_path: Path) -> None:
    data = weather2k(tmp_path, 13)
    data[1, :3] = np.nan
    np.save(tmp_path / "weather2k/data.npy", data)
    source = load_recipe("weather2k").sources[0].model_dump() | {"stations": [0, 2]}
    recipe = load_recipe("weather2k", {"statistics": {"period": None}, "sources": [source]})
    assert built(recipe, tmp_path / "stores", tmp_path)["station"].values.tolist() == ["0", "2"]


def test_a_copy_in_weather2k_is_one_plain_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = weather2k(tmp_path, 13, times=600)
    data[2, 3:] = data[0, 3:]
    np.save(tmp_path / "weather2k/data.npy", data)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    words = ["recipe=weather2k", f"data_root={tmp_path}", "statistics.period=null"]
    with pytest.warns(UserWarning, match="share one record") as said:
        assert run_verb("build", words) == 0
    (one,) = [one for one in said if "share one record" in str(one.message)]
    line = warnings.formatwarning(one.message, one.category, one.filename, one.lineno)
    assert line.startswith("climbench: stations that share one record: 0 and 2 (ap, t")
    assert line.endswith(": keep them on one side of a split.\n") and line.count("\n") == 1


def test_weather2k_of_another_shape_is_refused(tmp_path: Path) -> None:
    weather2k(tmp_path, 20)
    with pytest.raises(UserError, match=r"shape \(3, 20, 48\) of float32: Weather2K has"):
        built("weather2k", tmp_path / "stores", tmp_path)


def test_an_array_of_pickles_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weather2k").mkdir()
    np.save(tmp_path / "weather2k/data.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="no NumPy array of numbers"):
        built("weather2k", tmp_path / "stores", tmp_path)


def test_stations_are_twins_if_nearly_all_values_are_equal() -> None:
    rng = np.random.default_rng(0)
    one = rng.normal(size=1000)
    near = np.where(rng.random(1000) < 0.005, 0.0, one)
    values = np.stack([one, near, rng.normal(size=1000)], axis=1)
    dataset = xr.Dataset({"t": (("time", "station"), values)}, {"station": ["a", "b", "c"]})
    with pytest.warns(UserWarning, match=r"share one record: a and b \(t\): keep"):
        assert twins(dataset).attrs["comment"] == "stations that share one record: a and b (t)"
    assert "comment" not in twins(dataset.isel(station=[0, 2])).attrs
