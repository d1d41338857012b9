"""Climate models, members and shared history in the emulation task, on small stores."""

import numpy as np
import pytest
import xarray as xr
from small_stores import climate, write_store

from climbench.config import instantiate
from climbench.errors import UserError
from climbench.tasks import Emulation
from climbench.tasks.members import draw_members

OPTIONS = {
    "inputs": ["carbon_dioxide"],
    "targets": ["tas"],
    "train_scenarios": ["historical", "ssp370", "ssp585"],
    "validation": {"scenario": "ssp585", "years": [2018, 2021]},
    "test_scenarios": ["ssp126"],
}


def task(store, **options):
    return Emulation(store=store, **{**OPTIONS, **options})


def questions(task, split):
    """Return the (run, year) of each sample."""
    samples = task.split(split)
    years = task.years[samples.window[:, -1]].tolist()
    return [(task.runs.label[run], year) for run, year in zip(samples.scenario, years, strict=True)]


def batch(task, split):
    samples = task.split(split)
    return samples.__getitems__(range(len(samples)))


# ClimateBench's windows.

LENGTHS = {"historical": (1850, 2014), "hist-GHG": (1850, 2014), "hist-aer": (1850, 2014)}
FUTURES = ("ssp126", "ssp245", "ssp370", "ssp585")


def climatebench(joined=False):
    """Return ClimateBench's scenarios on two cells, with history before each future or without."""
    years = np.arange(1850, 2101)
    names = [*LENGTHS, *FUTURES]
    random = np.random.default_rng(0)
    tas = random.normal(size=(len(names), 1, years.size, 2, 1)).astype(np.float32)
    carbon = np.cumsum(random.uniform(size=(len(names), years.size)), axis=1)
    for at, name in enumerate(names):
        first, last = LENGTHS.get(name, (2015, 2100))
        if joined and name in FUTURES:
            past = years <= 2014
            tas[at][:, past], carbon[at, past] = tas[0][:, past], carbon[0, past]
            first = 1850
        outside = (years < first) | (years > last)
        tas[at][:, outside], carbon[at, outside] = np.nan, np.nan
    dims = ("scenario", "member", "time", "latitude", "longitude")
    coordinates = {"scenario": names, "member": [1], "time": years}
    coordinates |= {"latitude": [-45.0, 45.0], "longitude": [0.0]}
    units = {"units": "Gt", "long_name": "cumulative emissions"}
    fields = {"tas": (dims, tas), "carbon_dioxide": (("scenario", "time"), carbon, units)}
    return xr.Dataset(fields, coordinates)


@pytest.mark.parametrize("joined", [False, True])
def test_climatebench_has_its_726_windows_each_once(tmp_path, joined):
    store = write_store(tmp_path / "s", climatebench(joined), "scenario")
    chosen = task(
        store,
        train_scenarios=["ssp126", "ssp370", "ssp585", *LENGTHS],
        validation={"scenario": "ssp370", "years": [2041, 2050]},
        test_scenarios=["ssp245"],
        history=10,
    )
    train = questions(chosen, "train")
    assert len(set(train)) == len(train)
    count = {name: sum(run == name for run, _ in train) for name in {run for run, _ in train}}
    # 156 = 165 years less 9; published: 86 + 86 + 242 (86 and history's 156) + 156 + 156 = 726
    assert count == dict.fromkeys(LENGTHS, 156) | {"ssp126": 86, "ssp370": 56, "ssp585": 86}
    assert len(train) == 726 - 10 - 2 * 10  # the validation block and a gap on both sides of it
    assert questions(chosen, "validation") == [("ssp370", year) for year in range(2041, 2051)]
    assert questions(chosen, "test") == [("ssp245", year) for year in range(2015, 2101)]


def test_a_past_that_futures_share_is_trained_once_even_without_historical(tmp_path):
    store = write_store(tmp_path / "s", climatebench(joined=True), "scenario")
    options = {"validation": {"scenario": "ssp585", "years": [2041, 2050]}}
    chosen = task(store, train_scenarios=["ssp370", "ssp585"], **options)
    train = questions(chosen, "train")
    assert [year for run, year in train if run == "ssp370"] == list(range(1850, 2101))
    assert min(year for run, year in train if run == "ssp585") == 2015
    assert questions(chosen, "test")[0] == ("ssp126", 2015)  # its past was trained on


