"""The climatology of a training period against WeatherBench 2's method, written in plain numpy."""

import json
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from small_stores import write_store

from climbench.errors import UserError
from climbench.evaluation import build_climatology, evaluate
from climbench.experiments.verbs import climatology_verb

PERIOD = ("1999-01-01", "2002-12-31")  # 2000 is a leap year
LATITUDE, LONGITUDE = np.array([-45.0, 0.0, 45.0]), np.array([0.0, 90.0, 180.0, 270.0])
RAIN = "total_precipitation_24hr"


def truth(kind=np.float32, start="1998-12-01", end="2003-02-01", calendar=None):
    """Twelve-hourly fields with a season: on two levels, at the surface, and rain in metres."""
    times = xr.date_range(start, end, freq="12h", calendar=calendar or "standard")
    season = np.cos(2 * np.pi * xr.DataArray(times, dims="time").dt.dayofyear.values / 365)
    random = np.random.default_rng(0)

    def fields(*shape):
        noise = random.normal(size=(times.size, *shape, LATITUDE.size, LONGITUDE.size))
        return season[(slice(None),) + (None,) * (noise.ndim - 1)] + noise

    space = ("latitude", "longitude")
    rain = np.maximum(fields(), 0.0) * 1e-3
    return xr.Dataset(
        {
            "2m_temperature": (("time", *space), (280 + 5 * fields()).astype(kind), {"units": "K"}),
            "geopotential": (("time", "level", *space), (5e4 + 500 * fields(2)).astype(kind)),
            RAIN: (("time", *space), rain.astype(kind), {"units": "m"}),
            "orography": (space, np.zeros((3, 4), kind)),
        },
        {"time": times, "level": [500, 850], "latitude": LATITUDE, "longitude": LONGITUDE},
    )


def weatherbench(array, hour):
    """Values and weights ``[dayofyear, year * window, ...]`` of one hour, years stacked."""
    array = array.sel(time=slice(*PERIOD))
    array = array.isel(time=array.time.dt.hour.values == hour)
    years, days = array.time.dt.year.values, array.time.dt.dayofyear.values
    stacked = np.full((4, 366, *array.shape[1:]), np.nan)
    stacked[years - 1999, days - 1] = array.values
    for year in (1999, 2001, 2002):
        stacked[year - 1999, 365] = stacked[year - 1999, 364]
    padded = np.concatenate([stacked[:, -30:], stacked, stacked[:, :30]], axis=1)
    windows = np.stack([padded[:, day : day + 61] for day in range(366)])
    weights = np.concatenate([np.linspace(0, 1, 31), np.linspace(1, 0, 31)[1:]])
    weights = np.tile(weights / weights.mean(), 4)
    return windows.reshape(366, 4 * 61, *array.shape[1:]), weights


def average(values, weights):
    weights = weights.reshape(-1, *[1] * (values.ndim - 2)) * np.isfinite(values)
    return (weights * np.nan_to_num(values)).sum(1) / weights.sum(1)


def deviation(values, weights):
    return np.sqrt(average((values - average(values, weights)[:, None]) ** 2, weights))


def quantile(values, weights, level):
    """Type-7 quantile of weighted values, by the integral of the sorted values over weight."""
    result = np.empty((values.shape[0], *values.shape[2:]))
    for place in np.ndindex(result.shape):
        series = values[(place[0], slice(None), *place[1:])]
        order = np.argsort(series)
        order = order[np.isfinite(series[order]) & (weights[order] > 0)]
        share = weights[order] / weights[order].sum()
        effective = 1 / (share**2).sum()
        upper = ((effective - 1) * level + 1) / effective
        passed = np.append(0, share.cumsum())
        integral = np.append(0, (share * series[order]).cumsum())
        between = np.diff(np.interp([upper - 1 / effective, upper], passed, integral))
        result[place] = between[0] * effective
    return result


