"""Every model of conf/model keeps the contract of climbench.testing.model_contract."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from climbench.config import ModelConfig, instantiate
from climbench.models.closed_form import ClosedForm
from climbench.testing.model_contract import CHECKS, GLOBAL, REGIONAL, Build, random_sample

FOLDER = Path(__file__).parents[2] / "conf" / "model"
CONFIGS = {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}
OPTIONS: dict[str, dict[str, Any]] = {  # published sizes are counted in tests/models instead
    "resnet": {"hidden_channels": 16, "blocks": 2},
    "vit": {"embed_dim": 32, "depth": 2},
    "pattern_scaling": {"global_mean_of": "temperature_850"},
}
ONE_FIELD = replace(  # small enough for the equations of the whole field
    REGIONAL, inputs=("temperature_850",), forcings=(), targets=("temperature_850",)
)
EMULATION = replace(
    GLOBAL, inputs=("carbon_dioxide", "methane"), forcings=(), static=(), history=1, leads=1
)


def config(name: str) -> ModelConfig:
    return ModelConfig(**yaml.safe_load(CONFIGS[name].read_text()))


def builder(name: str) -> Build:
    node = config(name).network | OPTIONS.get(name, {})
    return lambda signature: instantiate(node, signature=signature)


@pytest.mark.parametrize("name", CONFIGS)
def test_configuration_is_named_as_its_file(name):
    assert config(name).name == name


@pytest.mark.parametrize("name", CONFIGS)
def test_closed_form_models_have_no_optimizer_and_networks_do(name):
    closed_form = isinstance(builder(name)(GLOBAL), ClosedForm)
    assert closed_form == (config(name).optimizer is None)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", CONFIGS)
def test_globe(name, check):
    CHECKS[check](builder(name), GLOBAL)


@pytest.mark.parametrize("name", sorted(set(CONFIGS) - {"persistence"}))
def test_emulation_without_weather_to_start_from(name):
    CHECKS["shape"](builder(name), EMULATION)


@pytest.mark.parametrize("name", CONFIGS)
def test_region_of_odd_size(name):
    CHECKS["shape"](builder(name), ONE_FIELD if name == "linear_regression_field" else REGIONAL)


@pytest.mark.parametrize("name", ["resnet_small", "vit_small"])
def test_untrained_residual_network_is_persistence(name):
    sample = random_sample(GLOBAL, 2)
    answer = builder(name)(GLOBAL).eval()(sample)
    expected = sample.inputs[:, -1:, :2].expand(-1, 2, -1, -1, -1)
    torch.testing.assert_close(answer, expected, rtol=0, atol=0)


def test_resnet_without_coordinates_claims_to_turn_with_the_globe():
    assert builder("resnet")(GLOBAL).longitude_equivariant
    assert not builder("resnet")(REGIONAL).longitude_equivariant
    assert not builder("resnet_small")(GLOBAL).longitude_equivariant
