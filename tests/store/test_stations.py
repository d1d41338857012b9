"""Stations that share one record, among thousands."""

import time

import numpy as np
import xarray as xr

from climbench.store.stations import sharing_one_record


def records(stations, times=3000, seed=0):
    values = np.random.default_rng(seed).normal(size=(times, stations)).round(1)
    values[np.random.default_rng(1).random(values.shape) < 0.05] = np.nan
    return xr.Dataset(
        {"t": (("time", "station"), values)}, {"station": [f"s{n}" for n in range(stations)]}
    )


def test_twins_among_two_thousand_stations_are_found_in_seconds():
    ds = records(2000)
    ds["t"].values[:, 1500] = ds["t"].values[:, 3]
    ds["t"].values[::400, 1500] += 1  # not quite
    start = time.monotonic()
    assert sharing_one_record(ds) == ["s3 and s1500 (t)"]
    assert time.monotonic() - start < 30


def test_only_pairs_that_are_asked_for_in_their_order():
    ds = records(4)
    for other in (1, 2):
        ds["t"].values[:, other] = ds["t"].values[:, 0]
    assert len(sharing_one_record(ds)) == 3
    assert sharing_one_record(ds, [(2, 0), (2, 3)]) == ["s2 and s0 (t)"]


def test_rain_that_is_mostly_nothing_makes_no_twins():
    ds = records(5)
    ds["t"] = ds["t"].where(ds["t"] > 1.5, 0.0).round(0)
    assert sharing_one_record(ds) == []
