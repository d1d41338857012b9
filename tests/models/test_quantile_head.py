"""Quantiles that never cross, whose score is the CRPS, at stations and on maps."""

from dataclasses import replace

import pytest
import torch

from climbench.errors import UserError
from climbench.models.ensemble_losses import almost_fair_crps
from climbench.models.quantile_head import QuantileHead
from climbench.testing.model_contract import GLOBAL, STATIONS, random_sample

LSTM = {"_target_": "climbench.models.recurrent.RecurrentNetwork", "hidden": 8, "layers": 1}
RESNET = {"_target_": "climbench.models.resnet.ResNet", "hidden_channels": 4, "blocks": 1}
EVEN = torch.ones(1, 1)


def test_quantiles_are_in_order_and_forward_is_their_mean():
    torch.manual_seed(0)
    for question, backbone in ((STATIONS, LSTM), (GLOBAL, RESNET)):
        head = QuantileHead(question, backbone, quantiles=7).eval()
        for parameter in head.parameters():
            parameter.data += torch.randn(parameter.shape)
        sample = random_sample(question, 2)
        with torch.no_grad():
            quantiles = torch.stack([head.draw(sample, member) for member in range(7)])
            assert (quantiles.diff(dim=0) >= 0).all()
            torch.testing.assert_close(quantiles.mean(0), head(sample))


def test_the_score_of_its_quantiles_is_the_crps_of_the_ensemble():
    """For quantiles at the middles of equal parts both are the same number, to the last digit."""
    head = QuantileHead(STATIONS, LSTM, quantiles=5).eval()
    sample = random_sample(STATIONS, 3)
    with torch.no_grad():
        members = head.distribution(sample)
        expected = almost_fair_crps(members, sample.targets, alpha=0.0).mean()
        torch.testing.assert_close(head.loss(sample, EVEN), expected)


def test_the_quantiles_of_a_distribution_are_found():
    question = replace(STATIONS, leads=1, forcings=(), targets=("2m_temperature",))
    torch.manual_seed(0)
    head = QuantileHead(question, LSTM, quantiles=5)
    optimizer = torch.optim.Adam(head.parameters(), 0.03)
    drawn = torch.distributions.Exponential(1.0)
    for step in range(400):
        sample = random_sample(question, 64, seed=step)
        last = sample.inputs[:, -1:, [question.inputs.index("2m_temperature")]]
        sample = sample._replace(targets=last + drawn.sample(last.shape))
        optimizer.zero_grad()
        head.loss(sample, EVEN).backward()
        optimizer.step()
    with torch.no_grad():
        found = (head.distribution(sample) - last).flatten(1).mean(1)
    expected = -torch.log(1 - head.levels)  # of the exponential distribution
    torch.testing.assert_close(found, expected, atol=0.12, rtol=0.12)


def test_a_missing_truth_counts_nowhere():
    head = QuantileHead(STATIONS, LSTM, quantiles=3)
    sample = random_sample(STATIONS, 4)
    sample.targets[0] = torch.nan
    rest = sample._replace(
        **{name: getattr(sample, name)[1:] for name in sample._fields if name != "static"}
    )
    torch.testing.assert_close(head.loss(sample, EVEN), head.loss(rest, EVEN))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"quantiles": 4}, "'quantiles' = 4 must be odd"),
        ({"backbone": RESNET}, "ResNet answers questions of map, and this task is one of stations"),
    ],
)
def test_a_mistake_is_one_sentence(options, sentence):
    with pytest.raises(UserError, match=sentence):
        QuantileHead(STATIONS, **({"backbone": LSTM} | options))
