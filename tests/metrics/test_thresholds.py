"""Thresholds of extremes, running means and neighbours, against plain loops."""

import numpy as np
import pandas as pd
import pytest

from climbench.metrics.thresholds import (
    percentile_thresholds,
    running_mean,
    season_of,
    smooth_neighbours,
)

DATES = pd.date_range("2001-01-01", "2004-12-31")
LENGTH = np.where(DATES.is_leap_year, 366, 365)
LEVELS = np.array([0.05, 0.95])


@pytest.fixture
def values():
    drawn = np.random.default_rng(0).normal(size=(DATES.size, 3)).astype(np.float32)
    drawn[::7, 1] = np.nan
    drawn[:, 2] = np.nan
    drawn[:, 0] = np.round(drawn[:, 0], 1)  # ties
    return drawn


@pytest.mark.parametrize("window", ["season", "year"])
def test_thresholds_are_percentiles_of_the_same_part_of_the_year(values, window):
    day = DATES.day_of_year.to_numpy()
    found = percentile_thresholds(values, day, LENGTH, LEVELS, window)
    for wanted in (1, 60, 61, 200, 366):
        for cell in (0, 1):
            chosen = [
                value
                for value, own in zip(values[:, cell], day, strict=True)
                if np.isfinite(value)
                and (window == "year" or season_of(np.array(own)) == season_of(np.array(wanted)))
            ]
            expected = np.percentile(np.float64(chosen), [5, 95])
            np.testing.assert_allclose(found[:, wanted - 1, cell], expected)
    assert np.isnan(found[:, :, 2]).all()


def test_a_window_of_days_reaches_over_the_new_year(values):
    day = DATES.day_of_year.to_numpy()
    warm = values[:, [0]] + 100.0 * ((day <= 5) | (day >= 361))[:, None]
    found = percentile_thresholds(warm, day, LENGTH, np.array([0.5]), 9)
    assert (found[0, [0, 364, 365], 0] > 90).all()
    assert found[0, 180, 0] < 10


def test_running_means_end_at_their_time_and_stop_at_gaps(values):
    hours = 24 * np.arange(40)
    hours[20:] += 24  # a day is missing
    series = np.arange(40.0)[:, None]
    found = running_mean(series, hours, 7)[:, 0]
    expected = [
        np.mean(range(at - 6, at + 1)) if 6 <= at < 20 or at >= 26 else np.nan for at in range(40)
    ]
    np.testing.assert_allclose(found, expected)


def test_neighbours_are_averaged_across_the_poles():
    latitude, longitude = np.array([-67.5, -22.5, 22.5, 67.5]), np.arange(0.0, 360.0, 45.0)
    field = np.random.default_rng(0).normal(size=(2, 4, 8))
    found = smooth_neighbours(field, latitude, longitude)
    weights = {0: 4 / 9, 1: 1 / 9, 2: 0.25 / 9}
    for row, column in np.ndindex(4, 8):
        total = np.zeros(2)
        for down, aside in np.ndindex(3, 3):
            at, beside = row + down - 1, column + aside - 1
            if at in (-1, 4):  # over the pole: the same row, half the globe away
                at, beside = row, beside + 4
            total += weights[abs(down - 1) + abs(aside - 1)] * field[:, at, beside % 8]
        np.testing.assert_allclose(found[:, row, column], total)
    np.testing.assert_allclose(smooth_neighbours(field * 0 + 3, latitude, longitude), 3.0)
    reversed_rows = smooth_neighbours(field[:, ::-1], latitude[::-1], longitude)
    np.testing.assert_allclose(reversed_rows, found[:, ::-1])


def test_a_row_on_the_pole_has_the_next_row_beyond_it():
    latitude, longitude = np.array([-90.0, 0.0, 90.0]), np.arange(0.0, 360.0, 90.0)
    field = np.zeros((3, 4))
    field[1, 2] = 9.0
    found = smooth_neighbours(field, latitude, longitude)
    assert found[0, 2] == pytest.approx(1.0)
    assert found[0, 0] == pytest.approx(1.0)  # across the pole


def test_the_edge_of_a_region_is_repeated():
    found = smooth_neighbours(np.ones((3, 4)), np.array([40.0, 45.0, 50.0]), np.arange(4) * 5.0)
    np.testing.assert_allclose(found, 1.0)
