"""Scores of events against sums written out, scores, xskillscore and scikit-learn."""

import operator

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from small_ensembles import CELLS, LAYOUT, REGIONS, WEIGHTS, average, batch_of, ensemble, score

from climbench.errors import UserError
from climbench.metrics import Companion, get_metric, metric_families
from climbench.metrics.contingency import Contingency
from climbench.metrics.event_curves import JointShares
from climbench.metrics.event_probabilities import BrierScore

THRESHOLD = 281.0
QUANTILE = Companion("quantile", 0.9)
RATES = ("hit", "false_alarm")
CURVES = ("reliability", "sharpness", "roc", "roc(rate=false_alarm)", "relative_economic_value")


def named(values, *dims):
    return xr.DataArray(values, dims=dims)


def at(name, threshold=THRESHOLD, **parameters):
    """Return the label of a metric at the threshold."""
    rest = "".join(f", {key}={value}" for key, value in parameters.items())
    return f"{name}(threshold={threshold}{rest})"


def table(forecast, truth, weight):
    """Return hits, false alarms, misses and correct negatives, one cell at a time."""
    counts = dict.fromkeys([(True, True), (True, False), (False, True), (False, False)], 0.0)
    for f, o, w in zip(forecast.ravel(), truth.ravel(), weight.ravel(), strict=True):
        counts[bool(f > THRESHOLD), bool(o > THRESHOLD)] += float(w)
    return list(counts.values())


# Probabilities of an event


@pytest.mark.parametrize("form", ["fair", "ensemble"])
def test_brier_equals_scores(form):
    scores = pytest.importorskip("scores.probability")
    members, truth = ensemble()
    theirs = scores.brier_score_for_ensemble(
        named(members, "s", "member", "c"),
        named(truth, "s", "c"),
        "member",
        THRESHOLD,
        preserve_dims="all",
        fair_correction=form == "fair",
        event_threshold_operator=operator.gt,
    )
    ours = score(at("brier", form=form), members, truth)
    np.testing.assert_allclose(ours, average(theirs.values.squeeze()), rtol=1e-12)


def test_brier_equals_xskillscore():
    xskillscore = pytest.importorskip("xskillscore")
    members, truth = ensemble()
    theirs = xskillscore.threshold_brier_score(
        named(truth, "s", "c"), named(members, "s", "member", "c"), THRESHOLD, dim=[]
    )
    ours = score(at("brier", form="ensemble"), members, truth)
    np.testing.assert_allclose(ours, average(theirs.values), rtol=1e-12)


def test_brier_at_a_quantile_of_the_climate():
    members, truth = ensemble()
    quantile = truth.mean(axis=0, keepdims=True) + np.linspace(-1, 1, CELLS)
    share, happened = (members > quantile).mean(axis=1), truth > quantile
    for companion in (quantile, np.repeat(quantile, len(truth), axis=0)):
        ours = score("brier(quantile=0.9, form=ensemble)", members, truth, {QUANTILE: companion})
        np.testing.assert_allclose(ours, average((share - happened) ** 2), rtol=1e-12)
    assert get_metric("brier(quantile=0.9)").needs_climatology
    assert not get_metric(at("brier")).needs_climatology


AT_QUANTILES = (
    *("brier(quantile=0.9)", "ignorance(quantile=0.9)", "rps(quantiles=[0.9])"),
    *("twcrps(quantile=0.9)", "csi(quantile=0.9)", "ets(quantile=0.9)", "hss(quantile=0.9)"),
    *("sharpness(quantile=0.9)", "reliability(quantile=0.9)", "roc_area(quantile=0.9)"),
    "relative_economic_value(quantile=0.9)",
)


@pytest.mark.parametrize("label", AT_QUANTILES)
def test_a_cell_without_a_quantile_counts_as_if_it_were_not_there(label):
    members, truth = ensemble()
    quantile = np.full(truth.shape, THRESHOLD)
    quantile[:, 7] = quantile[1, 3] = np.nan  # always, and on one day
    missing = np.where(np.isnan(quantile), np.nan, truth)
    expected = score(label, members, missing, {QUANTILE: np.full(truth.shape, THRESHOLD)})
    ours = score(label, members, truth, {QUANTILE: quantile})
    np.testing.assert_allclose(ours, expected, rtol=1e-12)
    assert np.isfinite(ours).any()
    assert np.isnan(score(label, members, truth, {QUANTILE: quantile * np.nan})).all()


