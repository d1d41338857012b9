"""Pangeo's catalogue of CMIP6: Zarr 2 stores by model, scenario and member."""

import functools
import json
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cftime
import pandas as pd
import pytest

from climbench.errors import UserError
from climbench.recipes import build
from climbench.store import open_store

from . import cmip_archives as archives
from .test_esgf import first_cell, recipe_of

MONTHLY = {"tas": "Amon", "pr": "Amon"}
ALL = {"tas": "Amon", "pr": "Amon"}
DAILY = {"tasmax": "day", "tasmin": "day", "pr": "day"}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("files")
    for model, member in (("NorESM2-LM", "r1i1p1f1"), ("UKESM1-0-LL", "r1i1p1f2")):
        archives.write_run(root, model, "historical", member, ALL, [2013, 2014])
        archives.write_run(root, model, "ssp126", member, ALL, [2015, 2016])
        archives.write_run(root, model, "historical", member, DAILY, [2014])
        archives.write_run(root, model, "ssp126", member, DAILY, [2015])
    old = {"version": "v20180101", "shift": -50.0}
    archives.write_run(root, "NorESM2-LM", "ssp126", "r1i1p1f1", {"tas": "Amon"}, [2015], **old)
    return root


@pytest.fixture(scope="module")
def catalogue(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The table and the stores behind HTTP, where Google's bucket has them too."""
    folder = tmp_path_factory.mktemp("bucket")

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    handler = functools.partial(Handler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        archives.write_catalogue(tree, folder / "pangeo-cmip6.csv", address)
        yield f"{address}pangeo-cmip6.csv"
        server.shutdown()


def catalogued(catalogue: str, **options: Any) -> dict[str, Any]:
    usual = {"source_id": ["NorESM2-LM", "UKESM1-0-LL"], "experiment_id": ["historical", "ssp126"]}
    usual |= {"member_id": "first 1", "table_id": "Amon", "variable_id": "tas", "annual": "mean"}
    return {"kind": "pangeo_catalogue", "catalogue": catalogue, **usual, **options}


def test_calendars_fit_on_one_axis_of_years(catalogue: str, tmp_path: Path) -> None:
    store = open_store(build(recipe_of(catalogued(catalogue)), tmp_path))
    assert store["tas"].dims == ("source_id", "scenario", "time", "latitude", "longitude")
    assert [str(t)[:10] for t in store["time"].values[[0, -1]]] == ["2013-07-01", "2016-07-01"]
    last = first_cell(store["tas"].sel(scenario="ssp126", time="2016-07-01"))
    assert last == pytest.approx([297, 297], abs=0.01)
    sources = json.loads(store.attrs["sources"])
    assert len(sources) == 4 and all(one["etag"].startswith("sha256") for one in sources)
    newest = [one for one in sources if "NorESM2-LM/ssp126" in one["address"]]
    assert newest[0]["address"].endswith("/v20190815/")
    assert newest[0]["tracking_id"] == "hdl:21.14100/tas-ssp126-1"


def test_months_of_different_calendars_are_refused(catalogue: str, tmp_path: Path) -> None:
    wanted = catalogued(catalogue, annual=None)
    with pytest.raises(UserError, match=r"calendar 360_day .* noleap.*a store of each"):
        build(recipe_of(wanted), tmp_path)


def test_months_of_one_model_keep_their_calendar(catalogue: str, tmp_path: Path) -> None:
    wanted = catalogued(catalogue, source_id="UKESM1-0-LL", experiment_id="ssp126", annual=None)
    dates = {"start": "2016-01", "end": "2016-12", "frequency": "MS"}
    recipe = recipe_of(wanted, dates=dates, output={})
    store = open_store(build(recipe, tmp_path))
    assert store.sizes["time"] == 12
    assert isinstance(store["time"].values[0], cftime.Datetime360Day)


def test_dates_beside_a_scenario_leave_it_empty(catalogue: str, tmp_path: Path) -> None:
    recipe = recipe_of(catalogued(catalogue), dates={"start": "2015", "end": "2016"})
    store = open_store(build(recipe, tmp_path))
    there = store["tas"].notnull().all(["latitude", "longitude"]).sum("time")
    assert there.values.tolist() == [[0, 2], [0, 2]]


def test_what_is_not_in_the_catalogue_is_said(catalogue: str, tmp_path: Path) -> None:
    for options, message in (
        ({"source_id": "NorESM2-ML"}, "no source_id 'NorESM2-ML'.*NorESM2-LM"),
        ({"experiment_id": ["ssp585"]}, "no experiment_id 'ssp585'"),
        ({"member_id": "r1i1p1f1"}, "UKESM1-0-LL has no member 'r1i1p1f1'.*'r1i1p1f2'"),
        ({"version": "v20180101"}, "UKESM1-0-LL has no version|has no .*ssp126|historical"),
    ):
        with pytest.raises(UserError, match=message):
            build(recipe_of(catalogued(catalogue, **options)), tmp_path)


def test_a_table_that_is_no_catalogue(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    pd.DataFrame({"source_id": ["a"]}).to_csv(table)
    with pytest.raises(UserError, match=r"table.csv is no catalogue: it has no column"):
        build(recipe_of(catalogued(str(table))), tmp_path / "stores")
    table.write_bytes(bytes(range(256)))
    with pytest.raises(UserError, match=r"table.csv (cannot be read|is no catalogue)"):
        build(recipe_of(catalogued(str(table))), tmp_path / "stores")


def test_a_public_table_names_no_paths_of_this_machine(
    catalogue: str, tree: Path, tmp_path: Path
) -> None:
    """Beside a table of one's own, paths count from its folder."""
    folder = tmp_path / "copy"
    folder.mkdir()
    archives.write_catalogue(tree, folder / "table.csv", "")
    own = {"kind": "pangeo_catalogue", "catalogue": catalogue, "local": "copy/table.csv"}
    wanted = catalogued(catalogue, experiment_id="ssp126", source_id="UKESM1-0-LL") | own
    store = open_store(build(recipe_of(wanted, output={}), tmp_path / "stores", tmp_path))
    assert first_cell(store["tas"]) == pytest.approx([296, 297], abs=0.01)
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        public = f"http://127.0.0.1:{server.server_port}/table.csv"
        with pytest.raises(UserError, match=r"names 'CMIP6/.*which is no public address"):
            build(recipe_of(catalogued(public)), tmp_path / "stores")
        server.shutdown()
