"""The archives of climate emulation, on small files in their own layout and naming."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.recipes import build, load_recipe, plan
from climbench.testing.recipe_contract import check_recipe

from . import emulation_archives as archives

YEARS = {"dates": {"start": "2010", "end": "2019"}}
ANOMALIES = [f"{name}_anomaly" for name in ("tas", "diurnal_temperature_range", "pr", "pr90")]
FLAT = {"checks": {"constant_fields": ["sulphur_dioxide", "black_carbon", *ANOMALIES]}}


@pytest.fixture(scope="module")
def climatebench_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("archive")
    archives.climatebench(root / "climatebench")
    return root


def test_climatebench_from_its_two_tar_files(climatebench_root: Path, tmp_path: Path) -> None:
    store = check_recipe("climatebench", tmp_path, YEARS | FLAT, climatebench_root)
    scenarios = [*archives.SCENARIOS, "ssp245"]
    assert store["scenario"].values.tolist() == scenarios
    assert store["tas_anomaly"].dims == ("scenario", "member", "time", "latitude", "longitude")
    assert store["carbon_dioxide"].dims == ("scenario", "time")
    assert store["sulphur_dioxide"].dims == ("scenario", "time", "latitude", "longitude")
    assert store["member"].values.tolist() == [1, 2, 3]
    assert str(store["time"].values[0])[:10] == "2010-07-01"
    there = store["tas_anomaly"].notnull().all(["latitude", "longitude"]).sum("time")
    assert there.sel(scenario="historical").values.tolist() == [5, 5, 5]
    assert there.sel(scenario="ssp126").values.tolist() == [5, 0, 0]
    first = store.sel(scenario="ssp245", time="2015-07-01")
    assert float(first["carbon_dioxide"]) == 1500.0 and first["carbon_dioxide"].units == "Gt"
    assert float(first["methane"]) == pytest.approx(370.0) and first["methane"].units == "Mt yr-1"
    late = store.sel(scenario="ssp245", member=3).isel(time=-1)
    assert late["tas_anomaly"].values == pytest.approx(0.24)
    assert late["pr_anomaly"].values == pytest.approx(0.24e-6)
    assert store["pr_anomaly"].units == store["pr90_anomaly"].units == "kg m-2 s-1"
    aerosol = store["black_carbon"].mean(["latitude", "longitude"]).max("time")
    assert float(aerosol.sel(scenario="hist-GHG")) == 0.0
    sources = json.loads(store.attrs["sources"])
    assert len(sources) == 16  # eight inputs, eight outputs: no piControl, no 1pctCO2
    assert "climatebench/train_val.tar.gz/inputs_ssp126.nc" in {one["address"] for one in sources}


def test_climatebench_unpacked_by_the_user_is_the_same(
    climatebench_root: Path, tmp_path: Path
) -> None:
    loose = tmp_path / "data"
    shutil.copytree(climatebench_root / "climatebench" / "loose", loose / "climatebench")
    recipe = load_recipe("climatebench", YEARS)
    one, other = (
        plan(recipe, root, tmp_path / "downloads").dataset.compute(scheduler="threads")
        for root in (climatebench_root, loose)
    )
    xr.testing.assert_equal(one, other)


def test_climatebench_over_http_is_fetched_and_unpacked_once(
    climatebench_root: Path, tmp_path: Path
) -> None:
    with archives.serving(climatebench_root) as (address, requested):
        changed = load_recipe("climatebench", YEARS).model_dump(mode="json", include={"sources"})
        for source in changed["sources"]:
            name = source["address"].rsplit("/", 1)[-1]
            source.update(address=f"{address}/climatebench/{name}", local=None)
        recipe = load_recipe("climatebench", YEARS | FLAT | changed)
        store = xr.open_zarr(build(recipe, tmp_path))
    assert store.sizes["scenario"] == 8
    gets = [line for line in requested if line.startswith("GET")]
    assert len(gets) == 2, gets
    assert len(list((tmp_path / "downloads" / "unpacked").iterdir())) == 2


def test_another_content_than_published_is_refused(climatebench_root: Path, tmp_path: Path) -> None:
    changed = load_recipe("climatebench", YEARS).model_dump(mode="json", include={"sources"})
    for source in changed["sources"]:
        source["sha256"] = {"train_val.tar.gz": "0" * 64}
    with pytest.raises(UserError, match=r"train_val.tar.gz is not the published file"):
        build(load_recipe("climatebench", YEARS | changed), tmp_path, climatebench_root)


def source_of(pattern: str, member: str, **options: Any) -> dict[str, Any]:
    return {
        "sources": [
            {
                "kind": "files",
                "address": "-",
                "local": pattern,
                "archive": member,
                "annual": "mean",
                "variables": ["CO2"],
                "coordinates": {"scenario": "1pctCO2"},
                **options,
            }
        ],
        "steps": [],
    }


def test_atmospheric_mass_of_an_idealised_experiment_is_refused(
    climatebench_root: Path, tmp_path: Path
) -> None:
    changed = source_of("climatebench/train_val.tar.gz", "inputs_1pctCO2.nc")
    with pytest.raises(UserError, match=r"1 to 150 count the years of a run.*1pctCO2"):
        build(load_recipe("climatebench", changed), tmp_path, climatebench_root)


@pytest.mark.data
@pytest.mark.parametrize("name", ["inputs_1pctCO2.nc", "inputs_abrupt-4xCO2.nc"])
def test_the_real_idealised_inputs_are_refused(name: str, data_root: Path, tmp_path: Path) -> None:
    changed = source_of(f"climatebench_inputs/{name}", name)
    with pytest.raises(UserError, match="count the years of a run"):
        build(load_recipe("climatebench", changed), tmp_path, data_root)


def test_a_member_that_is_not_there_is_named(climatebench_root: Path, tmp_path: Path) -> None:
    changed = source_of("climatebench/train_val.tar.gz", "inputs_ssp128.nc")
    with pytest.raises(UserError, match=r"no member inputs_ssp128.nc.*inputs_ssp126.nc"):
        build(load_recipe("climatebench", changed), tmp_path, climatebench_root)


def small_em_mpi() -> dict[str, Any]:
    """What makes the recipe fit to a few years of fields that are one number everywhere."""
    return YEARS | {
        "checks": {
            "constant_fields": ["tas", "pr", "pr90", "diurnal_temperature_range", "tas_anomaly"]
        },
        "steps": [
            step if "derive" not in step else {"derive": step["derive"] | {"anomaly": anomaly}}
            for step in load_recipe("em_mpi").resolved()["steps"]
            for anomaly in [{"of": ["tas"], "period": [2010, 2014], "scenario": "historical"}]
        ],
    }


def test_em_mpi_members_units_and_stamps_fit_together(tmp_path: Path) -> None:
    scenarios = ["historical", "ssp126", "ssp245", "ssp370", "ssp585"]
    archives.em_mpi(tmp_path / "data" / "em_mpi", scenarios)
    store = check_recipe("em_mpi", tmp_path, small_em_mpi(), tmp_path / "data")
    assert store["member"].values.tolist() == ["r1i1p1f1", "r2i1p1f1", "r3i1p1f1"]
    first = store.sel(scenario="ssp245", member="r1i1p1f1", time="2015-07-01")
    assert first["tas"].values == pytest.approx(14.0 + 273.15, abs=1e-4)
    assert first["pr"].values == pytest.approx(2.5 / 86400, rel=1e-6)
    assert first["pr90"].values == pytest.approx(6.0 / 86400, rel=1e-6)
    assert first["diurnal_temperature_range"].values == pytest.approx(9.0)
    missing = store["tas"].isnull().all(["latitude", "longitude"]).sel(scenario="ssp126")
    assert missing.sel(member="r2i1p1f1").sum() == 5 + 1  # history, and one year of its own
    assert float(store["carbon_dioxide"].sel(scenario="ssp245", time="2015-07-01").item()) > 1500


def small_climateset(models: list[str], scenarios: list[str]) -> dict[str, Any]:
    """What makes the recipe fit to some models and a few years of them."""
    changed = load_recipe("climateset").model_dump(mode="json", include={"sources"})
    for source in changed["sources"][:2]:
        source["coordinates"] = {"source_id": models, "scenario": scenarios}
        source["sha256"] = {}
    anomaly = {"of": ["tas"], "period": [2010, 2014], "scenario": "historical"}
    changed |= YEARS | {"steps": [{"sort": {}}, {"derive": {"anomaly": anomaly}}]}
    changed |= {"statistics": {"scenarios": ["historical"]}}
    return changed | {"checks": {"constant_fields": ["tas", "pr", "tas_anomaly"]}}


def test_climateset_is_one_store_of_models_with_different_calendars(tmp_path: Path) -> None:
    models = {"NorESM2-LM": "noleap", "MPI-ESM1-2-HR": "standard"}
    scenarios = ["historical", "ssp585"]
    archives.climateset(tmp_path / "data" / "climateset", models, scenarios)
    overrides = small_climateset(list(models), scenarios)
    store = check_recipe("climateset", tmp_path, overrides, tmp_path / "data")
    assert store["tas"].dims == ("source_id", "scenario", "time", "latitude", "longitude")
    assert store["source_id"].values.tolist() == list(models)
    ordinary = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    leap = [31, 29, *ordinary[2:]]
    months = np.arange(1, 13)
    by_hand = {
        ("NorESM2-LM", "2012"): np.average(months, weights=ordinary),
        ("MPI-ESM1-2-HR", "2012"): np.average(months, weights=leap),
    }
    for (model, year), expected in by_hand.items():
        field = store["tas"].sel(source_id=model, scenario="historical", time=year)
        assert field.values == pytest.approx(280 + expected, abs=1e-4)
    assert store["carbon_dioxide"].dims == ("scenario", "time")
    assert len(json.loads(store.attrs["sources"])) == 2 * 2 * 2 * 5


def test_climateset_lists_fifteen_models() -> None:
    (models,) = {tuple(s.coordinates["source_id"]) for s in load_recipe("climateset").sources[:2]}
    assert len(models) == len(set(models)) == 15


def test_input4mips_sums_sectors_and_fills_the_decades(tmp_path: Path) -> None:
    iamc = {"historical": "", "ssp126": "IMAGE", "ssp245": "MESSAGE-GLOBIOM"}
    iamc |= {"ssp370": "AIM", "ssp585": "REMIND-MAGPIE"}
    archives.input4mips(tmp_path / "data" / "input4mips", iamc)
    table = tmp_path / "data" / "ssp_forcing"
    table.mkdir()
    archives.write_rcmip(table / "rcmip-emissions-annual-means-4-0-0-ssp-only.csv.gz")
    overrides = {"dates": {"start": "2013", "end": "2020"}}
    overrides |= {"checks": {"constant_fields": ["sulphur_dioxide", "black_carbon"]}}
    store = check_recipe("input4mips", tmp_path, overrides, tmp_path / "data")
    assert (store.sizes["latitude"], store.sizes["longitude"]) == (96, 144)
    assert float(store["latitude"][0]) == -90.0 and float(store["longitude"][1]) == 2.5
    for scenario, year, rate in (("historical", 2014, 4), ("ssp126", 2015, 5), ("ssp126", 2018, 8)):
        field = store["sulphur_dioxide"].sel(scenario=scenario, time=f"{year}-07-01")
        assert field.values == pytest.approx(rate * 1e-12, rel=1e-5)
    # 10 Mt a year since 1850: 165 years are 1.65 Gt, and 36 Mt a year more from 2015 on.
    co2 = store["carbon_dioxide"]
    assert float(co2.sel(scenario="historical", time="2014-07-01")) == pytest.approx(1.65)
    assert float(co2.sel(scenario="ssp245", time="2016-07-01")) == pytest.approx(1.65 + 2 * 0.046)
    assert len(json.loads(store.attrs["sources"])) == 11


def test_a_list_of_labels_needs_a_place_in_the_address(tmp_path: Path) -> None:
    changed = source_of("a.tar.gz", "inputs.nc", coordinates={"scenario": ["ssp126", "ssp245"]})
    with pytest.raises(UserError, match=r"coordinates.scenario has several values.*\{scenario\}"):
        build(load_recipe("climatebench", changed), tmp_path, tmp_path)