def test_forecast_truth_and_threshold_are_compared_in_the_coarser_precision():
    coarse = np.full((2, CELLS), 0.1, dtype=np.float32)
    members = np.repeat(coarse[:, np.newaxis], 7, axis=1)
    exact = np.full((2, CELLS), 0.1)
    climate = {QUANTILE: exact}
    for forecast, truth in ((members, coarse), (coarse.astype(float), coarse), (coarse, exact)):
        for label in ("accuracy(threshold=0.1)", "accuracy(quantile=0.9)"):
            assert score(label, forecast, truth, climate)[0] == 1.0
            assert np.isnan(score(label.replace("accuracy", "pod"), forecast, truth, climate)[0])
    for truth in (coarse, exact):
        assert score("brier(threshold=0.1, above=false)", members, truth)[0] == 0.0


def test_a_value_on_the_threshold_is_no_event():
    members = np.full((1, 3, CELLS), THRESHOLD)
    np.testing.assert_allclose(score(at("brier"), members, members[:, 0] + 1), 1.0)
    below = score(at("brier", above="false"), members, members[:, 0] - 1)
    np.testing.assert_allclose(below, 1.0)
    # In float32, 0.1 on a threshold of 0.1 is on it too.
    drops = np.full((1, 3, CELLS), 0.1, dtype=np.float32)
    assert score("accuracy(threshold=0.1)", drops[:, 0], drops[:, 0])[0] == 1.0
    assert np.isnan(score("pod(threshold=0.1)", drops[:, 0], drops[:, 0])[0])


def test_one_member_has_no_fair_correction():
    members, truth = ensemble(1)
    expected = average(((members[:, 0] > THRESHOLD) != (truth > THRESHOLD)) ** 2.0)
    np.testing.assert_allclose(score(at("brier"), members, truth), expected)


def test_rps_is_a_sum_of_brier_scores():
    members, truth = ensemble()
    values = (275.0, 280.0, 283.5)
    for form in ("fair", "ensemble"):
        parts = [score(at("brier", value, form=form), members, truth) for value in values]
        ours = score(f"rps(thresholds=[275, 280, 283.5], form={form})", members, truth)
        np.testing.assert_allclose(ours, sum(parts), rtol=1e-12)
    companions = {Companion("quantile", q): truth + q for q in (0.33, 0.67)}
    parts = [score(f"brier(quantile={q})", members, truth, companions) for q in (0.33, 0.67)]
    ours = score("rps(quantiles=[0.33, 0.67])", members, truth, companions)
    np.testing.assert_allclose(ours, sum(parts), rtol=1e-12)


def test_rps_equals_xskillscore():
    xskillscore = pytest.importorskip("xskillscore")
    random = np.random.default_rng(0)
    members, truth = random.random((4, 6, CELLS)), random.random((4, CELLS))
    edges = named(np.array([0.0, 0.2, 0.5, 0.7, 1.0]), "category_edge")
    theirs = xskillscore.rps(
        named(truth, "s", "c"), named(members, "s", "member", "c"), edges, dim=[]
    )
    ours = score("rps(thresholds=[0.2, 0.5, 0.7], form=ensemble)", members, truth)
    np.testing.assert_allclose(ours, average(theirs.values), rtol=1e-12)


def test_ignorance_by_hand():
    # 2 of 3 members: p = (2 + 2/3) / (3 + 4/3) = 8/13.
    members = np.repeat([[[1.0], [1.0], [0.0]]], CELLS, axis=2)
    yes, no = np.ones((1, CELLS)), np.zeros((1, CELLS))
    ignorance = at("ignorance", 0.5)
    np.testing.assert_allclose(score(ignorance, members, yes), -np.log2(8 / 13))
    np.testing.assert_allclose(score(ignorance, members, no), -np.log2(5 / 13))


def test_an_ignorant_pair_needs_one_bit():
    members = np.repeat([[[1.0], [0.0]]], CELLS, axis=2)
    np.testing.assert_allclose(score(at("ignorance", 0.5), members, members[:, 0]), 1.0)


# Curves


def test_joint_shares_sum_to_one_and_are_labelled():
    members, truth = ensemble(3)
    statistic = JointShares(THRESHOLD)
    means = statistic.means(batch_of(members, truth), REGIONS)
    np.testing.assert_allclose(means.sum(axis=-1), 1.0)
    labels = statistic.components(LAYOUT, 3)
    assert labels == ("0:no", "1:no", "2:no", "3:no", "0:yes", "1:yes", "2:yes", "3:yes")
    all_yes = np.full_like(members, THRESHOLD + 1)
    hit = statistic.means(batch_of(all_yes, all_yes[:, 0]), REGIONS)
    assert dict(zip(labels, hit[0, 0], strict=True))["3:yes"] == pytest.approx(1.0)


