"""SEEPS against scores, against its matrix written out, and at the edges of its categories."""

import numpy as np
import pytest
import xarray as xr
from small_ensembles import CELLS, average, score

from climbench.errors import UserError
from climbench.metrics import get_metric
from climbench.metrics.seeps import DRY_FRACTION, HEAVY_THRESHOLD, penalties

METRES = 0.001
HOLES = (np.arange(CELLS) >= 5) & (np.arange(CELLS) <= 8)


def rain(samples=8, seed=0):
    """Return forecast, truth [sample, cell] and heavy threshold [1, cell] in m, and dryness."""
    random = np.random.default_rng(seed)
    forecast, truth = random.gamma(0.4, 6.0, (2, samples, CELLS)).round(2)
    heavy = random.uniform(3, 8, (1, CELLS))
    dryness = random.uniform(0.15, 0.8, (1, CELLS))
    dryness[0, :4] = [0.05, 0.1, 0.85, 0.95]  # outside, on the bounds, outside
    return forecast * METRES, truth * METRES, heavy * METRES, dryness


def seeps(forecast, truth, heavy, dryness, label="seeps"):
    companions = {HEAVY_THRESHOLD: np.repeat(heavy, len(truth), axis=0), DRY_FRACTION: dryness}
    return score(label, forecast, truth, companions)


def by_matrix(forecast, truth, heavy, dryness, keep):
    """The definition, one cell at a time."""
    values = np.zeros(truth.shape)
    for s, c in np.ndindex(values.shape):
        p = dryness[0, c]
        matrix = [
            [0, 1 / (1 - p), 4 / (1 - p)],
            [1 / p, 0, 3 / (1 - p)],
            [1 / p + 3 / (2 + p), 3 / (2 + p), 0],
        ]
        f, o = (
            0 if x[s, c] <= 0.25 * METRES else 2 if x[s, c] >= heavy[0, c] else 1
            for x in (forecast, truth)
        )
        values[s, c] = 0.5 * matrix[f][o]
    return average(values, np.broadcast_to(keep, values.shape))


def test_equals_scores():
    scores = pytest.importorskip("scores.categorical")
    forecast, truth, heavy, dryness = rain()
    theirs = scores.seeps(
        *(xr.DataArray(field / METRES, dims=("s", "c")) for field in (forecast, truth)),
        xr.DataArray(dryness[0], dims="c"),
        xr.DataArray(heavy[0] / METRES, dims="c"),
        dry_light_threshold=0.25,
        preserve_dims="all",
    ).transpose("s", "c")
    valid = np.isfinite(theirs.values)
    expected = average(theirs.values, valid)
    np.testing.assert_allclose(seeps(forecast, truth, heavy, dryness), expected, rtol=1e-12)


@pytest.mark.parametrize("bounds", ["included", "excluded"])
def test_equals_its_matrix(bounds):
    forecast, truth, heavy, dryness = rain()
    keep = (dryness > 0.1) & (dryness < 0.85)
    if bounds == "included":
        keep = (dryness >= 0.1) & (dryness <= 0.85)
    ours = seeps(forecast, truth, heavy, dryness, f"seeps(bounds={bounds})")
    expected = by_matrix(forecast, truth, heavy, dryness, keep)
    np.testing.assert_allclose(ours, expected, rtol=1e-12)


def test_missing_values_and_missing_thresholds_do_not_count():
    forecast, truth, heavy, dryness = rain()
    expected = by_matrix(
        forecast, truth, heavy, dryness, (dryness >= 0.1) & (dryness <= 0.85) & ~HOLES
    )
    truth[:, 5] = forecast[:, 6] = heavy[0, 7] = dryness[0, 8] = np.nan
    np.testing.assert_allclose(seeps(forecast, truth, heavy, dryness), expected, rtol=1e-12)


def test_perfect_is_zero_and_a_constant_forecast_is_one_on_average():
    """Of a truth that has the categories as often as the climate has: p, 2(1-p)/3, (1-p)/3."""
    for p in (0.1, 0.25, 0.4, 0.7, 0.85):
        frequency = np.array([p, 2 * (1 - p) / 3, (1 - p) / 3])
        np.testing.assert_allclose(penalties(np.array(p)) @ frequency, 1.0, rtol=1e-12)
    _, truth, heavy, dryness = rain()
    assert seeps(truth, truth, heavy, dryness)[0] == 0.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_amounts_on_a_threshold_are_dry_or_heavy(dtype):
    heavy, dryness = np.full((1, CELLS), 5 * METRES), np.full((1, CELLS), 0.5)
    nothing, edge, much = (np.full((1, CELLS), x * METRES, dtype) for x in (0.0, 0.25, 5.0))
    assert seeps(edge, nothing, heavy, dryness)[0] == 0.0
    assert seeps(much, 2 * much, heavy, dryness)[0] == 0.0
    assert seeps(edge, nothing, heavy, dryness, "seeps(dry=0.1)")[0] == pytest.approx(1.0)


def test_the_ensemble_mean_and_the_truth_are_categorised_in_one_precision():
    heavy, dryness = np.full((1, CELLS), 5 * METRES), np.full((1, CELLS), 0.5)
    for amount in (0.25, 0.1, 5.0, 4.9):
        truth = np.full((1, CELLS), amount * METRES, np.float32)
        members = np.repeat(truth[:, np.newaxis], 7, axis=1)
        for forecast in (members, truth.astype(float)):
            for dry in (0.25, 0.1):
                label = f"seeps(dry={dry})"
                assert seeps(forecast, truth, heavy, dryness, label)[0] == 0.0
                assert seeps(truth, forecast.reshape(1, -1, CELLS)[:, 0], heavy, dryness)[0] == 0.0


def test_all_masked_is_nan():
    forecast, truth, heavy, dryness = rain()
    assert np.isnan(seeps(forecast, truth, heavy, np.full_like(dryness, 0.9))).all()


def test_it_asks_for_the_climatology():
    assert get_metric("seeps").needs_climatology
    assert DRY_FRACTION.over_year
    with pytest.raises(UserError, match="bounds=open is none of included, excluded"):
        get_metric("seeps(bounds=open)")
    with pytest.raises(UserError, match="dry=-1 is no amount"):
        get_metric("seeps(dry=-1)")
