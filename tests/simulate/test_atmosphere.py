"""The embedded weather: transforms, ground, dynamics against closed forms, and the climate."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from scipy.special import sph_harm_y

from climbench.grids import latitude_weights
from climbench.simulate import atmosphere as weather
from climbench.simulate.atmosphere import Atmosphere, Parameters
from climbench.simulate.planet_geography import land_sea_mask, orography
from climbench.simulate.spherical_harmonics import SphericalHarmonics
from climbench.simulate.surface import SOLAR_CONSTANT, heat_capacity, insolation, warm_surface

NOTHING_BUT_ADVECTION = Parameters(
    relaxation_time=inf, drag_time=inf, diffusion_time=inf, orographic_scale=inf
)
STEPS_PER_YEAR = 1461


@pytest.fixture(scope="module")
def year():
    """One year of weather with its planet, the state it began with and the one it ended with."""
    planet = Atmosphere(seed=0)
    begin = planet.initial_state()
    fields, end = planet.integrate(begin, STEPS_PER_YEAR)
    return planet, fields, begin, end


def random_coefficients(harmonics, rows, highest):
    draw = np.random.default_rng(0).normal(size=(2, rows, harmonics.degree.size))
    values = draw[0] + 1j * draw[1] * (harmonics.order > 0)
    return values * (harmonics.degree <= highest)


# --- geography ------------------------------------------------------------------------------


def test_continents_cover_about_a_third_and_mountains_stand_on_land():
    latitude, longitude = np.linspace(-89, 89, 90), np.arange(0, 360, 2.0)
    land, height = land_sea_mask(latitude, longitude), orography(latitude, longitude)
    share = np.average(land.mean(1), weights=latitude_weights(latitude))
    assert 0.25 < share < 0.4
    assert land.min() >= 0.0
    assert land.max() <= 1.0
    assert 3000 < height.max() < 6000
    assert height[land < 0.01].max() < 50.0


def test_geography_does_not_see_the_date_line():
    latitude = [-60.0, 10.0, 50.0]
    np.testing.assert_allclose(
        land_sea_mask(latitude, [-10.0, 5.0]), land_sea_mask(latitude, [350.0, 365.0])
    )


# --- spherical harmonics --------------------------------------------------------------------


@pytest.mark.parametrize("grid", ["GL", "F1"])
@pytest.mark.parametrize(("degree", "order"), [(0, 0), (3, 0), (4, 2), (7, 7)])
def test_synthesis_agrees_with_scipy(grid, degree, order):
    harmonics = SphericalHarmonics(8, grid, (16, 32))
    one = ((harmonics.degree == degree) & (harmonics.order == order)).astype(complex)
    theta = np.deg2rad(90 - harmonics.latitude)[:, None]
    expected = sph_harm_y(degree, order, theta, np.deg2rad(harmonics.longitude)).real
    expected *= 1 if order == 0 else 2  # negative orders are the mirror image
    field = harmonics.synthesis(one)
    np.testing.assert_allclose(field, expected, atol=1e-13)
    np.testing.assert_allclose(harmonics.analysis(field), one, atol=1e-13)


def test_gradient_points_south_and_east():
    harmonics = SphericalHarmonics(5, "GL", (16, 32))
    phi = np.deg2rad(harmonics.latitude)[:, None]
    lam = np.deg2rad(harmonics.longitude)
    field = np.sin(phi) + np.cos(phi) * np.sin(lam)
    south, east = harmonics.gradient(harmonics.analysis(field))
    np.testing.assert_allclose(south, -np.cos(phi) + np.sin(phi) * np.sin(lam), atol=1e-12)
    np.testing.assert_allclose(east, np.cos(lam) * np.ones_like(phi), atol=1e-12)


def test_divergence_of_gradient_is_laplacian():
    harmonics = SphericalHarmonics(21, "GL", (32, 64))
    values = random_coefficients(harmonics, 2, 21)
    np.testing.assert_allclose(
        harmonics.divergence(harmonics.gradient(values)), values * harmonics.laplacian, atol=1e-9
    )


def test_linear_balance_agrees_with_products_on_the_grid():
    harmonics = SphericalHarmonics(21, "GL", (32, 64))
    psi = random_coefficients(harmonics, 1, 20)
    sine = np.sin(np.deg2rad(harmonics.latitude))[:, None]
    right = harmonics.divergence(sine * harmonics.gradient(psi))
    balanced = harmonics.linear_balance(psi)
    np.testing.assert_allclose(balanced * harmonics.laplacian, right, atol=1e-9)


# --- sun and ground -------------------------------------------------------------------------


@pytest.mark.parametrize("day", [10, 100, 172, 300])
def test_daily_insolation_agrees_with_the_closed_form(day):
    latitude = np.array([-80.0, -40.0, 0.0, 25.0, 60.0])
    times = day + np.arange(480) / 480
    daily = np.mean([insolation(t, latitude, [0.0])[:, 0] for t in times], axis=0)
    angle = 2 * np.pi * (day + 0.5 - 79.3) / 365.2425
    declination = np.arcsin(np.sin(np.deg2rad(23.44)) * np.sin(angle))
    phi = np.deg2rad(latitude)
    sunset = np.arccos(np.clip(-np.tan(phi) * np.tan(declination), -1, 1))
    expected = sunset * np.sin(phi) * np.sin(declination)
    expected += np.cos(phi) * np.cos(declination) * np.sin(sunset)
    np.testing.assert_allclose(daily, SOLAR_CONSTANT / np.pi * expected, atol=1.5)


def test_slab_step_agrees_with_many_small_steps_and_loses_no_heat():
    land = np.array([[0.0, 0.5, 1.0]])
    start, air, sunlight = np.full((1, 3), 280.0), np.full((1, 3), 285.0), np.full((1, 3), 500.0)
    once, given = warm_surface(start, air, sunlight, [45.0], land, 7200.0)
    small, sum_given = start, np.zeros((1, 3))
    for _ in range(720):
        small, flux = warm_surface(small, air, sunlight, [45.0], land, 10.0)
        sum_given += flux / 720
    np.testing.assert_allclose(once, small, rtol=1e-12)
    np.testing.assert_allclose(given, sum_given, rtol=1e-9)
    albedo = 0.303 + 0.0779 * 0.25
    gain = (1 - albedo) * 500.0 + 50.0 * 0.25 * (1 - land) - 203.3 - 2.09 * (280.0 - 273.15)
    slope = (warm_surface(start, air, sunlight, [45.0], land, 1.0)[0] - start) * heat_capacity(land)
    np.testing.assert_allclose(slope, gain - 12.0 * (280.0 - 285.0), rtol=1e-4)


# --- dynamics -------------------------------------------------------------------------------


def run(planet, psi, steps):
    air = np.zeros_like(psi[:1])
    state = {
        "step": np.array(0),
        "carried": np.concatenate([planet._vorticity(psi), air]),
        "surface_temperature": np.full((32, 64), 285.0),
    }
    return planet._streamfunction(planet._advance(state, steps)["carried"][:2])[:2]


def test_streamfunction_inverts_vorticity_and_the_wind_is_linear_in_pressure():
    planet = Atmosphere()
    psi = random_coefficients(planet._gauss, 2, 21) * (planet._gauss.degree > 0)
    back = planet._streamfunction(planet._vorticity(psi))
    np.testing.assert_allclose(back[:2], psi, atol=1e-12)
    np.testing.assert_allclose(back[2], psi[1] + (psi[1] - psi[0]) / 5, atol=1e-12)


def test_rossby_haurwitz_wave_travels_west_at_its_speed():
    planet = Atmosphere(parameters=NOTHING_BUT_ADVECTION)
    degree, order, days = 5, 4, 5
    wave = 2e7 * ((planet._gauss.degree == degree) & (planet._gauss.order == order))
    psi = run(planet, np.stack([wave, wave]).astype(complex), 4 * days)
    phase = 2 * weather.ROTATION * order * days * 86400 / (degree * (degree + 1))
    np.testing.assert_allclose(psi[1], wave * np.exp(1j * phase), atol=2e7 * 2e-3)


def energy(planet, psi):
    weight = np.where(planet._gauss.order > 0, 2.0, 1.0)
    kinetic = -(planet._laplacian * np.abs(psi) ** 2 * weight).sum()
    return kinetic + planet._coupling * (np.abs(psi[0] - psi[1]) ** 2 * weight).sum()


def test_advection_alone_keeps_the_energy():
    planet = Atmosphere(parameters=NOTHING_BUT_ADVECTION)
    psi = 4e6 * random_coefficients(planet._gauss, 2, 8) * (planet._gauss.degree > 0)
    later = run(planet, psi, 8)
    assert np.abs(later - psi).max() > 1e6
    assert energy(planet, later) == pytest.approx(energy(planet, psi), rel=2e-3)


def test_thermal_relaxation_alone_decays_at_its_rate():
    still = replace(NOTHING_BUT_ADVECTION, relaxation_time=10 * 86400.0, shear_season=0.0)
    planet = Atmosphere(parameters=replace(still, land_mean=0.0, land_season=0.0))
    target = planet._equilibrium(0.0)
    psi = np.stack([target / 2, -target / 2]) * 0.5
    change = planet._tendency(np.concatenate([planet._vorticity(psi), psi[:1] * 0]), 0.0)
    expected = 0.5 * target * planet._coupling / still.relaxation_time
    np.testing.assert_allclose(change[0], -expected, atol=1e-6 * np.abs(expected).max())
    np.testing.assert_allclose(change[1], expected, atol=1e-6 * np.abs(expected).max())


# --- the interface --------------------------------------------------------------------------


def test_stopping_and_saving_changes_no_byte(year, tmp_path):
    planet, _, begin, _ = year
    together, end = planet.integrate(begin, 9)
    first, middle = planet.integrate(begin, 4)
    np.savez(tmp_path / "state.npz", **middle)
    loaded = dict(np.load(tmp_path / "state.npz"))
    second, last = Atmosphere(seed=0).integrate(loaded, 5)
    for name, field in together.items():
        assert np.concatenate([first[name], second[name]]).tobytes() == field.tobytes()
    assert all(last[name].tobytes() == value.tobytes() for name, value in end.items())


def test_fields_have_the_announced_shape_and_grid(year):
    planet, fields, begin, end = year
    coordinates, static = planet.coordinates(), planet.static()
    np.testing.assert_allclose(coordinates["latitude"], np.linspace(-87.1875, 87.1875, 32))
    np.testing.assert_allclose(coordinates["longitude"], np.arange(64) * 5.625)
    assert coordinates["level"].tolist() == [500, 850]
    assert {name: values.shape for name, values in static.items()} == {
        "orography": (32, 64),
        "land_sea_mask": (32, 64),
    }
    np.testing.assert_allclose(
        static["land_sea_mask"],
        land_sea_mask(coordinates["latitude"], coordinates["longitude"]),
        atol=1e-6,
    )
    assert set(fields) == set(planet.units)
    for name, values in fields.items():
        levels = (2,) if name in ("geopotential", "temperature") else ()
        assert values.shape == (STEPS_PER_YEAR, *levels, 32, 64)
        assert values.dtype == np.float32
    assert int(begin["step"]) == 0
    assert int(end["step"]) == STEPS_PER_YEAR


def test_seed_decides_the_weather():
    fields = [
        Atmosphere(seed=seed).integrate(Atmosphere(seed=seed).initial_state(10), 1)[0]
        for seed in (1, 1, 2)
    ]
    first, again, other = (one["geopotential"] for one in fields)
    assert first.tobytes() == again.tobytes()
    assert np.abs(first - other).max() > 10.0


# --- the climate ----------------------------------------------------------------------------


def anomalies(values):
    """Remove the mean and two harmonics of the year."""
    phase = 2 * np.pi * np.arange(len(values)) / STEPS_PER_YEAR
    waves = [wave(k * phase) for k in (1, 2) for wave in (np.cos, np.sin)]
    basis = np.stack([np.ones(len(values)), *waves], axis=1)
    flat = values.reshape(len(values), -1).astype(np.float64)
    return (flat - basis @ np.linalg.lstsq(basis, flat, rcond=None)[0]).reshape(values.shape)


def spread(difference, latitude):
    return np.sqrt(np.average((difference**2).mean((0, 2)), weights=latitude_weights(latitude)))


def test_twins_that_differ_by_a_thousandth_part_within_a_month(year):
    planet, fields, begin, _ = year
    latitude = planet.coordinates()["latitude"]
    noise = np.random.default_rng(1).normal(size=begin["carried"].shape)
    twin, _ = planet.integrate(begin | {"carried": begin["carried"] * (1 + 1e-3 * noise)}, 120)
    height = fields["geopotential"][:, 0]
    error = [
        spread((twin["geopotential"][4 * day, 0] - height[4 * day])[None], latitude)
        for day in range(30)
    ]
    saturation = np.sqrt(2) * spread(anomalies(height), latitude)
    assert error[0] < 0.1 * saturation
    assert max(error[:8]) < 0.5 * saturation
    assert max(error) > 0.7 * saturation
    assert np.mean(error[15:20]) > 3 * np.mean(error[3:5])


def test_magnitudes_are_plausible(year):
    planet, fields, _, _ = year
    latitude = planet.coordinates()["latitude"]
    middle = (np.abs(latitude) > 30) & (np.abs(latitude) < 60)
    height, low = fields["geopotential"].swapaxes(0, 1)
    assert 5.0e4 < np.average(height.mean((0, 2)), weights=latitude_weights(latitude)) < 5.8e4
    assert 1.2e4 < low.mean() < 1.6e4
    assert 2000 < height.std() < 4500
    storms = anomalies(height).std(axis=0)[middle].mean()
    assert 300 < storms < 1500
    assert 215 < fields["temperature"][:, 1].min() < fields["temperature"][:, 1].max() < 320
    assert 200 < fields["2m_temperature"].min() < fields["2m_temperature"].max() < 325
    for name in ("10m_u_component_of_wind", "10m_v_component_of_wind"):
        assert 2 < fields[name].std() < 8
        assert np.abs(fields[name]).max() < 40


def test_jets_blow_east_in_both_hemispheres(year):
    planet, fields, _, _ = year
    phi = np.deg2rad(planet.coordinates()["latitude"])
    height, warmth = fields["geopotential"][:, 0].mean((0, 2)), fields["temperature"][:, 0]
    # half the layer from 750 to 250 hPa above 500 hPa, and the wind that balances its top
    upper = height + 0.5 * weather.GAS_CONSTANT * warmth.mean((0, 2))
    wind = -np.gradient(upper, phi) / (2 * weather.ROTATION * np.sin(phi) * weather.RADIUS)
    middle = (np.abs(phi) > np.deg2rad(30)) & (np.abs(phi) < np.deg2rad(60))
    for half in (phi > 0, phi < 0):
        assert 15 < wind[half & middle].max() < 45


def test_land_has_strong_days_and_seasons_and_the_sea_weak_ones(year):
    planet, fields, _, _ = year
    land = planet.static()["land_sea_mask"]
    north = planet.coordinates()["latitude"][:, None] * np.ones(64)
    warmth = fields["2m_temperature"]
    months = warmth[: 48 * 30].reshape(12, 120, 32, 64).mean(1)
    seasons = months[6] - months[0]
    middle = (north > 35) & (north < 65)
    assert seasons[middle & (land > 0.9)].mean() > 15
    assert seasons[middle & (land > 0.9)].mean() > 2 * seasons[middle & (land < 0.1)].mean() > 0
    assert seasons[(north < -35) & (north > -65)].mean() < 0
    days = warmth[:1460].reshape(365, 4, 32, 64)
    daily = np.ptp(days.mean(0), axis=0)
    assert daily[(np.abs(north) < 40) & (land > 0.9)].mean() > 4
    assert daily[land < 0.05].max() < 1


def test_disturbances_travel_and_persistence_is_a_poor_forecast(year):
    planet, fields, _, _ = year
    latitude = planet.coordinates()["latitude"]
    height = fields["geopotential"][:, 0]
    persistence = spread(height[4:] - height[:-4], latitude)
    assert 0.6 < persistence / spread(anomalies(height), latitude) < 1.2
    # the correlation of one day with the next is best a few columns further east
    row = np.abs(latitude - 45).argmin()
    waves = anomalies(height)[:, row]
    shifts = [(np.roll(waves[:-4], shift, axis=1) * waves[4:]).mean() for shift in range(-6, 7)]
    assert np.argmax(shifts) - 6 > 0
