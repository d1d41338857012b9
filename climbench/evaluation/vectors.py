"""Scores of vectors: the errors of two components, added."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from climbench.errors import UserError
from climbench.evaluation.channels import Channel
from climbench.metrics.fields import Array
from climbench.metrics.metric import Metric
from climbench.metrics.moments import Error, SquaredError
from climbench.metrics.state import State
from climbench.metrics.statistic import Statistic
from climbench.metrics.vector import WindVectorError

# Eastward and northward component, and the name of both together.
COMPONENTS = (
    ("u_component_of_wind", "v_component_of_wind", "wind_vector"),
    ("10m_u_component_of_wind", "10m_v_component_of_wind", "10m_wind_vector"),
    ("100m_u_component_of_wind", "100m_v_component_of_wind", "100m_wind_vector"),
    ("ua", "va", "wind_vector"),
    ("uas", "vas", "10m_wind_vector"),
)


def with_vectors(
    state: State, channels: Sequence[Channel], metrics: Sequence[Metric], strict: bool = True
) -> tuple[State, list[Channel]]:
    """Return the state with a channel for each vector, where a metric asks for them.

    The squared error of a vector is the sum of those of its components.

    Parameters
    ----------
    state, channels, metrics
        What has been averaged, of which fields, for which scores.
    strict
        Whether vectors whose components miss different values are refused, instead of left out.

    Raises
    ------
    UserError
        If components miss different values and that is refused.
    """
    if not any(isinstance(metric, WindVectorError) for metric in metrics):
        return state, list(channels)
    pairs = []
    for u, v, channel in vector_pairs(channels):
        if all(
            np.array_equal(found[..., u, :], found[..., v, :])
            for found in (state.weight, state.cell_count)  # cells of one row weigh the same
        ):
            pairs.append((u, v, channel))
        elif strict:
            raise UserError(
                f"The components of '{channel.name}' miss different values: a vector needs both."
            )
    first = [u for u, _, _ in pairs]
    second = [v for _, v, _ in pairs]
    means = {
        statistic: _joined(values, np.full_like(values[:, :, first], np.nan), axis=2)
        for statistic, values in state.means.items()
    }
    squares = state.means[SquaredError()]
    added = squares[:, :, first] + squares[:, :, second]
    means[WindVectorError().statistics[0]] = _joined(np.full_like(squares, np.nan), added, axis=2)
    cells = {
        statistic: _joined(values, _of_vectors(statistic, values, first, second), axis=1)
        for statistic, values in state.cell_sums.items()
    }
    joined = with_channels(state, first, means, cells)
    return joined, [*channels, *(channel for _, _, channel in pairs)]


def with_channels(
    state: State,
    first: Sequence[int],
    means: dict[Statistic, Array],
    cells: dict[Statistic, Array],
) -> State:
    """Return the state with further channels, which count where some that it has count.

    Parameters
    ----------
    state
        Of the channels there are.
    first
        For each further channel, the one that it has weights and counts of.
    means, cells
        Means and sums per cell of all channels, the further ones last.
    """
    return replace(
        state,
        means=means,
        weight=_joined(state.weight, state.weight[:, :, first], axis=2),
        cell_sums=cells,
        cell_count=np.concatenate([state.cell_count, state.cell_count[:, first]], axis=1),
        missing=np.concatenate([state.missing, state.missing[:, first]], axis=1),
        unexpected=np.concatenate([state.unexpected, state.unexpected[:, first]], axis=1),
    )


def vector_pairs(channels: Sequence[Channel]) -> list[tuple[int, int, Channel]]:
    """Return the positions of both components of each vector, and the vector's own channel."""
    places = {(channel.variable, channel.level): n for n, channel in enumerate(channels)}
    pairs = []
    for (variable, level), u in places.items():
        for east, north, name in COMPONENTS:
            if variable == east and (north, level) in places:
                label = name if level is None else f"{name}_{level:g}"
                vector = Channel(label, name, level, channels[u].units)
                pairs.append((u, places[north, level], vector))
    return pairs


def _joined(values: Array, added: Array, axis: int) -> Array:
    return np.concatenate([values, added], axis=axis)


def _of_vectors(
    statistic: object, values: Array, first: Sequence[int], second: Sequence[int]
) -> Array:
    if isinstance(statistic, SquaredError):
        return np.asarray(values[:, first] + values[:, second])
    empty = 0.0 if isinstance(statistic, Error) else np.nan
    return np.full_like(values[:, first], empty)
