"""The embedded planet's climate behaves as its documentation says."""

import numpy as np
import pytest

from climbench.errors import UserError
from climbench.grids import latitude_weights
from climbench.simulate.climate_patterns import SULPHUR_REGIONS, climate_patterns
from climbench.simulate.earth import (
    MEMORY,
    forced_climate,
    simulate_climate,
    variability_modes,
    variability_series,
)
from climbench.simulate.earth_model import EarthModel, draw_model
from climbench.simulate.emissions import pathway
from climbench.simulate.energy_balance import warming
from climbench.simulate.planet_geography import land_sea_mask
from climbench.simulate.radiative_forcing import radiative_forcing

LATITUDE = np.arange(32) * 5.625 - 87.1875
LONGITUDE = np.arange(64) * 5.625
EARTH = EarthModel()
PATTERNS = climate_patterns(LATITUDE, LONGITUDE, EARTH)


def mean_over(field, mask=1.0):
    weights = latitude_weights(LATITUDE)[:, None] * np.broadcast_to(mask, field.shape[-2:])
    return np.sum(field * weights, axis=(-2, -1)) / weights.sum()


def sulphur_alone():
    """Emissions of 1850 except a rise of SO2 by 50 Mt / yr."""
    control = pathway("piControl")
    return control._replace(
        sulphur_dioxide=control.sulphur_dioxide + np.r_[0.0, np.full(250, 50.0)]
    )


@pytest.fixture(scope="module")
def control():
    return simulate_climate(["piControl"], 6).isel(scenario=0)


def test_layout_of_a_climate_store():
    dataset = simulate_climate(["historical", "ssp126", "ssp585"], [1, 4])
    assert dataset.tas.dims == ("scenario", "member", "time", "latitude", "longitude")
    assert dataset.carbon_dioxide.dims == ("scenario", "time")
    assert dataset.tas.dtype == dataset.pr.dtype == np.float32
    assert dataset.sizes["time"] == 251
    assert dataset.member.values.tolist() == [1, 4]
    assert dataset.attrs["simulated"] == "true"
    past = dataset.time.dt.year < 2015
    for name in ("tas", "pr"):
        known = dataset[name].notnull().all(("latitude", "longitude", "member"))
        assert (known.sel(scenario="historical") == past).all()
        assert (known.sel(scenario="ssp585") == ~past).all()
        assert dataset[name].attrs["units"]
    assert float(dataset.tas.min()) > 220
    assert float(dataset.tas.max()) < 307
    assert float(dataset.pr.min()) >= 0
    assert float(dataset.pr.max()) * 86400 < 25  # mm / day


def test_any_subset_of_an_ensemble_has_the_same_values():
    whole = simulate_climate(["historical", "ssp245", "ssp585"], 3, model=2, seed=7)
    part = simulate_climate(["ssp585"], [2], model=2, seed=7)
    same = whole.sel(scenario=["ssp585"], member=[2], time=part.time)
    for name in ("tas", "pr"):
        np.testing.assert_array_equal(same[name].values, part[name].values)
    for other in ({"seed": 8, "model": 2}, {"seed": 7, "model": 3}):
        assert not np.array_equal(simulate_climate(["ssp585"], [2], **other).tas, part.tas)


def test_another_grid_samples_the_same_planet():
    coarse = simulate_climate(["ssp245"], 1, latitude=[-60, 0, 60], longitude=[0, 120, 240])
    assert coarse.tas.shape == (1, 1, 86, 3, 3)
    assert coarse.tas.notnull().all()


@pytest.mark.parametrize(("name", "low", "high"), [("ssp585", 3.5, 6.0), ("ssp126", 1.3, 2.7)])
def test_warming_by_2100_is_plausible(name, low, high):
    climate = forced_climate(pathway(name), EARTH, PATTERNS)
    rise = mean_over(climate.temperature[-20:].mean(axis=0) - PATTERNS.temperature)
    assert low < rise < high


def test_history_warms_by_about_what_was_observed():
    rise = forced_climate(pathway("historical"), EARTH, PATTERNS).temperature - PATTERNS.temperature
    assert 0.5 < mean_over(rise[-10:].mean(axis=0)) < 1.2


