"""The experiment telemetry on a user's own tables: forecasts, events, page, and what is refused."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from climbench.config.folders import conf_folder
from climbench.errors import UserError
from climbench.experiments.run import prepare, run
from climbench.experiments.telemetry import parse, run_events

QUICK = [
    "experiment=telemetry",
    "model=xgboost_small",
    "task.history=8",
    "task.lead_times=[10min,1h]",
    "models.feature_regression.network.windows=[6]",
    "models.feature_regression.network.lags=[1,2]",
    "evaluation.bootstrap=0",
    "trainer.progress_bar=false",
    "report=tables",
]


def table(steps=1500):
    random, hours = np.random.default_rng(0), np.arange(steps) / 6
    tank = 20 + 3 * np.sin(2 * np.pi * hours / 24) + 0.05 * random.normal(size=steps)
    pump, valve = random.normal(size=(2, steps))
    tank[1400:1406] += 5
    pump[1400:1406] += 9
    frame = pd.DataFrame({"tank": tank, "pump": pump, "valve": valve})
    frame["label_tank"] = 0
    frame.loc[1400:1405, "label_tank"] = 1
    times = pd.date_range("2024-01-01", periods=steps, freq="10min")
    frame.insert(0, "time", times.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return frame


def options(folder, *overrides):
    places = [f"runs_dir='{folder}/runs'", f"stores_dir='{folder}/stores'"]
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        composed = compose("run", [*QUICK, *places, *overrides])
    return OmegaConf.to_container(composed, resolve=True)


def configured(folder, source, *overrides):
    return parse(options(folder, f"source='{source}'", "targets=[tank]", *overrides))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("telemetry")
    (folder / "own").mkdir()
    table().to_csv(folder / "own" / "tank.csv", index=False)
    config = configured(folder, folder / "own")
    return config, run(config), run_events(config)


def test_all_models_are_scored_on_the_record(finished):
    _, result, _ = finished
    assert set(result.scores.model.values) == {"persistence", "feature_regression", "xgboost_small"}
    rmse = result.scores["score"].sel(metric="rmse", channel="tank").squeeze()
    assert rmse.sizes["lead_time"] == 2
    assert (rmse.sel(model="xgboost_small") > 0).all()


def test_the_event_that_was_put_in_ranks_first_with_its_cause(finished):
    record = json.loads((finished[2] / "events.json").read_text())
    first = record["events"][0]
    assert first["marked"]
    assert first["start"] == "2024-01-10T17:20"
    assert "pump" in first["covariates"][:1]
    assert record["summary"]["event_recall_at_3"] == 1


def test_the_page_shows_events_and_is_escaped(finished):
    config, _, folder = finished
    page = (folder / "index.html").read_text()
    assert "Covariates: pump" in page
    assert "SIMULATED" not in page
    assert len(list((folder / "event_figures").glob("tank_*_light.png"))) >= 5
    assert (folder / "event_figures" / "tank_interactions_light.png").exists()
    assert str(config.title) in page


def test_a_record_without_marks_has_events_and_no_scores_of_them(tmp_path):
    table().drop(columns="label_tank").to_csv(tmp_path / "tank.csv", index=False)
    config = configured(tmp_path, tmp_path / "tank.csv")
    run(config)
    folder = run_events(config)
    record = json.loads((folder / "events.json").read_text())
    assert record["events"]
    assert "event_recall" not in record["summary"]
    assert "not marked" not in (folder / "index.html").read_text()


def test_a_second_run_does_nothing(finished):
    config, _, folder = finished
    before = (folder / "index.html").stat().st_mtime_ns
    assert run_events(config) == folder
    assert (folder / "index.html").stat().st_mtime_ns == before


def _mixed(frame):
    late = frame["time"].str.replace("Z", "+02:00")
    return frame.assign(time=frame["time"].where(frame.index < 700, late))


SPOILT = {
    "empty": (lambda f: f.iloc[:0], r"tank\.csv"),
    "one row": (lambda f: f.iloc[:1], "has 1 row: a series needs two"),
    "no number": (lambda f: f.assign(tank="high"), r"tank"),
    "all missing": (lambda f: f.assign(tank=np.nan), "'tank'|tank"),
    "backwards": (lambda f: f.iloc[[*range(800), *range(400, 500)]], "time|clock"),
    "zones": (_mixed, "zone"),
    "constant": (lambda f: f.assign(tank=4.0), "'tank' is 4 throughout"),
    "too short": (lambda f: f.iloc[:20], "does not fit into the train share"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_record_that_cannot_be_used_is_said_in_a_sentence(tmp_path, name):
    spoil, sentence = SPOILT[name]
    spoil(table()).to_csv(tmp_path / "tank.csv", index=False)
    config = configured(tmp_path, tmp_path / "tank.csv")
    with pytest.raises(UserError, match=sentence):
        _ = prepare(config)[1].normalisation
    assert not list(tmp_path.glob("stores/downloads/**/*.partial"))


def test_another_record_of_the_same_name_is_another_store(tmp_path):
    def found(folder, frame):
        (tmp_path / folder).mkdir(exist_ok=True)
        frame.to_csv(tmp_path / folder / "tank.csv", index=False)
        with xr.open_zarr(prepare(configured(tmp_path, tmp_path / folder))[0]) as store:
            return float(store["tank"][0])

    warmer = table().assign(tank=table()["tank"] + 100)
    first = found("one", table())
    assert found("two", warmer) == pytest.approx(first + 100, abs=1e-4)
    assert found("one", warmer) == pytest.approx(first + 100, abs=1e-4)  # the file has changed


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["source=nowhere.csv", "targets=[tank]"], "there is no such file"),
        (["source=."], "needs targets="),
        (["events.low=9"], "'events.low' is above"),
    ],
)
def test_options_that_do_not_fit(tmp_path, given, sentence):
    with pytest.raises(UserError, match=sentence):
        parse(options(tmp_path, *given)).check()


def test_a_folder_without_tables_is_said(tmp_path):
    with pytest.raises(UserError, match="holds no CSV or Parquet"):
        configured(tmp_path, tmp_path)


def test_residuals_of_a_lead_that_is_not_scored(finished):
    config = finished[0]
    other = config.events.model_copy(update={"lead": "3h"})
    with pytest.raises(UserError, match=r"none of the lead times: choose one of 0\.166667, 1 h"):
        run_events(config.model_copy(update={"events": other}))
