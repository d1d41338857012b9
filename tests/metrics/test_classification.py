"""Scores of classes against scikit-learn, torchmetrics and loops over cases and thresholds."""

import sys

import numpy as np
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.metrics.classification import (
    auprc,
    auroc,
    classification_scores,
    f1,
    overall_accuracy,
    precision,
    recall,
)

pytest.importorskip("sklearn")
CLASSES = 4


def cases(number=60, classes=CLASSES, seed=0):
    """Predicted classes, their probabilities [case, class], true classes and weights."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, number)
    probability = random.random((number, classes))
    probability[np.arange(number), truth] += 0.4
    probability /= probability.sum(axis=1, keepdims=True)
    return probability.argmax(axis=1), probability, truth, random.random(number)


def table(predicted, truth, weight):
    """Weight of the hits, false alarms and misses of each class, one case at a time."""
    found = np.zeros((3, CLASSES))
    for p, t, w in zip(predicted, truth, weight, strict=True):
        if p == t:
            found[0, p] += w
        else:
            found[1, p] += w
            found[2, t] += w
    return found


def by_hand(name, hits, false, missed):
    below = {"precision": hits + false, "recall": hits + missed}
    return hits / below[name] if name in below else 2 * hits / (2 * hits + false + missed)


@pytest.mark.parametrize("score", [precision, recall, f1])
def test_equals_the_table_of_each_class(score):
    predicted, _, truth, weight = cases()
    hits, false, missed = table(predicted, truth, weight)
    each = by_hand(score.__name__, hits, false, missed)
    given = (predicted, truth, weight)
    np.testing.assert_allclose(score(*given, average="none"), each, rtol=1e-12)
    assert score(*given, average="macro") == pytest.approx(each.mean(), rel=1e-12)
    weighted = np.average(each, weights=hits + missed)
    assert score(*given, average="weighted") == pytest.approx(weighted, rel=1e-12)
    micro = by_hand(score.__name__, hits.sum(), false.sum(), missed.sum())
    assert score(*given, average="micro") == pytest.approx(micro, rel=1e-12)
    assert overall_accuracy(*given) == pytest.approx(hits.sum() / weight.sum(), rel=1e-12)


@pytest.mark.parametrize("score", [precision, recall, f1])
def test_equals_torchmetrics(score):
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchmetrics.functional.classification")
    predicted, _, truth, _ = cases()
    name = {"f1": "f1_score"}.get(score.__name__, score.__name__)
    other = getattr(functional, f"multiclass_{name}")
    for average in ("macro", "micro", "weighted"):
        given = (torch.from_numpy(labels) for labels in (predicted, truth))
        expected = other(*given, num_classes=CLASSES, average=average).item()
        assert score(predicted, truth, average=average) == pytest.approx(expected, rel=1e-6)


def binary(seed=0):
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, 50)
    probability = np.round(0.3 * truth + 0.7 * random.random(50), 1)  # with ties
    return probability, truth, random.random(50)


def test_auroc_is_the_share_of_pairs_in_order():
    probability, truth, weight = binary()
    right = total = 0.0
    for p, t, w in zip(probability, truth, weight, strict=True):
        for q, u, v in zip(probability, truth, weight, strict=True):
            if t == 1 and u == 0:
                total += w * v
                right += w * v * (1.0 if p > q else 0.5 if p == q else 0.0)
    assert auroc(probability, truth, weight) == pytest.approx(right / total, rel=1e-12)


def test_auprc_is_the_sum_of_steps():
    probability, truth, weight = binary()
    events, before, area = (weight * truth).sum(), 0.0, 0.0
    for threshold in np.unique(probability)[::-1]:
        warned = probability >= threshold
        hits = (weight * truth)[warned].sum()
        area += (hits / events - before) * hits / weight[warned].sum()
        before = hits / events
    assert auprc(probability, truth, weight) == pytest.approx(area, rel=1e-12)


@pytest.mark.parametrize(("score", "name"), [(auroc, "auroc"), (auprc, "average_precision")])
def test_areas_of_several_classes_equal_torchmetrics(score, name):
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchmetrics.functional.classification")
    _, probability, truth, _ = cases()
    other = getattr(functional, f"multiclass_{name}")
    for average in ("macro", "weighted", "none"):
        expected = other(
            torch.from_numpy(probability), torch.from_numpy(truth), CLASSES, average=average
        )
        found = score(probability, truth, average=average)
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5)


def test_micro_areas_pool_all_classes():
    _, probability, truth, weight = cases()
    one_hot = (truth[:, None] == np.arange(CLASSES)).astype(int)
    repeated = np.repeat(weight, CLASSES)
    for score in (auroc, auprc):
        found = score(probability, truth, weight, average="micro")
        expected = score(probability.ravel(), one_hot.ravel(), repeated)
        assert found == pytest.approx(expected, rel=1e-12)


def test_whole_weights_repeat_cases_and_missing_ones_do_not_count():
    predicted, probability, truth, _ = cases()
    weight = np.random.default_rng(1).integers(0, 4, truth.size)
    holes = truth.astype(float)
    holes[3], weight[4] = np.nan, 0
    gone = np.where(np.isnan(holes), 0, weight)
    again = [np.repeat(part, gone, axis=0) for part in (predicted, probability, truth)]
    assert overall_accuracy(predicted, holes, weight) == pytest.approx(
        overall_accuracy(again[0], again[2])
    )
    for score in (precision, recall, f1):
        found = score(predicted, holes, weight, "macro")
        assert found == pytest.approx(score(again[0], again[2], None, "macro"))
    for score in (auroc, auprc):
        found = score(probability, holes, weight, "macro")
        assert found == pytest.approx(score(again[1], again[2], None, "macro"))
    unknown = probability.copy()
    unknown[7, 2] = np.nan
    kept = np.arange(truth.size) != 7
    found = auroc(unknown, truth, average="macro")
    assert found == auroc(probability[kept], truth[kept], average="macro")


def test_what_is_not_defined_is_missing_and_left_out():
    assert np.isnan(precision([0, 0], [0, 1])) and recall([0, 0], [0, 1]) == 0.0
    assert np.isnan(recall([0, 1], [0, 0])) and np.isnan(f1([0, 0], [0, 0]))
    assert np.isnan(auroc([0.1, 0.2], [1, 1])) and np.isnan(auprc([0.1, 0.2], [0, 0]))
    predicted, truth = [0, 0, 1, 1], [0, 1, 1, 1]
    each = precision(predicted, truth, average="none", classes=3)
    np.testing.assert_array_equal(each, [0.5, 1.0, np.nan])
    assert precision(predicted, truth, average="macro", classes=3) == 0.75
    for score in (overall_accuracy, precision, auroc, auprc):
        assert np.isnan(score([np.nan, 0.0], [1.0, np.nan]))


def test_a_useless_forecast_scores_as_chance():
    truth = np.array([1, 0, 0, 0])
    assert auroc(np.full(4, 0.3), truth) == 0.5
    assert auprc(np.full(4, 0.3), truth) == 0.25
    assert auroc(truth, truth) == auprc(truth, truth) == f1(truth, truth) == 1.0


def test_scores_of_probabilities_of_an_event():
    random = np.random.default_rng(0)
    coords = {"time": np.arange(5), "latitude": [10.0, 20.0, 30.0]}
    truth = xr.DataArray(random.integers(0, 2, (5, 3)), coords, ("time", "latitude"))
    prediction = xr.DataArray(random.random((3, 5)), coords, ("latitude", "time"))
    weight = xr.DataArray([1.0, 2.0, 1.0], {"latitude": coords["latitude"]}, ("latitude",))
    scores = classification_scores(prediction, truth, weight, threshold=0.4)
    given, known = prediction.values.T.ravel(), truth.values.ravel()
    weights = np.tile([1.0, 2.0, 1.0], 5)
    assert scores.precision.item() == precision(given >= 0.4, known, weights)
    assert scores.overall_accuracy.item() == overall_accuracy(given >= 0.4, known, weights)
    assert scores.auprc.item() == auprc(given, known, weights)
    assert scores.f1.attrs == {
        "unit": "1",
        "orientation": "higher",
        "average": "binary",
        "threshold": "0.4",
    }


def test_scores_of_probabilities_of_classes():
    predicted, probability, truth, _ = cases()
    prediction = xr.DataArray(probability.T, dims=("class", "case"))
    known = xr.DataArray(truth, dims="case")
    scores = classification_scores(prediction, known)
    assert scores.f1.item() == f1(predicted, truth, average="macro")
    assert scores.auroc.item() == auroc(probability, truth, average="macro")
    each = classification_scores(prediction, known, average="none")
    assert each.recall.dims == ("class",) and each.overall_accuracy.dims == ()
    prediction[1, 0] = np.nan
    fewer = classification_scores(prediction, known)
    assert fewer.f1.item() == f1(predicted[1:], truth[1:], average="macro")


def test_scores_of_predicted_classes():
    predicted, _, truth, _ = cases()
    scores = classification_scores(
        xr.DataArray(predicted, dims="case"), xr.DataArray(truth, dims="case"), average="macro"
    )
    assert scores.precision.item() == precision(predicted, truth, average="macro")
    assert not {"auroc", "auprc"} & {*scores}


def test_mistakes_get_a_sentence():
    with pytest.raises(UserError, match=r"0\.5 is no class"):
        precision([0.5, 1.0], [0, 1])
    with pytest.raises(UserError, match="-1 is no class"):
        precision([0, 1], [0, -1])
    with pytest.raises(UserError, match="did you mean 'macro'"):
        precision([0, 1], [0, 1], average="makro")
    with pytest.raises(UserError, match="there are 3: write average=macro"):
        precision([0, 1], [0, 2])
    with pytest.raises(UserError, match="probability of each class"):
        auroc([0.1, 0.9], [0, 1], average="macro")
    with pytest.raises(ValueError, match="do not match"):
        precision([0, 1, 1], [0, 1])
    time = xr.DataArray([0.1, 0.9], {"time": [0, 1]}, ("time",))
    with pytest.raises(UserError, match="different coordinates"):
        classification_scores(time, time.assign_coords(time=[1, 2]).round())
    with pytest.raises(UserError, match="they must be the same"):
        classification_scores(time, time.round().rename(time="year"))


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    with pytest.raises(UserError, match=r"pip install \"climbench\[classification\]\""):
        precision([0, 1], [0, 1])
