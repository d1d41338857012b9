"""The ResNet has the published size and turns with the globe."""

from dataclasses import replace

import pytest
import torch

from climbench.models.resnet import ResNet
from climbench.testing.model_contract import GLOBAL, random_sample

CLIMATELEARN = replace(
    GLOBAL,
    inputs=tuple(f"variable_{number}" for number in range(49)),
    forcings=(),
    static=(),
    targets=("variable_0", "variable_1", "variable_2"),
    history=3,
    leads=1,
)


def parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_parameters_are_those_published_plus_the_lead_time_channel():
    # ClimateLearn's 28 blocks of 128 channels, 49 inputs x 3 steps: 9.22 million.
    # stem 147 x 128 x 49 + 128, block 2 x (128 x 128 x 9 + 128 + 256), norm 256, head
    published = 922_112 + 28 * 295_680 + 256 + 18_819
    assert round(published / 1e6, 2) == 9.22
    lead_time = 128 * 7 * 7
    assert parameters(ResNet(CLIMATELEARN, blocks=28)) == published + lead_time


def test_lead_time_changes_the_answer():
    model, sample = ResNet(GLOBAL, 8, 1).eval(), random_sample(GLOBAL, 2)
    later = sample._replace(lead_time=sample.lead_time + 24)
    assert not torch.allclose(model(sample), model(later))


@pytest.mark.parametrize("option", ["calendar", "coordinates"])
def test_options_add_features(option):
    plain, richer = ResNet(GLOBAL, 8, 1), ResNet(GLOBAL, 8, 1, **{option: True})
    assert richer.input.count > plain.input.count
    sample = random_sample(GLOBAL, 2)
    assert richer(sample).shape == sample.targets.shape


def test_it_learns_a_linear_world():
    torch.manual_seed(0)
    signature = replace(GLOBAL, leads=1, history=1)
    sample = random_sample(signature, 16)
    target = sample.inputs[:, :, :2].roll(1, -1)  # advection by one column
    model = ResNet(signature, 16, 1, dropout=0.0)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    for _ in range(40):
        optimizer.zero_grad()
        loss = (model(sample) - target).square().mean()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.2  # of a variance of 1
