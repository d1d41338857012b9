"""Diffusion: formulae by hand, samples of known distributions, and a network that learns one."""

import math
from pathlib import Path

import pytest
import torch
import yaml
from small_backbones import RESNET, VIT, WEIGHTS, asked, only, shaken, with_gap

from climbench.config import instantiate
from climbench.errors import UserError
from climbench.models.denoising import (
    loss_weight,
    noise_level,
    precondition,
    sample_by_dpm_solver,
    schedule,
)
from climbench.models.diffusion import Diffusion
from climbench.testing.model_contract import GLOBAL

CONF = Path(__file__).parents[2] / "conf" / "model"
PLAIN = RESNET | {"dropout": 0.0, "residual": False}


def test_preconditioning_by_hand():
    factors = precondition(torch.tensor(3.0), deviation=4.0)
    by_hand = (16 / 25, 3 * 4 / 5, 1 / 5, math.log(3.0) / 4)
    assert [float(factor) for factor in factors] == pytest.approx(by_hand)
    assert float(loss_weight(torch.tensor(3.0), deviation=4.0)) == pytest.approx(25 / 144)


def test_a_network_sees_and_is_asked_for_fields_of_variance_one():
    clean, noise = torch.randn(2, 100_000, dtype=torch.float64)
    for sigma in (0.05, 1.0, 30.0):
        factors = precondition(torch.tensor(sigma, dtype=torch.float64))
        hidden = clean + sigma * noise
        assert float((factors.into * hidden).std()) == pytest.approx(1.0, abs=0.02)
        asked_for = (clean - factors.skip * hidden) / factors.out
        assert float(asked_for.std()) == pytest.approx(1.0, abs=0.02)


def test_noise_levels_go_from_the_highest_to_the_lowest():
    levels = schedule(20, 0.02, 88.0)
    assert (levels[0], levels[-1]) == (pytest.approx(88.0), pytest.approx(0.02))
    assert levels == sorted(levels, reverse=True)
    middle = noise_level(torch.tensor(0.5), 1.0, 3.0**7)  # ((3 + 1) / 2) ** 7
    assert float(middle) == pytest.approx(128.0)


def test_steps_of_the_solver_by_hand():
    # From level 4 to 1 by 2, then D once. x = 12; D(x; s) = x / 2: u = 6 + 3, x = 3 + 0.75 * 4.5
    answer = sample_by_dpm_solver(lambda x, s: x / 2, torch.tensor(3.0), [4.0, 1.0])
    assert float(answer) == pytest.approx(6.375 / 2)
    # D(x; s) = s does not see x: the answer is the last level.
    answer = sample_by_dpm_solver(lambda x, s: torch.full_like(x, s), torch.tensor(3.0), [4.0, 1.0])
    assert float(answer) == pytest.approx(1.0)


@pytest.mark.parametrize(("levels", "error"), [(20, 0.02), (80, 0.0025)])
@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (1.5, 0.4)])
def test_samples_of_a_normal_distribution_have_its_mean_and_deviation(
    mean, deviation, levels, error
):
    def best(x: torch.Tensor, sigma: float) -> torch.Tensor:
        total = deviation**2 + sigma**2
        return (deviation**2 * x + sigma**2 * mean) / total

    # The way is linear in the noise: two ends tell what becomes of all.
    low, high = sample_by_dpm_solver(best, torch.tensor([-1.0, 1.0]), schedule(levels, 0.02, 88.0))
    assert float(high + low) / 2 == pytest.approx(mean, abs=0.01)
    assert float(high - low) / 2 == pytest.approx(deviation, rel=error)


def test_few_levels_of_the_small_preset_make_nearly_the_right_spread():
    node = yaml.safe_load((CONF / "diffusion_small.yaml").read_text())["network"]
    levels = schedule(node["levels"], node["lowest"], node["highest"])
    for deviation in (1.0, 0.4):

        def best(x: torch.Tensor, sigma: float, of: float = deviation) -> torch.Tensor:
            return of**2 / (of**2 + sigma**2) * x

        ends = sample_by_dpm_solver(best, torch.tensor([-1.0, 1.0]), levels)
        assert float(ends.diff()) / 2 == pytest.approx(deviation, rel=0.03)


