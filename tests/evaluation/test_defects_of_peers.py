"""Mistakes of other evaluation codes that must not be possible here, one by one."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.evaluation import combine, evaluate
from climbench.grids import latitude_weights
from climbench.metrics import get_metric, shared_statistics


def score_of(*inputs, metric="rmse", **options):
    scores = evaluate(*inputs, metrics=[metric], bootstrap=0, maps=False, **options)
    return scores.score.squeeze(["model", "metric", "region"])


def test_acc_with_two_climatologies_is_two_numbers(forecasts, truth, climatology):
    """WeatherBench-X keeps statistics by class name: both ACCs get the last climatology's value."""
    other = climatology + 3.0
    first, second = (
        score_of(forecasts, truth, climate, metric="acc") for climate in (climatology, other)
    )
    assert np.all(first != second)
    assert np.all(abs(first - second).sel(channel="2m_temperature") > 0.05)
    again = score_of(forecasts, truth, climatology, metric="acc")
    np.testing.assert_array_equal(first, again)


def test_scores_with_two_climatologies_are_not_put_together(
    forecasts, truth, climatology, tmp_path
):
    climatology.to_netcdf(tmp_path / "one.nc")
    (climatology + 1.0).to_netcdf(tmp_path / "other.nc")
    first, second = (
        evaluate(forecasts, truth, tmp_path / name, ["acc"], model=name, bootstrap=0)
        for name in ("one.nc", "other.nc")
    )
    with pytest.raises(UserError, match="cannot be compared: 'climatology' is"):
        combine([first, second])


def test_parameters_are_part_of_what_is_shared():
    """VariogramScore there ignores its parameter: the first one's statistic counts for all."""
    one, same, other = (
        get_metric(f"brier(threshold={threshold})") for threshold in (280.0, 280, 281)
    )
    assert len(shared_statistics([one, same])) == 1
    assert len(shared_statistics([one, other])) == 2
    assert len(shared_statistics([get_metric("crps"), get_metric("crps(form=ensemble)")])) == 3


@pytest.mark.parametrize("form", ["mean_of_ratios", "ratio_of_means", "centred", "pooled_centred"])
@pytest.mark.parametrize("missing", ["pooled", "per_time"])
def test_acc_never_leaves_its_bounds_where_truth_is_missing(
    forecasts, truth, climatology, form, missing
):
    """In WeatherBench 2 and X the forecast's variance is over other cells than the covariance."""
    random = np.random.default_rng(0)
    day = climatology["2m_temperature"].sel(
        dayofyear=truth.time.dt.dayofyear, hour=truth.time.dt.hour
    )
    small = 0.01 * random.normal(size=truth["2m_temperature"].shape)
    truth["2m_temperature"] = day.drop_vars(["dayofyear", "hour"]) + small
    truth["2m_temperature"].attrs["units"] = "K"
    valid = forecasts.time + forecasts.prediction_timedelta
    perfect = truth[["2m_temperature"]].sel(time=valid).drop_vars("time")
    perfect = perfect.assign_coords(time=forecasts.time).assign_attrs(forecasts.attrs)
    masked = truth[["2m_temperature"]].where(random.random(truth["2m_temperature"].shape) > 0.4)
    acc = score_of(perfect, masked, climatology, metric=f"acc(form={form})", missing=missing)
    np.testing.assert_allclose(acc, 1.0, rtol=1e-9)
    assert np.all(acc <= 1 + 1e-12)


def regional(latitude, seed=0):
    random = np.random.default_rng(seed)
    times = pd.date_range("2020-01-01", periods=8, freq="D")
    coords = {"latitude": latitude, "longitude": np.arange(0.0, 30.0, 5.0)}
    shape = (times.size, len(latitude), 6)
    truth = xr.Dataset(
        {"t": (("time", "latitude", "longitude"), random.normal(280, 5, shape), {"units": "K"})},
        {"time": times, **coords},
    )
    lead = [np.timedelta64(24, "h")]
    start = truth.isel(time=slice(0, 7)).expand_dims(prediction_timedelta=lead)
    return start.transpose("time", ...).assign_attrs(model="persistence"), truth


