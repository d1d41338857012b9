"""Scores of scenario runs."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.evaluation import evaluate
from climbench.grids import latitude_weights

NAMES = ["nrmse_spatial", "nrmse_global", "nrmse_total", "rmse", "bias"]


def test_equals_the_formula_of_climatebench(runs):
    prediction, truth = runs
    scores = evaluate(prediction, truth, metrics=NAMES, weighting="cos", period=(2020, 2030))
    own = scores.score.sel(model="lps", channel="tas", region="global", scenario="ssp126")
    last = slice("2020", "2030")
    p, y = (x.tas.sel(scenario="ssp126", time=last) for x in (prediction, truth))
    cells = np.cos(np.deg2rad(y.latitude))

    def mean(x):
        return x.weighted(cells).mean(["latitude", "longitude"])

    norm = abs(mean(y.mean("time")))
    spatial = np.sqrt(mean((y.mean("time") - p.mean("time")) ** 2)) / norm
    course = np.sqrt(((mean(y) - mean(p)) ** 2).mean()) / norm
    expected = [spatial, course, spatial + 5 * course]
    np.testing.assert_allclose(own.sel(metric=NAMES[:3]), expected, rtol=1e-12)


def test_each_scenario_counts_in_its_own_years(runs):
    prediction, truth = runs
    scores = evaluate(prediction, truth, metrics=NAMES)
    assert scores.score.dims == ("model", "metric", "channel", "region", "scenario")
    assert scores["count"].squeeze().to_numpy().tolist() == [25, 16]
    assert np.all(np.isfinite(scores.score))
    assert np.all(np.isnan(scores.lower))
    assert scores.map_bias.sizes["scenario"] == 2
    assert scores.attrs["task"] == "emulation"
    assert scores.attrs["simulated"] == "false"


def test_years_and_scenarios_meet_by_name(runs):
    prediction, truth = runs
    reference = evaluate(prediction, truth, metrics=NAMES, period=(2020, 2030))
    random = np.random.default_rng(0)
    shuffled = prediction.isel(time=random.permutation(41), scenario=[1, 0])
    by_number = truth.assign_coords(time=truth.time.dt.year.to_numpy())
    other = evaluate(shuffled, by_number, metrics=NAMES, period=(2020, 2030))
    np.testing.assert_allclose(
        other.score.sel(scenario="ssp126"), reference.score.sel(scenario="ssp126"), rtol=1e-12
    )
    np.testing.assert_array_equal(other.score.sel(scenario="historical"), np.nan)


def test_area_weights_differ_from_cosine_where_there_are_poles(runs):
    poles = np.linspace(-90, 90, 6)
    prediction, truth = (x.assign_coords(latitude=poles) for x in runs)
    by_area = evaluate(prediction, truth, metrics=["bias"]).score.sel(scenario="ssp126").item()
    error = (prediction - truth).tas.sel(scenario="ssp126").mean(["time", "longitude"])
    weights = latitude_weights(poles)
    assert by_area == pytest.approx(np.average(error, weights=weights), rel=1e-12)
    by_cosine = evaluate(prediction, truth, metrics=["bias"], weighting="cos")
    assert by_cosine.score.sel(scenario="ssp126").item() != pytest.approx(by_area, rel=1e-6)


def test_what_does_not_fit_is_refused(runs):
    prediction, truth = runs
    with pytest.raises(UserError, match="has no scenario 'ssp126': did you mean 'ssp125'"):
        evaluate(prediction, truth.assign_coords(scenario=["historical", "ssp125"]))
    with pytest.raises(UserError, match="truth has no dimension 'scenario'"):
        evaluate(prediction, truth.isel(scenario=0, drop=True))
    months = pd.date_range("1990-01-01", periods=41, freq="MS")
    with pytest.raises(UserError, match="several times in a year: make annual means"):
        evaluate(prediction.assign_coords(time=months), truth)
    with pytest.raises(UserError, match=r"No year of predictions .*period 2080 to 2100"):
        evaluate(prediction, truth, period=(2080, 2100))
    with pytest.raises(UserError, match=r"truth.*the dimension 'height'"):
        evaluate(prediction, truth.expand_dims(height=[2.0, 10.0]))
    with pytest.raises(UserError, match="'tas' at scenario historical"):
        evaluate(prediction.where(prediction.latitude > 0), truth)


def test_truth_is_the_mean_of_its_members_and_predictions_theirs(runs):
    prediction, truth = runs
    random = np.random.default_rng(3)
    members = [truth + random.normal(0, 1, truth.tas.shape) for _ in range(3)]
    ensemble = xr.concat(members, dim="realization")
    reference = evaluate(prediction, ensemble.mean("realization"), metrics=NAMES)
    scores = evaluate(prediction, ensemble, metrics=NAMES)
    np.testing.assert_allclose(scores.score, reference.score, rtol=1e-12)
    both = xr.concat([prediction - 1, prediction + 1], dim="member").assign_attrs(prediction.attrs)
    scores = evaluate(both, ensemble, metrics=NAMES)
    np.testing.assert_allclose(scores.score, reference.score, rtol=1e-12)


@pytest.mark.parametrize("size", [1, 3_000, 10**9])
def test_normalised_errors_do_not_depend_on_blocks(runs, monkeypatch, size):
    """The mistake of peers: a norm and a root for each batch."""
    prediction, truth = runs
    reference = evaluate(prediction, truth, metrics=NAMES)
    monkeypatch.setattr("climbench.evaluation.streaming.BLOCK_BYTES", size)
    monkeypatch.setattr("climbench.evaluation.streaming.WINDOW_BYTES", size)
    scores = evaluate(prediction.chunk(time=4), truth.chunk(time=3), metrics=NAMES)
    np.testing.assert_allclose(scores.score, reference.score, rtol=1e-13)
    exact = ["nrmse_global", "rmse", "bias"]
    np.testing.assert_array_equal(scores.score.sel(metric=exact), reference.score.sel(metric=exact))
