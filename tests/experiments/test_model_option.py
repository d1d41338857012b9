"""`climbench run experiment=E model=M`: one model beside what it is held against."""

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from climbench.config.folders import conf_folder
from climbench.experiments.run import RunConfig


def parsed(*overrides):
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        return RunConfig.parse(OmegaConf.to_container(compose("run", [*overrides]), resolve=True))


def test_without_it_all_models_of_the_experiment_run():
    config = parsed("experiment=planet_emulation")
    assert list(config.models) == ["pattern_scaling", "resnet_emulator"]
    assert config.candidate == "resnet_emulator"


def test_with_it_the_model_is_judged_against_the_experiment_s_reference():
    config = parsed("experiment=planet_emulation", "model=cnn_lstm_small", "model.max_epochs=1")
    assert list(config.models) == ["pattern_scaling", "cnn_lstm_small"]
    assert config.models["cnn_lstm_small"].max_epochs == 1
    assert (config.candidate, config.reference) == ("cnn_lstm_small", "pattern_scaling")
    assert config.gate["name"] == "beats_pattern_scaling"
    config.check()


@pytest.mark.parametrize(
    "path", sorted(conf_folder().glob("experiment/*.yaml")), ids=lambda p: p.stem
)
def test_in_every_experiment_a_model_has_the_name_that_model_takes(path):
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        models = compose("run", [f"experiment={path.stem}"])["models"]
    assert {key: model["name"] for key, model in models.items()} == {key: key for key in models}


def test_the_reference_alone_has_no_gate():
    config = parsed("experiment=planet_emulation", "model=pattern_scaling")
    assert list(config.models) == ["pattern_scaling"]
    assert config.gate is None
    config.check()


@pytest.mark.parametrize(
    ("short", "name"), [("lps", "pattern_scaling"), ("gp", "gaussian_process")]
)
def test_short_names_mean_the_same_model(short, name):
    model = parsed("experiment=planet_emulation", f"model={short}").models[name]
    assert model == parsed("experiment=planet_emulation", f"model={name}").models[name]
