"""ERA5 from the Climate Data Store: what is asked for, waited for and refused."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from servers.cds import KEY, Behaviour, serving_cds

from climbench.errors import UserError
from climbench.recipes import build, load_recipe
from climbench.recipes.downloads import cds, retrying
from climbench.recipes.downloads.cds import parsed
from climbench.recipes.sources import Surroundings
from climbench.recipes.sources.climate_data_store import requests_of
from climbench.store import open_store
from climbench.testing.recipe_contract import check_recipe

NAMES = {"2m_temperature": "t2m", "temperature": "t", "2m_dewpoint_temperature": "d2m"}


def netcdf(dataset: str, request: dict[str, Any]) -> bytes:
    """Make a file as the store's converter does: valid_time, pressure_level, north to south."""
    assert request["data_format"] == "netcdf"
    times = [
        np.datetime64(f"{request['year'][0]}-{request['month'][0]}-{day}T{hour}")
        for day in request["day"]
        for hour in request["time"]
    ]
    latitude, longitude = np.array([60.0, 0.0, -60.0]), np.arange(0, 360, 90.0)
    axes: dict[str, Any] = {"valid_time": np.array(times, "M8[ns]")}
    if "pressure_level" in request:
        axes["pressure_level"] = (
            "pressure_level",
            np.array(request["pressure_level"], "f8"),
            {"units": "hPa"},
        )
    axes |= {
        "latitude": ("latitude", latitude, {"units": "degrees_north"}),
        "longitude": ("longitude", longitude, {"units": "degrees_east"}),
    }
    dims = tuple(axes)
    shape = [len(axes[d][1]) if isinstance(axes[d], tuple) else len(axes[d]) for d in dims]
    fields = {}
    for number, name in enumerate(request["variable"]):
        values = 270 + number + np.random.default_rng(number).random(shape, dtype="f4")
        fields[NAMES[name]] = (dims, values, {"units": "K", "GRIB_paramId": 1})
    found = xr.Dataset(fields, axes).assign_coords(
        number=0, expver=("valid_time", np.array(["0001"] * len(times)))
    )
    return bytes(found.to_netcdf(engine="scipy"))


@pytest.fixture
def store(monkeypatch, tmp_path) -> Iterator[Behaviour]:
    monkeypatch.setattr(cds, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(retrying, "FIRST_PAUSE", 0.01)
    monkeypatch.delenv("CDSAPI_URL", raising=False)
    monkeypatch.delenv("CDSAPI_KEY", raising=False)
    with serving_cds(netcdf) as behaviour:
        rc = tmp_path / "cdsapirc"
        rc.write_text(f"url: {behaviour.url}\nkey: {KEY}\n")
        monkeypatch.setenv("CDSAPI_RC", str(rc))
        yield behaviour


def recipe(**options: Any) -> Any:
    usual = {
        "dates": "2017-01-30/2017-02-02",
        "variables": ["2m_temperature", "temperature"],
        "levels": [500, 850],
        "statistics": {"period": None},
    }
    return load_recipe("era5_cds", usual | options)


def requests(chosen: Any) -> list[dict[str, Any]]:
    surroundings = Surroundings(None, Path("downloads"), Path("states"))
    return [
        parsed(address)[1]
        for source in chosen.sources
        for one in requests_of(source, chosen, surroundings)
        for address in one.address
    ]


def test_a_store_is_built_of_the_months_and_variables_that_are_asked_for(store, tmp_path):
    built = open_store(build(recipe(), tmp_path))
    assert built["temperature"].dims == ("time", "level", "latitude", "longitude")
    assert built["temperature"].sizes["time"] == 16
    assert built["latitude"].values.tolist() == [-60, 0, 60]
    asked = [job.request for job in store.jobs.values()]
    assert sorted((r["variable"][0], r["month"][0], *r["day"]) for r in asked) == [
        ("2m_temperature", "01", "30", "31"),
        ("2m_temperature", "02", "01", "02"),
        ("temperature", "01", "30", "31"),
        ("temperature", "02", "01", "02"),
    ]
    first = next(r for r in asked if r["variable"] == ["temperature"])
    assert first["pressure_level"] == ["500", "850"]
    assert first["time"] == ["00:00", "06:00", "12:00", "18:00"]
    assert (first["data_format"], first["download_format"]) == ("netcdf", "unarchived")
    assert first["product_type"] == ["reanalysis"]


def test_what_lies_in_the_cache_is_not_asked_for_again(store, tmp_path):
    build(recipe(), tmp_path)
    before = len(store.jobs)
    build(recipe(dates="2017-01-30/2017-02-02", output={"chunk": 3}), tmp_path)
    build(recipe(variables=["temperature"]), tmp_path)
    assert len(store.jobs) == before == 4


def test_a_killed_build_waits_for_the_same_requests(store, tmp_path, monkeypatch):
    def killed(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cds, "_wait", killed)
        with pytest.raises(KeyboardInterrupt):
            build(recipe(variables=["2m_temperature"]), tmp_path)
    waiting = dict(store.jobs)
    assert waiting
    build(recipe(variables=["2m_temperature"]), tmp_path)
    assert len(store.jobs) == 2  # two months, each asked for once
    assert waiting.keys() <= store.jobs.keys()


def test_a_request_that_somebody_has_deleted_is_made_again(store, tmp_path):
    store.deleted = 1
    dates = "2017-01-30/2017-01-31"
    build(recipe(variables=["2m_temperature"], dates=dates), tmp_path)
    assert len(store.jobs) == 2


def test_a_busy_service_is_asked_again(store, tmp_path):
    store.busy = 3
    path = build(recipe(variables=["2m_temperature"]), tmp_path)
    assert path.exists()
    assert store.busy == 0


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        ((403, "required licences not accepted"), r"datasets/reanalysis-era5-single-levels\?tab="),
        ((403, "cost limits exceeded: your request is too large"), "lower 'fields'"),
        ((400, "invalid request: variable"), "invalid request: variable"),
    ],
)
def test_a_refusal_says_what_to_do(store, tmp_path, refusal, words):
    store.refuse = refusal
    with pytest.raises(UserError, match=words):
        build(recipe(), tmp_path)
    assert not store.jobs


