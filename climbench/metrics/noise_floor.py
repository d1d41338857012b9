r"""What the finite ensemble behind a truth does to scores: noise floors and noise of scores.

A scenario's truth is the mean of :math:`N` members of a climate model,
:math:`\bar y = \frac1N \sum_m y_m`. Each member is the forced response :math:`\mu` plus internal
variability of variance :math:`\sigma^2`, so even an emulator that returns :math:`\mu` exactly
differs from the truth by noise of variance :math:`\sigma^2 / N`. What it scores is the *noise
floor*; how much a score changes with the draw of members is the *noise of the score*. With few
members both are large, and rankings of emulators by them mean little (Lütjens et al., 2024,
arXiv:2408.05288).

Members are arrays ``[member, sample, cell]`` in the variable's unit; a sample is a year. A cell
counts in a year where all members have a value. Members are taken as equally likely and
independent; nothing is assumed of how the variability is correlated in time or space.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from climbench.metrics.averaging import Regions, ratio
from climbench.metrics.climate import (
    Norm,
    Normalised,
    NormalisedRmseGlobal,
    NormalisedRmseSpatial,
    NormalisedRmseTotal,
)
from climbench.metrics.deterministic import (
    Bias,
    MeanAbsoluteError,
    MeanSquaredError,
    RootMeanSquaredError,
)
from climbench.metrics.distributions import GaussianCrps
from climbench.metrics.ensemble import EnsembleCrps
from climbench.metrics.fields import Array
from climbench.metrics.metric import Metric, get_metric
from climbench.metrics.truth_draws import (
    drawn_scores,
    mean_and_departures,
    scores_against,
    whole_ensemble,
)

SMALL_STEP = 0.05  # of departures: scores are linear in them

FLOORS = (
    "mse",
    "rmse",
    "bias",
    "mae",
    "crps",
    "nrmse_spatial",
    "nrmse_global",
    "nrmse_total",
)

SQUARES_ADD = ("rmse", "bias", "nrmse_spatial", "nrmse_global")  # error and noise, squared


def noise_floor(members: NDArray[Any], regions: Regions, metric: str | Metric = "rmse") -> Array:
    r"""Return the score that a perfect emulator is expected to get, from the members' spread.

    With :math:`s^2` the variance over members (divisor :math:`N - 1`), :math:`\langle\cdot\rangle`
    the mean over cells and an overline the mean over years:

    ================  ==========================================================================
    ``mse``           :math:`\overline{\langle s^2(y) \rangle} / N`
    ``rmse``          the root of that; with ``root=before`` the mean of each year's root
    ``bias``          :math:`s(\overline{\langle y \rangle}) / \sqrt N`: its standard deviation,
                      as it is zero in the mean
    ``mae``           :math:`\sqrt{2/\pi} \; \overline{\langle \sigma \rangle} / \sqrt N`,
                      if the noise is Gaussian
    ``crps``          :math:`\overline{\langle \sigma \rangle} / \sqrt{\pi N}`, if it is: of an
                      emulator that returns the distribution of the truth,
                      :math:`\mathcal N(\mu, \sigma^2 / N)`, the least that can be expected
    ``nrmse_spatial`` :math:`\sqrt{\langle s^2(\overline y) \rangle / N} \; / \; n`
    ``nrmse_global``  :math:`\sqrt{\overline{s^2(\langle y \rangle)} / N} \; / \; n`
    ``nrmse_total``   spatial plus five times global
    ================  ==========================================================================

    :math:`\sigma = s / c_4(N)` is free of the bias that the root has in small Gaussian samples,
    and the norm :math:`n` is that of the metric, of the members' mean. Roots are of expected
    squares; the expected root is smaller, by little where many cells or years are averaged.

    Parameters
    ----------
    members
        The ensemble behind the truth ``[member, sample, cell]``, in the variable's unit.
    regions
        Weights of the cells.
    metric
        One of the above, perhaps with ``norm`` or ``global_factor``.

    Returns
    -------
    numpy.ndarray
        The floor ``[region]``, in the metric's unit; NaN where nothing is valid.

    Raises
    ------
    ValueError
        If there are fewer than two members, or no formula for the metric.

    References
    ----------
    Lütjens et al. (2024), arXiv:2408.05288, on scores and the number of members. The formulas
    are those of the standard error of a mean; Gneiting et al. (2005), Mon. Weather Rev. 133,
    1098-1118, eq. (5), for the Gaussian CRPS.

    Examples
    --------
    >>> members = np.array([-1.0, 0.0, 1.0]).reshape(3, 1, 1)  # variance 1, three of them
    >>> noise_floor(members, Regions(np.ones((1, 1))), "mse").round(3).tolist()
    [0.333]
    """
    chosen = get_metric(metric)
    departures = mean_and_departures(whole_ensemble(members))[1]
    number = len(departures)
    if isinstance(chosen, NormalisedRmseTotal):
        spatial = noise_floor(members, regions, NormalisedRmseSpatial(chosen.norm))
        course = noise_floor(members, regions, NormalisedRmseGlobal(chosen.norm))
        return spatial + chosen.global_factor * course
    if isinstance(chosen, Normalised):
        global_mean = isinstance(chosen, NormalisedRmseGlobal)
        square = (_course if global_mean else _pattern)(departures, regions) / number
        return ratio(np.sqrt(square), _norm(members, regions, Norm(chosen.norm)))
    match chosen:
        case MeanSquaredError():
            return _mean(_variance(departures), regions) / number
        case RootMeanSquaredError(root="after"):
            return np.asarray(np.sqrt(noise_floor(members, regions, "mse")))
        case RootMeanSquaredError():
            variance = _variance(departures)
            return _average(np.sqrt(regions.mean(variance, np.isfinite(variance)) / number))
        case Bias():
            regions = regions.plain if chosen.weights == "none" else regions
            means = np.stack([_mean(member, regions) for member in departures])
            return np.asarray(np.sqrt(_variance(means) / number))
        case MeanAbsoluteError() | EnsembleCrps() | GaussianCrps():
            deviation = np.sqrt(_variance(departures)) / _root_bias(number)
            factor = 2 / np.pi if isinstance(chosen, MeanAbsoluteError) else 1 / np.pi
            return np.asarray(np.sqrt(factor / number) * _mean(deviation, regions))
    raise ValueError(
        f"there is no formula for the noise floor of '{chosen.label}', only for "
        f"{', '.join(FLOORS)}: use resampled_floor"
    )


def resampled_floor(
    members: NDArray[Any],
    regions: Regions,
    metric: str | Metric = "rmse",
    draws: int = 1000,
    seed: int = 0,
) -> Array:
    """Return the score of a perfect emulator, found by drawing members again.

    The mean of the members stands for the forced response, and the means of members drawn with
    replacement for truths. Their spread is that of a mean over the ensemble but for a factor: a
    drawn mean varies by ``(N - 1) / N`` too little, so departures are stretched by the root of
    ``N / (N - 1)``. Works for all metrics that :func:`member_noise` takes, and checks the formulas
    of :func:`noise_floor`.

    Parameters
    ----------
    members
        The ensemble behind the truth ``[member, sample, cell]``, in the variable's unit.
    regions
        Weights of the cells.
    metric
        What is scored.
    draws, seed
        How many truths are drawn, and from which random numbers.

    Returns
    -------
    numpy.ndarray
        The floor ``[region]``, in the metric's unit: the mean over the draws, or their root mean
        square where scores are better the nearer they are to zero, whatever the sign.

    Raises
    ------
    ValueError
        If there are fewer than two members, or members cannot tell the metric.
    """
    chosen = get_metric(metric)
    truth = whole_ensemble(members).mean(axis=0)
    (scores,) = drawn_scores(truth, members, regions, [chosen], draws, seed)
    if chosen.orientation == "zero":
        return np.asarray(np.sqrt(np.square(scores).mean(axis=0)))
    return np.asarray(scores.mean(axis=0))


def member_noise(
    prediction: NDArray[Any],
    members: NDArray[Any],
    regions: Regions,
    metrics: Sequence[str | Metric],
    draws: int = 1000,
    seed: int = 0,
) -> Array:
    """Return how much scores change with the draw of the members behind the truth.

    The standard deviation of each score over truths that are means of members drawn with
    replacement, stretched as in :func:`resampled_floor` and linear in the departures (see
    ``step`` of :func:`~climbench.metrics.truth_draws.drawn_scores`). Equal seeds draw equal members
    for every prediction: the noise of a difference between two emulators is that of the
    differences of their drawn scores.

    Parameters
    ----------
    prediction
        ``[sample, cell]``, in the variable's unit.
    members
        The ensemble behind the truth ``[member, sample, cell]``, in the same unit.
    regions
        Weights of the cells.
    metrics
        What is scored. All whose statistics are values of single cells of forecast and truth: no
        climatology, ensemble forecast or spectrum.
    draws, seed
        How many truths are drawn, and from which random numbers.

    Returns
    -------
    numpy.ndarray
        ``[metric, region]``, in each metric's unit.

    Raises
    ------
    ValueError
        If there are fewer than two members or draws, or members cannot tell a metric.

    References
    ----------
    Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 6, eq. (6.6); the
    factor undoes the bias of their eq. (5.12).
    """
    if draws < 2:
        raise ValueError("a spread needs at least two draws")
    chosen = [get_metric(metric) for metric in metrics]
    scores = drawn_scores(prediction, members, regions, chosen, draws, seed, SMALL_STEP)
    return np.stack([drawn.std(axis=0, ddof=1) for drawn in scores])


def skill_above_noise(score: Array, floor: Array) -> Array:
    r"""Return the error against the forced response, :math:`\sqrt{S^2 - F^2}`.

    The truth's noise is independent of an emulator that has not seen its members, so squared
    errors add: :math:`S^2 = E^2 + F^2` in the mean, with :math:`S` the score against the truth,
    :math:`F` the noise floor and :math:`E` the score against the forced response itself. Holds
    for ``rmse``, ``bias``, ``nrmse_spatial`` and ``nrmse_global`` (for ``mse`` subtract; ``mae``
    and ``nrmse_total`` have no such sum). Unit: the score's. Better: lower; zero where the score
    is not above the floor, that is where the truth cannot tell the emulator from a perfect one.

    Parameters
    ----------
    score, floor
        Arrays that broadcast, in the same unit.

    References
    ----------
    climbench's own; Lütjens et al. (2024), arXiv:2408.05288, for why it matters.

    Examples
    --------
    >>> skill_above_noise(np.array([5.0, 2.0]), np.array([3.0, 3.0])).tolist()
    [4.0, 0.0]
    """
    return np.asarray(np.sqrt(np.maximum(np.square(score) - np.square(floor), 0.0)))


def climatebench_variability(members: NDArray[Any], regions: Regions) -> dict[str, Array]:
    r"""Return ClimateBench's reference row "Variability": the spread of its truth's members.

    .. math:: S = \langle \operatorname{std}_m(\bar y_m) \rangle \, / \, n, \quad
        G = \operatorname{std}_{m,t}(\langle y_{m,t} \rangle) \, / \, n, \quad T = S + 5 G

    with standard deviations of divisor :math:`N`, and :math:`n` the size of the mean over
    members, years and cells. It is the spread of single members, and :math:`G` holds their common
    trend: a scale beside the scores, no floor of theirs; that is :func:`noise_floor`.

    Parameters
    ----------
    members
        The ensemble behind the truth ``[member, sample, cell]``, in the variable's unit.
    regions
        Weights of the cells; ClimateBench's are cos(latitude).

    Returns
    -------
    dict of str to numpy.ndarray
        ``[region]`` for ``nrmse_spatial``, ``nrmse_global`` and ``nrmse_total``; no unit.

    References
    ----------
    Watson-Parris et al. (2022), ClimateBench v1.0, J. Adv. Model. Earth Syst., and its notebook of
    figures.
    """
    ensemble = whole_ensemble(members)
    mean, departures = mean_and_departures(ensemble)
    norm = _norm(members, regions, Norm())
    deviation = _average(departures, axis=1).std(axis=0)
    spatial = ratio(regions.mean(deviation, np.isfinite(deviation)), norm)
    courses = regions.mean(ensemble, np.isfinite(mean)).reshape(-1, regions.number)
    variance = _average(np.square(courses - _average(courses)))
    course = ratio(np.sqrt(variance), norm)
    return {
        "nrmse_spatial": spatial,
        "nrmse_global": course,
        "nrmse_total": spatial + NormalisedRmseTotal.global_factor * course,
    }


def _variance(departures: Array) -> Array:
    """Return the variance over members, without bias."""
    square: Array = np.square(departures).sum(axis=0)
    return square / (len(departures) - 1)


def _root_bias(number: int) -> float:
    """Return the expected standard deviation of a Gaussian sample of variance one, c4."""
    half = number / 2
    return float(np.sqrt(1 / (half - 0.5)) * np.exp(gammaln(half) - gammaln(half - 0.5)))


def _mean(values: Array, regions: Regions) -> Array:
    """Return the mean over years and cells ``[region]`` of ``[sample, cell]``."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=0) @ regions.weights
    return ratio(total, known.sum(axis=0) @ regions.weights)


def _average(values: Array, axis: int = 0) -> Array:
    """Return the mean of the finite values along a dimension."""
    known = np.isfinite(values)
    return ratio(np.where(known, values, 0.0).sum(axis=axis), known.sum(axis=axis))


def _pattern(departures: Array, regions: Regions) -> Array:
    """Return the mean over cells of the variance of members' mean maps ``[region]``."""
    variance = _variance(_average(departures, axis=1))
    return regions.mean(variance, np.isfinite(variance))


def _course(departures: Array, regions: Regions) -> Array:
    """Return the mean over years of the variance of members' regional means ``[region]``."""
    return _average(_variance(regions.mean(departures, np.isfinite(departures))))


def _norm(members: NDArray[Any], regions: Regions, norm: Norm) -> Array:
    """Return the norm of the members' mean ``[region]``."""
    truth = whole_ensemble(members).mean(axis=0)
    (norms,) = scores_against(truth, truth[np.newaxis], regions, [norm])
    return np.asarray(norms[0])
