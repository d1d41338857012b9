"""Downscaling: what meets what, on which grid, and what stands under a mask."""

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from small_stores import LATITUDE, weather, write_store
from small_training import TRAINER

from climbench.config import ModelConfig, instantiate
from climbench.errors import UserError
from climbench.evaluation import evaluate
from climbench.grids import latitude_weights
from climbench.models.interpolation import Interpolation
from climbench.prediction import predict
from climbench.tasks import Downscaling
from climbench.tasks.coarsening import Coarsening
from climbench.tasks.counterparts import counterparts
from climbench.tasks.timeline import Timeline
from climbench.training import train

DAYS = pd.date_range("2000-01-01", "2000-04-30", freq="D")
PERIODS = {
    "train": ("2000-01-01", "2000-02-29"),
    "validation": ("2000-03-01", "2000-03-31"),
    "test": ("2000-04-01", "2000-04-30"),
}
T = "2m_temperature"
MASK = np.ones((4, 8), np.float32)
MASK[1, 2:5] = 0.0
MASK[3] = np.nan


def model(target, **options):
    """Return a closed form of climbench.models."""
    network = {"_target_": f"climbench.models.{target}", **options}
    return ModelConfig(name=target.split(".")[0], network=network)


BILINEAR = model("interpolation.Interpolation", method="bilinear")
MAPPING = model("quantile_mapping.QuantileMapping", quantiles=5, parts_of_year=1)
BCSD = model("bcsd.BCSD", quantiles=5, parts_of_year=1)
LINEAR = model("linear_downscaling.LinearDownscaling", ridge=[0.01])
CLOSED_FORMS = [BILINEAR, LINEAR, MAPPING, BCSD]


def fine(days=DAYS, seed=0):
    grid = ("latitude", "longitude")
    return weather(days, seed).assign(mask=(grid, MASK), sea=(grid, np.zeros_like(MASK)))


def task(store, **options):
    usual = {"inputs": [T], "targets": [T], "coarsening": 2}
    return Downscaling(store=store, **{**usual, **PERIODS, **options})


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("stores") / "fine", fine())


def test_inputs_are_area_means_of_the_targets_of_the_same_moment(store):
    asked = task(store, static=["orography"])
    assert asked.signature.input_shape == (2, 4)
    assert asked.signature.shape == (4, 8)
    assert asked.signature.input_latitude == (-45.0, 45.0)
    samples = asked.split("train")
    assert len(samples) == 60
    batch = samples.__getitems__([0, 59])
    weights = latitude_weights(LATITUDE)[:2, None]
    block = batch.targets[:, 0, 0, :2, :2].numpy()
    np.testing.assert_allclose(
        batch.inputs[:, 0, 0, 0, 0], (block * weights).sum((1, 2)) / (2 * weights.sum()), rtol=1e-6
    )
    assert (batch.lead_time == 0).all()
    np.testing.assert_array_equal(batch.day_of_year[:, 0], [1, 60])


def test_a_history_ends_with_the_moment_itself(store):
    batch = task(store, history=3).split("test").__getitems__([0])
    now = Coarsening.of(xr.open_zarr(store, consolidated=False), 2)(batch.targets.numpy())
    np.testing.assert_array_equal(batch.inputs[:, -1:], now)
    assert not np.array_equal(batch.inputs[:, 1:2], now)


def test_channels_that_come_and_go_have_the_scale_of_the_fine_field(store):
    asked = task(store, inputs=[T, "geopotential_500"])
    ds = xr.open_zarr(store, consolidated=False).sel(time=slice(*PERIODS["train"])).load()
    mean, std = asked.normalisation.scale([T, "geopotential_500"])
    coarse = Coarsening.of(ds, 2)(ds["geopotential"].sel(level=500).values)
    np.testing.assert_allclose(mean, [ds[T].mean(), coarse.mean()], rtol=1e-6)
    np.testing.assert_allclose(std, [ds[T].values.astype("f8").std(), coarse.std()], rtol=1e-4)


