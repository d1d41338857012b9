"""One emulator for several climate models, one for each, and one that meets a new model."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from small_stores import climate, write_store

from climbench.errors import UserError
from climbench.experiments import climate_models, run
from climbench.experiments.climate_models import ClimateModelsConfig, parse, run_climate_models
from climbench.report.generalisation import matrix

SENSITIVITY = {"A": 1.0, "B": 2.0, "C": 1.5}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Three climate models that warm by 1, 2 and 1.5 times as much."""
    ds = climate(members=1)
    ds["tas"] = (ds.tas - 288) * xr.DataArray(
        list(SENSITIVITY.values()), {"source_id": list(SENSITIVITY)}
    )
    ds = ds.transpose("scenario", "source_id", "member", "time", "latitude", "longitude")
    ds["tas"] = ds.tas.where(ds.scenario != "historical", climate(members=2).tas[0, 0] - 288)
    return write_store(tmp_path_factory.mktemp("store") / "models.zarr", ds, "scenario")


@pytest.fixture
def options(store, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "load_recipe", lambda *_: None)
    monkeypatch.setattr(run, "build", lambda *_: store)
    line = {"_target_": "climbench.models.pattern_scaling.PatternScaling"}
    outside = {"_target_": "torch.nn.Conv2d", "in_channels": 1, "out_channels": 1, "kernel_size": 1}
    return {
        "kind": "climate_models",
        "name": "many",
        "title": "Many",
        "recipe": "none",
        "task": {
            "_target_": "climbench.tasks.Emulation",
            "inputs": ["carbon_dioxide"],
            "targets": ["tas"],
            "train_scenarios": ["historical", "ssp126", "ssp370"],
            "validation": {"scenario": "ssp370", "years": [2015, 2018]},
            "test_scenarios": ["ssp585"],
        },
        "models": {
            "pattern_scaling": {"name": "pattern_scaling", "network": line},
            "dot": {
                "name": "dot",
                "network": outside,
                "optimizer": {"learning_rate": 0.01, "schedule": "constant"},
            },
        },
        "trainer": {"progress_bar": False, "accelerator": "cpu", "devices": 1},
        "evaluation": {"metrics": ["rmse", "bias"], "maps": False, "bootstrap": 0},
        "report": {"map_channels": 0},
        "runs_dir": tmp_path / "runs",
        "stores_dir": tmp_path,
        "seen": ["A", "B"],
        "unseen": "C",
        "single": ["pattern_scaling"],
        "fine_tuned": "dot",
    }


def test_a_line_of_one_climate_model_errs_by_the_ratio_of_sensitivities(options):
    result = run_climate_models(parse(options))
    metric, scores = matrix(result.table, "tas")
    assert metric == "rmse"
    own = scores.loc["pattern_scaling"]
    assert max(own.loc[name, name] for name in "ABC") < 0.3
    assert own.loc["A", "B"] > 3 * own.loc["B", "B"]
    bias = result.table.query("metric == 'bias' and model == 'pattern_scaling'")
    pairs = bias.set_index(["trained_on", "tested_on"])["score"]
    assert pairs["A", "B"] < -0.5 and pairs["B", "A"] > 0.5
    assert pairs["A", "C"] == pytest.approx(pairs["A", "B"] / 2, rel=0.3)  # half way between
    assert set(own.loc["all"].dropna().index) == {"A", "B"}  # the unseen one was not asked
    tuned = result.table.query("model in ['dot_from_scratch', 'dot_fine_tuned']")
    assert set(tuned.tested_on) == {"C"} and tuned.model.nunique() == 2
    page = result.page.read_text()
    assert "SIMULATED DATA" in page
    for link in ("together", "only A", "fine-tuning"):
        assert link in page
    table = pd.read_csv(result.page.parent / "generalisation.csv")
    assert len(table) == len(result.table) and np.isfinite(table.score).all()
    targets = [line.split('"')[0] for line in page.split('href="')[1:]]
    assert all((result.page.parent / t).exists() for t in targets if not t.startswith("#"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"single": ["pattern_scalin"]}, "did you mean 'pattern_scaling'?"),
        ({"unseen": "A"}, "'unseen' = A is in 'seen'"),
        ({"seen": ["A", "A"]}, "names a climate model twice"),
        ({"fine_tuned": "pattern_scaling"}, "is fitted by a formula"),
        ({"seen": ["A", "X"]}, "X"),
        ({"unseen": "X"}, "has no 'X'"),
    ],
)
def test_a_mistake_gets_one_sentence(options, change, sentence):
    with pytest.raises(UserError) as mistake:
        run_climate_models(parse({**options, **change}))
    assert sentence in str(mistake.value)


def test_the_kind_is_known():
    assert isinstance(climate_models.ClimateModelsConfig, type)
    assert ClimateModelsConfig.model_fields["seen"].is_required()
