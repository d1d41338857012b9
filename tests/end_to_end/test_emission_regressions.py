"""Gaussian process and forest in one table with the straight line and the training mean."""

import numpy as np
import pytest
import xarray as xr
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from climbench.config.folders import conf_folder
from climbench.experiments.run import RunConfig, run

TARGETS = ["tas", "pr90"]


def climatebench(folder):
    """Return ClimateBench's split of the planet with 3 members, on 8 x 16 cells, fast models."""
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        composed = compose("run", ["experiment=climatebench", "report=tables"])
    options = OmegaConf.to_container(composed, resolve=True)
    task = options["task"]
    models = ("pattern_scaling", "gaussian_process", "random_forest")
    options["models"] = {name: options["models"][name] for name in models}
    options["models"]["gaussian_process"]["network"]["iterations"] = 30
    for trees in options["models"]["random_forest"]["network"]["trees"].values():
        trees["n_estimators"] = 30
    options["candidate"] = "random_forest"
    options["evaluation"]["bootstrap"] = 100
    options["trainer"]["progress_bar"] = False
    task["targets"] = [f"{name}_anomaly" for name in TARGETS]
    source = {"kind": "simulated_earth", "members": 3, "variables": TARGETS, "emission_maps": True}
    history = {"period": [1850, 1900], "scenario": "historical"}
    options["recipe_overrides"] = {
        "sources": [{**source, "scenarios": [*task["train_scenarios"], *task["test_scenarios"]]}],
        "steps": [
            {"derive": {"anomaly": {"of": TARGETS, **history}}},
            {"regrid": {"resolution": 22.5}},
        ],
        "variables": None,
    }
    places = {"runs_dir": folder / "runs", "stores_dir": folder / "stores"}
    return RunConfig.parse({**options, **{key: str(path) for key, path in places.items()}})


@pytest.mark.slow  # a planet of 7 scenarios: 25 s of processor time
def test_both_beat_the_training_mean_which_stands_in_the_table(tmp_path):
    result = run(climatebench(tmp_path))
    scores = result.scores.score.isel(region=0, scenario=0)
    assert list(scores.model.values) == [
        "climatology",
        "pattern_scaling",
        "gaussian_process",
        "random_forest",
    ]
    for metric in ("nrmse_total", "rmse"):
        found = scores.sel(metric=metric)
        for name in ("gaussian_process", "random_forest"):
            assert (found.sel(model=name) < 0.7 * found.sel(model="climatology")).all(), name

    (path,) = (tmp_path / "stores").glob("*.zarr")
    tas = xr.open_zarr(path, chunks=None).tas_anomaly.mean("member")
    names = OmegaConf.load(conf_folder() / "experiment" / "climatebench.yaml").task.train_scenarios
    years = tas.sel(scenario=list(names)).stack(sample=("scenario", "time")).dropna("sample")
    held = (years.scenario == "ssp370") & years.time.dt.year.isin(range(2031, 2061))
    years = years.isel(sample=np.flatnonzero(~held & (years.time.dt.year >= 1859)))
    error = tas.sel(scenario="ssp245", time=slice("2080", "2100")) - years.mean("sample")
    weights = np.cos(np.deg2rad(error.latitude))  # of preset climatebench
    by_hand = float(np.sqrt((error**2).mean(["time", "longitude"]).weighted(weights).mean()))
    found = scores.sel(model="climatology", metric="rmse", channel="tas_anomaly")
    np.testing.assert_allclose(float(found), by_hand, rtol=1e-3)
