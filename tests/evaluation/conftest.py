"""Small forecasts and their truth."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

LATITUDE = np.linspace(-75, 75, 6)
LONGITUDE = np.arange(0.0, 360.0, 45.0)
LEVELS = [500.0, 850.0]


def weather(times, seed=0):
    """Truth: a surface variable and one on two levels."""
    random = np.random.default_rng(seed)
    shape = (len(times), LATITUDE.size, LONGITUDE.size)
    level_shape = (len(times), 2, LATITUDE.size, LONGITUDE.size)
    space = ("latitude", "longitude")
    return xr.Dataset(
        {
            "2m_temperature": (
                ("time", *space),
                random.normal(280, 5, shape).astype(np.float32),
                {"units": "K"},
            ),
            "geopotential": (
                ("time", "level", *space),
                random.normal(5e4, 500, level_shape).astype(np.float32),
                {"units": "m2 s-2"},
            ),
        },
        {"time": times, "level": LEVELS, "latitude": LATITUDE, "longitude": LONGITUDE},
        {"store_hash": "abc", "simulated": "true"},
    )


def persistence(truth, initial, leads, error=0.0, seed=1):
    """The state of the initial time at every lead, with some noise."""
    lead = pd.to_timedelta(leads, unit="h").to_numpy()
    start = truth.sel(time=initial)
    forecast = start.expand_dims(prediction_timedelta=lead).transpose("time", ...)
    random = np.random.default_rng(seed)
    for name in forecast.data_vars:
        noise = random.normal(0, error, forecast[name].shape) * float(truth[name].std())
        forecast[name] = (forecast[name] + noise).astype(np.float32)
    return forecast.assign_attrs(model="persistence", simulated="true", store_hash="def")


@pytest.fixture(name="weather")
def make_weather():
    return weather


@pytest.fixture(name="persistence")
def make_persistence():
    return persistence


@pytest.fixture
def truth():
    return weather(pd.date_range("2020-01-01", periods=60, freq="6h"))


@pytest.fixture
def forecasts(truth):
    return persistence(truth, truth.time[:40:2], [6, 24, 72], error=0.3)


@pytest.fixture
def climatology(truth):
    random = np.random.default_rng(5)
    one = truth.mean("time")
    climate = one.expand_dims(hour=[0, 6, 12, 18], dayofyear=np.arange(1, 367)).copy(deep=True)
    for name in climate.data_vars:
        climate[name] = climate[name] + random.normal(0, 1, climate[name].shape)
    return climate


@pytest.fixture
def runs():
    """Truth and prediction of two scenarios, each in its own years."""
    random = np.random.default_rng(0)
    years = np.arange(1990, 2031)
    shape = (2, years.size, LATITUDE.size, LONGITUDE.size)
    values = random.normal(2, 1, shape)
    values[0, years >= 2015] = np.nan
    values[1, years < 2015] = np.nan
    dims = ("scenario", "time", "latitude", "longitude")
    times = pd.to_datetime([f"{year}-07-01" for year in years])
    coords = {"scenario": ["historical", "ssp126"], "time": times}
    coords |= {"latitude": LATITUDE, "longitude": LONGITUDE}
    truth = xr.Dataset({"tas": (dims, values, {"units": "K"})}, coords)
    prediction = truth + random.normal(0.2, 0.3, shape)
    return prediction.assign_attrs(model="lps", channels=json.dumps(["tas"])), truth
