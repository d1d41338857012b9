"""evaluate() against plain xarray expressions, on datasets and on stores."""

import json
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.evaluation import evaluate
from climbench.grids import latitude_weights

METRICS = ["rmse", "mse", "mae", "bias", "acc"]


def plain_xarray(forecasts, truth, climatology, name):
    """What a notebook would do: everything at once, by labels."""
    weights = xr.DataArray(latitude_weights(truth.latitude), dims="latitude")
    valid = forecasts.time + forecasts.prediction_timedelta
    valid = valid.where(valid <= truth.time.max(), truth.time[0])
    inside = (forecasts.time + forecasts.prediction_timedelta) <= truth.time.max()
    o = truth.sel(time=valid).drop_vars("time").astype(float)
    c = climatology.sel(dayofyear=valid.dt.dayofyear, hour=valid.dt.hour)
    o, c = (x.assign_coords(time=forecasts.time) for x in (o, c.drop_vars(["dayofyear", "hour"])))
    f = forecasts.astype(float)
    space = ["latitude", "longitude"]

    def mean(x):
        return x.weighted(weights).mean(space).where(inside)

    if name == "acc":
        top = mean((f - c) * (o - c))
        return (top / np.sqrt(mean((f - c) ** 2) * mean((o - c) ** 2))).mean("time")
    error = {"mae": abs(f - o), "bias": f - o}.get(name, (f - o) ** 2)
    result = mean(error).mean("time")
    return np.sqrt(result) if name == "rmse" else result


@pytest.mark.parametrize("name", METRICS)
def test_equals_plain_xarray(forecasts, truth, climatology, name):
    scores = evaluate(forecasts, truth, climatology, METRICS)
    expected = plain_xarray(forecasts, truth, climatology, name)
    own = scores.score.sel(model="persistence", metric=name, region="global")
    np.testing.assert_allclose(
        own.sel(channel="2m_temperature"), expected["2m_temperature"], rtol=1e-6
    )
    for level in (500, 850):
        np.testing.assert_allclose(
            own.sel(channel=f"geopotential_{level}"),
            expected["geopotential"].sel(level=level),
            rtol=2e-6,
        )


def test_float64_agrees_to_the_last_digits(forecasts, truth, climatology):
    double = evaluate(forecasts.astype(float), truth.astype(float), climatology, METRICS)
    for name in METRICS:
        expected = plain_xarray(forecasts, truth, climatology, name)["2m_temperature"]
        own = double.score.sel(model="persistence", metric=name, channel="2m_temperature")
        np.testing.assert_allclose(own.sel(region="global"), expected, rtol=1e-10)


def test_dataset_has_the_promised_form(forecasts, truth, climatology):
    scores = evaluate(forecasts, truth, climatology, ["rmse", "acc"], regions=["global", "tropics"])
    assert scores.score.dims == ("model", "metric", "channel", "region", "lead_time")
    assert scores["count"].dims == ("model", "channel", "region", "lead_time")
    assert scores.map_rmse.dims == ("model", "channel", "lead_time", "latitude", "longitude")
    assert scores.map_rmse.dtype == scores.map_bias.dtype == np.float32
    assert scores.lead_time.to_numpy().tolist() == [6.0, 24.0, 72.0]
    assert scores.lead_time.attrs["units"] == "hours"
    assert scores.orientation.to_numpy().tolist() == ["lower", "higher"]
    channels = ["2m_temperature", "geopotential_500", "geopotential_850"]
    assert scores.channel.to_numpy().tolist() == channels
    assert scores.variable.to_numpy().tolist() == ["2m_temperature", *["geopotential"] * 2]
    np.testing.assert_array_equal(scores.level, [np.nan, 500, 850])
    assert scores.units.to_numpy().tolist() == ["K", "m2 s-2", "m2 s-2"]
    assert scores.attrs["task"] == "forecasting"
    assert scores.attrs["simulated"] == "true"
    assert json.loads(scores.attrs["truth_hash"]) == {"persistence": "abc"}
    assert json.loads(scores.attrs["conventions"])["weights"] == "area"
    below, above = scores.lower.sel(metric="rmse"), scores.upper.sel(metric="rmse")
    middle = scores.score.sel(metric="rmse")
    assert bool(((below < middle) & (middle < above)).all())


