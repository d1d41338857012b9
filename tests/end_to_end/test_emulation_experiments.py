"""The experiments of docs/emulation.md, whole but tiny: coarse grids, few members, one epoch."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from climbench.config.folders import conf_folder
from climbench.experiments.climate_models import run_climate_models
from climbench.experiments.internal_variability.sweep import run_internal_variability
from climbench.experiments.kinds import parse_experiment
from climbench.experiments.run import run

SUMMED = ["nrmse_spatial", "nrmse_global", "nrmse_total"]
SINGLE = [*SUMMED, "nrmse_spatial(norm=none)", "rmse", "r2", "bias"]


def small(folder, experiment, recipe, models, **changes):
    """Return an experiment of the package with some of its models; networks train one epoch."""
    quick = ["trainer.progress_bar=false", "trainer.accelerator=cpu", "report=tables"]
    places = [f"runs_dir='{folder}/runs'", f"stores_dir='{folder}/stores'"]
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        chosen = compose("run", [f"experiment={experiment}", *quick, *places])
    options = OmegaConf.to_container(chosen, resolve=True)
    options["models"] = {name: options["models"][name] for name in models}
    for name, network in models.items():
        options["models"][name]["network"] |= network
        if options["models"][name].get("optimizer"):
            options["models"][name]["max_epochs"] = 1
    options["evaluation"]["bootstrap"] = 100
    options["task"] |= changes.pop("task", {})
    return parse_experiment({**options, "recipe_overrides": recipe, **changes})


def candidates(experiment):
    """Return the models of an experiment but the straight line."""
    models = OmegaConf.load(conf_folder() / "experiment" / f"{experiment}.yaml").defaults
    names = [next(iter(entry.values())) for entry in models if "model@" in str(entry)]
    return set(names) - {"pattern_scaling"}


def coarse(anomalies, scenarios, **source):
    """Return what makes a planet's recipe small: 8 x 16 cells, some anomalies."""
    history = {"period": [1850, 1900], "scenario": "historical"}
    return {
        "sources": [{"kind": "simulated_earth", "scenarios": scenarios, **source}],
        "steps": [
            {"derive": {"anomaly": {"of": anomalies, **history}}},
            {"regrid": {"resolution": 22.5}},
        ],
    }


def one_store(folder):
    (path,) = (folder / "stores").glob("*.zarr")
    return xr.open_zarr(path, chunks=None)


def test_climatebench_ranks_all_models_on_a_scenario_that_none_has_seen(tmp_path):
    training = ["historical", "ssp126", "ssp370"]
    source = {"members": 2, "variables": ["tas", "pr90"], "emission_maps": True}
    config = small(
        tmp_path,
        "climatebench",
        coarse(source["variables"], [*training, "ssp245"], **source)
        | {"variables": None, "statistics": {"scenarios": training}},
        {"pattern_scaling": {}, "gaussian_process": {"iterations": 50}, "cnn_lstm_small": {}},
        task={"targets": ["tas_anomaly", "pr90_anomaly"], "train_scenarios": training},
    )
    result = run(config)
    scores = result.scores.isel(region=0, scenario=0)
    assert (
        set(scores.model.values) == {"climatology", *config.models} and scores.scenario == "ssp245"
    )
    assert scores.attrs["simulated"] == "true"
    assert "crps" not in scores.metric  # no model of it draws members
    assert np.isfinite(scores.score).all()
    spatial, course, total = (scores.score.sel(metric=name) for name in SUMMED)
    np.testing.assert_allclose(total, spatial + 5 * course, rtol=1e-12)
    assert (scores.lower.sel(metric=SINGLE) <= scores.upper.sel(metric=SINGLE)).all()

    store, first, last = one_store(tmp_path), *map(str, config.evaluation["period"])
    tas = store.tas_anomaly.mean("member")
    train = tas.sel(scenario=config.task["train_scenarios"]).mean(["scenario", "time"])
    error = tas.sel(scenario="ssp245", time=slice(first, last)) - train
    cells = np.cos(np.deg2rad(store.latitude))  # the weights of preset climatebench
    mean_map = float(np.sqrt((error**2).mean(["time", "longitude"]).weighted(cells).mean()))
    rmse = scores.score.sel(metric="rmse", channel="tas_anomaly")
    for name in ("pattern_scaling", "gaussian_process"):
        assert float(rmse.sel(model=name)) < 0.6 * mean_map, name
    verdict = json.loads((result.page.parents[1] / "gate.json").read_text())
    assert verdict["passed"] is False  # a network of one epoch is no better than the line
    assert "SIMULATED" in result.page.read_text()


