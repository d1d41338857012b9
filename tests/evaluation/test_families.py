"""What the family of deterministic scores stands for, depending on the data."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.evaluation import evaluate
from climbench.metrics.seeps import penalties

RAIN = "total_precipitation_24hr"
SPACE = ("latitude", "longitude")
ALWAYS = {"bias", "error_std", "mae", "mse", "pearson", "r2", "rmse", "variance_ratio"}
OF_ANOMALIES = {"acc", "activity", "activity_ratio", "mse_skill"}


def case(units="m"):
    """Forecasts, truth and climatology of temperature and rain, dry half of the time."""
    random = np.random.default_rng(0)
    times = pd.date_range("2020-01-01", periods=8, freq="D")
    space = {"latitude": np.linspace(-75, 75, 6), "longitude": np.arange(0.0, 360.0, 60.0)}
    shape = (8, 6, 6)
    truth = xr.Dataset(
        {
            "2m_temperature": (("time", *SPACE), random.normal(280, 5, shape), {"units": "K"}),
            RAIN: (("time", *SPACE), random.gamma(0.4, 0.006, shape), {"units": units}),
        },
        {"time": times, **space},
    )
    shifted = truth.roll(time=1).isel(time=slice(4)).drop_vars("time")
    lead = pd.to_timedelta([24], unit="h")
    forecasts = shifted.assign_coords(time=times[:4]).expand_dims(prediction_timedelta=lead)
    constant = {
        "2m_temperature": (280.0, "K"),
        RAIN: (0.002, units),
        f"{RAIN}_seeps_threshold": (0.005, units),
        f"{RAIN}_seeps_dry_fraction": (0.5, "1"),
    }
    days = {"dayofyear": np.arange(1, 367), **space}
    climatology = xr.Dataset(
        {
            name: (tuple(days), np.full((366, 6, 6), value), {"units": unit})
            for name, (value, unit) in constant.items()
        },
        days,
    )
    return forecasts.assign_attrs(model="m"), truth, climatology


def names(metrics, *inputs, **options):
    found = evaluate(*inputs, metrics=metrics, bootstrap=0, **options)
    return {label.partition("(")[0] for label in found.metric.to_numpy().tolist()}


def test_temperature_alone_has_neither_a_vector_nor_seeps():
    forecasts, truth, climatology = (data[["2m_temperature"]] for data in case())
    assert names("deterministic", forecasts, truth) == ALWAYS
    assert names("deterministic", forecasts, truth, climatology) == ALWAYS | OF_ANOMALIES


def test_rain_has_seeps_where_its_climatology_has_what_it_needs():
    forecasts, truth, climatology = case()
    everything = ALWAYS | OF_ANOMALIES | {"seeps"}
    assert names("deterministic", forecasts, truth, climatology) == everything
    without = climatology.drop_vars(f"{RAIN}_seeps_threshold")
    assert names("deterministic", forecasts, truth, without) == ALWAYS | OF_ANOMALIES
    with pytest.raises(UserError, match="no '2m_temperature_seeps_threshold', which 'seeps"):
        evaluate(forecasts, truth, without, metrics=["seeps"])


def test_seeps_of_the_family_is_that_of_the_definition():
    forecasts, truth, climatology = case()
    found = evaluate(forecasts, truth, climatology, "deterministic", weighting="none", bootstrap=0)
    wanted = truth[RAIN].sel(time=forecasts.time + pd.Timedelta("24h"))
    said, happened = (
        np.digitize(field, [0.00025, 0.005]) for field in (forecasts[RAIN][0], wanted)
    )
    expected = penalties(np.array(0.5))[said, happened].mean()
    own = found.score.sel(metric="seeps(bounds=excluded)").squeeze()
    assert own.sel(channel=RAIN) == pytest.approx(expected, rel=1e-12)
    assert np.isnan(own.sel(channel="2m_temperature"))


def test_rain_in_millimetres_has_no_seeps():
    """Its categories are amounts in metres."""
    inputs = case("mm")
    assert "seeps" not in names("deterministic", *inputs)
    with pytest.raises(UserError, match=f"in metres, but '{RAIN}' is in 'mm': convert it"):
        evaluate(*inputs, metrics=["seeps"])


def test_a_climatology_that_no_score_needs_is_not_part_of_the_conventions():
    conventions = json.loads(evaluate(*case(), metrics=["rmse"]).attrs["conventions"])
    assert conventions["climatology"] == ""