def test_maps_are_the_error_of_each_cell(forecasts, truth):
    scores = evaluate(forecasts, truth)
    lead = forecasts.prediction_timedelta[1]
    o = truth["2m_temperature"].sel(time=forecasts.time + lead).to_numpy()
    error = forecasts["2m_temperature"].sel(prediction_timedelta=lead).to_numpy() - o
    own = scores.isel(model=0, lead_time=1).sel(channel="2m_temperature")
    np.testing.assert_allclose(own.map_bias, error.mean(axis=0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(own.map_rmse, np.sqrt((error**2).mean(axis=0)), rtol=1e-5)


def test_forecasts_beyond_the_truth_do_not_count(truth, persistence):
    forecasts = persistence(truth, truth.time[-6:], [6, 24])
    scores = evaluate(forecasts, truth)
    assert scores["count"].sel(channel="2m_temperature").to_numpy().ravel().tolist() == [5, 2]


def same(first, second, rtol=1e-12):
    xr.testing.assert_allclose(
        first[["score", "lower", "count"]], second[["score", "lower", "count"]], rtol=rtol
    )


def test_order_and_naming_of_coordinates_change_nothing(forecasts, truth, climatology):
    reference = evaluate(forecasts, truth, climatology, METRICS)
    random = np.random.default_rng(0)
    west = truth.assign_coords(longitude=(truth.longitude + 180) % 360 - 180)
    variants = {
        "shuffled initial times": (forecasts.isel(time=random.permutation(20)), truth),
        "shuffled truth": (forecasts, truth.isel(time=random.permutation(60))),
        "reversed latitudes": (forecasts.isel(latitude=slice(None, None, -1)), truth),
        "both reversed": (
            forecasts.isel(latitude=slice(None, None, -1)),
            truth.isel(latitude=slice(None, None, -1)),
        ),
        "shuffled latitudes": (forecasts, truth.isel(latitude=random.permutation(6))),
        "longitudes from -180": (forecasts, west.sortby("longitude")),
        "longitude before latitude": (forecasts.transpose(..., "longitude", "latitude"), truth),
        "leads first": (forecasts.transpose("prediction_timedelta", ...), truth),
        "shuffled leads": (forecasts.isel(prediction_timedelta=[2, 0, 1]), truth),
        "lat and lon": (forecasts.rename(latitude="lat", longitude="lon"), truth),
        "levels reversed": (forecasts, truth.isel(level=[1, 0])),
    }
    for label, (changed_forecasts, changed_truth) in variants.items():
        try:
            scores = evaluate(changed_forecasts, changed_truth, climatology, METRICS)
            scores = scores.sel(channel=reference.channel)
            same(scores, reference)
        except AssertionError as error:
            raise AssertionError(label) from error


@pytest.mark.parametrize("size", [1, 5_000, 20_000, 1_000_000])
@pytest.mark.parametrize("chunk", [1, 7, 40])
def test_blocks_and_stores_change_no_bit(
    forecasts, truth, climatology, tmp_path, monkeypatch, chunk, size
):
    reference = evaluate(forecasts, truth, climatology, METRICS, bootstrap=100)
    store = tmp_path / "forecast.zarr"
    forecasts.chunk(time=chunk).to_zarr(store, zarr_format=3, consolidated=False)
    truth.to_netcdf(tmp_path / "truth.nc")
    climatology.to_zarr(tmp_path / "climatology.zarr", zarr_format=2)
    monkeypatch.setattr("climbench.evaluation.streaming.BLOCK_BYTES", size)
    monkeypatch.setattr("climbench.evaluation.streaming.WINDOW_BYTES", size)
    monkeypatch.setattr("climbench.evaluation.streaming.SUMS_BYTES", size)
    paths = (tmp_path / name for name in ("forecast.zarr", "truth.nc", "climatology.zarr"))
    scores = evaluate(*paths, METRICS, bootstrap=100)
    for name in ("score", "lower", "upper", "count", "missing", "per_sample", "per_sample_weight"):
        np.testing.assert_array_equal(scores[name], reference[name], err_msg=name)
    for name in ("map_rmse", "map_bias"):
        np.testing.assert_allclose(scores[name], reference[name], rtol=1e-6, atol=1e-5)
    assert len(json.loads(scores.attrs["predictions_hash"])["persistence"]) == 64


@pytest.mark.parametrize("size", [1, 5_000])
def test_blocks_in_memory_change_no_bit(forecasts, truth, climatology, monkeypatch, size):
    reference = evaluate(forecasts, truth, climatology, METRICS, bootstrap=0)
    monkeypatch.setattr("climbench.evaluation.streaming.BLOCK_BYTES", size)
    monkeypatch.setattr("climbench.evaluation.streaming.WINDOW_BYTES", size)
    scores = evaluate(forecasts, truth, climatology, METRICS, bootstrap=0)
    np.testing.assert_array_equal(scores.score, reference.score)
    np.testing.assert_array_equal(scores.per_sample, reference.per_sample)


def test_period_selects_initial_times(forecasts, truth):
    scores = evaluate(forecasts, truth, period=["2020-01-02", "2020-01-03"])
    same(scores, evaluate(forecasts.sel(time=slice("2020-01-02", "2020-01-03")), truth))
    assert int(scores["count"].max()) == 4


def test_level_as_a_scalar_coordinate(forecasts, truth):
    reference = evaluate(forecasts, truth).sel(channel=["geopotential_500"])
    single = forecasts[["geopotential"]].sel(level=500)
    same(evaluate(single, truth), reference)
    flat = single.rename(geopotential="geopotential_500").drop_vars("level")
    expected = reference.drop_vars(["variable", "level"])
    same(evaluate(flat, truth).drop_vars(["variable", "level"]), expected)


def test_attribute_channels_names_what_is_really_there(forecasts, truth):
    forecasts["geopotential"][:, :, 1] = np.nan  # filled up: 850 hPa was not predicted
    with pytest.raises(UserError, match="values are missing where the truth has them"):
        evaluate(forecasts, truth)
    forecasts.attrs["channels"] = json.dumps(["geopotential_500", "2m_temperature"])
    scores = evaluate(forecasts, truth)
    assert scores.channel.to_numpy().tolist() == ["geopotential_500", "2m_temperature"]


def test_missing_values_are_an_error_unless_skipped(forecasts, truth):
    truth["2m_temperature"][:, 0, 0] = np.nan  # no error: the truth has none either
    before = evaluate(forecasts, truth)
    assert int(before.missing.sum()) == 20 * 3
    forecasts["2m_temperature"][3, 1, 2, 2] = np.inf
    message = "predictions: 1 values are missing where the truth has them.*'2m_temperature'.*24"
    with pytest.raises(UserError, match=message):
        evaluate(forecasts, truth)
    scores = evaluate(forecasts, truth, nan="skip")
    assert int(scores.missing.sum()) == 20 * 3 + 1
    assert np.all(np.isfinite(scores.score))


def test_truth_of_nothing_but_missing_values_is_refused(forecasts, truth):
    with pytest.raises(UserError, match="predictions and truth share no value that is not missing"):
        evaluate(forecasts, truth * np.nan)


def test_a_channel_without_any_truth_has_no_score(forecasts, truth):
    truth["2m_temperature"] = truth["2m_temperature"] * np.nan
    scores = evaluate(forecasts, truth).sel(channel="2m_temperature")
    assert np.all(np.isnan(scores.score))
    assert int(scores["count"].max()) == 0


def test_noleap_calendar(forecasts, truth):
    times = xr.date_range("2020-01-01", periods=60, freq="6h", calendar="noleap", use_cftime=True)
    scores = evaluate(forecasts.assign_coords(time=times[:40:2]), truth.assign_coords(time=times))
    np.testing.assert_array_equal(scores.score, evaluate(forecasts, truth).score)


def test_two_states_of_one_run_merge(forecasts, truth):
    """Scores of the halves, weighted by their counts, are the score of the whole."""
    first, second = forecasts.isel(time=slice(0, 8)), forecasts.isel(time=slice(8, None))
    parts = [evaluate(part, truth, metrics=["mse"], bootstrap=0) for part in (first, second)]
    together = sum(part.score * part["count"] for part in parts) / sum(
        part["count"] for part in parts
    )
    whole = evaluate(forecasts, truth, metrics=["mse"], bootstrap=0).score
    np.testing.assert_allclose(together.transpose(*whole.dims), whole, rtol=1e-12)


def test_same_call_same_bounds_and_other_seed_other_bounds(forecasts, truth):
    first, again = evaluate(forecasts, truth, seed=1), evaluate(forecasts, truth, seed=1)
    xr.testing.assert_identical(first, again)
    assert not evaluate(forecasts, truth, seed=2).lower.equals(first.lower)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"truth": lambda t: t.isel(latitude=slice(1, None))},
            r"grids differ: predictions has 6 x 8 cells .* truth has 5 x 8 cells",
        ),
        (
            {"truth": lambda t: t.assign_coords(latitude=t.latitude + 1)},
            "grids differ: predictions has .*-75 to 75.* truth has .*-74 to 76",
        ),
        (
            {"truth": lambda t: t.assign_coords(time=t.time + np.timedelta64(365, "D"))},
            "No forecast meets its truth: predictions is valid from 2020-01-01",
        ),
        ({"truth": lambda t: t.rename({n: n + "x" for n in t.data_vars})}, "no variable in common"),
        (
            {"truth": lambda t: t.isel(time=[0, 0, 1])},
            "truth: the time 2020-01-01 00:00:00 stands there more than once",
        ),
        (
            {"forecasts": lambda f: f.expand_dims(perturbation=[0, 1])},
            "predictions.*the dimension 'perturbation'",
        ),
        (
            {"truth": lambda t: t.expand_dims(plev=[50000.0, 85000.0])},
            "truth.*the dimension 'plev'",
        ),
        (
            {"forecasts": lambda f: f.isel(prediction_timedelta=[0, 0, 1])},
            "predictions: the lead time 6.* more than once",
        ),
        (
            {"forecasts": lambda f: f.isel(time=[0, 1, 1])},
            "predictions: the time 2020-01-01 12:00:00 stands there more than once",
        ),
        (
            {"truth": lambda t: t.assign_coords(longitude=t.longitude + 22.5)},
            "grids differ: predictions has .*0 to 315.* truth has .*22.5 to 337.5",
        ),
        (
            {"forecasts": lambda f: f.isel(prediction_timedelta=0, drop=True)},
            "neither 'prediction_timedelta' .* nor 'scenario'",
        ),
        ({"forecasts": lambda f: f.drop_vars("latitude")}, "no one-dimensional coordinate 'lati"),
        ({"forecasts": lambda f: f.assign_attrs(model="")}, "no attribute 'model'"),
        (
            {"forecasts": lambda f: f.assign_attrs(channels='["geopotental_500"]')},
            "no channel 'geopotental_500': did you mean 'geopotential_500'",
        ),
        (
            {"forecasts": lambda f: f.assign_coords(prediction_timedelta=[1, 2, 3])},
            "'prediction_timedelta' has the values .* without units",
        ),
    ],
)
def test_what_does_not_fit_is_refused(forecasts, truth, change, message):
    forecasts = change.get("forecasts", lambda f: f)(forecasts)
    truth = change.get("truth", lambda t: t)(truth)
    with pytest.raises(UserError, match=message):
        evaluate(forecasts, truth)