def test_nothing_is_learnt_from_later_periods(tmp_path):
    ds = fine()
    changed = ds.copy(deep=True)
    changed[T][DAYS >= "2000-03-01"] = 1e6
    one, other = (
        task(write_store(tmp_path / n, each)) for n, each in (("one", ds), ("other", changed))
    )
    assert one.normalisation == other.normalisation
    xr.testing.assert_identical(one.climatology(), other.climatology())
    assert one.hash != other.hash


def scored(store, folder, config, **options):
    """Return the scores of a model on the test period."""
    asked = task(store, cache=folder / "cache", **options)
    checkpoint = train(asked, config, TRAINER, folder / "training")
    path = predict(checkpoint, asked, folder / "predictions.zarr", batch_size=16)
    scores = evaluate(
        path, asked.truth(), asked.climatology(), ["rmse", "bias", "acc", "pearson"], bootstrap=0
    )
    return scores, asked


@pytest.mark.parametrize("config", CLOSED_FORMS, ids=lambda config: config.name)
def test_what_stands_under_the_mask_changes_nothing(tmp_path, config):
    """Not the scaling, not the fit, not the scores: -9999 or anything else."""
    results = []
    for name, filling in (("a", -9999.0), ("b", np.nan), ("c", 4e5)):
        ds = fine()
        ds[T] = ds[T].where(MASK == 1, filling)
        ds["other"] = weather(DAYS, 1)[T]  # of which the inputs are made
        path = write_store(tmp_path / name, ds)
        source = write_store(tmp_path / f"{name}_in", ds[["other"]].rename(other=T))
        results.append(
            scored(path, tmp_path / f"run_{name}", config, mask="mask", input_store=source)
        )
    for scores, asked in results[1:]:
        xr.testing.assert_equal(scores["score"], results[0][0]["score"])
        assert asked.normalisation == results[0][1].normalisation
        xr.testing.assert_equal(asked.climatology(), results[0][1].climatology())
    truth = results[0][1].truth()[T]
    for split in (truth, results[0][1].training()[T]):  # thresholds are of the latter
        assert float(split.min()) > 100
    assert float(np.isfinite(truth[0]).sum()) == np.count_nonzero(MASK == 1)


def test_masked_cells_are_not_in_the_denominator(tmp_path):
    """Fields that are 1 K too warm have an RMSE of 1 K, however many cells are masked."""
    ds = fine()
    ds[T] = ds[T].where(MASK == 1)
    coarse = fine()[[T]] + 1.0
    coarse[T].attrs = dict(ds[T].attrs)
    paths = [write_store(tmp_path / n, each) for n, each in (("fine", ds), ("in", coarse))]
    scores, _ = scored(
        paths[0], tmp_path / "run", BILINEAR, mask="mask", input_store=paths[1], coarsening=None
    )
    for metric in ("rmse", "bias"):
        np.testing.assert_allclose(scores["score"].sel(metric=metric), 1.0, rtol=1e-3)


def test_a_gap_in_the_truth_is_left_out_of_the_fit_of_its_cell_alone(tmp_path):
    ds = fine()
    with_gap = ds.copy(deep=True)
    with_gap[T][3:40, 0, 0] = np.nan
    answers = []
    for name, each in (("whole", ds), ("gap", with_gap)):
        path = write_store(tmp_path / name, each)
        source = write_store(tmp_path / f"{name}_in", ds[[T]])
        asked = task(path, input_store=source, cache=tmp_path / f"cache_{name}")
        asked.normalisation = task(source).normalisation
        checkpoint = train(asked, MAPPING, TRAINER, tmp_path / f"t_{name}")
        answers.append(xr.open_zarr(predict(checkpoint, asked, tmp_path / f"{name}.zarr", 16))[T])
    apart = (abs(answers[0] - answers[1]) > 1e-4).any(("time", "prediction_timedelta"))
    assert apart.values[0, 0]
    assert apart.sum() == 1


