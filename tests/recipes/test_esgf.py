"""The search of the ESGF: any model, scenario and member, from any data node, checked."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cftime
import numpy as np
import pytest
import xarray as xr
from servers.esgf import Esgf, serving_esgf

from climbench.errors import UserError
from climbench.recipes import build, plan
from climbench.recipes.schema import Recipe
from climbench.store import open_store

from . import cmip_archives as archives

MONTHLY = {"tas": "Amon", "pr": "Amon"}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three climate models of three calendars; one has a single member of ssp126, one none."""
    root = tmp_path_factory.mktemp("esgf")
    for member in ("r1i1p1f1", "r2i1p1f1", "r10i1p1f1"):
        archives.write_run(root, "MPI-ESM1-2-LR", "historical", member, MONTHLY, [2011, 2014])
        archives.write_run(root, "MPI-ESM1-2-LR", "ssp126", member, MONTHLY, [2015, 2016])
    archives.write_run(root, "NorESM2-LM", "historical", "r1i1p1f1", MONTHLY, [2011, 2014])
    archives.write_run(root, "NorESM2-LM", "historical", "r2i1p1f1", MONTHLY, [2011, 2014])
    archives.write_run(root, "NorESM2-LM", "ssp126", "r1i1p1f1", MONTHLY, [2015, 2016])
    archives.write_run(root, "UKESM1-0-LL", "historical", "r1i1p1f2", MONTHLY, [2011, 2014])
    return root


@pytest.fixture
def esgf(tree: Path) -> Iterator[Esgf]:
    with serving_esgf(tree) as server:
        yield server


def first_cell(array: xr.DataArray) -> np.ndarray:
    return array.isel(latitude=0, longitude=0).values


def recipe_of(*sources: dict[str, Any], **options: Any) -> Recipe:
    content = {"name": "small", "description": "a test", "licence": "CC0-1.0", "citation": "-"}
    return Recipe.model_validate(
        content | {"sources": list(sources), "output": {"dimension": "scenario"}} | options
    )


def search(esgf: Esgf, **options: Any) -> dict[str, Any]:
    usual = {"source_id": "MPI-ESM1-2-LR", "experiment_id": ["historical", "ssp126"]}
    usual |= {"table_id": "Amon", "variable_id": "tas", "annual": "mean"}
    return {"kind": "esgf_search", "index_nodes": [esgf.url], **usual, **options}


def test_models_scenarios_and_members_become_dimensions(esgf: Esgf, tmp_path: Path) -> None:
    wanted = search(
        esgf,
        source_id=["NorESM2-LM", "MPI-ESM1-2-LR"],
        member_id=["r1i1p1f1", "r2i1p1f1"],
        variable_id=["tas", "pr"],
        lacking="allow",
    )
    path = build(recipe_of(wanted), tmp_path)
    store = open_store(path)
    assert store["tas"].dims == (
        *("source_id", "scenario", "member", "time"),
        *("latitude", "longitude"),
    )
    assert store["source_id"].values.tolist() == ["NorESM2-LM", "MPI-ESM1-2-LR"]
    assert str(store["time"].values[0])[:10] == "2011-07-01"
    of_run = store.sel(source_id="NorESM2-LM", scenario="ssp126", time="2016-07-01")
    mean = first_cell(of_run["tas"].sel(member="r1i1p1f1"))
    assert mean == pytest.approx(280 + 16 + 1, abs=0.01)
    assert of_run["tas"].sel(member="r2i1p1f1").isnull().all()
    rain = first_cell(of_run["pr"].sel(member="r1i1p1f1"))
    assert rain == pytest.approx(1e-5 + 17e-7, rel=1e-3)
    sources = json.loads(store.attrs["sources"])
    assert len(sources) == 2 * (4 * 2 + 3 * 1)  # variables, members with history, with a future
    addresses = [one["address"] for one in sources]
    assert all("/dkrz/CMIP6/" in address for address in addresses)
    assert {one["tracking_id"] for one in sources} >= {"hdl:21.14100/tas-ssp126-1"}
    assert all(len(one["sha256"]) == 64 for one in sources)


