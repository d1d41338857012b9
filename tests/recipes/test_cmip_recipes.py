"""The recipes of CMIP6 and its forcing, on small files in their archives' layout."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cftime
import numpy as np
import pytest
from servers.esgf import Esgf, serving_esgf

from climbench.cli import main
from climbench.recipes import build, load_recipe, plan
from climbench.recipes.sources import foreseen
from climbench.store import open_store
from climbench.testing.recipe_contract import check_recipe

from . import cmip_archives as archives
from . import emulation_archives
from .test_esgf import first_cell
from .test_pangeo import MONTHLY, catalogue, tree  # noqa: F401  fixtures

IAMC = {
    "historical": "CEDS-2017-05-18",
    "ssp126": "IAMC-IMAGE-ssp126-1-1",
    "ssp245": "IAMC-MESSAGE-GLOBIOM-ssp245-1-1",
    "ssp370": "IAMC-AIM-ssp370-1-1",
    "ssp585": "IAMC-REMIND-MAGPIE-ssp585-1-1",
}
DAILY = {"tasmax": "day", "tasmin": "day", "pr": "day"}


def small(name: str, scenarios: list[str] | None = None, **options: Any) -> dict[str, Any]:
    """What makes a recipe small: its sources with other options, and the last years of history."""
    content = load_recipe(name).model_dump(mode="json", include={"sources"})
    sources = [one | options if "source_id" in one else one for one in content["sources"]]
    for one in sources:
        if scenarios and one.get("experiment_id"):
            one["experiment_id"] = scenarios
    steps = load_recipe(name).resolved()["steps"]
    for step in steps:
        anomaly = step.get("derive", {}).get("anomaly")
        if anomaly:
            anomaly["period"] = ["2013", "2014"]
        if "derive" in step:
            step["derive"] = {key: value for key, value in step["derive"].items() if value}
    years = {"start": "2013", "end": "2016"}
    statistics = {"scenarios": ["historical"]}
    changes = {"sources": sources, "steps": steps, "dates": years, "statistics": statistics}
    return changes | {"checks": {"constant_fields": ["sulphur_dioxide", "black_carbon"]}}


@pytest.fixture
def esgf(tmp_path: Path) -> Iterator[Esgf]:
    (tmp_path / "esgf").mkdir()
    with serving_esgf(tmp_path / "esgf") as server:
        server.most = 500
        yield server


def test_cmip6_annual_pangeo(catalogue: str, tmp_path: Path) -> None:  # noqa: F811
    name, scenarios = "cmip6_annual_pangeo", ["historical", "ssp126"]
    changes = small(name, scenarios, catalogue=catalogue, source_id="NorESM2-LM")
    store = check_recipe(name, tmp_path, changes)
    assert store["tas"].dims == ("scenario", "member", "time", "latitude", "longitude")
    anomaly = store["tas_anomaly"].sel(scenario="ssp126", time="2016-07-01")
    assert first_cell(anomaly) == pytest.approx(2.5, abs=0.01)
    assert store["carbon_dioxide"].dims == ("scenario", "time")


def test_cmip6_pangeo(catalogue: str, tmp_path: Path) -> None:  # noqa: F811
    source = small("cmip6_pangeo", catalogue=catalogue, source_id="NorESM2-LM")["sources"]
    changes = {"sources": source, "experiment_id": ["historical", "ssp126"]}
    store = check_recipe("cmip6_pangeo", tmp_path, changes)
    assert store["tas"].dims == ("scenario", "time", "latitude", "longitude")
    assert store.sizes["time"] == 48
    assert isinstance(store["time"].values[0], cftime.DatetimeNoLeap)
    there = store["tas"].notnull().all(["latitude", "longitude"]).sum("time")
    assert there.values.tolist() == [24, 24]


def test_cmip6_esgf(esgf: Esgf, tmp_path: Path) -> None:
    for scenario, years in (("historical", [2013, 2014]), ("ssp126", [2015, 2016])):
        for member in ("r1i1p1f1", "r2i1p1f1"):
            archives.write_run(esgf.root, "MPI-ESM1-2-LR", scenario, member, MONTHLY, years)
    source = small("cmip6_esgf", index_nodes=[esgf.url])["sources"]
    changes = {"sources": source, "experiment_id": ["historical", "ssp126"]}
    changes |= {"member_id": "first 2", "dates": "2014/2015"}
    store = check_recipe("cmip6_esgf", tmp_path / "stores", changes)
    assert store["member"].values.tolist() == ["r1i1p1f1", "r2i1p1f1"]
    assert store.sizes["time"] == 24


def command(esgf: Esgf, folder: Path, *options: str) -> int:
    """Run `climbench build` on a recipe of the user's that differs in the index node only."""
    recipe = folder / "mine.yaml"
    recipe.write_text(
        "base: cmip6_esgf\nsources: [{kind: esgf_search, source_id: MPI-ESM1-2-LR, experiment_id: "
        f"historical, member_id: r1i1p1f1, table_id: Amon, index_nodes: ['{esgf.url}']}}]\n"
    )
    return main(["build", f"recipe={recipe}", f"stores_dir={folder / 'stores'}", *options])


