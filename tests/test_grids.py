import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from climbench.errors import UserError
from climbench.grids import (
    WEIGHTINGS,
    is_periodic,
    latitude_bounds,
    latitude_weights,
    longitude_bounds,
)
from climbench.recipes.regridding import regridder

rows = st.lists(
    st.floats(-90, 90), min_size=2, max_size=40, unique_by=lambda value: round(value, 3)
).map(sorted)


@given(rows)
def test_weights_have_mean_one_and_turn_with_the_grid(latitude):
    for rule in WEIGHTINGS:
        weights = latitude_weights(latitude, rule)
        assert weights.mean() == pytest.approx(1.0)
        assert (weights >= 0).all()
        np.testing.assert_allclose(latitude_weights(latitude[::-1], rule), weights[::-1])


@given(rows)
def test_bounds_enclose_their_rows_and_stay_on_the_globe(latitude):
    edges = latitude_bounds(latitude)
    assert (edges[:-1] <= latitude).all()
    assert (latitude <= edges[1:]).all()
    assert abs(edges).max() <= 90.0


@given(st.integers(2, 400))
def test_on_even_grids_without_poles_area_is_cosine(count):
    latitude = (np.arange(count) + 0.5) * 180.0 / count - 90.0
    np.testing.assert_allclose(latitude_weights(latitude, "cos"), latitude_weights(latitude))


def test_pole_rows_have_the_area_of_half_a_row():
    # rows at -90, 0, 90: sines of the edges -1, -sqrt(1/2), sqrt(1/2), 1
    half = np.sqrt(0.5)
    expected = np.array([1 - half, 2 * half, 1 - half]) * 3 / 2
    np.testing.assert_allclose(latitude_weights([-90.0, 0.0, 90.0]), expected)
    assert latitude_weights([-90.0, 0.0, 90.0], "cos").tolist() == [0.0, 3.0, 0.0]


def test_a_regional_grid_ends_half_a_row_beyond_its_centres():
    assert latitude_bounds([30.0, 32.0, 34.0]).tolist() == [29.0, 31.0, 33.0, 35.0]


def test_a_single_row_is_the_whole_globe():
    assert latitude_bounds([0.0]).tolist() == [-90.0, 90.0]
    assert latitude_weights([45.0]).tolist() == [1.0]


def test_impossible_latitudes_are_refused():
    with pytest.raises(ValueError, match="between -90 and 90"):
        latitude_bounds([0.0, 91.0])
    with pytest.raises(ValueError, match="latitude must be strictly monotonic"):
        latitude_bounds([0.0, 10.0, 5.0])
    with pytest.raises(ValueError, match="longitude must be strictly monotonic"):
        longitude_bounds([0.0, 0.0])


def gaussian_latitude(rows):
    return np.rad2deg(np.arcsin(np.polynomial.legendre.leggauss(rows)[0]))


def weights_between(edges):
    """Weights of rows between these edges, by the formula of WeatherBench 2."""
    area = np.diff(np.sin(np.deg2rad(edges)))
    return area / area.mean()


@pytest.mark.parametrize(
    "latitude",
    [
        np.linspace(-90, 90, 121),
        np.linspace(-90, 90, 721).astype(np.float32),
        np.arange(-87.1875, 90, 5.625),
        gaussian_latitude(64),
        gaussian_latitude(3),
        np.arange(-89.75, 90.1, 0.25),  # 720 rows: the southern pole's row is left out
        np.linspace(-89.9, 89.9, 1799).astype(np.float32),  # both are
    ],
)
def test_on_global_grids_area_is_that_of_weatherbench2(latitude):
    inner = (latitude[1:].astype(np.float64) + latitude[:-1]) / 2
    expected = weights_between([-90, *inner, 90])
    np.testing.assert_allclose(latitude_weights(latitude), expected, rtol=1e-10)
    np.testing.assert_allclose(latitude_weights(latitude[::-1]), expected[::-1], rtol=1e-10)


@pytest.mark.parametrize("rule", ["area", "area_half_step"])
def test_on_regional_grids_area_is_that_of_weatherbench_x(rule):
    # the edge row counts 1.24 times, not 5.38 times as if it reached to the south pole
    weights = latitude_weights(np.arange(30.0, 61.0, 5.0), rule)
    printed = [1.24, 1.18, 1.10, 1.02, 0.92, 0.82, 0.72]
    np.testing.assert_allclose(weights, printed, atol=0.005)
    np.testing.assert_allclose(weights, weights_between(np.arange(27.5, 63.0, 5.0)))


def test_area_half_step_leaves_the_caps_of_a_gaussian_grid_out():
    latitude = gaussian_latitude(32)
    inner, half = (latitude[1:] + latitude[:-1]) / 2, (latitude[-1] - latitude[-2]) / 2
    expected = weights_between([latitude[0] - half, *inner, latitude[-1] + half])
    np.testing.assert_allclose(latitude_weights(latitude, "area_half_step"), expected)
    assert latitude_weights(latitude)[0] > 1.04 * expected[0]


def test_a_row_owns_the_cap_only_if_it_is_less_than_a_row_away():
    assert latitude_bounds([84.0, 86.0, 88.0])[-1] == 90.0
    assert latitude_bounds([83.9, 85.9, 87.9])[-1] == 88.9
    assert latitude_bounds([-87.9, -85.9]).tolist() == [-88.9, -86.9, -84.9]


def test_regridding_from_a_gaussian_grid_keeps_the_global_mean():
    latitude, longitude = gaussian_latitude(16), np.arange(0.0, 360.0, 30.0)
    target = np.linspace(90.0, -90.0, 19)
    field = np.random.default_rng(0).normal(size=(16, 12))
    regridded = regridder(latitude, longitude, target, longitude, valid=1.0)(field)
    mean = latitude_weights(latitude) @ field.mean(axis=1) / 16
    assert latitude_weights(target) @ regridded.mean(axis=1) / 19 == pytest.approx(mean, abs=1e-14)


@given(st.integers(1, 720), st.floats(-180, 180))
def test_all_round_is_periodic_and_less_is_not(count, start):
    longitude = start + np.arange(count) * 360.0 / count
    assert is_periodic(longitude)
    if count > 2:
        assert not is_periodic(longitude[:-1])


def test_an_unknown_weighting_is_refused_with_the_nearest():
    with pytest.raises(UserError, match="no weighting 'cosine': did you mean 'cos'"):
        latitude_weights([0.0, 10.0], "cosine")