def test_the_search_names_its_facets_and_turns_pages(esgf: Esgf, tmp_path: Path) -> None:
    build(recipe_of(search(esgf)), tmp_path)
    first, *others = esgf.searches
    assert first["type"] == ["File"] and first["format"] == ["application/solr+json"]
    assert first["source_id"] == ["MPI-ESM1-2-LR"] and first["latest"] == ["true"]
    assert first["experiment_id"] == ["historical,ssp126"] and first["table_id"] == ["Amon"]
    assert [query["offset"] for query in others] == [["3"]]  # 6 documents: 3 files, two nodes
    assert len(esgf.downloads) == 3


def test_a_data_node_that_is_down_and_one_that_serves_other_bytes(
    tree: Path, tmp_path: Path
) -> None:
    with serving_esgf(tree, nodes=("dkrz", "llnl", "ceda")) as esgf:
        esgf.down, esgf.damaged, esgf.algorithm = {"dkrz"}, {"llnl"}, "MD5"
        wanted = search(esgf, experiment_id=["ssp126"])
        store = open_store(build(recipe_of(wanted), tmp_path))
        mean = first_cell(store["tas"].sel(time="2015-07-01"))
        assert mean == pytest.approx(280 + 15 + 1, abs=0.01)
        asked = [path.partition("/")[0] for path in esgf.downloads]
        assert asked[-1] == "ceda" and {"dkrz", "llnl"} <= set(asked)


def test_no_good_copy_anywhere_is_said(esgf: Esgf, tmp_path: Path) -> None:
    esgf.damaged = {"dkrz", "ceda"}
    with pytest.raises(UserError, match=r"(?i)checksum|sha"):
        build(recipe_of(search(esgf, experiment_id=["ssp126"])), tmp_path)
    assert not list(tmp_path.glob("*.zarr"))


def test_index_nodes_are_asked_in_order_until_one_knows(
    tree: Path, esgf: Esgf, tmp_path: Path
) -> None:
    with serving_esgf(tmp_path / "empty") as ignorant, serving_esgf(tree) as silent:
        silent.silent = True
        nodes = [silent.url, ignorant.url, esgf.url, "http://127.0.0.1:1/never"]
        wanted = search(esgf, index_nodes=nodes)
        store = open_store(build(recipe_of(wanted), tmp_path / "stores"))
        assert store.sizes["scenario"] == 2
        assert silent.searches and ignorant.searches
        silent_only = search(esgf, index_nodes=[silent.url])
        with pytest.raises(UserError, match=r"no index node.*HTTP 500.*'index_nodes'"):
            build(recipe_of(silent_only), tmp_path / "stores")


def test_first_members_are_those_with_everything(esgf: Esgf, tmp_path: Path) -> None:
    wanted = search(esgf, source_id="MPI*", member_id="first 2", variable_id=["tas", "pr"])
    store = open_store(build(recipe_of(wanted), tmp_path))
    assert store["member"].values.tolist() == [1, 2]
    assert store["source_id"].values.tolist() == ["MPI-ESM1-2-LR"]
    one = search(esgf, member_id="first 3")
    named = open_store(build(recipe_of(one), tmp_path))
    assert named["member"].values.tolist() == ["r1i1p1f1", "r2i1p1f1", "r10i1p1f1"]
    assert "source_id" not in named.dims
    single = open_store(build(recipe_of(search(esgf, member_id="first 1")), tmp_path))
    assert "member" not in single.dims
    poor = search(esgf, source_id="NorESM2-LM", member_id="first 3")
    assert open_store(build(recipe_of(poor), tmp_path))["member"].values.tolist() == ["r1i1p1f1"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source_id": "MPI-ESM1-2-LL"}, "no source_id 'MPI-ESM1-2-LL'.*'MPI-ESM1-2-LR'"),
        ({"experiment_id": ["ssp127"]}, "no experiment_id 'ssp127'.*'ssp126'"),
        ({"variable_id": "tos"}, "no variable_id 'tos'.*tas"),
        ({"table_id": "Amom"}, "no table_id 'Amom'.*'Amon'"),
        ({"member_id": "r3i1p1f1"}, "MPI-ESM1-2-LR has no member 'r3i1p1f1'.*'r"),
        ({"version": "v20180101"}, "no version v20180101.*v20190815"),
        ({"grid_label": "gr"}, "no tas .Amon. with grid_label gr: it has gn"),
        ({"source_id": ["MPI-*", "UKESM*"], "member_id": "r1*"}, "UKESM1-0-LL has no tas.*ssp126"),
        ({"source_id": "Can*"}, "source_id 'Can\\*'"),
    ],
)
def test_what_is_not_there_is_said(
    esgf: Esgf, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message) as error:
        build(recipe_of(search(esgf, **options)), tmp_path)
    assert "\n" not in str(error.value)


