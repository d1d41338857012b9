"""Networks at stations: what they can learn, what they must not see, gaps, and sizes."""

from dataclasses import replace

import pytest
import torch

from climbench.errors import UserError
from climbench.models.dlinear import DLinear
from climbench.models.mfmgcn import MFMGCN
from climbench.models.recurrent import RecurrentNetwork
from climbench.models.station_parts import StationInput, forward_filled
from climbench.models.stgcn import STGCN
from climbench.models.tgcn import TGCN
from climbench.testing.model_contract import STATIONS, random_sample

NETWORKS = {
    "dlinear": DLinear,
    "lstm": lambda signature: RecurrentNetwork(signature, "lstm", hidden=8),
    "gru": lambda signature: RecurrentNetwork(signature, "gru", hidden=8),
    "tgcn": lambda signature: TGCN(signature, hidden=8),
    "stgcn": lambda signature: STGCN(signature, wide=8, narrow=4),
    "mfmgcn": lambda signature: MFMGCN(signature, hidden=8, dynamic=4),
}
OF_NEIGHBOURS = {"tgcn", "stgcn", "mfmgcn"}
LEAD = replace(STATIONS, leads=1, forcings=())


def built(name, signature=LEAD):
    torch.manual_seed(0)
    network = NETWORKS[name](signature)
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape)
    return network.eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_a_gap_is_answered_and_its_false_value_unknown(name):
    sample = random_sample(LEAD, 2)
    gap = sample._replace(inputs=sample.inputs.clone())
    gap.inputs[0, 1:, :, 0, 2] = torch.nan
    network = built(name)
    with torch.no_grad():
        assert network(gap).isfinite().all()
        torch.testing.assert_close(network(gap)[1], network(sample)[1])


@pytest.mark.parametrize("name", NETWORKS)
def test_only_graphs_look_at_other_stations(name):
    sample = random_sample(LEAD, 2)
    moved = sample._replace(inputs=sample.inputs.clone())
    moved.inputs[..., 0] += 1.0
    network = built(name)
    with torch.no_grad():
        same = torch.allclose(network(sample)[..., 1:], network(moved)[..., 1:], atol=1e-6)
    assert same == (name not in OF_NEIGHBOURS)


@pytest.mark.parametrize("name", ["lstm", "gru", "tgcn", "stgcn", "mfmgcn"])
def test_untrained_it_is_persistence(name):
    sample = random_sample(LEAD, 2)
    last = sample.inputs[:, -1:, [LEAD.inputs.index(target) for target in LEAD.targets]]
    torch.testing.assert_close(NETWORKS[name](LEAD)(sample), last)


@pytest.mark.parametrize("name", ["tgcn", "stgcn", "mfmgcn"])
def test_what_comes_from_the_neighbour_can_be_learnt(name):
    """Each changes by the mean of all; from itself it knows a fifth, which leaves 4/25 of error."""
    torch.manual_seed(0)
    network = NETWORKS[name](LEAD)
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    losses = []
    for step in range(400):
        sample = random_sample(LEAD, 32, seed=step)
        last = sample.inputs[:, -1:, :2]
        truth = last + last.mean(-1, keepdim=True)
        loss = (network(sample) - truth).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-20:]) / 20 < 0.13


def test_dlinear_is_two_straight_lines_by_hand():
    question = replace(LEAD, targets=("2m_temperature",))
    network = DLinear(question, window=3)
    sample = random_sample(question, 2)
    x = sample.inputs[:, :, question.inputs.index("2m_temperature"), 0]
    smooth = torch.stack(
        [(2 * x[:, 0] + x[:, 1]) / 3, x.mean(1), (x[:, 1] + 2 * x[:, 2]) / 3], dim=1
    )
    expected = sum(
        torch.einsum("bhs,h->bs", part, layer.weight[0]) + layer.bias
        for part, layer in ((smooth, network.trend), (x - smooth, network.remainder))
    )
    torch.testing.assert_close(network(sample)[:, 0, 0, 0], expected)


def test_a_long_history_of_the_published_sizes():
    """12 steps as published: 12 - 4 x 2 are left for the last convolution."""
    question = replace(LEAD, history=12)
    network = STGCN(question)
    assert network.last.kernel == 4
    assert network(random_sample(question, 2)).shape == (2, 1, 2, 1, 5)


def test_correlations_are_learnt_first_and_saved():
    network = MFMGCN(LEAD, hidden=8)
    network.fit_first([random_sample(LEAD, 40, seed=seed) for seed in range(3)])
    graph = network.by_correlation
    assert bool(network.fitted)
    torch.testing.assert_close(graph.sum(1), torch.ones(5))
    assert not torch.equal(graph, torch.eye(5))
    again = MFMGCN(LEAD, hidden=8)
    again.load_state_dict(network.state_dict())
    torch.testing.assert_close(again.by_correlation, graph)


def test_the_history_says_where_it_has_gaps():
    sample = random_sample(LEAD, 2)
    sample.inputs[0, 1, 0, 0, 3] = torch.nan
    given = StationInput(LEAD)
    steps = given.steps(sample)
    assert steps.shape == (2, 3, 5, given.each_step)
    place = sorted(LEAD.inputs).index(LEAD.inputs[0])
    assert steps[0, 1, 3, place] == steps[0, 0, 3, place]
    assert steps[0, 1, 3, place + 3] == 0
    assert steps[..., 3:].sum() == steps[..., 3:].numel() - 1
    assert given.still(sample).shape == (2, 5, given.once)
    assert forward_filled(sample.inputs).isfinite().all()


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: DLinear(LEAD, window=4), "'window' = 4 must be odd"),
        (lambda: DLinear(replace(LEAD, targets=("rain",))), "needs the target 'rain'"),
        (lambda: STGCN(LEAD, kernel=0), "'kernel' = 0 must be 1 or more"),
        (
            lambda: TGCN(replace(LEAD, places=((0.0, 0.0, 0.0),) * 5)),
            "'Oslo' has none: give its coordinates",
        ),
    ],
)
def test_a_mistake_is_one_sentence(build, sentence):
    with pytest.raises(UserError, match=sentence):
        build()