# Two archives.


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (  # daily means, stamped at different hours, one without leap days
            pd.date_range("2000-02-27", "2000-03-02", freq="D"),
            xr.date_range("2000-02-27T12", periods=5, freq="D", calendar="noleap", use_cftime=True),
            [0, 1, -1, 2, 3],
        ),
        (  # 12-hourly times meet by the hour
            pd.date_range("2000-01-01", periods=4, freq="12h"),
            pd.date_range("2000-01-01", periods=2, freq="D"),
            [0, -1, 1, -1],
        ),
        (  # monthly means, at the beginning and in the middle of the month
            pd.date_range("2000-01-01", periods=3, freq="MS"),
            pd.to_datetime(["2000-01-16", "2000-02-15", "2000-04-16"]),
            [0, 1, -1],
        ),
    ],
)
def test_times_of_two_archives_meet_by_date(one, other, expected):
    found = counterparts(Timeline(one), Timeline(other), ("one", "other"))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("swap", [False, True])
def test_a_day_does_not_stand_for_its_month(swap):
    months = Timeline(pd.date_range("2000-01-01", periods=9, freq="MS"))
    pair = [(months, "months"), (Timeline(DAYS), "days")][:: -1 if swap else 1]
    with pytest.raises(UserError, match=r"months has one time a month and days has more: .*means"):
        counterparts(pair[0][0], pair[1][0], (pair[0][1], pair[1][1]))


def test_years_meet_whatever_their_month():
    years = [
        xr.date_range(f"2000-{month}", periods=3, freq="YS-" + name, use_cftime=True)
        for month, name in (("01-01", "JAN"), ("07-01", "JUL"))
    ]
    found = counterparts(Timeline(years[0]), Timeline(years[1]), ("one", "other"))
    np.testing.assert_array_equal(found, [0, 1, 2])


def test_archives_without_a_common_time_are_one_sentence():
    late = Timeline(pd.date_range("2010-01-01", periods=9, freq="D"))
    with pytest.raises(UserError, match=r"one \(2000-01-01.* and other .* share no time"):
        counterparts(Timeline(DAYS), late, ("one", "other"))


@pytest.fixture(scope="module")
def model_store(tmp_path_factory):
    """A climate model on a grid of its own, in a calendar without leap days, 5 K too warm."""
    days = xr.date_range("2000-01-01T12", periods=130, calendar="noleap", use_cftime=True)
    east = np.arange(0.0, 360.0, 90.0)
    wave = np.sin(np.deg2rad(east) - 2 * np.pi * np.arange(130)[:, None] / 16)
    field = 285 + 10 * np.broadcast_to(wave[:, None], (130, 3, 4)).astype(np.float32)
    ds = xr.Dataset(
        {T: (("time", "latitude", "longitude"), field, {"units": "K"})},
        {"time": days, "latitude": [-60.0, 0.0, 60.0], "longitude": east},
    )
    return write_store(tmp_path_factory.mktemp("stores") / "model", ds)


def test_inputs_come_from_the_date_of_the_targets(store, model_store):
    asked = task(store, input_store=model_store, coarsening=None)
    assert asked.signature.input_shape == (3, 4)
    samples = asked.split("train")
    assert len(samples) == 59  # 29 February is in one calendar alone
    given = xr.open_zarr(model_store, consolidated=False)[T].values
    np.testing.assert_array_equal(samples[58].inputs[0, 0, 0], given[58])
    np.testing.assert_array_equal(
        samples[58].targets[0, 0, 0],
        xr.open_zarr(store, consolidated=False)[T].sel(time="2000-02-28").values,
    )
    rebuilt = instantiate(asked.options())
    assert rebuilt.hash == asked.hash
    assert rebuilt.hash != task(store).hash


def test_dates_that_are_no_weather_teach_distributions_alone(store, model_store, tmp_path):
    asked = task(store, input_store=model_store, coarsening=None, synchronous=False)
    assert asked.required_baselines == ("bilinear", "quantile_mapping")
    with pytest.raises(UserError, match=r"'linear_downscaling' learns from pairs"):
        train(asked, LINEAR, TRAINER, tmp_path / "linear")
    for config in (MAPPING, BCSD):
        checkpoint = train(asked, config, TRAINER, tmp_path / config.name)
        path = predict(checkpoint, asked, tmp_path / f"{config.name}.zarr", 16)
        answer = xr.open_zarr(path, consolidated=False)[T]
        assert answer.dims == ("time", "prediction_timedelta", "latitude", "longitude")
        np.testing.assert_allclose(answer.mean(), asked.truth()[T].mean(), atol=0.5)  # not + 5 K


