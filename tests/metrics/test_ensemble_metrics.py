"""Scores of ensembles against sums written out, xskillscore, scores, properscoring and scipy."""

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from small_ensembles import (
    CELLS,
    LAYOUT,
    REGIONS,
    WEIGHTS,
    average,
    batch_of,
    block_of,
    ensemble,
    score,
)

from climbench.errors import UserError
from climbench.metrics import Companion, Regions, Stack, get_metric
from climbench.metrics.distributions import ensemble_quantile, gaussian_crps
from climbench.metrics.ensemble import EnsembleVariance, MemberDistance, PairDistance, crps
from climbench.metrics.ensemble_kernel import crps_parts, ensemble_mean, sorting_network
from climbench.metrics.moments import SquaredError
from climbench.metrics.scan import scan
from climbench.metrics.spread import RankHistogram

KERNEL = (
    MemberDistance(),
    PairDistance(),
    PairDistance(itself=True),
    EnsembleVariance(),
    EnsembleVariance(of_mean=True),
)


def crps_by_loops(members, truth, form):
    """The definition, one cell at a time: members [member, cell]."""
    size = len(members)
    divisor = {"fair": size * (size - 1), "ensemble": size**2}[form]
    result = []
    for x, y in zip(members.T.tolist(), truth.tolist(), strict=True):
        pairs = sum(abs(a - b) for a, b in product(x, x))
        result.append(sum(abs(a - y) for a in x) / size - pairs / (2 * divisor))
    return np.array(result)


def named(values, *dims):
    return xr.DataArray(values, dims=dims)


# The CRPS of arrays


@pytest.mark.parametrize("size", [2, 3, 5, 8, 50, 65])
@pytest.mark.parametrize("form", ["fair", "ensemble"])
def test_crps_equals_its_definition(size, form):
    members, truth = ensemble(size, samples=1)
    expected = crps_by_loops(members[0], truth[0], form)
    np.testing.assert_allclose(crps(members[0], truth[0], form), expected, rtol=1e-12, atol=1e-12)


def test_crps_equals_properscoring_scores_and_xskillscore():
    scores = pytest.importorskip("scores.probability")
    properscoring = pytest.importorskip("properscoring")
    xskillscore = pytest.importorskip("xskillscore")
    random = np.random.default_rng(0)
    x, y = random.normal(size=(20, 300)), random.normal(size=300)
    ours = {form: crps(x, y, form) for form in ("fair", "ensemble")}
    forecast, truth = named(x, "member", "point"), named(y, "point")
    for form, method in (("fair", "fair"), ("ensemble", "ecdf")):
        theirs = scores.crps_for_ensemble(
            forecast, truth, "member", method=method, preserve_dims="all"
        )
        np.testing.assert_allclose(ours[form], theirs, rtol=1e-10, atol=1e-12)
    theirs = properscoring.crps_ensemble(y, x, axis=0)
    np.testing.assert_allclose(ours["ensemble"], theirs, rtol=1e-10, atol=1e-12)
    theirs = xskillscore.crps_ensemble(truth, forecast, dim=[])
    np.testing.assert_allclose(ours["ensemble"], theirs, rtol=1e-10, atol=1e-12)


def test_almost_fair_lies_between():
    members, truth = ensemble()
    fair, own = (crps(members, truth, form, axis=1) for form in ("fair", "ensemble"))
    both = crps(members, truth, "almost_fair", axis=1, alpha=0.9)
    np.testing.assert_allclose(both, 0.9 * fair + 0.1 * own, rtol=1e-12, atol=1e-13)


def test_each_axis_and_layout_gives_the_same_bits():
    members, truth = ensemble(6)
    expected = crps(members, truth, axis=1)
    np.testing.assert_array_equal(crps(np.moveaxis(members, 1, 0), truth), expected)
    last = np.ascontiguousarray(np.moveaxis(members, 1, -1))
    np.testing.assert_array_equal(crps(last, truth, axis=-1), expected)
    np.testing.assert_array_equal(crps(members, truth, axis=1, threads=1), expected)


@given(st.permutations(range(9)))
def test_the_order_of_members_changes_no_bit(order):
    members, truth = ensemble(9, samples=1)
    np.testing.assert_array_equal(crps_parts(members[0, order], truth[0]), crps_parts(*_first(9)))


def _first(size):
    members, truth = ensemble(size, samples=1)
    return members[0], truth[0]


@given(st.integers(1, 40), st.integers(0, 1000))
def test_the_network_sorts(size, seed):
    values = np.random.default_rng(seed).integers(0, 5, size).tolist()
    work = list(values)
    for low, high in sorting_network(size):
        work[low], work[high] = min(work[low], work[high]), max(work[low], work[high])
    assert work == sorted(values)


