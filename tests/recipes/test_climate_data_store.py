"""ERA5 from the Climate Data Store: what is asked for, waited for and refused."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from servers.cds import KEY, Behaviour, serving_cds

from climbench.cli import main
from climbench.errors import UserError
from climbench.recipes import build, load_recipe, plan
from climbench.recipes.downloads import cds, retrying
from climbench.recipes.downloads.cds import parsed
from climbench.recipes.sources import Surroundings
from climbench.recipes.sources.climate_data_store import requests_of
from climbench.store import open_store, read_statistics
from climbench.testing.recipe_contract import check_recipe

NAMES = {"2m_temperature": "t2m", "temperature": "t", "2m_dewpoint_temperature": "d2m"}
NAMES |= {"total_precipitation": "tp", "land_sea_mask": "lsm"}
UNITS = {"tp": "m", "lsm": "1"}


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
        short = NAMES[name]
        values = values % 1 / 100 if short in UNITS else values
        fields[short] = (dims, values, {"units": UNITS.get(short, "K"), "GRIB_paramId": 1})
    found = xr.Dataset(fields, axes).assign_coords(
        number=0, expver=("valid_time", np.array(["0001"] * len(times)))
    )
    return bytes(found.to_netcdf(engine="scipy"))


def zipped(dataset: str, request: dict[str, Any]) -> bytes:
    """Make what comes of a request for instantaneous fields and sums: a zip file of two files."""
    whole = xr.open_dataset(io.BytesIO(netcdf(dataset, request)), engine="scipy")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for kind, names in (("instant", ["t2m", "d2m"]), ("accum", ["tp"])):
            part = whole[[name for name in names if name in whole]]
            name = f"data_stream-oper_stepType-{kind}.nc"
            archive.writestr(name, bytes(part.to_netcdf(engine="scipy")))
    return content.getvalue()


def land_only(dataset: str, request: dict[str, Any]) -> bytes:
    """Make a file without values over the sea: all but the row of 60 degrees north."""
    whole = xr.open_dataset(io.BytesIO(netcdf(dataset, request)), engine="scipy").load()
    return bytes(whole.where(whole["latitude"] > 0).to_netcdf(engine="scipy"))


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


def test_sums_and_instantaneous_fields_come_in_one_zip_file(store, tmp_path):
    store.make = zipped
    source = recipe().sources[0].model_dump()
    source["variables"] = {name: NAMES[name] for name in ("2m_temperature", "total_precipitation")}
    options = {"sources": [source], "variables": list(source["variables"]), "levels": None}
    built = open_store(build(recipe(**options), tmp_path))
    assert built.sizes["time"] == 16 and set(built) == set(source["variables"])
    assert built["total_precipitation"].units == "m"
    addresses = [one["address"] for one in json.loads(built.attrs["sources"])]
    assert len(store.jobs) == 2 and len(addresses) == 4
    assert sum(name.endswith("/data_stream-oper_stepType-accum.nc") for name in addresses) == 2
    source["variables"] |= {"land_sea_mask": "lsm"}
    options["variables"] = [*source["variables"]]
    with pytest.raises(UserError, match="has no gridded variable 'lsm'"):
        build(recipe(**options | {"sources": [source]}), tmp_path)


def test_land_is_stored_and_the_sea_stays_missing(store, tmp_path, capsys):
    store.make = land_only
    source = load_recipe("era5_land").sources[0].model_dump()
    source["variables"] |= {"land_sea_mask": "lsm"}
    options = {"dates": "2017-01-01/2017-01-02", "sources": [source]}
    options |= {"variables": ["2m_temperature", "land_sea_mask"]}
    path = build(load_recipe("era5_land", options), tmp_path)
    field = open_store(path)["2m_temperature"]
    assert field.sel(latitude=60).notnull().all() and field.sel(latitude=[-60, 0]).isnull().all()
    statistics = read_statistics(path)["2m_temperature"]
    figures = {
        str(name): float(statistics.sel(statistic=name)) for name in statistics["statistic"].values
    }
    assert figures["mean"] == pytest.approx(float(field.mean()), rel=1e-6)
    assert (figures["count"], figures["missing"]) == (48 * 4, 48 * 8)
    assert main(["inspect", str(path)]) == 0
    assert "66.7" in capsys.readouterr().out  # per cent of the values are missing


def test_a_plan_asks_for_nothing_and_knows_the_shapes(tmp_path, monkeypatch):
    """Without any key, and as the store's files are: 721 x 1440, a region, a coarser grid."""
    monkeypatch.setenv("CDSAPI_RC", str(tmp_path / "absent"))
    planned = plan(recipe(dates="2017/2018"), downloads=tmp_path)
    assert planned.dataset["temperature"].shape == (2920, 2, 721, 1440)
    assert planned.dataset["2m_temperature"].units == "K"
    assert planned.dataset["latitude"].values[[0, -1]].tolist() == [-90, 90]
    assert len(planned.inputs) == 48 and not list(tmp_path.iterdir())
    source = recipe().sources[1].model_dump() | {"area": [59, -10, 50, 2], "grid": [0.5, 1.0]}
    region = plan(recipe(sources=[source], variables=["temperature"]), downloads=tmp_path)
    assert region.dataset["temperature"].shape == (16, 2, 10, 25)
    assert region.dataset["longitude"].values[[0, -1]].tolist() == [-10, 2]
    source |= {"dataset": "cams-global-reanalysis-eac4", "grid": None}
    with pytest.raises(UserError, match="does not know its grid: say it with 'grid'"):
        plan(recipe(sources=[source], variables=["temperature"]), downloads=tmp_path)


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
