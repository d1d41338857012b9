"""The spherical harmonic transform is exact on every grid that carries the truncation."""

import ducc0
import numpy as np
import pytest
import torch
from scipy.special import sph_harm_y

from climbench.errors import UserError
from climbench.grids import gaussian_latitudes
from climbench.models.spherical_harmonics import (
    SphericalHarmonics,
    highest_degree,
    legendre_functions,
    quadrature_weights,
)

GRIDS = {
    "Gaussian": gaussian_latitudes(12),
    "even": -90 + 15 * (np.arange(12) + 0.5),
    "both poles": np.linspace(-90, 90, 13),
    "north pole only": np.linspace(-90, 90, 13)[1:],
    "southward": np.linspace(90, -90, 13),
}
COLUMNS = 24


def transform(grid, degree=None):
    return SphericalHarmonics(grid, COLUMNS, degree or highest_degree(grid, COLUMNS))


def random_modes(degree, *shape):
    modes = torch.randn(*shape, degree + 1, degree + 1, dtype=torch.complex64)
    modes[..., 0] = modes[..., 0].real.to(modes.dtype)
    return torch.tril(modes)


def test_legendre_functions_are_those_of_scipy():
    latitude = np.array([-90.0, -33.0, 0.0, 12.5, 90.0])
    theta = np.deg2rad(90 - latitude)
    l, m = np.arange(31)[None, :, None], np.arange(31)[:, None, None]  # noqa: E741
    expected = sph_harm_y(l, m, theta, 0.0).real
    np.testing.assert_allclose(legendre_functions(latitude, 30), expected, atol=1e-12)


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize(("degree", "order"), [(0, 0), (1, 0), (3, 2), (8, 8), (10, 1)])
def test_one_harmonic_has_one_coefficient(name, degree, order):
    latitude, longitude = GRIDS[name], np.arange(COLUMNS) * 2 * np.pi / COLUMNS
    theta = np.deg2rad(90 - latitude)[:, None]
    values = sph_harm_y(degree, order, theta, longitude).real
    modes = transform(latitude).analysis(torch.tensor(values))
    expected = torch.zeros_like(modes)
    expected[degree, order] = 1.0 if order == 0 else 0.5  # the other half is that of -order
    torch.testing.assert_close(modes, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", GRIDS)
def test_fields_within_the_truncation_come_back(name):
    torch.manual_seed(0)
    harmonics = transform(GRIDS[name])
    modes = random_modes(harmonics.degree, 2, 3)
    fields = harmonics.synthesis(modes)
    assert fields.shape == (2, 3, len(GRIDS[name]), COLUMNS)
    torch.testing.assert_close(harmonics.analysis(fields), modes, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "geometry"), [("Gaussian", "GL"), ("even", "F1"), ("both poles", "CC")]
)
def test_coefficients_are_those_of_ducc0(name, geometry):
    torch.manual_seed(0)
    harmonics = transform(GRIDS[name])
    degree = harmonics.degree
    field = harmonics.synthesis(random_modes(degree)).double().numpy()
    southward = np.ascontiguousarray(field[None, ::-1])
    expected = ducc0.sht.analysis_2d(map=southward, lmax=degree, spin=0, geometry=geometry)
    modes = harmonics.analysis(torch.tensor(field))
    by_order = torch.cat([modes[order:, order] for order in range(degree + 1)])
    np.testing.assert_allclose(by_order.numpy(), expected[0], atol=1e-5)


@pytest.mark.parametrize("name", GRIDS)
def test_mean_square_is_the_sum_of_the_squares_of_coefficients(name):
    torch.manual_seed(0)
    harmonics = transform(GRIDS[name], 5)
    modes = random_modes(5)
    squares = harmonics.synthesis(modes).square().mean(-1).double().numpy()
    integral = 2 * np.pi * (quadrature_weights(GRIDS[name]) @ squares)
    twins = torch.where(torch.arange(6) > 0, 2.0, 1.0)
    assert integral == pytest.approx(float((twins * modes.abs().square()).sum()), rel=1e-5)


def test_a_turn_of_the_globe_changes_phases_only():
    harmonics = transform(GRIDS["even"])
    field = torch.randn(12, COLUMNS)
    angle = -2 * np.pi * 5 / COLUMNS * torch.arange(harmonics.degree + 1)
    expected = harmonics.analysis(field) * torch.polar(torch.ones_like(angle), angle)
    torch.testing.assert_close(harmonics.analysis(field.roll(5, -1)), expected, rtol=0, atol=1e-6)


def test_latitudes_in_the_other_order_give_the_same_coefficients():
    field = torch.randn(13, COLUMNS)
    up = transform(GRIDS["both poles"]).analysis(field)
    down = transform(GRIDS["southward"]).analysis(field.flip(0))
    torch.testing.assert_close(up, down, rtol=0, atol=1e-5)


def test_weights_are_those_of_gauss_and_of_clenshaw_and_curtis():
    _, gauss = np.polynomial.legendre.leggauss(12)
    np.testing.assert_allclose(quadrature_weights(GRIDS["Gaussian"]), gauss, atol=1e-14)
    # Five points of Clenshaw and Curtis: 1/15, 8/15, 4/5, 8/15, 1/15
    five = quadrature_weights([-90, -45, 0, 45, 90])
    np.testing.assert_allclose(five, np.array([1, 8, 12, 8, 1]) / 15, atol=1e-14)


def test_rows_without_a_positive_quadrature_share_the_sphere():
    even_in_sine = np.rad2deg(np.arcsin(-1 + (np.arange(20) + 0.5) / 10))
    weights = quadrature_weights(even_in_sine)
    assert weights.min() > 0
    assert weights.sum() == pytest.approx(2.0)
    harmonics = SphericalHarmonics(even_in_sine, 40, 8)
    modes = random_modes(8)
    torch.testing.assert_close(
        harmonics.analysis(harmonics.synthesis(modes)), modes, rtol=0, atol=1e-5
    )


def test_gradients_are_right_and_autocast_does_not_touch_the_transform():
    harmonics = transform(GRIDS["Gaussian"], 4)
    field = torch.randn(12, COLUMNS, requires_grad=True)
    modes = harmonics.analysis(field)
    modes.abs().square().sum().backward()
    nudged = harmonics.analysis(field + 1e-3 * field.grad)
    change = (nudged.abs().square().sum() - modes.abs().square().sum()).item()
    assert change == pytest.approx(1e-3 * field.grad.square().sum().item(), rel=1e-2)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(harmonics.analysis(field), modes)


def test_truncations_beyond_the_grid_are_refused():
    assert highest_degree(np.linspace(-90, 90, 181), 360) == 179
    with pytest.raises(UserError, match=r"13 x 24 cells carries .* degree 0 to 11, not 12"):
        SphericalHarmonics(GRIDS["both poles"], COLUMNS, 12)
