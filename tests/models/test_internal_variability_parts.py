"""Autoregressions, smoothing and localised covariances against known numbers and processes."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from climbench.models.internal_variability_space import (
    gaspari_cohn,
    great_circle,
    held_out_likelihood,
    localised_factor,
    truncated_factor,
)
from climbench.models.internal_variability_time import (
    autoregress,
    fit_autoregression,
    global_autoregression,
    local_memory,
    lowess,
    segments,
    stationary,
)

LATITUDE, LONGITUDE = np.arange(-75.0, 80, 30), np.arange(0.0, 360, 30)


def noise(shape, coefficients, seed=0, forget=100):
    """Return a stationary autoregressive series with innovations of variance 1."""
    random = np.random.default_rng(seed)
    innovations = random.normal(size=(shape[0] + forget, *shape[1:]))
    return autoregress(innovations, np.asarray(coefficients))[forget:]


def test_order_and_parameters_of_the_global_autoregression_are_found():
    runs = [noise((150,), [0.5, 0.3], seed) for seed in range(10)]
    coefficients, variance = global_autoregression(runs, most=5)
    assert coefficients == pytest.approx([0.5, 0.3], abs=0.05)
    assert variance == pytest.approx(1.0, abs=0.08)


def test_white_noise_gets_no_memory():
    runs = [noise((200,), [], seed) for seed in range(10)]
    coefficients, variance = global_autoregression(runs, most=5)
    assert coefficients.size == 0
    assert variance == pytest.approx(1.0, abs=0.08)


def test_runs_too_short_for_any_memory_are_white():
    coefficients, variance = global_autoregression([np.array([1.0, -1.0]), np.array([0.0])], most=5)
    assert coefficients.size == 0
    assert variance == pytest.approx(2 / 3)


def test_least_squares_of_one_lag_by_hand():
    # Pairs (1, 2), (2, 0), (0, 2): mean 1 and 4/3, covariance sum -2, variance sum 2.
    coefficients, variance = fit_autoregression(np.array([1.0, 2.0, 0.0, 2.0]), 1)
    assert coefficients == pytest.approx([-1.0])
    assert variance == pytest.approx(((2 - 4 / 3) ** 2 + (-1 / 3) ** 2 + (-1 / 3) ** 2) / 3)


def test_explosive_coefficients_are_drawn_in_and_others_kept():
    assert stationary(np.array([0.6, 0.2])).tolist() == [0.6, 0.2]
    drawn = stationary(np.array([1.2, 0.3]))
    assert np.abs(np.roots([1, *-drawn])).max() == pytest.approx(0.98)


def test_memory_of_each_cell_is_found_across_gaps():
    memory = np.array([0.1, 0.5, 0.8])
    series = noise((3000, 3), memory[None])
    year = np.arange(3000) + np.arange(3000) // 300  # a year is missing after every 300
    run = np.repeat([0, 1], 1500)
    found = local_memory(series, segments(run, year))
    np.testing.assert_allclose(found, memory, atol=0.05)


def test_lowess_keeps_straight_lines_and_damps_noise():
    line = 3.0 + 0.2 * np.arange(80.0)
    np.testing.assert_allclose(lowess(line, 50), line, rtol=1e-12)
    white = np.random.default_rng(0).normal(size=400)
    assert lowess(white, 50).std() < 0.3
    assert lowess(np.array([5.0]), 50) == pytest.approx([5.0])


def test_lowess_is_the_weighted_line_at_each_year():
    series = np.random.default_rng(1).normal(size=30)
    year = np.arange(30)
    nearest = np.sort(np.abs(year - 4))[:11]
    root = np.sqrt(np.clip(1 - (np.abs(year - 4) / nearest[-1]) ** 3, 0, 1) ** 3)
    expected = np.polyval(np.polyfit(year, series, 1, w=root), 4)
    assert lowess(series, 11)[4] == pytest.approx(expected)


def test_gaspari_cohn_is_smooth_and_ends_at_twice_the_radius():
    distance = np.linspace(0, 3, 301)
    values = gaspari_cohn(distance)
    assert values[0] == 1.0
    assert (np.diff(values) <= 1e-15).all()
    assert (values[distance >= 2] == 0).all()
    # Both pieces meet at 1 with the value 5/24.
    assert gaspari_cohn([1 - 1e-9, 1 + 1e-9]) == pytest.approx([5 / 24, 5 / 24], abs=1e-8)


@pytest.mark.parametrize("radius", [1000, 4000, 10_000])
def test_gaspari_cohn_is_a_correlation_on_the_sphere(radius):
    taper = gaspari_cohn(great_circle(LATITUDE, LONGITUDE) / radius)
    assert np.linalg.eigvalsh(taper).min() > -1e-9


def test_great_circles():
    distance = great_circle([-90.0, 0.0, 90.0], [0.0, 180.0])
    half = np.pi * 6371
    assert distance[0, 4] == pytest.approx(half)  # pole to pole
    assert distance[2, 3] == pytest.approx(half)  # antipodes on the equator
    assert distance[0, 1] == pytest.approx(0, abs=1e-6)  # a pole is one point
    np.testing.assert_allclose(distance, distance.T)


def exponential(length):
    return np.exp(-great_circle(LATITUDE, LONGITUDE) / length)


def fields(covariance, years, seed=0):
    root = np.linalg.cholesky(covariance)
    return np.random.default_rng(seed).normal(size=(years, len(root))) @ root.T


def test_likelihood_is_that_of_scipy():
    samples = np.random.default_rng(0).normal(size=(60, 2))
    found = held_out_likelihood(samples, np.eye(2), folds=3)
    expected = 0.0
    for held in np.split(np.arange(60), 3):
        rest = np.delete(samples, held, axis=0)
        covariance = np.diag((rest**2).mean(axis=0))
        expected += multivariate_normal([0, 0], covariance).logpdf(samples[held]).sum()
    assert found + -60 * np.log(2 * np.pi) == pytest.approx(expected, rel=1e-5)


def test_localisation_beats_the_sample_covariance_where_samples_are_few():
    truth = exponential(3000)
    samples = fields(truth, 120)
    factor = localised_factor(
        samples, great_circle(LATITUDE, LONGITUDE), (500, 2000, 3500, 5000, 7000, 10_000), 5
    )
    assert 500 < factor.radius < 10_000
    plain = samples.T @ samples / len(samples)
    localised = factor.modes @ factor.modes.T
    assert np.abs(localised - truth).mean() < 0.7 * np.abs(plain - truth).mean()
    np.testing.assert_allclose(localised.diagonal(), plain.diagonal(), rtol=1e-4)


def test_more_samples_and_longer_correlations_choose_wider_radii():
    distance, radii = great_circle(LATITUDE, LONGITUDE), range(1000, 10_001, 1000)
    chosen = [
        localised_factor(fields(exponential(length), years), distance, list(radii), 5).radius
        for length, years in ((1500, 100), (5000, 100), (5000, 1000))
    ]
    assert chosen[0] < chosen[1] < chosen[2]


def test_truncated_factor_keeps_the_variance_of_each_cell():
    samples = fields(exponential(3000), 200) * np.linspace(0.5, 2, LATITUDE.size * LONGITUDE.size)
    weights = np.repeat(np.cos(np.deg2rad(LATITUDE)), LONGITUDE.size)
    factor = truncated_factor(samples, weights, modes=10)
    assert factor.modes.shape == (72, 10)
    kept = (factor.modes**2).sum(axis=1)
    np.testing.assert_allclose(kept + factor.remainder**2, (samples**2).mean(axis=0))
    assert kept.sum() > 0.5 * (samples**2).mean(axis=0).sum()
    everything = truncated_factor(samples, weights, modes=72)
    covariance = samples.T @ samples / len(samples)
    np.testing.assert_allclose(everything.modes @ everything.modes.T, covariance, atol=1e-9)
    np.testing.assert_allclose(
        factor.covariance_with(weights),
        (factor.modes @ factor.modes.T + np.diag(factor.remainder**2)) @ weights,
    )
