"""Anomalies: robust scores by scipy, hysteresis and merging by hand, events counted once."""

import numpy as np
import pytest
from scipy.stats import median_abs_deviation

from climbench.metrics.anomaly_events import (
    f_beta,
    find_events,
    robust_score,
    score_events,
    score_points,
)


def test_robust_scores_by_scipy():
    random = np.random.default_rng(0)
    usual, new = random.normal(3, 2, 1000), random.normal(3, 2, 50)
    usual[::7] = np.nan
    spread = median_abs_deviation(usual, scale="normal", nan_policy="omit")
    expected = np.abs(new - np.nanmedian(usual)) / spread
    np.testing.assert_allclose(robust_score(new, usual), expected, rtol=1e-4)


def test_events_begin_at_the_low_threshold_and_must_reach_the_high_one():
    score = np.array([0, 3, 7, 3, 0, 0, 0, 4, 4, 0, 3, 9, np.nan, 0])
    found = find_events(score, high=6, low=2, apart=1)
    assert [(one.start, one.stop, one.peak, one.at) for one in found] == [
        (10, 12, 9.0, 11),
        (1, 4, 7.0, 2),
    ]


@pytest.mark.parametrize(("apart", "spans"), [(2, [(4, 5), (1, 2)]), (3, [(1, 5)])])
def test_runs_close_together_are_one(apart, spans):
    found = find_events(np.array([0, 7, 0, 0, 8, 0.0]), 6, 2, apart)
    assert [one[:2] for one in found] == spans


def test_every_event_counts_once():
    """Found: one early in the first, its end, a false one; the second true event is missed."""
    score = np.zeros(100)
    score[[12, 20, 60]] = [9, 8, 7]
    found = find_events(score, 6, 2, 2)
    result = score_events(found, [(10, 20), (40, 50)], tolerance=3, beta=1.0, top=1)
    assert result.precision == pytest.approx(2 / 3)
    assert result.recall == 0.5
    assert result.f_beta == pytest.approx(2 * (2 / 3) * 0.5 / (2 / 3 + 0.5))
    assert result.recall_at == 0.5
    assert result.delay == 2


def test_beyond_the_tolerance_it_is_another_event():
    score = np.zeros(30)
    score[15] = 9
    found = find_events(score, 6, 2, 2)
    assert score_events(found, [(5, 12)], tolerance=3).recall == 0
    assert score_events(found, [(5, 12)], tolerance=4).recall == 1


def test_points_by_hand():
    marked, true = np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool)
    assert score_points(marked, true, 1.0) == (0.5, 0.5, 0.5)
    assert np.isnan(score_events([], [], 0).recall)
    assert f_beta(1.0, 0.5, 0.5) == pytest.approx(1.25 * 0.5 / (0.25 + 0.5))
