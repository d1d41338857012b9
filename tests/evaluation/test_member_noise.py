import numpy as np
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.evaluation import evaluate, gate
from climbench.evaluation.rules import GateRules
from climbench.metrics import Regions, region_weights
from climbench.metrics.noise_floor import noise_floor

LATITUDE, LONGITUDE = np.linspace(-75, 75, 6), np.arange(0.0, 360.0, 45.0)
YEARS = np.arange(2080, 2101)


@pytest.fixture
def members():
    """Eight members of a warming with white variability of one degree."""
    random = np.random.default_rng(0)
    warming = (0.03 * (YEARS - 1990))[:, None, None]
    values = warming + random.normal(size=(1, 8, YEARS.size, LATITUDE.size, LONGITUDE.size))
    dims = ("scenario", "member", "time", "latitude", "longitude")
    coords = {"scenario": ["ssp245"], "member": np.arange(1, 9), "time": YEARS}
    coords |= {"latitude": LATITUDE, "longitude": LONGITUDE}
    attrs = {"store_hash": "one world"}
    return xr.Dataset({"tas": (dims, values, {"units": "K"})}, coords, attrs)


def emulator(members, error, name):
    forced = xr.zeros_like(members.isel(member=0, drop=True))
    forced["tas"] = forced["tas"] + 0.03 * (members.time - 1990) + error
    return evaluate(forced, members, metrics=["nrmse_total", "rmse"], model=name, seed=1)


def test_the_floor_is_what_a_perfect_emulator_scores(members):
    scores = emulator(members, 0.0, "perfect").isel(model=0, channel=0, region=0, scenario=0)
    assert np.all(np.abs(scores.score - scores.noise_floor) < 3 * scores.score_noise)
    weights = Regions(region_weights(LATITUDE, LONGITUDE))
    rmse = scores.sel(metric="rmse")
    left = np.sqrt(max(rmse.score.item() ** 2 - rmse.noise_floor.item() ** 2, 0))
    assert rmse.above_noise_floor.item() == pytest.approx(left, rel=1e-12)
    flat = members.tas.values[0].reshape(8, YEARS.size, -1)
    expected = noise_floor(flat, weights, "rmse")[0]
    assert float(scores.noise_floor.sel(metric="rmse")) == pytest.approx(expected, rel=1e-12)


def test_scores_of_climate_runs_have_bounds_from_members(members):
    scores = emulator(members, 0.3, "good")
    assert np.all(scores.lower < scores.score) and np.all(scores.score < scores.upper)
    np.testing.assert_allclose(scores.member_draws.mean("draw"), 0, atol=1e-6)
    np.testing.assert_allclose(scores.member_draws.std("draw", ddof=1), scores.score_noise, 1e-5)


@pytest.mark.parametrize(("error", "outcome"), [(0.01, "not significant"), (0.3, "pass")])
def test_the_gate_counts_internal_variability_as_noise(members, error, outcome):
    rule = {"metric": "nrmse_total", "better_than": "reference", "noise": "internal_variability"}
    rules = GateRules.parse({"name": "noise", "rules": [rule]}, "The gate")
    north_and_south = xr.DataArray(error * np.sign(LATITUDE), {"latitude": LATITUDE})
    good, bad = emulator(members, 0.0, "good"), emulator(members, north_and_south, "bad")
    better = good if good.score[0, 0].item() < bad.score[0, 0].item() else bad
    other = bad if better is good else good
    assert gate(better, other, rules).verdicts[0].outcome == outcome


def test_one_member_tells_no_noise(members):
    scores = emulator(members.isel(member=[0]), 0.0, "perfect")
    assert "score_noise" not in scores
    rule = {"metric": "rmse", "better_than": "reference", "noise": "internal_variability"}
    rules = GateRules.parse({"name": "noise", "rules": [rule]}, "The gate")
    with pytest.raises(UserError, match="evaluate against a truth with members"):
        gate(scores, emulator(members.isel(member=[0]), 1.0, "bad"), rules)


def test_a_member_that_a_scenario_lacks_poisons_no_other(members):
    few = members.isel(member=slice(3)).assign_coords(scenario=["ssp126"])
    both = xr.concat([members, few], "scenario", join="outer")  # five members are NaN in ssp126
    random = np.random.default_rng(7)
    drawn = both.isel(member=slice(4)).fillna(0) + random.normal(size=(2, 4, 21, 6, 8))
    forced = drawn.mean("member")
    options = {"metrics": ["nrmse_total", "rmse"], "model": "m", "seed": 1}
    together = evaluate(forced, both, **options)
    ensemble = evaluate(drawn, both, metrics=["crps", "rmse"], model="m")
    assert np.isfinite(together.noise_floor).all() and np.isfinite(together.lower).all()
    assert np.isfinite(ensemble.score).all()
    for at, alone in enumerate((members, few)):
        own = evaluate(forced.isel(scenario=[at]), alone, **options)
        for name in ("score", "lower", "upper", "noise_floor", "score_noise"):
            part = together[name].isel(scenario=[at])
            np.testing.assert_allclose(part, own[name], rtol=1e-10, err_msg=name)
        own = evaluate(drawn.isel(scenario=[at]), alone, metrics=["crps", "rmse"], model="m")
        np.testing.assert_allclose(ensemble.score.isel(scenario=[at]), own.score, rtol=1e-12)


def test_a_scenario_with_one_member_has_scores_without_noise(members):
    alone = members.isel(member=[0]).assign_coords(scenario=["ssp126"])
    both = xr.concat([members, alone], "scenario", join="outer")
    scores = evaluate(both.isel(member=0, drop=True) + 0.1, both, metrics=["rmse"], model="m")
    np.testing.assert_allclose(scores.score.sel(scenario="ssp126"), 0.1, rtol=1e-6)
    assert np.isnan(scores.noise_floor.sel(scenario="ssp126")).all()
    assert np.isfinite(scores.noise_floor.sel(scenario="ssp245")).all()