def test_options_that_are_wrong(forecasts, truth, climatology, tmp_path):
    with pytest.raises(UserError, match="'acc' needs the option 'climatology'"):
        evaluate(forecasts, truth, metrics=["acc"])
    with pytest.raises(UserError, match="no metric 'rms'"):
        evaluate(forecasts, truth, metrics=["rms"])
    with pytest.raises(UserError, match="no initial time in the period 2021 to 2022"):
        evaluate(forecasts, truth, period=[2021, 2022])
    with pytest.raises(UserError, match=r"truth .*absent.zarr does not exist"):
        evaluate(forecasts, tmp_path / "absent.zarr")
    (tmp_path / "broken.nc").write_text("not netCDF")
    with pytest.raises(UserError, match=r"truth .*broken.nc cannot be read as a netCDF file"):
        evaluate(forecasts, tmp_path / "broken.nc")
    forecasts.assign_attrs(model="").to_netcdf(tmp_path / "nameless.nc")
    assert evaluate(tmp_path / "nameless.nc", truth).model.item() == "nameless"
    with pytest.raises(UserError, match="climatology has no hour 6, which forecasts need"):
        evaluate(forecasts, truth, climatology.isel(hour=[0]), ["acc"])
    for message, options in {
        "There is no preset 'wb3': did you mean 'wb": {"preset": "wb3"},
        "option 'weighting' cannot be 'cosine': did you mean 'cos'": {"weighting": "cosine"},
        "option 'missing' cannot be 'pool': did you mean 'pooled'": {"missing": "pool"},
        "option 'nan' cannot be 'ignore'": {"nan": "ignore"},
        "option 'time' cannot be 'init': did you mean 'initial'": {"time": "init"},
        "'confidence' must lie between 0 and 1, not be 1.5": {"confidence": 1.5},
        "option 'metrics' is empty": {"metrics": []},
        "'wind_vector_rmse' needs both components": {"metrics": ["wind_vector_rmse"]},
        "'crps' needs an ensemble": {"metrics": ["crps"]},
        "'acc' has no parameter 'from': did you mean 'form'": {"metrics": ["acc(from=centred)"]},
        "form=centered is none of": {"metrics": ["acc(form=centered)"]},
    }.items():
        with pytest.raises(UserError, match=message):
            evaluate(forecasts, truth, **options)


