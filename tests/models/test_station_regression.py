"""Regression of series: against numpy, of each station or of all together, with gaps."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from climbench.errors import UserError
from climbench.models.station_regression import StationRegression
from climbench.testing.model_contract import GLOBAL, STATIONS, random_sample
from climbench.training.network import build_network

ONE = replace(STATIONS, forcings=(), leads=1)


def fitted(shared, samples=200, gap=None):
    model = StationRegression(ONE, ridge=(1e-3,), shared=shared)
    sample = random_sample(ONE, samples)
    if gap is not None:
        sample.targets[gap] = torch.nan
    model.accumulate(sample)
    model.solve()
    return model.eval(), sample


@pytest.mark.parametrize("shared", [False, True])
def test_coefficients_by_numpy(shared):
    model, sample = fitted(shared, gap=(slice(0, 50), 0, 0, 0, 2))
    x = model.features(sample._replace(inputs=sample.inputs.double()), 0).numpy()
    y = model.rows(sample.targets[:, 0]).double().numpy()
    there = np.isfinite(y).all(-1)
    groups = range(1 if shared else 5)
    for group in groups:
        rows = x[group][there[group]], y[group][there[group]]
        penalty = 1e-3 * np.diag([1.0] * (x.shape[-1] - 1) + [0.0])
        gram = rows[0].T @ rows[0] / len(rows[0]) + penalty
        expected = np.linalg.solve(gram, rows[0].T @ rows[1] / len(rows[0]))
        np.testing.assert_allclose(model.coefficients[0, group], expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("shared", [False, True])
def test_an_answer_is_that_of_its_station(shared):
    """Rows are put back where they came from."""
    model, sample = fitted(shared)
    answer = model(sample)
    other = sample._replace(inputs=sample.inputs.clone())
    other.inputs[..., 3] += 1.0
    changed = (model(other) - answer).abs().amax(dim=(0, 1, 2, 3))
    assert changed[3] > 0
    assert (changed[[0, 1, 2, 4]] == 0).all()


def test_questions_of_another_layout_are_refused():
    node = {"_target_": "climbench.models.station_regression.StationRegression"}
    with pytest.raises(UserError, match="StationRegression answers questions of stations"):
        build_network(node, GLOBAL)
    with pytest.raises(UserError, match="ResNet answers questions of map"):
        build_network({"_target_": "climbench.models.resnet.ResNet"}, STATIONS)


def test_a_station_never_learnt_from_has_the_regression_of_all_others():
    model, _ = fitted(shared=False, gap=(slice(None), 0, slice(None), 0, 2))
    sample = random_sample(ONE, 200)
    others = StationRegression(ONE, ridge=(1e-3,), shared=True)
    sample.targets[:, 0, :, 0, 2] = torch.nan
    others.accumulate(sample)
    others.solve()
    scale = model.coefficients[0, 2].abs().max()
    assert scale > 0
    torch.testing.assert_close(
        model.coefficients[0, 2], others.coefficients[0, 0], rtol=1e-2, atol=1e-3
    )