@pytest.mark.parametrize("order", [1, -1], ids=["south first", "north first"])
def test_rows_at_the_edge_of_a_region_weigh_no_more_than_their_area(order):
    """WeatherBench 2 gives the row at 30 N all the area down to the south pole: 5.38 for 1.24."""
    latitude = np.arange(30.0, 61.0, 5.0)
    weights = latitude_weights(latitude)
    edges = np.deg2rad(np.arange(27.5, 63.0, 5.0))
    area = np.diff(np.sin(edges))
    np.testing.assert_allclose(weights, area / area.mean(), rtol=1e-12)
    assert weights[0] == pytest.approx(1.24, abs=0.005)
    forecasts, truth = regional(latitude)
    error = forecasts.t.squeeze("prediction_timedelta").to_numpy() - truth.t[1:].to_numpy()
    expected = np.sqrt((weights[:, np.newaxis] * error**2).mean())
    turned = [dataset.isel(latitude=slice(None, None, order)) for dataset in (forecasts, truth)]
    for preset in ("wb2", "wbx"):
        own = score_of(*turned, preset=preset)
        np.testing.assert_allclose(own, expected, rtol=1e-12, err_msg=preset)


def test_a_region_of_a_global_store_is_the_region_cut_out_before():
    """Weights of a cut are those of the whole but for their mean, unless an edge gets a cap."""
    forecasts, truth = regional(np.linspace(-87.5, 87.5, 36))
    whole = score_of(forecasts, truth, regions=["lat:30:60"])
    rows = slice(30, 60)
    cut = score_of(forecasts.sel(latitude=rows), truth.sel(latitude=rows))
    np.testing.assert_allclose(whole, cut, rtol=1e-12)


def test_bands_that_meet_share_no_row():
    """WeatherBench-X counts a row on the edge of two bins in both."""
    forecasts, truth = regional(np.linspace(-90.0, 90.0, 19))
    names = ["lat:-90:-20", "lat:-20:20", "lat:20:90", "global"]
    scores = evaluate(
        forecasts, truth, metrics=["mse"], regions=names, bootstrap=0, missing="pooled"
    )
    weight = scores.per_sample_weight.isel(model=0, channel=0, lead_time=0)
    np.testing.assert_allclose(
        weight.sel(region=names[:3]).sum("region"), weight.sel(region="global"), rtol=1e-13
    )


def test_a_level_as_a_scalar_coordinate_has_an_acc(forecasts, truth, climatology):
    """WeatherBench 2 looks for an index of it and fails."""
    single = forecasts[["geopotential"]].sel(level=850)
    reference = score_of(forecasts, truth, climatology, metric="acc").sel(
        channel="geopotential_850"
    )
    one_level = [dataset[["geopotential"]].sel(level=850) for dataset in (truth, climatology)]
    for other, climate in ((truth, climatology), (truth, one_level[1]), one_level):
        acc = score_of(single, other, climate, metric="acc")
        np.testing.assert_allclose(acc.squeeze("channel"), reference, rtol=1e-13)


def test_fields_on_different_levels_never_meet(forecasts, truth):
    upper = forecasts[["geopotential"]].sel(level=500)
    for lower in (truth[["geopotential"]].sel(level=850), truth[["geopotential"]].sel(level=[850])):
        with pytest.raises(UserError, match="500"):
            evaluate(upper, lower)


@pytest.mark.parametrize("metric", ["rmse", "rmse(root=before)", "acc(form=pooled_centred)"])
def test_no_score_depends_on_how_many_samples_are_read_at_once(
    forecasts, truth, climatology, monkeypatch, metric
):
    """ClimateLearn averages batches: 0.8938, 0.8941 and 0.8949 for batches of 1, 2 and 4."""
    found = []
    for size in (1, 3_000, 7_000, 10**9):
        monkeypatch.setattr("climbench.evaluation.streaming.BLOCK_BYTES", size)
        monkeypatch.setattr("climbench.evaluation.streaming.WINDOW_BYTES", size)
        inputs = (dataset.chunk() for dataset in (forecasts, truth, climatology))
        found.append(score_of(*inputs, metric=metric).to_numpy())
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


@pytest.mark.parametrize(
    ("unit", "message"),
    [("degC", "'2m_temperature' in degC and truth in K"), ("hPa", "in hPa and truth in K")],
)
def test_another_unit_is_refused(forecasts, truth, unit, message):
    forecasts["2m_temperature"].attrs["units"] = unit
    with pytest.raises(UserError, match=f"{message}: convert one of them"):
        evaluate(forecasts, truth)


def test_another_name_of_the_same_unit_is_not_refused(forecasts, truth):
    reference = score_of(forecasts, truth)
    forecasts["2m_temperature"].attrs["units"] = "kelvin"
    forecasts["geopotential"].attrs["units"] = "m**2 s**-2"
    np.testing.assert_array_equal(score_of(forecasts, truth), reference)


