"""The moving-block bootstrap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from climbench.evaluation.significance import block_draws, block_length, interval


@given(samples=st.integers(1, 60), share=st.floats(0, 1), seed=st.integers(0, 99))
def test_every_draw_has_as_many_samples(samples, share, seed):
    length = max(1, int(share * samples))
    counts = block_draws(samples, length, draws=20, seed=seed)
    np.testing.assert_array_equal(counts.sum(axis=1), samples)
    assert counts.min() >= 0


def test_draws_are_made_of_consecutive_samples():
    counts = block_draws(12, length=12, draws=5, seed=0)
    np.testing.assert_array_equal(counts, 1)
    for row in block_draws(100, length=50, draws=20, seed=0):
        assert np.count_nonzero(np.diff(row)) <= 4


def test_seed_decides():
    first, again = block_draws(30, 3, 10, seed=1), block_draws(30, 3, 10, seed=1)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, block_draws(30, 3, 10, seed=2))


def test_block_grows_with_autocorrelation():
    random = np.random.default_rng(0)
    noise = random.normal(size=1000)
    red = np.zeros(1000)
    for i in range(1, 1000):
        red[i] = 0.8 * red[i - 1] + noise[i]
    assert block_length(noise) <= 3
    # Carlstein's rule with 0.8: (sqrt(6) * 0.8 / 0.36)^(2/3) * 10 = 31
    assert block_length(red) == pytest.approx(31, abs=4)


def test_block_length_of_degenerate_series():
    assert block_length(np.ones(10)) == 1
    assert block_length(np.full(10, np.nan)) == 1
    assert block_length(np.array([1.0])) == 1


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_intervals_cover_the_truth_as_often_as_they_say(correlation):
    """95 % intervals of the mean of 200 correlated samples hold it in about 95 of 100 cases."""
    random = np.random.default_rng(7)
    held = 0
    for case in range(200):
        noise = random.normal(size=(300,))
        series = np.zeros(300)
        for i in range(1, 300):
            series[i] = correlation * series[i - 1] + noise[i]
        series = series[100:]
        draws = block_draws(200, block_length(series), 200, seed=case)
        lower, upper = interval(draws @ series / 200, 0.95)
        held += bool(lower <= 0.0 <= upper)
    assert 0.85 < held / 200 < 0.99
