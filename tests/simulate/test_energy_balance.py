"""The global mean chain: concentrations, forcing, and the two-layer model's closed solution."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from climbench.simulate.earth_model import RELATIVE_SPREAD, EarthModel, draw_model
from climbench.simulate.emissions import pathway
from climbench.simulate.energy_balance import warming
from climbench.simulate.radiative_forcing import (
    AGENTS,
    carbon_dioxide_concentration,
    methane_concentration,
    radiative_forcing,
)

PATHWAYS = ("ssp119", "ssp126", "ssp245", "ssp370", "ssp434", "ssp460", "ssp534-over", "ssp585")


def step_response(model, forcing, time):
    """Geoffroy et al. (2013), table 1 and eqs. (10)-(11): two modes, fast and slow."""
    c, c0 = model.heat_capacity, model.deep_heat_capacity
    lam, gam = model.feedback, model.heat_exchange
    b, b_star = (lam + gam) / c + gam / c0, (lam + gam) / c - gam / c0
    root = np.sqrt(b**2 - 4 * lam * gam / (c * c0))
    tau_f, tau_s = (c * c0 / (2 * lam * gam) * (b + sign * root) for sign in (-1, 1))
    phi_f, phi_s = (c / (2 * gam) * (b_star + sign * root) for sign in (-1, 1))
    a_f = phi_s * tau_f * lam / (c * (phi_s - phi_f))
    a_s = -phi_f * tau_s * lam / (c * (phi_s - phi_f))
    fast, slow = a_f * (1 - np.exp(-time / tau_f)), a_s * (1 - np.exp(-time / tau_s))
    equilibrium = forcing / lam
    return equilibrium * (fast + slow), equilibrium * (phi_f * fast + phi_s * slow)


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_step_response_is_the_analytic_one(number):
    model = draw_model(number)
    surface, deep = step_response(model, 6.9, np.arange(1.0, 301.0))
    simulated = warming(np.full(300, 6.9), model)
    np.testing.assert_allclose(simulated[:, 0], surface, rtol=1e-10)
    np.testing.assert_allclose(simulated[:, 1], deep, rtol=1e-10)


@pytest.mark.parametrize("number", [0, 5, 6])
def test_equilibrium_is_forcing_over_feedback(number):
    model = draw_model(number)
    sensitivity = model.doubling_forcing / model.feedback
    assert model.equilibrium_climate_sensitivity == pytest.approx(sensitivity)
    end = warming(np.full(20000, model.doubling_forcing), model)[-1]
    np.testing.assert_allclose(end, sensitivity, rtol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-5, 10), min_size=3, max_size=20), st.floats(-2, 2))
def test_superposition(forcing, factor):
    one, other = np.array(forcing), np.cos(np.arange(len(forcing)))
    both = warming(np.stack([one, other, one + factor * other], axis=1), EarthModel())
    np.testing.assert_allclose(both[..., 2], both[..., 0] + factor * both[..., 1], atol=1e-9)


def test_drawn_models_scatter_as_the_cited_ones():
    models = [draw_model(number) for number in range(1, 801)]
    for name, spread in RELATIVE_SPREAD.items():
        drawn = np.array([getattr(model, name) for model in models])
        mean = getattr(EarthModel(), name)
        assert drawn.mean() == pytest.approx(mean, rel=4 * spread / np.sqrt(800)), name
        assert drawn.std() / abs(mean) == pytest.approx(spread, rel=0.25), name
        assert np.all(np.sign(drawn) == np.sign(mean)), name


def test_a_pulse_of_carbon_leaves_the_air_as_the_impulse_response_says():
    pulse = np.full(101, 1.0)  # so small that uptake hardly changes the law
    airborne = (carbon_dioxide_concentration(pulse) - 284.317) * 7.78
    assert np.all(np.diff(airborne) < 0)
    assert airborne[:100].sum() == pytest.approx(48.95, rel=0.01)  # the law's 100-year integral


def test_methane_settles_at_lifetime_times_emissions():
    emissions = np.r_[43.14, np.full(200, 143.14)]
    assert methane_concentration(emissions)[-1] == pytest.approx(
        808.25 + 100 * 9.1 / 2.75, rel=1e-6
    )


@pytest.mark.parametrize("name", PATHWAYS)
def test_concentrations_are_near_those_of_the_ssps(name, data_root):
    folder = data_root / "ssp_forcing"
    table = pd.read_csv(folder / "rcmip-concentrations-annual-means-5-1-0-ssp-only.csv.gz")
    table = table[table["Scenario"] == name].set_index("Variable")
    path = pathway(name)
    years = [1900, 1950, 2000, 2014, 2050, 2100]
    real = table[[str(year) for year in years]].astype(float)
    carbon_dioxide = carbon_dioxide_concentration(path.carbon_dioxide)[np.array(years) - 1850]
    methane = methane_concentration(path.methane)[np.array(years) - 1850]
    np.testing.assert_allclose(
        carbon_dioxide, real.loc["Atmospheric Concentrations|CO2"], rtol=0.06
    )
    np.testing.assert_allclose(methane, real.loc["Atmospheric Concentrations|CH4"], rtol=0.18)


def test_aerosols_cool_and_greenhouse_gases_warm():
    forcing = dict(
        zip(AGENTS, radiative_forcing(pathway("historical"), EarthModel())[-1], strict=True)
    )
    assert 1.4 < forcing["carbon_dioxide"] < 2.2
    assert 0.4 < forcing["methane"] < 1.2
    assert -1.6 < forcing["sulphur_dioxide"] < -0.5
    assert 0.0 < forcing["black_carbon"] < 0.4