@pytest.mark.parametrize(("kind", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-12)])
def test_everything_is_what_weatherbench_2_computes(tmp_path, kind, tolerance):
    data = truth(kind)
    path = build_climatology(
        data, PERIOD, tmp_path / "clim.zarr", quantiles=[0.1, 0.9], std=True, seeps=[RAIN]
    )
    found = xr.open_zarr(path, chunks=None)
    assert found["geopotential"].dims == ("hour", "dayofyear", "level", "latitude", "longitude")
    assert found["geopotential_quantile"].dims[:3] == ("quantile", "hour", "dayofyear")
    assert found["hour"].values.tolist() == [0, 12]
    assert found["dayofyear"].values.tolist() == list(range(1, 367))
    assert "orography" not in found
    for hour in (0, 12):
        here = found.sel(hour=hour)
        for name in ("2m_temperature", "geopotential"):
            values, weights = weatherbench(data[name], hour)
            for expected, result in (
                (average(values, weights), here[name]),
                (deviation(values, weights), here[f"{name}_std"]),
                (quantile(values, weights, 0.9), here[f"{name}_quantile"].sel(quantile=0.9)),
            ):
                assert result.dtype == kind
                np.testing.assert_allclose(result, expected, rtol=tolerance)
        rain, weights = weatherbench(data[RAIN], hour)
        dry = rain < kind(0.25e-3)
        heavy = quantile(np.where(dry, np.nan, rain), weights, 2 / 3)
        np.testing.assert_allclose(here[f"{RAIN}_seeps_threshold"], heavy, rtol=tolerance)
        np.testing.assert_allclose(here[f"{RAIN}_seeps_dry_fraction"], dry.mean(1), rtol=tolerance)
    assert found["2m_temperature_std"].attrs["units"] == "K"
    assert found[f"{RAIN}_seeps_dry_fraction"].attrs["units"] == "1"


def test_missing_values_have_weight_zero(tmp_path):
    data = truth(np.float64)
    random = np.random.default_rng(1)
    for name in ("2m_temperature", RAIN):
        data[name] = data[name].where(random.random(data[name].shape) > 0.1)
        data[name][:, 1, 2] = np.nan  # a cell without any value
        data[name].loc[{"time": data.time.dt.month.isin([5, 6, 7])}][:, 0, 0] = np.nan
    names = ["2m_temperature", RAIN]
    path = build_climatology(
        data, PERIOD, tmp_path / "c", variables=names, quantiles=[0.5], std=True, seeps=[RAIN]
    )
    found = xr.open_zarr(path, chunks=None).sel(hour=12)
    values, weights = weatherbench(data["2m_temperature"], 12)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = average(values, weights)
        spread = deviation(values, weights)
        median = quantile(values, weights, 0.5)
    np.testing.assert_allclose(found["2m_temperature"], expected, rtol=1e-12)
    np.testing.assert_allclose(found["2m_temperature_std"], spread, rtol=1e-10)
    np.testing.assert_allclose(found["2m_temperature_quantile"][0], median, rtol=1e-12)
    assert np.isnan(found["2m_temperature"][:, 1, 2]).all()
    rain, _ = weatherbench(data[RAIN], 12)
    valid = np.isfinite(rain).sum(1)
    expected = np.where(valid > 0, (rain < 0.25e-3).sum(1) / np.maximum(valid, 1), np.nan)
    np.testing.assert_allclose(found[f"{RAIN}_seeps_dry_fraction"], expected, rtol=1e-12)


def daily(data=None):
    """A small truth of one variable, for what does not depend on the values."""
    data = truth() if data is None else data
    return data[["2m_temperature"]].isel(time=slice(None, None, 2))


def built(data, path, period=PERIOD, **options):
    return xr.open_zarr(build_climatology(data, period, path, **options), chunks=None).load()


@pytest.mark.parametrize("kind", ["store", "zarr 2", "netcdf", "longitude first"])
def test_the_layout_of_the_truth_makes_no_difference(tmp_path, kind):
    data = daily()
    expected = built(data, tmp_path / "expected.zarr", quantiles=[0.9])
    address = tmp_path / "truth"
    if kind == "store":
        write_store(address, data)
    elif kind == "zarr 2":
        data.to_zarr(address, zarr_format=2, encoding={"2m_temperature": {"chunks": (100, 2, 4)}})
    elif kind == "netcdf":
        data.rename(latitude="lat", longitude="lon").to_netcdf(address)
    else:  # WeatherBench 2 at low resolution, and times in any order
        shuffled = np.random.default_rng(0).permutation(data.sizes["time"])
        turned = data.isel(time=shuffled, latitude=slice(None, None, -1))
        turned.transpose("time", "longitude", "latitude").to_zarr(address)
    found = built(address, tmp_path / "found.zarr", quantiles=[0.9])
    xr.testing.assert_allclose(found, expected.reindex_like(found), rtol=1e-7)


