"""ERA5 from public buckets: only what is asked for is fetched, each chunk once."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from servers.gcs import Gcs, serving_gcs

from climbench.cli import main
from climbench.errors import UserError
from climbench.recipes import build, list_recipes, load_recipe, plan
from climbench.recipes.regridding import regridder
from climbench.store import open_store
from climbench.testing.recipe_contract import check_recipe

from .weatherbench2 import ARCO, ERA5_0P25, ERA5_1P5, ERA5_5P625, write_archive

SIX_HOURLY = xr.date_range("2016-12-20", "2018-12-31T18", freq="6h")
"""Begins 48 times before 2017, so that no chunk of 100 times ends with a year."""


@pytest.fixture(scope="module")
def buckets(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("buckets")
    write_archive(root / ERA5_5P625, SIX_HOURLY, chunk=100)
    short = xr.date_range("2016-12-31", "2017-01-03T18", freq="6h")
    write_archive(root / ERA5_1P5, short, chunk=8, rows=5, poles=True)
    write_archive(root / ERA5_0P25, short, 1, ("latitude", "longitude"), rows=5, poles=True)
    hourly = xr.date_range("2016-12-31", "2017-01-02T23", freq="1h")
    levels = (100, 500, 850, 925)
    order = ("latitude", "longitude")
    write_archive(root / ARCO, hourly, 1, order, rows=41, columns=80, poles=True, levels=levels)
    return root


@pytest.fixture
def gcs(buckets) -> Iterator[Gcs]:
    with serving_gcs(buckets) as server:
        yield server


def archive(root: Path, name: str) -> xr.Dataset:
    return xr.open_zarr(root / name, chunks=None)


def test_the_command_of_the_guide_fetches_only_the_chunks_it_needs(gcs, buckets, tmp_path):
    main(
        [
            "build",
            "recipe=era5_wb2_5p625",
            "dates=2017/2018",
            "variables=[geopotential,2m_temperature]",
            "levels=[500,850]",
            f"stores_dir={tmp_path}",
        ]
    )
    reads = gcs.chunks_read()
    arrays = {name.split("/")[-2] for name in reads}
    assert arrays == {"geopotential", "2m_temperature"}
    assert set(reads.values()) == {1}
    assert len(reads) == 2 * 30  # chunks 0 to 29: times 48 to 2967
    assert gcs.listings == []
    store = open_store(next(tmp_path.glob("*.zarr")))
    assert store["geopotential"].dims == ("time", "level", "latitude", "longitude")
    truth = archive(buckets, ERA5_5P625).sel(time=slice("2017", "2018"), level=[500, 850])
    for name in ("geopotential", "2m_temperature"):
        np.testing.assert_array_equal(store[name], truth[name].transpose(*store[name].dims))


def test_options_of_the_recipe_are_changed_on_the_command_line(gcs, tmp_path, capsys):
    command = ["build", "recipe=era5_wb2_5p625", "dates=2018-01-01/2018-01-02"]
    command += ["variables=[2m_temperature]", f"stores_dir={tmp_path}"]
    assert main(command) == 2  # statistics are those of the years to 2017
    assert "statistics.period" in capsys.readouterr().err
    assert main([*command, "statistics.period=null", "checks.gaps=allow", "output.chunk=2"]) == 0
    recipe = json.loads(open_store(next(tmp_path.glob("*.zarr"))).attrs["recipe"])
    assert recipe["statistics"]["period"] is None
    assert (recipe["output"]["chunk"], recipe["output"]["shard"]) == (2, None)
    assert main([*command, "output.chunks=2"]) == 2
    assert "no option 'output.chunks': did you mean 'chunk'?" in capsys.readouterr().err


def test_a_chunk_that_two_parts_share_is_fetched_once(gcs, tmp_path):
    recipe = load_recipe(
        "era5_wb2_5p625",
        {
            "dates": "2017-01/2017-06",
            "variables": ["temperature"],
            "output": {"chunk": 60, "shard": 60},
        },
    )
    assert len(plan(recipe, downloads=tmp_path / "plan").layout.parts) > 10
    build(recipe, tmp_path)
    assert set(gcs.chunks_read().values()) == {1}


def test_a_plan_reads_no_chunk(gcs, tmp_path):
    recipe = load_recipe("era5_wb2_5p625", {"dates": "2017/2018", "variables": ["temperature"]})
    planned = plan(recipe, downloads=tmp_path)
    assert planned.dataset["temperature"].shape == (2920, 13, 4, 8)
    assert not gcs.chunks_read()


def test_north_to_south_becomes_south_to_north(gcs, buckets, tmp_path):
    options = {"dates": "2017-01-01/2017-01-02", "variables": ["temperature", "land_sea_mask"]}
    path = build(load_recipe("era5_wb2_0p25", options), tmp_path)
    store, truth = open_store(path), archive(buckets, ERA5_0P25)
    assert store["latitude"].values.tolist() == [-90, -45, 0, 45, 90]
    expected = truth["land_sea_mask"].values[::-1]
    np.testing.assert_array_equal(store["land_sea_mask"], expected)
    assert len(gcs.chunks_read()) == 8 + 1


def test_arco_is_thinned_before_it_is_read_and_regridded_conservatively(gcs, buckets, tmp_path):
    options = {"dates": "2017-01-01/2017-01-02", "levels": [500, 850]}
    options |= {"variables": ["temperature", "2m_temperature"]}
    path = build(load_recipe("era5_arco_5p625", options), tmp_path)
    store, truth = open_store(path), archive(buckets, ARCO)
    assert store["temperature"].shape == (8, 2, 32, 64)
    assert len(gcs.chunks_read()) == 2 * 8  # not 2 * 48
    truth = truth.sel(time=store["time"], level=[500, 850])["temperature"]
    regrid = regridder(truth["latitude"], truth["longitude"], store["latitude"], store["longitude"])
    np.testing.assert_allclose(store["temperature"], regrid(truth.values), rtol=1e-6)


def test_the_store_says_which_archive_it_is_made_of(gcs, tmp_path):
    options = {"dates": "2017-01-01/2017-01-02", "variables": ["2m_temperature"]}
    path = build(load_recipe("era5_wb2_5p625", options), tmp_path)
    (source,) = json.loads(open_store(path).attrs["sources"])
    assert source["address"].startswith("gs://weatherbench2/datasets/era5/1959")
    assert source["etag"].startswith("sha256 of .zmetadata: ")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"variables": ["2m_temperatur"]}, "did you mean '2m_temperature'"),
        ({"levels": [501]}, "level 501 is absent"),
        ({"dates": "1940/1941"}, "no time lies between 1940 and 1941"),
    ],
)
def test_what_the_archive_lacks_is_said_before_anything_is_read(gcs, tmp_path, options, words):
    given = {"dates": "2017-01/2017-01", "variables": ["temperature"]} | options
    with pytest.raises(UserError, match=words):
        build(load_recipe("era5_wb2_5p625", given), tmp_path)
    assert not gcs.chunks_read()


@pytest.mark.parametrize(
    "name",
    [name for name in list_recipes() if name.startswith(("era5_wb2", "era5_arco"))],
)
def test_recipe_keeps_the_contract(gcs, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    options = {"dates": "2017-01-01/2017-01-02", "variables": ["temperature", "land_sea_mask"]}
    options |= {"levels": [500], "output": {"chunk": 4, "shard": 4}}
    store = check_recipe(name, tmp_path / "stores", options)
    assert store["temperature"].dims == ("time", "level", "latitude", "longitude")
