"""Every formula against loops written out, against xskillscore, and against hand numbers."""

import math

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from climbench.metrics import Fields, State, get_metric, region_weights

LATITUDE = np.array([-75.0, -20.0, 10.0, 50.0])
LONGITUDE = np.array([0.0, 120.0, 240.0])
NAMES = ["rmse", "mse", "mae", "bias", "acc"]


def score(name, forecast, truth, climatology, weighting="cos"):
    """Score [sample, latitude, longitude] fields through the state."""
    metric = get_metric(name)
    weights = region_weights(LATITUDE, LONGITUDE, weighting=weighting)
    state = State.zeros(np.arange(len(truth)), 1, 1, weights, metric.statistics)
    flat = [field.reshape(len(field), -1) for field in (forecast, truth, climatology)]
    state.add(slice(None), 0, 0, Fields(*flat))
    return float(metric.score(state).item())


def by_loops(name, forecast, truth, climatology):
    """The definitions, one number at a time."""
    per_time = []
    for f_map, o_map, c_map in zip(forecast, truth, climatology, strict=True):
        total = sums = products = f_square = o_square = 0.0
        for j, phi in enumerate(LATITUDE):
            w = math.cos(math.radians(phi))
            for i in range(len(LONGITUDE)):
                f, o, c = float(f_map[j, i]), float(o_map[j, i]), float(c_map[j, i])
                e = f - o
                total += w
                sums += w * {"mae": abs(e), "bias": e}.get(name, e * e)
                products += w * (f - c) * (o - c)
                f_square += w * (f - c) ** 2
                o_square += w * (o - c) ** 2
        is_acc = name == "acc"
        per_time.append(products / math.sqrt(f_square * o_square) if is_acc else sums / total)
    mean = sum(per_time) / len(per_time)
    return math.sqrt(mean) if name == "rmse" else mean


def random_fields(samples=5, seed=0):
    random = np.random.default_rng(seed)
    shape = (samples, LATITUDE.size, LONGITUDE.size)
    climatology = 280 + random.normal(size=shape)
    truth = climatology + random.normal(size=shape)
    return truth + random.normal(0.3, 0.5, size=shape), truth, climatology


@pytest.mark.parametrize("name", NAMES)
def test_equals_loops(name):
    fields = random_fields()
    assert score(name, *fields) == pytest.approx(by_loops(name, *fields), rel=1e-12)


@pytest.mark.parametrize("name", ["rmse", "mse", "mae", "bias", "acc"])
def test_equals_xskillscore(name):
    xskillscore = pytest.importorskip("xskillscore")
    forecast, truth, climatology = (
        xr.DataArray(field, dims=("time", "latitude", "longitude")) for field in random_fields()
    )
    weights = xr.DataArray(np.cos(np.deg2rad(LATITUDE)), dims="latitude")
    weights = weights.broadcast_like(truth.isel(time=0))
    space = ["latitude", "longitude"]
    if name == "acc":
        # xskillscore centres; a field and its mirror image have mean zero, so nothing changes
        f = np.concatenate([forecast - climatology, climatology - forecast], axis=1)
        o = np.concatenate([truth - climatology, climatology - truth], axis=1)
        dims = ("time", *space)
        double = xr.concat([weights, weights], dim="latitude")
        expected = xskillscore.pearson_r(
            xr.DataArray(f, dims=dims), xr.DataArray(o, dims=dims), dim=space, weights=double
        ).mean()
    elif name == "bias":
        expected = (forecast - truth).weighted(weights).mean()
    elif name == "rmse":
        expected = np.sqrt(xskillscore.mse(forecast, truth, dim=space, weights=weights).mean())
    else:
        function = getattr(xskillscore, name)
        expected = function(forecast, truth, dim=space, weights=weights).mean()
    assert score(name, *random_fields()) == pytest.approx(float(expected), rel=1e-10)


@pytest.mark.parametrize(
    ("name", "expected"), [("rmse", 2.5), ("mse", 6.25), ("mae", 2.5), ("bias", -2.5)]
)
def test_constant_offset(name, expected):
    _, truth, climatology = random_fields()
    assert score(name, truth - 2.5, truth, climatology) == pytest.approx(expected, rel=1e-12)


