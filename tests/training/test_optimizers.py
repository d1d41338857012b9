"""Keras's RMSprop, and a learning rate that falls by the same factor every epoch."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from climbench.config import OptimizerConfig
from climbench.tasks.task import Normalisation
from climbench.testing.model_contract import GLOBAL
from climbench.training.gradient import OPTIMIZERS, GradientModule, learning_rate_factor


def test_first_step_of_rmsprop_is_that_of_keras():
    # v = 0.9 * 0 + 0.1 * g^2, then w -= rate * g / (sqrt(v) + 1e-7)
    weight = nn.Parameter(torch.tensor([1.0, 1.0]))
    weight.grad = torch.tensor([2.0, -1e-7])
    OPTIMIZERS["rmsprop"]([weight], lr=1e-3).step()
    small = 1e-3 * 1e-7 / (0.1**0.5 * 1e-7 + 1e-7)
    assert weight.tolist() == pytest.approx([1 - 1e-3 / 0.1**0.5, 1 + small], abs=1e-7)


def test_the_learning_rate_falls_by_the_factor_every_epoch():
    config = OptimizerConfig(learning_rate=0.8, schedule="exponential", factor_per_epoch=0.5)
    names = tuple(dict.fromkeys((*GLOBAL.inputs, *GLOBAL.forcings, *GLOBAL.static)))
    scale = Normalisation(names, (0.0,) * len(names), (1.0,) * len(names))
    module = GradientModule(nn.Linear(1, 1), GLOBAL, scale, {}, optimizer=config)
    module._trainer = SimpleNamespace(max_epochs=3, estimated_stepping_batches=30, callbacks=[])
    made = module.configure_optimizers()
    rates = []
    for _ in range(30):
        rates.append(made["optimizer"].param_groups[0]["lr"])
        made["optimizer"].step()
        made["lr_scheduler"]["scheduler"].step()
    assert rates[9::10] == pytest.approx([0.4, 0.2, 0.1])
    assert rates[1] / rates[0] == pytest.approx(0.5**0.1)


def test_the_warm_up_comes_first():
    assert learning_rate_factor(0.05, 0.1, "exponential", 0.5) == 0.5
    assert learning_rate_factor(1.0, 0.1, "exponential", 0.5) == 0.5


def test_a_factor_goes_with_the_exponential_schedule_only():
    with pytest.raises(ValueError, match="go together"):
        OptimizerConfig(learning_rate=1e-3, schedule="exponential")
    with pytest.raises(ValueError, match="go together"):
        OptimizerConfig(learning_rate=1e-3, factor_per_epoch=0.9)
