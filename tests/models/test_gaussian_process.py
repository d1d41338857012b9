"""The Gaussian process against scikit-learn's, whose kernels see all predictors alike."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Kernel, Matern, WhiteKernel

from climbench.errors import UserError
from climbench.models import gaussian_process
from climbench.models.gaussian_process import SMALLEST_NOISE, GaussianProcess
from climbench.tasks.sample import Sample
from climbench.testing.model_contract import GLOBAL, random_sample

AGENTS = ("carbon_dioxide", "methane", "sulphur_dioxide", "black_carbon")
YEAR = replace(
    GLOBAL, inputs=AGENTS, forcings=(), static=(), targets=("tas", "pr"), history=1, leads=1
)
NEVER = 1e9  # a length at which a predictor plays no part


def climate(count: int, seed: int = 0) -> Sample:
    """Years whose fields follow the four agents along curves, and noise; normalised."""
    sample = random_sample(YEAR, count, seed)
    random = np.random.default_rng(seed)
    level = torch.from_numpy(random.uniform(-2, 2, (count, 4))).float()
    plain = level[:, :2, None, None].expand(-1, -1, *YEAR.shape)
    stretch = torch.linspace(0.5, 1.5, YEAR.shape[1])
    maps = level[:, 2:, None, None] * stretch + 0.2 * sample.inputs[:, 0, 2:]
    curve = torch.tanh(level[:, 0]) + 0.3 * level[:, 1] - 0.2 * level[:, 2] ** 2
    pattern = torch.linspace(0.2, 1.0, YEAR.shape[0])[:, None].expand(YEAR.shape)
    fields = curve[:, None, None, None] * torch.stack([pattern, -pattern])
    fields = fields + 0.1 * sample.targets[:, 0]
    inputs = torch.cat([plain, maps], dim=1)[:, None]
    return sample._replace(inputs=inputs, targets=fields[:, None])


def fitted(sample: Sample, **options: int) -> GaussianProcess:
    model = GaussianProcess(YEAR, **{"components": 2, "iterations": 30, **options})
    model.accumulate(sample)
    model.solve()
    return model


@pytest.fixture(scope="module")
def trained() -> tuple[GaussianProcess, Sample]:
    sample = climate(40)
    return fitted(sample), sample


def kernel_of(model: GaussianProcess, target: int, *, fixed: bool) -> Kernel:
    """The same kernel in scikit-learn, with lengths of groups that others do not see."""
    bounds = "fixed" if fixed else (1e-4, 1e4)
    lengths, variances = model.lengths[target].numpy(), model.variances[target].numpy()
    noise = variances[-1] + SMALLEST_NOISE
    total = WhiteKernel(noise, bounds)
    for group, variance in zip(model.groups, variances, strict=False):
        own = np.full(len(lengths), NEVER)
        own[group] = lengths[group]
        total += ConstantKernel(variance, bounds) * Matern(own, "fixed", nu=1.5)
    return total


def peer(model: GaussianProcess, sample: Sample, target: int) -> GaussianProcessRegressor:
    fields = sample.targets[:, 0, target].flatten(1).double().numpy()
    kernel = kernel_of(model, target, fixed=True)
    regressor = GaussianProcessRegressor(kernel, alpha=0.0, optimizer=None)
    predictors = model.predictors_of(sample, 0).numpy()
    return regressor.fit(predictors, fields - model.constant[target].item())


@pytest.mark.parametrize("target", [0, 1])
def test_mean_and_deviation_are_those_of_scikit_learn(trained, target):
    model, sample = trained
    new = climate(7, seed=1)
    regressor = peer(model, sample, target)
    mean, deviation = regressor.predict(model.predictors_of(new, 0).numpy(), return_std=True)
    found = model(new)[:, 0, target].flatten(1).numpy()
    np.testing.assert_allclose(found, mean + model.constant[target].item(), atol=1e-5)
    found = model.deviation(new)[:, 0, target].numpy()
    np.testing.assert_allclose(found, deviation[:, 0], rtol=1e-6)


def test_likelihood_is_that_of_scikit_learn(trained):
    model, sample = trained
    fields = sample.targets[:, 0, 1].flatten(1).double()
    values, _ = model._negative_likelihood(
        model.predictors_of(sample, 0),
        fields @ fields.T,
        fields.mean(1),
        model.lengths[1],
        model.variances[1],
    )
    expected = -peer(model, sample, 1).log_marginal_likelihood_value_ / fields.numel()
    assert float(values) == pytest.approx(expected, rel=1e-9)


def test_the_gradient_is_that_of_small_steps(trained):
    model, sample = trained
    fields = sample.targets[:, 0, 0].flatten(1).double()
    given = model.predictors_of(sample, 0), fields @ fields.T, fields.mean(1)
    hyper = torch.linspace(-0.5, 0.5, model.lengths.shape[1] + model.variances.shape[1]).double()
    _, gradient = model._negative_likelihood(*given, *model._split(hyper))
    for at, slope in enumerate(gradient):
        step = torch.zeros_like(hyper)
        step[at] = 1e-5
        sides = [
            model._negative_likelihood(*given, *model._split(hyper + s))[0] for s in (step, -step)
        ]
        assert float((sides[0] - sides[1]) / 2e-5) == pytest.approx(float(slope), abs=1e-8)


def test_no_other_hyper_parameters_nor_constant_are_likelier():
    sample = climate(40)
    model = fitted(sample, iterations=300)
    fields = sample.targets[:, 0, 0].flatten(1).double()
    known = model.predictors_of(sample, 0)
    given = known, fields @ fields.T, fields.mean(1)

    def unlikeliness(lengths, variances):
        return model._negative_likelihood(*given, lengths, variances)[0]

    best = unlikeliness(model.lengths[0], model.variances[0])
    start = torch.ones_like(model.lengths[0]), torch.ones_like(model.variances[0])
    assert best < unlikeliness(*start) - 0.1
    for factor in (0.8, 1.25):
        for at in range(len(model.lengths[0])):
            lengths = model.lengths[0].clone()
            lengths[at] *= factor
            assert best <= unlikeliness(lengths, model.variances[0]) + 1e-7
        for at in range(len(model.variances[0])):
            variances = model.variances[0].clone()
            variances[at] *= factor
            assert best <= unlikeliness(model.lengths[0], variances) + 1e-7
    ours = peer(model, sample, 0).log_marginal_likelihood_value_
    for shift in (-0.1, 0.1):
        model.constant[0] += shift
        assert peer(model, sample, 0).log_marginal_likelihood_value_ < ours
        model.constant[0] -= shift


def test_curves_are_learnt_and_the_spread_covers_the_error(trained):
    model, new = trained[0], climate(60, seed=2)
    error = (model(new) - new.targets)[:, 0]
    assert error.square().mean() < 0.2 * new.targets.square().mean()
    ratio = error.square().mean((-1, -2)).mean(0) / model.deviation(new)[:, 0].square().mean(0)
    assert 0.4 < ratio.min() < ratio.max() < 2.5


def test_far_from_all_training_years_the_spread_is_that_of_the_prior(trained):
    model, new = trained[0], climate(3, seed=3)
    far = model.deviation(new._replace(inputs=new.inputs + 1e7))[:, 0]
    expected = (model.variances.sum(1) + SMALLEST_NOISE).sqrt()
    torch.testing.assert_close(far, expected.expand_as(far), rtol=1e-3, atol=1e-3)


def test_members_scatter_with_the_predictive_spread_around_the_mean(trained):
    model, new = trained[0], climate(3, seed=4)
    members = torch.stack([model.draw(new, member) for member in range(60)])
    spread = members.std(0).square().mean((-1, -2)).sqrt()
    torch.testing.assert_close(spread, model.deviation(new).float(), rtol=0.05, atol=0)
    off = (members.mean(0) - model(new)).abs().mean()
    assert off < 2 * float(spread.max()) / 60**0.5


def test_a_member_is_the_same_alone_and_in_a_batch_and_no_other(trained):
    model, new = trained[0], climate(4, seed=5)
    whole = model.draw(new, 3)
    torch.manual_seed(1)
    alone = Sample(*(v if name == "static" else v[2:3] for name, v in new._asdict().items()))
    torch.testing.assert_close(model.draw(alone, 3), whole[2:3])
    assert not torch.allclose(model.draw(new, 4), whole)
    assert not torch.allclose(whole[0] - model(new)[0], whole[1] - model(new)[1])


def test_wrong_options_and_too_many_samples_are_refused(monkeypatch):
    with pytest.raises(UserError, match="'members' = -1 must be 0 or more"):
        GaussianProcess(YEAR, members=-1)
    monkeypatch.setattr(gaussian_process, "MOST_SAMPLES", 10)
    with pytest.raises(UserError, match=r"11 training samples .* task\.members=average"):
        fitted(climate(11))
