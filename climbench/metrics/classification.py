r"""Scores of classes: land cover, fire or no fire, wet or dry.

:math:`T_c` is the weight of the cases that are of class :math:`c` and predicted so, :math:`F_c`
of those wrongly predicted so, :math:`M_c` of those of class :math:`c` that are missed. Cases
without a prediction, a truth or a weight above zero do not count. With two classes, 0 and 1,
class 1 is the event. How scores of several classes become one is said by ``average``:

============  ================================================================================
``binary``    the score of class 1 (default)
``macro``     the mean over classes, each the same; classes without a score are left out
``micro``     one score of all classes together: sums of :math:`T`, :math:`F`, :math:`M` first
``weighted``  the mean over classes by their weight in the truth
``none``      the score of each class
============  ================================================================================

Events above a threshold have metrics of the same names: ``climbench.metrics.event_classification``.

The computing is scikit-learn's: ``pip install "climbench[classification]"``.
"""

import importlib
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from climbench.errors import UserError, nearest
from climbench.metrics.fields import Array

Average = Literal["binary", "macro", "micro", "weighted", "none"]
AVERAGES: tuple[Average, ...] = get_args(Average)
Labels = NDArray[np.int64]


def overall_accuracy(
    predicted: ArrayLike, truth: ArrayLike, weight: ArrayLike | None = None
) -> float:
    r"""Return the overall accuracy (OA), :math:`\sum_c T_c / \sum_c (T_c + M_c)`.

    Unit: none, 0 to 1. Better: higher.

    Parameters
    ----------
    predicted, truth
        Classes as whole numbers, of one shape; NaN where missing.
    weight
        Of each case, of a shape that broadcasts to that of the truth; None: all the same.

    Returns
    -------
    float
        NaN where no case counts.

    References
    ----------
    Congalton (1991), Remote Sensing of Environment 37, 35-46.

    Examples
    --------
    >>> overall_accuracy([0, 1, 2, 2], [0, 1, 1, 2])
    0.75
    """
    labels, known, weights = _cases(predicted, truth, weight)
    if not known.size:
        return float("nan")
    return float(_scikit_learn().accuracy_score(known, _whole(labels), sample_weight=weights))


def precision(
    predicted: ArrayLike,
    truth: ArrayLike,
    weight: ArrayLike | None = None,
    average: Average = "binary",
    classes: int | None = None,
) -> Any:
    r"""Return the precision, :math:`T_c / (T_c + F_c)`: which share of what is predicted is true.

    Unit: none, 0 to 1. Better: higher.

    Parameters
    ----------
    predicted, truth
        Classes as whole numbers from 0, of one shape; NaN where missing.
    weight
        Of each case, of a shape that broadcasts to that of the truth; None: all the same.
    average
        See the head of this module.
    classes
        How many classes there are; None: up to the highest one that occurs.

    Returns
    -------
    float or numpy.ndarray
        For ``average=none`` of each class. NaN where the class is never predicted.

    References
    ----------
    Sokolova and Lapalme (2009), Information Processing and Management 45, 427-437, tables 2, 3.

    Examples
    --------
    >>> precision([1, 1, 0, 1], [1, 0, 0, 1]), recall([1, 1, 0, 1], [1, 0, 0, 1])
    (0.6666666666666666, 1.0)
    """
    return _of_classes("precision_score", predicted, truth, weight, average, classes)


def recall(
    predicted: ArrayLike,
    truth: ArrayLike,
    weight: ArrayLike | None = None,
    average: Average = "binary",
    classes: int | None = None,
) -> Any:
    r"""Return the recall, :math:`T_c / (T_c + M_c)`: which share of what is true is predicted.

    Unit: none, 0 to 1. Better: higher. Parameters, source and value as of :func:`precision`; NaN
    where the class never occurs.
    """
    return _of_classes("recall_score", predicted, truth, weight, average, classes)


def f1(
    predicted: ArrayLike,
    truth: ArrayLike,
    weight: ArrayLike | None = None,
    average: Average = "binary",
    classes: int | None = None,
) -> Any:
    r"""Return F1, :math:`2 T_c / (2 T_c + F_c + M_c)`, the harmonic mean of precision and recall.

    Unit: none, 0 to 1. Better: higher. Parameters, source and value as of :func:`precision`; NaN
    where the class neither occurs nor is predicted.
    """
    return _of_classes("f1_score", predicted, truth, weight, average, classes)


