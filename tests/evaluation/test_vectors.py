import numpy as np
import pytest

from climbench.errors import UserError
from climbench.evaluation import evaluate


@pytest.fixture
def winds(forecasts, truth):
    def both(data):
        names = {"u_component_of_wind": 0.0, "v_component_of_wind": 7.0}
        made = {name: data["geopotential"] / 1000 + add for name, add in names.items()}
        return data.assign(made)

    wind = both(forecasts)
    wind["v_component_of_wind"] = wind["v_component_of_wind"] * 1.1
    return wind, both(truth)


def test_wind_vector_error_is_that_of_the_length_of_the_difference(winds):
    forecasts, truth = winds
    scores = evaluate(*winds, metrics=["wind_vector_rmse", "rmse"], preset="wb1", bootstrap=100)
    valid = forecasts.time + forecasts.prediction_timedelta
    square = 0
    for name in ("u_component_of_wind", "v_component_of_wind"):
        there = truth[name].sel(time=valid).assign_coords(time=forecasts.time)
        square = square + np.square(forecasts[name].astype("f8") - there)
    weights = np.cos(np.deg2rad(truth.latitude))
    expected = np.sqrt(square.weighted(weights).mean(["latitude", "longitude", "time"]))
    vector = scores.sel(metric="wind_vector_rmse", channel=["wind_vector_500", "wind_vector_850"])
    np.testing.assert_allclose(
        vector.score.isel(model=0, region=0),
        expected.transpose("level", "prediction_timedelta"),
        rtol=1e-9,
    )
    assert np.all(vector.lower <= vector.score) and np.all(vector.score <= vector.upper)
    length = np.sqrt(square.mean("time")).sel(level=500).transpose("prediction_timedelta", ...)
    np.testing.assert_allclose(scores.map_rmse.sel(channel="wind_vector_500")[0], length, rtol=1e-5)


def test_other_channels_have_no_vector_error_and_vectors_no_other_score(winds):
    score = evaluate(*winds, metrics=["wind_vector_rmse", "rmse"], bootstrap=0).score[0]
    assert np.isnan(score.sel(metric="wind_vector_rmse", channel="2m_temperature")).all()
    assert np.isnan(score.sel(metric="rmse", channel="wind_vector_500")).all()


def test_a_vector_needs_both_components_at_the_same_places(winds):
    forecasts, truth = winds
    with pytest.raises(UserError, match="needs both components of the wind"):
        evaluate(forecasts.drop_vars("v_component_of_wind"), truth, metrics=["wind_vector_rmse"])
    truth["v_component_of_wind"] = truth["v_component_of_wind"].where(truth.latitude > 0)
    with pytest.raises(UserError, match="'wind_vector_500' miss different values"):
        evaluate(forecasts, truth, metrics=["wind_vector_rmse"])
