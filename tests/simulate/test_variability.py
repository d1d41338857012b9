"""Random fields on the sphere: normalisation, covariance in space, memory in time."""

import numpy as np
import pytest
from scipy.special import eval_legendre

from climbench.simulate.variability import amplitudes, degrees, red_noise, spherical_harmonics

LATITUDE = np.arange(32) * 5.625 - 87.1875
LONGITUDE = np.arange(64) * 5.625


def test_harmonics_are_orthonormal_over_the_sphere():
    nodes, weights = np.polynomial.legendre.leggauss(16)  # exact for degrees up to 31
    basis = spherical_harmonics(np.rad2deg(np.arcsin(nodes)), LONGITUDE, 8)
    products = np.einsum("myx,nyx,y->mn", basis, basis, weights) / (2 * LONGITUDE.size)
    np.testing.assert_allclose(products, np.eye(len(degrees(8))), atol=1e-12)


def test_covariance_is_the_sum_of_legendre_polynomials():
    field = amplitudes(16, 4.0)[:, None, None] * spherical_harmonics(LATITUDE, LONGITUDE, 16)
    covariance = np.einsum("m,myx->yx", field[:, 16, 0], field)
    angle = np.sin(np.deg2rad(LATITUDE[16])) * np.sin(np.deg2rad(LATITUDE))[:, None] + np.cos(
        np.deg2rad(LATITUDE[16])
    ) * np.cos(np.deg2rad(LATITUDE))[:, None] * np.cos(np.deg2rad(LONGITUDE))
    power = amplitudes(16, 4.0) ** 2
    expected = sum(p * eval_legendre(n, angle) for n, p in zip(degrees(16), power, strict=True))
    np.testing.assert_allclose(covariance, expected, atol=1e-12)
    assert covariance[16, 0] == pytest.approx(1.0)


@pytest.mark.parametrize("memory", [0.0, 0.3, 0.8])
def test_red_noise_is_stationary_from_the_first_year(memory):
    white = np.random.default_rng(0).standard_normal((60, 20000))
    series = red_noise(white, np.full(20000, memory))
    for year in (0, 1, 30, 59):
        assert series[year].std() == pytest.approx(1.0, abs=0.03)
    for lag in (1, 3):
        correlation = np.corrcoef(series[20], series[20 + lag])[0, 1]
        assert correlation == pytest.approx(memory**lag, abs=0.03)