def test_predictions_carry_one_lead_of_no_hours(store, tmp_path):
    asked = task(store)
    whole = asked.template()
    assert whole["prediction_timedelta"].values.tolist() == [0]
    assert whole.sizes["time"] == 30
    assert whole[T].attrs["units"] == "K"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"coarsening": None}, "needs 'coarsening'.* or 'input_store'"),
        ({"coarsening": 3}, "no whole blocks of 4 x 8 cells: take 2"),
        ({"mask": "masc"}, "no channel 'masc': did you mean 'mask'"),
        ({"mask": T}, "option 'mask': '2m_temperature' varies in time: name one that is constant"),
        ({"mask": "sea"}, "'mask' = sea shuts every cell out"),
        ({"inputs": ["tas"]}, "option 'inputs': store fine has no channel 'tas'"),
        ({"history": 0}, "'history' = 0 is wrong"),
    ],
)
def test_mistakes_are_one_sentence(store, options, sentence):
    with pytest.raises(UserError, match=sentence):
        task(store, **options)


def test_units_of_two_archives_must_agree(store, tmp_path):
    other = fine()[[T]]
    other[T].attrs["units"] = "degC"
    path = write_store(tmp_path / "celsius", other)
    with pytest.raises(UserError, match=r"in degC in the input store and in K in store fine"):
        task(store, input_store=path)


def test_coarse_means_are_of_the_values_that_there_are():
    axes = {"latitude": [-15.0, 15.0, 45.0, 75.0], "longitude": [0.0, 10.0, 20.0, 30.0]}
    fields = np.full((4, 4), np.nan, np.float32)
    fields[[0, 1, 0, 3], [1, 0, 3, 3]] = [1.0, 2.0, 7.0, 5.0]
    answer = Coarsening.of(xr.Dataset(coords=axes), 2)(fields)
    np.testing.assert_array_equal(answer, [[1.5, 7.0], [np.nan, 5.0]])


def test_a_checkpoint_knows_the_grid_of_its_inputs(store, model_store, tmp_path):
    checkpoint = train(task(store), BILINEAR, TRAINER, tmp_path / "t")
    other = task(store, input_store=model_store, coarsening=None)
    with pytest.raises(UserError, match=r"with inputs on the grid 2 x 4 .* has 3 x 4"):
        predict(checkpoint, other, tmp_path / "p.zarr", 16)


def test_the_task_hands_out_tensors_of_one_type(store):
    for part in task(store).split("validation")[0][:4]:
        assert part.dtype == torch.float32


@pytest.mark.parametrize("options", [{"coarsening": 2}, {"input_store": True, "coarsening": None}])
def test_rows_from_north_to_south_are_the_same_fields(tmp_path, options):
    """As several archives have them; interpolated by position they would be upside down."""
    answers = []
    for name, rows in (("up", slice(None)), ("down", slice(None, None, -1))):
        ds = fine()[[T]].isel(latitude=rows)
        path = write_store(tmp_path / name / "fine", ds)
        own = dict(options)
        if "input_store" in own:
            own["input_store"] = write_store(tmp_path / name / "in" / "coarse", ds)
        asked = task(path, **own)
        sample = asked.split("test").__getitems__([3, 5])
        answers.append((sample, Interpolation(asked.signature)(sample)))
        assert asked.signature.latitude == tuple(LATITUDE)
    for one, other in zip(
        *((each.inputs, each.targets, answer) for each, answer in answers), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_days_that_are_stamped_differently_meet_by_their_shift(store, tmp_path):
    """Days from noon to noon: one archive names them after their beginning, one after their end."""
    noons = fine(DAYS - pd.Timedelta(12, "h"), seed=3).drop_vars(["mask", "sea"])
    inputs = write_store(tmp_path / "noons", noons)
    asked = task(store, coarsening=None, input_store=inputs, input_shift=24)
    np.testing.assert_array_equal(asked.counterpart, np.arange(DAYS.size))
    batch = asked.split("train").__getitems__([0])
    np.testing.assert_array_equal(batch.inputs[0, 0, 0], noons[T][0])
    unshifted = task(store, coarsening=None, input_store=inputs)
    np.testing.assert_array_equal(unshifted.counterpart, [*range(1, DAYS.size), -1])
