"""Pattern scaling with more drivers, powers and memory, against numpy and scikit-learn."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression

from climbench.errors import UserError
from climbench.grids import latitude_weights
from climbench.models.pattern_scaling import PatternScaling
from climbench.models.pattern_scaling_stages import TwoStageRegression, least_squares
from climbench.models.pattern_scaling_variants import (
    AGENTS,
    LaggedPatternScaling,
    MultivariatePatternScaling,
    PolynomialPatternScaling,
)
from climbench.tasks.sample import Sample, Signature
from climbench.testing.model_contract import GLOBAL, random_sample

CLIMATE = replace(
    GLOBAL, inputs=AGENTS, forcings=(), static=(), targets=("tas", "pr"), history=1, leads=1
)


def years(drivers: np.ndarray, fields: np.ndarray, signature: Signature = CLIMATE) -> Sample:
    """Drivers ``[year, history, agent]``, fields ``[year, target, latitude, longitude]``."""
    sample = random_sample(signature, len(drivers))
    inputs = torch.from_numpy(drivers).float()[..., None, None].expand_as(sample.inputs)
    return sample._replace(inputs=inputs, targets=torch.from_numpy(fields)[:, None].float())


def fitted(model: TwoStageRegression, sample: Sample) -> TwoStageRegression:
    model.accumulate(sample)
    model.solve()
    return model


def world(seed: int = 0, count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Random emissions ``[year, 1, agent]``, fields that follow them, and noise."""
    random = np.random.default_rng(seed)
    drivers = random.normal(size=(count, 1, 4)).astype(np.float32)
    pattern = random.normal(1, 0.5, (4, 2, *CLIMATE.shape))
    noise = random.normal(0, 0.3, (count, 2, *CLIMATE.shape))
    fields = np.tensordot(drivers[:, 0], pattern, axes=1) + noise + 1.0
    return drivers, fields.astype(np.float32)


def area_mean(fields: np.ndarray) -> np.ndarray:
    weights = latitude_weights(CLIMATE.latitude, "area")
    return np.average(fields.astype(float).mean(-1), axis=-1, weights=weights)


def answer(model: TwoStageRegression, sample: Sample) -> np.ndarray:
    return model(sample)[:, 0].numpy()


def test_multivariate_global_mean_is_that_of_lstsq_and_scales_one_pattern():
    drivers, fields = world()
    sample = years(drivers, fields)
    model = fitted(MultivariatePatternScaling(CLIMATE), sample)
    mean = area_mean(fields[:, 0])
    features = np.column_stack([np.ones(len(mean)), drivers[:, 0]])
    expected = np.linalg.lstsq(features, mean, rcond=None)[0]
    np.testing.assert_allclose(model.global_coefficients.numpy(), expected, rtol=1e-6, atol=1e-8)
    lines = LinearRegression().fit(mean[:, None], fields.reshape(len(fields), -1))
    warm = (features @ expected)[:, None]
    np.testing.assert_allclose(
        answer(model, sample).reshape(len(fields), -1), lines.predict(warm), rtol=1e-4, atol=1e-5
    )
    plain = fitted(PatternScaling(CLIMATE), sample)
    torch.testing.assert_close(model.local_coefficients, plain.local_coefficients)


def test_with_all_predictors_local_each_cell_is_regressed_on_them():
    drivers, fields = world(seed=1)
    model = MultivariatePatternScaling(CLIMATE, local_predictors=AGENTS)
    sample = years(drivers, fields)
    direct = LinearRegression().fit(drivers[:, 0], fields.reshape(len(fields), -1))
    new, truth = world(seed=2, count=5)
    np.testing.assert_allclose(
        answer(fitted(model, sample), years(new, truth)).reshape(5, -1),
        direct.predict(new[:, 0]),
        rtol=1e-4,
        atol=1e-4,
    )


def test_aerosols_have_a_pattern_of_their_own():
    """Made without noise: the local effect of SO2 is found, beside that of the global mean."""
    drivers, _ = world(seed=3)
    random = np.random.default_rng(3)
    slope, effect = random.normal(1, 0.2, (2, *CLIMATE.shape)), random.normal(size=CLIMATE.shape)
    slope /= area_mean(slope)[:, None, None]
    effect -= area_mean(effect)
    warm = drivers[:, 0, 0] + 0.3 * drivers[:, 0, 1]
    fields = warm[:, None, None, None] * slope
    fields[:, 0] += drivers[:, 0, 2, None, None] * effect
    model = MultivariatePatternScaling(CLIMATE, local_predictors=("sulphur_dioxide",))
    fitted(model, years(drivers, fields))
    np.testing.assert_allclose(model.local_coefficients[2, 0].numpy(), effect, atol=1e-4)
    np.testing.assert_allclose(model.local_coefficients[1].numpy(), slope, atol=1e-4)


@pytest.mark.parametrize(("degree", "local_degree"), [(1, 1), (3, 1), (2, 4)])
def test_polynomials_are_those_of_polyfit(degree, local_degree):
    drivers, fields = world(seed=4)
    sample = years(drivers, fields)
    options = {"degree": degree, "local_degree": local_degree}
    model = fitted(PolynomialPatternScaling(CLIMATE, **options), sample)
    mean, co2 = area_mean(fields[:, 0]), drivers[:, 0, 0].astype(float)
    warm = np.polyval(np.polyfit(co2, mean, degree), co2)
    curves = np.polyfit(mean, fields.reshape(len(fields), -1).astype(float), local_degree)
    expected = sum(
        warm[:, None] ** (local_degree - power) * row for power, row in enumerate(curves)
    )
    np.testing.assert_allclose(
        answer(model, sample).reshape(len(fields), -1), expected, rtol=1e-4, atol=1e-4
    )


