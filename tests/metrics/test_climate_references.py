"""The reference rows of ClimateBench's table, against formulas written out cell by cell."""

import numpy as np
import pytest
import xarray as xr

from climbench.evaluation import evaluate
from climbench.metrics.climate_references import model_row, variability_row

LATITUDE = np.linspace(-90, 90, 7)
WEIGHTS = np.cos(np.deg2rad(LATITUDE))


def ensemble(seed=3, members=4):
    random = np.random.default_rng(seed)
    trend = np.linspace(1.5, 2.5, 21)[:, None, None]
    return trend + random.normal(0.0, 0.3, (members, 21, 7, 5))


def world(field):
    """Weighted mean of one map, one cell after the other."""
    rows, columns = field.shape
    total = sum(WEIGHTS[i] * field[i, j] for i in range(rows) for j in range(columns))
    return total / (columns * sum(WEIGHTS))


def test_variability_by_hand():
    y = ensemble()
    norm = abs(np.mean([world(y[:, t].mean(axis=0)) for t in range(21)]))
    courses = [world(y[m, t]) for m in range(4) for t in range(21)]
    spatial = world(np.std([y[m].mean(axis=0) for m in range(4)], axis=0)) / norm
    course = np.sqrt(np.mean((np.array(courses) - np.mean(courses)) ** 2)) / norm
    row = variability_row(y, WEIGHTS)
    assert row == pytest.approx((spatial, course, spatial + 5 * course), rel=1e-12)


def test_models_have_the_spread_of_their_time_means():
    y = ensemble(seed=4)
    norm = abs(world(y.mean(axis=(0, 1))))
    means = np.array([world(y[m].mean(axis=0)) for m in range(4)])
    row = model_row(y, WEIGHTS)
    assert row.global_ == pytest.approx(np.sqrt(((means - means.mean()) ** 2).mean()) / norm)
    assert row.spatial == pytest.approx(variability_row(y, WEIGHTS).spatial)
    assert row.global_ < variability_row(y, WEIGHTS).global_  # no trend within the period
    assert row.total == pytest.approx(row.spatial + 5 * row.global_)


def test_two_constant_models_a_kelvin_apart():
    y = np.stack([np.full((21, 7, 5), 1.5), np.full((21, 7, 5), 2.5)])
    assert model_row(y, WEIGHTS) == pytest.approx((0.25, 0.25, 1.5))
    assert variability_row(y, WEIGHTS, truth=np.full((21, 7, 5), 4.0)) == pytest.approx(
        (0.125, 0.125, 0.75)
    )


def test_what_cannot_be_a_row_is_refused():
    y = ensemble()
    with pytest.raises(ValueError, match="one member has no spread"):
        variability_row(y[:1], WEIGHTS)
    with pytest.raises(ValueError, match=r"are not \[member, time"):
        model_row(y[0], WEIGHTS)
    with pytest.raises(ValueError, match=r"are not \[member, time"):
        variability_row(y.swapaxes(2, 3), WEIGHTS)
    y[0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="a value is missing"):
        variability_row(y, WEIGHTS)


def test_evaluate_with_the_preset_gives_climatebenchs_formulas_of_the_member_mean():
    """Section by section: members averaged first, 2080 to 2100 only, cos weights, one norm."""
    members = ensemble(members=3)
    prediction = ensemble(seed=9, members=1)[0]
    years = [f"{year}-07-01" for year in range(2080, 2101)]
    before = [f"{year}-07-01" for year in range(2075, 2080)]  # must not count
    time = np.array(before + years, "datetime64[ns]")
    axes = {"latitude": LATITUDE, "longitude": np.arange(5) * 72.0, "time": time}
    pad = [(5, 0), (0, 0), (0, 0)]
    p = np.pad(prediction, pad, constant_values=99.0)[None]
    y = np.pad(members, [(0, 0), *pad])[None]
    attributes = {"units": "K"}
    dims = ("scenario", "time", "latitude", "longitude")
    forecast = xr.Dataset({"tas_anomaly": (dims, p, attributes)}, {"scenario": ["ssp245"], **axes})
    truth = xr.Dataset(
        {"tas_anomaly": (dims, y.mean(axis=1), attributes)}, {"scenario": ["ssp245"], **axes}
    )
    scores = evaluate(
        forecast,
        truth,
        metrics=["nrmse_spatial", "nrmse_global", "nrmse_total"],
        preset="climatebench",
        period=[2080, 2100],
        model="x",
    )
    mean = members.mean(axis=0)
    norm = abs(np.mean([world(one) for one in mean]))
    spatial = np.sqrt(world((mean.mean(axis=0) - prediction.mean(axis=0)) ** 2)) / norm
    course = [world(a) - world(b) for a, b in zip(mean, prediction, strict=True)]
    global_ = np.sqrt(np.mean(np.square(course))) / norm
    found = [float(scores["score"].sel(metric=name).squeeze()) for name in scores.metric.values]
    assert found == pytest.approx([spatial, global_, spatial + 5 * global_], rel=1e-9)