def test_a_climate_model_that_lacks_a_scenario_may_be_left_out_or_left_empty(
    esgf: Esgf, tmp_path: Path
) -> None:
    every = {"source_id": ["MPI-ESM1-2-LR", "UKESM1-0-LL"], "member_id": "first 1"}
    out = open_store(build(recipe_of(search(esgf, **every, lacking="leave_out")), tmp_path))
    assert out["source_id"].values.tolist() == ["MPI-ESM1-2-LR"]
    empty = open_store(build(recipe_of(search(esgf, **every, lacking="allow")), tmp_path))
    there = empty["tas"].notnull().any(["time", "latitude", "longitude"])
    assert there.sel(source_id="UKESM1-0-LL").values.tolist() == [True, False]


@pytest.mark.parametrize(
    ("model", "days", "kind"),
    [
        ("UKESM1-0-LL", 360, cftime.Datetime360Day),
        ("NorESM2-LM", 365, cftime.DatetimeNoLeap),
        ("MPI-ESM1-2-LR", 366, np.datetime64),
    ],
)
def test_daily_fields_keep_their_calendar(
    tmp_path: Path, model: str, days: int, kind: type
) -> None:
    archives.write_run(tmp_path / "esgf", model, "historical", "r1i1p1f1", {"tas": "day"}, [2012])
    with serving_esgf(tmp_path / "esgf") as esgf:
        wanted = search(esgf, source_id=model, experiment_id="historical", table_id="day")
        recipe = recipe_of(wanted | {"annual": None}, output={"chunk": 30, "shard": 90})
        path = build(recipe, tmp_path)
    store = open_store(path)
    assert store["tas"].dims == ("time", "latitude", "longitude")
    assert store.sizes["time"] == days
    assert isinstance(store["time"].values[0], kind)


def test_months_of_two_climate_models_share_their_stamps(tmp_path: Path) -> None:
    """One stamps a month with its first day, the other with the 16th."""
    for model in ("MPI-ESM1-2-LR", "CanESM5"):
        archives.write_run(
            tmp_path / "esgf", model, "historical", "r1i1p1f1", {"tas": "Amon"}, [2013]
        )
    (moved,) = tmp_path.rglob("*_CanESM5_*.nc")
    with xr.open_dataset(moved, decode_times=False) as dataset:
        days = ("time", dataset["time"].values + 15, dataset["time"].attrs)
        later = dataset.load().assign_coords(time=days)
    later.to_netcdf(moved)
    with serving_esgf(tmp_path / "esgf") as esgf:
        both = ["MPI-ESM1-2-LR", "CanESM5"]
        wanted = search(esgf, source_id=both, experiment_id="historical", annual=None)
        store = open_store(build(recipe_of(wanted, output={}), tmp_path))
    assert store["tas"].dims == ("source_id", "time", "latitude", "longitude")
    assert store.sizes["time"] == 12 and not store["tas"].isnull().any()
    assert str(store["time"].values[1])[:10] == "2013-02-01"


def test_the_newest_version_a_named_one_and_a_retracted_one(tmp_path: Path) -> None:
    root = tmp_path / "esgf"
    for version, shift in (("v20190101", 0.0), ("v20200101", 1.0), ("v20210101", 2.0)):
        archives.write_run(
            root, "MPI-ESM1-2-LR", "historical", "r1i1p1f1", {"tas": "Amon"}, [2014],
            version=version, shift=shift,
        )  # fmt: skip
    with serving_esgf(root) as esgf:
        esgf.retracted = {"v20210101"}
        common = {"experiment_id": ["historical"]}
        newest = open_store(build(recipe_of(search(esgf, **common)), tmp_path))
        assert first_cell(newest["tas"]) == pytest.approx(295 + 1, abs=0.01)
        old = search(esgf, **common, version=20190101)
        before = open_store(build(recipe_of(old), tmp_path))
        assert first_cell(before["tas"]) == pytest.approx(295, abs=0.01)
        taken_back = search(esgf, **common, version="v20210101")
        with pytest.raises(UserError, match=r"no version v20210101.*v20190101, v20200101"):
            build(recipe_of(taken_back), tmp_path)


