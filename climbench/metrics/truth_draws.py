"""Scores against truths that are drawn again from the ensemble behind a truth."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from climbench.metrics.averaging import Regions
from climbench.metrics.fields import Array, Fields, Layout, Stack
from climbench.metrics.metric import Metric, shared_statistics
from climbench.metrics.state import State
from climbench.metrics.statistic import CellStatistic, Statistic
from climbench.metrics.vector import SquaredVectorError

BLOCK_VALUES = 4_000_000  # values of the truths drawn at a time: 32 MB


def whole_ensemble(members: NDArray[Any]) -> Array:
    """Return the members in float64, missing in all where they are missing in one."""
    if members.ndim != 3:
        raise ValueError("members must be [member, sample, cell]")
    if len(members) < 2:
        raise ValueError("one member does not tell the noise: at least two are needed")
    ensemble = np.asarray(members, dtype=np.float64)
    whole = np.isfinite(ensemble).all(axis=0)
    return ensemble if whole.all() else np.where(whole, ensemble, np.nan)


def mean_and_departures(ensemble: Array) -> tuple[Array, Array]:
    """Return the mean over members ``[sample, cell]`` and how members depart from it."""
    mean: Array = ensemble.mean(axis=0)
    return mean, ensemble - mean


def told_by_members(metric: Metric) -> bool:
    """Tell whether a score follows from values of single cells of prediction and truth."""
    statistics = {*metric.statistics, *metric.cell_statistics}
    plain = all(
        isinstance(statistic, CellStatistic) and not isinstance(statistic, SquaredVectorError)
        for statistic in statistics
    )
    return plain and not (metric.needs_climatology or metric.needs_members or metric.curve)


def drawn_shares(number: int, draws: int, seed: int) -> Array:
    """Return how much each draw has of the members' departures from their mean ``[draw, member]``.

    Members are drawn with replacement, as many as there are. The mean of a draw varies by
    ``(N - 1) / N`` too little, which a factor undoes: departures add up to nothing.
    """
    counts = np.random.default_rng(seed).multinomial(
        number, np.full(number, 1 / number), size=draws
    )
    return np.asarray(counts / number * np.sqrt(number / (number - 1)))


def drawn_scores(
    prediction: NDArray[Any],
    members: NDArray[Any],
    regions: Regions,
    metrics: Sequence[Metric],
    draws: int,
    seed: int,
    step: float = 1.0,
) -> list[Array]:
    r"""Return the scores of each metric against drawn truths ``[draw, region]``.

    With a ``step`` :math:`h` below one the scores are :math:`S(\bar y) + (S(\bar y + h\,\delta) -
    S(\bar y)) / h`, with the truth :math:`\bar y` and the departure :math:`\delta` of a draw from
    it. For small :math:`h` that is linear in the noise, as the noise of a difference between two
    emulators is; with :math:`h = 1` the truth's own noise and that of the draw add up.
    """
    for metric in metrics:
        if not told_by_members(metric):
            raise ValueError(f"members of the truth do not tell the noise of '{metric.label}'")
    mean, departures = mean_and_departures(whole_ensemble(members))
    number = len(departures)
    share = drawn_shares(number, draws, seed)
    block = max(1, BLOCK_VALUES // mean.size)
    flat = step * departures.reshape(number, -1)
    blocks = [
        scores_against(
            prediction,
            mean + (share[start : start + block] @ flat).reshape(-1, *mean.shape),
            regions,
            metrics,
        )
        for start in range(0, draws, block)
    ]
    drawn = [np.concatenate(parts) for parts in zip(*blocks, strict=True)]
    if step == 1.0:
        return drawn
    centre = scores_against(prediction, mean[np.newaxis], regions, metrics)
    return [score + (other - score) / step for score, other in zip(centre, drawn, strict=True)]


def drawn_ensemble_scores(
    metric: Metric,
    against: Mapping[Statistic, Array],
    weight: Array,
    draws: int,
    seed: int,
    step: float = 1.0,
) -> Array:
    """Return the scores of an ensemble ``[draw, region]`` when members of the truth are drawn.

    Such a score is of statistics against each member of the truth, averaged; so that of a draw is
    of the average over the drawn ones. Equal seeds draw the members that :func:`drawn_scores` does.

    Parameters
    ----------
    metric
        What is scored.
    against
        Of each of its statistics the means against each member of the truth ``[member, sample,
        region]``, with a last dimension ``component`` where it has several; NaN where nothing
        counts.
    weight
        Weight of each sample ``[sample, region]``.
    draws, seed, step
        See :func:`drawn_scores`.

    Returns
    -------
    numpy.ndarray
        NaN where the score does not depend on the truth, as a spread does not.
    """
    samples, regions = weight.shape
    once = np.ones((1, samples))
    own = {statistic: against[statistic] for statistic in metric.statistics}
    if all(np.array_equal(each, each[:1].repeat(len(each), 0), True) for each in own.values()):
        return np.full((draws, regions), np.nan)
    middle = {statistic: each.mean(axis=0) for statistic, each in own.items()}
    share = drawn_shares(len(next(iter(own.values()))), draws, seed)
    drawn = {
        statistic: np.moveaxis(
            middle[statistic] + step * np.tensordot(share, each - middle[statistic], axes=1), 0, 1
        )
        for statistic, each in own.items()
    }
    centre: Array = metric.resampled(middle, weight, once)[0]
    repeated = np.broadcast_to(weight[:, np.newaxis], (samples, draws, regions))
    return np.asarray(centre + (metric.resampled(drawn, repeated, once)[0] - centre) / step)


def scores_against(
    prediction: NDArray[Any], truths: Array, regions: Regions, metrics: Sequence[Metric]
) -> list[Array]:
    """Return the scores ``[draw, region]`` against truths ``[draw, sample, cell]``.

    The prediction is the same for all draws ``[sample, cell]``, or each draw has its own
    ``[draw, sample, cell]``.
    """
    draws, samples, cells = truths.shape
    layout = Layout(np.zeros(1), np.zeros(cells))  # where cells lie is nothing to the metrics
    state = State.zeros(
        np.arange(samples),
        draws,
        1,
        regions,
        layout,
        shared_statistics(metrics),
        tuple(dict.fromkeys(s for metric in metrics for s in metric.cell_statistics)),
    )
    year, draw = np.ogrid[:samples, :draws]
    own = samples if prediction.ndim == 3 else 0
    rows = np.ascontiguousarray(
        np.stack([year + own * draw, year + samples * draw])[..., np.newaxis]
    )
    block = Fields(
        Stack(prediction.reshape(-1, cells), rows[0]),
        Stack(truths.reshape(-1, cells), rows[1]),
        None,
        layout,
        regions,
    )
    state.add(np.arange(samples), np.arange(1), block)
    return [metric.score(state)[:, 0] for metric in metrics]
