"""Masked and categorical scores of extremes, against loops over cells, times and leads."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.evaluation import evaluate
from climbench.evaluation.extremes import Extremes, channel_of, training_thresholds
from climbench.metrics import get_metric

TRAINING, TEST = ("2001-01-01", "2002-12-31"), "2003-02-01"
OPTIONS = {"percentiles": [10, 90], "window": "season", "period": list(TRAINING)}
NAME = "2m_temperature"


@pytest.fixture
def world(weather, persistence):
    truth = weather(pd.date_range("2001-01-01", "2003-04-10"))
    truth[NAME] = truth[NAME].round(0)  # values on the threshold
    truth[NAME][:, 0, 0] = np.nan
    forecasts = persistence(
        truth.fillna(280.0), truth.time.sel(time=slice(TEST, "2003-03-31")), [24, 72], 0.5
    )
    return truth, forecasts


def by_hand(truth, forecasts, percentile, lead):
    """Return squared errors and weights of the cells that are extreme, by sample."""
    field, samples = truth[NAME], []
    training = field.sel(time=slice(*TRAINING))
    winter = training.time.dt.dayofyear.isin([*range(1, 61), *range(336, 367)])
    spring = training.time.dt.dayofyear.isin(range(61, 153))
    bounds = {
        season: np.percentile(training.values[mask.values].astype(float), percentile, axis=0)
        for season, mask in (("winter", winter), ("spring", spring))
    }
    weight = np.cos(np.deg2rad(truth.latitude.values))[:, None] * np.ones(truth.sizes["longitude"])
    for start in forecasts.time.values:
        valid = start + np.timedelta64(lead, "h")
        observed = field.sel(time=valid).values
        season = "winter" if pd.Timestamp(valid).day_of_year <= 60 else "spring"
        bound = bounds[season].astype(np.float32)
        event = observed > bound if percentile >= 50 else observed < bound
        forecast = forecasts[NAME].sel(time=start, prediction_timedelta=np.timedelta64(lead, "h"))
        known = np.isfinite(observed)
        called = forecast.values > bound if percentile >= 50 else forecast.values < bound
        samples.append((weight, event & known, called & known, (forecast.values - observed) ** 2))
    return samples


@pytest.mark.parametrize("percentile", [10, 90])
def test_scores_of_extremes_are_those_of_a_loop(world, percentile):
    truth, forecasts = world
    scores = evaluate(
        forecasts, truth, metrics=["rmse"], extremes=OPTIONS, variables=[NAME], missing="pooled",
        weighting="cos", bootstrap=0,
    )  # fmt: skip
    for lead in (24, 72):
        samples = by_hand(truth, forecasts, percentile, lead)
        total = sum(np.sum(w * e) for w, e, _, _ in samples)
        error = sum(np.nansum(np.where(e, w * s, 0)) for w, e, _, s in samples)
        here = scores.score.isel(model=0).sel(region="global", lead_time=lead)
        masked = here.sel(metric="rmse", channel=channel_of(NAME, percentile))
        assert float(masked) == pytest.approx(np.sqrt(error / total), rel=1e-5)
        hits = sum(np.sum(w * (e & c)) for w, e, c, _ in samples)
        alarms = sum(np.sum(w * (~e & c)) for w, e, c, _ in samples)
        event = {"quantile": percentile / 100, "above": percentile >= 50}
        found = {
            name: here.sel(metric=get_metric(name, **event).label, channel=NAME)
            for name in ("pod", "far", "csi")
        }
        assert float(found["pod"]) == pytest.approx(hits / total, rel=1e-5)
        assert float(found["far"]) == pytest.approx(alarms / (hits + alarms), rel=1e-5)
        assert float(found["csi"]) == pytest.approx(hits / (total + alarms), rel=1e-5)


def test_reversed_rows_of_truth_and_forecasts_change_nothing(world):
    truth, forecasts = world
    options = {"metrics": ["rmse"], "extremes": OPTIONS, "bootstrap": 0, "maps": False}
    usual = evaluate(forecasts, truth, **options)
    turned = evaluate(
        forecasts.isel(longitude=slice(None, None, -1)),
        truth.isel(latitude=slice(None, None, -1)),
        **options,
    )
    xr.testing.assert_allclose(usual.score, turned.score)


def test_thresholds_of_a_climatology_count_and_ensembles_get_brier(world):
    truth, forecasts = world
    rare = Extremes.parse(OPTIONS)
    training = truth.sel(time=slice(*TRAINING))
    climate = training.mean("time").expand_dims(hour=[0], dayofyear=np.arange(1, 367))
    climate = climate.merge(training_thresholds(training, rare))
    members = xr.concat([forecasts, forecasts + 1.0], "member").transpose("time", "member", ...)
    members.attrs = forecasts.attrs
    later = truth.sel(time=slice(TEST, None))
    scores = evaluate(
        members, later, climate.isel(latitude=slice(None, None, -1)), metrics=["rmse", "acc"],
        extremes=OPTIONS | {"period": None}, variables=[NAME], bootstrap=0,
    )  # fmt: skip
    cold = get_metric("ets(quantile=0.1,above=false)").label
    assert {"acc", "brier(quantile=0.9)", cold} <= set(scores.metric.values)
    masked = scores.score.sel(channel=channel_of(NAME, 90), metric="acc", region="global")
    assert np.isfinite(masked).all()


def test_thresholds_are_taken_by_their_level_whatever_else_a_climatology_has(world):
    truth, forecasts = world
    climate = truth.sel(time=slice(*TRAINING)).mean("time")
    climate = climate.expand_dims(hour=[0], dayofyear=np.arange(1, 367))
    every = Extremes.parse({"percentiles": [50, 10, 90]})
    table = training_thresholds(truth.sel(time=slice(*TRAINING)), every)
    later = truth.sel(time=slice(TEST, None))
    options = {"metrics": ["rmse"], "variables": [NAME], "bootstrap": 0}
    usual = evaluate(forecasts, truth, extremes=OPTIONS, **options)
    chosen = {"percentiles": [10, 90]}
    found = evaluate(forecasts, later, climate.merge(table), extremes=chosen, **options)
    masked = {"metric": "rmse", "channel": channel_of(NAME, 90)}
    xr.testing.assert_allclose(usual.score.sel(masked), found.score.sel(masked))
    with pytest.raises(UserError, match=r"\[0.5, 0.1, 0.9\], not 0.95: build it with quantiles="):
        evaluate(forecasts, later, climate.merge(table), extremes={"percentiles": [95]}, **options)


def test_a_week_that_was_hot_masks_but_cannot_be_forecast(world):
    truth, forecasts = world
    rare = OPTIONS | {"running_days": 7, "neighbours": True}
    scores = evaluate(forecasts, truth.fillna(280.0), metrics=["rmse"], extremes=rare, bootstrap=0)
    assert list(scores.metric.values) == ["rmse"]
    assert channel_of("geopotential", 90.0) + "_500" in scores.channel.values


def test_predictions_that_list_their_channels_get_those_of_extremes_too(world):
    truth, forecasts = world
    forecasts.attrs["channels"] = '["geopotential_500", "2m_temperature"]'
    scores = evaluate(forecasts, truth, metrics=["rmse"], extremes=OPTIONS, bootstrap=0)
    found = list(scores.channel.values)
    assert found[:2] == ["geopotential_500", NAME]
    assert {"geopotential_below_p10_500", channel_of(NAME, 90)} <= set(found)
    assert not any("850" in name for name in found)
    assert np.isfinite(scores.score.sel(metric="rmse")).all()


def test_thresholds_from_the_scored_times_are_refused(world):
    truth, forecasts = world
    leaky = OPTIONS | {"period": ["2001-01-01", "2003-02-15"]}
    with pytest.raises(UserError, match="overlaps the times that are scored"):
        evaluate(forecasts, truth, extremes=leaky)
    with pytest.raises(UserError, match="needs thresholds: give"):
        evaluate(forecasts, truth, extremes={"percentiles": [5]})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"percentile": [5]}, "no entry 'percentile'"),
        ({"percentiles": [0]}, "between 0 and 100"),
        ({"window": 30}, "odd number of days"),
        ({"window": "month"}, "season, year"),
        ({"running_days": 0}, "at least 1 whole day"),
        ({"running_days": "a"}, "at least 1 whole day"),
        ({"percentiles": 95}, "a list of different numbers"),
        ({"percentiles": [95, 95.0]}, "a list of different numbers"),
        ({"percentiles": ["hot"]}, "a list of different numbers"),
        ({"neighbours": "yes"}, "true or false"),
        ({"variables": NAME}, "a list of variables"),
        ({"period": ["2001"]}, "first and the last date"),
        ({"period": ["2003", "2001"]}, "first and the last date"),
        ({"period": "2001-01-01"}, "first and the last date"),
    ],
)
def test_wrong_options_are_one_sentence(options, sentence):
    with pytest.raises(UserError, match=sentence):
        Extremes.parse(options)