def test_several_grids_need_a_choice(tmp_path: Path) -> None:
    root = tmp_path / "esgf"
    for grid in ("gn", "gr"):
        archives.write_run(
            root, "MPI-ESM1-2-LR", "ssp126", "r1i1p1f1", MONTHLY, [2015], grid=grid
        )  # fmt: skip
    with serving_esgf(root) as esgf:
        wanted = search(esgf, experiment_id=["ssp126"])
        with pytest.raises(UserError, match=r"several grids \(gn, gr\): choose with 'grid_label'"):
            build(recipe_of(wanted), tmp_path)
        store = open_store(build(recipe_of(wanted | {"grid_label": ["gr1", "gr"]}), tmp_path))
        assert all("_gr_" in one["address"] for one in json.loads(store.attrs["sources"]))


def test_dates_and_variables_narrow_before_anything_is_fetched(esgf: Esgf, tmp_path: Path) -> None:
    wanted = search(esgf, experiment_id="historical", variable_id=["tas", "pr"])
    narrow = {"dates": {"start": "2013", "end": "2014"}, "variables": ["pr"], "output": {}}
    store = open_store(build(recipe_of(wanted, **narrow), tmp_path))
    assert list(store) == ["pr"] and store.sizes["time"] == 2
    (name,) = esgf.downloads
    assert name.endswith("pr_Amon_MPI-ESM1-2-LR_historical_r1i1p1f1_gn_201301-201412.nc")


def test_sources_of_the_same_runs_take_the_same_members(tmp_path: Path) -> None:
    root = tmp_path / "esgf"
    for member, variables in {
        "r1i1p1f1": {"pr": "Amon"},
        "r2i1p1f1": {"tas": "Amon", "pr": "day"},
        "r3i1p1f1": {"tas": "Amon", "pr": "day"},
    }.items():
        archives.write_run(root, "MPI-ESM1-2-LR", "ssp126", member, variables, [2015])
    with serving_esgf(root) as esgf:
        runs = {"experiment_id": ["ssp126"], "member_id": "first 2"}
        tas = search(esgf, **runs)
        heavy = search(esgf, **runs, variable_id="pr", table_id="day", rename={"pr": "pr90"})
        recipe = recipe_of(tas, heavy | {"annual": {"quantile": 0.9}})
        store = open_store(build(recipe, tmp_path))
    assert store["member"].values.tolist() == ["r2i1p1f1", "r3i1p1f1"]
    assert set(store) == {"tas", "pr90"} and not store.isnull().any().to_array().any()


def test_a_build_that_goes_on_reads_what_it_began_with(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from climbench.recipes.sources import listings

    monkeypatch.setattr(listings, "SECONDS", -1)  # every answer is old at once
    with serving_esgf(tree) as esgf:
        recipe = recipe_of(search(esgf))
        before = len(esgf.searches)
        plan(recipe, None, tmp_path / "downloads")
        plan(recipe, None, tmp_path / "downloads")
        asked = len(esgf.searches) - before
        assert asked == 2 * 2
        from climbench.recipes.build import store_path

        begun = store_path(recipe, tmp_path)
        begun = begun.with_name(f"{begun.name}.building")
        begun.mkdir()
        (begun / "prepared").touch()
        from climbench.recipes.sources import Surroundings, open_sources

        esgf.silent = True
        surroundings = Surroundings(None, tmp_path / "downloads", begun / "states")
        assert open_sources(recipe, surroundings).dataset.sizes["scenario"] == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"experiment_id": None}, "needs 'experiment_id'"),
        ({"project": "input4MIPs"}, "has no 'experiment_id'"),
        ({"table_id": {"pr": "Amon"}}, "no table for the variable 'tas'"),
        ({"rename": {"ta": "temperature"}}, "names 'ta', which is not in 'variable_id'"),
        ({"index_nodes": ["esgf-data.dkrz.de"]}, "index_nodes"),
        ({"members": "r1i1p1f1"}, "unknown option 'members'.*'member_id'"),
    ],
)
def test_a_search_that_cannot_be_meant(options: dict[str, Any], message: str) -> None:
    usual = {"source_id": "a", "experiment_id": "b", "variable_id": "tas", "table_id": "Amon"}
    with pytest.raises(ValueError, match=message):
        recipe_of({"kind": "esgf_search", **usual, **options})


