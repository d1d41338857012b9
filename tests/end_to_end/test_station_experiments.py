"""Experiments at stations: the simulated ones, and Weather2K from an array of its layout."""

import numpy as np
import pandas as pd
import pytest
from small_experiments import configuration

from climbench.experiments.run import run

QUICK = ["trainer.progress_bar=false", "report=tables", "evaluation.bootstrap=100"]
LSTM = ["models.lstm.max_epochs=1", "models.lstm.network.hidden=8"]
GRAPH = ["models.mfmgcn.max_epochs=2", "models.mfmgcn.network.hidden=8"]
HOURS = 24 * 90


def test_simulated_stations_from_recipe_to_leaderboard(tmp_path):
    config = configuration(
        tmp_path,
        "experiment=stations_twin",
        "+recipe_overrides.dates={start: 2000-01-01, end: 2000-04-30}",
        "+recipe_overrides.statistics.period=[2000-01-01, 2000-03-15]",
        "+recipe_overrides.sources=[{kind: simulated_stations, stations: 6}]",
        "task.train=[2000-01-01, 2000-03-15]",
        "task.validation=[2000-03-16, 2000-03-31]",
        "task.test=[2000-04-01, 2000-04-30]",
        "task.held_out=[5]",
        "models.dlinear.max_epochs=1",
        *LSTM,
        *GRAPH,
        *QUICK,
    )
    result = run(config)
    assert result.scores.attrs["simulated"] == "true"
    assert set(result.scores["model"].values) == {*config.models}
    assert np.isfinite(result.scores["score"].sel(metric="rmse")).all()
    assert "Simulated" in result.page.read_text()


@pytest.fixture
def weather2k(tmp_path):
    """Five stations x 23 factors x hours, as the authors lay them out: a daily cycle and noise."""
    drawn = np.random.default_rng(0)
    data = drawn.normal(50, 5, size=(5, 23, HOURS)).astype(np.float32)
    data[:, 4] += 10 * np.sin(2 * np.pi * np.arange(HOURS) / 24)
    places = [
        [39.9, 116.4, 50],
        [40.1, 117.2, 30],
        [38.5, 115.8, 90],
        [41, 116, 400],
        [39, 114, 900],
    ]
    data[:, :3] = np.array(places)[:, :, None]
    data[1, 4, 100:130] = np.nan
    (tmp_path / "weather2k").mkdir()
    np.save(tmp_path / "weather2k" / "data.npy", data)
    return tmp_path


@pytest.mark.parametrize("experiment", ["weather2k", "weather2k_long"])
def test_weather2k_from_its_array_to_leaderboard(weather2k, experiment):
    days = pd.date_range("2017-01-01", periods=HOURS // 24)
    parts = days[49], days[50], days[69], days[70], days[-1]
    train, first, second, third, last = (f"{day:%Y-%m-%d}" for day in parts)
    long = experiment.endswith("long")
    alone = ["task.stations=[3]", "task.history=24", "task.lead_times=[24,72]"]
    together = ["models.tgcn.max_epochs=1", "models.stgcn.max_epochs=1", *GRAPH]
    config = configuration(
        weather2k,
        f"experiment={experiment}",
        f"data_root='{weather2k}'",
        f"+recipe_overrides.dates={{start: 2017-01-01, end: {last}}}",
        f"+recipe_overrides.statistics.period=[2017-01-01, {train}]",
        f"task.train=[2017-01-01, {train}]",
        f"task.validation=[{first}, {second}]",
        f"task.test=[{third}, {last}]",
        "models.dlinear.max_epochs=1",
        *LSTM,
        *(alone if long else together),
        *QUICK,
    )
    result = run(config)
    assert result.scores.attrs["simulated"] == "false"
    scored = result.scores["score"].sel(metric="rmse", channel="t").squeeze()
    assert np.isfinite(scored).all()
    assert scored.sizes["lead_time"] == (2 if long else 4)
    at_noon = scored.isel(lead_time=0 if long else 3)
    assert at_noon.sel(model="station_regression") < at_noon.sel(model="persistence")