def test_the_network_sorts_every_order_of_six():
    for order in permutations(range(6)):
        work = list(order)
        for low, high in sorting_network(6):
            work[low], work[high] = min(work[low], work[high]), max(work[low], work[high])
        assert work == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf])
def test_a_missing_member_or_truth_makes_the_cell_missing(missing):
    members, truth = _first(5)
    members[2, 4] = missing
    truth[6] = missing
    found = np.isnan(crps(members, truth))
    assert found.nonzero()[0].tolist() == [4, 6]


def test_float32_is_summed_in_float64():
    random = np.random.default_rng(0)
    x = random.normal(280, 1, (50, 400)).astype(np.float32)
    y = random.normal(280, 1, 400).astype(np.float32)
    exact = crps(x.astype(np.float64), y.astype(np.float64))
    np.testing.assert_allclose(crps(x, y), exact, rtol=1e-13)


def test_no_digits_are_lost_on_a_large_offset():
    members, truth = _first(9)
    wave = 2.0**-20  # representable beside 2**30
    near = crps(members.round() * wave, truth.round() * wave)
    far = crps(2.0**30 + members.round() * wave, 2.0**30 + truth.round() * wave)
    np.testing.assert_allclose(far, near, rtol=1e-13, atol=1e-20)


@pytest.mark.parametrize("form", ["fair", "ensemble", "almost_fair"])
def test_one_member_scores_its_absolute_error(form):
    members, truth = ensemble(1)
    np.testing.assert_allclose(crps(members, truth, form, axis=1), np.abs(members[:, 0] - truth))
    expected = average(np.abs(members[:, 0] - truth))
    np.testing.assert_allclose(score(f"crps(form={form})", members, truth), expected)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="differ in shape"):
        crps(np.zeros((3, 4)), np.zeros(5))
    with pytest.raises(UserError, match="form=half is none of fair"):
        get_metric("crps(form=half)")


# The kernel on blocks


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 2, 7])
def test_the_kernel_equals_the_statistics_cell_by_cell(size, dtype):
    members, truth = ensemble(size, dtype=dtype)
    climatology = truth.copy()
    members[1, 0, 5] = truth[2, 6] = climatology[3, 7] = np.nan
    truth[4] = np.nan
    found = MemberDistance.kernel(block_of(members, truth, climatology), KERNEL)
    batch = batch_of(members, truth, climatology=climatology)
    for statistic in KERNEL:
        expected = statistic.means(batch, REGIONS)
        np.testing.assert_allclose(found[statistic][:, 0, 0], expected, rtol=1e-12, atol=1e-13)


def test_the_kernel_gives_the_same_bits_for_each_division():
    members, truth = ensemble(9)
    whole = MemberDistance.kernel(block_of(members, truth), KERNEL)
    for sample in range(len(truth)):
        part = slice(sample, sample + 1)
        alone = MemberDistance.kernel(block_of(members[part], truth[part]), KERNEL)
        for statistic in KERNEL:
            np.testing.assert_array_equal(alone[statistic][0], whole[statistic][sample])


def test_conditions_may_be_computed_apart_and_in_any_order():
    members, truth = ensemble(5, samples=6)
    whole = block_of(members, truth)
    # The same fields as 2 samples of 3 conditions.
    rows = whole.forecast.rows.reshape(2, 3, 1, 5), whole.truth.rows.reshape(2, 3, 1)
    apart = replace(
        whole,
        forecast=Stack(whole.forecast.values, rows[0]),
        truth=Stack(whole.truth.values, rows[1]),
        split=lambda call, number: [call(i, i + 1) for i in reversed(range(number))],
    )
    found = MemberDistance.kernel(apart, KERNEL)
    for statistic, values in MemberDistance.kernel(whole, KERNEL).items():
        np.testing.assert_array_equal(found[statistic].reshape(values.shape), values)
    mean, expected = ensemble_mean(apart).forecast, ensemble_mean(whole).forecast
    np.testing.assert_array_equal(mean.values[mean.rows.ravel()], expected.values)


def test_fields_that_there_are_not_are_left_out():
    members, truth = ensemble()
    block = block_of(members, truth)
    block.forecast.rows[0, 0, 0, 2] = block.truth.rows[1] = -1
    block.forecast.rows[2] = -1
    found = MemberDistance.kernel(block, KERNEL)
    for statistic in KERNEL:
        assert np.isnan(found[statistic][:3]).all() and np.isfinite(found[statistic][3:]).all()
    mean = ensemble_mean(block)
    assert mean.forecast.rows[2, 0, 0] == -1
    assert np.isnan(mean.forecast.values[mean.forecast.rows[0, 0, 0]]).all()