def test_degree_one_is_plain_pattern_scaling():
    sample = years(*world(seed=5))
    plain = fitted(PatternScaling(CLIMATE), sample)
    line = fitted(PolynomialPatternScaling(CLIMATE, degree=1), sample)
    torch.testing.assert_close(line(sample), plain(sample))


def pathway(history: int, count: int = 120) -> np.ndarray:
    """Emissions that wander ``[year, history, agent]``, windows of one series."""
    steps = np.random.default_rng(6).normal(size=(count + history - 1, 4))
    series = np.cumsum(steps, axis=0).astype(np.float32) / 5
    return np.stack([series[start : start + history] for start in range(count)])


def smoothed(windows: np.ndarray, timescale: float) -> np.ndarray:
    """Exponentially weighted means over windows ``[year, agent]``."""
    age = np.arange(windows.shape[1])[::-1]
    weight = np.exp(-age / timescale) if timescale else (age == 0).astype(float)
    return np.tensordot(windows.astype(float), weight / weight.sum(), axes=(1, 0))


def following(global_mean: np.ndarray, noise: float) -> np.ndarray:
    random = np.random.default_rng(7)
    field = global_mean[:, None, None, None] * np.ones((1, 2, *CLIMATE.shape))
    return field + random.normal(0, noise, field.shape)


@pytest.mark.parametrize("timescale", [0.0, 2.0, 10.0])
def test_the_timescale_that_made_the_climate_is_found(timescale):
    windows = pathway(history=20)
    mean = 0.5 + smoothed(windows, timescale) @ [1.0, 0.2, -0.3, 0.1]
    signature = replace(CLIMATE, history=20)
    grid = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0)
    model = LaggedPatternScaling(signature, timescales=1, grid=grid)
    sample = years(windows, following(mean, 0.1), signature)
    fitted(model, sample)
    assert [grid[at] for at in model.chosen] == [timescale]
    np.testing.assert_allclose(model.global_mean(sample)[:, 0].numpy(), mean, atol=0.05)


def test_two_timescales_are_the_best_of_all_pairs():
    windows = pathway(history=12)
    random = np.random.default_rng(8)
    mean = smoothed(windows, 1.0) @ random.normal(size=4) + smoothed(windows, 8.0)[:, 0]
    fields = following(mean, 2.0).astype(np.float32)
    signature, grid = replace(CLIMATE, history=12), (0.0, 1.0, 3.0, 8.0)
    model = LaggedPatternScaling(signature, AGENTS[:2], timescales=2, grid=grid)
    sample = years(windows, fields, signature)
    fitted(model, sample)

    truth, errors, answers = area_mean(fields[:, 0]), {}, {}
    for pair in combinations(range(len(grid)), 2):
        past = [smoothed(windows, grid[at])[:, :2] for at in pair]
        fit = LinearRegression().fit(np.hstack(past), truth)
        answers[pair] = fit.predict(np.hstack(past))
        errors[pair] = np.square(answers[pair] - truth).sum()
    best = min(errors, key=errors.get)
    assert tuple(model.chosen.tolist()) == best
    np.testing.assert_allclose(model.global_mean(sample)[:, 0].numpy(), answers[best], rtol=1e-5)


def test_memory_needs_a_past():
    with pytest.raises(UserError, match=r"task\.history=30"):
        LaggedPatternScaling(CLIMATE)
    forced = replace(CLIMATE, inputs=AGENTS[1:], forcings=AGENTS[:1], history=5)
    with pytest.raises(UserError, match="'carbon_dioxide' is not a channel"):
        LaggedPatternScaling(forced)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: PolynomialPatternScaling(CLIMATE, degree=7), "'degree' = 7 must be 1 to 6"),
        (lambda: PolynomialPatternScaling(CLIMATE, local_degree=0), "'local_degree' = 0"),
        (lambda: MultivariatePatternScaling(CLIMATE, ()), "'predictors' is empty"),
        (lambda: MultivariatePatternScaling(CLIMATE, ("methan",)), "did you mean 'methane'"),
        (lambda: LaggedPatternScaling(LAGGED, timescales=3), "'timescales' = 3 must be 1 or 2"),
        (lambda: LaggedPatternScaling(LAGGED, grid=(-1.0, 2.0)), "below 0 years"),
        (lambda: LaggedPatternScaling(LAGGED, ()), "'predictors' is empty"),
        (lambda: LaggedPatternScaling(LAGGED, grid=()), "'grid' is empty"),
    ],
)
def test_wrong_options_are_refused(build, message):
    with pytest.raises(UserError, match=message):
        build()


LAGGED = replace(CLIMATE, history=3)


def test_least_squares_of_any_features_is_that_of_lstsq():
    random = np.random.default_rng(9)
    features = np.column_stack([np.ones(50), random.normal(5, 2, (50, 3))])
    targets = random.normal(size=(50, 2, 3))
    expected = np.linalg.lstsq(features, targets.reshape(50, -1), rcond=None)[0]
    x, y = torch.from_numpy(features), torch.from_numpy(targets)
    found = least_squares(x.T @ x, torch.einsum("nf,nab->fab", x, y))
    np.testing.assert_allclose(found.numpy(), expected.reshape(4, 2, 3), rtol=1e-9)


def test_features_that_say_the_same_share_the_slope_and_still_ones_have_none():
    x = torch.linspace(-1, 1, 9, dtype=torch.float64)
    features = torch.stack([torch.ones(9).double(), x, 2 * x, torch.full((9,), 3.0).double()], 1)
    found = least_squares(features.T @ features, features.T @ (4 * x + 1))
    torch.testing.assert_close(found, torch.tensor([1.0, 2.0, 1.0, 0.0], dtype=torch.float64))
