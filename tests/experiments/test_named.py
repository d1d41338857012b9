"""Experiments from Python: composed by name, with options put over them."""

from pathlib import Path

import pytest

import climbench
from climbench.errors import UserError
from climbench.experiments.run import RunConfig
from climbench.experiments.telemetry import TelemetryConfig

SMALL = ("debug=fast", "trainer.progress_bar=false", "report=tables")


def test_overrides_are_those_of_the_command_line():
    config = climbench.load_experiment("quickstart", "trainer.seed=3", "~models.vit_small")
    assert config.trainer.seed == 3 and "vit_small" not in config.models


def test_options_go_over_what_is_there_key_by_key():
    mine = {"network": {"_target_": "climbench.models.resnet.ResNet"}, "max_epochs": 2}
    mine["optimizer"] = {"learning_rate": 1e-3}
    config = climbench.load_experiment(
        "quickstart",
        name="other",
        data_root=Path("a, folder [with] signs"),
        models={"mine": mine, "vit_small": None},
        recipe_overrides={"dates": {"end": "2003-06-30"}},
    )
    assert config.name == "other" and config.data_root == Path("a, folder [with] signs")
    assert config.models["mine"].name == "mine" and "vit_small" not in config.models
    assert {"persistence", "resnet_small"} <= set(config.models)
    assert config.recipe_overrides["dates"] == {"start": "2000-01-01", "end": "2003-06-30"}


def test_kinds_have_options_of_their_own():
    config = climbench.load_experiment("telemetry", targets=["temperature_03"])
    assert isinstance(config, TelemetryConfig) and config.task["targets"] == ["temperature_03"]


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("quikstart", {}, "did you mean 'quickstart'"),
        ("quickstart", {"titel": "x"}, "titel"),
        ("quickstart", {"models": {"mine": {"netwrk": {}}}}, "models.mine"),
    ],
)
def test_a_mistake_is_a_sentence(name, options, words):
    with pytest.raises(UserError, match=words):
        climbench.load_experiment(name, **options)


def test_a_run_says_where_everything_lies(tmp_path):
    places = {"runs_dir": tmp_path / "runs", "stores_dir": tmp_path / "stores"}
    result = climbench.run("planet_emulation", *SMALL, **places)
    models = set(result.scores["model"].values.tolist())
    assert set(result.predictions) == set(result.checkpoints) == models
    assert all(path.is_dir() for path in result.predictions.values())
    assert all(path.is_file() for path in result.checkpoints.values())
    assert climbench.open_store(result.store).sizes["time"] > 0 and result.page.is_file()
    config = climbench.load_experiment("planet_emulation", *SMALL, **places)
    assert isinstance(config, RunConfig)
    assert climbench.run(config).scores.identical(result.scores)
    with pytest.raises(UserError, match="load_experiment"):
        climbench.run(config, "trainer.seed=1")
