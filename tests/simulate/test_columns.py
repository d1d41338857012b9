"""Simulated columns: states about published statistics, physics with a closed water budget."""

import numpy as np
import pytest

from climbench.simulate.column_function import column_changes
from climbench.simulate.column_states import (
    LATENT_HEAT,
    column_planet,
    column_states,
    cosine_of_zenith,
    saturation_humidity,
)

DAYS = np.arange(0.0, 365.0, 30.35)


@pytest.fixture(scope="module")
def states():
    return column_states(DAYS, np.random.default_rng(0))


def changes(states, fidelity="high", seed=1):
    return column_changes(states, np.random.default_rng(seed), fidelity)


def test_the_grid_is_that_of_climsim():
    planet = column_planet()
    assert planet.area.sum() == pytest.approx(4 * np.pi, rel=1e-6)
    assert planet.latitude.size == 384
    assert planet.pressure(np.array(1e5))[[0, -1]] == pytest.approx([7.835, 99256], rel=1e-3)
    mass = planet.mass(planet.surface_pressure).sum(-1)  # weighs what presses on the ground
    assert mass * 9.80616 == pytest.approx(planet.surface_pressure - 5.588, rel=1e-6)


def test_states_have_the_published_moments_on_each_level(states):
    planet = column_planet()
    mean, std = states.state_t.mean((0, 1)), states.state_t.std((0, 1))
    assert np.abs(mean - planet.temperature_mean).max() < 4.0
    np.testing.assert_allclose(std, planet.temperature_std, rtol=0.25)
    assert 0.5 < states.state_q0001[..., -1].mean() / planet.humidity_mean[-1] < 2.0


def test_the_sun_shines_by_day_and_in_the_mean_as_on_the_earth():
    noon = cosine_of_zenith(np.array([80.5]), np.array([0.0, 0.0]), np.array([0.0, 180.0]))
    assert noon[0] == pytest.approx([1.0, -1.0], abs=0.01)
    planet = column_planet()
    days = np.arange(0, 365, 1.0139)
    sun = np.maximum(cosine_of_zenith(days, planet.latitude, planet.longitude), 0)
    assert 1361 * (sun.mean(0) * planet.area).sum() / planet.area.sum() == pytest.approx(
        340, rel=0.01
    )


@pytest.mark.parametrize("fidelity", ["high", "low"])
def test_water_is_neither_made_nor_lost(states, fidelity):
    made = changes(states, fidelity)
    gained = (made.ptend_q0001 * column_planet().mass(states.state_ps)).sum(-1)
    evaporated, rained = states.pbuf_LHFLX / LATENT_HEAT, 1000 * made.cam_out_PRECC
    np.testing.assert_allclose(gained, evaporated - rained, atol=1e-12 * rained.max() / 1e-9)
    residual = LATENT_HEAT * (gained - evaporated + rained)
    assert np.abs(residual).max() < 1e-8  # W m-2, of fluxes of hundreds


def test_rain_balances_evaporation_within_a_fifth(states):
    rain = LATENT_HEAT * 1000 * changes(states).cam_out_PRECC.mean()
    assert rain == pytest.approx(states.pbuf_LHFLX.mean(), rel=0.2)
    assert rain == pytest.approx(84.0, rel=0.25)  # the published mean of PRECC is 3.37e-8 m s-1


def test_outputs_are_what_they_can_be(states):
    made = changes(states)
    assert (made.cam_out_PRECSC <= made.cam_out_PRECC).all()
    assert (made.cam_out_PRECC >= 0).all()
    down = made.cam_out_SOLS + made.cam_out_SOLL + made.cam_out_SOLSD + made.cam_out_SOLLD
    assert (down <= states.pbuf_SOLIN).all()
    assert (made.cam_out_NETSW <= down).all()
    assert 250 < made.cam_out_FLWDS.mean() < 400


def test_the_low_fidelity_is_another_function_of_the_same_states_without_chance(states):
    low = changes(states, "low")
    assert np.array_equal(low.ptend_t, changes(states, "low", seed=2).ptend_t)
    high = changes(states)
    assert not np.allclose(high.ptend_t, changes(states, seed=2).ptend_t)
    fits = np.corrcoef(low.ptend_t[..., 40].ravel(), high.ptend_t[..., 40].ravel())[0, 1]
    assert 0.5 < fits < 0.99


def test_a_warmer_troposphere_holds_more_water_and_rains_more(states):
    warm = column_states(DAYS, np.random.default_rng(0), warming=4.0)
    assert (warm.state_t - states.state_t)[..., -1] == pytest.approx(4.0)
    assert (warm.state_t - states.state_t)[..., 0] == pytest.approx(0.0)
    more = warm.state_q0001[..., -1].mean() / states.state_q0001[..., -1].mean()
    assert 1.2 < more < 1.4  # 7 % for each kelvin
    assert changes(warm).cam_out_PRECC.mean() > 1.1 * changes(states).cam_out_PRECC.mean()


def test_saturation_over_water_is_that_of_the_tables():
    warm, cold = saturation_humidity(np.array([293.15, 273.15]), np.array([1e5, 1e5]))
    assert warm == pytest.approx(0.622 * 2339 / 1e5, rel=5e-3)  # Pa, Goff and Gratch
    assert cold == pytest.approx(0.622 * 611 / 1e5, rel=5e-3)
