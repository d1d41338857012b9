"""The CNN-LSTM has the published size, and Keras's recurrence in place of torch's."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from climbench.models.cnn_lstm import CNNLSTM, RectifiedLSTM
from climbench.testing.model_contract import GLOBAL, random_sample

CLIMATEBENCH = replace(
    GLOBAL,
    inputs=("black_carbon", "carbon_dioxide", "methane", "sulphur_dioxide"),
    forcings=(),
    static=(),
    targets=("tas",),
    history=10,
    leads=1,
    latitude=tuple(np.linspace(-90.0, 90.0, 96).tolist()),
    longitude=tuple(2.5 * column for column in range(144)),
)
SMALL = replace(CLIMATEBENCH, history=3, latitude=GLOBAL.latitude, longitude=GLOBAL.longitude)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_parameters_are_those_published():
    # convolution 20 x (4 x 9 + 1), recurrence 4 x 25 x (20 + 25 + 1), dense 13,824 x (25 + 1)
    with torch.device("meta"):
        model = CNNLSTM(CLIMATEBENCH)
    assert sum(weight.numel() for weight in model.parameters()) == 364_764


def test_recurrence_is_that_of_keras_with_rectifiers():
    torch.manual_seed(0)
    layer = RectifiedLSTM(3, 2)
    steps = torch.randn(4, 5, 3)
    kernel, recurrent, bias = (
        w.detach().numpy() for w in (layer.step.weight, layer.recurrent.weight, layer.step.bias)
    )
    output, cell = np.zeros((4, 2)), np.zeros((4, 2))
    for year in range(5):
        z = steps[:, year].numpy() @ kernel.T + output @ recurrent.T + bias
        i, f, g, o = z[:, :2], z[:, 2:4], z[:, 4:6], z[:, 6:]  # the order of Keras
        cell = sigmoid(f) * cell + sigmoid(i) * np.maximum(g, 0)
        output = sigmoid(o) * np.maximum(cell, 0)
    np.testing.assert_allclose(layer(steps).detach(), output, rtol=1e-5, atol=1e-7)


def test_the_forget_gate_starts_open():
    assert RectifiedLSTM(3, 2).step.bias.tolist() == [0, 0, 1, 1, 0, 0, 0, 0]


def test_emissions_that_are_the_same_everywhere_meet_no_edge():
    # each year's features are then the rectified sum of the kernel times the emissions
    torch.manual_seed(0)
    model, sample = CNNLSTM(SMALL, filters=5, hidden=4), random_sample(SMALL, 2)
    level = torch.randn(2, 3, 4, 1, 1)
    answer = model(sample._replace(inputs=level.expand(-1, -1, -1, *SMALL.shape)))
    kernel = model.convolution.weight.sum(dim=(2, 3))
    years = (level[..., 0, 0] @ kernel.T + model.convolution.bias).relu()
    expected = model.head(model.memory(years)).reshape(2, 1, 1, *SMALL.shape)
    torch.testing.assert_close(answer, expected)


def test_years_are_told_apart():
    torch.manual_seed(0)
    model, sample = CNNLSTM(SMALL), random_sample(SMALL, 2)
    backward = sample._replace(inputs=sample.inputs.flip(1))
    assert not torch.allclose(model(sample), model(backward))


def test_it_learns_a_pattern_that_grows_with_cumulative_emissions():
    torch.manual_seed(0)
    emissions = torch.linspace(-1, 1, 32)
    pattern = torch.randn(SMALL.shape)
    sample = random_sample(SMALL, 32)
    inputs = emissions[:, None, None, None, None].expand(-1, 3, 4, *SMALL.shape)
    sample = sample._replace(
        inputs=inputs, targets=(emissions[:, None, None] * pattern)[:, None, None]
    )
    model = CNNLSTM(SMALL, filters=8, hidden=8)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = (model(sample) - sample.targets).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]


@pytest.mark.parametrize("history", [1, 10])
def test_any_history(history):
    sample = random_sample(replace(SMALL, history=history), 2)
    assert CNNLSTM(replace(SMALL, history=history))(sample).shape == sample.targets.shape
