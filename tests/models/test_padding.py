"""Beyond the edges of a grid: round the globe, over the poles, or the last value again."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from climbench.models.padding import Edges, GlobeConv2d, pad

GLOBE = Edges.of([-67.5, -22.5, 22.5, 67.5], [0.0, 90.0, 180.0, 270.0])


def test_edges_of_a_globe_a_globe_with_pole_rows_and_a_region():
    longitude = list(range(0, 360, 10))
    assert Edges.of([-60.0, 0.0, 60.0], longitude) == Edges(True, 0, 0)
    assert Edges.of([-90.0, 0.0, 90.0], longitude) == Edges(True, 1, 1)
    assert Edges.of([10.0, 20.0, 30.0], longitude) == Edges(True, None, None)
    assert Edges.of([50.0, 70.0, 90.0], longitude) == Edges(True, None, 1)
    assert Edges.of([-60.0, 0.0, 60.0], [0.0, 10.0]) == Edges(False, None, None)


def test_gaussian_grid_reaches_the_poles():
    sine, _ = np.polynomial.legendre.leggauss(32)
    latitude = np.rad2deg(np.arcsin(sine)).tolist()
    assert Edges.of(latitude, list(np.arange(64) * 5.625)) == Edges(True, 0, 0)


def test_a_smooth_function_on_the_sphere_goes_on_smoothly():
    # z = x + 2 y of the unit vector is known everywhere, so beyond the pole, too.
    latitude, longitude = np.arange(-85, 90, 10.0), np.arange(0, 360, 10.0)

    def plane(phi, lam):
        phi, lam = np.meshgrid(np.deg2rad(phi), np.deg2rad(lam), indexing="ij")
        return torch.tensor(np.cos(phi) * (np.cos(lam) + 2 * np.sin(lam)) + 3 * np.sin(phi))

    edges = Edges.of(latitude.tolist(), longitude.tolist())
    padded = pad(plane(latitude, longitude), edges, (2, 3), (4, 1))
    # cos(phi) is negative beyond the pole, which is the same as a turn by 180 degrees.
    expected = plane(np.arange(-105, 120, 10.0), np.arange(-40, 370, 10.0))
    torch.testing.assert_close(padded, expected)


def test_the_pole_row_itself_is_not_repeated():
    edges = Edges.of([-90.0, 0.0, 90.0], [0.0, 180.0])
    field = torch.tensor([[1, 1], [2, 3], [4, 4]])
    assert pad(field, edges, (1, 1), (0, 0)).tolist() == [[3, 2], [1, 1], [2, 3], [4, 4], [3, 2]]


def test_a_region_repeats_its_outermost_values():
    region = Edges(periodic=False, south=None, north=None)
    field = torch.tensor([[1, 2], [3, 4]])
    assert pad(field, region, (1, 0), (0, 2)).tolist() == [[1, 2, 2, 2], [1, 2, 2, 2], [3, 4, 4, 4]]


def test_no_width_is_no_change():
    field = torch.rand(2, 4, 4)
    assert pad(field, GLOBE, (0, 0), (0, 0)) is field


@given(turn=st.integers(0, 3), width=st.integers(1, 3))
def test_padding_turns_with_the_globe(turn, width):
    field = torch.rand(4, 4)
    padded = pad(field, GLOBE, (width, width), (0, 0))
    turned = pad(field.roll(turn, 1), GLOBE, (width, width), (0, 0))
    assert torch.equal(turned, padded.roll(turn, 1))


@pytest.mark.parametrize("kernel", [1, 3, 7])
def test_convolution_keeps_the_grid_and_a_constant_field(kernel):
    convolution = GlobeConv2d(1, 1, kernel, GLOBE)
    torch.nn.init.ones_(convolution.weight)
    torch.nn.init.zeros_(convolution.bias)
    answer = convolution(torch.ones(2, 1, 4, 4))
    torch.testing.assert_close(answer, torch.full((2, 1, 4, 4), float(kernel**2)))
