"""The smoothed climatology against explicit loops over years, days and offsets, and xarray."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from climbench.metrics.climatology import (
    DAYS,
    DaySums,
    smooth_climatology,
    triangular_weights,
)
from climbench.metrics.climatology_quantiles import window_quantiles


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


def scattered(seed, years=4, cells=3, missing=0.2):
    """Values of some years at random days, some of them missing."""
    rng = np.random.default_rng(seed)
    day = rng.integers(0, DAYS, size=years * DAYS)
    values = np.round(rng.normal(size=(day.size, cells)), 1)  # many are equal
    values[rng.random(values.shape) < missing] = np.nan
    return values, day


def explicit_window(values, day, today, window):
    """The weights of all values on one day, from the distance round the year."""
    distance = np.minimum((day - today) % DAYS, (today - day) % DAYS)
    weights = np.clip(1 - distance / max(window // 2, 1), 0, None)[:, None]
    return np.where(np.isfinite(values), weights, 0.0), np.nan_to_num(values)


@pytest.mark.parametrize("window", [1, 9, 61])
def test_mean_and_deviation_are_those_of_all_values_in_the_window(window):
    values, day = scattered(0)
    sums = DaySums(2, values.shape[1], squares=True)
    sums.add(values, np.full(day.size, 1), day)
    mean, deviation = sums.window(1, triangular_weights(window))
    for today in (0, 15, 200, 365):
        weights, filled = explicit_window(values, day, today, window)
        expected = (weights * filled).sum(0) / weights.sum(0)
        np.testing.assert_allclose(mean[today], expected, rtol=1e-12)
        variance = (weights * (filled - expected) ** 2).sum(0) / weights.sum(0)
        np.testing.assert_allclose(deviation[today], np.sqrt(variance), rtol=1e-10, atol=1e-12)


def test_a_small_signal_on_a_large_offset_keeps_its_digits():
    values, day = scattered(1)
    plain, lifted = DaySums(1, 3, squares=True), DaySums(1, 3, squares=True)
    plain.add(values, np.zeros_like(day), day)
    lifted.add(values + 2.0**30, np.zeros_like(day), day)
    mean, deviation = plain.window(0, triangular_weights(61))
    high, same = lifted.window(0, triangular_weights(61))
    np.testing.assert_allclose(high - 2.0**30, mean, atol=1e-6)
    np.testing.assert_allclose(same, deviation, rtol=1e-6)


def test_a_constant_has_itself_as_mean_and_no_deviation():
    sums = DaySums(1, 2, squares=True)
    day = np.arange(DAYS)
    sums.add(np.full((DAYS, 2), [1e30, -0.1]), np.zeros_like(day), day)
    mean, deviation = sums.window(0, triangular_weights(61))
    assert np.all(mean == [1e30, -0.1])
    assert np.all(deviation == 0.0)


def test_a_window_without_values_is_nan_and_infinite_values_do_not_count():
    values = np.array([[5.0, np.nan], [np.inf, np.nan], [7.0, 1.0]])
    day = np.array([10, 10, 11])
    sums = DaySums(1, 2, squares=True)
    sums.add(values, np.zeros(3, int), day)
    mean, deviation = sums.window(0, triangular_weights(1))
    np.testing.assert_array_equal(mean[[9, 10, 11]], [[np.nan] * 2, [5, np.nan], [7, 1]])
    np.testing.assert_array_equal(deviation[[9, 10, 11]], [[np.nan] * 2, [0, np.nan], [0, 0]])
    median = window_quantiles(values, day, 1, [0.5])[0]
    np.testing.assert_array_equal(median, mean)


@pytest.mark.parametrize("window", [1, 3, 61, 365])
def test_quantiles_are_the_weighted_ones_of_xarray(window):
    values, day = scattered(2)
    levels = [0.0, 0.1, 0.5, 0.9, 1.0]
    found = window_quantiles(values, day, window, levels)
    for today in (0, 30, 31, 183, 365):
        weights, _ = explicit_window(values, day, today, window)
        for cell in range(values.shape[1]):
            series = xr.DataArray(values[:, cell], dims="time")
            expected = series.weighted(xr.DataArray(weights[:, cell], dims="time"))
            expected = expected.quantile(levels, dim="time").values
            np.testing.assert_allclose(found[:, today, cell], expected, atol=1e-10)


def test_quantiles_of_equal_values_are_that_value():
    day = np.repeat(np.arange(DAYS), 3)
    found = window_quantiles(np.full((day.size, 1), 0.1), day, 61, [0.0, 0.3, 1.0])
    np.testing.assert_allclose(found, 0.1, rtol=1e-15)


@settings(max_examples=15, deadline=None)
@given(st.floats(-1e3, 1e3), st.floats(0.5, 2), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_quantiles_follow_shift_scale_and_sign_and_ignore_the_order_of_times(
    shift, scale, half, seed
):
    values, day = scattered(seed, years=2, cells=1)
    window, order = 2 * half + 1, np.random.default_rng(seed).permutation(day.size)
    low, middle, high = window_quantiles(values, day, window, [0.2, 0.5, 0.8])
    ordered = (low <= middle + 1e-12) & (middle <= high + 1e-12)
    assert np.all(ordered | np.isnan(middle))
    moved = window_quantiles((scale * values + shift)[order], day[order], window, [0.2])[0]
    np.testing.assert_allclose(moved, scale * low + shift, atol=1e-9)
    mirrored = window_quantiles(-values, day, window, [0.2])[0]
    np.testing.assert_allclose(mirrored, -high, atol=1e-9)
