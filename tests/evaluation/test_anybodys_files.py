"""Axes, units, calendars and members as other people's files have them: right, or refused."""

import json

import cftime
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from climbench.cli import main
from climbench.errors import UserError
from climbench.evaluation import combine, evaluate

HOURS = np.array([6, 24, 72])


def rmse(*inputs, metric="rmse", **options):
    return evaluate(*inputs, metrics=[metric], bootstrap=0, maps=False, **options).score


@pytest.mark.parametrize(
    ("unit", "in_an_hour"),
    [
        *((unit, 1) for unit in ("h", "hr", "hrs", "hour", "hours", "H", " Hours")),
        *((unit, 1 / 24) for unit in ("d", "day", "days")),
        *((unit, 3600) for unit in ("s", "sec", "seconds")),
        *((unit, 60) for unit in ("min", "minute", "minutes")),
        ("nanoseconds", 3600 * 10**9),
    ],
)
@pytest.mark.parametrize("kind", [np.int32, np.int64, np.float32])
def test_lead_times_in_any_unit(forecasts, truth, tmp_path, unit, in_an_hour, kind):
    values = HOURS * in_an_hour
    kind = np.float64 if not np.array_equal(values.astype(kind), values) else kind
    lead = xr.Variable("lead_time", values.astype(kind), {"units": unit})
    renamed = forecasts.rename(prediction_timedelta="lead_time").assign_coords(lead_time=lead)
    expected = rmse(forecasts, truth)
    np.testing.assert_array_equal(rmse(renamed, truth), expected)
    renamed.to_netcdf(tmp_path / "f.nc")
    for decoded in (True, False):
        with xr.open_dataset(tmp_path / "f.nc", decode_timedelta=decoded) as opened:
            np.testing.assert_array_equal(rmse(opened.load(), truth), expected)
    found = rmse(tmp_path / "f.nc", truth, model="persistence")
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(found.lead_time, HOURS, rtol=1e-12)


@pytest.mark.parametrize(
    ("values", "attrs", "message"),
    [
        ([6.0, 12.0, 18.0], {}, "'step' has the values 6.0, 12.0, 18.0 without units: give it"),
        ([1, 2, 3], {"units": "months"}, "1, 2, 3 in 'months', which is no fixed time"),
        ([1, 2, 3], {"units": "1"}, "1, 2, 3 in '1', which is no fixed time"),
        ([6.0, np.nan, 18.0], {"units": "h"}, "'step' has missing values"),
        (["6h", "12h", "18h"], {"units": "h"}, "6h, 12h, 18h in 'h'"),
    ],
)
def test_lead_times_without_a_meaning_are_refused(forecasts, truth, values, attrs, message):
    lead = xr.Variable("step", values, attrs)
    renamed = forecasts.rename(prediction_timedelta="step").assign_coords(step=lead)
    with pytest.raises(UserError, match=message):
        rmse(renamed, truth)


def test_a_variable_in_days_is_no_time_difference(forecasts, truth, tmp_path):
    for dataset, name in ((forecasts, "f.nc"), (truth, "t.nc")):
        dataset["wet_days"] = dataset["2m_temperature"].assign_attrs(units="days")
        dataset.to_netcdf(tmp_path / name)
    found = rmse(tmp_path / "f.nc", tmp_path / "t.nc", model="m").squeeze()
    expected = found.sel(channel="2m_temperature")
    np.testing.assert_array_equal(found.sel(channel="wet_days"), expected)


@pytest.mark.parametrize(
    ("own", "other"),
    [
        *(("K", spelling) for spelling in ("Kelvin", "kelvin", "degK", "deg_K", "degrees_K")),
        *(("m2 s-2", spelling) for spelling in ("m**2 s**-2", "m^2 s^-2", "m2/s2", "m^2/s^2")),
        *(("hPa", spelling) for spelling in ("mb", "mbar", "millibar", "millibars")),
        ("m s-1", "m/s"),
        ("(0 - 1)", "1"),
        ("degC", "celsius"),
        ("mm/day", "mm d-1"),
    ],
)
def test_one_unit_in_two_spellings(forecasts, truth, own, other):
    truth["2m_temperature"].attrs["units"] = own
    expected = rmse(forecasts[["2m_temperature"]].assign_attrs(model="m").pipe(spelled, own), truth)
    found = rmse(forecasts[["2m_temperature"]].assign_attrs(model="m").pipe(spelled, other), truth)
    np.testing.assert_array_equal(found, expected)


def spelled(dataset, unit):
    return dataset.assign({name: a.assign_attrs(units=unit) for name, a in dataset.items()})


