"""ClimateBench's scores against its formulas written out, and by hand."""

from itertools import pairwise

import numpy as np
import pytest

from climbench.metrics import Fields, State, get_metric, region_weights

LATITUDE = np.linspace(-90, 90, 9)
LONGITUDE = np.linspace(0, 315, 8)
YEARS = np.arange(2080, 2101)


def score(name, prediction, truth, weighting="cos", blocks=(0, 21)):
    metric = get_metric(name)
    weights = region_weights(LATITUDE, LONGITUDE, weighting=weighting)
    states = []
    for start, stop in pairwise(blocks):
        state = State.zeros(YEARS[start:stop], 1, 1, weights, metric.statistics)
        flat = [x[start:stop].reshape(stop - start, -1) for x in (prediction, truth)]
        state.add(slice(None), 0, 0, Fields(*flat))
        states.append(state)
    merged = states[0]
    for state in states[1:]:
        merged = merged + state
    return float(metric.score(merged).item())


def warming(seed=0):
    random = np.random.default_rng(seed)
    trend = np.linspace(2.0, 4.0, 21)[:, None, None]
    pattern = 1 + np.abs(np.sin(np.deg2rad(LATITUDE)))[:, None] * np.ones(LONGITUDE.size)
    truth = trend * pattern + random.normal(0, 0.2, (21, 9, 8))
    return truth + random.normal(0.1, 0.4, truth.shape), truth


def published(prediction, truth):
    """Section 1.4 of the ClimateBench paper's scores: cos weights, root of weighted means."""
    w = np.cos(np.deg2rad(LATITUDE))[:, None] * np.ones(LONGITUDE.size)

    def mean(x):
        return (w * x).sum(axis=(-2, -1)) / w.sum()

    norm = abs(mean(truth.mean(axis=0)))
    spatial = np.sqrt(mean((truth.mean(axis=0) - prediction.mean(axis=0)) ** 2)) / norm
    course = np.sqrt(((mean(truth) - mean(prediction)) ** 2).mean()) / norm
    names = ("nrmse_spatial", "nrmse_global", "nrmse_total")
    return dict(zip(names, (spatial, course, spatial + 5 * course), strict=True))


@pytest.mark.parametrize("name", ["nrmse_spatial", "nrmse_global", "nrmse_total"])
def test_equals_the_published_formula(name):
    prediction, truth = warming()
    assert score(name, prediction, truth) == pytest.approx(
        published(prediction, truth)[name], rel=1e-12
    )


@pytest.mark.parametrize("name", ["nrmse_spatial", "nrmse_global", "nrmse_total"])
def test_does_not_depend_on_the_batch(name):
    prediction, truth = warming()
    whole = score(name, prediction, truth)
    for blocks in [(0, 1, 21), (0, 7, 14, 21), tuple(range(22))]:
        assert score(name, prediction, truth, blocks=blocks) == pytest.approx(whole, rel=1e-12)


def test_perfect_emulator_has_no_error():
    _, truth = warming()
    assert score("nrmse_total", truth, truth) == 0.0


def test_constant_offset_by_hand():
    # truth 2 everywhere, prediction 2.5: both parts 0.25, total 0.25 + 5 * 0.25.
    truth = np.full((21, 9, 8), 2.0)
    assert score("nrmse_spatial", truth + 0.5, truth) == pytest.approx(0.25)
    assert score("nrmse_global", truth + 0.5, truth) == pytest.approx(0.25)
    assert score("nrmse_total", truth + 0.5, truth) == pytest.approx(1.5)


def test_errors_that_cancel():
    """Over time they leave the pattern right, over space the global mean."""
    truth = np.full((21, 9, 8), 2.0)
    sign_of_year = np.where(np.arange(21) % 2, 1.0, -1.0)
    sign_of_year[-1] = 0.0
    swinging = truth + sign_of_year[:, None, None]
    assert score("nrmse_spatial", swinging, truth) == pytest.approx(0.0, abs=1e-15)
    assert score("nrmse_global", swinging, truth) == pytest.approx(np.sqrt(20 / 21) / 2)
    chequered = truth + np.where(np.arange(8) % 2, 1.0, -1.0)
    assert score("nrmse_global", chequered, truth) == pytest.approx(0.0, abs=1e-15)
    assert score("nrmse_spatial", chequered, truth) == pytest.approx(0.5)


def test_pole_rows_count_by_area_only():
    _, truth = warming()
    wrong_pole = truth.copy()
    wrong_pole[:, 0] += 5.0
    assert score("nrmse_spatial", wrong_pole, truth, weighting="cos") == pytest.approx(0, abs=1e-12)
    assert score("nrmse_spatial", wrong_pole, truth, weighting="area") > 0.1
