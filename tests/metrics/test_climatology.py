"""The smoothed climatology against an explicit loop over years, days and offsets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from climbench.metrics.climatology import DAYS, smooth_climatology, triangular_weights


def test_equals_the_weighted_mean_over_window_and_years():
    rng = np.random.default_rng(0)
    years, window = 3, 7
    values = rng.normal(size=(years, 2, DAYS, 3))
    smooth = smooth_climatology(values.sum(0), np.full((2, DAYS), years), window)
    weights = {offset: 1 - abs(offset) / 3 for offset in range(-3, 4)}
    for hour, day in [(0, 0), (1, 1), (0, 200), (1, DAYS - 1)]:
        total = sum(
            weight * values[year, hour, (day + offset) % DAYS]
            for year in range(years)
            for offset, weight in weights.items()
        )
        np.testing.assert_allclose(smooth[hour, day], total / (years * sum(weights.values())))


def test_the_window_of_weatherbench_is_triangular_with_zero_ends():
    weights = np.roll(triangular_weights(61), 30)[:61]
    half = np.linspace(0, 1, 31)
    np.testing.assert_allclose(weights, np.concatenate([half, half[-2::-1]]))


def test_a_year_without_a_leap_day_still_gives_one():
    sums, counts = np.ones((1, DAYS)), np.ones((1, DAYS))
    sums[0, -1] = counts[0, -1] = 0
    assert smooth_climatology(sums, counts, 1)[0, -1] == 1.0  # the mean of the year
    assert np.isfinite(smooth_climatology(sums, counts, 61)).all()


@settings(max_examples=20, deadline=None)
@given(st.floats(-1e3, 1e3), st.floats(0.5, 2), st.integers(0, 20))
def test_shifting_and_scaling_the_values_does_the_same_to_the_climatology(shift, scale, half):
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 3, size=(1, DAYS))
    values = rng.normal(size=(1, DAYS)) * counts
    one = smooth_climatology(values, counts, 2 * half + 1)
    other = smooth_climatology(scale * values + shift * counts, counts, 2 * half + 1)
    np.testing.assert_allclose(other, scale * one + shift, atol=1e-9)


@pytest.mark.parametrize("window", [0, 2, 367])
def test_a_window_that_is_even_or_too_long_is_refused(window):
    with pytest.raises(ValueError, match="odd"):
        smooth_climatology(np.ones((1, DAYS)), np.ones((1, DAYS)), window)
