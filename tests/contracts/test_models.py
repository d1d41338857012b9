"""Every model of conf/model keeps the contract of climbench.testing.model_contract."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from climbench.config import ModelConfig, instantiate, locate
from climbench.models.closed_form import ClosedForm
from climbench.tasks.sample import Signature
from climbench.testing.model_contract import (
    CHECKS,
    COLUMNS,
    GLOBAL,
    REGIONAL,
    STATIONS,
    Build,
    random_sample,
)

FOLDER = Path(__file__).parents[2] / "conf" / "model"
CONFIGS = {  # without those that are a short name for another
    path.stem: path
    for path in sorted(FOLDER.glob("*.yaml"))
    if "defaults" not in yaml.safe_load(path.read_text())
}
TINY_RESNET = {
    "_target_": "climbench.models.resnet.ResNet",
    "hidden_channels": 8,
    "blocks": 1,
    "calendar": True,
}
TINY_GAUSSIAN = {
    "_target_": "climbench.models.gaussian_head.GaussianHead",
    "backbone": TINY_RESNET,
}
TINY_COLUMN = {"_target_": "climbench.models.column_dense.ColumnDense", "hidden": [8]}
TINY_LSTM = {"_target_": "climbench.models.recurrent.RecurrentNetwork", "hidden": 8, "layers": 1}
TINY_VIT = {"_target_": "climbench.models.vit.ViT", "patch_size": 4, "embed_dim": 16, "depth": 1}
OPTIONS: dict[str, dict[str, Any]] = {  # published sizes are counted in tests/models instead
    "resnet": {"hidden_channels": 16, "blocks": 2},
    "vit": {"embed_dim": 32, "depth": 2},
    "sfno": {"embed_dim": 8, "depth": 2, "scale_factor": 2},
    "sfno_small": {"embed_dim": 8, "depth": 2},
    "afno": {"patch_size": 4, "embed_dim": 16, "depth": 2, "num_blocks": 2},
    "afno_small": {"embed_dim": 16, "depth": 2, "num_blocks": 2},
    "swin": {"patch_size": 2, "embed_dim": 8, "num_heads": 2, "depths": [1, 2, 1]},
    "swin_small": {"embed_dim": 8, "num_heads": 2, "window": [2, 4], "depths": [1, 2, 1]},
    "stormer": {"patch_size": 4, "embed_dim": 16, "depth": 2, "num_heads": 2},
    "stormer_small": {"embed_dim": 16, "depth": 2, "num_heads": 2},
    "graph": {"mesh_level": 1, "latent_size": 8, "steps": 2},
    "graph_small": {"mesh_level": 2, "latent_size": 8, "steps": 2},
    "climax": {"patch_size": 4, "embed_dim": 32, "depth": 2, "num_heads": 4},
    "climax_projection": {"patch_size": 4, "embed_dim": 32, "depth": 2, "num_heads": 4},
    "climax_projection_frozen": {"patch_size": 4, "embed_dim": 32, "depth": 2, "num_heads": 4},
    "unet_emulator": {"encoder": [[4], [8], [8, 8], [8, 8], [8, 8]], "decoder": [8, 8, 8, 8, 8]},
    "conv_lstm": {"hidden_channels": [8, 8], "kernel": 3},
    "simvp": {"frame_channels": 4, "hidden_channels": 8, "blocks": 2},
    "tau": {"frame_channels": 4, "hidden_channels": 8, "blocks": 2},
    "met2net": {"frame_channels": 4, "frame_layers": 2, "hidden_channels": 8, "blocks": 2},
    "linear_downscaling": {"cells": 4, "ridge": [0.01]},
    "unet": {"hidden_channels": 4, "blocks": 1},
    "pattern_scaling": {"global_mean_of": "temperature_850"},
    "pattern_scaling_multivariate": {"global_mean_of": "temperature_850"},
    "pattern_scaling_polynomial": {"global_mean_of": "temperature_850"},
    "pattern_scaling_lagged": {"global_mean_of": "temperature_850"},
    "pattern_scaling_seasonal": {"global_mean_of": "temperature_850"},
    "gaussian_process": {"components": 2, "iterations": 5},
    "random_forest": {"components": 2, "trees": {"other": {"n_estimators": 5}}},
    "pattern_scaling_variability": {"global_mean_of": "temperature_850"},
    "pattern_scaling_gaussian": {"global_mean_of": "temperature_850"},
    "randomised_prior": {"members": 2},
    "multi_fidelity_prior": {"members": 2},
    "resnet_dropout": {"backbone": TINY_RESNET | {"dropout": 0.1}, "members": 2},
    "deep_ensemble": {"backbone": TINY_GAUSSIAN, "networks": 2},
    "gaussian": {"backbone": TINY_RESNET, "members": 2},
    "resnet_dropout_small": {"backbone": TINY_RESNET | {"dropout": 0.1}},
    "deep_ensemble_small": {"backbone": TINY_RESNET, "networks": 2},
    "gaussian_small": {"backbone": TINY_RESNET},
    "resnet_on_linear_small": {"backbone": TINY_RESNET},
    "noise_conditioned": {"backbone": TINY_VIT, "noise": 4, "members": 2},
    "noise_conditioned_small": {"backbone": TINY_RESNET, "noise": 4, "members": 2},
    "column_mlp": {"hidden": [8, 8]},
    "column_mlp_small": {"hidden": [8, 8]},
    "column_encoder_decoder": {"hidden": [8, 4, 8]},
    "column_cnn": {"channels": 8, "blocks": 2},
    "column_unet": {"channels": 8, "multiples": [1, 2], "blocks": 1, "attention": [4]},
    "column_lstm": {"hidden": 4, "layers": 2},
    "heteroskedastic_regression": {"width": 8, "layers": 2, "mean_first_steps": 0},
    "conditional_vae": {"width": 8, "layers": 1, "members": 2},
    "column_randomised_prior": {"members": 2, "network": TINY_COLUMN},
    "column_multi_fidelity": {"members": 2, "network": TINY_COLUMN},
    "quantile_lstm": {"backbone": TINY_LSTM, "quantiles": 3},
    "diffusion": {"backbone": TINY_RESNET, "levels": 2},
    "diffusion_small": {"backbone": TINY_RESNET, "levels": 2},
    "feature_regression": {"windows": [2, 3], "lags": [1, 2]},
    "rolling_mean": {"window": 2},
    "seasonal_naive": {"period": 3, "hours": 72},
    "xgboost": {"windows": [2, 3], "lags": [1, 2], "trees": {"rounds": 5}, "quantiles": 3},
    "xgboost_small": {"windows": [2], "lags": [1], "trees": {"rounds": 5}},
}
ONE_FIELD = replace(  # small enough for the equations of the whole field
    REGIONAL, inputs=("temperature_850",), forcings=(), targets=("temperature_850",)
)
EMULATION = replace(
    GLOBAL, inputs=("carbon_dioxide", "methane"), forcings=(), static=(), history=1, leads=1
)

AGENTS = ("carbon_dioxide", "methane", "sulphur_dioxide", "black_carbon")
NEED_WEATHER = {  # to start from
    "persistence",
    "damped_persistence",
    "linear_interpolation",
    "harmonic_fill",
    "nearest",
    "bilinear",
    "bicubic",
    "quantile_mapping",
    "bcsd",
}
NEED_THE_GLOBE = {"sfno", "sfno_small"}  # spherical harmonics
NEED_AGENTS = {  # emissions of every agent, year by year
    "pattern_scaling_multivariate",
    "pattern_scaling_lagged",
    "gaussian_process",
    "random_forest",
}


def config(name: str) -> ModelConfig:
    return ModelConfig(**yaml.safe_load(CONFIGS[name].read_text()))


def layouts(name: str) -> tuple[str, ...]:
    """What a model answers questions of: maps, where neither it nor a network inside says else."""
    network = config(name).network
    kinds = [network, *(network[part] for part in ("backbone", "network") if part in network)]
    known = [getattr(locate(kind["_target_"]), "layouts", ("map",)) for kind in kinds]
    return tuple(layout for layout in known[0] if all(layout in each for each in known))


ON_MAPS = sorted(name for name in CONFIGS if "map" in layouts(name))


def question(name: str, usual: Signature) -> Signature:
    if "map" not in layouts(name):
        return STATIONS if "stations" in layouts(name) else COLUMNS
    if name == "linear_interpolation":
        return replace(usual, history=2, input_hours=(0, 60))
    if name == "harmonic_fill":
        seen = tuple(f"seen_{channel}" for channel in usual.targets)
        return replace(usual, forcings=(*usual.forcings, *seen))
    if name == "resnet_on_linear_small":
        return replace(usual, leads=1)
    if name not in NEED_AGENTS:
        return usual
    return replace(usual, inputs=AGENTS, forcings=(), history=4, leads=1)


def builder(name: str) -> Build:
    node = config(name).network | OPTIONS.get(name, {})
    return lambda signature: instantiate(node, signature=signature)


@pytest.mark.parametrize("name", CONFIGS)
def test_configuration_is_named_as_its_file(name):
    assert config(name).name == name


@pytest.mark.parametrize("name", CONFIGS)
def test_closed_form_models_have_no_optimizer_and_networks_do(name):
    closed_form = isinstance(builder(name)(question(name, GLOBAL)), ClosedForm)
    assert closed_form == (config(name).optimizer is None)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", CONFIGS)
def test_globe(name, check):
    CHECKS[check](builder(name), question(name, GLOBAL))


@pytest.mark.parametrize("name", sorted(set(ON_MAPS) - NEED_WEATHER))
def test_emulation_without_weather_to_start_from(name):
    CHECKS["shape"](builder(name), question(name, EMULATION))


@pytest.mark.parametrize("name", sorted(set(ON_MAPS) - NEED_THE_GLOBE))
def test_region_of_odd_size(name):
    usual = ONE_FIELD if name == "linear_regression_field" else REGIONAL
    CHECKS["shape"](builder(name), question(name, usual))


@pytest.mark.parametrize("name", [name for name in CONFIGS if "stations" in layouts(name)])
def test_stations(name):
    CHECKS["shape"](builder(name), STATIONS)


@pytest.mark.parametrize("name", [name for name in CONFIGS if "columns" in layouts(name)])
def test_columns(name):
    CHECKS["shape"](builder(name), COLUMNS)


@pytest.mark.parametrize("name", ["resnet_small", "vit_small", "climax_small"])
def test_untrained_residual_network_is_persistence(name):
    sample = random_sample(GLOBAL, 2)
    answer = builder(name)(GLOBAL).eval()(sample)
    expected = sample.inputs[:, -1:, :2].expand(-1, 2, -1, -1, -1)
    torch.testing.assert_close(answer, expected, rtol=0, atol=0)


def test_resnet_without_coordinates_claims_to_turn_with_the_globe():
    assert builder("resnet")(GLOBAL).longitude_equivariant
    assert not builder("resnet")(REGIONAL).longitude_equivariant
    assert not builder("resnet_small")(GLOBAL).longitude_equivariant