def test_options_of_a_build_name_any_run(esgf: Esgf, tmp_path: Path) -> None:
    runs = (("CanESM5", "historical", [2013]), ("CanESM5", "ssp585", [2015]))
    for model, scenario, years in (*runs, ("MIROC6", "ssp585", [2015])):
        archives.write_run(esgf.root, model, scenario, "r2i1p1f1", {"tas": "day"}, years)
    which = ["source_id=[CanESM5]", "experiment_id=[historical,ssp585]", "member_id=r2i1p1f1"]
    narrow = ["table_id=day", "variables=[tas]", "dates=2013-12/2015-01"]
    assert command(esgf, tmp_path, *which, *narrow) == 0
    first = next((tmp_path / "stores").glob("cmip6_esgf-*.zarr"))
    store = open_store(first)
    assert store["tas"].dims == ("source_id", "scenario", "time", "latitude", "longitude")
    assert store["source_id"].values.tolist() == ["CanESM5"]
    assert store.sizes["time"] == 62
    source = json.loads(store.attrs["recipe"])["sources"][0]
    assert (source["table_id"], source["variable_id"]) == ("day", ["tas"])
    other = ["source_id=MIROC6", "experiment_id=ssp585", *which[2:], *narrow[:2]]
    assert command(esgf, tmp_path, *other, "dates=2015-01/2015-01", "output.chunk=31") == 0
    second = next(p for p in (tmp_path / "stores").glob("cmip6_esgf-*.zarr") if p != first)
    assert open_store(second)["tas"].dims == ("time", "latitude", "longitude")
    assert json.loads(open_store(second).attrs["recipe"])["output"]["chunk"] == 31


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["source_id=CanESM6"], "no source_id 'CanESM6': did you mean 'CanESM5'?"),
        (["experiment_id=histrical"], "no experiment_id 'histrical': did you mean 'historical'?"),
        (["table_id=Amom"], "no table_id 'Amom': did you mean 'Amon'?"),
        (["variables=[tass]"], "no variable_id 'tass': did you mean 'tas'?"),
        (["member=r1i1p1f1"], "no option 'member': did you mean 'member_id'?"),
        (["version=v1"], "option 'sources.0.version' is wrong"),
        (["recipe=ncep_air", "source_id=CanESM5"], "'ncep_air' does not search CMIP6"),
        (["recipe=cmip6_annual", "table_id=day"], "'base: cmip6_annual'"),
    ],
)
def test_a_name_that_nobody_has_is_corrected(
    esgf: Esgf, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    archives.write_run(esgf.root, "CanESM5", "historical", "r1i1p1f1", {"tas": "Amon"}, [2014])
    usual = ["source_id=CanESM5", "variables=[tas]"]
    named = [option.partition("=")[0] for option in options]
    kept = [option for option in usual if option.partition("=")[0] not in named]
    if "recipe" in named:
        assert main(["build", *options]) == 2
    else:
        assert command(esgf, tmp_path, *kept, *options) == 2
    assert words in capsys.readouterr().err


def test_a_plan_reads_a_header_by_ranges_and_fetches_nothing(esgf: Esgf, tmp_path: Path) -> None:
    """Nothing of the second file, of other runs, or of fields; annual means are foreseen too."""
    for member in ("r1i1p1f1", "r2i1p1f1"):
        run = (esgf.root, "MPI-ESM1-2-HR", "historical", member, {"tas": "day"}, [2010, 2013])
        archives.write_run(*run, rows=600)
    sizes = sum(file.stat().st_size for file in esgf.root.rglob("*.nc"))
    source = small("cmip6_esgf", index_nodes=[esgf.url])["sources"]
    changes = {"sources": source, "source_id": "MPI-ESM1-2-HR", "experiment_id": "historical"}
    changes |= {"member_id": "first 2", "table_id": "day", "variables": ["tas"]}
    recipe = load_recipe("cmip6_esgf", {**changes, "sources": [source[0] | {"variable_id": "tas"}]})
    planned = plan(recipe, downloads=tmp_path)
    assert planned.dataset["tas"].shape == (2, 1461, 600, 6)
    stamps = [str(time)[:10] for time in planned.dataset["time"].values[[0, 730, -1]]]
    assert stamps == ["2010-01-01", "2012-01-01", "2013-12-31"]
    assert sum(one.size or 0 for one in planned.inputs) == sizes
    assert all(one.unread for one in planned.inputs) and len(planned.inputs) == 4
    assert not esgf.downloads
    assert 0 < esgf.ranged < sizes / 10
    annual = [source[0] | {"variable_id": "tas", "annual": "mean"}]
    yearly = plan(load_recipe("cmip6_esgf", changes | {"sources": annual}), downloads=tmp_path)
    assert yearly.dataset.sizes["time"] == 4 and not esgf.downloads
    esgf.ranges = False
    foreseen._headers.clear()
    plan(recipe, downloads=tmp_path)
    assert len(list(tmp_path.glob("*.nc"))) == 2  # a file of each run, as no server gives ranges


def test_cmip6_annual_has_the_variables_of_climatebench(esgf: Esgf, tmp_path: Path) -> None:
    for scenario, years in (("historical", [2013, 2014]), ("ssp126", [2015, 2016])):
        for variables in (MONTHLY, DAILY):
            run = (esgf.root, "NorESM2-LM", scenario, "r1i1p1f1", variables, years)
            archives.write_run(*run)
    changes = small("cmip6_annual", ["historical", "ssp126"], index_nodes=[esgf.url])
    store = check_recipe("cmip6_annual", tmp_path / "stores", changes)
    assert "tasmax" not in store and "tasmin" not in store
    assert first_cell(store["diurnal_temperature_range"].isel(scenario=1, member=0))[
        2:
    ] == pytest.approx([10, 10], abs=0.01)
    days = archives.fields("pr", "day", "NorESM2-LM", "ssp126", 1, [2016])["pr"]
    found = store["pr90"].sel(scenario="ssp126", time="2016-07-01").isel(member=0)
    assert found.values == pytest.approx(np.quantile(days.values, 0.9, axis=0), rel=1e-5)
    assert not np.allclose(store["pr90"].isel(scenario=1), store["pr"].isel(scenario=1))


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("cmip6_mpi_esm1_2_hr", 32),
        pytest.param("cmip6_mpi_esm1_2_hr_1p40625", 128, marks=pytest.mark.slow),
    ],
)
def test_cmip6_mpi_esm1_2_hr(esgf: Esgf, tmp_path: Path, name: str, rows: int) -> None:
    variables = dict.fromkeys(["tas", "uas", "vas", "zg", "hus", "ta", "ua", "va"], "6hrPlevPt")
    model, run = "MPI-ESM1-2-HR", ("historical", "r1i1p1f1")
    archives.write_run(esgf.root, model, *run, variables, [2000, 2001], years_of_a_file=1)
    units = {"zg": "m", "hus": "kg kg-1", **dict.fromkeys(["uas", "vas", "ua", "va"], "m s-1")}
    changes = small(name, index_nodes=[esgf.url]) | {
        "dates": {"start": "2000-12-31 06:00", "end": "2001-01-01 12:00", "frequency": "6h"},
        "statistics": {},
        "checks": {"ranges": {name: [-1e5, 1e5] for name in RENAMED}},
    }
    for source in changes["sources"]:
        source["units"] = units
    store = check_recipe(name, tmp_path / "stores", changes)
    assert set(store) == set(RENAMED)
    assert store["temperature"].dims == ("time", "level", "latitude", "longitude")
    assert (store.sizes["latitude"], store.sizes["longitude"]) == (rows, 2 * rows)
    stamps = [str(time)[:16] for time in store["time"].values]
    assert stamps[0] == "2000-12-31T06:00" and stamps[3] == "2001-01-01T00:00"
    assert len(stamps) == 6  # both files, and the midnight between the years is in the first
    assert store["level"].values.tolist() == [500.0, 850.0]
    narrow = changes | {"variables": ["temperature"], "levels": [850]}
    before = len(esgf.downloads)
    only = open_store(build(load_recipe(name, narrow), tmp_path / "narrow"))
    assert list(only) == ["temperature"] and only["level"].values.tolist() == [850.0]
    asked = esgf.downloads[before:]
    assert len(asked) == 2 and all("/ta_6hrPlevPt_" in path for path in asked)


