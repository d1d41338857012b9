"""Monte Carlo dropout: members differ by what is dropped, which member and sample decide."""

import pytest
import torch
from small_backbones import RESNET, VIT, WEIGHTS, asked, only, shaken
from torch import nn

from climbench.errors import UserError
from climbench.models.monte_carlo_dropout import MonteCarloDropout, keep
from climbench.testing.model_contract import GLOBAL


@pytest.mark.parametrize("backbone", [RESNET, VIT])
def test_members_do_not_depend_on_batch_or_order(backbone):
    model, sample = shaken(MonteCarloDropout(GLOBAL, backbone, members=3)), asked(3)
    drawn = model.draw(sample, 1)
    assert not torch.allclose(drawn, model.draw(sample, 2))
    torch.testing.assert_close(model.draw(only(sample, 2, 1), 1), drawn[[2, 1]])
    torch.testing.assert_close(model.draw(sample, 1), drawn, rtol=0, atol=0)


def test_forward_drops_nothing_and_drawing_leaves_no_trace():
    model, sample = shaken(MonteCarloDropout(GLOBAL, RESNET)), asked(2)
    before = model(sample)
    model.draw(sample, 0)
    torch.testing.assert_close(model(sample), before, rtol=0, atol=0)
    torch.testing.assert_close(model.backbone(sample), before, rtol=0, atol=0)


def test_a_layer_keeps_the_expectation():
    layer, generator = nn.Dropout(0.25), torch.Generator().manual_seed(0)
    factors = keep(layer, torch.Size((1, 100, 100)), generator)
    assert factors.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert float(factors.mean()) == pytest.approx(1.0, abs=0.02)


def test_dropout_of_maps_drops_whole_maps():
    factors = keep(nn.Dropout2d(0.5), torch.Size((1, 50, 4, 4)), torch.Generator().manual_seed(0))
    assert (factors == factors[..., :1, :1]).all()
    assert 0 < float(factors.mean()) < 2


def test_mean_of_many_members_is_near_the_answer_of_a_linear_network():
    network = nn.Sequential(nn.Linear(64, 64), nn.Dropout(0.5), nn.Linear(64, 64))
    model = MonteCarloDropout.__new__(MonteCarloDropout)
    nn.Module.__init__(model)
    model.layers, sample = [network[1]], asked(2)
    network.eval()
    model.backbone = OnInputs(network)
    with torch.no_grad():
        members = torch.stack([model.draw(sample, member) for member in range(100)])
        error = (members.mean(dim=0) - model(sample)).abs() / members.std(dim=0)
    assert float(error.mean()) < 2 / 100**0.5


class OnInputs(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, sample):
        return self.network(sample.inputs[:, -1, 0, :4, :].flatten(1))


def test_training_is_that_of_the_backbone():
    model, sample = MonteCarloDropout(GLOBAL, RESNET | {"residual": False}), asked(2)
    torch.manual_seed(0)
    loss = model.loss(sample, WEIGHTS)
    torch.manual_seed(0)
    expected = (model.backbone(sample) - sample.targets).square().mean()
    torch.testing.assert_close(loss, expected)


def test_mistakes():
    with pytest.raises(UserError, match="drops nothing: set its option 'dropout'"):
        MonteCarloDropout(GLOBAL, RESNET | {"dropout": 0.0})
    with pytest.raises(UserError, match="'members' = 1 must be 2"):
        MonteCarloDropout(GLOBAL, RESNET, members=1)
    with pytest.raises(UserError, match="no weights that gradients fit"):
        MonteCarloDropout(GLOBAL, {"_target_": "climbench.models.persistence.Persistence"})
    with pytest.raises(UserError, match="is no network of climbench"):
        MonteCarloDropout(GLOBAL, {"_target_": "torch.nn.Conv2d"})