def test_the_ensemble_mean_feeds_the_moments():
    members, truth = ensemble(dtype=np.float32)
    members[3, 1, 4] = np.nan
    block = ensemble_mean(block_of(members, truth))
    exact = members.astype(np.float64).mean(axis=1)
    np.testing.assert_allclose(block.forecast.values[block.forecast.rows[:, 0, 0]], exact)
    found = scan(block, [SquaredError()], maps=False)
    expected = SquaredError().means(batch_of(members, truth), REGIONS)
    np.testing.assert_allclose(found.means[SquaredError()][:, 0, 0], expected, rtol=1e-10)
    assert found.unexpected.item() == 1
    assert ensemble_mean(block) is block


def test_equal_members_have_no_spread_at_all():
    members = np.full((1, 50, CELLS), 0.1)
    found = MemberDistance.kernel(block_of(members, members[:, 0]), KERNEL)
    assert all(np.all(values == 0) for values in found.values())


# Spread and error


def test_spread_and_skill_by_numpy():
    members, truth = ensemble()
    variance = average(members.var(axis=1, ddof=1))
    error = average((members.mean(axis=1) - truth) ** 2)
    size = members.shape[1]
    expected = {
        "spread": np.sqrt(variance),
        "skill": np.sqrt(error),
        "spread_skill": np.sqrt((size + 1) / size * variance / error) - 1,
        "spread_skill(form=unbiased)": np.sqrt(variance / (error - variance / size)) - 1,
        "spread_skill(form=plain)": np.sqrt(variance / error) - 1,
    }
    for name, value in expected.items():
        np.testing.assert_allclose(score(name, members, truth), value, rtol=1e-12)
        assert get_metric(name).needs_members


def test_spread_matches_error_for_members_and_truth_of_one_distribution():
    random = np.random.default_rng(0)
    members, truth = random.normal(size=(4000, 7, CELLS)), random.normal(size=(4000, CELLS))
    for form in ("corrected", "unbiased"):
        assert abs(score(f"spread_skill(form={form})", members, truth)[0]) < 0.01
    assert score("spread_skill(form=plain)", members, truth)[0] < -0.05
    assert abs(score("coverage(level=0.5)", members, truth)[0]) < 0.01


def test_one_member_has_no_spread():
    members, truth = ensemble(1)
    assert score("spread", members, truth)[0] == 0
    assert score("spread_skill", members, truth)[0] == -1


def test_an_error_below_its_sampling_noise_has_no_unbiased_ratio():
    members = np.repeat([[[1.0], [-1.0]]], CELLS, axis=2)
    assert np.isnan(score("spread_skill(form=unbiased)", members, np.zeros((1, CELLS)))[0])


# Ranks and intervals


def test_rank_histogram_equals_scores():
    scores = pytest.importorskip("scores.probability")
    members, truth = ensemble()
    weights = np.broadcast_to(WEIGHTS[:, 0], truth.shape)
    theirs = scores.rank_histogram(
        named(members, "sample", "member", "cell"),
        named(truth, "sample", "cell"),
        "member",
        weights=named(weights, "sample", "cell"),
    )
    ours = score("rank_histogram", members, truth)
    np.testing.assert_allclose(ours[0], theirs.values, rtol=1e-12)
    np.testing.assert_allclose(ours.sum(axis=-1), 1.0)
    assert RankHistogram().coordinate(LAYOUT, 3).tolist() == [0, 1, 2, 3]


def test_rank_histogram_equals_xskillscore_without_ties():
    xskillscore = pytest.importorskip("xskillscore")
    random = np.random.default_rng(0)
    x, y = random.normal(size=(1, 5, CELLS)), random.normal(size=(1, CELLS))
    theirs = xskillscore.rank_histogram(named(y[0], "cell"), named(x[0], "member", "cell"))
    means = RankHistogram().statistics[0].means(batch_of(x, y), Regions(np.ones((CELLS, 1))))
    np.testing.assert_allclose(CELLS * means[0, 0], theirs.values, rtol=1e-12)


def test_all_tied_is_flat():
    members = np.ones((2, 4, CELLS))
    np.testing.assert_allclose(score("rank_histogram", members, members[:, 0]), 0.2)


def test_coverage_by_numpy():
    members, truth = ensemble(30)
    low, high = np.quantile(members, [0.1, 0.9], axis=1, method="weibull")
    expected = average((truth >= low) & (truth <= high)) - 0.8
    np.testing.assert_allclose(score("coverage(level=0.8)", members, truth), expected, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [4, 19, 30])