RENAMED = (
    *("2m_temperature", "10m_u_component_of_wind", "10m_v_component_of_wind"),
    *("geopotential_height", "specific_humidity", "temperature"),
    *("u_component_of_wind", "v_component_of_wind"),
)


def test_input4mips_by_the_search(esgf: Esgf, tmp_path: Path) -> None:
    archives.input4mips(esgf.root, IAMC)
    table = tmp_path / "rcmip.csv"
    emulation_archives.write_rcmip(table)
    content = small("input4mips", index_nodes=[esgf.url])
    content["sources"][-1]["address"] = str(table)
    changes = {name: content[name] for name in ("sources", "checks")}
    changes["dates"] = {"start": "2013", "end": "2020"}
    store = check_recipe("input4mips", tmp_path / "stores", changes)
    for scenario, year, rate in (("historical", 2014, 4), ("ssp126", 2015, 5), ("ssp126", 2018, 8)):
        field = store["black_carbon"].sel(scenario=scenario, time=f"{year}-07-01")
        assert field.values == pytest.approx(rate * 1e-12, rel=1e-5)
    assert {tuple(query["target_mip"]) for query in esgf.searches} == {("CMIP",), ("ScenarioMIP",)}
    assert all("table_id" not in query for query in esgf.searches)
    assert len(json.loads(store.attrs["sources"])) == 11