def test_each_channel_has_its_own_score_and_no_mean_over_units(forecasts, truth):
    """ClimateLearn's aggregate is the mean of Kelvin and geopotential."""
    scores = evaluate(forecasts, truth, metrics=["rmse"], bootstrap=0)
    assert set(scores.channel.to_numpy()) == {
        "2m_temperature",
        "geopotential_500",
        "geopotential_850",
    }


def test_the_climate_is_what_is_given_and_never_the_mean_of_the_test_period(
    forecasts, truth, climatology
):
    """WeatherBench 1 and ClimateLearn take it from the truth that they score."""
    with pytest.raises(UserError, match="needs the option 'climatology'"):
        evaluate(forecasts, truth, metrics=["acc"])
    anomalies = evaluate(forecasts, truth, climatology, ["acc"], bootstrap=0)
    halves = [forecasts.isel(time=slice(0, 10)), forecasts.isel(time=slice(10, None))]
    parts = [evaluate(half, truth, climatology, ["acc"], bootstrap=0) for half in halves]
    together = sum(part.score * part["count"] for part in parts) / anomalies["count"]
    np.testing.assert_allclose(
        together.transpose(*anomalies.score.dims), anomalies.score, rtol=1e-12
    )


def test_a_mean_in_single_precision_keeps_its_digits():
    """WeatherBench-X adds float32 up in float32."""
    random = np.random.default_rng(0)
    coords = {"latitude": np.linspace(-89.75, 89.75, 360), "longitude": np.arange(720) * 0.5}
    times = pd.date_range("2020-01-01", periods=8, freq="D")
    dims = ("time", "latitude", "longitude")
    values = random.normal(280.0, 10.0, (8, 360, 720)).astype(np.float32)
    forecast = xr.Dataset({"t": (dims, values)}, {"time": times, **coords}, {"model": "m"})
    zero = xr.zeros_like(forecast)
    forecast = forecast.expand_dims(prediction_timedelta=[np.timedelta64(0, "h")], axis=1)
    bias = score_of(forecast, zero, metric="bias", weighting="none").item()
    assert bias == pytest.approx(values.astype(np.float64).mean(), rel=1e-11)
    weights = latitude_weights(coords["latitude"])[:, np.newaxis]
    bias = score_of(forecast, zero, metric="bias").item()
    assert bias == pytest.approx((weights * values.astype(np.float64)).mean(), rel=1e-11)


def test_masked_cells_do_not_count_as_zero_error():
    """ClimateLearn's masked cells are cells with error zero: the RMSE comes out too low."""
    forecasts, truth = regional(np.linspace(-80.0, 80.0, 9))
    constant = truth.copy(data={"t": np.zeros_like(truth.t)})
    off_by_two = forecasts.copy(data={"t": np.full_like(forecasts.t, 2.0)})
    masked = constant.where(truth.t > 280)
    for metric in ("rmse", "rmse(root=before)", "mae", "bias"):
        for missing in ("pooled", "per_time"):
            own = score_of(off_by_two, masked, metric=metric, missing=missing)
            assert own.item() == pytest.approx(2.0, rel=1e-12)


def test_rows_belong_to_their_latitude_whatever_their_order():
    """ClimaX's crops take rows by position: of a store from north to south the mirrored ones."""
    forecasts, truth = regional(np.linspace(-87.1875, 87.1875, 32))
    north = truth.latitude > 30
    forecasts["t"] = forecasts.t + xr.where(north & (truth.latitude < 65), 100.0, 0.0)
    for order in (1, -1):
        rows = slice(None, None, order)
        turned = forecasts.isel(latitude=rows), truth.isel(latitude=rows)
        found = score_of(*turned, metric="bias", regions=["lat:30:65"])
        assert found.item() == pytest.approx(100.0, abs=2.0)
        found = score_of(*turned, metric="bias", regions=["lat:-65:-30"])
        assert found.item() == pytest.approx(0.0, abs=2.0)


def test_every_score_says_by_which_conventions(forecasts, truth, climatology):
    scores = evaluate(forecasts, truth, climatology, ["rmse", "acc"], bootstrap=0)
    record = json.loads(scores.attrs["conventions"])
    assert {"weights", "root", "acc", "nan", "missing_forecast", "time", "period"} <= set(record)
    assert record["missing_forecast"] == "error"