def test_root_comes_last():
    # Errors 1 and 7 on two days: sqrt((1 + 49) / 2) = 5, the mean of the roots would be 4.
    truth = np.zeros((2, LATITUDE.size, LONGITUDE.size))
    forecast = truth + np.array([1.0, 7.0])[:, np.newaxis, np.newaxis]
    assert score("rmse", forecast, truth, truth) == pytest.approx(5.0, rel=1e-15)


def test_acc_is_the_mean_of_each_times_ratio():
    # Day 1: forecast anomaly = truth anomaly, ACC 1; day 2: opposite and large, ACC -1.
    _, truth, climatology = random_fields(samples=2)
    anomaly = truth - climatology
    forecast = climatology + anomaly * np.array([1.0, -100.0])[:, np.newaxis, np.newaxis]
    assert score("acc", forecast, truth, climatology) == pytest.approx(0.0, abs=1e-12)


def test_climatology_as_forecast_has_acc_zero():
    _, truth, climatology = random_fields()
    assert score("acc", climatology, truth, climatology) == 0.0


def test_a_time_whose_truth_is_the_climatology_does_not_count():
    forecast, truth, climatology = random_fields(samples=2)
    truth[1] = climatology[1]
    alone = score("acc", forecast[:1], truth[:1], climatology[:1])
    assert score("acc", forecast, truth, climatology) == pytest.approx(alone, rel=1e-14)


def test_acc_takes_one_mask_for_all_sums():
    """Where the truth is missing, the forecast's variance leaves the cell out as well."""
    forecast, truth, climatology = random_fields(samples=1)
    forecast[0, 0, 0] += 1000.0
    truth[0, 0, 0] = np.nan
    value = score("acc", forecast, truth, climatology)
    w = np.broadcast_to(np.cos(np.deg2rad(LATITUDE))[:, None], (4, 3)).copy()
    w[0, 0] = 0.0
    f, o = forecast[0] - climatology[0], np.nan_to_num(truth[0] - climatology[0])
    expected = (w * f * o).sum() / np.sqrt((w * f * f).sum() * (w * o * o).sum())
    assert value == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("magnitude", [1e-20, 1e20])
@pytest.mark.parametrize("name", NAMES)
def test_tiny_and_huge_values(name, magnitude):
    fields = [field * magnitude for field in random_fields()]
    power = get_metric(name).unit_power
    expected = by_loops(name, *random_fields()) * magnitude**power
    assert score(name, *fields) == pytest.approx(expected, rel=1e-9)


def test_float32_fields_lose_nothing_that_matters():
    forecast, truth, climatology = (field.astype(np.float32) for field in random_fields(200))
    for name in NAMES:
        exact = score(name, *(field.astype(np.float64) for field in (forecast, truth, climatology)))
        assert score(name, forecast, truth, climatology) == pytest.approx(exact, rel=1e-6)


def test_pole_rows_weigh_by_area_but_not_by_cosine():
    latitude, longitude = np.array([-90.0, 0.0, 90.0]), np.array([0.0, 180.0])
    by_area = region_weights(latitude, longitude, weighting="area")[:, 0].reshape(3, 2)
    by_cosine = region_weights(latitude, longitude, weighting="cos")[:, 0].reshape(3, 2)
    cap = 1 - math.sin(math.radians(45))
    belt = 2 * math.sin(math.radians(45))
    np.testing.assert_allclose(by_area[:, 0] / by_area[1, 0], [cap / belt, 1, cap / belt])
    np.testing.assert_array_equal(by_cosine[:, 0], [0, 3, 0])


@given(shift=st.floats(-1e3, 1e3), seed=st.integers(0, 100))
def test_a_common_shift_changes_nothing(shift, seed):
    forecast, truth, climatology = random_fields(seed=seed)
    for name in NAMES:
        before = score(name, forecast, truth, climatology)
        after = score(name, forecast + shift, truth + shift, climatology + shift)
        assert after == pytest.approx(before, rel=1e-7, abs=1e-9)


@given(seed=st.integers(0, 1000))
def test_orderings_that_always_hold(seed):
    fields = random_fields(seed=seed)
    rmse, mae, bias, acc = (score(name, *fields) for name in ("rmse", "mae", "bias", "acc"))
    assert rmse >= mae >= abs(bias)
    assert -1.0 <= acc <= 1.0