def test_reliability_equals_xskillscore():
    xskillscore = pytest.importorskip("xskillscore")
    random = np.random.default_rng(0)
    size = 4
    members, truth = random.normal(size=(60, size, CELLS)), random.normal(size=(60, CELLS))
    share = (members > 0).mean(axis=1)
    edges = (np.arange(size + 2) - 0.5) / size  # one bin for each probability
    theirs = xskillscore.reliability(
        named(truth[:, 4] > 0, "s"),
        named(share[:, 4], "s"),
        dim="s",
        probability_bin_edges=edges,
    )
    alone = np.where(np.arange(CELLS) == 4, truth, np.nan)
    ours = score("reliability(threshold=0)", members, alone)[0]
    np.testing.assert_allclose(ours, theirs.values, rtol=1e-12)
    sharpness = score("sharpness(threshold=0)", members, alone)[0]
    np.testing.assert_allclose(60 * sharpness, theirs.samples, rtol=1e-12)
    np.testing.assert_allclose(
        get_metric("reliability(threshold=0)").coordinate(LAYOUT, size), [0, 0.25, 0.5, 0.75, 1]
    )


def test_roc_equals_scikit_learn():
    sklearn = pytest.importorskip("sklearn.metrics")
    members, truth = ensemble(9, samples=30)
    probability = (members > THRESHOLD).mean(axis=1).ravel()
    happened = (truth > THRESHOLD).ravel()
    hits, false_alarms = (score(at("roc", rate=rate), members, truth) for rate in RATES)
    for region, w in enumerate(WEIGHTS.T):
        weight = np.broadcast_to(w, truth.shape).ravel()
        kept = weight > 0
        x, y, levels = sklearn.roc_curve(
            happened[kept], probability[kept], sample_weight=weight[kept], drop_intermediate=False
        )
        number = np.rint(levels[1:] * 9).astype(int)
        np.testing.assert_allclose(hits[region][number], y[1:], rtol=1e-12)
        np.testing.assert_allclose(false_alarms[region][number], x[1:], atol=1e-12)
        area = sklearn.roc_auc_score(happened[kept], probability[kept], sample_weight=weight[kept])
        ours = score(at("roc_area"), members, truth)[region]
        assert ours == pytest.approx(area, rel=1e-12)


def test_economic_value_equals_scores():
    scores = pytest.importorskip("scores.plotdata")
    members, truth = ensemble(5, samples=30)
    share = (members > THRESHOLD).mean(axis=1)
    ratios = [0.1, 0.25, 0.6]
    theirs = scores.relative_economic_value(
        named(share, "s", "c"),
        named((truth > THRESHOLD).astype(float), "s", "c"),
        cost_loss_ratios=ratios,
        probability_thresholds=list(np.arange(6) / 5),
        weights=named(np.broadcast_to(WEIGHTS[:, 0], truth.shape), "s", "c"),
    )
    # The last user never acts.
    best = np.maximum(theirs.max("probability_threshold").values, 0.0)
    ours = score(at("relative_economic_value", cost_loss=ratios), members, truth)
    np.testing.assert_allclose(ours[0], best, rtol=1e-10, atol=1e-12)
    metric = get_metric(at("relative_economic_value", cost_loss=ratios))
    assert metric.coordinate(LAYOUT, 5).tolist() == ratios


def test_a_perfect_ensemble_is_worth_everything():
    _, truth = ensemble()
    members = np.repeat(truth[:, np.newaxis], 4, axis=1)
    assert score(at("roc_area"), members, truth)[0] == pytest.approx(1.0)
    np.testing.assert_allclose(score(at("relative_economic_value"), members, truth)[0], 1.0)
    assert score(at("brier"), members, truth)[0] == 0.0


@pytest.mark.parametrize("name", CURVES)
def test_an_event_that_never_happens_has_no_curve_but_a_sharpness(name):
    members, truth = ensemble()
    name, _, rest = name.partition("(")
    never = score(f"{name}(threshold=1000{', ' + rest if rest else ')'}", members, truth)
    if name == "sharpness" or rest:
        assert np.isfinite(never).all()
    elif name == "reliability":
        assert (never[:, 0] == 0).all() and np.isnan(never[:, 1:]).all()
    else:
        assert np.isnan(never).all()