@pytest.mark.parametrize(("own", "other"), [("K", "degC"), ("Pa", "hPa"), ("m", "mm"), ("1", "%")])
def test_two_units_are_refused(forecasts, truth, own, other):
    truth["2m_temperature"].attrs["units"] = own
    with pytest.raises(UserError, match=f"in {other} and truth in {own}: convert one of them"):
        rmse(forecasts[["2m_temperature"]].pipe(spelled, other), truth)


@pytest.mark.parametrize(
    ("name", "unit", "factor"),
    [
        ("plev", "Pa", 100),
        ("isobaricInPa", "Pa", 100),
        ("level", "mb", 1),
        ("level", "millibars", 1),
        ("pressure_level", "hPa", 1),
        ("level", "kPa", 0.1),
    ],
)
def test_levels_of_pressure_in_any_unit(forecasts, truth, climatology, name, unit, factor):
    expected = rmse(forecasts, truth, climatology, metric="acc")
    changed = [
        dataset.assign_coords(level=("level", dataset.level.values * factor, {"units": unit}))
        for dataset in (forecasts, truth, climatology)
    ]
    changed = [dataset.rename({} if name == "level" else {"level": name}) for dataset in changed]
    same = [forecasts, truth, climatology]
    for which in ((0,), (1,), (2,), (0, 1, 2)):
        given = [changed[n] if n in which else same[n] for n in range(3)]
        found = rmse(*given, metric="acc")
        assert found.channel.values.tolist() == expected.channel.values.tolist()
        np.testing.assert_array_equal(found, expected)


def test_levels_that_are_no_hectopascal_are_refused(forecasts, truth):
    pascal = forecasts.assign_coords(level=forecasts.level * 100)
    with pytest.raises(UserError, match="'level' has the value 85000 without units, too much"):
        rmse(pascal, truth)
    metres = forecasts.assign_coords(level=forecasts.level.assign_attrs(units="m"))
    known = truth.assign_coords(level=truth.level.assign_attrs(units="hPa"))
    with pytest.raises(UserError, match="levels in m and truth in hPa"):
        rmse(metres, known)
    model_levels = [
        dataset.assign_coords(level=dataset.level.assign_attrs(units="1"))
        for dataset in (forecasts, truth)
    ]
    np.testing.assert_array_equal(rmse(*model_levels), rmse(forecasts, truth))


def test_a_level_that_is_part_of_a_name_needs_no_axis(forecasts, truth):
    named = truth.sel(level=850).rename(geopotential="geopotential_850").drop_vars("level")
    found = rmse(forecasts[["geopotential"]], named)
    expected = rmse(forecasts[["geopotential"]], truth).sel(channel=["geopotential_850"])
    np.testing.assert_array_equal(found, expected)