def test_coverage_of_values_of_few_digits_does_not_hang_on_rounding(size, dtype):
    members, truth = (np.rint(10 * part) for part in ensemble(size))
    exact = score("coverage(level=0.6)", members, truth)
    tenths = score("coverage(level=0.6)", (members / 10).astype(dtype), (truth / 10).astype(dtype))
    np.testing.assert_allclose(tenths, exact, atol=1e-12)


def test_ranks_tie_in_the_coarser_precision():
    members = np.full((1, 3, CELLS), 0.1, dtype=np.float32)
    histogram = score("rank_histogram", members, np.full((1, CELLS), 0.1))
    np.testing.assert_allclose(histogram, 0.25)


def test_alpha_belongs_to_the_almost_fair_form():
    assert get_metric("crps(form=almost_fair, alpha=0.5)").alpha == 0.5
    with pytest.raises(UserError, match="alpha belongs to form=almost_fair"):
        get_metric("crps(alpha=0.5)")


def test_the_log_score_is_in_nats():
    assert get_metric("log_score").unit == "nats"


@pytest.mark.parametrize(("unbiased", "method"), [(True, "weibull"), (False, "linear")])
def test_quantiles_equal_numpy(unbiased, method):
    for size in (1, 2, 7):
        members, _ = ensemble(size)
        levels = [0.01, 0.3, 0.5, 0.95]
        expected = np.quantile(members, levels, axis=1, method=method)
        np.testing.assert_allclose(ensemble_quantile(members, levels, unbiased), expected)


# Distributions


def test_gaussian_crps_equals_properscoring_and_its_integral():
    properscoring = pytest.importorskip("properscoring")
    random = np.random.default_rng(0)
    mean, truth = random.normal(size=(2, 50))
    deviation = random.uniform(0.1, 3, 50)
    ours = gaussian_crps(mean, deviation, truth)
    theirs = properscoring.crps_gaussian(truth, mean, deviation)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    grid = np.linspace(-40, 40, 400001)
    distribution = stats.norm.cdf(grid, mean[0], deviation[0])
    integral = np.trapezoid((distribution - (grid >= truth[0])) ** 2, grid)
    assert ours[0] == pytest.approx(integral, rel=1e-3)


def test_gaussian_scores_of_an_ensemble_by_scipy():
    members, truth = ensemble()
    keep = np.arange(CELLS) > 1  # the others have no spread
    mean, deviation = members.mean(axis=1), members.std(axis=1, ddof=1)
    truth[:, ~keep] = np.nan
    safe = np.where(keep, deviation, 1.0)
    surprise = -stats.norm.logpdf(truth, mean, safe)
    valid = np.broadcast_to(keep, truth.shape)
    np.testing.assert_allclose(
        score("log_score", members, truth), average(surprise, valid), rtol=1e-12
    )
    expected = average(gaussian_crps(mean, deviation, truth), valid)
    np.testing.assert_allclose(score("gaussian_crps", members, truth), expected, rtol=1e-12)


def test_without_spread_the_log_score_is_infinite_and_the_crps_the_error():
    members, truth = ensemble()
    assert np.all(score("log_score", members, truth)[0] == np.inf)
    single = members[:, :1]
    expected = average(np.abs(single[:, 0] - truth))
    np.testing.assert_allclose(score("gaussian_crps", single, truth), expected, rtol=1e-12)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_quantile_score_equals_scores(level):
    scores = pytest.importorskip("scores.continuous")
    members, truth = ensemble()
    quantile = np.quantile(members, level, axis=1)
    loss = scores.quantile_score(
        named(quantile, "s", "c"), named(truth, "s", "c"), level, preserve_dims="all"
    )
    ours = score(f"quantile_score(level={level})", members, truth)
    np.testing.assert_allclose(ours, average(loss.values), rtol=1e-12)


# Tails and fields


@pytest.mark.parametrize(("form", "method"), [("fair", "fair"), ("ensemble", "ecdf")])
@pytest.mark.parametrize("tail", ["upper", "lower"])
def test_twcrps_equals_scores(tail, form, method):
    scores = pytest.importorskip("scores.probability")
    members, truth = ensemble()
    theirs = scores.tail_tw_crps_for_ensemble(
        named(members, "s", "member", "c"),
        named(truth, "s", "c"),
        "member",
        281.0,
        tail=tail,
        method=method,
        preserve_dims="all",
    )
    ours = score(f"twcrps(threshold=281, tail={tail}, form={form})", members, truth)
    np.testing.assert_allclose(ours, average(theirs.values), rtol=1e-10)


