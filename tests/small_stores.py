"""Small stores made on the spot, in the layout that a recipe leaves."""

from pathlib import Path

import numpy as np
import xarray as xr

from climbench.store import create_store, encoding, write_part

LATITUDE = np.array([-67.5, -22.5, 22.5, 67.5])
LONGITUDE = np.arange(0.0, 360.0, 45.0)


def write_store(path: Path, ds: xr.Dataset, dimension: str = "time") -> Path:
    """Write a dataset as a finished store; its identity follows from its values."""
    identity = str(float(sum(np.nansum(ds[v].values, dtype=np.float64) for v in ds.data_vars)))
    attributes = {
        "recipe": "{}",
        "recipe_hash": identity,
        "sources": [],
        "software": {},
        "simulated": "true",
    }
    layout = encoding(ds, dimension, chunk=8, shard=64)
    create_store(path, ds, attributes, layout)
    size = ds.sizes[dimension]
    for start in range(0, size, 64):
        write_part(path, ds.isel({dimension: slice(start, start + 64)}), dimension, start)
    return path


def weather(times: xr.CFTimeIndex | np.ndarray, seed: int = 0) -> xr.Dataset:
    """Return a travelling wave with noise on a 4 x 8 grid: two levels, one surface variable."""
    steps = np.arange(len(times))
    wave = np.sin(np.deg2rad(LONGITUDE)[None, :] - 2 * np.pi * steps[:, None] / 16)
    base = wave[:, None, :] * np.cos(np.deg2rad(LATITUDE))[None, :, None]
    noise = np.random.default_rng(seed).normal(size=(3, *base.shape))
    fields = (base[None] + 0.1 * noise).astype(np.float32)
    dims = ("time", "latitude", "longitude")
    level = np.stack([50000 + 3000 * fields[0], 14000 + 1000 * fields[1]], axis=1)
    return xr.Dataset(
        {
            "geopotential": (("time", "level", "latitude", "longitude"), level),
            "2m_temperature": (dims, 280 + 10 * fields[2], {"units": "K"}),
            "orography": (dims[1:], np.full(base.shape[1:], 100.0, np.float32)),
        },
        {
            "time": times,
            "level": [500.0, 850.0],
            "latitude": LATITUDE,
            "longitude": LONGITUDE,
        },
    )


def climate(
    scenarios: tuple[str, ...] = ("historical", "ssp126", "ssp370", "ssp585"), members: int = 2
) -> xr.Dataset:
    """Return temperatures that follow cumulative emissions, NaN outside a scenario's years."""
    years = np.arange(1990, 2031)
    rate = {"historical": 1.0, "ssp126": 0.5, "ssp370": 2.0, "ssp585": 3.0}
    shape = (len(scenarios), members, years.size, LATITUDE.size, LONGITUDE.size)
    tas = np.full(shape, np.nan, np.float32)
    carbon = np.full((len(scenarios), years.size), np.nan)
    noise = np.random.default_rng(1).normal(scale=0.05, size=shape)
    pattern = 1 + 0.5 * np.sin(np.deg2rad(LATITUDE))[:, None] * np.ones(LONGITUDE.size)
    for at, name in enumerate(scenarios):
        own = years < 2010 if name == "historical" else years >= 2010
        emitted = np.where(years < 2010, years - 1990, 20 + rate[name] * (years - 2010))
        carbon[at, own] = 100.0 * emitted[own]
        warm = 288 + 0.05 * emitted[None, own, None, None] * pattern
        tas[at][:, own] = warm + noise[at][:, own]
    tas[scenarios.index("historical"), members - 1] = np.nan  # a member that it lacks
    return xr.Dataset(
        {
            "tas": (("scenario", "member", "time", "latitude", "longitude"), tas, {"units": "K"}),
            "carbon_dioxide": (("scenario", "time"), carbon),
        },
        {
            "scenario": list(scenarios),
            "member": [f"r{i + 1}" for i in range(members)],
            "time": np.array([f"{year}-07-01" for year in years], "datetime64[ns]"),
            "latitude": LATITUDE,
            "longitude": LONGITUDE,
        },
    )


def stations(times: np.ndarray, seed: int = 0) -> xr.Dataset:
    """Return temperature and wind at three stations: a daily cycle, noise, and gaps."""
    steps = np.arange(len(times))
    drawn = np.random.default_rng(seed)
    cycle = 5 * np.sin(2 * np.pi * steps / 24)[:, None]
    temperature = 283 + cycle + drawn.normal(size=(steps.size, 3))
    temperature[drawn.random(temperature.shape) < 0.05] = np.nan
    wind = 4 + drawn.normal(size=(steps.size, 3))
    dims = ("time", "station")
    return xr.Dataset(
        {
            "2m_temperature": (dims, temperature.astype(np.float32), {"units": "K"}),
            "wind_speed": (dims, wind.astype(np.float32), {"units": "m s-1"}),
        },
        {
            "time": times,
            "station": ["Oslo", "Bergen", "Lerwick"],
            "latitude": ("station", [59.9, 60.4, 60.2]),
            "longitude": ("station", [10.7, 5.3, 358.9]),
            "altitude": ("station", [12.0, 20.0, 80.0]),
        },
    )
