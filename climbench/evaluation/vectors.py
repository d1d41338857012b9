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
    state: State, channels: Sequence[Channel], metrics: Sequence[Metric]
) -> tuple[State, list[Channel]]:
    """Return the state with a channel for each vector, where a metric asks for them.

    The squared error of a vector is the sum of those of its components.

    Raises
    ------
    UserError
        If no pair of components is scored, or they miss different values.
    """
    if not any(isinstance(metric, WindVectorError) for metric in metrics):
        return state, list(channels)
    pairs = _pairs(channels)
    if not pairs:
        raise UserError(
            f"The metric '{WindVectorError.name}' needs both components of the wind, such as "
            "u_component_of_wind and v_component_of_wind, in predictions and truth."
        )
    for u, v, channel in pairs:
        if not all(
            np.array_equal(found[..., u, :], found[..., v, :])
            for found in (state.weight, state.cell_count)  # cells of one row weigh the same
        ):
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
    joined = replace(
        state,
        means=means,
        weight=_joined(state.weight, state.weight[:, :, first], axis=2),
        cell_sums=cells,
        cell_count=np.concatenate([state.cell_count, state.cell_count[:, first]], axis=1),
        missing=np.concatenate([state.missing, state.missing[:, first]], axis=1),
        unexpected=np.concatenate([state.unexpected, state.unexpected[:, first]], axis=1),
    )
    return joined, [*channels, *(channel for _, _, channel in pairs)]


def _pairs(channels: Sequence[Channel]) -> list[tuple[int, int, Channel]]:
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
