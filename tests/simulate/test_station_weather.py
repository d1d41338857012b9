"""Stations of the embedded planet: what the waves promise, gaps, any part by itself."""

import numpy as np
import pandas as pd
import pytest

from climbench.simulate.station_weather import LENGTH, MEMORY, STEERING, StationWeather, saturation

HOURS = np.arange(0.0, 24 * 720, 12)


@pytest.fixture(scope="module")
def weather():
    return StationWeather(stations=48, seed=3)


@pytest.fixture(scope="module")
def month(weather):
    times = pd.date_range("2000-03-01", periods=31 * 24, freq="1h")
    return times, weather.fields(times)


def test_places_correlate_as_the_exponential_of_their_distance(weather):
    """Over many seeds: a sum of waves from one seed keeps its own departures."""
    apart = np.linalg.norm(weather.kilometres[:, None] - weather.kilometres, axis=-1)
    found = np.zeros_like(apart)
    seeds = range(40)
    for seed in seeds:
        other = StationWeather(48, seed)
        object.__setattr__(other, "kilometres", weather.kilometres)
        field = other.anomaly("temperature", np.arange(0.0, 24 * 300, 60))
        found += field.T @ field / len(field) / len(seeds)
    np.testing.assert_allclose(found, np.exp(-apart / LENGTH), atol=0.2)
    assert np.abs(found - np.exp(-apart / LENGTH)).mean() < 0.05


def test_what_happens_upstream_arrives_later(weather):
    """The correlation is highest along the way of the air, where only time takes it away."""
    lag = 6.0
    way = weather.steering(HOURS + lag)[1] - weather.steering(HOURS)[1]
    assert way[:, 0].mean() == pytest.approx(3.6 * STEERING * lag, rel=0.1)
    vectors, often, phases = weather.waves["temperature"]

    def field(hours, where):  # at places that move with the air
        when = hours[:, None] * often + phases - weather.steering(hours)[1] @ vectors.T
        return np.sqrt(2 / len(often)) * np.cos(when + where @ vectors.T).sum(axis=1)

    start = np.tile(weather.kilometres[0], (HOURS.size, 1))
    carried = np.corrcoef(field(HOURS, start), field(HOURS + lag, start + way))[0, 1]
    stayed = np.corrcoef(field(HOURS, start), field(HOURS + lag, start))[0, 1]
    assert carried == pytest.approx(np.exp(-lag / MEMORY), abs=0.1)
    assert stayed < carried - 0.15


def test_any_part_has_the_same_numbers(weather, month):
    times, whole = month
    part = weather.fields(times[100:200])
    for name, values in part.items():
        np.testing.assert_array_equal(values, whole[name][100:200])
    other = StationWeather(stations=48, seed=4).fields(times[:24])
    assert not np.array_equal(other["2m_temperature"], whole["2m_temperature"][:24], equal_nan=True)


def test_sums_of_rain_are_those_of_its_hours(weather, month):
    hours = np.asarray((month[0] - pd.Timestamp("2000-01-01")) / pd.Timedelta("1h"))
    rain = weather.rain(hours)
    expected = rain[2:] + rain[1:-1] + rain[:-2]
    found = month[1]["total_precipitation_3hr"][2:]
    there = np.isfinite(found)
    np.testing.assert_allclose(found[there], expected[there], rtol=1e-5, atol=1e-9)
    assert 0.6 < (rain == 0).mean() < 0.97


def test_values_are_those_of_weather(weather, month):
    fields = month[1]
    assert 0.02 < np.isnan(fields["wind_speed"]).mean() < 0.04
    assert np.nanmax(fields["relative_humidity"]) <= 100
    assert 0 <= np.nanmin(fields["wind_direction"]) <= np.nanmax(fields["wind_direction"]) < 360
    higher = np.argsort(weather.places[:, 2])
    pressure = np.nanmean(fields["surface_pressure"], axis=0)[higher]
    assert np.corrcoef(np.arange(48), pressure)[0, 1] < -0.8
    assert saturation(np.array(293.15)) == pytest.approx(2337, rel=2e-3)  # Goff-Gratch
