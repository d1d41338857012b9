"""Scores that networks are trained with, against hand calculations and integrals."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from climbench.metrics.ensemble import crps
from climbench.models.ensemble_losses import almost_fair_crps, gaussian_crps, mean_over_valid


@pytest.mark.parametrize(
    ("alpha", "expected"), [(0.0, 2 / 3), (1.0, 1 / 3), (0.95, 0.35)]
)  # members 0, 1, 3 and truth 2: distances 2, 1, 1; pairs 1, 3, 2
def test_almost_fair_crps_by_hand(alpha, expected):
    score = almost_fair_crps(torch.tensor([0.0, 1.0, 3.0]), torch.tensor(2.0), alpha)
    assert float(score) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("form", "alpha"), [("ensemble", 0.0), ("fair", 1.0)])
def test_crps_of_an_ensemble_is_that_of_the_evaluation(form, alpha):
    generator = np.random.default_rng(0)
    members, truth = generator.normal(size=(5, 40)), generator.normal(size=40)
    got = almost_fair_crps(torch.from_numpy(members), torch.from_numpy(truth), alpha)
    np.testing.assert_allclose(got.numpy(), crps(members, truth, form), rtol=1e-12)


def test_almost_fair_form_of_the_publication():
    members, truth, alpha = torch.randn(4, 9).double(), torch.randn(9).double(), 0.95
    epsilon, total = (1 - alpha) / 4, torch.zeros(9, dtype=torch.float64)
    for i in range(4):
        for j in range(4):
            if i != j:
                apart = (members[i] - members[j]).abs()
                total += (members[i] - truth).abs() + (members[j] - truth).abs()
                total -= (1 - epsilon) * apart
    torch.testing.assert_close(almost_fair_crps(members, truth, alpha), total / (2 * 4 * 3))


@pytest.mark.parametrize(("mean", "deviation", "truth"), [(0, 1, 0), (0, 1, 1), (2, 0.5, 0.7)])
def test_gaussian_crps_is_the_integral(mean, deviation, truth):
    def squared(x: float) -> float:
        return (norm.cdf(x, mean, deviation) - (x >= truth)) ** 2

    expected = sum(quad(squared, *ends)[0] for ends in ((-20, truth), (truth, 20)))
    numbers = (torch.tensor(float(x), dtype=torch.float64) for x in (mean, deviation, truth))
    assert float(gaussian_crps(*numbers)) == pytest.approx(expected, abs=1e-7)


def test_gradients_are_those_of_differences():
    members = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    truth = torch.randn(6, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: almost_fair_crps(x, truth), members)
    mean, deviation = members[0], members[1].detach().exp().requires_grad_()
    assert torch.autograd.gradcheck(lambda m, s: gaussian_crps(m, s, truth), (mean, deviation))


def test_missing_cells_count_neither_above_nor_below():
    scores = torch.tensor([[1.0, 3.0], [5.0, 7.0]])
    truth = torch.tensor([[0.0, torch.nan], [0.0, 0.0]])
    weights = torch.tensor([[0.5], [1.5]])
    expected = (0.5 * 1 + 1.5 * 5 + 1.5 * 7) / (0.5 + 1.5 + 1.5)
    assert float(mean_over_valid(scores, truth, weights)) == pytest.approx(expected)
    assert float(mean_over_valid(scores, truth * torch.nan, weights)) == 0.0
