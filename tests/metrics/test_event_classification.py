"""Scores of machine learning for events, against scikit-learn."""

import numpy as np
import pytest
from small_ensembles import REGIONS, WEIGHTS, batch_of, ensemble, score

from climbench.errors import UserError
from climbench.metrics import Companion, get_metric, metric_families
from climbench.metrics.event_classification import RankedEvents

sklearn = pytest.importorskip("sklearn.metrics")
THRESHOLD = 281.0
TABLES = {
    "precision": sklearn.precision_score,
    "recall": sklearn.recall_score,
    "f1": sklearn.f1_score,
    "overall_accuracy": sklearn.accuracy_score,
}
AREAS = {"auroc": sklearn.roc_auc_score, "auprc": sklearn.average_precision_score}


def theirs_of_each_sample(area, rank, happened):
    """Return scikit-learn's area, its mean over the samples that have one [region]."""
    means = []
    for weight in WEIGHTS.T:
        cells = weight > 0
        areas = [
            area(o[cells], r[cells], sample_weight=weight[cells])
            for r, o in zip(rank, happened, strict=True)
            if o[cells].any() and not (area is AREAS["auroc"] and o[cells].all())
        ]
        means.append(np.mean(areas))
    return means


@pytest.mark.parametrize("name", TABLES)
def test_scores_of_a_table_equal_scikit_learn(name):
    members, truth = ensemble(samples=20)
    forecast = members[:, 0]
    ours = score(f"{name}(threshold={THRESHOLD})", forecast, truth)
    for region, weight in enumerate(np.broadcast_to(w, truth.shape).ravel() for w in WEIGHTS.T):
        happened, called = ((field > THRESHOLD).ravel() for field in (truth, forecast))
        theirs = TABLES[name](happened, called, sample_weight=weight)
        assert ours[region] == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize(("name", "same"), [("recall", "pod"), ("overall_accuracy", "accuracy")])
def test_two_names_of_one_number(name, same):
    members, truth = ensemble()
    one, other = (score(f"{n}(threshold={THRESHOLD})", members, truth) for n in (name, same))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", AREAS)
@pytest.mark.parametrize("above", [True, False])
def test_areas_of_a_forecast_equal_scikit_learn(name, above):
    members, truth = ensemble(samples=20)  # values of one decimal: ties
    forecast, sign = members[:, 0], 1 if above else -1
    ours = score(f"{name}(threshold={THRESHOLD}, above={above})", forecast, truth)
    theirs = theirs_of_each_sample(AREAS[name], sign * forecast, sign * (truth - THRESHOLD) > 0)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize("name", AREAS)
def test_areas_of_an_ensemble_rank_by_its_probability(name):
    members, truth = ensemble(samples=20)
    ours = score(f"{name}(threshold={THRESHOLD})", members, truth)
    probability = (members > THRESHOLD).mean(axis=1)
    theirs = theirs_of_each_sample(AREAS[name], probability, truth > THRESHOLD)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize("name", AREAS)
def test_pooled_areas_compare_cells_of_all_samples(name):
    members, truth = ensemble(samples=20)
    ours = score(f"{name}(threshold={THRESHOLD}, form=pooled)", members, truth)
    probability = (members > THRESHOLD).mean(axis=1).ravel()
    happened = (truth > THRESHOLD).ravel()
    for region, weight in enumerate(np.broadcast_to(w, truth.shape).ravel() for w in WEIGHTS.T):
        theirs = AREAS[name](happened, probability, sample_weight=weight)
        assert ours[region] == pytest.approx(theirs, rel=1e-12)
    assert get_metric(f"{name}(threshold=1, form=pooled)").needs_members
    assert not get_metric(f"{name}(threshold=1)").needs_members


def test_the_pooled_area_is_that_of_the_roc():
    members, truth = ensemble()
    ours = score(f"auroc(threshold={THRESHOLD}, form=pooled)", members, truth)
    np.testing.assert_array_equal(ours, score(f"roc_area(threshold={THRESHOLD})", members, truth))


@pytest.mark.parametrize("name", AREAS)
def test_at_a_quantile_forecasts_rank_by_how_far_they_lie_above_it(name):
    members, truth = (np.round(8 * field) / 8 for field in ensemble(samples=20))  # exact sums
    # Warm cells have a high quantile: their temperature alone says nothing.
    quantile = 281 + np.round(30 * np.sin(np.arange(truth.shape[1])))
    climate = {Companion("quantile", 0.9): np.broadcast_to(quantile, truth.shape)}
    warm = members[:, 0] + quantile - 281, truth + quantile - 281
    ours = score(f"{name}(quantile=0.9)", *warm, climate)
    np.testing.assert_allclose(ours, score(f"{name}(threshold=281)", members[:, 0], truth), 1e-12)


@pytest.mark.parametrize("name", AREAS)
def test_cells_that_are_missing_do_not_count(name):
    members, truth = ensemble(samples=20)
    forecast = members[:, 0].copy()
    truth[:, 4], forecast[3, 7] = np.nan, np.nan
    quantile = np.full(truth.shape, THRESHOLD)
    quantile[5, 2] = np.nan
    ours = score(f"{name}(quantile=0.9)", forecast, truth, {Companion("quantile", 0.9): quantile})
    known = np.isfinite(forecast + truth + quantile)
    for region, weight in enumerate(WEIGHTS.T):
        areas = []
        for f, o, k in zip(forecast, truth > THRESHOLD, known & (weight > 0), strict=True):
            if o[k].any() and not o[k].all():
                areas.append(AREAS[name](o[k], f[k], sample_weight=weight[k]))
            elif o[k].all() and name == "auprc":
                areas.append(1.0)
        assert ours[region] == pytest.approx(np.mean(areas), rel=1e-12)


def test_samples_without_the_event_have_no_area():
    members, truth = ensemble(samples=2)
    truth[0] = 250.0  # nowhere
    truth[1] = 300.0  # everywhere
    areas = RankedEvents(THRESHOLD).means(batch_of(members[:, 0], truth), REGIONS)
    assert np.isnan(areas[0]).all() and np.isnan(areas[1, :, 0]).all()
    np.testing.assert_allclose(areas[1, :, 1], 1.0)


def test_areas_by_hand():
    # Ranks 0.9 (event), 0.8, 0.8 (event), 0.1 in equal rows of the tropics; pairs that are right:
    # the first event beats both others, the second ties with one and beats one: 3.5 of 4.
    forecast, truth = np.full((1, 15), np.nan), np.zeros((1, 15))
    forecast[0, [6, 7, 8, 9]], truth[0, [6, 8]] = [0.9, 0.8, 0.8, 0.1], 1.0
    w = WEIGHTS[[6, 7, 8, 9], 1]
    pairs = {(0, 1): 1.0, (0, 3): 1.0, (2, 1): 0.5, (2, 3): 1.0}
    area = sum(w[i] * w[j] * right for (i, j), right in pairs.items())
    area /= sum(w[i] * w[j] for i, j in pairs)
    found = RankedEvents(0.5).means(batch_of(forecast, truth), REGIONS)[0, 1]
    precision = (w[0] * 1.0 + w[2] * (w[0] + w[2]) / (w[0] + w[1] + w[2])) / (w[0] + w[2])
    np.testing.assert_allclose(found, [area, precision], rtol=1e-12)


def test_family():
    assert set(metric_families()["classification"]) == {*TABLES, *AREAS}


def test_an_unknown_form_is_refused():
    with pytest.raises(UserError, match="form=all is none of mean_of_samples, pooled"):
        get_metric("auroc(threshold=1, form=all)")