def auroc(
    probability: ArrayLike,
    truth: ArrayLike,
    weight: ArrayLike | None = None,
    average: Average = "binary",
) -> Any:
    """Return the area under the receiver operating characteristic (AUROC).

    The share of pairs of a case with and one without the event in which the first has the higher
    probability; ties count half. Several classes: each against all others. Unit: none, 0 to 1,
    0.5 for chance. Better: higher.

    Parameters
    ----------
    probability
        Of the event, of the shape of the truth; or of each class, with a last dimension more.
        Anything that ranks the cases will do. NaN where missing.
    truth
        Classes as whole numbers from 0; NaN where missing.
    weight
        Of each case, of a shape that broadcasts to that of the truth; None: all the same.
    average
        See the head of this module; with a probability of each class not ``binary``.

    Returns
    -------
    float or numpy.ndarray
        For ``average=none`` of each class. NaN where a class always or never occurs.

    References
    ----------
    Fawcett (2006), Pattern Recognition Letters 27, 861-874, section 7.

    Examples
    --------
    >>> auroc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    0.75
    """
    return _of_ranking("roc_auc_score", probability, truth, weight, average)


def auprc(
    probability: ArrayLike,
    truth: ArrayLike,
    weight: ArrayLike | None = None,
    average: Average = "binary",
) -> Any:
    r"""Return the area under the curve of precision over recall (AUPRC) as average precision.

    .. math:: \sum_n (R_n - R_{n-1}) P_n

    over the thresholds from high to low. It is a sum of steps: straight lines between points of
    this curve would be too optimistic. Chance scores the frequency of the event. Unit: none, 0 to
    1. Better: higher. Parameters as of :func:`auroc`; NaN where the event never occurs.

    References
    ----------
    Davis and Goadrich (2006), The relationship between precision-recall and ROC curves, Proc.
    ICML 23, 233-240.
    """
    return _of_ranking("average_precision_score", probability, truth, weight, average)


def classification_scores(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    weight: xr.DataArray | None = None,
    average: Average | None = None,
    threshold: float = 0.5,
    class_dim: str = "class",
) -> xr.Dataset:
    """Return all scores of this module, over all dimensions.

    Parameters
    ----------
    prediction
        Probabilities of the event, with the dimensions of the truth; or of each class, with
        ``class_dim`` besides, where the most probable class is the predicted one; or, as whole
        numbers or booleans, the predicted classes themselves. NaN where missing.
    truth
        Classes as whole numbers from 0; NaN where missing.
    weight
        With some of the dimensions of the truth.
    average
        See the head of this module; None: ``binary`` without ``class_dim``, else ``macro``.
    threshold
        From which probability on the event is predicted.
    class_dim
        Name of the dimension that tells classes apart, in their order.

    Returns
    -------
    xarray.Dataset
        ``overall_accuracy``, ``precision``, ``recall``, ``f1``, ``auroc``, ``auprc``, without
        dimensions, or for ``average=none`` with ``class_dim``; each with its ``unit`` and
        ``orientation``. Predicted classes alone have no ``auroc`` and ``auprc``.

    Raises
    ------
    UserError
        If coordinates or dimensions do not match, or scikit-learn is not installed.

    Examples
    --------
    >>> prediction = xr.DataArray([0.9, 0.2, 0.6], dims="time")
    >>> truth = xr.DataArray([1, 0, 0], dims="time")
    >>> scores = classification_scores(prediction, truth)
    >>> scores.precision.item(), scores.auroc.item()
    (0.5, 1.0)
    """
    several = class_dim in prediction.dims
    average = average or ("macro" if several else "binary")
    given, known, weights = _aligned(prediction, truth, weight, class_dim)
    number = prediction.sizes.get(class_dim)
    is_label = given.dtype.kind in "iub" and not several
    if several:
        missing = np.isnan(given).any(axis=-1)
        labels = np.where(missing, np.nan, np.argmax(np.nan_to_num(given), axis=-1))
    else:
        labels = given if is_label else np.where(np.isnan(given), np.nan, given >= threshold)
    scores: dict[str, Any] = {"overall_accuracy": overall_accuracy(labels, known, weights)}
    for of_labels in (precision, recall, f1):
        scores[of_labels.__name__] = of_labels(labels, known, weights, average, number)
    if not is_label:
        for of_ranks in (auroc, auprc):
            scores[of_ranks.__name__] = of_ranks(given, known, weights, average)
    attributes = {"unit": "1", "orientation": "higher", "average": average}
    if not (several or is_label):
        attributes["threshold"] = f"{threshold:g}"
    return xr.Dataset({n: ([class_dim] * np.ndim(s), s, attributes) for n, s in scores.items()})


