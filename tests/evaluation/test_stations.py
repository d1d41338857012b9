"""Scores at stations: every station counts the same, matched by name."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from small_stores import stations

from climbench.errors import UserError
from climbench.evaluation import combine, evaluate

TIMES = pd.date_range("2001-01-01", periods=96, freq="1h")


@pytest.fixture
def truth():
    return stations(TIMES)


@pytest.fixture
def forecast(truth):
    starts, leads = TIMES[:80], [1, 3]
    rows = [[truth.sel(time=start + pd.Timedelta(lead, "h")) for lead in leads] for start in starts]
    values = np.array([[row["wind_speed"].values for row in pair] for pair in rows])
    errors = np.random.default_rng(1).normal(size=values.shape)
    return xr.Dataset(
        {"wind_speed": (("time", "prediction_timedelta", "station"), values + errors)},
        {
            "time": starts,
            "prediction_timedelta": pd.to_timedelta(leads, "h"),
            "station": truth["station"],
        },
        {"model": "noisy"},
    ), errors


def test_rmse_by_hand_whatever_the_order_of_the_stations(truth, forecast):
    predictions, errors = forecast
    scores = evaluate(predictions, truth.isel(station=[2, 0, 1]), metrics=["rmse", "bias"])
    expected = np.sqrt(np.mean(errors**2, axis=(0, 2)))
    np.testing.assert_allclose(scores["score"].sel(metric="rmse").squeeze(), expected, rtol=1e-6)
    assert "map_rmse" not in scores


def test_a_gap_in_the_record_counts_in_no_score(truth, forecast):
    predictions, errors = forecast
    truth["wind_speed"].loc[{"station": "Bergen"}] = np.nan
    scores = evaluate(predictions, truth, metrics=["rmse"], missing="pooled")
    expected = np.sqrt(np.mean(errors[:, :, [0, 2]] ** 2, axis=(0, 2)))
    np.testing.assert_allclose(scores["score"].squeeze(), expected, rtol=1e-6)


def test_one_place_without_a_name(truth, forecast):
    predictions, errors = forecast
    one = evaluate(
        predictions.isel(station=1, drop=True), truth.isel(station=1, drop=True), metrics=["rmse"]
    )
    np.testing.assert_allclose(
        one["score"].squeeze(), np.sqrt(np.mean(errors[:, :, 1] ** 2, axis=0)), rtol=1e-6
    )


def test_stations_that_were_observed_and_not_forecast_do_not_count(truth, forecast):
    predictions, errors = forecast
    few = predictions.isel(station=[2, 0])
    scores = evaluate(few, truth, metrics=["rmse"])
    expected = np.sqrt(np.mean(errors[:, :, [0, 2]] ** 2, axis=(0, 2)))
    np.testing.assert_allclose(scores["score"].squeeze(), expected, rtol=1e-6)
    whole = evaluate(predictions, truth, metrics=["rmse"], model="whole")
    with pytest.raises(UserError, match="'stations' is Lerwick, Oslo in one, Bergen, Lerwick, Os"):
        combine([scores, whole])


def test_an_ensemble_at_one_place_with_what_it_expects(truth, forecast):
    predictions, errors = forecast
    one = predictions.isel(station=1, drop=True)["wind_speed"].drop_attrs()
    members = xr.concat([one - 1, one + 3], xr.Variable("member", [0, 1])).transpose("time", ...)
    expected = one.assign_attrs(cell_methods="realization: mean")
    both = xr.Dataset({"wind_speed": members, "wind_speed_mean": expected}, attrs={"model": "two"})
    place = truth.isel(station=1, drop=True)
    for variables in (None, ["wind_speed"]):
        scores = evaluate(both, place, metrics=["rmse", "crps"], variables=variables)
        rmse = np.sqrt(np.mean(errors[:, :, 1] ** 2, axis=0))
        found = scores["score"].squeeze()
        np.testing.assert_allclose(found.sel(metric="rmse"), rmse, rtol=1e-5)
        assert np.isfinite(found.sel(metric="crps")).all()


def test_what_does_not_fit_is_said(truth, forecast):
    predictions, _ = forecast
    with pytest.raises(UserError, match="lacks the station 'Oslo'"):
        evaluate(predictions, truth.isel(station=[1, 2]), metrics=["rmse"])
    with pytest.raises(UserError, match=r"'regions' = \[europe\] is for maps"):
        evaluate(predictions, truth, metrics=["rmse"], regions=["europe"])
    twice = xr.concat([truth, truth.isel(station=[0])], "station")
    with pytest.raises(UserError, match="'Oslo' stands there more than once"):
        evaluate(predictions, twice, metrics=["rmse"])


def test_the_anomaly_correlation_is_that_of_all_times_together(truth, forecast):
    predictions, errors = forecast
    mean = truth["wind_speed"].mean("time")
    days = xr.DataArray(np.ones((24, 366)), dims=("hour", "dayofyear"))
    days = days.assign_coords(hour=np.arange(24), dayofyear=np.arange(1, 367))
    climatology = (mean * days).to_dataset(name="wind_speed")
    scores = evaluate(predictions, truth, climatology, metrics=["acc"])
    assert scores["metric"].values.tolist() == ["acc(form=pooled_centred)"]
    found = scores["score"].sel(lead_time=1.0).item()
    right = truth["wind_speed"].sel(time=TIMES[1:81]).values - mean.values
    wrong = right + errors[:, 0]
    expected = np.corrcoef(right.ravel(), wrong.ravel())[0, 1]
    assert found == pytest.approx(expected, abs=2e-3)
