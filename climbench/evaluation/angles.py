"""Scores of angles: only channels in degrees have them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from climbench.evaluation.channels import Channel
from climbench.metrics.circular import DEGREES, AngleScore, CircularError
from climbench.metrics.metric import Metric
from climbench.metrics.state import State


def angles(channels: Sequence[Channel]) -> list[bool]:
    """Return which channels are in degrees."""
    return [channel.units in DEGREES for channel in channels]


def scored_as_numbers(channels: Sequence[Channel], metrics: Sequence[Metric]) -> list[str]:
    """Return a note if directions have no score but those that take 359 and 1 for 358 apart."""
    names = [channel.name for channel in channels if "direction" in channel.variable]
    if not names or any(isinstance(metric, AngleScore) for metric in metrics):
        return []
    return [
        f"{', '.join(names)}: 359 and 1 degree count as 358 apart; circular_mae and circular_rmse "
        "take the shorter way"
    ]


def without_other_units(state: State, channels: Sequence[Channel]) -> State:
    """Return the state without the circular errors of channels that are no angles."""
    others = ~np.array(angles(channels))
    means = dict(state.means)
    for statistic in means:
        if isinstance(statistic, CircularError):
            means[statistic] = means[statistic].copy()
            means[statistic][:, :, others] = np.nan
    return replace(state, means=means)