def _aligned(
    prediction: xr.DataArray, truth: xr.DataArray, weight: xr.DataArray | None, class_dim: str
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
    """Return the values in the order of the truth's dimensions, classes last."""
    if {*prediction.dims} - {class_dim} != {*truth.dims}:
        raise UserError(
            f"The prediction has the dimensions {list(prediction.dims)}, the truth "
            f"{list(truth.dims)}: they must be the same, but for '{class_dim}'."
        )
    try:
        parts = xr.align(prediction, truth, *([] if weight is None else [weight]), join="exact")
    except ValueError as error:
        raise UserError(
            "Prediction, truth and weight have different coordinates: select the common ones with "
            "xarray.align."
        ) from error
    given = parts[0].transpose(*truth.dims, ..., class_dim, missing_dims="ignore")
    weights = parts[2].broadcast_like(parts[1]).transpose(*truth.dims) if parts[2:] else None
    return given.values, parts[1].values, None if weights is None else weights.values


def _cases(
    values: ArrayLike, truth: ArrayLike, weight: ArrayLike | None
) -> tuple[Array, Labels, Array]:
    """Return values ``[case(, class)]``, true classes and weights of the cases that count."""
    given, known = (np.asarray(part, dtype=np.float64) for part in (values, truth))
    if given.shape[: known.ndim] != known.shape or given.ndim > known.ndim + 1:
        raise ValueError(f"shapes {given.shape} and {known.shape} do not match")
    weights = np.broadcast_to(np.asarray(1.0 if weight is None else weight, float), known.shape)
    missing = ~np.isfinite(given)
    missing = np.asarray(missing.any(axis=-1)) if given.ndim > known.ndim else missing
    counted = ~missing & np.isfinite(known) & (weights > 0)
    return given[counted], _whole(known[counted]), weights[counted]


def _whole(labels: Array) -> Labels:
    classes = labels.astype(np.int64)
    wrong = labels[(classes != labels) | (labels < 0)]
    if wrong.size:
        raise UserError(f"{wrong[0]:g} is no class: classes are whole numbers from 0.")
    return classes


def _of_classes(
    score: str,
    predicted: ArrayLike,
    truth: ArrayLike,
    weight: ArrayLike | None,
    average: Average,
    classes: int | None,
) -> Any:
    values, known, weights = _cases(predicted, truth, weight)
    labels = _whole(values)
    number = classes or max(2, 1 + int(max(known.max(initial=0), labels.max(initial=0))))
    _check_average(average, number)
    each = average in ("binary", "none")
    if not known.size:
        return np.full(number, np.nan) if average == "none" else float("nan")
    result = getattr(_scikit_learn(), score)(
        known,
        labels,
        labels=np.arange(number),
        average=None if each else average,
        sample_weight=weights,
        zero_division=np.nan,
    )
    if average == "none":
        return np.asarray(result)
    return float(result[1] if average == "binary" else result)


def _of_ranking(
    score: str,
    probability: ArrayLike,
    truth: ArrayLike,
    weight: ArrayLike | None,
    average: Average,
) -> Any:
    values, known, weights = _cases(probability, truth, weight)
    event_only = values.ndim == 1
    number = max(2, known.max(initial=0) + 1) if event_only else values.shape[1]
    _check_average(average, number)
    if event_only:
        if average != "binary":
            raise UserError(
                f"average={average} needs a probability of each class, as last dimension: give it, "
                "or write average=binary."
            )
        return _area(score, values, known == 1, weights)
    is_class = known[:, np.newaxis] == np.arange(number)
    if average == "micro":
        return _area(score, values.ravel(), is_class.ravel(), np.repeat(weights, number))
    columns = zip(values.T, is_class.T, strict=True)
    each = np.array([_area(score, value, own, weights) for value, own in columns])
    if average in ("binary", "none"):
        return float(each[1]) if average == "binary" else each
    share = np.ones(number) if average == "macro" else weights @ is_class
    share = np.where(np.isnan(each), 0.0, share)
    return float(np.nansum(each * share) / share.sum()) if share.any() else float("nan")


def _area(score: str, values: Array, occurs: NDArray[np.bool_], weights: Array) -> float:
    """Return the area of one class, NaN where it never occurs (or always, if that matters)."""
    if not occurs.any() or (score == "roc_auc_score" and occurs.all()):
        return float("nan")
    return float(getattr(_scikit_learn(), score)(occurs, values, sample_weight=weights))


def _check_average(average: str, classes: int) -> None:
    if average not in AVERAGES:
        raise UserError(f"There is no average '{average}': {nearest(average, AVERAGES)}")
    if average == "binary" and classes > 2:
        raise UserError(
            f"average=binary is for two classes, and there are {classes}: write average=macro, "
            "micro, weighted or none."
        )


def _scikit_learn() -> Any:
    try:
        return importlib.import_module("sklearn.metrics")
    except ImportError as error:
        raise UserError(
            "Scores of classes need the package scikit-learn: "
            'pip install "climbench[classification]".'
        ) from error
