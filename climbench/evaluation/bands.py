"""Scores of pictures: the levels of one variable are the bands of a picture."""

from collections.abc import Mapping, Sequence

import numpy as np

from climbench.errors import UserError
from climbench.evaluation.channels import Channel
from climbench.evaluation.vectors import with_channels
from climbench.metrics.bands import PictureScore, PictureStatistic
from climbench.metrics.fields import Array
from climbench.metrics.metric import Metric
from climbench.metrics.state import State


def pictures(channels: Sequence[Channel]) -> dict[str, list[int]]:
    """Return the positions of the bands of each variable that has several."""
    places: dict[str, list[int]] = {}
    for number, channel in enumerate(channels):
        places.setdefault(channel.variable, []).append(number)
    return {variable: own for variable, own in places.items() if len(own) > 1}


def with_bands(
    state: State, channels: Sequence[Channel], metrics: Sequence[Metric]
) -> tuple[State, list[Channel]]:
    """Return the state with a channel ``<variable>_bands`` where a metric asks for pictures.

    Raises
    ------
    UserError
        If the bands of a picture lie in different variables of predictions or truth.
    """
    found = pictures(channels)
    if not found or not any(isinstance(metric, PictureScore) for metric in metrics):
        return state, list(channels)
    first = [bands[0] for bands in found.values()]
    means = {}
    for statistic, values in state.means.items():
        nothing = np.full_like(values, np.nan)
        both = (values, nothing[:, :, first])
        if isinstance(statistic, PictureStatistic):
            _check_bands(values[..., 1], found)
            both = (nothing, values[:, :, first])
        means[statistic] = np.concatenate(both, axis=2)
    cells = {
        statistic: np.concatenate([values, np.full_like(values[:, first], np.nan)], axis=1)
        for statistic, values in state.cell_sums.items()
    }
    names = [f"{variable}_bands" for variable in found]
    joined = with_channels(state, first, means, cells)
    return joined, [*channels, *(Channel(name, name, None, "1") for name in names)]


def _check_bands(numbers: Array, found: Mapping[str, Sequence[int]]) -> None:
    """Refuse pictures that were scored in parts: their bands were not read together."""
    for variable, bands in found.items():
        together = numbers[:, :, bands]
        if np.any(together[np.isfinite(together)] != len(bands)):
            raise UserError(
                f"The levels of '{variable}' lie in several variables of predictions or truth: "
                "for scores of bands put them into one, along 'level'."
            )