def test_both_tails_make_the_crps():
    members, truth = ensemble()
    quantile = {Companion("quantile", 0.9): truth + 0.7}
    upper, lower = (
        score(f"twcrps(quantile=0.9, tail={tail})", members, truth, quantile)
        for tail in ("upper", "lower")
    )
    np.testing.assert_allclose(upper + lower, score("crps", members, truth), rtol=1e-10)


@pytest.mark.parametrize("form", ["fair", "ensemble"])
def test_energy_score_by_loops(form):
    members, truth = ensemble(5)
    truth[2, 7] = np.nan
    size, result = 5, []
    for w in WEIGHTS.T:
        total = weights = 0.0
        for x, y in zip(members, truth, strict=True):
            valid = w * np.isfinite(y)

            def norm(a, valid=valid):
                return np.sqrt((valid * np.nan_to_num(a) ** 2).sum() / valid.sum())

            pairs = sum(norm(x[k] - x[m]) for k, m in product(range(size), repeat=2))
            divisor = size * (size - 1) if form == "fair" else size**2
            value = sum(norm(a - y) for a in x) / size - pairs / (2 * divisor)
            total, weights = total + valid.sum() * value, weights + valid.sum()
        result.append(total / weights)
    np.testing.assert_allclose(score(f"energy_score(form={form})", members, truth), result, 1e-10)


def test_energy_score_of_one_cell_is_its_crps():
    members, truth = ensemble()
    truth[:, 1:] = np.nan
    for form in ("fair", "ensemble"):
        np.testing.assert_allclose(
            score(f"energy_score(form={form})", members, truth)[0],
            score(f"crps(form={form})", members, truth)[0],
            rtol=1e-10,
            atol=1e-12,
        )


def test_energy_score_of_one_member_is_its_error():
    members, truth = ensemble(1, samples=1)
    expected = score("skill", members, truth)
    np.testing.assert_allclose(score("energy_score", members, truth), expected, rtol=1e-12)


# What holds for all


METRICS = (
    *("crps", "crps(form=ensemble)", "crps(form=almost_fair)", "spread", "skill"),
    *("gaussian_crps", "quantile_score", "energy_score", "twcrps(threshold=0.5)"),
    *("spread_skill", "coverage", "rank_histogram"),
)


@pytest.mark.parametrize("name", METRICS)
def test_a_missing_cell_counts_as_if_it_were_not_there(name):
    members, truth = ensemble(samples=1)
    whole = score(name, members, truth)
    truth[0, 5:8] = np.nan
    hollow = score(name, members, truth)
    members[0, :, 5:8] = truth[0, 5:8] = -1e6  # whatever stands there
    gone = np.where((np.arange(CELLS) >= 5) & (np.arange(CELLS) < 8), 0.0, 1.0)
    kept = Regions(WEIGHTS * gone[:, np.newaxis])
    metric, batch = get_metric(name), batch_of(members, truth)
    means = {s: s.means(batch, kept) for s in metric.statistics}
    expected = metric.resampled(means, kept.weight(None, (1,)), np.ones((1, 1)))[0]
    np.testing.assert_allclose(hollow, expected, rtol=1e-12)
    assert not np.allclose(hollow, whole)


@pytest.mark.parametrize("name", METRICS)
def test_nothing_valid_is_nan(name):
    members, truth = ensemble()
    assert np.isnan(score(name, members, np.full_like(truth, np.nan))).all()


@pytest.mark.parametrize("factor", [1e-20, 1e-3, 1e20])
@pytest.mark.parametrize("name", METRICS)
def test_a_change_of_unit_changes_the_score_by_its_power(name, factor):
    members, truth = ensemble()
    members, truth = members - 280, truth - 280
    scaled = name.replace("0.5", f"{0.5 * factor:.1e}")
    power = get_metric(name).unit_power
    np.testing.assert_allclose(
        score(scaled, factor * members, factor * truth),
        factor**power * score(name, members, truth),
        rtol=1e-9,
        atol=1e-12 * factor**power,
    )


@settings(max_examples=20)
@given(shift=st.floats(-1e3, 1e3), seed=st.integers(0, 100))
def test_a_common_shift_changes_nothing(shift, seed):
    members, truth = ensemble(seed=seed)
    for name in ("crps", "spread", "skill", "energy_score", "gaussian_crps", "quantile_score"):
        after = score(name, members + shift, truth + shift)
        np.testing.assert_allclose(after, score(name, members, truth), rtol=1e-7, atol=1e-9)
