"""Splits, windows and scaling of the emulation task, on four scenarios of a small climate."""

import numpy as np
import pytest
import xarray as xr
from small_stores import climate, write_store

from climbench.config import instantiate
from climbench.errors import UserError
from climbench.store.reading import Reading
from climbench.tasks import Emulation

OPTIONS = {
    "inputs": ["carbon_dioxide"],
    "targets": ["tas"],
    "train_scenarios": ["historical", "ssp370", "ssp585"],
    "validation": {"scenario": "ssp585", "years": [2018, 2021]},
    "test_scenarios": ["ssp126"],
}
YEARS = np.arange(1990, 2031)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("stores") / "climate", climate(), "scenario")


def task(store, **options):
    return Emulation(store=store, **{**OPTIONS, **options})


def labels(task, name):
    """Return the (scenario, year) of each sample of a split."""
    samples = task.split(name)
    years = YEARS[samples.window[:, -1]]
    return [(task.runs.label[s], int(y)) for s, y in zip(samples.scenario, years, strict=True)]


def test_a_whole_scenario_for_validation_leaves_history_in_training(store):
    """Validation is 2010 to 2030: with one year of history only 2009 is too near."""
    whole = {"scenario": "ssp370", "years": None}
    train = labels(task(store, train_scenarios=["historical", "ssp585"], validation=whole), "train")
    assert {y for s, y in train if s == "historical"} == set(range(1990, 2009))
    assert {y for s, y in train if s == "ssp585"} == set(range(2010, 2031))


@pytest.mark.parametrize("method", ["ram", "mmap", "zarr"])
def test_what_the_machine_reads_with_reaches_the_fields(store, method):
    chosen = task(store)
    chosen.reading = Reading(method)
    assert chosen.fields.average.method == method
    expected = task(store).fields.average[np.arange(5)]
    np.testing.assert_array_equal(chosen.fields.average[np.arange(5)], expected)


def test_each_scenario_year_is_one_sample(store):
    chosen = task(store)
    train = labels(chosen, "train")
    assert len(set(train)) == len(train)
    assert {y for s, y in train if s == "historical"} == set(range(1990, 2010))
    assert {y for s, y in train if s == "ssp370"} == set(range(2010, 2031))
    # one year of history keeps training one year away from the block on both sides
    assert {y for s, y in train if s == "ssp585"} == {*range(2010, 2017), *range(2023, 2031)}
    assert labels(chosen, "validation") == [("ssp585", y) for y in range(2018, 2022)]
    assert labels(chosen, "test") == [("ssp126", y) for y in range(2010, 2031)]


def test_windows_of_a_future_scenario_reach_back_into_history(store):
    chosen = task(store, history=4)
    ds = climate()
    carbon = ds["carbon_dioxide"]
    historical = carbon.sel(scenario="historical")
    batch = chosen.split("test").__getitems__([0, 2])
    own = carbon.sel(scenario="ssp126").values
    joined = np.where(np.isnan(own), historical, own)
    for row, year in enumerate((2010, 2012)):
        expected = joined[year - 3 - 1990 : year + 1 - 1990]
        np.testing.assert_allclose(batch.inputs[row, :, 0, 2, 3], expected)
        assert (batch.inputs[row] == batch.inputs[row, :, :, :1, :1]).all()  # one global figure
        mean = ds["tas"].sel(scenario="ssp126").isel(time=year - 1990).mean("member")
        np.testing.assert_allclose(batch.targets[row, 0, 0], mean, rtol=1e-6)
    assert {y for s, y in labels(chosen, "train") if s == "historical"} == set(range(1993, 2010))


def test_without_history_in_the_store_the_first_windows_are_left_out(tmp_path):
    ds = climate(("ssp126", "ssp370", "ssp585", "historical")).isel(scenario=slice(3))
    store = write_store(tmp_path / "s", ds, "scenario")
    chosen = task(store, history=4, train_scenarios=["ssp370", "ssp585"])
    assert labels(chosen, "test")[0] == ("ssp126", 2013)


def test_a_validation_block_at_the_join_keeps_history_away_too(store):
    chosen = task(store, history=3, validation={"scenario": "ssp585", "years": [2010, 2012]})
    train = labels(chosen, "train")
    assert {y for s, y in train if s == "historical"} == set(range(1992, 2007))
    assert {y for s, y in train if s == "ssp585"} == set(range(2016, 2031))
    assert {y for s, y in train if s == "ssp370"} == set(range(2010, 2031))