def test_an_assumed_unit_is_said_and_kept(forecasts, truth, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    bare = forecasts.copy()
    for name in bare.data_vars:
        bare[name] = bare[name].drop_attrs()
    bare.to_netcdf("bare.nc")
    truth.to_netcdf("t.nc")
    assert main(["evaluate", "predictions=bare.nc", "truth=t.nc", "metrics=[rmse]"]) == 0
    note = "predictions bare.nc has no unit of '2m_temperature', 'geopotential': taken for that of"
    printed = capsys.readouterr().out
    assert f"note: {note} truth t.nc (K, m2 s-2)" in " ".join(printed.split())
    assert printed.count("note:") == 1
    with xr.open_dataset("scores/scores.nc") as scores:
        (kept,) = json.loads(scores.attrs["notes"])["bare"]
        assert kept.startswith(note)
        whole = evaluate(forecasts, "t.nc", model="whole", bootstrap=0, metrics=["rmse"])
        both = combine([scores.load(), whole])
    assert json.loads(both.attrs["notes"]) == {"bare": [kept], "whole": []}


def test_the_truth_may_be_without_a_unit_too(forecasts, truth):
    del truth["2m_temperature"].attrs["units"]
    scores = evaluate(forecasts, truth, bootstrap=0)
    assert scores.units.sel(channel="2m_temperature") == "K"
    (note,) = json.loads(scores.attrs["notes"])["persistence"]
    assert note == "truth has no unit of '2m_temperature': taken for that of predictions (K)"


def test_a_single_scenario_as_a_scalar(runs):
    prediction, truth = runs
    later = slice("2015", "2030")
    expected = rmse(prediction.sel(scenario=["ssp126"], time=later), truth)
    single, alone = (x.sel(scenario="ssp126", time=later) for x in runs)
    for given in ((single, truth), (single, alone), (single.isel(time=slice(None)), alone)):
        np.testing.assert_array_equal(rmse(*given), expected)
    year = rmse(single.isel(time=3), alone)
    np.testing.assert_array_equal(year, rmse(single.isel(time=[3]), truth))


def test_a_single_member_level_start_and_lead_as_scalars(forecasts, truth):
    one = {"time": 4, "prediction_timedelta": 1, "level": 0}
    fields = ["geopotential"]
    expected = rmse(forecasts[fields].isel({k: [v] for k, v in one.items()}), truth)
    single = forecasts[fields].isel(one).assign_coords(number=3)
    np.testing.assert_array_equal(rmse(single, truth).squeeze(), expected.squeeze())
    with pytest.raises(UserError, match="'crps' needs an ensemble"):
        rmse(single, truth, metric="crps")
    np.testing.assert_allclose(
        rmse(single.expand_dims("number"), truth, metric="crps").squeeze(),
        rmse(single, truth, metric="mae").squeeze(),
        rtol=1e-12,
    )


def test_analyses_of_cds_have_their_valid_time(forecasts, truth):
    cds = truth.rename(time="valid_time", level="pressure_level").assign_coords(number=0)
    cds = cds.assign_coords(expver=("valid_time", ["0001"] * truth.sizes["time"]))
    np.testing.assert_array_equal(rmse(forecasts, cds), rmse(forecasts, truth))


def with_time(dataset, **attrs):
    return dataset.assign_coords(time=dataset.time.assign_attrs(attrs))


def valid_times(forecasts):
    """The lead of 24 hours, by valid time."""
    lead = forecasts.sel(prediction_timedelta=["24h"])
    return lead.assign_coords(time=lead.time + np.timedelta64(24, "h"))


@pytest.mark.parametrize(
    "change",
    [
        lambda f: with_time(f, standard_name="forecast_reference_time"),
        lambda f: with_time(f, long_name="initial time of forecast"),
        lambda f: f.rename(time="init_time"),
        lambda f: f.rename(time="forecast_reference_time"),
        lambda f: f.assign_coords(valid_time=f.time + f.prediction_timedelta),
        lambda f: f.assign(valid_time=f.time + f.prediction_timedelta),
        lambda f: f.rename(time="init_time").assign_coords(
            time=f.time.rename(time="init_time") + f.prediction_timedelta
        ),
    ],
)
def test_initial_times_are_not_taken_for_valid_ones(forecasts, truth, change):
    changed = change(forecasts)
    np.testing.assert_array_equal(rmse(changed, truth), rmse(forecasts, truth))
    with pytest.raises(UserError, match=r"'time' is taken for the valid time .*give time=initial"):
        rmse(changed, truth, time="valid")


@pytest.mark.parametrize(
    "change",
    [
        lambda f: with_time(f, long_name="valid time"),
        lambda f: with_time(f, long_name="Verification time"),
        lambda f: f.assign_coords(init_time=f.time - f.prediction_timedelta),
        lambda f: f.assign_coords(valid_time=f.time),
    ],
)
def test_valid_times_are_not_taken_for_initial_ones(forecasts, truth, change):
    changed = change(valid_times(forecasts))
    expected = rmse(forecasts, truth).sel(lead_time=[24])
    np.testing.assert_array_equal(rmse(changed, truth, time="valid"), expected)
    with pytest.raises(UserError, match=r"'time' is taken for the initial time .*give time=valid"):
        rmse(changed, truth)


def test_the_option_time_does_not_overrule_the_name_of_a_dimension(forecasts, truth):
    valid = valid_times(forecasts).rename(time="valid_time")
    with pytest.raises(UserError, match="has the dimension 'valid_time': leave the option 'time'"):
        rmse(valid, truth, time="initial")


def test_forecasts_are_no_truth(forecasts, truth):
    later = np.timedelta64(6, "h")
    with pytest.raises(UserError, match=r"truth holds forecasts .*up to 72 h"):
        rmse(forecasts, forecasts)
    with pytest.raises(UserError, match=r"truth holds forecasts .*up to 6 h"):
        rmse(forecasts, truth.assign_coords(step=later))
    with pytest.raises(UserError, match="truth: 'time' differs from 'valid_time'"):
        rmse(forecasts, truth.assign_coords(valid_time=truth.time + later))


def in_calendar(dataset, calendar, year):
    """The same fields, six-hourly from 25 February of a year in a calendar."""
    start = cftime.datetime(year, 2, 25, calendar=calendar)
    steps = (dataset.time - dataset.time[0]).values.astype("timedelta64[us]").astype(object)
    return dataset.assign_coords(time=xr.CFTimeIndex([start + step for step in steps]))


def in_february(dataset, year):
    shift = np.datetime64(f"{year}-02-25", "ns") - np.datetime64("2020-01-01", "ns")
    return dataset.assign_coords(time=dataset.time + shift)


@pytest.fixture
def starts(truth, persistence):
    return persistence(truth, truth.time[:40:2], [6, 24, 72], error=0.3)


def test_a_calendar_without_leap_days_has_the_climate_of_common_years(starts, truth, climatology):
    """1 March is day 60 of each of its years, as it is of 2019, whatever is in the climatology."""
    expected = rmse(in_february(starts, 2019), in_february(truth, 2019), climatology, metric="acc")
    noleap = [in_calendar(dataset, "noleap", 2020) for dataset in (starts, truth)]
    np.testing.assert_array_equal(rmse(*noleap, climatology, metric="acc"), expected)
    years_of_365 = climatology.isel(dayofyear=slice(0, 365))
    np.testing.assert_array_equal(rmse(*noleap, years_of_365, metric="acc"), expected)


def test_leap_years_meet_a_climatology_of_365_days_by_month_and_day(starts, truth, climatology):
    years_of_365 = climatology.isel(dayofyear=slice(0, 365))
    given = in_february(starts, 2020), in_february(truth, 2020)
    # 28 and 29 February take day 59, 1 March day 60: days 60.. of 366 are days 59.. of 365.
    days = np.array([*range(1, 60), *range(59, 366)])
    spread_out = years_of_365.sel(dayofyear=days).assign_coords(dayofyear=np.arange(1, 367))
    expected = rmse(*given, spread_out, metric="acc")
    np.testing.assert_array_equal(rmse(*given, years_of_365, metric="acc"), expected)
    assert not np.array_equal(rmse(*given, climatology, metric="acc"), expected)


def test_years_of_360_days_have_a_climate_of_their_own(starts, truth, climatology):
    own = [in_calendar(dataset, "360_day", 2020) for dataset in (starts, truth)]
    with pytest.raises(UserError, match=r"366 days of the year .*the calendar '360_day'"):
        rmse(*own, climatology, metric="acc")
    years_of_360 = climatology.isel(dayofyear=slice(0, 360))
    assert np.all(np.isfinite(rmse(*own, years_of_360, metric="acc")))
    with pytest.raises(UserError, match=r"360 days of the year .*'proleptic_gregorian'"):
        rmse(starts, truth, years_of_360, metric="acc")


def test_two_calendars_do_not_meet(starts, truth):
    noleap, other = in_calendar(starts, "noleap", 2020), in_calendar(truth, "360_day", 2020)
    with pytest.raises(UserError, match="'noleap of cftime' and truth '360_day of cftime'"):
        rmse(noleap, other)
    with pytest.raises(UserError, match="'noleap of cftime' and truth 'standard'"):
        rmse(noleap, truth)
    with pytest.raises(UserError, match="predictions: 'time' has no dates"):
        rmse(starts.assign_coords(time=np.arange(20)), truth)


def drawn(shape, seed, mean=0.0):
    """Members of one distribution as a scenario has them."""
    years, random = np.arange(2080, 2101), np.random.default_rng(seed)
    latitude, longitude = np.linspace(-75, 75, 6), np.arange(0.0, 360.0, 45.0)
    warming = 0.05 * (years - 2080)[:, None, None]
    values = mean + warming + random.normal(size=(1, shape, years.size, 6, 8))
    dims = ("scenario", "member", "time", "latitude", "longitude")
    coords = {"scenario": ["ssp245"], "member": np.arange(shape), "time": years}
    coords |= {"latitude": latitude, "longitude": longitude}
    return xr.Dataset({"tas": (dims, values, {"units": "K"})}, coords, {"model": "mesmer"})


CURVES = ["rank_histogram", "spectral_ratio(of=members)"]
LIKE_CRPS = ["crps", "crps(form=ensemble)", "brier(threshold=0.5)", "log_score", "skill"]


def test_ensembles_are_scored_against_each_member_of_the_truth():
    """What an ensemble draws from are members, not their mean: the mean over single truths."""
    ensemble, truth = drawn(20, 1), drawn(3, 2)
    scores = evaluate(ensemble, truth, metrics=[*LIKE_CRPS, "rmse", *CURVES])
    single = [
        evaluate(ensemble, truth.isel(member=n, drop=True), metrics=[*LIKE_CRPS, *CURVES])
        for n in range(3)
    ]
    for metric in LIKE_CRPS:
        own = np.array([one.score.sel(metric=metric).squeeze() for one in single])
        mean = np.sqrt(np.mean(own**2)) if metric == "skill" else own.mean()
        assert scores.score.sel(metric=metric).item() == pytest.approx(mean, rel=1e-12)
    ranks = np.mean([one["rank_histogram"] for one in single], axis=0)
    np.testing.assert_allclose(scores["rank_histogram"], ranks, rtol=1e-12)
    power = [1 / one["spectral_ratio(of=members)"] for one in single]  # of truth by that of members
    np.testing.assert_allclose(
        scores["spectral_ratio(of=members)"], 1 / np.mean(power, axis=0), rtol=1e-12
    )
    forced = evaluate(ensemble.mean("member"), truth.mean("member"), metrics=["rmse"], model="m")
    assert scores.score.sel(metric="rmse").item() == pytest.approx(forced.score.item(), rel=1e-12)
    assert np.isfinite(scores.noise_floor.sel(metric="rmse"))


def test_a_reliable_emulator_of_variability_has_the_spread_of_the_members():
    ensemble, truth = drawn(50, 1), drawn(8, 2)
    scores = evaluate(ensemble, truth, metrics=["spread_skill", "crps"])
    values = scores.score.squeeze()
    assert abs(float(values.sel(metric="spread_skill"))) < 0.03
    assert float(values.sel(metric="crps")) == pytest.approx(1 / np.sqrt(np.pi), rel=0.03)
    too_sure = ensemble.mean("member") + 0.5 * (ensemble - ensemble.mean("member"))
    worse = evaluate(too_sure.assign_attrs(model="m"), truth, metrics=["spread_skill", "crps"])
    worse = worse.score.squeeze()
    assert float(worse.sel(metric="spread_skill")) == pytest.approx(-0.5, abs=0.03)
    assert float(worse.sel(metric="crps")) > 1.05 * float(values.sel(metric="crps"))


def test_a_cell_that_one_member_of_the_truth_lacks_counts_for_no_score():
    ensemble, truth = drawn(5, 1), drawn(3, 2)
    truth["tas"][0, 1, 4, 2, 3] = np.nan
    scores = evaluate(ensemble, truth, metrics=["crps", "mae"])
    whole = truth.where(truth.tas.notnull().all("member"))
    single = [
        evaluate(ensemble, whole.isel(member=n, drop=True), metrics=["crps"]).score.item()
        for n in range(3)
    ]
    assert scores.score.sel(metric="crps").item() == pytest.approx(np.mean(single), rel=1e-12)


def test_which_truth_counted_is_said_and_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    drawn(5, 1).to_netcdf("e.nc")
    drawn(3, 2).to_netcdf("t.nc")
    options = ["metrics=[rmse,crps]", "evaluation=emulation"]
    assert main(["evaluate", "predictions=e.nc", "truth=t.nc", *options]) == 0
    note = (
        "rmse against the mean of the 3 members of the truth; crps against each of the 3 members "
        "of the truth, averaged"
    )
    assert f"note: {note}" in " ".join(capsys.readouterr().out.split())
    with xr.open_dataset("scores/scores.nc") as scores:
        mean = "deterministic scores are of the mean of 5 members, which holds part of their noise"
        assert json.loads(scores.attrs["notes"]) == {"e": [note, mean]}
        record = json.loads(scores.attrs["conventions"])
    assert record["truth"] == "mean of 3 members; scores of ensembles: each of them, averaged"
    assert main(["evaluate", "check=scores/scores.nc"]) == 0


def test_scores_of_ensembles_have_bins_and_bounds_against_members(forecasts, truth):
    """What is kept of each sample is what the score is made of."""
    random = np.random.default_rng(7)
    ensemble = xr.concat([forecasts + random.normal(0, 2) for _ in range(4)], dim="number")
    ensemble = ensemble.assign_attrs(model="m")
    truths = xr.concat([truth, truth + 1.5], dim="number").assign_attrs(truth.attrs)
    names = ["crps", "spread_skill", "mse"]
    scores = evaluate(ensemble, truths, metrics=names, bins="year", bootstrap=100)
    np.testing.assert_allclose(
        scores.score_by_year.squeeze("year"), scores.score, rtol=1e-12, atol=1e-12
    )
    assert np.all(scores.lower <= scores.upper)
    assert pd.Series(scores.statistic.values).is_unique
