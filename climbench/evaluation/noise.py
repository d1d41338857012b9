"""What the finite ensemble behind a truth does to the scores of climate runs."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.evaluation.channels import locate
from climbench.evaluation.scores import Bootstrap
from climbench.evaluation.significance import interval
from climbench.evaluation.source import Source
from climbench.evaluation.streaming import Data
from climbench.evaluation.truth_members import Scanned
from climbench.metrics.averaging import Regions
from climbench.metrics.fields import ABSENT, Array
from climbench.metrics.metric import Metric, get_metric
from climbench.metrics.noise_floor import (
    FLOORS,
    SMALL_STEP,
    SQUARES_ADD,
    noise_floor,
    skill_above_noise,
)
from climbench.metrics.truth_draws import drawn_ensemble_scores, drawn_scores, told_by_members


@dataclass(frozen=True)
class MemberNoise:
    """Noise of each score that stems from the members of the truth.

    Attributes
    ----------
    floor
        What a perfect emulator would score ``[metric, channel, region, condition]``; NaN where
        there is no formula.
    draws
        Scores against truths made of members drawn again, less their mean
        ``[metric, channel, region, condition, draw]``; NaN for metrics that members do not tell.
        Equal seeds draw equal members for all models, so that differences pair up.
    """

    floor: Array
    draws: Array

    def deviation(self) -> Array:
        """Return the standard deviation of each score ``[metric, channel, region, condition]``."""
        if self.draws.shape[-1] < 2:
            return np.full_like(self.floor, np.nan)
        return np.asarray(self.draws.std(axis=-1, ddof=1))

    def bounds(self, score: Array, confidence: float) -> tuple[Array, Array]:
        """Return the bounds of the scores ``[metric, channel, region, condition]``."""
        if not self.draws.shape[-1]:
            return np.full_like(score, np.nan), np.full_like(score, np.nan)
        lower, upper = interval(np.moveaxis(self.draws, -1, 0), confidence)
        return score + lower, score + upper


def draw_members(
    data: Data,
    truth: Source,
    regions: Regions,
    metrics: Sequence[Metric],
    bootstrap: Bootstrap,
    scanned: Scanned,
) -> MemberNoise:
    """Draw the members of the truth again.

    Parameters
    ----------
    data
        What is scored, with the members' mean as truth and one prediction: the expected field.
    truth
        The truth with its members.
    regions
        Weights of the cells.
    metrics
        What is scored.
    bootstrap
        How many draws, and from which seed.
    scanned
        What was averaged, for the scores of ensembles.
    """
    conditions = len(data.pairs.conditions)
    shape = (len(metrics), len(data.channels), regions.number, conditions)
    floor, draws = np.full(shape, np.nan), np.full((*shape, bootstrap.draws), np.nan)
    of_ensembles = [
        n for n, metric in enumerate(metrics) if set(metric.statistics) <= set(scanned.against)
    ]
    told = [
        n
        for n, metric in enumerate(metrics)
        if told_by_members(metric) and not set(metric.statistics) & set(scanned.against)
    ]
    floors = [n for n in told if metrics[n].name in FLOORS]
    again = (bootstrap.draws, bootstrap.seed, SMALL_STEP)
    for channel, condition in np.ndindex(len(data.channels), conditions):
        here = (channel, slice(None), condition)
        prediction, members = fields_of(data, truth, channel, condition)
        if len(members) < 2:  # one tells no noise
            continue
        for number in floors:
            floor[(number, *here)] = noise_floor(members, regions, metrics[number])
        if bootstrap.draws < 2:
            continue
        if told:
            chosen = [metrics[number] for number in told]
            drawn = drawn_scores(prediction, members, regions, chosen, *again)
            for number, scores in zip(told, drawn, strict=True):
                draws[(number, *here)] = (scores - scores.mean(axis=0)).T
        for number in of_ensembles:
            scores = _of_ensemble(scanned, metrics[number], channel, condition, again)
            draws[(number, *here)] = (scores - scores.mean(axis=0)).T
    return MemberNoise(floor, draws)


def _of_ensemble(
    scanned: Scanned, metric: Metric, channel: int, condition: int, again: tuple[int, int, float]
) -> Array:
    """Return the scores ``[draw, region]`` of an ensemble against drawn members."""
    against = {s: scanned.against[s][:, :, condition, channel] for s in metric.statistics}
    known = ~np.isnan(next(iter(against.values())))
    present = known.any(axis=tuple(range(1, known.ndim)))
    if present.sum() < 2:
        return np.full((again[0], scanned.state.weight.shape[-1]), np.nan)
    own = {statistic: means[present] for statistic, means in against.items()}
    weight = scanned.state.weight[:, condition, channel]
    return drawn_ensemble_scores(metric, own, weight, *again)


def with_member_noise(scores: xr.Dataset, noise: MemberNoise, confidence: float) -> xr.Dataset:
    """Add noise floor, noise and bounds to the scores of one model."""
    dims = scores["score"].dims
    vectors = scores.sizes["channel"] - noise.floor.shape[1]  # which members do not tell
    noise = MemberNoise(
        *(
            np.concatenate([known, np.full_like(known[:, :vectors], np.nan)], axis=1)
            for known in (noise.floor, noise.draws)
        )
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of metrics without draws: all NaN
        lower, upper = noise.bounds(scores["score"].to_numpy()[0], confidence)
        deviation = noise.deviation()
    above = np.full_like(noise.floor, np.nan)
    for number, label in enumerate(scores["metric"].to_numpy()):
        if get_metric(str(label)).name in SQUARES_ADD:
            score = scores["score"].to_numpy()[0, number]
            above[number] = skill_above_noise(score, noise.floor[number])
    scores = scores.assign(
        lower=(dims, lower[np.newaxis]),
        upper=(dims, upper[np.newaxis]),
        noise_floor=(dims, noise.floor[np.newaxis]),
        above_noise_floor=(dims, above[np.newaxis]),
        score_noise=(dims, deviation[np.newaxis]),
    )
    if not noise.draws.shape[-1]:
        return scores
    draws = noise.draws[np.newaxis].astype(np.float32)
    return scores.assign(member_draws=((*dims, "draw"), draws))


def fields_of(
    data: Data, truth: Source, channel: int, condition: int
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return prediction ``[sample, cell]`` and members of the truth ``[member, sample, cell]``.

    Members that the scenario lacks are left out.
    """
    pairs = data.pairs
    present = np.flatnonzero(pairs.truth_time[:, condition] != ABSENT)
    own = [data.channels[channel]]
    ((variable, level),) = locate(data.predictions, own)
    places = {
        "scenario": np.array([pairs.forecast_condition[condition]]),
        "time": np.unique(pairs.forecast_sample[present]),
        "level": np.array([level]),
    }
    slab = data.predictions.read(variable, data.layout, places)
    rows = {**places, "time": pairs.forecast_sample[present]}
    if data.members:
        member = np.arange(data.members)[:, None]
        prediction = slab.values[slab.rows(**rows, member=member)].mean(axis=0, dtype=np.float64)
    else:
        prediction = slab.values[slab.rows(**rows)]
    ((variable, level),) = locate(truth, own)
    times = pairs.truth_time[present, condition]
    places = {
        "scenario": np.unique(pairs.truth_condition[present, condition]),
        "time": np.unique(times),
        "level": np.array([level]),
    }
    slab = truth.read(variable, data.layout, places)
    member = np.arange(truth.dataset.sizes["member"])[:, None]
    members = slab.values[slab.rows(**{**places, "time": times}, member=member)]
    return prediction, members[np.isfinite(members).any(axis=(1, 2))]
