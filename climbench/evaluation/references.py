"""Rows beside an emulator's scores: internal variability, and other climate models."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.evaluation.noise import fields_of
from climbench.evaluation.source import Source
from climbench.evaluation.streaming import Data
from climbench.metrics.averaging import Regions
from climbench.metrics.climate_references import ReferenceScores, model_row, variability_row

VARIABILITY, OTHER_MODELS = "internal variability", "other climate models"
COLUMNS = {"nrmse_spatial": 0, "nrmse_global": 1, "nrmse_total": 2}
BETWEEN = ":"  # of climate model and scenario in the label of a run

Fields = NDArray[np.float64]
Rule = Callable[..., ReferenceScores]
RULES: tuple[Rule, Rule] = (variability_row, model_row)


def with_references(scores: xr.Dataset, data: Data, truth: Source, regions: Regions) -> xr.Dataset:
    """Add what ClimateBench shows beside its scores, where the truth can tell.

    ``reference_score[model, reference, metric, channel, region, scenario]`` has the rows
    ``internal variability`` (where the truth has members) and ``other climate models`` (where
    runs of several, labelled ``MODEL:SCENARIO``, share a scenario); NaN for other metrics than the
    normalised errors.

    Parameters
    ----------
    scores
        Of one model.
    data
        What was scored, with the members' mean as truth.
    truth
        The truth with its members.
    regions
        Weights of the cells.
    """
    metrics = [str(label) for label in scores["metric"].values]
    runs = [str(label) for label in data.pairs.conditions]
    columns = {at: COLUMNS[name] for at, name in enumerate(metrics) if name in COLUMNS}
    several = "member" in truth.dataset.dims and truth.dataset.sizes["member"] > 1
    if not columns or not (several or any(_siblings(run, runs) for run in runs)):
        return scores
    dims = ("reference", *scores["score"].dims[1:])
    values = np.full((2, *scores["score"].shape[1:]), np.nan)
    for channel in range(len(data.channels)):
        fields = [_members(data, truth, channel, at) for at in range(len(runs))]
        for at, run in enumerate(runs):
            groups = [fields[at], _means([fields[own] for own in _siblings(run, runs)])]
            for row, region in np.ndindex(len(RULES), regions.number):
                weights = regions.weights[:, region]
                found = _row(RULES[row], groups[row], fields[at], weights)
                for metric, column in columns.items():
                    values[row, metric, channel, region, at] = found[column]
    kept = np.isfinite(values).any(axis=tuple(range(1, values.ndim)))
    if not kept.any():
        return scores
    rows = np.array([VARIABILITY, OTHER_MODELS])[kept]
    return scores.assign_coords(reference=rows).assign(
        reference_score=(("model", *dims), values[kept][np.newaxis])
    )


def _siblings(run: str, runs: Sequence[str]) -> list[int]:
    """Return the positions of the runs of all climate models in a run's scenario, if several."""
    source, between, scenario = run.rpartition(BETWEEN)
    own = [at for at, other in enumerate(runs) if other.rpartition(BETWEEN)[2] == scenario]
    return own if between and source and len(own) > 1 else []


def _members(data: Data, truth: Source, channel: int, condition: int) -> Fields:
    """Return the members of the truth that have all years ``[member, year, cell]``."""
    if "member" not in truth.dataset.dims:
        truth = replace(truth, dataset=truth.dataset.expand_dims(member=[0]))
    _, members = fields_of(data, truth, channel, condition)
    whole = np.isfinite(members).any(axis=2).all(axis=1)
    return np.asarray(members[whole], dtype=np.float64)


def _means(groups: Sequence[Fields]) -> Fields:
    """Return the mean over the members of each climate model, over the years that all have."""
    shapes = {group.shape[1:] for group in groups if len(group)}
    if len(groups) < 2 or len(shapes) != 1:
        return np.empty((0, 0, 0))
    return np.stack([group.mean(axis=0) for group in groups if len(group)])


def _row(rule: Rule, group: Fields, own: Fields, weights: Fields) -> ReferenceScores:
    """Return a row; cells, which have weights of their own, stand where rows of a grid do."""
    if len(group) < 2 or not len(own):
        return ReferenceScores(np.nan, np.nan, np.nan)
    inside = weights > 0
    cells = [part[..., inside, np.newaxis] for part in (group, own.mean(axis=0))]
    if not all(np.isfinite(part).all() for part in cells):
        return ReferenceScores(np.nan, np.nan, np.nan)
    return rule(cells[0], weights[inside], cells[1])
