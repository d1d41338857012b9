"""Scores of angles: only channels in degrees have them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from climbench.evaluation.channels import Channel
from climbench.metrics.circular import DEGREES, CircularError
from climbench.metrics.state import State


def angles(channels: Sequence[Channel]) -> list[bool]:
    """Return which channels are in degrees."""
    return [channel.units in DEGREES for channel in channels]


def without_other_units(state: State, channels: Sequence[Channel]) -> State:
    """Return the state without the circular errors of channels that are no angles."""
    others = ~np.array(angles(channels))
    means = dict(state.means)
    for statistic in means:
        if isinstance(statistic, CircularError):
            means[statistic] = means[statistic].copy()
            means[statistic][:, :, others] = np.nan
    return replace(state, means=means)
