"""Pattern scaling with variability: known processes recovered, draws and scores on members.

All data here are simulated.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from climbench.errors import UserError
from climbench.grids import latitude_weights
from climbench.metrics.ensemble import crps
from climbench.models.internal_variability import PatternScalingWithVariability
from climbench.models.internal_variability_noise import PatternScalingWithGaussian
from climbench.models.internal_variability_space import great_circle
from climbench.models.internal_variability_time import autoregress
from climbench.simulate.earth import simulate_climate
from climbench.tasks.sample import Sample, Signature
from climbench.testing.model_contract import GLOBAL, random_sample

LATITUDE = tuple(np.arange(-75.0, 80, 30))
LONGITUDE = tuple(np.arange(0.0, 360, 30))
CLIMATE = replace(
    GLOBAL,
    inputs=("carbon_dioxide",),
    forcings=(),
    static=(),
    targets=("tas", "pr"),
    history=1,
    leads=1,
    latitude=LATITUDE,
    longitude=LONGITUDE,
)
AREA = np.repeat(latitude_weights(LATITUDE, "area"), len(LONGITUDE)) / 72
MEMORY = np.linspace(0.1, 0.6, 72)  # of each cell
GLOBAL_MEMORY, GLOBAL_DEVIATION = 0.6, 0.2
RESPONSE = np.stack([1 + 0.5 * np.sin(np.arange(72)), np.full(72, 0.4)])
RESPONSE[0] += 1 - RESPONSE[0] @ AREA  # the pattern of the global mean has a mean of one
COVARIANCE = np.exp(-great_circle(LATITUDE, LONGITUDE) / 3000)  # of both targets


def samples(
    signature: Signature,
    drivers: np.ndarray,
    fields: np.ndarray,
    run: np.ndarray,
    year: np.ndarray,
) -> Sample:
    """One sample a year: drivers ``[row, channel]``, fields ``[row, target, lat, lon]``."""
    rows = len(run)
    inputs = torch.from_numpy(drivers).float()[:, None, :, None, None]
    return random_sample(signature, rows)._replace(
        inputs=inputs.expand(-1, -1, -1, *signature.shape),
        static=torch.zeros(0, *signature.shape),
        targets=torch.from_numpy(fields).float().reshape(rows, 1, -1, *signature.shape),
        year=torch.from_numpy(year)[:, None],
        run=torch.from_numpy(run),
    )


def rows_of(sample: Sample, chosen: np.ndarray) -> Sample:
    return Sample(
        **{
            name: values if name == "static" else values[torch.from_numpy(chosen)]
            for name, values in sample._asdict().items()
        }
    )


def simulated(members: int, years: int, seed: int = 0) -> tuple[Sample, np.ndarray]:
    """Members of one warming scenario with the known variability, and its forced response."""
    random = np.random.default_rng(seed)
    root = np.linalg.cholesky(COVARIANCE) * np.sqrt(1 - MEMORY[:, None] ** 2)
    warming = np.linspace(0.0, 3.0, years)
    forced = warming[:, None, None] * RESPONSE
    balance = COVARIANCE @ AREA / (AREA @ COVARIANCE @ AREA)
    runs = []
    for _ in range(members):
        eta = GLOBAL_DEVIATION * random.normal(size=years + 100)
        eta = autoregress(eta, np.array([GLOBAL_MEMORY]))[100:]
        local = random.normal(size=(years + 100, 2, 72)) @ root.T
        local = autoregress(local, MEMORY[None, None])[100:]
        local[:, 0] -= (local[:, 0] @ AREA)[:, None] * balance
        runs.append(forced + eta[:, None, None] * RESPONSE + 0.5 * local)
    year = np.tile(1900 + np.arange(years), members)
    run = np.repeat(np.arange(members), years)
    drivers = np.tile(warming, members)[:, None]
    return samples(CLIMATE, drivers, np.concatenate(runs), run, year), forced


def fit(model, sample: Sample):
    model.accumulate(sample)
    model.solve()
    return model


TRAINING, FORCED = simulated(members=10, years=200)


@pytest.fixture(scope="module")
def fitted() -> PatternScalingWithVariability:
    return fit(PatternScalingWithVariability(CLIMATE), TRAINING)


def one_run(years: int = 200) -> Sample:
    return rows_of(TRAINING, np.arange(years))


def noise_of(model, members: int, years: int = 200) -> np.ndarray:
    """Return the noise of several members ``[member, year, target, cell]``."""
    sample = one_run(years)
    with torch.no_grad():
        drawn = torch.stack([model.draw(sample, member) for member in range(members)])
        return (drawn - model(sample)).squeeze(2).flatten(3).numpy()


# What the fit finds.


def test_global_variability_is_recovered(fitted):
    assert fitted.lags.tolist() == pytest.approx([GLOBAL_MEMORY], abs=0.06)
    assert float(fitted.deviation) == pytest.approx(GLOBAL_DEVIATION, rel=0.05)


def test_response_to_global_variability_is_recovered_and_has_mean_one(fitted):
    response = fitted.response.numpy()
    assert response[0] @ AREA == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(response[0], RESPONSE[0], atol=0.15)


def test_memory_of_each_cell_is_recovered(fitted):
    np.testing.assert_allclose(fitted.memory[1], MEMORY, atol=0.08)
    assert np.abs(fitted.memory[1].numpy() - MEMORY).mean() < 0.025


def test_spatial_covariance_is_recovered(fitted):
    factor = fitted.factor[1].double().numpy()
    known = 0.25 * COVARIANCE * np.sqrt(np.outer(1 - MEMORY**2, 1 - MEMORY**2))
    known /= 1 - np.outer(MEMORY, MEMORY)
    np.testing.assert_allclose(factor @ factor.T, known, atol=0.035)
    assert np.abs(factor @ factor.T - known).mean() < 0.008


def test_forced_response_is_pattern_scaling(fitted):
    with torch.no_grad():
        answer = fitted(one_run())[:, 0].flatten(2).numpy()
    np.testing.assert_allclose(answer, FORCED, atol=0.15)


def test_fit_does_not_depend_on_batches_or_their_order(fitted):
    order = np.random.default_rng(0).permutation(len(TRAINING.run))
    other = PatternScalingWithVariability(CLIMATE)
    for part in np.array_split(order, 7):
        other.accumulate(rows_of(TRAINING, part))
    other.solve()
    for name, value in fitted.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value, rtol=1e-5, atol=1e-5)


# What it draws.


def test_draws_have_the_variance_memory_and_correlation_of_the_members(fitted):
    drawn = noise_of(fitted, members=60)
    truth = TRAINING.targets.reshape(10, 200, 2, 72).numpy()
    truth = (truth - truth.mean(axis=0)) * np.sqrt(10 / 9)

    def lag_one(fields: np.ndarray) -> np.ndarray:
        return (fields[:, 1:] * fields[:, :-1]).mean((0, 1)) / (fields**2).mean((0, 1))

    assert np.var(drawn, axis=(0, 1)).mean() == pytest.approx(
        np.var(truth, axis=(0, 1)).mean(), rel=0.05
    )
    np.testing.assert_allclose(drawn.std(axis=(0, 1)), truth.std(axis=(0, 1)), rtol=0.12)
    np.testing.assert_allclose(lag_one(drawn), lag_one(truth), atol=0.12)
    for target in range(2):
        correlation = [
            np.corrcoef(fields[:, :, target].reshape(-1, 72), rowvar=False)
            for fields in (drawn, truth)
        ]
        assert np.abs(correlation[0] - correlation[1]).mean() < 0.04


def test_global_mean_of_a_draw_is_the_global_variability_alone(fitted):
    mean = noise_of(fitted, members=60)[:, :, 0] @ AREA
    stationary = GLOBAL_DEVIATION / np.sqrt(1 - GLOBAL_MEMORY**2)
    assert mean.std() == pytest.approx(stationary, rel=0.05)
    assert np.corrcoef(mean[:, 1:].ravel(), mean[:, :-1].ravel())[0, 1] == pytest.approx(
        0.6, abs=0.05
    )


@pytest.mark.parametrize("kind", [PatternScalingWithVariability, PatternScalingWithGaussian])
def test_a_member_is_the_same_in_any_batch_and_after_loading(kind):
    model = fit(kind(CLIMATE, members=3), TRAINING)
    sample = one_run()
    whole = model.draw(sample, 1)
    shuffled = np.random.default_rng(1).permutation(200)
    torch.testing.assert_close(model.draw(rows_of(sample, shuffled), 1), whole[shuffled])
    assert not torch.allclose(model.draw(sample, 2), whole)
    model.draw(sample._replace(year=sample.year + 200), 1)  # until 2299: a longer series
    torch.testing.assert_close(model.draw(sample, 1), whole)
    other = kind(CLIMATE, members=3)
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(other.draw(sample, 1), whole)
    assert not torch.allclose(fit(kind(CLIMATE, seed=1), TRAINING).draw(sample, 1), whole)


def test_years_of_all_leads_are_drawn(fitted):
    twice = replace(CLIMATE, leads=2, history=1)
    model = PatternScalingWithGaussian(twice)
    model.deviation += 1.0
    sample = random_sample(twice, 3)._replace(
        year=torch.tensor([[2000, 2001], [2001, 2002], [2002, 2003]])
    )
    noise = model.draw(sample, 0) - model(sample)
    assert noise.shape == (3, 2, 2, *CLIMATE.shape)
    torch.testing.assert_close(noise[0, 1], noise[1, 0])
    assert not torch.allclose(noise[0, 0], noise[0, 1])


def test_large_grids_keep_leading_patterns_and_all_variance(fitted):
    model = fit(PatternScalingWithVariability(CLIMATE, most_cells=71, modes=20), TRAINING)
    assert model.factor.shape == (2, 72, 20)
    ratio = noise_of(model, 20).std(axis=(0, 1)) / noise_of(fitted, 20).std(axis=(0, 1))
    np.testing.assert_allclose(ratio, 1.0, atol=0.1)
    assert (
        fit(PatternScalingWithVariability(CLIMATE, most_cells=72), TRAINING).factor.shape[2] == 72
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"members": 0}, "'members' = 0"),
        ({"radii": (500, 20_000)}, "'radii' .* up to 10000 km"),
        ({"folds": 1}, "'folds' = 1 must be 2 or more"),
        ({"predictor": "carbon"}, "did you mean 'carbon_dioxide'"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        PatternScalingWithVariability(CLIMATE, **options)


def test_years_before_the_first_are_refused(fitted):
    sample = one_run()
    with pytest.raises(UserError, match="year 1800 is before option 'first_year' = 1850"):
        fitted.draw(sample._replace(year=sample.year - 100), 0)


# Against the baselines, on members that were not seen: in each cell, in the mean over the globe,
# and as whole fields. One spread for all cells is wrong in each cell. One for each cell is right
# there, and only the other two scores tell that cells go together.


def scores(model, future: Sample, truth: np.ndarray, std: float = 1.0) -> dict[str, float]:
    """Score 40 draws of the first target against members ``[member, year, cell]``."""
    with torch.no_grad():
        drawn = torch.stack([model.draw(future, member)[:, 0, 0] for member in range(40)])
    members = drawn.flatten(2).double().numpy() * std

    def distance(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.sqrt((a - b) ** 2 @ AREA).mean())

    earlier = range(1, 40)
    pairs = np.average([distance(members[i], members[:i]) for i in earlier], weights=earlier)
    return {
        "cell": float(np.mean([crps(members, one) @ AREA for one in truth])),
        "global mean": float(np.mean([crps(members @ AREA, one @ AREA) for one in truth])),
        "energy": float(np.mean([distance(members, one) for one in truth]) - 0.5 * pairs),
    }


def test_held_out_members_of_the_known_process_score_better_than_with_gaussian_spread(fitted):
    held_out = simulated(members=8, years=200, seed=1)[0]
    truth = held_out.targets[:, 0, 0].reshape(8, 200, 72).double().numpy()
    found = scores(fitted, one_run(), truth)
    constant = scores(fit(PatternScalingWithGaussian(CLIMATE), TRAINING), one_run(), truth)
    by_cell = fit(PatternScalingWithGaussian(CLIMATE, spread="cell"), TRAINING)
    by_cell = scores(by_cell, one_run(), truth)
    for baseline in (constant, by_cell):
        assert found["cell"] == pytest.approx(baseline["cell"], rel=0.01)  # all cells vary alike
        assert found["global mean"] < 0.9 * baseline["global mean"]
        assert found["energy"] < 0.997 * baseline["energy"]


def planet(scenario: str, members: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return drivers ``[year, 1]``, tas in K ``[member, year, lat, lon]`` and years."""
    climate = simulate_climate([scenario], members, latitude=LATITUDE, longitude=LONGITUDE)
    climate = climate.sel(scenario=scenario).dropna("time", how="all", subset=["tas"])
    drivers = climate.carbon_dioxide.values[:, None] / 3000
    return drivers, climate.tas.values, climate.time.dt.year.values.astype(np.int64)


