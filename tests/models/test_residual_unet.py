"""ClimateLearn's U-Net has the published size and runs on any grid."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from climbench.errors import UserError
from climbench.models.padding import Edges
from climbench.models.residual_unet import Doubling, ResidualUNet
from climbench.testing.model_contract import GLOBAL, REGIONAL, random_sample

CLIMATELEARN = replace(
    GLOBAL,
    inputs=tuple(f"variable_{number}" for number in range(49)),
    forcings=(),
    static=(),
    targets=("variable_0", "variable_1", "variable_2"),
    history=3,
    leads=1,
)
SMALL = {"hidden_channels": 4, "blocks": 1}


def block(inputs: int, outputs: int) -> int:
    """Two convolutions with biases and norms, and a 1 x 1 map where the width changes."""
    convolutions = 9 * outputs * (inputs + outputs) + 2 * outputs
    return convolutions + 4 * outputs + (outputs * inputs + outputs if inputs != outputs else 0)


def test_parameters_are_those_published_plus_the_lead_time_channel():
    down = [(64, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256)]
    # what a block of the way up sees: its level's maps and one of the way down
    up = [(512, 256), (512, 256), (384, 128), (256, 128), (256, 128), (192, 64), (128, 64),
          (128, 64), (128, 64)]  # fmt: skip
    halving = (9 * 64 * 64 + 64) + (9 * 128 * 128 + 128)
    doubling = (16 * 128 * 128 + 128) + (16 * 64 * 64 + 64)
    ends = (49 * 147 * 64 + 64) + 2 * 64 + (49 * 64 * 3 + 3)
    middle = 2 * block(256, 256)
    published = ends + halving + doubling + middle + sum(block(*widths) for widths in down + up)
    assert round(published / 1e6, 2) == 12.03
    with torch.device("meta"):
        model = ResidualUNet(CLIMATELEARN)
    count = sum(weight.numel() for weight in model.parameters())
    assert count == published + 49 * 64


@pytest.mark.parametrize("signature", [REGIONAL, replace(GLOBAL, latitude=(-90.0, 0.0, 90.0))])
def test_any_grid(signature):
    sample = random_sample(signature, 2)
    deep = ResidualUNet(signature, **SMALL, multipliers=(1, 2, 1, 2))
    assert deep(sample).shape == sample.targets.shape


def test_the_answer_turns_with_the_globe():
    torch.manual_seed(0)
    model, sample = ResidualUNet(GLOBAL, **SMALL).eval(), random_sample(GLOBAL, 1)
    turned = sample._replace(
        inputs=sample.inputs.roll(4, -1),  # two halvings: steps of 4
        forcings=sample.forcings.roll(4, -1),
        static=sample.static.roll(4, -1),
    )
    torch.testing.assert_close(model(turned), model(sample).roll(4, -1), rtol=1e-3, atol=1e-4)


def test_doubling_within_the_grid_is_the_transposed_convolution():
    torch.manual_seed(0)
    layer, fields = Doubling(2, Edges(True, 0, 0)), torch.randn(1, 2, 6, 8)
    plain = nn.functional.conv_transpose2d(fields, layer.weight, layer.bias, 2, 1)
    doubled = layer(fields, (12, 16))
    torch.testing.assert_close(doubled[..., 2:-2, 2:-2], plain[..., 2:-2, 2:-2])
    turned = layer(fields.roll(1, -1), (12, 16))
    torch.testing.assert_close(turned, doubled.roll(2, -1))


def test_untrained_with_residual_it_is_persistence():
    sample = random_sample(GLOBAL, 2)
    answer = ResidualUNet(GLOBAL, **SMALL, residual=True)(sample)
    torch.testing.assert_close(answer, sample.inputs[:, -1:, :2].expand(-1, 2, -1, -1, -1))


def test_no_blocks_are_refused():
    with pytest.raises(UserError, match="blocks = 0 must be at least 1"):
        ResidualUNet(GLOBAL, blocks=0)
