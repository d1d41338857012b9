"""Losses: against formulas written out, without missing targets, and as options of a model."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from climbench.errors import UserError
from climbench.grids import latitude_weights
from climbench.models.ensemble_losses import (
    almost_fair_crps,
    gaussian_crps,
    gaussian_negative_log_likelihood,
    mean_over_valid,
)
from climbench.testing.model_contract import GLOBAL, random_sample
from climbench.training.losses import (
    HuberError,
    MeanAbsoluteError,
    MeanSquaredError,
    SpectralError,
    build_loss,
    row_weights,
    target_weights,
)

TARGETS = ("geopotential_500", "geopotential_1000", "2m_temperature")
ASKED = replace(GLOBAL, targets=TARGETS, leads=2)
MODULE = "climbench.training.losses."


def question(batch=2, missing=False):
    """A sample and an answer; with missing targets: cells, a whole row, a whole map."""
    sample = random_sample(ASKED, batch)
    if missing:
        sample.targets[0, 0, 0, 1, 2:4] = torch.nan
        sample.targets[0, 1, 1, 0] = torch.nan
        sample.targets[-1, 0, 2] = torch.nan
    answer = torch.randn(sample.targets.shape, generator=torch.Generator().manual_seed(5))
    return sample, answer.requires_grad_()


def by_hand(cost, sample, answer, of_target):
    """The weighted mean of a cost over the cells that are there, cell by cell."""
    rows = latitude_weights(ASKED.latitude, "area")
    difference = (answer.detach() - sample.targets).double().numpy()
    above = below = 0.0
    for place, value in np.ndenumerate(difference):
        if np.isfinite(value):
            weight = rows[place[3]] * of_target[place[2]]
            above, below = above + weight * cost(value, place), below + weight
    return above / below


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize(
    ("loss", "cost"),
    [
        (MeanSquaredError, lambda d: d**2),
        (MeanAbsoluteError, abs),
        (HuberError, lambda d: d**2 / 2 if abs(d) < 1 else abs(d) - 0.5),
    ],
)
def test_losses_equal_their_formulas_over_the_cells_that_are_there(loss, cost, missing):
    sample, answer = question(missing=missing)
    weights = {"geopotential": 2.0, "geopotential_500": 4.0}  # the level goes before the variable
    got = loss(ASKED, variable_weights=weights)(answer, sample)
    expected = by_hand(lambda d, _: cost(d), sample, answer, [4.0, 2.0, 1.0])
    assert got.item() == pytest.approx(expected, rel=1e-5)
    got.backward()
    assert torch.isfinite(answer.grad).all()
    assert (answer.grad[~torch.isfinite(sample.targets)] == 0).all()


def test_where_nothing_is_missing_the_loss_is_a_plain_mean_bit_for_bit():
    sample, answer = question(batch=5)
    plain = (row_weights(ASKED.latitude) * (answer - sample.targets).square()).mean()
    (expected,) = torch.autograd.grad(plain, answer)
    loss = MeanSquaredError(ASKED)(answer, sample)
    (got,) = torch.autograd.grad(loss, answer)
    assert loss.item() == plain.item() and torch.equal(got, expected)


def test_without_any_target_the_loss_is_zero_and_so_is_its_gradient():
    sample, answer = question()
    nothing = sample._replace(targets=torch.full_like(sample.targets, torch.nan))
    for loss in (MeanSquaredError(ASKED), SpectralError(ASKED)):
        value = loss(answer, nothing)
        (gradient,) = torch.autograd.grad(value, answer)
        assert value == 0 and (gradient == 0).all()


def test_half_precision_goes_in_and_single_precision_comes_out():
    sample, answer = question()
    with torch.autocast("cpu", torch.bfloat16):
        loss = MeanSquaredError(ASKED)(answer.bfloat16(), sample)
    assert loss.dtype == torch.float32
    assert loss.item() == MeanSquaredError(ASKED)(answer.bfloat16().float(), sample).item()


def test_pressure_weights_have_a_mean_of_one_over_the_levels_of_a_variable():
    weights = target_weights(TARGETS, {}, pressure_weights=True)
    assert weights.tolist() == pytest.approx([500 / 750, 1000 / 750, 1.0])
    assert target_weights(TARGETS, {}, False).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        ({"geopotental": 2.0}, "names 'geopotental': did you mean 'geopotential'"),
        ({"2m_temperature": -1.0}, "2m_temperature = -1 must be 0 or more"),
        (dict.fromkeys(TARGETS, 0.0), "leaves no target"),
    ],
)
def test_weights_of_nothing_are_a_sentence(weights, sentence):
    with pytest.raises(UserError, match=sentence):
        MeanSquaredError(ASKED, variable_weights=weights)


def test_the_unit_may_be_the_change_over_the_lead_time():
    sample, answer = question()
    hours = [float(value) for value in sample.lead_time[0]]
    changes = {hours[1]: [0.5, 1.0, 2.0], hours[0]: [0.1, 0.2, 0.4]}
    node = {"_target_": MODULE + "MeanSquaredError", "unit": "change"}
    got = build_loss(node, ASKED, changes)(answer, sample)

    def cost(difference, place):
        return (difference / changes[hours[place[1]]][place[2]]) ** 2

    assert got.item() == pytest.approx(by_hand(cost, sample, answer, [1, 1, 1]), rel=1e-5)


def test_a_network_with_its_own_loss_takes_the_weights_of_the_option():
    """Of an absolute error, such as the CRPS of one member, they make the loss itself."""
    sample, answer = question()
    hours = sample.lead_time[0].tolist()
    changes = {hours[1]: [0.5, 1.0, 2.0], hours[0]: [0.1, 0.2, 0.4]}
    node = {"_target_": MODULE + "MeanAbsoluteError", "unit": "change"}
    criterion = build_loss(node | {"variable_weights": {"2m_temperature": 3.0}}, ASKED, changes)
    own = (criterion.weights_of(sample) * (answer - sample.targets).abs()).mean()
    torch.testing.assert_close(own, criterion(answer, sample))


def test_amplitudes_do_not_heed_where_waves_are():
    sample, _ = question()
    shifted = sample.targets.roll(3, dims=-1)
    plain, spectral = MeanSquaredError(ASKED), SpectralError(ASKED, amplitudes=10.0)
    assert spectral(shifted, sample).item() == pytest.approx(plain(shifted, sample).item(), 1e-4)
    zero = torch.zeros_like(shifted, requires_grad=True)
    # of zero the amplitudes lack all of the truth: as much as its square (Parseval; half of the
    # waves are there once, and the mean is over them)
    amplitudes = np.abs(np.fft.rfft(sample.targets.double().numpy(), norm="ortho")) ** 2
    rows = latitude_weights(ASKED.latitude, "area")[:, None]
    expected = plain(zero, sample).item() + 10 * np.mean(rows * amplitudes)
    loss = spectral(zero, sample)
    assert loss.item() == pytest.approx(expected, rel=1e-4)
    loss.backward()
    assert torch.isfinite(zero.grad).all()


def test_a_circle_with_a_gap_has_no_amplitudes():
    sample, answer = question(missing=True)
    whole = torch.isfinite(sample.targets).all(-1)
    difference = [
        np.abs(np.fft.rfft(maps.double().numpy(), norm="ortho"))
        for maps in (answer.detach()[whole], sample.targets[whole])
    ]
    rows = row_weights(ASKED.latitude)[:, 0].expand(whole.shape)[whole].double().numpy()
    squares = ((difference[0] - difference[1]) ** 2).mean(axis=1)
    extra = np.sum(rows * squares) / np.sum(rows)
    got = SpectralError(ASKED, amplitudes=1.0)(answer, sample)
    expected = MeanSquaredError(ASKED)(answer, sample) + extra
    assert got.item() == pytest.approx(expected.item(), rel=1e-5)


def test_scores_of_ensembles_have_the_published_values():
    members, truth = torch.tensor([0.0, 1.0, 3.0]).double(), torch.tensor(2.0).double()
    for alpha, value in ((0.0, 2 / 3), (1.0, 1 / 3), (0.95, 0.35)):
        assert almost_fair_crps(members, truth, alpha).item() == pytest.approx(value)
    zero, one = torch.zeros(2).double(), torch.ones(2).double()
    crps = gaussian_crps(zero, one, torch.tensor([0.0, 1.0]).double())
    assert crps.tolist() == pytest.approx([0.2336950, 0.6024414], abs=1e-7)
    found = gaussian_negative_log_likelihood(zero, 3 * one, one)
    normal = torch.distributions.Normal(zero, 3 * one)
    assert torch.allclose(found, -normal.log_prob(one) - 0.5 * np.log(2 * np.pi))


def test_the_crps_of_an_ensemble_tends_to_that_of_its_distribution():
    draws = torch.randn(2000, generator=torch.Generator().manual_seed(0)).double()
    truth = torch.tensor(0.7).double()
    expected = gaussian_crps(torch.zeros(()).double(), torch.ones(()).double(), truth)
    assert almost_fair_crps(draws, truth, 1.0).item() == pytest.approx(expected.item(), abs=0.02)


def test_gradients_of_the_scores_are_those_of_differences():
    generator = torch.Generator().manual_seed(1)
    members = torch.randn(4, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    truth = torch.randn(3, generator=generator, dtype=torch.float64)
    deviation = torch.rand(3, generator=generator, dtype=torch.float64) + 0.5
    deviation.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: almost_fair_crps(x, truth), (members,))
    for score in (gaussian_crps, gaussian_negative_log_likelihood):
        assert torch.autograd.gradcheck(
            lambda m, d, s=score: s(m[0], d, truth), (members, deviation)
        )


def test_scores_of_ensembles_are_in_single_precision_under_autocast():
    with torch.autocast("cpu", torch.bfloat16):
        found = almost_fair_crps(torch.tensor([0.0, 1.0, 3.0]), torch.tensor(2.001))
        normal = gaussian_crps(torch.zeros(1), torch.ones(1), torch.ones(1))
    assert found.dtype == normal.dtype == torch.float32
    assert found.item() == almost_fair_crps(torch.tensor([0.0, 1.0, 3.0]), torch.tensor(2.001))


def test_means_leave_out_what_is_missing():
    scores, truth = torch.tensor([[1.0, 2.0], [3.0, 5.0]]), torch.zeros(2, 2)
    truth[1, 0] = torch.nan
    weights = torch.tensor([[0.5], [1.5]])
    expected = (0.5 * 1 + 0.5 * 2 + 1.5 * 5) / 2.5
    assert mean_over_valid(scores, truth, weights).item() == pytest.approx(expected)


def test_a_wrong_loss_is_a_sentence():
    with pytest.raises(UserError, match="has no option 'tresh'"):
        build_loss({"_target_": MODULE + "HuberError", "tresh": 1}, ASKED, None)


@pytest.mark.parametrize(
    ("node", "sentence"),
    [
        ({"_target_": MODULE + "HuberError", "threshold": 0.0}, "'threshold' = 0 .* above 0"),
        ({"_target_": MODULE + "SpectralError", "amplitudes": -1.0}, "'amplitudes' = -1 .* 0 or"),
        ({"_target_": "climbench.models.ensemble_losses.almost_fair_crps"}, "score of ensembles"),
    ],
)
def test_a_loss_that_would_reward_errors_is_refused(node, sentence):
    with pytest.raises(UserError, match=sentence):
        build_loss(node, ASKED, None)
