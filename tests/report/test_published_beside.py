"""Published scores stand beside ours only where data, protocol and definition are the same."""

import json
import zipfile

import numpy as np
import pytest
import xarray as xr

from climbench.recipes import build, load_recipe
from climbench.report import Benchmark, report
from climbench.report.comparable import data_identity, published_beside, tables
from climbench.store import open_store

IDENTITY = {
    "recipe": "era5_wb1_5p625",
    "simulated": "false",
    "grid": {"latitude": [-87.1875, 87.1875, 32], "longitude": [0.0, 354.375, 64]},
    "test": ["2017-01-01", "2018-12-31"],
    "initial_interval": 1,
}
CONVENTIONS = {"weights": "cos", "root": "after", "acc": "pooled_centred"}


@pytest.fixture
def ours(forecasting):
    """Scores of a run on WeatherBench's own archive, by its own definition."""

    def make(conventions=None, **changes):
        scores = forecasting(leads=(24.0, 72.0, 120.0))
        names = ["geopotential_500", "temperature_850", *scores["channel"].values[2:]]
        scores = scores.assign_coords(channel=("channel", names))
        units = ["m**2 s**-2", "K", *scores["units"].values[2:]]
        scores = scores.assign_coords(units=("channel", units))
        scores.attrs |= {
            "simulated": "false",
            "data": json.dumps(IDENTITY | changes),
            "conventions": json.dumps(CONVENTIONS | (conventions or {})),
        }
        return scores

    return make


def names(rows):
    return [row.model for row in rows]


def test_weatherbench_stands_beside_a_run_on_its_own_archive(ours):
    rows = published_beside(ours(), "rmse")
    assert "CNN, direct (published)" in names(rows)
    linear = next(row for row in rows if row.model == "linear regression, direct (published)")
    assert linear.scores["geopotential_500"] == {72.0: 693.3, 120.0: 783.2}
    assert "e2020MS002203" in linear.citation


@pytest.mark.parametrize(
    "change",
    [
        {"recipe": "era5_wb2_5p625"},
        {"recipe": "planet_weather"},
        {"simulated": "true"},
        {"test": ["2017-01-01", "2017-12-31"]},
        {"test": ["2018-01-01", "2018-12-31"]},
        {"grid": IDENTITY["grid"] | {"latitude": [-90.0, 90.0, 33]}},
        {"grid": IDENTITY["grid"] | {"longitude": [0.0, 357.1875, 128]}},
        {"initial_interval": 6},
    ],
    ids=lambda change: f"{next(iter(change))}={next(iter(change.values()))}",
)
def test_nothing_stands_beside_a_run_on_other_data(ours, change):
    assert published_beside(ours(**change), "rmse") == []


@pytest.mark.parametrize(
    ("metric", "conventions"),
    [("rmse", {"weights": "none"}), ("rmse", {"root": "before"}), ("bias", {}), ("acc", {})],
)
def test_nothing_stands_beside_another_score(ours, metric, conventions):
    # Anomalies of the published ACC are from the mean of the test years: ours never are.
    assert published_beside(ours(conventions), metric) == []


def test_scores_that_do_not_say_their_data_or_are_simulated_stand_alone(ours):
    silent, simulated = ours(), ours()
    del silent.attrs["data"]
    simulated.attrs["simulated"] = "true"
    assert published_beside(silent, "rmse") == published_beside(simulated, "rmse") == []


def test_forecasts_of_other_initial_times_are_left_out(ours):
    assert not any("IFS" in name for name in names(published_beside(ours(), "rmse")))
    twice_a_day = published_beside(ours(initial_interval=12), "rmse")
    assert names(twice_a_day) == [
        f"{n} (published)" for n in ("IFS T42", "IFS T63", "operational IFS")
    ]


def test_a_channel_in_another_unit_is_left_out(ours):
    scores = ours()
    units = ["m", *scores["units"].values[1:]]
    rows = published_beside(scores.assign_coords(units=("channel", units)), "rmse")
    assert rows and not any("geopotential_500" in row.scores for row in rows)


def test_what_is_remembered_only_is_never_shown():
    by_name = {table["rows"][0]["model"]: table for table in tables()}
    assert by_name["ClimaX (published)"]["confidence"] == "low"


@pytest.mark.parametrize("table", tables(), ids=lambda table: table["citation"][:30])
def test_every_table_says_what_it_is(table):
    assert {"citation", "url", "data", "units", "conventions", "rows"} <= set(table)
    places = table["leads"] if "leads" in table else table["scenarios"]
    assert {"archive", "recipes", "grid", "test", "initial_interval"} == set(table["data"])
    for row in table["rows"]:
        for metric in table["conventions"]:
            for channel, values in row.get(metric, {}).items():
                assert len(values) == len(places), (row["model"], channel)
                assert channel in table["units"]


def test_the_page_shows_published_rows_with_their_citation_or_none(ours, tmp_path):
    page = report(Benchmark("x", ours()), tmp_path / "same", map_channels=0).read_text()
    assert "CNN, direct (published)" in page
    assert "693.3" in page
    assert "e2020MS002203" in page
    other = report(
        Benchmark("x", ours(recipe="era5_wb2_5p625")), tmp_path / "other", map_channels=0
    )
    assert "published" not in other.read_text()


@pytest.mark.parametrize("first", ["lat", "-lat"])
def test_a_store_of_weatherbenchs_own_archive_is_what_its_tables_are_of(first, tmp_path):
    folder, short = tmp_path / "weatherbench1/geopotential_500", "geopotential_500_5.625deg"
    folder.mkdir(parents=True)
    latitude = np.linspace(-87.1875, 87.1875, 32)[:: -1 if first == "-lat" else 1]
    time = xr.date_range("2017-01-01", periods=24, freq="1h")
    axes = {"time": time, "lat": latitude, "lon": np.arange(0, 360, 5.625)}
    field = np.random.default_rng(0).uniform(5e4, 5.5e4, (24, 32, 64)).astype("f4")
    data = xr.Dataset({"z": (tuple(axes), field)}, axes).assign_coords(level=500)
    data.to_netcdf(folder / "geopotential_500_2017_5.625deg.nc")
    with zipfile.ZipFile(folder / f"{short}.zip", "w") as archive:
        archive.write(folder / "geopotential_500_2017_5.625deg.nc", f"{short}_2017.nc")
    small = {"dates": {"start": "2017-01-01", "end": "2017-01-01"}, "statistics": {"period": None}}
    recipe = load_recipe("era5_wb1_5p625", small | {"variables": ["geopotential_500"]})
    store = open_store(build(recipe, tmp_path, tmp_path))
    found = data_identity(store, ("2017-01-01", "2018-12-31"), 1)
    assert {key: found[key] for key in IDENTITY} == IDENTITY
    assert store["geopotential_500"].units == "m**2 s**-2"  # as in the table


def test_a_store_says_what_it_is():
    store = xr.Dataset(coords={"latitude": [-45.0, 45.0], "longitude": np.arange(0, 360, 90.0)})
    store.attrs = {"recipe": '{"name": "here"}', "simulated": "false", "recipe_hash": "ab"}
    found = data_identity(store, ("2017", "2018-12-31T18"), 6)
    assert found["recipe"] == "here"
    assert found["grid"]["longitude"] == [0.0, 270.0, 4]
    assert data_identity(xr.Dataset(coords=store.coords), ("a", "b"), 6)["simulated"] == "true"