def test_samples_of_two_points_are_these_points():
    def best(x: torch.Tensor, sigma: float) -> torch.Tensor:  # of -1 and 1, equally likely
        return torch.tanh(x / sigma**2)

    noise = torch.randn(4000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    drawn = sample_by_dpm_solver(best, noise, schedule(20, 0.02, 88.0))
    torch.testing.assert_close(drawn.abs(), torch.ones_like(drawn), rtol=0, atol=0.01)
    assert float((drawn > 0).double().mean()) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(("backbone", "noise"), [(PLAIN, "sphere"), (VIT, "cells")])
def test_members_do_not_depend_on_batch_or_order(backbone, noise):
    model, sample = shaken(Diffusion(GLOBAL, backbone, levels=3, noise=noise)), asked(3)
    drawn = model.draw(sample, 1)
    assert not torch.allclose(drawn, model.draw(sample, 2))
    torch.testing.assert_close(model.draw(only(sample, 2, 1), 1), drawn[[2, 1]], atol=1e-4, rtol=0)


def test_changes_are_scaled_by_their_size_in_training():
    model, sample = Diffusion(GLOBAL, PLAIN), asked(4)
    change = torch.tensor([[0.5, 2.0], [3.0, 1.0]])[:, :, None, None]  # of lead and target
    truth = sample.inputs[:, -1:, :2] + change * torch.randn_like(sample.targets).sign()
    model.loss(with_gap(sample._replace(targets=truth)), WEIGHTS).backward()
    torch.testing.assert_close(model.scale(), change)
    assert all(bool(torch.isfinite(weight.grad).all()) for weight in model.parameters())
    model.eval().loss(sample, WEIGHTS)  # evaluation leaves it alone
    torch.testing.assert_close(model.scale(), change)


def test_members_of_a_perfect_denoiser_have_the_right_mean_and_deviation():
    model, sample = Diffusion(GLOBAL, PLAIN, levels=20, members=4).eval(), asked(2)
    model.scale.see(torch.tensor([[3.0, 4.0]]).expand(2, 2)[None, ..., None, None])

    def best(fields: torch.Tensor, sigma: torch.Tensor, sample: object) -> torch.Tensor:
        spread, mean = 0.25, 0.5  # of the change over its size
        level = sigma[:, None, None, None, None] ** 2
        return (spread**2 * fields + level * mean) / (spread**2 + level)

    model.denoise = best
    last = sample.inputs[:, -1:, :2]
    members = torch.stack([model.draw(sample, member) - last for member in range(40)])
    got = members.mean(dim=(0, 1, 2, 4, 5)), members.std(dim=(0, 1, 2, 4, 5))
    torch.testing.assert_close(got[0], torch.tensor([1.5, 2.0]), rtol=0.03, atol=0)
    torch.testing.assert_close(got[1], torch.tensor([0.75, 1.0]), rtol=0.05, atol=0)
    torch.testing.assert_close(
        (model(sample) - last).mean(dim=(0, 1, 3, 4)), got[0], rtol=0.03, atol=0
    )


@pytest.mark.slow
def test_it_learns_a_known_distribution():
    torch.manual_seed(0)
    model, sample = Diffusion(GLOBAL, PLAIN, levels=8, noise="cells", highest=20.0), asked(8)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for step in range(600):
        optimizer.param_groups[0]["lr"] = 0.01 * (1 - step / 600)
        size = 0.5 * torch.randn(8, 1, 1, 1, 1)
        truth = sample.inputs[:, -1:, :2] + 1.0 + size.expand_as(sample.targets)
        loss = model.loss(sample._replace(targets=truth), WEIGHTS)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    last = sample.inputs[:, -1:, :2]
    with torch.no_grad():
        expected = (model(sample) - last).mean()
        members = torch.stack([model.draw(sample, member) - last for member in range(24)])
    assert float(expected) == pytest.approx(1.0, abs=0.3)
    assert float(members.mean()) == pytest.approx(1.0, abs=0.3)
    assert 0.25 < float(members.std(dim=0).mean()) < 0.9


def test_published_size_adds_what_tells_noise_and_hidden_fields():
    node = yaml.safe_load((CONF / "diffusion.yaml").read_text())["network"]
    with torch.device("meta"):
        model = instantiate(node, signature=GLOBAL)
        backbone = instantiate(node["backbone"], signature=GLOBAL)
    sizes = [sum(weight.numel() for weight in one.parameters()) for one in (model, backbone)]
    norms = (2 * 19 + 1) * 2 * 128 * (64 + 1)  # scale and shift of 128 channels from 64 numbers
    embedding = (32 + 1) * 64 + (64 + 1) * 64
    shown = 2 * (2 * 2 + 1) * 128 * 7 * 7  # two steps of leads x targets and the level, in the stem
    assert sizes[0] - sizes[1] == norms + embedding + shown


def test_mistakes():
    with pytest.raises(UserError, match="option 'residual' to false"):
        Diffusion(GLOBAL, RESNET)
    with pytest.raises(UserError, match="levels = 1"):
        Diffusion(GLOBAL, PLAIN, levels=1)