def test_what_lies_outside_the_period_does_not_enter(tmp_path):
    data = daily()
    other = data.copy(deep=True)
    outside = ~((data.time >= np.datetime64(PERIOD[0])) & (data.time < np.datetime64("2003")))
    other["2m_temperature"][outside.values] = 1e9
    options = {"quantiles": [0.0, 1.0], "std": True}
    first = built(data, tmp_path / "a.zarr", **options)
    xr.testing.assert_identical(first, built(other, tmp_path / "b.zarr", **options))
    assert json.loads(first.attrs["period"]) == ["1999-01-01T00:00", "2002-12-31T00:00"]


def test_small_tiles_and_reads_give_the_same_bytes(tmp_path, monkeypatch):
    data = truth()[["geopotential"]].isel(time=slice(None, None, 2), latitude=[0, 1])
    options = {"quantiles": [0.3], "std": True}
    whole = built(data, tmp_path / "a.zarr", **options)
    monkeypatch.setattr("climbench.metrics.climatology_fields.READ", 10000)
    parts = built(data, tmp_path / "b.zarr", memory=2e-4, **options)
    xr.testing.assert_identical(whole, parts)


def test_memory_does_not_grow_with_the_length_of_the_archive(tmp_path, monkeypatch):
    monkeypatch.setattr("climbench.metrics.climatology_fields.READ", 2**18)

    def peak(years):
        times = pd.date_range("1990-01-01", periods=365 * years, freq="D")
        values = np.ones((times.size, 20, 40), np.float32)
        space = {"latitude": np.linspace(-80, 80, 20), "longitude": np.arange(0.0, 360, 9)}
        dims = ("time", "latitude", "longitude")
        address = tmp_path / f"{years}.zarr"
        data = xr.Dataset({"t": (dims, values)}, {"time": times, **space})
        data.to_zarr(address, encoding={"t": {"chunks": (50, 20, 40)}})
        del values, data
        tracemalloc.start()
        build_climatology(address, (times[0], times[-1]), tmp_path / f"{years}.clim", std=True)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak(1)  # imports
    assert peak(10) < peak(2) + 1e6  # eight years more are 9 MB


@pytest.mark.parametrize("calendar", ["noleap", "all_leap", "julian"])
def test_other_calendars_have_their_own_leap_years(tmp_path, calendar):
    data = daily(truth(calendar=calendar))
    days = data.time.dt.dayofyear.astype(float)
    data["2m_temperature"] = days.broadcast_like(data["2m_temperature"])
    found = built(data, tmp_path / "clim.zarr", window=1)["2m_temperature"][0, :, 0, 0]
    assert found[:365].values.tolist() == list(range(1, 366))
    last = {"noleap": 365.0, "all_leap": 366.0, "julian": (3 * 365 + 366) / 4}
    assert float(found[365]) == last[calendar]


def test_a_second_run_does_nothing_and_other_options_are_refused(tmp_path):
    address = write_store(tmp_path / "truth.zarr", daily())
    path = build_climatology(address, PERIOD, tmp_path / "clim.zarr")
    written = {file: file.stat().st_mtime_ns for file in path.rglob("*")}
    assert build_climatology(str(address), ("1999", 2002), path) == path
    assert {file: file.stat().st_mtime_ns for file in path.rglob("*")} == written
    for options in ({"std": True}, {"window": 31}, {"quantiles": [0.5]}):
        with pytest.raises(UserError, match=r"is there already and is not .* these options"):
            build_climatology(address, PERIOD, path, **options)
    with pytest.raises(UserError, match="is there already"):
        build_climatology(daily(), PERIOD, path)  # nobody knows whether this is the same truth


