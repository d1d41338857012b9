"""Noise floors against known noise, against many drawn worlds, and against drawn members."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from climbench.metrics import Regions, get_metric, region_weights, truth_draws
from climbench.metrics.noise_floor import (
    climatebench_variability,
    member_noise,
    noise_floor,
    resampled_floor,
    skill_above_noise,
)
from climbench.metrics.truth_draws import scores_against

LATITUDE = np.linspace(-75, 75, 6)
LONGITUDE = np.arange(0, 360, 45)
CELLS = LATITUDE.size * LONGITUDE.size
REGIONS = Regions(region_weights(LATITUDE, LONGITUDE, ("global", "tropics"), "cos"))
YEARS = 21
SCORES = [
    "mse",
    "rmse",
    "rmse(root=before)",
    "bias",
    "mae",
    "nrmse_spatial",
    "nrmse_global",
    "nrmse_total",
]
NORMED = ["nrmse_spatial(norm=std)", "nrmse_global(norm=none)"]


def forced_response():
    """[year, cell]: a warming that grows with latitude."""
    pattern = 1 + np.abs(np.sin(np.deg2rad(LATITUDE)))[:, None] * np.ones(LONGITUDE.size)
    return np.linspace(2, 4, YEARS)[:, None] * pattern.ravel()


def variability(members, memory=0.0, worlds=1, seed=0):
    """AR(1) in time, of a standard deviation that differs between cells, in part common to all.

    [world, member, year, cell]
    """
    random = np.random.default_rng(seed)
    shape = (worlds, members, YEARS)
    white = random.normal(size=(*shape, CELLS)) + 0.5 * random.normal(size=(*shape, 1))
    noise = white.copy()
    for year in range(1, YEARS):
        shock = np.sqrt(1 - memory**2) * white[:, :, year]
        noise[:, :, year] = memory * noise[:, :, year - 1] + shock
    return noise * np.linspace(0.2, 0.8, CELLS)


def written_out(members):
    """The floors of the global mean, in float64, formula by formula."""
    w = np.cos(np.deg2rad(LATITUDE))[:, None] * np.ones(LONGITUDE.size)
    w = w.ravel() / w.sum()
    number = len(members)
    variance = members.var(axis=0, ddof=1)
    c4 = stats.chi.mean(number - 1) / np.sqrt(number - 1)
    norm = abs((members.mean(axis=(0, 1)) * w).sum())
    spatial = np.sqrt((members.mean(axis=1).var(axis=0, ddof=1) * w).sum() / number) / norm
    course = np.sqrt((members @ w).var(axis=0, ddof=1).mean() / number) / norm
    return {
        "mse": (variance @ w).mean() / number,
        "rmse": np.sqrt((variance @ w).mean() / number),
        "rmse(root=before)": np.sqrt((variance @ w) / number).mean(),
        "bias": (members @ w).mean(axis=1).std(ddof=1) / np.sqrt(number),
        "mae": np.sqrt(2 / np.pi / number) * (np.sqrt(variance) @ w).mean() / c4,
        "crps": (np.sqrt(variance) @ w).mean() / c4 / np.sqrt(np.pi * number),
        "nrmse_spatial": spatial,
        "nrmse_global": course,
        "nrmse_total": spatial + 5 * course,
        "nrmse_global(norm=none)": course * norm,
    }


@pytest.mark.parametrize("members", [2, 3, 50])
def test_the_formulas_written_out(members):
    ensemble = forced_response() + variability(members)[0]
    for name, expected in written_out(ensemble).items():
        assert noise_floor(ensemble, REGIONS, name)[0] == pytest.approx(expected, rel=1e-12), name


def test_white_noise_of_known_strength():
    sigma, number = 0.7, 400
    noise = np.random.default_rng(0).normal(0, sigma, (number, YEARS, CELLS))
    members = forced_response() + noise
    error = np.sqrt(2 / (number * YEARS * 20))  # of a variance of about 20 independent cells
    mse = noise_floor(members, REGIONS, "mse")
    np.testing.assert_allclose(mse, sigma**2 / number, rtol=4 * error)
    mae = noise_floor(members, REGIONS, "mae")
    np.testing.assert_allclose(mae, sigma * np.sqrt(2 / np.pi / number), rtol=4 * error)


@pytest.mark.parametrize("memory", [0.0, 0.8])
@pytest.mark.parametrize("members", [3, 10])
def test_a_perfect_emulator_scores_the_floor_in_the_mean_over_many_worlds(memory, members):
    worlds = 200
    response = forced_response()
    ensembles = response + variability(members, memory, worlds, seed=1)
    names = [*SCORES, *NORMED]
    scores = scores_against(
        response, ensembles.mean(axis=1), REGIONS, [get_metric(name) for name in names]
    )
    for name, scored in zip(names, scores, strict=True):
        floors = np.stack([noise_floor(ensemble, REGIONS, name) for ensemble in ensembles])
        if name in ("mse", "mae"):  # nothing but a mean: no bias
            pairs = scored, floors
        elif name in ("nrmse_total", "rmse(root=before)"):  # a sum of roots: their bias stays
            np.testing.assert_allclose(scored.mean(axis=0), floors.mean(axis=0), rtol=0.2)
            continue
        else:  # roots: of mean squares
            pairs = scored**2, floors**2
        error = np.sqrt(sum(x.var(axis=0, ddof=1) for x in pairs) / worlds)
        difference = np.abs(pairs[0].mean(axis=0) - pairs[1].mean(axis=0))
        assert np.all(difference < 4 * error), name
        assert np.all(error < 0.2 * pairs[1].mean(axis=0)), name


@pytest.mark.parametrize("memory", [0.0, 0.8])
@pytest.mark.parametrize("name", [*SCORES, *NORMED])
def test_drawing_members_agrees_with_the_formula(name, memory):
    ensemble = forced_response() + variability(20, memory, seed=2)[0]
    drawn = resampled_floor(ensemble, REGIONS, name, draws=600)
    # What remains is the root's own bias: few independent values in means over the globe.
    tolerance = {"mse": 0.06, "rmse": 0.05, "mae": 0.05, "bias": 0.1}.get(name, 0.2)
    np.testing.assert_allclose(drawn, noise_floor(ensemble, REGIONS, name), rtol=tolerance)


def test_the_crps_floor_is_the_least_that_can_be_expected():
    from scores.probability import crps_for_ensemble

    sigma, number = 0.3, 5
    members = np.random.default_rng(3).normal(0, sigma, (number, 20000, 1))
    (floor,) = noise_floor(members, Regions(np.ones((1, 1))), "crps")
    assert floor == pytest.approx(sigma / np.sqrt(np.pi * number), rel=0.01)
    truth = xr.DataArray(members.mean(axis=0)[:, 0], dims="year")
    quantiles = xr.DataArray(stats.norm.ppf((np.arange(60) + 0.5) / 60), dims="member")

    def expected(spread):
        forecast = (spread * quantiles).expand_dims(year=truth.sizes["year"])
        return float(crps_for_ensemble(forecast, truth, "member", method="ecdf"))

    right = sigma / np.sqrt(number)
    assert expected(right) == pytest.approx(floor, rel=0.03)
    assert expected(right) < min(expected(right / 2), expected(sigma), expected(1e-9))


def test_the_floor_falls_with_the_root_of_the_number_of_members():
    many = noise_floor(forced_response() + variability(200)[0], REGIONS, "rmse")
    few = noise_floor(forced_response() + variability(50)[0], REGIONS, "rmse")
    np.testing.assert_allclose(few / many, 2.0, rtol=0.05)


@pytest.mark.parametrize("name", [*SCORES, *NORMED])
@pytest.mark.parametrize("factor", [1e-12, 1e12])
def test_floor_and_noise_have_the_metrics_unit(name, factor):
    ensemble = forced_response() + variability(4)[0]
    scale = factor ** get_metric(name).unit_power
    np.testing.assert_allclose(
        noise_floor(factor * ensemble, REGIONS, name),
        scale * noise_floor(ensemble, REGIONS, name),
        rtol=1e-9,
    )
    np.testing.assert_allclose(
        member_noise(factor * ensemble[0], factor * ensemble, REGIONS, [name], draws=8),
        scale * member_noise(ensemble[0], ensemble, REGIONS, [name], draws=8),
        rtol=1e-6,
    )


@pytest.mark.parametrize("name", [*SCORES, "crps"])
def test_a_cell_that_one_member_lacks_does_not_count(name):
    ensemble = forced_response() + variability(4)[0]
    holes = ensemble.copy()
    holes[2, :, 3:7] = np.nan
    weights = REGIONS.weights.copy()
    weights[3:7] = 0.0
    expected = noise_floor(ensemble, Regions(weights), name)
    np.testing.assert_allclose(noise_floor(holes, REGIONS, name), expected, rtol=1e-12)
    if name != "crps":
        prediction = ensemble[0]
        with np.errstate(all="raise"):
            noise = member_noise(prediction, holes, REGIONS, [name], draws=9)
        np.testing.assert_allclose(
            noise, member_noise(prediction, ensemble, Regions(weights), [name], draws=9), rtol=1e-9
        )


def test_a_year_that_is_missing_does_not_count():
    ensemble = forced_response() + variability(4)[0]
    holes = ensemble.copy()
    holes[1, 5] = np.nan
    kept = np.delete(ensemble, 5, axis=1)
    for name in [*SCORES, *NORMED]:
        np.testing.assert_allclose(
            noise_floor(holes, REGIONS, name), noise_floor(kept, REGIONS, name), rtol=1e-12
        )
    found = climatebench_variability(holes, REGIONS)
    for name, expected in climatebench_variability(kept, REGIONS).items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-12)


def test_nothing_valid_has_no_floor():
    for name in SCORES:
        assert np.isnan(noise_floor(np.full((3, YEARS, CELLS), np.nan), REGIONS, name)).all()


def test_members_that_agree_have_no_noise():
    ensemble = np.repeat(forced_response()[None], 3, axis=0)
    for name in SCORES:
        np.testing.assert_allclose(noise_floor(ensemble, REGIONS, name), 0.0, atol=1e-15)
    noise = member_noise(ensemble[0] + 1, ensemble, REGIONS, SCORES, draws=5)
    np.testing.assert_allclose(noise, 0.0, atol=1e-14)


def test_float32_members_and_one_year():
    ensemble = (forced_response() + variability(4)[0]).astype(np.float32)
    np.testing.assert_allclose(
        noise_floor(ensemble, REGIONS, "rmse"),
        noise_floor(ensemble.astype(np.float64), REGIONS, "rmse"),
        rtol=1e-12,
    )
    one = ensemble[:, :1]
    rmse, bias = (noise_floor(one, REGIONS, name) for name in ("rmse", "bias"))
    assert np.all(rmse > bias)


@pytest.mark.parametrize(
    "call",
    [
        lambda e: noise_floor(e, REGIONS),
        lambda e: resampled_floor(e, REGIONS),
        lambda e: member_noise(e[0], e, REGIONS, ["rmse"]),
        lambda e: climatebench_variability(e, REGIONS),
    ],
)
def test_one_member_is_refused(call):
    with pytest.raises(ValueError, match="one member does not tell the noise"):
        call(forced_response()[None])


def test_what_cannot_be_told_is_refused():
    ensemble = forced_response() + variability(3)[0]
    with pytest.raises(ValueError, match="use resampled_floor"):
        noise_floor(ensemble, REGIONS, "pattern_correlation")
    with pytest.raises(ValueError, match="noise of 'acc'"):
        member_noise(ensemble[0], ensemble, REGIONS, ["acc"])
    with pytest.raises(ValueError, match=r"\[member, sample, cell\]"):
        noise_floor(ensemble[0], REGIONS)
    with pytest.raises(ValueError, match="two draws"):
        member_noise(ensemble[0], ensemble, REGIONS, ["rmse"], draws=1)


def test_metrics_without_a_formula_have_a_drawn_floor():
    ensemble = forced_response() + variability(10)[0]
    correlation = resampled_floor(ensemble, REGIONS, "pattern_correlation", draws=50)
    assert 0.9 < correlation[0] < 1.0  # of the globe; the pattern of the tropics is drowned
    assert correlation[1] < correlation[0]


def test_the_noise_of_a_score_is_its_spread_over_worlds():
    worlds, number = 300, 10
    response = forced_response()
    prediction = response + np.cos(np.deg2rad(np.repeat(LATITUDE, LONGITUDE.size)))
    names = ["rmse", "mae", "bias", "nrmse_spatial", "nrmse_global", "trend_error"]
    metrics = [get_metric(name) for name in names]
    ensembles = response + variability(number, 0.5, worlds, seed=4)
    scores = scores_against(prediction, ensembles.mean(axis=1), REGIONS, metrics)
    spread = np.stack([s.std(axis=0, ddof=1) for s in scores])
    noise = [
        member_noise(prediction, ensemble, REGIONS, names, draws=60) for ensemble in ensembles[:40]
    ]
    np.testing.assert_allclose(np.mean(noise, axis=0), spread, rtol=0.2)


def test_the_noise_of_the_bias_is_its_floor():
    ensemble = forced_response() + variability(10)[0]
    (noise,) = member_noise(forced_response() + 3.0, ensemble, REGIONS, ["bias"], draws=4000)
    np.testing.assert_allclose(noise, noise_floor(ensemble, REGIONS, "bias"), rtol=0.05)
    label = "bias(weights=none)"
    (plain,) = member_noise(forced_response() + 3.0, ensemble, REGIONS, [label], draws=4000)
    np.testing.assert_allclose(plain, noise_floor(ensemble, REGIONS, label), rtol=0.05)
    assert not np.allclose(plain, noise, rtol=0.01)


def test_noise_depends_on_the_seed_but_not_on_the_blocks(monkeypatch):
    ensemble = forced_response() + variability(6)[0]
    names = ["rmse", "nrmse_total", "variability_error"]
    arguments = ensemble[0], ensemble, REGIONS, names
    noise = member_noise(*arguments, draws=40)
    assert noise.shape == (3, 2)
    np.testing.assert_array_equal(noise, member_noise(*arguments, draws=40))
    assert not np.allclose(noise, member_noise(*arguments, draws=40, seed=1), rtol=1e-3)
    monkeypatch.setattr(truth_draws, "BLOCK_VALUES", 1)
    np.testing.assert_allclose(member_noise(*arguments, draws=40), noise, rtol=1e-10)


def test_skill_above_noise_recovers_the_error_against_the_forced_response():
    response = forced_response()
    error = 0.2 * np.sin(np.arange(CELLS))
    metric = get_metric("rmse")
    ensembles = response + variability(4, worlds=200, seed=5)
    (scores,) = scores_against(response + error, ensembles.mean(axis=1), REGIONS, [metric])
    floors = np.stack([noise_floor(ensemble, REGIONS) for ensemble in ensembles])
    above = np.sqrt(np.square(skill_above_noise(scores, floors)).mean(axis=0))
    (exact,) = scores_against(response + error, response[None], REGIONS, [metric])
    np.testing.assert_allclose(above, exact[0], rtol=0.02)
    assert np.all(scores.mean(axis=0) > 1.2 * exact[0])
    assert skill_above_noise(np.array(1.0), np.array(2.0)) == 0.0


def test_climatebench_variability_equals_its_formula_in_xarray():
    ensemble = forced_response() + variability(3)[0]
    members = xr.DataArray(
        ensemble.reshape(3, YEARS, LATITUDE.size, LONGITUDE.size),
        dims=("member", "time", "lat", "lon"),
        coords={"lat": LATITUDE},
    )
    weights = np.cos(np.deg2rad(members.lat))
    space = ("lat", "lon")
    norm = abs(members.mean(("member", "time")).weighted(weights).mean(space))
    spatial = members.mean("time").std("member").weighted(weights).mean(space) / norm
    course = members.weighted(weights).mean(space).std(("member", "time")) / norm
    found = climatebench_variability(ensemble, REGIONS)
    assert found["nrmse_spatial"][0] == pytest.approx(float(spatial), rel=1e-12)
    assert found["nrmse_global"][0] == pytest.approx(float(course), rel=1e-12)
    assert found["nrmse_total"][0] == pytest.approx(float(spatial + 5 * course), rel=1e-12)