@pytest.mark.parametrize("name", CURVES)
def test_curves_have_as_many_values_as_coordinates(name):
    members, truth = ensemble(5)
    name, _, rest = name.partition("(")
    metric = get_metric(f"{name}(threshold=280{', ' + rest if rest else ')'}")
    assert score(metric, members, truth).shape == (2, metric.coordinate(LAYOUT, 5).size)
    assert metric.curve and metric.needs_members


# Contingency tables

CATEGORICAL = {
    "pod": "probability_of_detection",
    "far": "false_alarm_ratio",
    "pofd": "probability_of_false_detection",
    "csi": "critical_success_index",
    "ets": "equitable_threat_score",
    "hss": "heidke_skill_score",
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "f1_score",
    "sedi": "symmetric_extremal_dependence_index",
    "frequency_bias": "frequency_bias",
}


@pytest.mark.parametrize("name", CATEGORICAL)
def test_tables_equal_scores_with_weights(name):
    scores = pytest.importorskip("scores.categorical")
    members, truth = ensemble()
    forecast = members[:, 0]
    for region, w in enumerate(WEIGHTS.T):
        parts = table(forecast, truth, np.broadcast_to(w, truth.shape))
        keys = ("tp_count", "fp_count", "fn_count", "tn_count")
        counts = {key: xr.DataArray(part) for key, part in zip(keys, parts, strict=True)}
        counts["total_count"] = xr.DataArray(sum(parts))
        theirs = float(getattr(scores.BasicContingencyManager(counts), CATEGORICAL[name])())
        theirs -= name == "frequency_bias"
        assert score(at(name), forecast, truth)[region] == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("pod", "hit_rate"),
        ("far", "false_alarm_ratio"),
        ("pofd", "false_alarm_rate"),
        ("csi", "threat_score"),
        ("ets", "equit_threat_score"),
        ("hss", "heidke_score"),
        ("accuracy", "accuracy"),
    ],
)
def test_tables_equal_xskillscore(name, theirs):
    xskillscore = pytest.importorskip("xskillscore")
    members, truth = ensemble()
    forecast = members[:, 0]
    forecast[:, np.arange(CELLS) != 7] = np.nan  # it takes no weights
    edges = np.array([-np.inf, THRESHOLD, np.inf])
    contingency = xskillscore.Contingency(
        named(truth[:, 7], "s"), named(forecast[:, 7], "s"), edges, edges, dim="s"
    )
    expected = float(getattr(contingency, theirs)())
    assert score(at(name), forecast, truth)[0] == pytest.approx(expected, rel=1e-12, nan_ok=True)


def test_edi_by_hand():
    # H = 3/4, F = 1/8: (ln 1/8 - ln 3/4) / (ln 1/8 + ln 3/4) = ln 6 / ln (32/3).
    hits, false_alarms, misses, correct = 3, 1, 1, 7
    forecast = np.repeat([1.0, 1.0, 0.0, 0.0], [hits, false_alarms, misses, correct])
    truth = np.repeat([1.0, 0.0, 1.0, 0.0], [hits, false_alarms, misses, correct])
    forecast, truth = (np.tile(field, (CELLS, 1)).T for field in (forecast, truth))
    edi = score(at("edi", 0.5), forecast, truth)
    np.testing.assert_allclose(edi, np.log(6) / np.log(32 / 3), rtol=1e-12)


def test_ratios_come_last():
    # Day 1: 2 of 2 events hit; day 2: 0 of 6. Pooled 2/8, not the mean of 1 and 0.
    truth = np.zeros((2, CELLS))
    truth[0, 3:5] = truth[1, 3:9] = 1.0  # rows of different weight
    forecast = np.where(np.arange(2)[:, np.newaxis] == 0, truth, 0.0)
    w = WEIGHTS[:, 0]
    expected = w[3:5].sum() / (w[3:5].sum() + w[3:9].sum())
    assert score(at("pod", 0.5), forecast, truth)[0] == pytest.approx(expected)


@pytest.mark.parametrize("name", [*CATEGORICAL, "edi"])
def test_a_perfect_forecast_has_the_best_score(name):
    _, truth = ensemble()
    best = 1.0 if get_metric(at(name)).orientation == "higher" else 0.0
    assert score(at(name), truth, truth)[0] == best