def test_a_failure_leaves_nothing_under_the_final_name(tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("climbench.metrics.climatology_store.climatology_of", fail)
    with pytest.raises(KeyboardInterrupt):
        build_climatology(daily(), PERIOD, tmp_path / "clim.zarr")
    assert [file.name for file in tmp_path.iterdir() if file.is_dir()] == []


def test_it_says_where_it_comes_from(tmp_path):
    address = write_store(tmp_path / "truth.zarr", daily())
    found = built(address, tmp_path / "clim.zarr", window=31)
    assert found.attrs["window_days"] == 31
    assert found.attrs["simulated"] == "true"
    assert found.attrs["truth"] == str(address)
    assert len(found.attrs["truth_hash"]) == len(found.attrs["store_hash"]) == 64
    assert found.attrs["climbench_version"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"period": ("1980-01-01", "2000-01-01")}, "outside the store's dates"),
        ({"period": ("1999-01-01", "2010-12-31")}, "outside the store's dates"),
        ({"period": ("2000-01-01", "2000-11-30")}, "is shorter than a year"),
        ({"period": ("soon", "later")}, "not a pair of dates"),
        ({"window": 60}, "option 'window' = 60 is wrong: the window must be an odd number"),
        ({"quantiles": [0.5, 1.5]}, "different numbers from 0 to 1"),
        ({"quantiles": [0.5, 0.5]}, "different numbers from 0 to 1"),
        ({"variables": ["2m_temprature"]}, "did you mean '2m_temperature'"),
        ({"variables": ["orography"]}, "has no field 'orography' along time"),
        ({"seeps": ["rain"]}, "there is no field 'rain'"),
        ({"seeps": ["2m_temperature"]}, "names end in _6hr and _24hr"),
        ({"memory": 0}, "option 'memory' = 0 is wrong"),
        ({"output": "gs://bucket/clim.zarr"}, "give a folder on this machine"),
    ],
)
def test_a_mistake_is_one_sentence_and_writes_nothing(tmp_path, change, sentence):
    options = {"period": PERIOD, "output": tmp_path / "clim.zarr", **change}
    with pytest.raises(UserError, match=sentence):
        build_climatology(truth(), **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda data: truth(calendar="360_day"), "calendar of 360 days"),
        (lambda data: data.expand_dims(number=2), "has the dimension 'number'|'member'"),
        (lambda data: data.isel(time=[0, 0, 1]), "more than once"),
        (lambda data: data.drop_vars("time"), "no coordinate 'time' with dates"),
        (lambda data: data[["orography"]], "no field along time"),
    ],
)
def test_a_truth_without_days_of_the_year_is_refused(tmp_path, change, sentence):
    with pytest.raises(UserError, match=sentence):
        build_climatology(change(truth()), PERIOD, tmp_path / "clim.zarr")


def test_rain_in_a_rate_is_refused_for_seeps(tmp_path):
    data = truth()[[RAIN]]
    data[RAIN].attrs["units"] = "kg m-2 s-1"
    with pytest.raises(UserError, match="convert it to m or mm"):
        build_climatology(data, PERIOD, tmp_path / "clim.zarr", seeps=[RAIN])


def test_seeps_thresholds_do_not_depend_on_the_unit(tmp_path):
    data = truth(np.float64)[[RAIN]]
    metres = built(data, tmp_path / "m.zarr", seeps=[RAIN])
    other = (1000 * data).assign_attrs(data.attrs)
    other[RAIN].attrs["units"] = "mm"
    millimetres = built(other, tmp_path / "mm.zarr", seeps=[RAIN])
    for name, factor in (("seeps_threshold", 1000), ("seeps_dry_fraction", 1)):
        expected = factor * metres[f"{RAIN}_{name}"]
        np.testing.assert_allclose(millimetres[f"{RAIN}_{name}"], expected, rtol=1e-12)


def test_the_verb_prints_what_it_built(tmp_path, capsys):
    address = write_store(tmp_path / "truth.zarr", daily())
    config = {
        "runs_dir": "runs",
        "data_root": None,
        "truth": str(address),
        "period": list(PERIOD),
        "output": str(tmp_path / "clim.zarr"),
        "std": True,
    }
    assert climatology_verb(config) == 0
    printed = capsys.readouterr().out.replace("\n", " ")
    assert "1999-01-01T00:00 to 2002-12-31T00:00, window of 61 days" in printed
    assert "2m_temperature, 2m_temperature_std" in printed
    assert "hours: 0 " in printed
    assert str(tmp_path / "clim.zarr") in printed
    with pytest.raises(UserError, match="option 'quantiles' = 'many' is wrong"):
        climatology_verb({**config, "quantiles": "many"})


def test_evaluate_takes_what_was_built(tmp_path):
    data = daily()
    path = build_climatology(data, PERIOD, tmp_path / "clim.zarr")
    perfect = data.sel(time=slice("2002-02-01", "2002-03-01"))
    lead = pd.to_timedelta([0], unit="h").to_numpy()
    perfect = perfect.expand_dims(prediction_timedelta=lead).transpose("time", ...)
    scores = evaluate(perfect, data, path, metrics=["acc"], model="perfect")
    np.testing.assert_allclose(scores["score"].values.ravel()[0], 1.0, rtol=1e-6)