@pytest.mark.data
def test_real_files_under_their_own_names(data_root: Path, tmp_path: Path) -> None:
    wanted = {
        "kind": "esgf_search",
        "source_id": "ACCESS-ESM1-5",
        "experiment_id": ["historical"],
        "member_id": ["r1i1p1f1"],
        "table_id": "Amon",
        "variable_id": ["tas", "pr"],
        "annual": "mean",
        "local": "access_esm1_5_drs",
    }
    store = open_store(build(recipe_of(wanted), tmp_path, data_root))
    weights = np.cos(np.deg2rad(store["latitude"]))
    mean = store["tas"].isel(scenario=0, member=0).weighted(weights)
    first = mean.mean(["latitude", "longitude"]).isel(time=slice(0, 10)).mean()
    assert float(first) == pytest.approx(288.62, abs=0.02)  # as in the archive's own notes
    sources = json.loads(store.attrs["sources"])
    assert all(one["tracking_id"].startswith("hdl:21.14100/") for one in sources)
    two = wanted | {"variable_id": "ts", "member_id": "first 2"}
    members = open_store(build(recipe_of(two), tmp_path, data_root))["member"]
    assert members.values.tolist() == ["r1i1p1f1", "r2i1p1f1"]


@pytest.mark.data
def test_real_files_of_a_series_and_their_fill_values(data_root: Path, tmp_path: Path) -> None:
    wanted = {
        "kind": "esgf_search",
        "source_id": "FGOALS-g3",
        "experiment_id": "historical",
        "table_id": "Amon",
        "variable_id": "ta",
        "local": "esmvaltool_cmip6",
    }
    dates = {"start": "1960", "end": "1979"}
    recipe = recipe_of(
        wanted, dates=dates, steps=[{"sort": {}}], output={}, checks={"missing_values": ["ta"]}
    )
    store = open_store(build(recipe, tmp_path, data_root))
    assert store.sizes["time"] == 240 and float(store["ta"].max()) < 300
    assert isinstance(store["time"].values[0], cftime.DatetimeNoLeap)
    assert len(json.loads(store.attrs["sources"])) == 2  # of seven files


@pytest.mark.data
def test_a_real_series_goes_on_into_its_scenario(data_root: Path, tmp_path: Path) -> None:
    wanted = {
        "kind": "esgf_search",
        "source_id": ["INM-CM5-0"],
        "experiment_id": ["historical", "ssp245"],
        "table_id": "Amon",
        "variable_id": "rlds",
        "annual": "mean",
        "local": "odd_netcdf",
    }
    store = open_store(build(recipe_of(wanted), tmp_path, data_root))
    there = store["rlds"].notnull().all(["latitude", "longitude"]).sum("time")
    assert there.values.tolist() == [[165, 86]]
    with xr.open_dataset(
        data_root / "odd_netcdf/rlds_Amon_INM-CM5-0_ssp245_r1i1p1f1_gr1_201501-210012.nc"
    ) as file:
        days = file["time"].dt.days_in_month[:12]
        expected = (file["rlds"][:12] * days).sum("time") / 365
    found = store["rlds"].sel(scenario="ssp245", time="2015-07-01").squeeze()
    assert found.values == pytest.approx(expected.values, rel=1e-5)


@pytest.mark.data
def test_local_files_that_are_not_there(data_root: Path, tmp_path: Path) -> None:
    wanted = {"kind": "esgf_search", "source_id": "a", "experiment_id": "historical"}
    wanted |= {"table_id": "Amon", "variable_id": "tas", "local": "ersst"}
    with pytest.raises(UserError, match=r"nothing in .* matches ersst.*check data_root"):
        build(recipe_of(wanted), tmp_path, data_root)