def test_units_that_differ_are_refused(forecasts, truth):
    celsius = forecasts.copy()
    celsius["2m_temperature"] = (celsius["2m_temperature"] - 273.15).assign_attrs(units="degC")
    with pytest.raises(UserError, match="'2m_temperature' in degC and truth in K: convert one"):
        evaluate(celsius, truth, bootstrap=0)


def test_a_damaged_store_is_refused_as_truth(tmp_path, truth, forecasts):
    path = tmp_path / "truth.zarr"
    attributes = {"climbench_format": 1, "recipe_hash": "abc", "recipe": "{}"}
    truth.assign_attrs(attributes).to_zarr(path, zarr_format=3, consolidated=False)
    evaluate(forecasts, path, bootstrap=0)
    next(file for file in (path / "2m_temperature" / "c").rglob("*") if file.is_file()).unlink()
    with pytest.raises(UserError, match="is damaged"):
        evaluate(forecasts, path, bootstrap=0)


def test_maps_too_large_for_memory_are_refused(forecasts, truth, monkeypatch):
    monkeypatch.setattr("climbench.evaluation.scoring.LARGEST_MAPS", 1000)
    with pytest.raises(UserError, match="give maps=false"):
        evaluate(forecasts, truth)
    assert "map_rmse" not in evaluate(forecasts, truth, maps=False)


