"""Bounds of the scores of ensembles in scenario runs: members of the truth, drawn again."""

import json

import numpy as np
import pytest
import xarray as xr

from climbench.evaluation import compare, evaluate, gate
from climbench.evaluation.rules import GateRules

LATITUDE, LONGITUDE = np.linspace(-75, 75, 6), np.arange(0.0, 360.0, 45.0)
YEARS = np.arange(2080, 2101)
MEMBERS = 8
NAMES = ["crps", "skill", "spread", "spread_skill", "energy_score", "coverage"]


@pytest.fixture(scope="module")
def truth():
    """Members that are apart by half a degree each in all cells, and by weather."""
    random = np.random.default_rng(0)
    apart = 0.5 * random.normal(size=(1, MEMBERS, 1, 1, 1))
    values = apart + random.normal(size=(1, MEMBERS, YEARS.size, LATITUDE.size, LONGITUDE.size))
    dims = ("scenario", "member", "time", "latitude", "longitude")
    coords = {"scenario": ["ssp245"], "time": YEARS, "latitude": LATITUDE, "longitude": LONGITUDE}
    tas = (dims, 1.0 + values, {"units": "K"})
    return xr.Dataset({"tas": tas}, coords, {"store_hash": "one world"})


def ensemble(truth, shift, seed=1, number=6):
    """Draws around the truth's mean climate, too warm by ``shift``."""
    random = np.random.default_rng(seed)
    shape = (1, number, *truth.tas.shape[2:])
    return xr.Dataset(
        {"tas": (truth.tas.dims, 1.0 + shift + random.normal(size=shape), {"units": "K"})},
        {name: truth[name] for name in ("scenario", "time", "latitude", "longitude")},
    )


def scored(predictions, truth, name="m", metrics=NAMES, **options):
    return evaluate(predictions, truth, metrics=metrics, model=name, seed=3, **options)


def each(predictions, truth, metric="crps"):
    """The score against each member of the truth alone: what drawing them is about."""
    return np.array(
        [
            scored(predictions, truth.isel(member=m, drop=True), metrics=[metric]).score.item()
            for m in range(MEMBERS)
        ]
    )


def test_the_noise_of_the_crps_is_the_standard_error_of_its_mean_over_members(truth):
    predictions = ensemble(truth, 0.3)
    scores = scored(predictions, truth, bootstrap=5000).sel(metric="crps").squeeze()
    single = each(predictions, truth)
    assert float(scores.score) == pytest.approx(single.mean(), rel=1e-12)
    expected = single.std(ddof=1) / np.sqrt(MEMBERS)
    assert float(scores.score_noise) == pytest.approx(expected, rel=0.04)
    reach = float(scores.upper - scores.lower) / 2
    assert reach == pytest.approx(1.96 * expected, rel=0.1)
    assert float(scores.lower) < float(scores.score) < float(scores.upper)


def test_each_score_of_an_ensemble_has_bounds_but_those_that_ask_no_truth(truth):
    scores = scored(ensemble(truth, 0.3), truth).squeeze()
    bounded = [name for name in NAMES if name != "spread"]
    assert (scores.lower < scores.upper).sel(metric=bounded).all()
    assert np.isnan(scores.lower.sel(metric="spread"))
    said = json.loads(scores.attrs["notes"])["m"]
    assert any(s.startswith("no bounds of spread: ") for s in said)
    assert "noise_floor" in scores and np.isnan(scores.noise_floor.sel(metric="crps"))


def test_the_skill_is_drawn_before_its_root(truth):
    predictions = ensemble(truth, 0.3)
    scores = scored(predictions, truth, bootstrap=5000).sel(metric="skill").squeeze()
    squares = each(predictions, truth, "skill") ** 2
    # of sqrt(mean of squares), to first order
    noise = squares.std(ddof=1) / np.sqrt(MEMBERS) / (2 * np.sqrt(squares.mean()))
    assert float(scores.score_noise) == pytest.approx(noise, rel=0.04)


def test_differences_are_of_the_same_drawn_members(truth):
    one, two = ensemble(truth, 0.3), ensemble(truth, 0.35, seed=2)
    drawn = [scored(e, truth, n, bootstrap=5000) for e, n in ((one, "a"), (two, "b"))]
    found = compare(*drawn, metrics=["crps"]).squeeze()
    apart = each(one, truth) - each(two, truth)
    noise = apart.std(ddof=1) / np.sqrt(MEMBERS)
    assert float(found.difference) == pytest.approx(apart.mean(), rel=1e-9)
    assert float(found.upper - found.lower) == pytest.approx(2 * 1.96 * noise, rel=0.04)
    alone = np.hypot(*(float(d.score_noise.sel(metric="crps").squeeze()) for d in drawn))
    assert noise < 0.5 * alone  # members that are hard for one are hard for the other


@pytest.mark.parametrize(("shift", "outcome"), [(0.301, "not significant"), (1.5, "pass")])
def test_the_gate_knows_the_noise_of_the_crps(truth, shift, outcome):
    rule = {"metric": "crps", "better_than": "reference", "noise": "internal_variability"}
    rules = GateRules.parse({"name": "noise", "rules": [rule]}, "The gate")
    good, bad = (scored(ensemble(truth, s), truth, f"{s}") for s in (0.3, shift))
    ahead, behind = sorted((good, bad), key=lambda s: float(s.score.sel(metric="crps").squeeze()))
    assert gate(ahead, behind, rules).verdicts[0].outcome == outcome


def test_a_scenario_draws_the_members_that_it_has(truth):
    few = truth.isel(member=slice(3)).assign_coords(scenario=["ssp126"])
    both = xr.concat(
        [t.assign_coords(member=np.arange(t.sizes["member"])) for t in (truth, few)],
        "scenario",
        join="outer",
    )
    predictions = xr.concat(
        [ensemble(truth, 0.3), ensemble(truth, 0.3).assign_coords(scenario=["ssp126"])], "scenario"
    )
    together = scored(predictions, both, metrics=["crps"])
    for at, alone in enumerate((truth, few)):
        own = scored(predictions.isel(scenario=[at]), alone, metrics=["crps"])
        for name in ("score", "lower", "upper", "score_noise"):
            part = together[name].isel(scenario=[at])
            np.testing.assert_allclose(part, own[name], rtol=1e-9, err_msg=name)