def test_global_mean_is_that_of_the_two_layer_model():
    path = pathway("ssp370")
    fields = forced_climate(path, EARTH, PATTERNS).temperature - PATTERNS.temperature
    expected = warming(radiative_forcing(path, EARTH), EARTH)[165:, 0].sum(axis=1)
    np.testing.assert_allclose(mean_over(fields), expected, atol=1e-9)


def test_poles_warm_more_and_land_warms_more_than_sea():
    climate = forced_climate(pathway("ssp585"), EARTH, PATTERNS)
    rise = climate.temperature[-20:].mean(axis=0) - PATTERNS.temperature
    land = land_sea_mask(LATITUDE, LONGITUDE) > 0.5
    arctic = np.broadcast_to(LATITUDE[:, None] > 60, rise.shape)
    assert 1.4 < mean_over(rise, arctic) / mean_over(rise) < 3.0
    assert mean_over(rise, arctic) > mean_over(rise, arctic[::-1])
    assert 1.3 < mean_over(rise, land) / mean_over(rise, ~land) < 1.9


def test_sulphur_alone_cools_and_dries_and_pushes_the_rain_south():
    climate = forced_climate(sulphur_alone(), EARTH, PATTERNS)
    cooling = climate.temperature[-1] - PATTERNS.temperature
    drying = climate.precipitation[-1] / PATTERNS.precipitation - 1.0
    assert mean_over(cooling) < -0.2
    assert mean_over(climate.precipitation[-1]) < mean_over(PATTERNS.precipitation)
    for north, east, _ in SULPHUR_REGIONS[:4]:
        here = abs(LATITUDE - north).argmin(), abs(LONGITUDE - east).argmin()
        assert cooling[here] < 1.3 * mean_over(cooling)
        assert drying[here] < min(0.0, drying[here[0]].mean())  # drier than its latitude
    # the rain belt moves south, away from the cooled hemisphere
    assert drying[LATITUDE.searchsorted(9)].mean() < 0 < drying[LATITUDE.searchsorted(-12)].mean()


def test_sulphur_and_carbon_dioxide_leave_different_patterns():
    carbon, _, sulphur, soot = PATTERNS.warming
    for pattern in (carbon, sulphur, soot):
        assert mean_over(pattern) == pytest.approx(1.0)
    assert mean_over(PATTERNS.delay) == pytest.approx(0.0, abs=1e-12)
    assert np.sqrt(mean_over((carbon - sulphur) ** 2)) > 0.2


def test_rain_follows_the_energy_balance_of_the_air():
    path = pathway("ssp585")
    forcing = radiative_forcing(path, EARTH)[165:]
    surface = warming(radiative_forcing(path, EARTH), EARTH)[165:, 0]
    rain = forced_climate(path, EARTH, PATTERNS).precipitation
    latent = 2.5e6 * (mean_over(rain) - mean_over(PATTERNS.precipitation))
    expected = 2.2 * surface.sum(axis=1) - forcing @ [0.6, 0.4, 0.0, 2.5]
    np.testing.assert_allclose(latent, expected, atol=1e-6)
    per_kelvin = latent[-1] / (2.5e6 * mean_over(PATTERNS.precipitation)) / surface[-1].sum()
    assert 0.01 < per_kelvin < 0.025


def test_mean_of_many_members_converges_to_the_forced_response():
    members = 100
    dataset = simulate_climate(
        ["ssp245"], members, latitude=LATITUDE[::4], longitude=LONGITUDE[::8]
    )
    forced = forced_climate(
        pathway("ssp245"), EARTH, climate_patterns(LATITUDE[::4], LONGITUDE[::8], EARTH)
    )
    for name, truth in (("tas", forced.temperature), ("pr", forced.precipitation)):
        fields = dataset[name].isel(scenario=0).astype(float)
        error = (fields.mean("member") - truth) / (fields.std("member") / np.sqrt(members))
        assert float((error**2).mean()) == pytest.approx(1.0, abs=0.1)  # standard errors
        assert abs(float(error.mean())) < 0.2  # the global mean mode errs everywhere alike