def test_regions_are_one_pass(forecasts, truth):
    names = ["global", "tropics", "extra-tropics"]
    scores = evaluate(forecasts, truth, metrics=["mse"], regions=names)
    for name in names:
        alone = evaluate(forecasts, truth, metrics=["mse"], regions=[name])
        xr.testing.assert_allclose(scores.score.sel(region=[name]), alone.score, rtol=1e-13)


def test_persistence_of_north_atlantic_pressure(data_root, persistence):
    """The reference numbers that come with the real file: RMSE and ACC at 1, 2, 5 and 7 days."""
    file = data_root / "ncep_slp_natl" / "ncep_slp_natl_daily_2001-2008.nc"
    truth = xr.open_dataset(file).load().rename(lat="latitude", lon="longitude")
    training = truth.slp.sel(time=slice("2001", "2006"))

    def harmonics(day_of_year):
        angle = 2 * np.pi * (np.asarray(day_of_year)[:, None] - 1) / 365.25 * np.arange(1, 5)
        return np.hstack([np.ones((len(angle), 1)), np.cos(angle), np.sin(angle)])

    design = harmonics(training.time.dt.dayofyear)
    flat = training.to_numpy().reshape(len(design), -1).astype(float)
    coefficients = np.linalg.lstsq(design, flat, rcond=None)[0]
    days = np.arange(1, 367)
    fields = (harmonics(days) @ coefficients).reshape(366, *training.shape[1:])
    climatology = xr.Dataset(
        {"slp": (("dayofyear", "latitude", "longitude"), fields)},
        {"dayofyear": days, "latitude": truth.latitude, "longitude": truth.longitude},
    )
    forecasts = persistence(truth, truth.sel(time=slice("2007", "2008")).time, [24, 48, 120, 168])
    scores = evaluate(forecasts, truth, climatology, ["rmse", "acc"], weighting="cos")
    own = scores.isel(model=0, channel=0, region=0)
    np.testing.assert_allclose(
        own.score.sel(metric="rmse"), [642.2, 908.6, 1154.9, 1212.9], atol=0.06
    )
    np.testing.assert_allclose(
        own.score.sel(metric="acc"), [0.740, 0.481, 0.180, 0.110], atol=0.0006
    )
    assert own["count"].to_numpy().tolist() == [730, 729, 726, 724]
    climate = climatology.slp.sel(dayofyear=forecasts.time.dt.dayofyear).drop_vars("dayofyear")
    zero = forecasts.isel(prediction_timedelta=[0]).assign_coords(
        prediction_timedelta=[np.timedelta64(0, "h")]
    )
    zero["slp"] = zero.slp * 0 + climate
    rmse = evaluate(zero, truth, metrics=["rmse"], weighting="cos").score.item()
    assert rmse == pytest.approx(910.0, abs=0.06)


