"""The shipped rules on constructed emulators, scored on a warming with eight members."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from climbench.evaluation import evaluate, gate, load_rules

FOLDER = Path(__file__).parents[2] / "conf" / "gate"
LATITUDE, LONGITUDE = np.linspace(-75, 75, 6), np.arange(0.0, 360.0, 45.0)
YEARS = np.arange(2080, 2101)
METRICS = ["nrmse_total", "rmse"]
NORTH = xr.DataArray(np.sign(LATITUDE), {"latitude": LATITUDE})  # warm north, cold south
EAST = xr.DataArray(np.where(LONGITUDE < 180, 1.0, -1.0), {"longitude": LONGITUDE})


def forced(scenario="ssp245"):
    """A warming of 0.03 K each year, the same everywhere: what a perfect emulator answers."""
    warming = np.broadcast_to(
        (0.03 * (YEARS - 1990))[None, :, None, None], (1, YEARS.size, LATITUDE.size, LONGITUDE.size)
    )
    coords = {"scenario": [scenario], "time": YEARS, "latitude": LATITUDE, "longitude": LONGITUDE}
    return xr.Dataset({"tas": (tuple(coords), warming.copy(), {"units": "K"})}, coords)


@pytest.fixture(scope="module")
def truth():
    """Eight members with white variability of one degree in each year and cell."""
    noise = np.random.default_rng(0).normal(size=(8, 1, YEARS.size, LATITUDE.size, LONGITUDE.size))
    members = forced() + xr.DataArray(noise, dims=("member", *forced().tas.dims))
    return members.assign_attrs(store_hash="one world")  # equal truths draw equal members


def scored(truth, name, error, pattern=NORTH):
    """The scores of an emulator that errs by a pattern of so many degrees."""
    return evaluate(forced() + error * pattern, truth, metrics=METRICS, model=name, seed=1)


@pytest.mark.parametrize("rules", ["beats_linear", "beats_pattern_scaling"])
@pytest.mark.parametrize(
    ("own", "line", "outcome", "code"),
    [
        (0.9, 0.3, "fail", 1),  # deliberately worse
        (0.05, 0.3, "pass", 0),  # truly better: a sixth of the error
        (0.300, 0.301, "not significant", 1),  # better, by less than members explain
    ],
)
def test_three_emulators_get_three_verdicts(truth, rules, own, line, outcome, code):
    candidate, reference = scored(truth, "mine", own), scored(truth, "pattern_scaling", line, EAST)
    result = gate(candidate, reference, load_rules(FOLDER / f"{rules}.yaml"))
    assert [verdict.outcome for verdict in result.verdicts] == [outcome]
    assert result.exit_code == code
    if outcome != "fail":
        side = "beyond" if outcome == "pass" else "within"
        assert f"gain {side} internal variability at 0.95" in result.sentences[0]


def test_the_smallest_gain_that_passes_is_two_standard_deviations(truth):
    """Between the last verdict within noise and the first beyond it lies z times the noise."""
    reference = scored(truth, "pattern_scaling", 0.4, EAST)
    rules = load_rules(FOLDER / "beats_linear.yaml")
    outcomes = []
    for error in (0.399, 0.38, 0.3, 0.2):
        candidate = scored(truth, "mine", error)
        own, other = (x.sel(metric="rmse").squeeze() for x in (candidate, reference))
        draws = (other.score + other.member_draws) - (own.score + own.member_draws)
        expected = float(other.score - own.score) > 1.959964 * float(draws.std("draw", ddof=1))
        (verdict,) = gate(candidate, reference, rules).verdicts
        assert (verdict.outcome == "pass") == expected
        outcomes.append(verdict.outcome)
    assert outcomes[0] == "not significant" and outcomes[-1] == "pass"


def test_one_member_leaves_the_scores_to_decide_and_says_so(truth):
    single = truth.isel(member=[0])
    candidate, reference = scored(single, "mine", 0.3), scored(single, "pattern_scaling", 0.4)
    (verdict,) = gate(candidate, reference, load_rules(FOLDER / "beats_linear.yaml")).verdicts
    assert verdict.significant is None
    assert verdict.sentence.endswith("untested: nothing to draw from.")