def test_a_request_that_fails_says_why(store, tmp_path):
    store.fail = "MultiAdaptorNoDataError: no data is available within your requested subset"
    with pytest.raises(UserError, match="no data is available within your requested subset"):
        build(recipe(variables=["2m_temperature"]), tmp_path)


def test_keys_are_asked_for_and_never_shown(store, tmp_path, monkeypatch):
    rc = tmp_path / "cdsapirc"
    rc.write_text(f"url: {store.url}\nkey: 99999999-aaaa-bbbb-cccc-dddddddddddd\n")
    with pytest.raises(UserError, match="does not know the key") as caught:
        build(recipe(), tmp_path)
    assert "99999999" not in str(caught.value)
    rc.write_text("url: https://cds.climate.copernicus.eu/api/v2\nkey: 123:abc\n")
    with pytest.raises(UserError, match="until 2024"):
        build(recipe(), tmp_path)
    monkeypatch.setenv("CDSAPI_RC", str(tmp_path / "absent"))
    with pytest.raises(UserError, match=r"write the two lines .* into ~/.cdsapirc"):
        build(recipe(), tmp_path)


def test_the_store_keeps_the_requests_but_no_key(store, tmp_path):
    built = open_store(build(recipe(variables=["2m_temperature"]), tmp_path))
    sources = json.loads(built.attrs["sources"])
    assert sources[0]["address"].startswith("cds://reanalysis-era5-single-levels/2017-01.nc#")
    assert KEY not in json.dumps(built.attrs)


def test_a_month_is_split_by_variable_and_then_by_days():
    whole = requests(recipe(dates="2017-01/2017-02", variables=["2m_temperature"]))
    assert [len(one["day"]) for one in whole] == [31, 28]
    source = recipe().sources[1].model_dump() | {"fields": 31 * 8}
    chosen = recipe(
        sources=[source], variables=["temperature", "geopotential"], dates="2017-01/2017-01"
    )
    by_variable = requests(chosen)
    assert [one["variable"] for one in by_variable] == [["temperature"], ["geopotential"]][::-1]
    source |= {"fields": 80}
    by_days = requests(recipe(sources=[source], variables=["temperature"], dates="2017-01/2017-01"))
    assert [len(one["day"]) for one in by_days] == [10, 10, 10, 1]
    source |= {"fields": 7}
    with pytest.raises(UserError, match="one day of temperature is more than 7 fields"):
        requests(recipe(sources=[source], variables=["temperature"]))


def test_an_unknown_variable_is_refused_before_anything_is_asked(store, tmp_path):
    with pytest.raises(UserError, match="did you mean '2m_temperature'"):
        build(recipe(variables=["2m_temperatur"]), tmp_path)
    assert not store.asked


@pytest.mark.data
def test_grib_of_the_archive_becomes_a_store(store, tmp_path, data_root):
    real = data_root / "era5_uk_grib" / "era5-2mt-2019-03-uk.grib"
    store.make = lambda dataset, request: real.read_bytes()
    source = {
        "kind": "climate_data_store",
        "dataset": "reanalysis-era5-single-levels",
        "variables": {"2m_temperature": "t2m"},
        "format": "grib",
        "area": [59, -10, 50, 2],
        "request": {"product_type": ["reanalysis"]},
    }
    chosen = recipe(
        sources=[source],
        variables=["2m_temperature"],
        dates={"start": "2019-03-01", "end": "2019-03-31", "frequency": "1h"},
    )
    built = open_store(build(chosen, tmp_path))
    assert built["2m_temperature"].shape == (744, 33, 49)
    (job,) = store.jobs.values()
    assert job.request["data_format"] == "grib"
    assert job.request["area"] == ["59", "-10", "50", "2"]
    assert len(job.request["time"]) == 24


@pytest.mark.parametrize("name", ["era5_cds", "era5_land"])
def test_recipe_keeps_the_contract(store, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    options = {"dates": "2017-01-01/2017-01-02", "variables": ["2m_temperature"]}
    built = check_recipe(name, tmp_path / "stores", options)
    assert built["2m_temperature"].sizes["time"] == {"era5_cds": 8, "era5_land": 48}[name]
