"""Every YAML of conf/ composes, and every experiment passes its schema."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from climbench.config import ModelConfig
from climbench.config.folders import conf_folder, group_options
from climbench.experiments.kinds import parse_experiment

GROUPS = sorted(path.name for path in conf_folder().iterdir() if path.is_dir())
CHOICES = [
    (group, option)
    for group in GROUPS
    if group not in ("experiment", "launcher")
    for option in group_options(group)
]
VERBS = sorted(path.stem for path in conf_folder().glob("*.yaml") if path.stem != "base")


def composed(verb, overrides):
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        return OmegaConf.to_container(compose(verb, overrides), resolve=True)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_composes(verb):
    assert composed(verb, [])


@pytest.mark.parametrize(("group", "option"), CHOICES)
def test_every_option_of_every_group_composes(group, option):
    config = composed("train", [f"{group}={option}"])
    if group == "model":
        assert ModelConfig(**config["model"])


@pytest.mark.parametrize("evaluation", group_options("evaluation"))
def test_predictions_are_scored_by_every_evaluation(evaluation):
    """`climbench evaluate evaluation=...`: what experiments leave out as well must be there."""
    assert composed("evaluate", [f"evaluation={evaluation}"])["metrics"]


@pytest.mark.parametrize("launcher", group_options("launcher"))
def test_every_launcher_composes(launcher):
    assert composed("run", [f"launcher={launcher}"])


@pytest.mark.parametrize("experiment", group_options("experiment"))
def test_every_experiment_passes_its_schema(experiment):
    config = parse_experiment(composed("run", [f"experiment={experiment}"]))
    assert config.name == experiment
    for name in (config.candidate, config.reference):
        assert name is None or name in config.models


def test_no_yaml_is_left_out():
    folders = {path.parent.name for path in Path(conf_folder()).rglob("*.yaml")}
    assert folders <= {*GROUPS, conf_folder().name}
