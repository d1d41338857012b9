"""Errors of angles: across north, of ensembles, and of channels that are none."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from climbench.errors import UserError
from climbench.evaluation import evaluate
from climbench.metrics.circular import mean_direction

ANGLES = st.floats(0, 360, exclude_max=True)


def winds(direction, **further):
    """Forecasts (or, without lead, a truth) of one station and hour."""
    values = np.asarray(direction, dtype=np.float32)
    times = pd.date_range("2001-01-01", periods=len(values), freq="1h")
    fields = {"wind_direction": ("time", values, {"units": "degree"})}
    fields |= {
        name: ("time", np.asarray(v, np.float32), {"units": "m s-1"}) for name, v in further.items()
    }
    return xr.Dataset(fields, {"time": times}, {"model": "vane"})


def as_forecast(truth):
    lead = pd.to_timedelta([0], "h")
    return truth.expand_dims(prediction_timedelta=lead, axis=1)


def test_across_north_by_hand():
    truth, said = winds([350, 10, 90, 0]), winds([10, 350, 100, 180])
    scores = evaluate(
        as_forecast(said), truth, metrics=["circular_mae", "circular_rmse", "circular_bias"]
    )
    errors = np.array([20, -20, 10, -180])
    expected = [np.abs(errors).mean(), np.sqrt(np.mean(errors**2.0)), errors.mean()]
    np.testing.assert_allclose(scores["score"].squeeze(), expected, rtol=1e-6)


@given(ANGLES, ANGLES, st.integers(-2, 2))
def test_the_error_is_the_angle_between_unit_vectors(one, other, turns):
    truth, said = winds([one]), winds([other + 360 * turns])
    found = evaluate(as_forecast(said), truth, metrics=["circular_mae"], bootstrap=0)
    first, second = (np.deg2rad(np.float64(ds["wind_direction"].values[0])) for ds in (truth, said))
    between = np.arccos(np.clip(np.cos(first - second), -1, 1))
    assert found["score"].item() == pytest.approx(np.rad2deg(between), abs=2e-3)


def test_an_ensemble_has_the_direction_of_its_mean_vector():
    drawn = np.random.default_rng(0).vonmises(0, 4, size=50)
    vectors = np.exp(1j * drawn).mean()
    assert mean_direction(np.rad2deg(drawn), 0) == pytest.approx(
        np.rad2deg(np.angle(vectors)) % 360
    )
    members = xr.concat([as_forecast(winds([350])), as_forecast(winds([20]))], "member")
    scores = evaluate(
        members.transpose("time", "member", ...), winds([0]), metrics=["circular_bias"]
    )
    assert scores["score"].item() == pytest.approx(5, abs=1e-4)


def test_other_units_have_none_and_the_family_leaves_it_out():
    truth = winds([10, 20, 30], wind_speed=[1, 2, 3])
    scores = evaluate(as_forecast(truth), truth, metrics="deterministic")
    circular = scores["score"].sel(metric="circular_mae").squeeze()
    assert circular.sel(channel="wind_direction") == 0
    assert np.isnan(circular.sel(channel="wind_speed"))
    still = truth.drop_vars("wind_direction")
    plain = evaluate(as_forecast(still), still, metrics="deterministic")
    assert "circular_mae" not in plain["metric"].values
    with pytest.raises(UserError, match="'circular_mae' is of angles"):
        evaluate(as_forecast(still), still, metrics=["circular_mae"])


def test_a_direction_that_is_scored_as_a_number_is_noted():
    truth = winds([10, 20, 30], wind_speed=[1, 2, 3])
    for metrics, noted in ((["rmse"], 1), (["rmse", "circular_rmse"], 0)):
        scores = evaluate(as_forecast(truth), truth, metrics=metrics, bootstrap=0)
        notes = json.loads(scores.attrs["notes"])["vane"]
        assert sum("wind_direction: 359 and 1 degree" in note for note in notes) == noted
