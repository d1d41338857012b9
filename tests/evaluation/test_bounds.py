"""Bounds and bins of scores, and the options that they hang on."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.evaluation import binned, combine, evaluate


@pytest.fixture
def slow(weather, persistence):
    """Forecasts whose errors hang together over weeks."""
    truth = weather(pd.date_range("2020-01-01", periods=140, freq="24h"))
    forecasts = persistence(truth, truth.time[:120], [24], error=0.1)
    size = 1 + 0.8 * np.sin(2 * np.pi * np.arange(120) / 60)
    valid = forecasts.time + forecasts.prediction_timedelta
    there = truth.sel(time=valid).assign_coords(time=forecasts.time)
    scaled = there + (forecasts - there) * xr.DataArray(size, dims="time")
    return scaled.assign_attrs(forecasts.attrs), truth


def test_bounds_do_not_depend_on_the_order_of_metrics(slow):
    one = evaluate(*slow, metrics=["rmse", "bias", "csi(threshold=280)"])
    other = evaluate(*slow, metrics=["csi(threshold=280)", "bias", "rmse"])
    for name in ("lower", "upper", "block_length"):
        np.testing.assert_array_equal(one[name], other[name].sel(metric=one.metric))
    lengths = one.block_length.isel(model=0)
    assert lengths.sel(metric="rmse") > 5 and lengths.sel(metric="csi(threshold=280)") > 1


def ensemble(forecasts, members, seed):
    random = np.random.default_rng(seed)
    number = xr.DataArray(np.arange(members), dims="number")
    noise = xr.DataArray(
        random.normal(size=(members, forecasts.sizes["time"])), dims=("number", "time")
    )
    made = forecasts[["2m_temperature"]] + 0 * number + noise
    return made.assign_attrs(forecasts.attrs, model=f"of {members}")


def test_ensembles_of_two_sizes_keep_their_own_bins_in_one_file(forecasts, truth):
    label = "roc_area(threshold=280)"
    single = [evaluate(ensemble(forecasts, m, m), truth, metrics=[label]) for m in (4, 9)]
    both = binned(combine(single), "month")
    for scores in single:
        own = binned(scores, "month").squeeze("model")
        np.testing.assert_array_equal(both.sel(model=scores.model.item()), own)


def test_a_score_that_samples_do_not_have_has_neither_bounds_nor_bins(slow):
    scores = evaluate(*slow, metrics=["trend_error", "rmse"], bins="month")
    trend = scores.sel(metric="trend_error")
    for name in ("score", "lower", "upper", "score_by_month"):
        assert np.isnan(trend[name]).all(), name


def test_a_cell_that_one_member_of_the_truth_lacks_does_not_count(runs):
    prediction, truth = runs
    members = xr.concat([truth, truth + 1], "member").assign_coords(member=[1, 2])
    holes = members.copy(deep=True)
    holes["tas"][0, :, :, 2, 3] = np.nan
    without = members.copy(deep=True)
    without["tas"][:, :, :, 2, 3] = np.nan
    found, expected = (
        evaluate(prediction, data, metrics=["rmse", "nrmse_total"], bootstrap=100)
        for data in (holes, without)
    )
    for name in ("score", "noise_floor", "missing"):
        np.testing.assert_array_equal(found[name], expected[name])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"regions": []}, "'regions' is empty"),
        ({"bootstrap": 1.5}, "'bootstrap' must be 0 or a whole number, not 1.5"),
        ({"seed": -1}, "'seed' must be 0 or a whole number, not -1"),
        ({"confidence": "high"}, "'confidence' must lie between 0 and 1, not be 'high'"),
        ({"period": 2001}, r"'period' must be \[first, last\], not 2001"),
        ({"period": ["2020-01-01"]}, r"'period' must be \[first, last\]"),
        ({"period": ["x", "y"]}, "'period' must be two dates"),
        ({"metrics": 5}, "'metrics' must be a list of labels, not 5"),
        ({"metrics": ["csi(threshold=:)"]}, "':' is no value"),
        ({"metrics": ["nrmse_total(global_factor=abc)"]}, "must be a number"),
        ({"metrics": ["csi(threshold=1, above=nope)"]}, "must be true or false"),
    ],
)
def test_options_that_are_no_options(forecasts, truth, options, message):
    with pytest.raises(UserError, match=message):
        evaluate(forecasts, truth, **options)


def test_one_region_needs_no_list(forecasts, truth):
    assert evaluate(forecasts, truth, regions="tropics").region.item() == "tropics"
