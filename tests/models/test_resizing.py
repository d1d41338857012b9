"""Interpolation by coordinate: exact where it must be, round the globe and over the poles."""

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicHermiteSpline, RegularGridInterpolator

from climbench.grids import gaussian_latitudes, latitude_weights
from climbench.models.resizing import Resize, area_mean, coarsening_matrices

COARSE = (np.arange(-75.0, 90, 30), np.arange(0.0, 360, 30))
FINE = (np.arange(-82.5, 90, 15), np.arange(0.0, 360, 15) + 7.5)
REGION = (np.array([10.0, 12.0, 15.0, 20.0]), np.array([350.0, 352.0, 356.0, 361.0]))


def resize(source, target, method="bilinear"):
    return Resize(*(axis.tolist() for axis in (*source, *target)), method).double()


@pytest.mark.parametrize("method", ["bilinear", "bicubic"])
def test_linear_fields_are_exact_between_uneven_centres(method):
    latitude, longitude = np.linspace(12, 15, 7), np.linspace(352, 356, 9)
    field = 3.0 + 2.0 * REGION[0][:, None] - 0.5 * REGION[1][None, :]
    answer = resize(REGION, (latitude, longitude % 360), method)(torch.from_numpy(field))
    expected = 3.0 + 2.0 * latitude[:, None] - 0.5 * longitude[None, :]
    np.testing.assert_allclose(answer, expected, rtol=1e-5)


def test_bilinear_equals_scipy_on_a_gaussian_grid():
    rows, columns = gaussian_latitudes(8), np.arange(0.0, 360, 22.5)
    field = np.random.default_rng(0).normal(size=(8, 16))
    wanted = np.linspace(rows[0], rows[-1], 19), np.linspace(0, 337, 31)
    known = RegularGridInterpolator((rows, columns), field)
    points = np.stack(np.meshgrid(*wanted, indexing="ij"), axis=-1)
    answer = resize((rows, columns), wanted)(torch.from_numpy(field))
    np.testing.assert_allclose(answer, known(points), atol=1e-5)


def test_bicubic_equals_scipys_hermite_polynomial_with_slopes_of_parabolas():
    x, y = np.array([0.0, 1.0, 3.0, 4.0, 7.0, 8.0]), np.array([1.0, 4.0, -2.0, 0.0, 3.0, 1.0])
    slope = np.gradient(y, x)  # second order on uneven steps
    wanted = np.linspace(1.0, 7.0, 25)
    grid = x, np.array([0.0, 10.0])
    field = torch.from_numpy(np.stack([y, y], axis=1))
    answer = resize(grid, (wanted, np.array([5.0])), "bicubic")(field)[:, 0]
    np.testing.assert_allclose(answer, CubicHermiteSpline(x, y, slope)(wanted), atol=1e-5)


@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic"])
def test_it_turns_with_the_globe(method):
    field, scale = torch.randn(6, 12, dtype=torch.double), resize(COARSE, FINE, method)
    torch.testing.assert_close(scale(field).roll(2, -1), scale(field.roll(1, -1)))


@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic"])
def test_the_same_grid_is_the_identity(method):
    field = torch.randn(3, 6, 12, dtype=torch.double)
    torch.testing.assert_close(resize(COARSE, COARSE, method)(field), field, atol=1e-6, rtol=0)


def test_a_row_beyond_the_last_is_between_both_sides_of_the_pole():
    field = torch.zeros(6, 12, dtype=torch.double)
    field[-1, 0] = 6.0  # at 75 N, 0 E; the pole is half-way to 75 N, 180 E
    answer = resize(COARSE, (np.array([85.0]), np.array([0.0, 180.0])))(field)[0]
    np.testing.assert_allclose(answer, [6 * 2 / 3, 6 / 3], rtol=1e-5)


def test_beyond_a_region_fields_stay_constant():
    field = torch.arange(16.0, dtype=torch.double).reshape(4, 4)
    answer = resize(REGION, (np.array([0.0, 30.0]), np.array([340.0, 3.0])))(field)
    np.testing.assert_allclose(answer, [[0, 3], [12, 15]], atol=1e-5)


def test_missing_neighbours_take_no_part():
    field = torch.tensor([[torch.nan, 4.0], [torch.nan, torch.nan]], dtype=torch.double)
    grid = np.array([0.0, 10.0]), np.array([0.0, 10.0])
    scale = resize(grid, (np.array([0.0, 5.0, 10.0]), np.array([0.0, 5.0, 10.0])))
    expected = [[np.nan, 4, 4], [np.nan, 4, 4], [np.nan] * 3]
    np.testing.assert_allclose(scale.valid(field), expected)


def test_area_means_keep_the_global_mean_of_any_two_grids():
    field = torch.rand(12, 24, dtype=torch.double)
    mean = area_mean(field, *coarsening_matrices(*FINE, *COARSE))
    weights = [torch.from_numpy(latitude_weights(axis))[:, None] for axis in (FINE[0], COARSE[0])]
    torch.testing.assert_close((weights[0] * field).mean(), (weights[1] * mean).mean())
    odd = np.linspace(-80, 80, 9), np.arange(0.0, 360, 40)
    ones = area_mean(torch.ones(12, 24), *coarsening_matrices(*FINE, *odd))
    torch.testing.assert_close(ones, torch.ones(9, 9))


def test_cells_that_nothing_covers_have_no_mean():
    rows, columns = coarsening_matrices([0.0, 1.0], [10.0, 11.0], [0.5, 50.0], [10.5])
    answer = area_mean(torch.ones(2, 2), rows, columns)
    assert answer[0, 0] == 1
    assert answer[1, 0].isnan()
