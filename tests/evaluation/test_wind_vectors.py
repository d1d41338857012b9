"""Scores of the wind vector, whose components are two channels."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.evaluation import evaluate
from climbench.grids import latitude_weights


def winds(times, levels, seed):
    """Eastward and northward wind, on levels and at 10 m, on a small grid."""
    random = np.random.default_rng(seed)
    latitude, longitude = np.linspace(-90, 90, 5), np.arange(0.0, 360.0, 60.0)
    space = ("latitude", "longitude")
    upper = (len(times), len(levels), 5, 6)
    data = {
        f"{name}_component_of_wind": (("time", "level", *space), random.normal(0, 9, upper))
        for name in "uv"
    }
    data |= {
        f"10m_{name}_component_of_wind": (("time", *space), random.normal(0, 9, (len(times), 5, 6)))
        for name in "uv"
    }
    coords = {"time": times, "level": levels, "latitude": latitude, "longitude": longitude}
    dataset = xr.Dataset(data, coords)
    for name in dataset.data_vars:
        dataset[name].attrs["units"] = "m s-1"
    return dataset


def test_wind_vectors_add_the_errors_of_their_components(persistence):
    truth = winds(pd.date_range("2020-01-01", periods=12, freq="6h"), [500.0, 850.0], seed=0)
    forecasts = persistence(truth, truth.time[:8], [6, 12], error=0.5)
    scores = evaluate(
        forecasts, truth, metrics=["wind_vector_rmse", "rmse"], regions=["global", "tropics"]
    )
    own = scores.score.sel(model="persistence", metric="wind_vector_rmse")
    vectors = ["10m_wind_vector", "wind_vector_500", "wind_vector_850"]
    assert own.dropna("channel", how="all").channel.to_numpy().tolist() == vectors
    weights = truth.latitude.copy(data=latitude_weights(truth.latitude))
    valid = forecasts.time + forecasts.prediction_timedelta
    errors = forecasts - truth.sel(time=valid).drop_vars("time").assign_coords(time=forecasts.time)
    squares = {
        name: errors[f"{name}u_component_of_wind"] ** 2 + errors[f"{name}v_component_of_wind"] ** 2
        for name in ("", "10m_")
    }
    for name, rows in {"global": slice(None), "tropics": slice(-20, 20)}.items():
        part = {
            key: np.sqrt(
                square.sel(latitude=rows).weighted(weights).mean(["latitude", "longitude", "time"])
            )
            for key, square in squares.items()
        }
        found = own.sel(region=name)
        np.testing.assert_allclose(found.sel(channel="10m_wind_vector"), part["10m_"], rtol=1e-6)
        for level in (500, 850):
            np.testing.assert_allclose(
                found.sel(channel=f"wind_vector_{level}"), part[""].sel(level=level), rtol=1e-6
            )
    assert scores.units.sel(channel="wind_vector_500").item() == "m s-1"
    bounds = scores.sel(metric="wind_vector_rmse", channel=vectors)
    assert bool(((bounds.lower <= bounds.score) & (bounds.score <= bounds.upper)).all())
    np.testing.assert_allclose(
        scores.map_rmse.sel(channel="10m_wind_vector").squeeze(),
        np.sqrt(squares["10m_"].mean("time")).transpose("prediction_timedelta", ...),
        rtol=1e-5,
    )


@pytest.mark.parametrize("row", [1, 2], ids=["other weight", "same weight"])
def test_components_that_miss_different_cells_make_no_vector(persistence, row):
    """Cells of one row weigh the same: their weights alone do not tell them apart."""
    truth = winds(pd.date_range("2020-01-01", periods=4, freq="6h"), [500.0], seed=0)
    forecasts = persistence(truth, truth.time[:2], [6])
    truth["u_component_of_wind"][:, :, 2, 3] = np.nan
    truth["v_component_of_wind"][:, :, row, 0] = np.nan
    with pytest.raises(UserError, match="components of 'wind_vector_500' miss different values"):
        evaluate(forecasts, truth, metrics=["wind_vector_rmse"])


def test_deterministic_scores_of_winds_have_that_of_the_vector(persistence):
    truth = winds(pd.date_range("2020-01-01", periods=4, freq="6h"), [500.0, 850.0], seed=0)
    forecasts = persistence(truth, truth.time[:2], [6])
    found, named = (
        evaluate(forecasts, truth, metrics=names, maps=False).score.sel(metric="wind_vector_rmse")
        for names in ("deterministic", ["wind_vector_rmse"])
    )
    xr.testing.assert_identical(found, named)
    assert found.notnull().sum() == 3
    alone = forecasts[["u_component_of_wind"]]
    calm = evaluate(alone, truth, metrics="deterministic", model="half")
    assert "rmse" in calm.metric and "wind_vector_rmse" not in calm.metric


def test_vectors_that_miss_different_cells_are_left_out_of_the_deterministic_scores(persistence):
    truth = winds(pd.date_range("2020-01-01", periods=4, freq="6h"), [500.0], seed=0)
    forecasts = persistence(truth, truth.time[:2], [6])
    truth["u_component_of_wind"][:, :, 2, 3] = np.nan
    truth["v_component_of_wind"][:, :, 2, 0] = np.nan
    found = evaluate(forecasts, truth, metrics="deterministic", nan="skip")
    assert "10m_wind_vector" in found.channel and "wind_vector_500" not in found.channel


def test_sums_per_cell_that_nobody_asked_for_are_not_made_where_they_are_large(
    persistence, monkeypatch
):
    truth = winds(pd.date_range("2020-01-01", periods=4, freq="6h"), [500.0], seed=0)
    forecasts = persistence(truth, truth.time[:2], [6])
    monkeypatch.setattr("climbench.evaluation.scoring.LARGEST_MAPS", 1000)
    found = evaluate(forecasts, truth, metrics="deterministic", maps=False)
    assert "rmse" in found.metric and "wind_vector_rmse" not in found.metric
    with pytest.raises(UserError, match="Error maps of 4 fields"):
        evaluate(forecasts, truth, metrics=["wind_vector_rmse"], maps=False)


def test_members_of_the_truth_tell_nothing_of_vectors():
    """Their channel has a score, but no bounds and no noise floor."""
    random = np.random.default_rng(0)
    coords = {
        "scenario": ["ssp245"],
        "time": np.arange(2080, 2086),
        "latitude": np.linspace(-75, 75, 4),
        "longitude": np.arange(0.0, 360.0, 90.0),
    }
    shape = tuple(len(values) for values in coords.values())
    names = ("uas", "vas")
    members = {n: (("member", *coords), random.normal(0, 3, (3, *shape))) for n in names}
    truth = xr.Dataset(members, coords)
    emulation = truth.mean("member") + 3.0
    found = evaluate(emulation, truth, metrics="deterministic", model="m", bootstrap=100)
    vector = found.sel(metric="wind_vector_rmse", channel="10m_wind_vector").squeeze()
    assert vector.score == pytest.approx(3 * np.sqrt(2))
    assert np.isnan([vector.lower, vector.noise_floor, vector.score_noise]).all()
    component = found.sel(metric="rmse", channel="uas").squeeze()
    assert component.lower < 3.0 and component.noise_floor > 0
    assert np.isnan(found.score_noise.sel(metric="wind_vector_rmse")).all()


def test_a_vector_is_a_channel_of_its_own_with_no_other_score(persistence):
    truth = winds(pd.date_range("2020-01-01", periods=4, freq="6h"), [500.0], seed=0)
    forecasts = persistence(truth, truth.time[:2], [6])
    score = evaluate(forecasts, truth, metrics=["wind_vector_rmse", "rmse"]).score[0]
    assert np.isnan(score.sel(metric="rmse", channel="wind_vector_500")).all()
    assert np.isnan(score.sel(metric="wind_vector_rmse", channel="u_component_of_wind_500")).all()
    alone = forecasts[["u_component_of_wind"]]
    with pytest.raises(UserError, match="needs both components of the wind"):
        evaluate(alone, truth, metrics=["wind_vector_rmse"], model="half")
