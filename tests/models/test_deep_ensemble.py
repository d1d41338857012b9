"""Deep ensembles: networks of one kind that know nothing of each other."""

from types import SimpleNamespace

import pytest
import torch
from small_backbones import RESNET, WEIGHTS, asked, shaken

from climbench.config import OptimizerConfig
from climbench.errors import UserError
from climbench.models.deep_ensemble import DeepEnsemble
from climbench.tasks.task import Normalisation
from climbench.testing.model_contract import GLOBAL
from climbench.training.gradient import GradientModule

PLAIN = RESNET | {"dropout": 0.0, "residual": False}


def test_forward_is_the_mean_of_members_that_differ():
    model, sample = DeepEnsemble(GLOBAL, PLAIN, networks=3).eval(), asked(2)
    members = torch.stack([model.draw(sample, member) for member in range(model.members)])
    assert model.members == 3
    assert bool((members.std(dim=0) > 0).all())
    torch.testing.assert_close(model(sample), members.mean(dim=0))


def test_each_network_learns_from_its_own_error_alone():
    model, sample = DeepEnsemble(GLOBAL, PLAIN, networks=2), asked(3)
    model.loss(sample, WEIGHTS).backward()
    alone = model.networks[0]
    together = [2 * weight.grad for weight in alone.parameters()]
    alone.zero_grad()
    (alone(sample) - sample.targets).square().mean().backward()
    for one, other in zip(together, alone.parameters(), strict=True):
        torch.testing.assert_close(one, other.grad, rtol=1e-4, atol=1e-6)


def test_a_steep_network_does_not_slow_down_the_others():
    model, sample = DeepEnsemble(GLOBAL, PLAIN, networks=2), asked(3)
    model.networks[1].head[-1].bias.data += 100.0
    model.loss(sample, WEIGHTS).backward()
    alone = 2 * norm_of_gradient(model.networks[0])
    channels = {*GLOBAL.inputs, *GLOBAL.forcings, *GLOBAL.static}
    scale = Normalisation(tuple(channels), (0.0,) * len(channels), (1.0,) * len(channels))
    module = GradientModule(model, GLOBAL, scale, {}, optimizer=OptimizerConfig(learning_rate=1e-3))
    module._trainer = SimpleNamespace(strategy=SimpleNamespace(model=module))
    module.configure_gradient_clipping(None, alone / 2)
    for network in model.networks:  # of the mean of two losses
        assert norm_of_gradient(network) == pytest.approx(alone / 4, rel=1e-3)


def norm_of_gradient(network):
    return float(torch.stack([weight.grad.norm() for weight in network.parameters()]).norm())


def test_networks_that_draw_are_asked_in_turn():
    node = {
        "_target_": "climbench.models.gaussian_head.GaussianHead",
        "backbone": PLAIN,
        "members": 3,
    }
    model, sample = shaken(DeepEnsemble(GLOBAL, node, networks=2)), asked(2)
    assert model.members == 6
    assert not model.forward_is_mean_of_members
    torch.testing.assert_close(model.draw(sample, 5), model.networks[1].draw(sample, 5))
    torch.testing.assert_close(model(sample), sum(one(sample) for one in model.networks) / 2)
    assert len({float(model.draw(sample, member).detach().sum()) for member in range(6)}) == 6


def test_mistakes():
    with pytest.raises(UserError, match="2 or more"):
        DeepEnsemble(GLOBAL, PLAIN, networks=1)
