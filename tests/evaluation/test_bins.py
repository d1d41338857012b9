import numpy as np
import pandas as pd
import pytest

from climbench.errors import UserError
from climbench.evaluation import binned, evaluate


@pytest.fixture
def year(weather, persistence):
    truth = weather(pd.date_range("2019-12-01", periods=400, freq="24h"))
    return persistence(truth, truth.time[:380:5], [24, 72], error=0.3), truth


def test_a_season_scores_as_its_own_evaluation(year):
    forecasts, truth = year
    scores = evaluate(forecasts, truth, metrics=["rmse", "bias"], bins="season", bootstrap=0)
    summer = forecasts.sel(time=forecasts.time.dt.season == "JJA")
    alone = evaluate(summer, truth, metrics=["rmse", "bias"], bootstrap=0)
    np.testing.assert_allclose(
        scores.score_by_season.sel(season="JJA"), alone.score, rtol=1e-12, atol=0
    )
    assert scores.season.values.tolist() == ["DJF", "MAM", "JJA", "SON"]


@pytest.mark.parametrize("by", ["month", "hour", "year"])
def test_squared_errors_of_all_bins_average_to_that_of_all_samples(year, by):
    scores = evaluate(*year, metrics=["mse"], bootstrap=0)
    parts = binned(scores, by)
    labels = getattr(scores["sample"].dt, by).to_numpy()
    share = [np.mean(labels == label) for label in parts[by].values]
    np.testing.assert_allclose(np.tensordot(share, parts, axes=1), scores.score, rtol=1e-12)


def test_a_season_without_samples_has_no_score(forecasts, truth):
    scores = evaluate(forecasts, truth, bins="season", bootstrap=0)  # January alone
    assert np.isnan(scores.score_by_season.sel(season="JJA")).all()
    np.testing.assert_allclose(scores.score_by_season.sel(season="DJF"), scores.score, rtol=1e-12)


def test_years_and_unknown_bins_are_refused(forecasts, truth, runs):
    with pytest.raises(UserError, match="'bins' cannot be 'seasons': did you mean 'season'"):
        evaluate(forecasts, truth, bins="seasons", bootstrap=0)
    with pytest.raises(UserError, match="'bins' is for forecasts"):
        evaluate(*runs, bins="season", bootstrap=0)