def test_variability_is_red_and_of_plausible_size(control):
    tas = control.tas.values.astype(float)
    series = mean_over(tas)
    assert 0.06 < series.std(axis=1).mean() < 0.2
    memory = np.mean([np.corrcoef(one[1:], one[:-1])[0, 1] for one in series])
    assert 0.35 < memory < 0.7
    anomaly = (tas - tas.mean(axis=(0, 1))) / tas.std(axis=(0, 1))
    lag = (anomaly[:, 1:] * anomaly[:, :-1]).mean(axis=(0, 1))
    assert 0.15 < lag.mean() < memory
    frequency = np.fft.rfftfreq(series.shape[1])
    power = (abs(np.fft.rfft(series - series.mean(axis=1, keepdims=True))) ** 2).mean(axis=0)
    assert power[(frequency > 0) & (frequency < 0.1)].mean() > 3 * power[frequency > 0.3].mean()


def test_correlation_decays_with_distance(control):
    anomaly = control.tas.values.astype(float)[:, :, 26, :]  # 59 north, far from El Niño
    anomaly = ((anomaly - anomaly.mean(axis=(0, 1))) / anomaly.std(axis=(0, 1))).reshape(-1, 64)
    near, middle, far = (np.mean(anomaly * np.roll(anomaly, shift, axis=1)) for shift in (1, 5, 32))
    assert near > 0.85
    assert near > middle + 0.2 > far + 0.2
    assert abs(far) < 0.25


def test_el_nino_is_the_largest_signal_of_the_tropical_pacific(control):
    index = variability_series(pathway("piControl"), member=1)[:, 0]
    tas, pr = (control[name].sel(member=1) for name in ("tas", "pr"))
    pacific = tas.sel(latitude=0, longitude=235, method="nearest").values
    maritime = pr.sel(latitude=2, longitude=125, method="nearest").values
    assert np.corrcoef(index, pacific)[0, 1] > 0.8
    assert np.corrcoef(index, maritime)[0, 1] < -0.3


def test_futures_continue_their_history_and_then_part():
    last = variability_series(pathway("historical"), 1)[-1]
    low, high = (variability_series(pathway(name), 1)[0] for name in ("ssp126", "ssp585"))
    for first in (low, high):  # one more step of the same autoregression, with fresh noise
        noise = (first - MEMORY * last) / np.sqrt(1 - MEMORY**2)
        assert noise.std() == pytest.approx(1.0, abs=0.1)
        assert abs(np.corrcoef(noise, last)[0, 1]) < 0.12
    assert abs(np.corrcoef(low - MEMORY * last, high - MEMORY * last)[0, 1]) < 0.12
    past = forced_climate(pathway("historical"), EARTH, PATTERNS).temperature
    future = forced_climate(pathway("ssp585"), EARTH, PATTERNS).temperature
    step, year = future[0] - past[-1], past[-1] - past[-2]
    assert abs(mean_over(step) - mean_over(year)) < 0.05


def test_fields_of_variability_have_the_size_of_their_maps():
    wide, narrow = variability_modes(LATITUDE, LONGITUDE)
    np.testing.assert_allclose(np.sum(wide**2, axis=0), 1.0, atol=1e-10)
    np.testing.assert_allclose(np.sum(narrow**2, axis=0), 1.0, atol=1e-10)


def test_drawn_models_differ_in_sensitivity_and_pattern():
    spread = [draw_model(number).equilibrium_climate_sensitivity for number in range(1, 21)]
    assert 0.4 < np.std(spread) < 1.8
    one, other = (climate_patterns(LATITUDE, LONGITUDE, draw_model(k)).warming for k in (1, 2))
    assert np.abs(one - other).max() > 0.05


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((["ssp586"], 1), "did you mean 'ssp585'"),
        (([], 1), "at least one scenario"),
        ((["ssp126", "ssp126"], 1), "none twice"),
        ((["ssp126"], 0), "from 1 on"),
        ((["ssp126"], [0]), "from 1 on"),
        ((["ssp126"], 1, -1), "not be negative"),
    ],
)
def test_mistakes_are_named(arguments, sentence):
    with pytest.raises(UserError, match=sentence):
        simulate_climate(*arguments)