def test_climateset_raw_regrids_each_model_and_leaves_out_what_lacks(
    esgf: Esgf, tmp_path: Path
) -> None:
    models = {"NorESM2-LM": ("r1i1p1f1", "gn"), "INM-CM5-0": ("r2i1p1f1", "gr1")}
    for model, (member, grid) in models.items():
        for scenario, years in (("historical", [2013, 2014]), ("ssp126", [2015, 2016])):
            archives.write_run(
                esgf.root, model, scenario, member, MONTHLY, years, grid=grid, rows=len(grid) + 2
            )
    archives.write_run(esgf.root, "TaiESM1", "historical", "r1i1p1f1", MONTHLY, [2014])
    archives.input4mips(esgf.root, {name: IAMC[name] for name in ("historical", "ssp126")})
    changes = small("climateset_raw", ["historical", "ssp126"], index_nodes=[esgf.url])
    changes["sources"] = [*changes["sources"][:3], changes["sources"][-1]]
    changes["sources"][0]["source_id"] = [*models, "TaiESM1"]
    store = check_recipe("climateset_raw", tmp_path / "stores", changes)
    assert store["source_id"].values.tolist() == list(models)
    assert store["tas"].dims == ("source_id", "scenario", "time", "latitude", "longitude")
    assert (store.sizes["latitude"], store.sizes["longitude"]) == (96, 144)
    assert store["black_carbon"].dims == ("scenario", "time", "latitude", "longitude")


def test_climateset_raw_lists_the_models_of_climateset() -> None:
    raw = load_recipe("climateset_raw").sources[0].source_id
    assert raw == load_recipe("climateset").sources[0].coordinates["source_id"]