# Climate models.


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Three climate models; emissions are shared; C has no historical scenario."""
    parts = [climate() + xr.Dataset({"tas": 10.0 * at}) for at in range(3)]
    parts = [part[["tas"]] for part in parts]
    parts[2]["tas"].loc[{"scenario": "historical"}] = np.nan
    ds = xr.concat(parts, xr.Variable("source_id", ["A", "B", "C"]))
    ds["carbon_dioxide"] = climate()["carbon_dioxide"]
    ds["tas"] = ds["tas"].transpose("source_id", "scenario", "member", "time", ...)
    return write_store(tmp_path_factory.mktemp("stores") / "models", ds, "scenario")


def test_runs_are_labelled_by_climate_model_and_scenario(models):
    chosen = task(models)
    assert chosen.signature.climate_models == ("A", "B", "C")
    assert questions(chosen, "test")[::21] == [
        ("A:ssp126", 2010),
        ("B:ssp126", 2010),
        ("C:ssp126", 2010),
    ]
    sample = batch(chosen, "test")
    assert sample.climate_model.tolist() == [0] * 21 + [1] * 21 + [2] * 21
    assert len(sample.run.unique()) == 3
    truth = chosen.truth()
    assert truth["scenario"].values.tolist() == ["A:ssp126", "B:ssp126", "C:ssp126"]
    expected = climate()["tas"].sel(scenario="ssp126", time=slice("2010", None)) + 10.0
    np.testing.assert_allclose(truth["tas"].sel(scenario="B:ssp126"), expected, rtol=1e-6)
    written = [chosen.to_dataset(block, sample.targets[block].numpy()) for block in chosen.blocks()]
    mean = truth["tas"].mean("member").drop_vars("member_count")
    xr.testing.assert_allclose(xr.concat(written, "scenario")["tas"], mean, rtol=1e-6)
    assert chosen.template()["scenario"].values.tolist() == truth["scenario"].values.tolist()


def test_history_comes_from_the_same_climate_model(tmp_path):
    ds = climate()
    parts = [ds, ds.assign(carbon_dioxide=ds["carbon_dioxide"] + 5000.0)]
    both = xr.concat(parts, xr.Variable("source_id", ["A", "B"]), data_vars="all")
    store = write_store(tmp_path / "s", both.transpose("source_id", "scenario", ...), "scenario")
    chosen = task(store, history=3)
    sample = batch(chosen, "test")
    carbon = ds["carbon_dioxide"].sel(scenario="historical").values
    for first, shift in ((0, 0.0), (21, 5000.0)):  # 2010: two years of it are history
        np.testing.assert_allclose(sample.inputs[first, :2, 0, 0, 0], carbon[18:20] + shift)


def test_train_on_a_and_test_on_b(models):
    split = {"train": ["B", "A"], "test": ["A", "C"]}
    chosen = task(models, climate_models=split)
    assert chosen.signature.climate_models == ("B", "A")
    assert {run[0] for run, _ in questions(chosen, "train")} == {"A", "B"}
    assert {run[0] for run, _ in questions(chosen, "validation")} == {"A", "B"}
    sample = batch(chosen, "test")
    assert sample.climate_model.unique().tolist() == [1, 2]  # 2: none that is trained
    train = batch(chosen, "train")
    names = [chosen.runs.label[run][0] for run in chosen.split("train").scenario]
    assert [chosen.signature.climate_models[at] for at in train.climate_model] == names
    mean, _ = chosen.normalisation.scale(["tas"])
    np.testing.assert_allclose(mean[0], train.targets.double().mean())  # C is 10 K warmer
    assert instantiate(chosen.options()).hash == chosen.hash
    assert task(models).hash != chosen.hash


def test_validation_years_are_kept_only_from_climate_models_that_validate(models):
    chosen = task(models, climate_models={"train": ["A", "B"], "validation": ["B"]})
    train = questions(chosen, "train")
    assert ("A:ssp585", 2019) in train and ("B:ssp585", 2019) not in train
    assert {run for run, _ in questions(chosen, "validation")} == {"B:ssp585"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"climate_models": {"train": ["a"]}}, "climate_models.train': store models has no 'a'"),
        ({"climate_models": {"test": []}}, "climate_models.test' is empty"),
        ({"climate_models": {"train": ["A", "A"]}}, "names the climate model 'A' twice"),
        ({"member_count": 3}, "'member_count' = 3 is wrong: store models has 1 to 2 members"),
        ({"member_count": 2, "test_members": ["r2"]}, "has 1 to 1 members"),
        ({"test_members": ["r3"]}, "has no member 'r3': valid names|did you mean"),
        ({"test_members": ["r1", "r2"]}, "names all members"),
    ],
)
def test_mistakes_are_one_sentence(models, options, sentence):
    with pytest.raises(UserError, match=sentence):
        task(models, **options)


def test_a_store_of_one_climate_model_knows_no_climate_models(tmp_path):
    store = write_store(tmp_path / "s", climate(), "scenario")
    with pytest.raises(UserError, match="leave out the option 'climate_models'"):
        task(store, climate_models={"train": ["A"]})
    assert task(store).signature.climate_models == ()
    assert batch(task(store), "test").climate_model.unique().tolist() == [0]


# Members.


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    """Six members, the last of which the historical scenario lacks."""
    return write_store(tmp_path_factory.mktemp("stores") / "six", climate(members=6), "scenario")


def test_more_members_of_a_seed_are_the_fewer_and_others():
    draws = [draw_members(50, count, seed=3).tolist() for count in (1, 3, 50)]
    assert draws[1][:1] == draws[0] and draws[2][:3] == draws[1]
    assert sorted(draws[2]) == list(range(50))
    assert draw_members(50, 3, seed=4).tolist() != draws[1]


def test_training_and_validation_see_the_mean_of_the_drawn_members(ensemble):
    tas = climate(members=6)["tas"]
    for seed in range(4):
        drawn = draw_members(6, 2, seed)
        chosen = task(ensemble, member_count=2, member_seed=seed)
        run = tas.sel(scenario="ssp370", time="2015").isel(member=drawn, time=0).mean("member")
        at = questions(chosen, "train").index(("ssp370", 2015))
        np.testing.assert_allclose(batch(chosen, "train").targets[at, 0, 0], run, rtol=1e-6)
        run = tas.sel(scenario="ssp585", time="2018").isel(member=drawn, time=0).mean("member")
        np.testing.assert_allclose(batch(chosen, "validation").targets[0, 0, 0], run, rtol=1e-6)
        assert chosen.truth().sizes["member"] == 6  # the truth is that of all
        each = task(ensemble, member_count=2, member_seed=seed, members="each")
        assert len(each.split("train")) == 2 * len(chosen.split("train"))


def test_a_run_that_lacks_a_drawn_member_takes_the_next_one_of_the_draw(ensemble):
    seed = next(s for s in range(100) if draw_members(6, 1, s)[0] == 5)
    chosen = task(ensemble, member_count=1, member_seed=seed)
    second = draw_members(6, 2, seed)[1]
    expected = climate(members=6)["tas"].sel(scenario="historical").isel(member=second, time=0)
    np.testing.assert_allclose(batch(chosen, "train").targets[0, 0, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("members", ["average", "each"])
def test_test_members_are_the_truth_and_nothing_else(ensemble, tmp_path, members):
    options = {"test_members": ["r2", "r5"], "members": members}
    chosen = task(ensemble, **options)
    assert chosen.truth()["member"].values.tolist() == ["r2", "r5"]
    changed = climate(members=6)
    changed["tas"].loc[{"member": ["r2", "r5"]}] += 50.0
    other = task(write_store(tmp_path / "s", changed, "scenario"), **options)
    for split in ("train", "validation"):
        np.testing.assert_array_equal(batch(chosen, split).targets, batch(other, split).targets)
    assert chosen.normalisation == other.normalisation
    shift = batch(other, "test").targets - batch(chosen, "test").targets
    np.testing.assert_allclose(shift, 50.0, rtol=1e-5)


def test_truth_of_one_member_has_no_dimension_member(ensemble):
    truth = task(ensemble, test_members=["r4"]).truth()
    expected = climate(members=6)["tas"].sel(scenario=["ssp126"], member="r4")
    expected = expected.sel(time=slice("2010", None))
    np.testing.assert_allclose(truth["tas"], expected, rtol=1e-6)
    assert truth["member_count"].values.tolist() == [1]


# One meaning of carbon dioxide.


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        ({}, "'carbon_dioxide' of scenario '1pctCO2' is what is in the air and not"),
        ({"units": "Gt"}, "scenario '1pctCO2'.*convert it and say so"),
        ({"units": "ppm"}, r"in the air \('ppm'\)"),
        ({"units": "Gt", "long_name": "mass of CO2 in the atmosphere"}, "scenario '1pctCO2'"),
        ({"long_name": "cumulative emissions of CO2 since 1850"}, None),
    ],
)
def test_carbon_dioxide_has_one_meaning(tmp_path, attributes, sentence):
    ds = climate()
    ds = ds.assign_coords(scenario=["historical", "ssp126", "1pctCO2", "ssp585"])
    ds["carbon_dioxide"].attrs = attributes
    store = write_store(tmp_path / "s", ds, "scenario")
    mixed = {"train_scenarios": ["historical", "1pctCO2", "ssp585"]}
    if sentence is None:
        task(store, **mixed)
        return
    with pytest.raises(UserError, match=sentence):
        task(store, **mixed)


def test_carbon_dioxide_of_scenarios_that_a_task_leaves_out_is_no_matter(tmp_path):
    ds = climate().assign_coords(scenario=["historical", "ssp126", "abrupt-4xCO2", "ssp585"])
    store = write_store(tmp_path / "s", ds, "scenario")
    task(store, train_scenarios=["historical", "ssp585"])
    with pytest.raises(UserError, match="'abrupt-4xCO2'"):
        task(store, train_scenarios=["historical", "ssp585"], test_scenarios=["abrupt-4xCO2"])
