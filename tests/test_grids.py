import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from climbench.errors import UserError
from climbench.grids import is_periodic, latitude_bounds, latitude_weights, longitude_bounds

rows = st.lists(
    st.floats(-90, 90), min_size=2, max_size=40, unique_by=lambda value: round(value, 3)
).map(sorted)


@given(rows)
def test_weights_have_mean_one_and_turn_with_the_grid(latitude):
    for rule in ("area", "cos", "none"):
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


@given(st.integers(1, 720), st.floats(-180, 180))
def test_all_round_is_periodic_and_less_is_not(count, start):
    longitude = start + np.arange(count) * 360.0 / count
    assert is_periodic(longitude)
    if count > 2:
        assert not is_periodic(longitude[:-1])


def test_an_unknown_weighting_is_refused_with_the_nearest():
    with pytest.raises(UserError, match="no weighting 'cosine': did you mean 'cos'"):
        latitude_weights([0.0, 10.0], "cosine")
