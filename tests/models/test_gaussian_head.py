"""Gaussian heads: mean and variance of any backbone, learned from a known distribution."""

import math

import pytest
import torch
from small_backbones import RESNET, WEIGHTS, asked, shaken, with_gap
from torch.distributions import Normal

from climbench.models.ensemble_losses import almost_fair_crps, gaussian_crps
from climbench.models.gaussian_head import GaussianHead
from climbench.testing.model_contract import GLOBAL


def test_untrained_residual_head_is_persistence_with_a_deviation_of_one():
    model, sample = GaussianHead(GLOBAL, RESNET).eval(), asked(2)
    mean, deviation = model.distribution(sample)
    torch.testing.assert_close(mean, sample.inputs[:, -1:, :2].expand_as(mean))
    torch.testing.assert_close(deviation, torch.ones_like(deviation), rtol=0.005, atol=0)


def test_members_have_the_mean_and_deviation_of_the_head():
    model, sample = shaken(GaussianHead(GLOBAL, RESNET)), asked(2)
    with torch.no_grad():
        mean, deviation = model.distribution(sample)
        members = torch.stack([model.draw(sample, member) for member in range(60)])
    scaled = (members - mean) / deviation
    assert float(scaled.mean()) == pytest.approx(0.0, abs=0.03)
    assert float(scaled.std()) == pytest.approx(1.0, abs=0.03)
    neighbours = (scaled * scaled.roll(1, -1)).mean()
    assert float(neighbours) == pytest.approx(0.0, abs=0.03)  # apart in space, as it says
    exact = gaussian_crps(mean, deviation, sample.targets).mean()
    assert float(almost_fair_crps(members, sample.targets, 1.0).mean()) == pytest.approx(
        float(exact), rel=0.03
    )


@pytest.mark.parametrize("score", ["crps", "likelihood"])
def test_either_score_is_best_at_the_true_deviation(score):
    model, sample = GaussianHead(GLOBAL, RESNET, score=score).eval(), asked(8)
    truth = sample.inputs[:, -1:, :2] + 0.5 * torch.randn(
        sample.targets.shape, generator=torch.Generator().manual_seed(0)
    )
    losses = []
    for deviation in (0.3, 0.5, 0.8):
        order = sorted([*GLOBAL.targets, *(f"{name}_log_variance" for name in GLOBAL.targets)])
        bias = [2 * math.log(deviation) * name.endswith("log_variance") for name in order]
        model.backbone.head[-1].bias.data = torch.tensor(bias).repeat(GLOBAL.leads)
        found = model.distribution(sample)[1]
        torch.testing.assert_close(found, torch.full_like(found, deviation), rtol=0.005, atol=0)
        losses.append(float(model.loss(sample._replace(targets=truth), WEIGHTS).detach()))
    assert losses[1] == min(losses)


@pytest.mark.parametrize(("wrong", "bound"), [(-12.0, math.exp(-4.5)), (9.0, math.exp(2.5))])
def test_a_deviation_beyond_its_bounds_comes_back(wrong, bound):
    model, sample = GaussianHead(GLOBAL, RESNET, score="likelihood").eval(), asked(2)
    model.backbone.head[-1].bias.data.fill_(wrong)
    mean, deviation = model.distribution(sample)
    assert float(deviation.detach().log().abs().max()) == pytest.approx(
        abs(math.log(bound)), rel=0.02
    )
    # the truth one deviation of 1 away from the mean
    model.loss(sample._replace(targets=mean.detach() + 1.0), WEIGHTS).backward()
    gradient = model.backbone.head[-1].bias.grad
    assert bool((gradient.abs() > 0).all())


def test_likelihood_is_that_of_torch_and_gaps_are_left_out():
    model, sample = shaken(GaussianHead(GLOBAL, RESNET, score="likelihood")), with_gap(asked(2))
    seen = torch.isfinite(sample.targets)
    mean, deviation = model.distribution(sample)
    truth = sample.targets.nan_to_num()
    expected = -Normal(mean, deviation).log_prob(truth)[seen].mean() - 0.918938533
    loss = model.loss(sample, WEIGHTS)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
    loss.backward()
    assert all(bool(torch.isfinite(weight.grad).all()) for weight in model.parameters())
