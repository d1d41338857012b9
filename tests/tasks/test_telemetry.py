"""Telemetry: covariates, shares of the record, marks, and no future in any answer."""

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from small_stores import write_store

from climbench.errors import UserError
from climbench.models.boosted_trees import BoostedTrees
from climbench.models.boosting import Trees
from climbench.models.feature_regression import FeatureRegression
from climbench.models.rolling_mean import RollingMean, SeasonalNaive
from climbench.tasks import TelemetryForecasting

TIMES = pd.date_range("2024-02-15", periods=1000, freq="10min")


def record():
    random, hours = np.random.default_rng(0), np.arange(1000) / 6
    wave = np.sin(2 * np.pi * hours / 24)
    data = {
        "tank": 20 + 3 * wave + 0.1 * random.normal(size=1000),
        "heater": (wave > 0) * 1.0,
        "bus": random.normal(size=1000),
        "qc_bus": np.zeros(1000),
        "label_tank": (hours > 150) * 1.0,
    }
    data["tank"][300:320] = np.nan
    return xr.Dataset({k: ("time", v.astype(np.float32)) for k, v in data.items()}, {"time": TIMES})


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("stores") / "tank", record())


def task(store, **options):
    given = {"targets": ("tank",), "lead_times": ("10min", 1), "history": 13}
    return TelemetryForecasting(store=store, **{**given, **options})


def test_all_other_series_are_covariates_but_marks_and_what_is_left_out(store):
    assert task(store).inputs == ("tank", "bus", "heater", "qc_bus")
    assert task(store, leave_out=("qc_*",)).inputs == ("tank", "bus", "heater")
    assert task(store, inputs=("tank",)).inputs == ("tank",)
    assert list(task(store).marks()) == ["tank"]


def test_forecasts_are_not_scored_where_the_record_is_marked(store):
    truth, hours = task(store).truth()["tank"], np.arange(812, 1000) / 6
    assert truth.isnull().values[hours > 150].all()
    assert truth.notnull().values[hours <= 150].all()
    batch = task(store).split("train").__getitems__([0])
    assert batch.targets.isfinite().all()


def test_shares_of_the_record_lie_apart_by_a_history(store):
    periods = task(store).periods
    assert periods["train"] == range(0, 600)
    assert periods["validation"] == range(612, 800)
    assert periods["test"] == range(812, 1000)
    again = task(store)
    assert task(store, train=again.train, validation=again.validation, test=again.test).hash


def test_options_build_the_same_task_again(store):
    options = task(store).options()
    again = TelemetryForecasting(**{k: v for k, v in options.items() if k != "_target_"})
    assert again.hash == task(store).hash


MODELS = {
    "rolling_mean": lambda s: RollingMean(s, 6),
    "seasonal_naive": lambda s: SeasonalNaive(s, 12, 2),
    "feature_regression": lambda s: FeatureRegression(s, (6, 12), (1, 6)),
    "xgboost": lambda s: BoostedTrees(s, (6, 12), (1, 6), trees=Trees(rounds=5), quantiles=0),
}


@pytest.mark.parametrize("name", MODELS)
def test_whatever_becomes_of_the_future_the_answers_stay(store, tmp_path, name):
    """One store as it is, one whose values are shuffled behind an initial time of the test."""
    now = 900
    changed = record()
    order = now + np.random.default_rng(1).permutation(1000 - now)
    for series in changed.data_vars.values():
        series.values[now:] = series.values[order]
    other = write_store(tmp_path / "shuffled", changed)
    known, shuffled = task(store), task(other)
    assert known.normalisation == shuffled.normalisation
    model = MODELS[name](known.signature)
    train = known.split("train")
    model.accumulate(_filled(train.__getitems__(range(len(train)))))
    model.solve()
    at = [now - 1 - 812 - 12]  # the sample whose last input is the step before
    one, two = (_filled(each.split("test").__getitems__(at)) for each in (known, shuffled))
    assert not torch.equal(one.targets, two.targets)
    torch.testing.assert_close(model.eval()(one), model(two), rtol=0, atol=0)
    later = range(at[0] + 13, at[0] + 26)  # these have seen changed values alone
    before, after = (_filled(each.split("test").__getitems__(later)) for each in (known, shuffled))
    assert not torch.equal(model(before), model(after))


def _filled(sample):
    return sample._replace(targets=(sample.targets - 20) / 3, inputs=sample.inputs / 10)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"targets": ()}, "'targets' is empty"),
        ({"targets": ("tnk",)}, "tnk.*tank"),
        ({"shares": (0.9, 0.2, 0.2)}, "'shares' = .* add up to 1"),
        ({"lead_times": (200,)}, "1000 steps .* does not fit into the train share: shorten"),
        ({"lead_times": (31,)}, "does not fit into the validation share"),
        ({"train": ("2024-02-15", "2024-02-16")}, "belong together"),
    ],
)
def test_what_cannot_be_asked(store, options, sentence):
    with pytest.raises(UserError, match=sentence):
        task(store, **options)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda ds: ds["tank"].values.fill(np.nan), "'tank' has no value in the training period"),
        (lambda ds: ds["bus"].values.fill(np.nan), "'bus' has no value in the training period"),
        (lambda ds: ds["tank"].values.fill(4), "the target 'tank' is 4 throughout"),
    ],
)
def test_series_with_nothing_to_learn_are_named(tmp_path, spoil, sentence):
    ds = record()
    spoil(ds)
    with pytest.raises(UserError, match=sentence):
        _ = task(write_store(tmp_path / "spoilt", ds)).normalisation


def test_a_record_of_one_row_is_said(tmp_path):
    with pytest.raises(UserError, match=r"has 1 steps .* record longer"):
        task(write_store(tmp_path / "one", record().isel(time=slice(0, 1))))