@pytest.mark.parametrize("name", ["ets", "hss", "edi", "sedi"])
def test_a_random_forecast_has_no_skill(name):
    random = np.random.default_rng(0)
    forecast, truth = random.random((2, 20000, CELLS))
    assert score(at(name, 0.7), forecast, truth)[0] == pytest.approx(0.0, abs=0.01)


def test_events_below_a_threshold_mirror_those_above():
    members, truth = ensemble()
    for name in ("csi", "brier", "ignorance", "roc_area"):
        forecast = members[:, 0] if name == "csi" else members
        below = score(at(name, above="false"), forecast, truth)
        mirrored = score(at(name, -THRESHOLD), -forecast, -truth)
        np.testing.assert_allclose(below, mirrored, rtol=1e-12)


def test_of_an_ensemble_the_mean_is_categorised():
    members, truth = ensemble()
    np.testing.assert_array_equal(
        score(at("csi"), members, truth), score(at("csi"), members.mean(axis=1), truth)
    )
    assert Contingency(THRESHOLD).components(LAYOUT, 7)[0] == "hit"


@settings(max_examples=30)
@given(st.integers(0, 500), st.floats(270, 290))
def test_laws_of_tables(seed, threshold):
    members, truth = ensemble(seed=seed)
    names = ("pod", "recall", "far", "precision", "csi", "f1", "ets", "accuracy")
    s = {name: score(at(name, threshold), members[:, 0], truth)[0] for name in names}
    np.testing.assert_equal(s["pod"], s["recall"])
    np.testing.assert_allclose(s["far"] + s["precision"], 1.0 + 0 * s["far"])
    np.testing.assert_allclose(s["f1"], 2 * s["csi"] / (1 + s["csi"]))
    assert not s["ets"] > s["csi"] + 1e-12
    assert 0 <= s["accuracy"] <= 1 + 1e-12


# Names and mistakes


@pytest.mark.parametrize(
    ("label", "sentence"),
    [
        ("brier", "give threshold=.. or quantile=.."),
        ("csi(threshold=1, quantile=0.9)", "give only one of threshold and quantile"),
        ("csi(quantile=90)", "quantile=90 is no number between 0 and 1"),
        ("csi(threshold=warm)", "threshold=warm is no number"),
        ("csi(threshold=.nan)", "threshold=nan is no number"),
        ("csi(threshold=.inf)", "threshold=inf is no number"),
        ("brier(threshold=true)", "threshold=True is no number"),
        ("rps(thresholds=[1, true])", "threshold=True is no number"),
        ("csi(threshold=1, above=nope)", "must be true or false"),
        ("rps", r"give thresholds=\[..\] or quantiles=\[..\]"),
        ("rps(quantiles=0.5)", r"write quantiles=\[.., ..\]"),
        ("rps(quantiles=[0.5, 5])", "quantile=5 is no number between 0 and 1"),
        ("roc(threshold=1, rate=miss)", "rate=miss is none of hit, false_alarm"),
        ("relative_economic_value(threshold=1, cost_loss=[2])", "cost_loss=2 is no number"),
        ("brier(threshold=1, form=almost_fair)", "form=almost_fair is none of fair, ensemble"),
    ],
)
def test_mistakes_are_sentences(label, sentence):
    with pytest.raises(UserError, match=sentence):
        get_metric(label)


@pytest.mark.parametrize(
    "label",
    [
        *("brier(threshold=280)", "brier(quantile=0.9, above=False, form=ensemble)"),
        *("rps(quantiles=[0.33, 0.67])", "roc(threshold=1, rate=false_alarm)"),
        *("csi(quantile=0.95)", "relative_economic_value(threshold=1, cost_loss=[0.1, 0.2])"),
    ],
)
def test_labels_name_the_metric(label):
    metric = get_metric(label)
    assert get_metric(metric.label) == metric
    statistics = get_metric(metric.label).statistics
    assert statistics == metric.statistics and hash(statistics) == hash(metric.statistics)


def test_above_is_true_or_false():
    with pytest.raises(ValueError, match="above=nope is neither true nor false"):
        BrierScore(threshold=1.0, above="nope")


def test_ignorance_is_in_bits():
    assert get_metric("ignorance(threshold=1)").unit == "bits"


def test_families():
    families = metric_families()
    learned = {"precision", "recall", "f1"}
    assert {*CATEGORICAL, "edi"} - learned <= {*families["categorical"]}
    assert learned <= {*families["classification"]}
    assert {"brier", "rps", "reliability", "roc"} <= {*families["probabilistic"]}
    assert BrierScore(threshold=280) == BrierScore(threshold=280.0)