def test_members_are_averaged_or_samples_of_their_own(store):
    ds = climate()
    average, each = task(store), task(store, members="each")
    train = each.split("train")
    assert len(train) == 20 + 2 * (21 + 15)  # the historical scenario lacks a member
    assert len(average.split("train")) == 20 + 21 + 15
    assert len(each.split("test")) == len(average.split("test")) == 21
    first = train.__getitems__([0]).targets[0, 0, 0]
    np.testing.assert_array_equal(first, ds["tas"].sel(scenario="historical")[0, 0])
    lacking = average.split("train").__getitems__([0]).targets[0, 0, 0]
    np.testing.assert_array_equal(lacking, ds["tas"].sel(scenario="historical")[0, 0])


def test_the_test_scenario_changes_no_statistics(tmp_path, store):
    changed = climate()
    changed["tas"].loc[{"scenario": "ssp126"}] = 1e4
    changed["carbon_dioxide"].loc[{"scenario": "ssp126"}] = 1e9
    other = write_store(tmp_path / "s", changed, "scenario")
    for members in ("average", "each"):
        one = task(store, members=members).normalisation
        assert one == task(other, members=members).normalisation
    batch = task(store).split("train")
    batch = batch.__getitems__(range(len(batch)))
    mean, std = task(store).normalisation.scale(["tas"])
    np.testing.assert_allclose(mean[0], batch.targets.double().mean())
    np.testing.assert_allclose(std[0], batch.targets.double().std(correction=0))


def test_truth_keeps_its_members_and_counts_them(store):
    chosen = task(store, period=(2020, 2030))
    truth = chosen.truth()
    expected = climate()["tas"].sel(scenario=["ssp126"], time=slice("2020", "2030"))
    np.testing.assert_array_equal(truth["tas"], expected)
    assert truth["member_count"].values.tolist() == [2]
    assert truth.sizes["time"] == 11
    assert chosen.climatology() is None


def test_predictions_lie_at_their_scenario_and_year(store):
    chosen = task(store, test_scenarios=["ssp370", "ssp126"], train_scenarios=["ssp585"])
    samples = chosen.split("test")
    parts = []
    for block in chosen.blocks():
        values = samples.__getitems__(block.tolist()).targets.numpy()
        parts.append(chosen.to_dataset(block, values))
    ds = xr.concat(parts, "scenario")
    xr.testing.assert_allclose(
        ds["tas"], chosen.truth()["tas"].mean("member").drop_vars("member_count")
    )
    assert ds.sizes == chosen.template().sizes
    assert ds["scenario"].values.tolist() == chosen.template()["scenario"].values.tolist()


def test_options_build_the_same_task_again(store):
    chosen = task(store, history=2)
    assert instantiate(chosen.options()).hash == chosen.hash
    assert task(store).hash != chosen.hash


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"test_scenarios": ["ssp585"]}, "'ssp585' is in test_scenarios and in training"),
        ({"test_scenarios": ["ssp12"]}, "no scenario 'ssp12': did you mean 'ssp126'"),
        ({"inputs": ["carbon_dioxyde"]}, "did you mean 'carbon_dioxide'"),
        ({"targets": []}, "'targets' is empty"),
        ({"history": 0}, "'history' = 0"),
        ({"train_scenarios": []}, "'train_scenarios' is empty"),
        ({"period": [2150, 2160]}, r"'period' = \[2150, 2160\] is outside store"),
        (
            {"validation": {"scenario": "ssp585", "years": [2021, 2018]}},
            r"'validation.years' = \[2021, 2018\] ends before it begins",
        ),
    ],
)
def test_mistakes_are_one_sentence(store, options, sentence):
    with pytest.raises(UserError, match=sentence):
        task(store, **options)


def test_a_split_without_samples_is_an_error(store):
    empty = task(store, validation={"scenario": "ssp585", "years": [1990, 1999]})
    with pytest.raises(UserError, match="validation split has no year"):
        empty.split("train")


def test_a_misspelt_key_of_the_validation_block_is_refused(store):
    node = {"_target_": "climbench.tasks.Emulation", **OPTIONS}
    node["validation"] = {"scenario": "ssp585", "year": [2018, 2021]}
    with pytest.raises(UserError, match="validation"):
        instantiate(node, store=store)
