"""Deterministic scores of ensembles are those of their mean, whatever the members are called."""

import json

import numpy as np
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.evaluation import evaluate


@pytest.fixture
def ensemble(forecasts):
    random = np.random.default_rng(7)
    members = [forecasts + random.normal(0, 2, 1) for _ in range(4)]
    for member in members:
        for name in member.data_vars:
            member[name] = member[name].astype(np.float32).assign_attrs(forecasts[name].attrs)
    return xr.concat(members, dim="number").assign_attrs(forecasts.attrs)


def test_deterministic_scores_of_an_ensemble_are_those_of_its_mean(
    ensemble, forecasts, truth, climatology
):
    mean = ensemble.astype(float).mean("number", keep_attrs=True)
    for preset in ("wb2", "climatelearn"):
        options = {"metrics": "deterministic", "preset": preset, "bootstrap": 0}
        scores = evaluate(ensemble, truth, climatology, **options)
        expected = evaluate(mean, truth, climatology, **options)
        np.testing.assert_allclose(scores.score, expected.score, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(scores.map_rmse, expected.map_rmse, rtol=1e-6)
        np.testing.assert_array_equal(scores["count"], expected["count"])
    record = json.loads(scores.attrs["conventions"])
    assert record["ensemble"] == "deterministic scores are those of its mean"


def test_an_ensemble_may_have_any_name_and_place(ensemble, truth):
    reference = evaluate(ensemble, truth, metrics=["rmse", "crps"], bootstrap=0)
    for name in ("member", "realization", "ensemble"):
        variant = ensemble.rename(number=name).transpose(..., name)
        scores = evaluate(variant, truth, metrics=["rmse", "crps"], bootstrap=0)
        np.testing.assert_array_equal(scores.score, reference.score, err_msg=name)


def test_a_member_without_a_value_takes_the_cell_out(ensemble, truth):
    ensemble["2m_temperature"][1, 3, 0, 2, 2] = np.nan
    with pytest.raises(UserError, match="1 values are missing where the truth has them"):
        evaluate(ensemble, truth)
    scores = evaluate(ensemble, truth, metrics=["mae", "crps"], nan="skip")
    assert int(scores.missing.sum()) == 1
    assert np.all(np.isfinite(scores.score))


def test_truth_with_members_counts_by_their_mean(forecasts, truth):
    truths = xr.concat([truth + 1, truth - 1], dim="number").assign_attrs(truth.attrs)
    scores = evaluate(forecasts, truths, bootstrap=0)
    mean = truths.mean("number", keep_attrs=True)
    np.testing.assert_allclose(
        scores.score, evaluate(forecasts, mean, bootstrap=0).score, rtol=1e-12
    )