def test_climatology_goes_by_the_day_and_hour_of_the_valid_time(weather, persistence):
    """Across the end of a year and a leap day."""
    truth = weather(pd.date_range("2019-12-20", "2020-03-05", freq="12h"))
    forecasts = persistence(truth, truth.time[::4], [12, 240])
    climate = xr.Dataset(coords=truth.drop_vars("time").coords)
    climate = climate.assign_coords(dayofyear=np.arange(1, 367), hour=[0, 12])
    dims = ("dayofyear", "hour", "latitude", "longitude")
    days = np.arange(1, 367)[:, None, None, None] * np.ones((366, 2, 6, 8))
    climate["2m_temperature"] = (dims, days)
    only = ["2m_temperature"]
    scores = evaluate(forecasts[only], truth[only], climate, ["acc"])
    expected = plain_xarray(forecasts[only], truth[only], climate, "acc")["2m_temperature"]
    np.testing.assert_allclose(scores.score.squeeze(), expected, rtol=1e-6)


def test_memory_does_not_grow_with_the_number_of_starts(tmp_path, monkeypatch):
    """Four times the forecasts on disk, the same peak."""
    monkeypatch.setattr("climbench.evaluation.streaming.BLOCK_BYTES", 500_000)
    monkeypatch.setattr("climbench.evaluation.streaming.WINDOW_BYTES", 500_000)
    peaks = []
    for starts in (80, 320):
        times = pd.date_range("2020-01-01", periods=starts + 4, freq="6h")
        coords = {"latitude": np.linspace(-87, 87, 32), "longitude": np.arange(64) * 5.625}
        values = np.zeros((starts + 4, 32, 64), np.float32)
        dims = ("time", "latitude", "longitude")
        truth = xr.Dataset({"t": (dims, values)}, {"time": times, **coords})
        lead = pd.to_timedelta([6, 12, 18, 24], unit="h")
        forecasts = truth.isel(time=slice(0, starts)).expand_dims(prediction_timedelta=lead)
        forecasts = forecasts.transpose("time", ...).assign_attrs(model="zero")
        forecasts.to_netcdf(tmp_path / f"forecasts{starts}.nc")
        truth.to_netcdf(tmp_path / f"truth{starts}.nc")
        del values, truth, forecasts
        tracemalloc.start()
        evaluate(tmp_path / f"forecasts{starts}.nc", tmp_path / f"truth{starts}.nc", bootstrap=0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]
    assert peaks[1] < 320 * 4 * 32 * 64 * 4 / 2  # half of the forecasts


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"regions": None}, "'regions' must be a list of names, not None"),
        ({"regions": [1]}, "'regions' must be a list of names"),
        ({"bootstrap": 10**12}, "'bootstrap' must be at most 100000"),
        ({"bootstrap": -1}, "'bootstrap' must be 0 or a whole number, not -1"),
        ({"maps": 3}, "'maps' cannot be '3': valid names: false, true"),
        ({"metrics": "RMSE"}, "did you mean 'rmse'"),
        ({"scheduler": "foo"}, "'scheduler' cannot be 'foo': write its address"),
    ],
)
def test_options_out_of_range_are_refused(forecasts, truth, options, sentence):
    with pytest.raises(UserError, match=sentence):
        evaluate(forecasts, truth, **options)


def test_the_kind_of_time_is_for_forecasts(runs):
    with pytest.raises(UserError, match="the option 'time' is for forecasts"):
        evaluate(*runs, time="valid")


def test_samples_without_any_truth_are_counted(forecasts, truth):
    scores = evaluate(forecasts, truth.isel(time=slice(12)), bootstrap=0)
    record = json.loads(scores.attrs["samples_without_truth"])["persistence"]
    times = forecasts.time.values
    lost = times[times + np.timedelta64(6, "h") > truth.time.values[11]]  # the shortest lead
    assert record == {"number": lost.size, "first": str(lost[0]), "last": str(lost[-1])}
    whole = evaluate(forecasts, truth, bootstrap=0)
    assert json.loads(whole.attrs["samples_without_truth"]) == {"persistence": {"number": 0}}