@pytest.mark.slow  # six trainings and five pages: half a minute of processor time
def test_climateset_super_says_what_each_climate_model_tells_of_the_others(tmp_path):
    scenarios = ["historical", "ssp126", "ssp245", "ssp370", "ssp585"]
    config = small(
        tmp_path,
        "climateset_super",
        coarse(["tas", "pr"], scenarios, members=1, model=[0, 1, 2]),
        {"pattern_scaling": {}, "super_emulator_small": {}},
        seen=["planet-0", "planet-1"],
        unseen="planet-2",
        single=["pattern_scaling"],
    )
    result = run_climate_models(config)
    table = result.table.query("metric == 'rmse' and channel == 'tas_anomaly'")
    assert set(table.scenario) == {"ssp245"} and np.isfinite(table.score).all()
    line = table[table.model == "pattern_scaling"].pivot_table(
        index="trained_on", columns="tested_on", values="score"
    )
    planets = ["planet-0", "planet-1", "planet-2"]
    for name in planets:  # nobody tells more of a climate than its own past
        assert line.loc[planets, name].idxmin() == name
    assert line.loc["all"].dropna().index.tolist() == planets[:2]  # the unseen one is not asked
    on_unseen = set(table[table.trained_on == "planet-2"].model) - {"pattern_scaling"}
    assert on_unseen == {f"{config.fine_tuned}_{way}" for way in ("from_scratch", "fine_tuned")}
    (together,) = (tmp_path / "runs").glob(
        f"*/together/train/{config.fine_tuned}-*/checkpoint.ckpt"
    )
    (tuned,) = (tmp_path / "runs").glob("*/fine_tuning/train/*_fine_tuned-*/stage.json")
    model = json.loads(tuned.read_text())["inputs"]["model"]
    assert model["initial_weights"] == str(together)  # it goes on from those of the other planets
    pages = sorted(path.parents[2].name for path in (tmp_path / "runs").rglob("page/index.html"))
    assert len(pages) == 5  # together, three alone, fine-tuning
    written = pd.read_csv(result.page.parent / "generalisation.csv")
    pd.testing.assert_frame_equal(written, result.table, check_dtype=False)


@pytest.mark.data
def test_mesmer_ipsl_ssp585_holds_a_drawing_line_to_be_the_line(tmp_path, data_root):
    recipe = {
        "steps": [
            {"sort": {}},
            {
                "derive": {
                    "anomaly": {"of": ["tas"], "period": [1850, 1900], "scenario": "historical"}
                }
            },
            {"regrid": {"resolution": 15}},
        ]
    }
    config = small(
        tmp_path,
        "mesmer_ipsl_ssp585",
        recipe,
        {
            "pattern_scaling": {},
            "pattern_scaling_variability": {"members": 8, "radii": [2000, 5000], "folds": 2},
            "gaussian_process": {"iterations": 50},
            "unet_emulator_small": {},
        },
        data_root=data_root,
    )
    result = run(config)
    scores = result.scores.squeeze(["region", "scenario", "channel"], drop=True)
    assert scores.attrs["simulated"] == "false"
    line, drawing = (
        scores.sel(model=name, metric=SINGLE).drop_vars("model")
        for name in ("pattern_scaling", "pattern_scaling_variability")
    )
    for part in ("score", "lower", "upper", "score_noise"):  # what it draws is no other climate
        xr.testing.assert_equal(drawing[part], line[part])
    crps = scores.sel(metric="crps")
    assert crps.model[crps.score.notnull()].values.tolist() == ["pattern_scaling_variability"]
    one = crps.sel(model="pattern_scaling_variability")
    assert float(one.lower) < float(one.score) < float(one.upper)  # two members tell bounds
    total = scores.score.sel(metric="nrmse_total")
    assert float(total.sel(model="pattern_scaling")) == float(total.min())  # beyond its training
    assert float(line.score.sel(metric="nrmse_spatial")) < 0.3
    verdict = json.loads((result.page.parents[1] / "gate.json").read_text())
    assert verdict["passed"] is False
    assert "simulated data" not in result.page.read_text().lower()


def test_internal_variability_sees_the_line_gain_from_members(tmp_path):
    scenarios = ["historical", "ssp126", "ssp245", "ssp370", "ssp585"]
    (candidate,) = candidates("internal_variability")
    config = small(
        tmp_path,
        "internal_variability",
        coarse(["tas", "pr"], scenarios, members=6),
        {"pattern_scaling": {}, candidate: {}},
        members=[1, 3, 6],
        seeds=4,
        candidate_members=[1, 6],
        candidate_seeds=1,
        processes=1,
    )
    found = run_internal_variability(config)
    results = found.results
    assert results.attrs["simulated"] == "true" and results.attrs["truth_members"] == 6
    assert (results.model == config.reference).sum() == 12 and (
        results.model == candidate
    ).sum() == 2
    score = results.score.sel(metric="nrmse_spatial(norm=none)", channel="tas_anomaly")
    line = score.where(results.model == config.reference, drop=True)
    against_all = line.sel(truth="all").groupby("members").mean()
    assert against_all.sel(members=1) > against_all.sel(members=3) > against_all.sel(members=6)
    held_out = line.sel(truth="held_out")
    assert (held_out.isnull() == (line.members == 6)).all()  # a fit on all has none left
    network = score.where(results.model == candidate, drop=True).sel(truth="all")
    assert network.min() > line.sel(truth="all").max()  # after one epoch
    page = found.page.read_text()
    assert "SIMULATED" in page and "members" in page
