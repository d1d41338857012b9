"""Noise that modulates layers: learns a known spread, belongs to member and sample."""

import copy
from pathlib import Path

import pytest
import torch
import yaml
from small_backbones import RESNET, VIT, WEIGHTS, asked, only, shaken, with_gap
from torch import nn

from climbench.config import instantiate
from climbench.errors import UserError
from climbench.models.conditional_norm import ConditionalNorm
from climbench.models.ensemble_losses import almost_fair_crps
from climbench.models.noise_conditioned import NoiseConditioned
from climbench.testing.model_contract import GLOBAL

CONF = Path(__file__).parents[2] / "conf" / "model"
UNET = {"_target_": "climbench.models.unet.UNet", "encoder": [[4], [4]], "decoder": [4, 4]}


@pytest.mark.parametrize(
    ("norm", "shape", "features_last"),
    [
        (nn.BatchNorm2d(6).eval(), (4, 6, 3, 5), False),
        (nn.GroupNorm(2, 6), (4, 6, 3, 5), False),
        (nn.InstanceNorm2d(6), (4, 6, 3, 5), False),
        (nn.LayerNorm(6), (4, 7, 6), True),
    ],
)
def test_a_norm_is_scaled_and_shifted_by_the_condition(norm, shape, features_last):
    layer, fields = ConditionalNorm(norm, 2), torch.randn(shape)
    layer.condition = torch.randn(2, 2)  # two samples of two rows each, such as windows
    torch.testing.assert_close(layer(fields), norm(fields))
    nn.init.normal_(layer.project.weight)
    scale, shift = layer.project(layer.condition)[1].chunk(2)
    expected = norm(fields)[2:].transpose(1, -1) if not features_last else norm(fields)[2:]
    expected = expected * (1 + scale) + shift
    got = layer(fields)[2:] if features_last else layer(fields)[2:].transpose(1, -1)
    torch.testing.assert_close(got, expected)


def test_fields_that_all_samples_share_are_modulated_for_each():
    layer, shared = ConditionalNorm(nn.LayerNorm(6), 2), torch.randn(1, 7, 6)
    nn.init.normal_(layer.project.weight)
    layer.condition = torch.randn(3, 2)
    got = layer(shared)
    torch.testing.assert_close(got, layer(shared.expand(3, -1, -1)))
    assert not torch.allclose(got[0], got[1])


@pytest.mark.parametrize("backbone", [RESNET, VIT, UNET])
def test_members_do_not_depend_on_batch_or_order(backbone):
    model, sample = shaken(NoiseConditioned(GLOBAL, backbone, noise=4, noise_maps=1)), asked(3)
    drawn = model.draw(sample, 1)
    assert not torch.allclose(drawn, model.draw(sample, 2))
    torch.testing.assert_close(model.draw(only(sample, 2, 1), 1), drawn[[2, 1]])
    torch.testing.assert_close(
        model(sample), torch.stack([model.draw(sample, m) for m in range(8)]).mean(dim=0)
    )


def test_it_starts_as_the_backbone():
    model, sample = NoiseConditioned(GLOBAL, VIT).eval(), asked(2)
    torch.testing.assert_close(model.draw(sample, 0), model.draw(sample, 1), rtol=0, atol=0)
    assert float(model.draw(sample, 0).detach().std()) > 0


def test_the_loss_is_the_almost_fair_crps_of_its_members():
    model, sample = shaken(NoiseConditioned(GLOBAL, RESNET, training_members=3)), asked(2)
    members = torch.stack([model.draw(sample, member) for member in range(3)])
    expected = almost_fair_crps(members, sample.targets, 0.95).mean()
    torch.testing.assert_close(model.loss(sample, WEIGHTS), expected)
    model.loss(with_gap(sample), WEIGHTS).backward()
    assert all(bool(torch.isfinite(weight.grad).all()) for weight in model.parameters())


def test_it_learns_a_pattern_of_random_sign_and_size():
    torch.manual_seed(0)
    network = {"_target_": "small_backbones.OneNorm"}
    model, sample = NoiseConditioned(GLOBAL, network, noise=2, members=64), asked(16)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for step in range(200):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - step / 200)
        truth = 1.0 + 0.5 * torch.randn(16, 1, 1, 1, 1).expand_as(sample.targets)
        loss = model.loss(sample._replace(targets=truth), WEIGHTS)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    members = torch.stack([model.draw(sample, member) for member in range(64)]).detach()
    assert float(members.mean()) == pytest.approx(1.0, abs=0.1)
    assert float(members.std(dim=0).mean()) == pytest.approx(0.5, abs=0.1)


def test_a_copy_has_weights_of_its_own():
    model, sample = shaken(NoiseConditioned(GLOBAL, RESNET)), asked(1)
    other, before = copy.deepcopy(model), model.draw(sample, 0)
    for weight in other.parameters():
        weight.data.zero_()
    torch.testing.assert_close(model.draw(sample, 0), before, rtol=0, atol=0)
    assert not torch.allclose(other.draw(sample, 0), before)


def test_published_size_adds_a_modulation_of_every_norm():
    node = yaml.safe_load((CONF / "noise_conditioned.yaml").read_text())["network"]
    with torch.device("meta"):
        model = instantiate(node, signature=GLOBAL)
        backbone = instantiate(node["backbone"], signature=GLOBAL)
    norms, width, noise = 2 * 8 + 1, 128, 32  # two in each of 8 blocks, one before the head
    added = norms * 2 * width * (noise + 1)
    assert size(model) - size(backbone) == added == 143_616


def size(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


def test_mistakes():
    mlp = {"_target_": "climbench.models.mlp.MLP", "width": 4, "depth": 1}
    with pytest.raises(UserError, match=r"no normalisation layer.*'noise_maps'"):
        NoiseConditioned(GLOBAL, mlp)
    with pytest.raises(UserError, match="training_members = 1"):
        NoiseConditioned(GLOBAL, RESNET, training_members=1)
