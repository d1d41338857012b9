"""Emission maps, the days' extremes, several climate models: the planet as ClimateBench has it."""

import numpy as np
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.prediction.world_emissions import world_total
from climbench.recipes import build, load_recipe
from climbench.simulate.daily_extremes import heavy_precipitation
from climbench.simulate.earth import simulate_climate
from climbench.simulate.emission_maps import REGIONS, emission_maps
from climbench.simulate.planet_geography import land_sea_mask

LATITUDE = np.arange(32) * 5.625 - 87.1875
LONGITUDE = np.arange(64) * 5.625
FOUR = ("tas", "pr", "diurnal_temperature_range", "pr90")


@pytest.mark.parametrize("name", REGIONS)
@pytest.mark.parametrize(
    "grid", [(LATITUDE, LONGITUDE), (np.linspace(-90, 90, 96), np.arange(144) * 2.5)]
)
def test_maps_sum_to_the_worlds_total(name, grid):
    totals, years = np.array([3.0, 100.0, 40.0]), np.array([1850, 1990, 2100])
    maps = emission_maps(name, totals, years, *grid)
    whole = {"time": years, "latitude": grid[0], "longitude": grid[1]}
    np.testing.assert_allclose(
        world_total(xr.DataArray(maps, whole, list(whole))), totals, rtol=1e-9
    )
    assert (maps >= 0).all()
    assert maps[:, land_sea_mask(*grid) < 0.01].max() < 0.02 * maps.max()


def test_emissions_move_from_the_atlantic_to_asia_and_africa():
    maps = emission_maps("sulphur_dioxide", [1.0, 1.0], [1900, 2080], LATITUDE, LONGITUDE)
    europe, india = (24, 3), (20, 14)  # 48 N 17 E, 25 N 79 E
    assert maps[0][europe] > 3 * maps[1][europe]
    assert maps[1][india] > 3 * maps[0][india]


def test_heavy_rain_is_the_quantile_of_days_that_are_drawn():
    warm = np.full((1, 1, 1), 303.0)
    rain = np.full((1, 1, 1), 5.0 / 86400)
    found = heavy_precipitation(warm, rain, [0.0], [100.0])[0, 0, 0] * 86400
    # the same law by simulation: what share is wet follows from the answer's own equation
    shares = np.linspace(0.1001, 0.95, 5000)
    share = shares[np.abs(5.0 / shares * np.log(shares / 0.1) - found).argmin()]
    random = np.random.default_rng(0)
    days = np.where(
        random.uniform(size=400_000) < share, random.exponential(5.0 / share, 400_000), 0
    )
    assert days.mean() == pytest.approx(5.0, rel=0.02)
    assert np.quantile(days, 0.9) == pytest.approx(found, rel=0.02)


def test_heavy_rain_grows_faster_than_rain_and_dry_places_have_none():
    place = ([0.0], [180.0])
    cool, warm = np.full((1, 1, 1), 298.0), np.full((1, 1, 1), 300.0)
    rain = np.full((1, 1, 1), 6.0 / 86400)
    growth = heavy_precipitation(warm, 1.04 * rain, *place) / heavy_precipitation(
        cool, rain, *place
    )
    assert 1.06 < growth.item() < 1.04 * np.exp(0.13)
    assert heavy_precipitation(warm, 0.01 * rain, *place).item() == 0.0


@pytest.fixture(scope="module")
def four():
    names = ["historical", "hist-GHG", "hist-aer", "ssp585"]
    return simulate_climate(names, 2, variables=FOUR)


def test_the_days_range_is_wide_on_dry_land_and_shrinks_with_warming_and_aerosols(four):
    mean = four["diurnal_temperature_range"].mean("member")
    usual = mean.sel(scenario="historical", time=slice("1850", "1879")).mean("time").values
    land = land_sea_mask(LATITUDE, LONGITUDE)
    assert 0 < usual.min() and usual.max() < 20
    assert usual[land > 0.9].mean() > 3 * usual[land < 0.1].mean()
    end = mean.sel(scenario="ssp585", time=slice("2081", "2100")).mean("time").values
    assert -1.0 < (end - usual)[land > 0.9].mean() < -0.1
    late = slice("1985", "2004")
    aerosol = mean.sel(scenario="hist-aer", time=late).mean("time").values
    greenhouse = mean.sel(scenario="hist-GHG", time=late).mean("time").values
    china = (21, 20)  # 31 N, 112 E
    assert aerosol[china] < usual[china] - 0.3
    assert abs(greenhouse[china] - usual[china]) < 0.3


def test_temperature_and_rain_do_not_depend_on_what_else_is_asked_for(four):
    plain = simulate_climate(["ssp585"], 2)
    same = four.sel(scenario=["ssp585"], time=plain["time"])
    for name in ("tas", "pr"):
        np.testing.assert_array_equal(plain[name], same[name])
    assert "pr90" not in plain
    with pytest.raises(UserError, match="did you mean 'pr90'"):
        simulate_climate(["ssp585"], 1, variables=["pr9"])


def small(**source):
    return {
        "sources": [{"kind": "simulated_earth", "scenarios": ["historical", "ssp126"], **source}]
    }


def test_a_list_of_models_is_a_store_of_climate_models(tmp_path):
    recipe = load_recipe("planet_climate", small(members=2, model=[0, 3]))
    store = xr.open_zarr(build(recipe, tmp_path))
    assert store["tas"].dims == ("source_id", "scenario", "member", "time", "latitude", "longitude")
    assert store["source_id"].values.tolist() == ["planet-0", "planet-3"]
    assert store["carbon_dioxide"].dims == ("scenario", "time")
    for number in (0, 3):
        alone = simulate_climate(["ssp126"], [2], model=number)["tas"]
        one = store["tas"].sel(source_id=f"planet-{number}", scenario="ssp126", member=2)
        np.testing.assert_array_equal(one.sel(time=alone["time"]), alone[0, 0])


def test_maps_on_climatebenchs_own_grid(tmp_path):
    options = {"variables": ["pr90"], "emission_maps": True, "grid": "climatebench"}
    checks = {"ranges": {"sulphur_dioxide": [0, 1e-8], "black_carbon": [0, 1e-9]}}
    recipe = load_recipe("planet_climate", small(**options) | {"checks": checks})
    store = xr.open_zarr(build(recipe, tmp_path))
    assert store["pr90"].shape == (2, 1, 251, 96, 144)
    assert store["latitude"].values[[0, -1]].tolist() == [-90.0, 90.0]
    plain = simulate_climate(["historical", "ssp126"], 1, latitude=[0.0], longitude=[0.0])
    for name in REGIONS:
        assert store[name].attrs["units"] == "kg m-2 s-1"
        for scenario in ("historical", "ssp126"):
            total = world_total(store[name].sel(scenario=scenario).load())
            np.testing.assert_allclose(total, plain[name].sel(scenario=scenario), rtol=1e-5)
