"""Whole experiments, from archive to page, on simulated data and, where it is, on real data."""

import json
import time

import numpy as np
import pytest
from small_experiments import configuration

from climbench.experiments.run import run

QUICK = ["trainer.progress_bar=false", "report=tables"]
SHORT_WEATHER = [
    "experiment=quickstart",
    "recipe_overrides.dates={start: 2000-01-01, end: 2001-02-28}",
    "recipe_overrides.statistics.period=[2000-01-01, 2000-12-31]",
    "task.train=[2000-01-01,2000-12-31]",
    "task.validation=[2001-01-01,2001-01-15]",
    "task.test=[2001-01-16,2001-02-28]",
    "evaluation.bootstrap=100",
    "models.resnet_small.max_epochs=1",
    "models.resnet_small.network.hidden_channels=8",
    "models.vit_small.max_epochs=1",
    "trainer.batch_size=32",
    *QUICK,
]


@pytest.fixture(scope="module")
def weather(module_path):
    config = configuration(module_path, *SHORT_WEATHER)
    return config, run(config)


def test_the_quickstart_scores_all_models_on_data_labelled_simulated(weather):
    _, result = weather
    models = {"climatology", "persistence", "linear_regression", "resnet_small", "vit_small"}
    assert set(result.scores.model.values) == models
    assert result.scores.attrs["simulated"] == "true"
    rmse = result.scores.score.sel(metric="rmse", channel="geopotential_500", region="global")
    assert (rmse > 0).all()
    page = result.page.read_text()
    assert "simulated" in page.lower()
    assert result.gate["verdicts"]


def test_a_second_run_does_nothing_and_shows_the_same(weather):
    config, first = weather
    files = {path: path.stat().st_mtime_ns for path in config.runs_dir.rglob("*")}
    start = time.monotonic()
    second = run(config)
    assert time.monotonic() - start < 20
    assert second.scores.identical(first.scores)
    assert {path: path.stat().st_mtime_ns for path in config.runs_dir.rglob("*")} == files


def test_another_seed_trains_again_but_keeps_the_store(weather, tmp_path):
    config, _ = weather
    stores = sorted(path.name for path in config.stores_dir.glob("*.zarr"))
    changed = config.model_copy(
        update={
            "trainer": config.trainer.model_copy(update={"seed": 1}),
            "models": {"persistence": config.models["persistence"]},
            "gate": None,
        }
    )
    result = run(changed)
    assert sorted(path.name for path in config.stores_dir.glob("*.zarr")) == stores
    assert set(result.scores.model.values) == {"climatology", "persistence"}  # the task's baseline


def test_emulation_of_the_planet_compares_with_pattern_scaling(tmp_path):
    config = configuration(
        tmp_path, "experiment=planet_emulation", "models.resnet_emulator.max_epochs=1", *QUICK
    )
    result = run(config)
    total = result.scores.score.sel(
        metric="nrmse_total", channel="tas_anomaly", region="global", scenario="ssp245"
    )
    assert total.sel(model="pattern_scaling") < total.sel(
        model="resnet_emulator"
    )  # after one epoch
    known = result.scores.sel(metric=["nrmse_total", "rmse"])  # the truth keeps its three members
    for name in ("noise_floor", "lower", "upper"):
        assert np.isfinite(known[name]).all()
    assert (known["lower"] < known["upper"]).all()
    verdict = json.loads((result.page.parents[1] / "gate.json").read_text())
    assert verdict["passed"] is False
    assert "<testsuite" in (result.page.parents[1] / "gate.xml").read_text()


@pytest.mark.data
def test_pattern_scaling_of_a_cmip6_model(tmp_path, data_root):
    config = configuration(
        tmp_path,
        "experiment=ipsl_pattern_scaling",
        f"data_root='{data_root}'",
        "models.resnet_emulator.max_epochs=1",
        *QUICK,
    )
    result = run(config)
    assert result.scores.attrs["simulated"] == "false"
    score = result.scores.score.sel(model="pattern_scaling", region="global").squeeze()
    assert float(score.sel(metric="nrmse_total")) == pytest.approx(
        float(score.sel(metric="nrmse_spatial") + 5 * score.sel(metric="nrmse_global"))
    )
    assert float(score.sel(metric="nrmse_spatial")) < 0.3


KNOWN = {  # computed with xarray and numpy alone, of all pairs of the test years
    "ncep_air": {"persistence": {6: 2.43, 24: 3.01, 72: 4.14, 120: 4.49}},  # K
    "ncep_slp": {  # Pa
        "persistence": {24: 642.2, 48: 908.6, 72: 1023.4, 120: 1154.9, 168: 1212.9},
        "damped_persistence": {24: 595.5, 48: 778.4, 72: 841.1, 120: 890.6, 168: 903.9},
    },
}


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("experiment", KNOWN)
def test_baselines_of_a_reanalysis_have_their_known_errors(tmp_path, data_root, experiment):
    networks = ("resnet_small", "unet_small", "vit_small", "climax_small")
    config = configuration(
        tmp_path,
        f"experiment={experiment}",
        f"data_root='{data_root}'",
        *(f"~models.{name}" for name in networks),
        "candidate=linear_regression",
        "reference=damped_persistence",
        "evaluation.bootstrap=0",
        *QUICK,
    )
    scores = run(config).scores.score.sel(metric="rmse", region="global").squeeze("channel")
    for model, errors in KNOWN[experiment].items():
        found = scores.sel(model=model, lead_time=[*map(float, errors)])
        np.testing.assert_allclose(found, [*errors.values()], rtol=0.01, err_msg=model)
