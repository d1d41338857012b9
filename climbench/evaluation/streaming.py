"""One pass over the data, block by block of initial times, into the state of the scores."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from climbench.evaluation.alignment import ABSENT, Channel, Index, Pairs, locate
from climbench.evaluation.source import Source, as_slice
from climbench.metrics.state import State
from climbench.metrics.statistic import Array, Fields, Scratch, Statistic

KERNEL_VALUES = 65536  # values of one kernel call: its temporaries stay in the cache
BLOCK_BYTES = 64 * 2**20  # what one read of predictions, or of truth, may take


@dataclass
class Window:
    """The part of one variable of truth or climatology that the forecasts of a block need.

    Parameters
    ----------
    source, variable, dims
        What is read; ``dims`` are the two leading dimensions that positions refer to.
    levels
        Positions of the levels.
    needed
        Positions along ``dims[0]`` that the whole pass needs, ascending. They are read once
        where they fit into ``BLOCK_BYTES``, else those of each block.
    """

    source: Source
    variable: str
    dims: tuple[str, str]
    levels: Index
    needed: Index

    def __post_init__(self) -> None:
        array = self.source.dataset[self.variable]
        per_position = array.nbytes / max(array.sizes[self.dims[0]], 1)
        self._whole = per_position * self.needed.size <= BLOCK_BYTES
        if self._whole:
            self._load(self.needed)

    def prepare(self, needed: Index) -> None:
        """Read the positions along ``dims[0]`` (ascending) that the next block needs."""
        if not self._whole:
            self._load(needed)

    def _load(self, needed: Index) -> None:
        span = int(needed[-1] - needed[0]) + 1
        if span <= 2 * needed.size:  # one contiguous read beats picking
            needed = np.arange(needed[0], needed[0] + span)
        self._positions = needed
        where = {self.dims[0]: needed, "level": self.levels}
        self._values = self.source.read(self.variable, (*self.dims, "level"), where)

    def gather(self, first: Index, second: Index, level: int) -> NDArray[Any]:
        """Return the fields at positions along both leading dimensions ``[sample, cell]``."""
        rows = np.searchsorted(self._positions, first)
        if np.all(second == second[0]):  # evenly spaced fields need no copy
            fields: NDArray[Any] = self._values[as_slice(rows), second[0], level]
        else:
            fields = self._values[rows, second, level]
        return fields.reshape(first.size, -1)


@dataclass(frozen=True)
class Group:
    """Channels that lie in one variable of each source, read together."""

    channels: list[int]
    variables: tuple[str, ...]
    levels: tuple[Index, ...]


def accumulate(
    predictions: Source,
    truth: Source,
    climatology: Source | None,
    pairs: Pairs,
    channels: Sequence[Channel],
    statistics: Sequence[Statistic],
    weights: Array,
    maps: bool,
) -> State:
    """Read everything once and return the sums.

    Parameters
    ----------
    predictions, truth, climatology
        Sources on one grid.
    pairs
        Which prediction meets which truth.
    channels
        What is scored.
    statistics
        What is summed.
    weights
        Weight of each cell in each region ``[latitude * longitude, region]``, dimensionless.
    maps
        Whether sums per cell are kept.

    Notes
    -----
    Memory: one block of predictions, one window of truth and one of climatology, each about
    ``BLOCK_BYTES``, and the state; whatever the number of initial times.
    """
    state = State.zeros(
        pairs.samples, len(pairs.conditions), len(channels), weights, statistics, cells=maps
    )
    truth_dims = ("time", "scenario")
    for group in _groups(predictions, truth, climatology, channels):
        targets = Window(
            truth, group.variables[1], truth_dims, group.levels[1], _present(pairs.truth_time)
        )
        climate = None
        if climatology is not None and pairs.day is not None:
            days = np.unique(pairs.day)
            climate = Window(
                climatology, group.variables[2], ("dayofyear", "hour"), group.levels[2], days
            )
        for rows in _blocks(predictions, group, pairs):
            _add_block(state, predictions, targets, climate, pairs, group, rows)
    return state


def _groups(
    predictions: Source, truth: Source, climatology: Source | None, channels: Sequence[Channel]
) -> Iterator[Group]:
    places: dict[tuple[str, ...], list[tuple[int, list[int]]]] = {}
    for number, channel in enumerate(channels):
        found = [locate(predictions, channel), locate(truth, channel)]
        if climatology is not None:
            found.append(locate(climatology, channel, time="dayofyear"))
        variables = tuple(variable for variable, _ in found)
        places.setdefault(variables, []).append((number, [level for _, level in found]))
    for variables, members in places.items():
        levels = np.array([level for _, level in members], dtype=np.int64).T
        yield Group([number for number, _ in members], variables, tuple(levels))


def _present(positions: Index) -> Index:
    return np.unique(positions[positions != ABSENT])


def _blocks(predictions: Source, group: Group, pairs: Pairs) -> Iterator[Index]:
    """Yield sample numbers such that a block fits into memory and follows the store's chunks."""
    array = predictions.dataset[group.variables[0]]
    per_sample = array.nbytes / max(array.sizes["time"], 1)
    size = max(1, int(BLOCK_BYTES / max(per_sample, 1)))
    chunk = int(array.encoding.get("preferred_chunks", {}).get("time", 1))
    if chunk * per_sample <= 4 * BLOCK_BYTES:  # a chunk is decompressed as a whole: read it once
        size = max(chunk, size // chunk * chunk)
    numbers = np.arange(len(pairs.samples))
    by_place = numbers[np.argsort(pairs.forecast_sample, kind="stable")]
    first = int(pairs.forecast_sample.min()) % size if size % chunk == 0 else 0
    edges = [0, *range(size - first, len(numbers), size), len(numbers)]
    for start, stop in pairwise(edges):
        yield by_place[start:stop]


def _add_block(
    state: State,
    predictions: Source,
    targets: Window,
    climate: Window | None,
    pairs: Pairs,
    group: Group,
    rows: Index,
) -> None:
    """Read the forecasts of some samples and add them, as many fields at once as fit the cache."""
    needed = _present(pairs.truth_time[rows])
    if needed.size == 0:
        return
    targets.prepare(needed)
    if climate is not None and pairs.day is not None:
        climate.prepare(np.unique(pairs.day[rows]))
    sample_dim, condition_dim = pairs.forecast_dims
    where = {
        sample_dim: pairs.forecast_sample[rows],
        condition_dim: pairs.forecast_condition,
        "level": group.levels[0],
    }
    forecasts = predictions.read(group.variables[0], (sample_dim, condition_dim, "level"), where)
    scratch = Scratch()
    step = max(1, KERNEL_VALUES // (forecasts.shape[-2] * forecasts.shape[-1]))
    for condition in range(len(pairs.conditions)):
        here = np.flatnonzero(pairs.truth_time[rows, condition] != ABSENT)
        for start in range(0, here.size, step):
            part = here[start : start + step]
            samples = rows[part]
            for level, channel in enumerate(group.channels):
                fields = Fields(
                    forecasts[_span(part), condition, level].reshape(part.size, -1),
                    targets.gather(*_truth_place(pairs, samples, condition), level),
                    _climate(climate, pairs, samples, condition, level),
                    scratch,
                )
                state.add(samples, condition, channel, fields)


def _span(part: Index) -> slice | Index:
    contiguous = part[-1] - part[0] + 1 == part.size
    return slice(int(part[0]), int(part[-1]) + 1) if contiguous else part


def _truth_place(pairs: Pairs, samples: Index, condition: int) -> tuple[Index, Index]:
    return pairs.truth_time[samples, condition], pairs.truth_condition[samples, condition]


def _climate(
    climate: Window | None, pairs: Pairs, samples: Index, condition: int, level: int
) -> NDArray[Any] | None:
    if climate is None or pairs.day is None or pairs.hour is None:
        return None
    return climate.gather(pairs.day[samples, condition], pairs.hour[samples, condition], level)
