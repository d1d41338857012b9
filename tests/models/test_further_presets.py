"""Presets that change options of another have the published sizes."""

from dataclasses import replace

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from climbench.config import ModelConfig, instantiate
from climbench.config.folders import conf_folder
from climbench.models.climax_variables import PUBLISHED_VARIABLES
from climbench.tasks.sample import Signature
from climbench.testing.model_contract import GLOBAL

FIELDS = tuple(f"variable_{number}" for number in range(49))


def question(rows: int, **options: object) -> Signature:
    """Return a question on a global grid of twice as many columns as rows, at lead 0."""
    step = 180 / rows
    return replace(
        GLOBAL,
        latitude=tuple(-90 + step * (row + 0.5) for row in range(rows)),
        longitude=tuple(step * column for column in range(2 * rows)),
        **{"forcings": (), "static": (), "history": 1, "leads": 1} | options,
    )


FORECAST = question(32, inputs=FIELDS, targets=FIELDS[:3], history=3)
FINE = question(64, inputs=FIELDS[:5], targets=FIELDS[:3])
CLIMAX = question(128, inputs=PUBLISHED_VARIABLES, targets=PUBLISHED_VARIABLES[3:6])


def resnet(maps: int) -> int:
    """Return the parameters of 28 blocks of 128 channels: stem, blocks, norm, head."""
    return (maps * 128 * 49 + 128) + 28 * 2 * (128 * 128 * 9 + 3 * 128) + 256 + 128 * 3 * 49 + 3


# ViT: patches of 2 x 2, lead, positions, 4 blocks, norm, a layer of the head and its last
VIT = (20 * 128 + 128) + 256 + 32 * 64 * 128 + 4 * 198_272 + 256 + 16_512 + 129 * 3 * 4
# ClimaX on 128 x 256 instead of 32 x 64 cells: larger patches, more positions, a larger head
CLIMAX_FINE = 108_088_512 + 48 * 12 * 1024 + (32 * 64 - 16 * 32) * 1024 + 48 * 12 * 1025


@pytest.mark.parametrize(
    ("preset", "signature", "expected"),
    [
        ("resnet_forecasting", FORECAST, resnet(3 * 49 + 1)),  # with the lead time
        ("resnet_downscaling", FINE, resnet(5 + 1)),
        ("vit_downscaling", FINE, VIT),
        ("climax_downscaling", CLIMAX, CLIMAX_FINE),
    ],
)
def test_parameters_of(preset, signature, expected):
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        values = compose("train", [f"model={preset}"])["model"]
    model = ModelConfig(**OmegaConf.to_container(values, resolve=True))
    assert model.name == preset
    with torch.device("meta"):
        network = instantiate(model.network, signature=signature)
    assert sum(weight.numel() for weight in network.parameters()) == expected
