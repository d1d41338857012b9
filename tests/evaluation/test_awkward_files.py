"""Files that an independent reader tried: what is taken, and what is refused in one sentence."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from climbench.cli import main
from climbench.errors import UserError
from climbench.evaluation import evaluate, read_scores


@pytest.fixture
def members(runs):
    """Runs of two scenarios, their truth with three members."""
    prediction, truth = runs
    random = np.random.default_rng(3)
    several = [truth + random.normal(0, 0.5, truth.tas.shape) for _ in range(3)]
    return prediction, xr.concat(several, "member").assign_coords(member=[1, 2, 3])


def test_without_draws_there_is_a_noise_floor_but_no_bound(members, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prediction, truth = members
    prediction.to_netcdf("p.nc")
    truth.to_netcdf("t.nc")
    options = ["predictions=p.nc", "truth=t.nc", "metrics=[rmse]", "bootstrap=0"]
    assert main(["evaluate", *options, "output=none"]) == 0
    scores = read_scores(tmp_path / "none")
    drawn = evaluate(prediction, truth, metrics=["rmse"], bootstrap=100)
    np.testing.assert_array_equal(scores.noise_floor, drawn.noise_floor)
    assert (scores.noise_floor > 0).all()
    for name in ("lower", "upper", "score_noise"):
        assert np.isnan(scores[name]).all() and np.isfinite(drawn[name]).all()
    assert "member_draws" not in scores


def test_the_spread_of_climate_runs_has_no_bounds_and_says_so(members):
    prediction, truth = members
    ensemble = xr.concat([prediction, prediction + 1], "member").assign_attrs(model="m")
    scores = evaluate(ensemble, truth, metrics=["rmse", "crps", "spread"], bootstrap=100)
    assert "no bounds of spread: " in scores.notes and "no bounds of crps" not in scores.notes
    assert np.isnan(scores.lower.sel(metric="spread")).all()
    assert np.isfinite(scores.lower.sel(metric=["rmse", "crps"])).all()


MASK = xr.DataArray(
    np.arange(48.0).reshape(6, 8) % 3 == 0,
    dims=("latitude", "longitude"),
).astype(np.float64)


@pytest.mark.parametrize(
    ("name", "attributes", "factor"),
    [
        ("land_sea_mask", {}, 1.0),
        ("lsm", {"units": "(0 - 1)"}, 1.0),
        ("sftlf", {"standard_name": "land_area_fraction", "units": "%"}, 100.0),
    ],
)
def test_a_mask_that_repeats_in_time_is_the_mask(forecasts, truth, name, attributes, factor):
    """As ERA5 has it: the same field at each time."""
    expected = evaluate(forecasts, truth.assign(land_sea_mask=MASK), regions=["land"], bootstrap=0)
    field = (factor * MASK).assign_attrs(attributes)
    masked = truth.assign({name: field.expand_dims(time=truth.time).assign_attrs(attributes)})
    found = evaluate(forecasts, masked, regions=["land"], bootstrap=0)
    np.testing.assert_array_equal(found.score, expected.score)
    assert f"the truth's {name}" in found.conventions
    without = evaluate(forecasts, truth, regions=["land"], bootstrap=0)
    assert not np.allclose(found.score, without.score)


def test_a_mask_that_changes_in_time_is_refused_where_it_would_count(forecasts, truth):
    field = MASK.expand_dims(time=truth.time).copy(deep=True)
    field[-1, 0, 0] = 0.5
    moving = truth.assign(land_sea_mask=field)
    with pytest.raises(UserError, match="truth: the mask 'land_sea_mask' varies along time"):
        evaluate(forecasts, moving, regions=["land"], bootstrap=0)
    evaluate(forecasts, moving, regions=["global"], bootstrap=0)


def without_first(index):
    return index.where(np.arange(index.size) > 0)


def test_times_that_are_missing_are_refused(forecasts, truth):
    hours = (forecasts.prediction_timedelta / np.timedelta64(1, "h")).to_numpy().astype(np.int64)
    hours[1] = np.iinfo(np.int64).min  # NaT as netCDF keeps it
    leads = ("prediction_timedelta", hours, {"units": "hours"})
    with pytest.raises(UserError, match=r"predictions: .*'prediction_timedelta' has missing"):
        evaluate(forecasts.assign_coords(prediction_timedelta=leads), truth)
    initial = forecasts.assign_coords(time=without_first(forecasts.indexes["time"]))
    with pytest.raises(UserError, match="predictions: the coordinate 'init_time' has missing"):
        evaluate(initial.rename(time="init_time"), truth)
    with pytest.raises(UserError, match="truth: the coordinate 'time' has missing"):
        evaluate(forecasts, truth.assign_coords(time=without_first(truth.indexes["time"])))


@pytest.mark.parametrize("kind", ["complex64", "<U8", "datetime64[ns]"])
def test_fields_of_other_than_real_numbers_are_refused(forecasts, truth, climatology, kind):
    def spoiled(dataset):
        field = dataset["2m_temperature"]
        values = field.astype(np.int64) if kind.startswith("date") else field
        return dataset.assign({"2m_temperature": values.astype(kind).assign_attrs(field.attrs)})

    several = xr.concat([truth, truth], "member", combine_attrs="override")
    for role, sources in {
        "predictions": (spoiled(forecasts), truth),
        "truth": (forecasts, spoiled(truth)),
        "truth ": (forecasts, spoiled(several)),
        "climatology": (forecasts, truth, spoiled(climatology)),
    }.items():
        sentence = f"{role.strip()}: the variable '2m_temperature' has values of the type"
        with pytest.raises(UserError, match=sentence):
            evaluate(*sources, metrics=["acc" if len(sources) > 2 else "rmse"], bootstrap=0)


def test_truth_and_booleans_are_numbers(forecasts, truth):
    frost = truth[["2m_temperature"]] < 280
    found = evaluate(forecasts[["2m_temperature"]], frost, metrics=["mse"], bootstrap=0)
    expected = evaluate(
        forecasts[["2m_temperature"]], frost.astype(float), metrics=["mse"], bootstrap=0
    )
    np.testing.assert_array_equal(found.score, expected.score)


@pytest.mark.parametrize("name", ["auroc", "auprc"])
def test_areas_of_ensembles_are_the_mean_over_members_of_the_truth(forecasts, truth, name):
    random = np.random.default_rng(5)

    def several(dataset, number):
        one = dataset[["2m_temperature"]]
        noise = [random.normal(0, 3, one["2m_temperature"].shape) for _ in range(number)]
        made = xr.concat([one + each for each in noise], "member")
        return made.assign_coords(member=np.arange(number)).assign_attrs(model="m")

    label = f"{name}(threshold=283)"
    ensemble, truths = several(forecasts, 6), several(truth, 3)
    scores = evaluate(ensemble, truths, metrics=[label, "brier(threshold=283)"], bootstrap=0)
    single = [
        evaluate(ensemble, truths.isel(member=n, drop=True), metrics=[label], bootstrap=0).score
        for n in range(3)
    ]
    np.testing.assert_allclose(scores.score.sel(metric=[label]), np.mean(single, axis=0))
    assert f"{label}, brier(threshold=283) against each of the 3 members" in scores.notes
    one = evaluate(forecasts[["2m_temperature"]], truths, metrics=[label], bootstrap=0)
    mean = evaluate(
        forecasts[["2m_temperature"]], truths.mean("member"), metrics=[label], bootstrap=0
    )
    np.testing.assert_allclose(one.score, mean.score)  # a single forecast: against the mean


def test_a_member_of_the_truth_without_the_event_does_not_count_for_the_area(forecasts, truth):
    calm = xr.full_like(truth[["2m_temperature"]], 200.0)
    truths = xr.concat([truth[["2m_temperature"]], calm], "member")
    ensemble = xr.concat([forecasts, forecasts + 2], "member")[["2m_temperature"]]
    ensemble = ensemble.assign_attrs(model="m")
    labels = {"metrics": ["auroc(threshold=283)"], "bootstrap": 0}
    both, alone = evaluate(ensemble, truths, **labels), evaluate(ensemble, truth, **labels)
    np.testing.assert_allclose(both.score, alone.score)


def test_axes_without_any_place_are_refused(forecasts, truth):
    several = xr.concat([forecasts, forecasts], "number").assign_attrs(model="m")
    for dataset, name in (
        (forecasts, "time"),
        (forecasts, "prediction_timedelta"),
        (forecasts, "latitude"),
        (forecasts, "level"),
        (several, "number"),
    ):
        empty = dataset.isel({name: slice(0)})
        with pytest.raises(UserError, match=f"predictions: the dimension '{name}' is empty"):
            evaluate(empty, truth, metrics=["rmse"])
    with pytest.raises(UserError, match="truth: the dimension 'time' is empty"):
        evaluate(forecasts, truth.isel(time=slice(0)))


def test_a_latitude_beyond_the_poles_is_refused(forecasts, truth):
    rows = np.array([-75.0, -45.0, -15.0, 15.0, 45.0, 95.0])
    with pytest.raises(UserError, match="truth: the latitude 95 lies beyond the poles"):
        evaluate(forecasts, truth.assign_coords(latitude=rows))


def test_years_that_are_none_are_refused(runs):
    prediction, truth = runs
    years = pd.Index(truth.time.dt.year.to_numpy() + 0.5)
    with pytest.raises(UserError, match=r"predictions: 'time' has the value 1990.5, which is no"):
        evaluate(prediction.assign_coords(time=years), truth.assign_coords(time=years))


@pytest.mark.parametrize(
    ("metric", "sentence"),
    [
        ("classification(threshold=300)", "is a family of metrics and takes no parameters"),
        ("f1(threshold=300,quantile=0.9)", "give only one of threshold and quantile"),
        ("f1", "give threshold=.. or quantile=.."),
    ],
)
def test_words_about_metrics(forecasts, truth, metric, sentence):
    with pytest.raises(UserError, match=sentence):
        evaluate(forecasts, truth, metrics=[metric])


@pytest.mark.parametrize("draws", [1, 99])
def test_a_few_draws_make_no_interval(forecasts, truth, draws):
    with pytest.raises(UserError, match="'bootstrap' must be at least 100, or 0 for no bounds"):
        evaluate(forecasts, truth, bootstrap=draws)
