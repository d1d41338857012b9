"""The seasons of the embedded planet, and that pattern scaling finds their known patterns."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from climbench.models.pattern_scaling import PatternScaling
from climbench.simulate.climate_patterns import area_mean, mean_temperature
from climbench.simulate.earth import simulate_climate
from climbench.simulate.seasons import SEASON_DAYS, SEASONS, seasonal_temperature
from climbench.testing.model_contract import GLOBAL, random_sample

LATITUDE = np.arange(32) * 5.625 - 87.1875
LONGITUDE = np.arange(64) * 5.625
ARCTIC, ANTARCTIC, TROPICS = slice(-3, None), slice(0, 3), slice(14, 18)


def seasons_of(warming: np.ndarray) -> dict[str, np.ndarray]:
    """Return the change of each season where the year's is ``warming`` [latitude, longitude]."""
    cold = mean_temperature(LATITUDE, LONGITUDE)[None]
    grid = (LATITUDE, LONGITUDE)
    return {
        season: (
            seasonal_temperature(season, cold + warming, *grid)
            - seasonal_temperature(season, cold, *grid)
        )[0]
        for season in SEASONS
    }


def test_the_mean_of_the_seasons_over_their_days_is_the_year() -> None:
    names = ["tas", *(f"tas_{season}" for season in SEASONS)]
    climate = simulate_climate(["ssp585"], 1, variables=names)
    four = [climate[f"tas_{season}"].values.astype(float) for season in SEASONS]
    mean = np.average(four, axis=0, weights=SEASON_DAYS)
    np.testing.assert_allclose(mean, climate["tas"], atol=1e-3)
    assert climate["tas_djf"].attrs == climate["tas"].attrs


def test_the_north_is_cold_in_january_and_the_south_in_july() -> None:
    cold = mean_temperature(LATITUDE, LONGITUDE)[None]
    winter, summer = (
        seasonal_temperature(season, cold, LATITUDE, LONGITUDE)[0].mean(axis=-1)
        for season in ("djf", "jja")
    )
    assert (summer - winter)[ARCTIC].min() > 7
    assert (summer - winter)[ANTARCTIC].max() < -7
    assert np.abs(summer - winter)[TROPICS].max() < 4


def test_each_pole_warms_most_in_its_winter() -> None:
    change = {season: one.mean(axis=-1) for season, one in seasons_of(np.ones((32, 64))).items()}
    assert change["djf"][-1] > change["son"][-1] > 1 > change["mam"][-1] > change["jja"][-1] > 0.4
    assert change["jja"][0] > 1 > change["djf"][0]
    for one in change.values():
        np.testing.assert_allclose(one[TROPICS], 1.0, atol=1e-3)


def test_pattern_scaling_finds_the_pattern_of_each_season_per_kelvin_of_the_year() -> None:
    """Years warm in proportion to a known map; the annual mean is the last target."""
    targets = (*SEASONS, "year")
    signature = replace(
        GLOBAL,
        inputs=("carbon_dioxide",),
        forcings=(),
        static=(),
        targets=targets,
        history=1,
        leads=1,
        latitude=tuple(LATITUDE),
        longitude=tuple(LONGITUDE),
    )
    pattern = 1.0 + 0.5 * np.sin(np.deg2rad(LATITUDE))[:, None] * np.ones(64)
    pattern = pattern / area_mean(pattern, LATITUDE)
    known = {**seasons_of(pattern), "year": pattern}
    co2 = np.linspace(0.0, 3.0, 12)
    fields = np.stack([0.7 * co2[:, None, None] * known[name] for name in targets], axis=1)
    sample = random_sample(signature, co2.size)
    sample.inputs[:, :, 0] = torch.from_numpy(co2).float()[:, None, None, None]
    model = PatternScaling(signature, global_mean_of="year")
    model.accumulate(sample._replace(targets=torch.from_numpy(fields)[:, None].float()))
    model.solve()
    assert model.line.tolist() == pytest.approx([0.7, 0.0], abs=1e-6)
    for at, name in enumerate(targets):
        np.testing.assert_allclose(model.slope[at].numpy(), known[name], atol=1e-5)
    scaled_by_winter = PatternScaling(signature)  # the first target: another global mean
    scaled_by_winter.accumulate(sample._replace(targets=torch.from_numpy(fields)[:, None].float()))
    scaled_by_winter.solve()
    assert np.abs(scaled_by_winter.slope[4].numpy() - pattern).max() > 1e-3
