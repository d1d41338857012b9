"""Block bootstrap, resampled members, the Diebold-Mariano test and many tests at once."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scores.stats.statistical_tests import diebold_mariano as scores_diebold_mariano
from small_scores import red_noise

from climbench.evaluation.significance import (
    block_draws,
    block_length,
    diebold_mariano,
    false_discovery,
    interval,
    narrowness,
)


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


def test_members_are_blocks_of_one():
    counts = block_draws(5, length=1, draws=4000, seed=0)
    # Each member is taken a binomial number of times: mean 1, variance 4/5
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=0.05)
    np.testing.assert_allclose(counts.var(axis=0), 0.8, atol=0.08)


def test_drawn_members_give_the_error_of_an_ensemble_mean():
    members = np.random.default_rng(1).normal(size=20)
    drawn = block_draws(20, length=1, draws=4000, seed=0) @ members / 20
    assert drawn.std() == pytest.approx(members.std() / np.sqrt(20), rel=0.05)


def test_block_grows_with_autocorrelation():
    assert block_length(red_noise(1000)) <= 3
    # Carlstein's rule with 0.8: (sqrt(6) * 0.8 / 0.36)^(2/3) * 10 = 31
    assert block_length(red_noise(1000, 0.8)) == pytest.approx(31, abs=4)


def test_the_bias_of_a_short_series_is_taken_back():
    """Estimated means make autocorrelation look too small, by (1 + 3 r) / n."""
    series = red_noise(40, 0.4, seed=1)
    series -= series.mean()
    raw = (series[1:] * series[:-1]).sum() / (series**2).sum()
    without_bias = raw + (1 + 3 * raw) / 40

    def carlstein(correlation):
        return (np.sqrt(6) * correlation / (1 - correlation**2)) ** (2 / 3) * 40 ** (1 / 3)

    assert block_length(series) == int(np.ceil(carlstein(without_bias))) > carlstein(raw) + 0.5


def test_gaps_do_not_hide_autocorrelation():
    red = red_noise((1000, 3), 0.8)
    holes = red.copy()
    holes[np.random.default_rng(0).random(red.shape) < 0.2] = np.nan
    assert block_length(holes) == pytest.approx(block_length(red), abs=4)


def test_block_length_of_degenerate_series():
    assert block_length(np.ones(10)) == 1
    assert block_length(np.full(10, np.nan)) == 1
    assert block_length(np.array([1.0])) == 1
    assert block_length(np.array([1.0, np.nan, 3.0, np.nan, 4.0])) == 1


def test_a_smooth_season_leaves_at_least_five_blocks():
    season = np.cos(2 * np.pi * np.arange(365) / 365)
    assert block_length(season) == 73


@pytest.mark.parametrize("size", [1e-200, 1e160, 1e300])
def test_magnitude_does_not_matter(size):
    series = 0.1 + red_noise(100, 0.7)
    assert block_length(size * series) == block_length(series)
    assert float(diebold_mariano(size * series).p) == pytest.approx(
        float(diebold_mariano(series).p)
    )


def test_infinite_draws_give_infinite_bounds():
    draws = np.append(np.arange(90.0), np.full(10, np.inf))
    lower, upper = interval(draws, 0.9, stretch=1.5)
    assert np.isfinite(lower) and upper == np.inf


def test_interval_is_the_middle_share_and_may_be_stretched():
    draws = np.arange(101.0)
    assert interval(draws, 0.9) == (5.0, 95.0)
    assert interval(draws, 0.9, stretch=2.0) == (-40.0, 140.0)
    both = np.stack([np.append(draws, np.nan), np.full(102, np.nan)], axis=1)
    lower, upper = interval(both, 0.9)
    np.testing.assert_array_equal(lower, [5.0, np.nan])
    np.testing.assert_array_equal(upper, [95.0, np.nan])


@pytest.mark.parametrize(("samples", "correlation"), [(200, 0.0), (200, 0.6), (20, 0.0), (20, 0.6)])
def test_intervals_cover_the_truth_about_as_often_as_they_say(samples, correlation):
    """95 % intervals of the mean of red noise hold it in 86 to 99 of 100 cases."""
    held = 0
    for case in range(300):
        series = red_noise(samples, correlation, seed=case)
        length = block_length(series)
        draws = block_draws(samples, length, 200, seed=case)
        stretch = narrowness(samples, length, 0.95)
        lower, upper = interval(draws @ series / samples, 0.95, stretch)
        held += bool(lower <= 0.0 <= upper)
    assert 0.86 < held / 300 < 0.99


def reference_test(series, horizon, method):
    """The test of the package ``scores``: statistic and p."""
    array = xr.DataArray([series], dims=["row", "time"], coords={"h": ("row", [horizon])})
    distribution = "t" if method == "HLN" else "normal"
    found = scores_diebold_mariano(
        array, "row", "h", method=method, statistic_distribution=distribution
    )
    above = float(found["confidence_gt_0"][0])
    return float(found["dm_test_stat"][0]), 2 * min(above, 1 - above)


@pytest.mark.parametrize("horizon", [1, 2, 5, 10])
@pytest.mark.parametrize("scale", [1.0, 1e-12, 1e12])
def test_with_a_horizon_it_is_harvey_leybourne_and_newbold(horizon, scale):
    series = scale * (0.2 + red_noise(60, 0.5, seed=3))
    statistic, p = diebold_mariano(series, horizon)
    expected = reference_test(series, horizon, "HLN")
    assert float(statistic) == pytest.approx(expected[0], rel=1e-10)
    assert float(p) == pytest.approx(expected[1], rel=1e-8)


def test_by_hand():
    """d = 1, 2, 3, 4: mean 2.5, gamma_0 = 5/4, gamma_1 = 1.25/4, so S^2 = 5/8 * 6.25 / (7.5/16)."""
    statistic, p = diebold_mariano([1.0, 2.0, 3.0, 4.0], horizon=2)
    assert float(statistic) == pytest.approx(np.sqrt((4 + 1 - 4 + 2 / 4) / 4 * 6.25 / (7.5 / 16)))
    assert float(p) == pytest.approx(2 * stats.t.sf(float(statistic), 3))


def test_one_step_ahead_it_is_the_t_test():
    series = 0.3 + red_noise(25, seed=1)
    assert float(diebold_mariano(series, 1).p) == pytest.approx(stats.ttest_1samp(series, 0).pvalue)


def test_without_a_horizon_the_longest_cosines_give_the_variance():
    series = 0.2 + red_noise(40, 0.6, seed=2)
    number = int(0.4 * 40 ** (2 / 3))
    power = 0.0
    for wave in range(1, number + 1):
        total = 0.0
        for time, value in enumerate(series):
            total += (value - series.mean()) * np.cos(np.pi * wave * (time + 0.5) / 40)
        power += 2 / 40 * total**2
    expected = series.mean() / np.sqrt(power / number / 40)
    statistic, p = diebold_mariano(series)
    assert float(statistic) == pytest.approx(expected)
    assert float(p) == pytest.approx(2 * stats.t.sf(abs(expected), number))


def test_on_long_series_it_agrees_with_hering_and_genton():
    """Their variance is that of a fitted exponential autocovariance: another way to one number."""
    series = 0.1 + red_noise(3000, 0.6, seed=4)
    expected, _ = reference_test(series, 3, "HG")
    assert float(diebold_mariano(series).statistic) == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize(("correlation", "samples"), [(0.0, 20), (0.6, 60), (0.8, 365)])
def test_equal_forecasts_are_rarely_called_different(correlation, samples):
    """At the level 0.05 the test errs in 3 to 9 of 100 cases, however red the differences are."""
    p = diebold_mariano(red_noise((samples, 2000), correlation, seed=5)).p
    assert 0.03 < np.mean(p < 0.05) < 0.09


def test_a_variance_that_is_not_positive_comes_from_the_cosines():
    series = np.array([1.0, -1.0, 1.2, -1.0, 1.0, -1.1, 1.0, -1.0])  # gamma_0 + 2 gamma_1 < 0
    assert np.isnan(reference_test(series, 2, "HLN")[0])
    assert diebold_mariano(series, 2) == diebold_mariano(series)
    assert diebold_mariano(series, 8) == diebold_mariano(series)  # no horizon fits so few samples


@pytest.mark.parametrize("horizon", [None, 1, 3])
def test_degenerate_series(horizon):
    same, constant, single, none, huge = (
        diebold_mariano(series, horizon)
        for series in (np.zeros(9), np.full(9, 0.1), [1.0], [np.nan] * 4, np.full(9, -1e300))
    )
    assert (float(same.statistic), float(same.p)) == (0.0, 1.0)
    assert (float(constant.statistic), float(constant.p)) == (np.inf, 0.0)
    assert np.isnan(single.statistic) and np.isnan(single.p)
    assert np.isnan(none.statistic) and np.isnan(none.p)
    assert float(huge.p) == 0.0
    with pytest.raises(ValueError, match="at least one step"):
        diebold_mariano(np.ones(4), 0)


def test_missing_samples_stay_gaps_in_time():
    series = 0.3 + red_noise(40, seed=6)
    series[[0, 7, 8, 39]] = np.nan
    kept = series[np.isfinite(series)]
    assert float(diebold_mariano(series, 1).p) == pytest.approx(stats.ttest_1samp(kept, 0).pvalue)
    # Two lags apart, gaps matter: the neighbours of sample 7 are no neighbours
    departure = np.where(np.isfinite(series), series - kept.mean(), 0.0)
    variance = (departure**2).sum() + 2 * (departure[1:] * departure[:-1]).sum()
    factor = (36 + 1 - 4 + 2 / 36) / 36
    expected = kept.mean() / np.sqrt(variance / 36**2 / factor)
    assert float(diebold_mariano(series, 2).statistic) == pytest.approx(expected)


def test_many_series_at_once_are_each_by_itself():
    series = red_noise((30, 2, 3), 0.5, seed=7)
    series[4:9, 1, 1] = np.nan
    series[:, 0, 2] = 0.0
    for horizon in (None, 3):
        together = diebold_mariano(series, horizon)
        for place in np.ndindex(2, 3):
            alone = diebold_mariano(series[:, *place], horizon)
            assert float(alone.statistic) == pytest.approx(float(together.statistic[place]))
            assert float(alone.p) == pytest.approx(float(together.p[place]))


@given(scale=st.floats(1e-6, 1e6), horizon=st.sampled_from([None, 1, 4]))
def test_units_do_not_matter_and_models_may_change_places(scale, horizon):
    series = 0.2 + red_noise(30, 0.4, seed=8)
    statistic, p = diebold_mariano(series, horizon)
    scaled = diebold_mariano(scale * series, horizon)
    swapped = diebold_mariano(-series, horizon)
    assert float(scaled.statistic) == pytest.approx(float(statistic))
    assert (float(swapped.statistic), float(swapped.p)) == (-float(statistic), float(p))


def test_benjamini_and_hochberg_by_hand():
    """m / i times p of 0.01, 0.03, 0.04, 0.5 is 0.04, 0.06, 0.053, 0.5; 0.06 falls to the next."""
    p = np.array([[0.5, 0.01], [np.nan, 0.04], [0.03, np.nan]])
    q = false_discovery(p)
    expected = [[0.5, 0.04], [np.nan, 4 / 3 * 0.04], [4 / 3 * 0.04, np.nan]]
    np.testing.assert_allclose(q, expected)
    np.testing.assert_array_equal(false_discovery([np.nan, np.nan]), [np.nan, np.nan])
    assert float(false_discovery(0.03)) == pytest.approx(0.03)


def test_few_false_finds_among_many_tests():
    """Of the tests with q below 0.1, about a tenth of those without an effect are marked."""
    random = np.random.default_rng(9)
    effect = np.repeat([0.0, 4.0], [900, 100])
    found = false_discovery(2 * stats.norm.sf(np.abs(random.normal(effect)))) < 0.1
    assert found[900:].mean() > 0.7
    assert found[:900].sum() / found.sum() < 0.15
