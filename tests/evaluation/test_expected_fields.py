"""Deterministic scores of an ensemble are those of what it expects, where it says so."""

import json

import numpy as np
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.evaluation import evaluate

LATITUDE, LONGITUDE = np.linspace(-75, 75, 6), np.arange(0.0, 360.0, 45.0)
YEARS = np.arange(2080, 2101)
SINGLE = ["nrmse_spatial", "nrmse_global", "nrmse_total", "rmse", "r2", "bias"]
COORDS = {"scenario": ["ssp245"], "time": YEARS, "latitude": LATITUDE, "longitude": LONGITUDE}


def fields(values, **attrs):
    return xr.Dataset({"tas": (tuple(COORDS), values, {"units": "K", **attrs})}, COORDS)


def drawn(middle, number, seed):
    """Members around a field, with noise of one degree."""
    noise = np.random.default_rng(seed).normal(size=(number, *middle.tas.shape))
    members = middle.expand_dims(member=number, axis=1)
    return members + np.moveaxis(noise, 0, 1)


@pytest.fixture
def forced():
    """A warming of three degrees a century, wrong by a degree between north and south."""
    warming = (0.03 * (YEARS - 1990))[:, None, None] * np.ones((1, 1, 6, 8))
    return fields(warming)


@pytest.fixture
def truth(forced):
    return drawn(forced, 8, seed=0).assign_attrs(store_hash="one world")


def an_emulator(forced):
    return forced + 0.2 * xr.DataArray(np.sign(LATITUDE), {"latitude": LATITUDE})


def with_mean(members, mean, methods="area: mean realization: mean"):
    own = mean.tas.assign_attrs(units="K", cell_methods=methods)
    return members.assign(tas_mean=own)


def scored(predictions, truth, metrics=SINGLE, **options):
    return evaluate(predictions, truth, metrics=metrics, model="m", seed=1, **options)


@pytest.mark.parametrize("name", ["member", "number", "realization"])
def test_it_scores_as_the_one_answer_that_it_expects(forced, truth, name):
    mean = an_emulator(forced)
    ensemble = with_mean(drawn(mean, 5, seed=1), mean).rename(member=name)
    reference = scored(mean, truth)
    scores = scored(ensemble, truth, [*SINGLE, "crps"])
    same = scores.sel(metric=SINGLE)
    for part in ("score", "lower", "upper", "score_noise", "noise_floor", "map_rmse", "count"):
        xr.testing.assert_equal(same[part], reference[part])
    xr.testing.assert_allclose(
        scores["reference_score"].sel(metric=SINGLE), reference.reference_score
    )
    assert scores.channel.values.tolist() == ["tas"]  # the expected field is no further variable
    without = scored(ensemble.drop_vars("tas_mean"), truth, [*SINGLE, "crps"])
    assert float(without.score.sel(metric="rmse").squeeze()) > float(
        same.score.sel(metric="rmse").squeeze()
    )
    crps = (data.score.sel(metric="crps") for data in (scores, without))
    xr.testing.assert_equal(*crps)  # of the members, with and without


def test_the_mean_of_few_members_holds_noise_and_what_counted_is_said(forced, truth):
    mean = an_emulator(forced)
    ensemble = drawn(mean, 5, seed=1)
    said = [json.loads(scored(e, truth).notes)["m"] for e in (with_mean(ensemble, mean), ensemble)]
    assert "deterministic scores are of the expected fields (tas_mean)" in said[0]
    assert any("of the mean of 5 members, which holds part of their noise" in s for s in said[1])


def test_against_a_truth_of_one_member_too(forced, truth):
    mean, single = an_emulator(forced), truth.isel(member=0, drop=True)
    members = drawn(mean, 5, seed=1)
    scores = scored(with_mean(members, mean), single, [*SINGLE, "crps"])
    xr.testing.assert_equal(scores.score.sel(metric=SINGLE), scored(mean, single).score)
    crps = scored(members, single, ["crps"]).score
    xr.testing.assert_equal(scores.score.sel(metric=["crps"]), crps)
    assert np.isnan(scores.lower).all()
    assert any(
        s.startswith("no bounds: the truth has one member") for s in json.loads(scores.notes)["m"]
    )


def test_a_variable_that_does_not_say_that_it_is_the_mean_of_members_is_another(forced, truth):
    mean = an_emulator(forced)
    members = drawn(mean, 5, seed=1)
    other = with_mean(members, mean + 50.0, methods="time: mean")
    xr.testing.assert_equal(scored(other, truth).score, scored(members, truth).score)


def test_variables_without_an_expected_field_count_by_their_members(forced, truth):
    mean = an_emulator(forced)
    members = drawn(mean, 5, seed=1)
    both = with_mean(members.assign(pr=members.tas), mean)
    scores = scored(both, truth.assign(pr=truth.tas), ["rmse"]).score
    by_members = scored(members, truth, ["rmse"]).score.item()
    assert scores.sel(channel="pr").item() == pytest.approx(by_members, rel=1e-12)
    expected = scored(mean, truth, ["rmse"]).score.item()
    assert scores.sel(channel="tas").item() == pytest.approx(expected, rel=1e-12)


def test_what_the_members_lack_is_refused_though_the_mean_has_it(forced, truth):
    mean = an_emulator(forced)
    members = drawn(mean, 5, seed=1)
    members.tas[0, 2, 4, 1, 1] = np.nan
    with pytest.raises(UserError, match="missing where the truth has them"):
        scored(with_mean(members, mean), truth, ["rmse", "crps"])


def test_an_expected_field_that_does_not_fit_is_refused(forced, truth):
    mean = an_emulator(forced)
    members = drawn(mean, 5, seed=1)
    with pytest.raises(UserError, match=r"'tas_mean' has the dimensions .* but 'member'"):
        scored(with_mean(members, mean.isel(time=0, drop=True)), truth)
    wrong = with_mean(members, mean)
    wrong["tas_mean"].attrs["units"] = "degC"
    with pytest.raises(UserError, match="in degC and truth in K"):
        scored(wrong, truth)


def test_metrics_of_ensembles_are_left_out_for_one_answer_unless_named(forced, truth):
    mean = an_emulator(forced)
    one = scored(mean, truth, ["rmse"], ensemble_metrics=["crps"])
    assert one.metric.values.tolist() == ["rmse"]
    several = scored(drawn(mean, 5, seed=1), truth, ["rmse"], ensemble_metrics="crps")
    assert several.metric.values.tolist() == ["rmse", "crps"]
    with pytest.raises(UserError, match=r"'crps' needs an ensemble.*'ensemble_metrics'"):
        scored(mean, truth, ["rmse", "crps"], ensemble_metrics=["crps"])
