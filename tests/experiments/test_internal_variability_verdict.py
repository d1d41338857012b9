"""Paired differences: true ones are found, and those of the draw or of the truth are not."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from climbench.experiments.internal_variability.truth import MemberTruth, spread_of_a_mean
from climbench.experiments.internal_variability.verdict import compare_fits, paired_difference
from climbench.metrics import Regions, get_metric
from climbench.report.member_wording import verdicts

RMSE = ("nrmse_spatial(norm=none)", "nrmse_global(norm=none)")


def test_without_noise_of_the_truth_it_is_the_paired_t_test():
    differences = np.array([0.3, -0.1, 0.4, 0.2, 0.0])
    found = paired_difference(differences, 0.0, 50)
    peer = stats.ttest_1samp(differences, 0.0)
    bounds = peer.confidence_interval(0.95)
    assert found.p == pytest.approx(peer.pvalue)
    assert (found.lower, found.upper) == pytest.approx((bounds.low, bounds.high))
    assert (found.better, found.draws) == (1, 5)


def test_noise_of_the_truth_widens_the_bounds():
    differences = np.array([0.3, 0.2, 0.4, 0.3])
    sure, unsure = (paired_difference(differences, v, 50) for v in (0.0, 0.04))
    assert sure.lower > 0 > unsure.lower


def test_bounds_that_hold_together_are_wider():
    differences = np.array([0.3, 0.2, 0.4, 0.3])
    one, six = (paired_difference(differences, 0.0, 50, together=t) for t in (1, 6))
    assert six.lower < one.lower


def test_one_draw_has_no_bounds():
    found = paired_difference(np.array([np.nan, 0.2]), 0.01, 50)
    assert np.isnan(found.lower)
    assert (found.mean, found.draws) == (0.2, 1)


def test_the_jackknife_of_a_linear_score_is_the_variance_of_the_mean():
    values = np.random.default_rng(0).normal(size=20)
    without = (values.sum() - values) / 19
    assert spread_of_a_mean(without) == pytest.approx(values.var(ddof=1) / 20)


def fits_of(gap, spread, truth_members=10, draws=8, seed=0):
    """Fits of a reference and of a candidate whose errors differ by ``gap [size]``."""
    random = np.random.default_rng(seed)
    sizes = (1, 3, 50)
    keys = [(m, n, s) for m in ("line", "deep") for n in sizes for s in range(draws)]
    base = random.normal(0, 1.0, (len(sizes), draws))  # shared by both: only pairing sees through
    score = [
        10 + base[sizes.index(n), s]
        + (gap[sizes.index(n)] + random.normal(0, spread) if m == "deep" else 0.0)
        for m, n, s in keys
    ]  # fmt: skip
    score = np.array(score)[:, None, None, None]
    return xr.Dataset(
        {
            "score": (("fit", "truth", "channel", "metric"), np.repeat(score, 2, axis=1)),
            "without_one": (
                ("fit", "channel", "metric", "truth_member"),
                np.repeat(score[:, 0][..., None], truth_members, axis=-1),
            ),
        },
        {
            "truth": ["all", "held_out"], "channel": ["tas"], "metric": [RMSE[0]],
            "truth_member": np.arange(truth_members),
            "model": ("fit", [m for m, _, _ in keys]),
            "members": ("fit", [n for _, n, _ in keys]),
            "member_seed": ("fit", [s for _, _, s in keys]),
        },
    )  # fmt: skip


def verdict(gap, spread, draws=8):
    compared = compare_fits(fits_of(gap, spread, draws=draws), "line")
    floor = (("channel", "truth", "size", "metric"), np.full((1, 2, 3, 1), 0.1))
    units = {"units": ("channel", ["K"]), "unit_power": ("metric", [1])}
    results = compared.assign(noise_floor=floor).assign_coords(units)
    (said,) = verdicts(results.assign_attrs(reference="line", confidence=0.95, truth_members=10))
    return said


def test_an_advantage_within_the_noise_is_called_so():
    said = verdict(gap=(-0.01, -0.01, -0.01), spread=0.5)
    assert "the advantage of deep over line is not distinguishable from noise" in said
    assert "is better than" not in said
    assert "is worse than" not in said


def test_a_true_change_of_ranking_is_said():
    said = verdict(gap=(2.0, 0.0, -2.0), spread=0.2)
    assert said.startswith(
        "RMSE of the mean map of tas: at n = 50 deep is better than line; at n = 1 deep is worse "
        "than line; at n = 3 the "
    )
    assert said.endswith(
        " not distinguishable from noise. The ranking depends on the number of members."
    )


def test_few_draws_give_no_verdict_whatever_they_say():
    assert verdict(gap=(2.0, 0.3, -2.0), spread=0.0, draws=4) == (
        "RMSE of the mean map of tas: at n = 1, 3, 50 there are too few draws for a verdict on "
        "deep."
    )


def test_noise_alone_is_rarely_called_a_difference():
    false = 0
    for seed in range(60):
        compared = compare_fits(fits_of((0.0, 0.0, 0.0), 1.0, seed=seed), "line")
        one = compared.sel(emulator="deep", truth="all").isel(channel=0, metric=0)
        false += bool(((one["lower"] > 0) | (one["upper"] < 0)).any())
    assert false <= 8  # 5 % of 60 for all sizes together, and three standard deviations


def test_scores_against_those_that_were_not_seen_by_hand():
    members = np.array([1.0, 2.0, 6.0]).reshape(3, 1, 1) * np.ones((3, 4, 2))
    truth = MemberTruth(members, Regions(np.ones((2, 1))), [get_metric(name) for name in RMSE])
    shares = np.array([[0.5, 0.5, 0.0], [1 / 3, 1 / 3, 1 / 3]])
    found = truth.scores(lambda fits: np.zeros((2, 4, 2))[fits], shares)
    np.testing.assert_allclose(found["all"], 3.0)  # their mean
    np.testing.assert_allclose(found["held_out"][:, 0], 6.0)  # the one left over
    assert np.isnan(found["held_out"][:, 1]).all()
    np.testing.assert_allclose(truth.without_one(np.zeros((4, 2)))[0], [4.0, 3.5, 1.5])