def test_held_out_members_of_the_planet_score_better_than_with_constant_gaussian_spread():
    """Three members of three scenarios for training, eight others of ssp245 as truth."""
    signature = replace(CLIMATE, targets=("tas",))
    parts = [planet(name, [1, 2, 3]) for name in ("historical", "ssp126", "ssp585")]
    fields = np.concatenate([tas.reshape(-1, 1, *signature.shape) for _, tas, _ in parts])
    mean, std = fields.mean(), float(fields.std())
    training = samples(
        signature,
        np.concatenate([np.tile(drivers, (3, 1)) for drivers, _, _ in parts]),
        (fields - mean) / std,
        np.repeat(np.arange(9), np.repeat([len(year) for _, _, year in parts], 3)),
        np.concatenate([np.tile(year, 3) for _, _, year in parts]),
    )
    drivers, tas, year = planet("ssp245", list(range(4, 12)))
    future = samples(signature, drivers, tas[0], np.zeros(len(year), np.int64), year)
    truth = tas.reshape(8, len(year), 72) - float(mean)

    found, constant, by_cell = (
        scores(fit(model, training), future, truth, std)
        for model in (
            PatternScalingWithVariability(signature),
            PatternScalingWithGaussian(signature),
            PatternScalingWithGaussian(signature, spread="cell"),
        )
    )
    assert found["cell"] < 0.98 * constant["cell"]
    assert found["cell"] == pytest.approx(by_cell["cell"], rel=0.01)
    # The error of the forced response is the same in all three, and is most of the rest.
    for baseline in (constant, by_cell):
        assert found["global mean"] < 0.95 * baseline["global mean"]
        assert found["energy"] < baseline["energy"]
