"""One pass over the data, block by block of initial times, into the state of the scores."""

import ctypes
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

import numpy as np
import xarray as xr

from climbench.errors import UserError
from climbench.evaluation.alignment import Pairs
from climbench.evaluation.channels import Channel, locate
from climbench.evaluation.slab import Slab
from climbench.evaluation.source import Source
from climbench.metrics.averaging import Regions
from climbench.metrics.fields import ABSENT, Companion, Fields, Index, Layout, Stack
from climbench.metrics.state import State
from climbench.metrics.statistic import Statistic
from climbench.progress import Meter

Result = TypeVar("Result")
BLOCK_BYTES = 16 * 2**20  # what one read of predictions may take
WINDOW_BYTES = 24 * 2**20  # what one read of truth, or of the climatology, may take
SUMS_BYTES = 64 * 2**20  # what the sums of one block may take
SUMS_PER_FIELD = 128  # bytes of all sums of one field over one region


@dataclass(frozen=True)
class Data:
    """What is scored, and how it fits together.

    Attributes
    ----------
    predictions, truth, climatology
        Sources on one grid.
    pairs
        Which prediction meets which truth.
    channels
        What is scored.
    layout
        Where the cells lie, in the order of the predictions.
    """

    predictions: Source
    truth: Source
    climatology: Source | None
    pairs: Pairs
    channels: Sequence[Channel]
    layout: Layout

    @property
    def members(self) -> int:
        """Size of the ensemble; 0 where there is none."""
        return self.predictions.dataset.sizes.get("member", 0)


@dataclass(frozen=True)
class Group:
    """Channels that lie in one variable of each source, read together."""

    channels: Index
    variables: tuple[str, ...]
    levels: tuple[Index, ...]


@dataclass
class Window:
    """The part of one variable of truth or climatology that the forecasts of a block need.

    What the blocks to come will need is read with it, up to ``WINDOW_BYTES``: a chunk of the store
    is decompressed once for several blocks, and for all of them where everything fits.
    """

    source: Source
    layout: Layout
    variable: str
    fixed: Mapping[str, Index]
    needed: Index
    dim: str
    _held: Slab | None = field(default=None, init=False)

    def slab(self, needed: Index) -> Slab:
        """Return the fields at positions along ``dim``, perhaps with others."""
        if self._held is None or not self._holds(self._held, needed):
            array = self.source.dataset[self.variable]
            fit = int(WINDOW_BYTES * max(array.sizes.get(self.dim, 1), 1) // max(array.nbytes, 1))
            start = int(np.searchsorted(self.needed, needed[0]))
            ahead = self.needed[start : start + fit]
            self._held = None  # before another is read
            self._held = self._read(ahead if np.isin(needed, ahead).all() else needed)
        return self._held

    def _holds(self, slab: Slab, needed: Index) -> bool:
        return self.dim not in slab.loaded or bool(np.isin(needed, slab.loaded[self.dim]).all())

    def _read(self, needed: Index) -> Slab:
        span = int(needed[-1] - needed[0]) + 1
        if span <= 2 * needed.size:  # one contiguous read beats picking
            needed = np.arange(needed[0], needed[0] + span)
        return self.source.read(self.variable, self.layout, {**self.fixed, self.dim: needed})


def accumulate(
    data: Data,
    regions: Regions,
    statistics: Sequence[Statistic],
    cell_statistics: Sequence[Statistic] = (),
) -> State:
    """Read everything once and return the means and sums.

    Parameters
    ----------
    data
        What is scored.
    regions
        Weights of the cells in the order of ``data.layout``.
    statistics, cell_statistics
        What is averaged over cells, and what is summed over samples in each cell.

    Notes
    -----
    Memory: two blocks of predictions, a window of truth and of climatology, and the state,
    whatever the number of initial times. While one block is summed the next one is read.
    """
    pairs = data.pairs
    state = State.zeros(
        pairs.samples,
        len(pairs.conditions),
        len(data.channels),
        regions,
        data.layout,
        statistics,
        cell_statistics,
        data.members,
    )
    companions = tuple(dict.fromkeys(c for s in statistics for c in s.companions))
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    meter = Meter("evaluate", len(list(_groups(data))) * len(pairs.samples))
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(workers) as pool, meter:

        def split(call: Callable[[int, int], None], number: int) -> None:
            edges = np.linspace(0, number, min(workers, number) + 1).astype(int).tolist()
            list(pool.map(call, edges[:-1], edges[1:]))

        tasks = (
            lambda read=read, rows=rows, group=group: (group, rows, read(rows))
            for group in _groups(data)
            for read in [_reader(data, group, regions, companions, split)]
            for rows in _blocks(data, group, regions.number)
        )
        summed = None
        for group, rows, block in _ahead(reader, tasks):
            if group is not summed:
                _give_back_memory()
                summed = group
            if block is not None:
                state.add(rows, group.channels, block)
            meter.advance(rows.size)
    return state


def _give_back_memory() -> None:
    """Let glibc return what is free: the pools of threads keep the largest blocks they have met."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


def _ahead(reader: ThreadPoolExecutor, tasks: Iterator[Callable[[], Result]]) -> Iterator[Result]:
    """Yield results in order while the next one is being made."""
    waiting: deque[Future[Result]] = deque()
    for task in tasks:
        waiting.append(reader.submit(task))
        if len(waiting) > 1:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _groups(data: Data) -> Iterator[Group]:
    found = [locate(data.predictions, data.channels), locate(data.truth, data.channels)]
    if data.climatology is not None:
        found.append(locate(data.climatology, data.channels, time="dayofyear"))
    places: dict[tuple[str, ...], list[tuple[int, list[int]]]] = {}
    for number, sources in enumerate(zip(*found, strict=True)):
        variables = tuple(variable for variable, _ in sources)
        places.setdefault(variables, []).append((number, [level for _, level in sources]))
    for variables, members in places.items():
        levels = np.array([level for _, level in members], dtype=np.int64).T
        numbers = np.array([number for number, _ in members], dtype=np.int64)
        yield Group(numbers, variables, tuple(levels))


def _present(positions: Index) -> Index:
    return np.unique(positions[positions != ABSENT])


def _blocks(data: Data, group: Group, regions: int) -> Iterator[Index]:
    """Yield sample numbers such that a block fits into memory and follows the store's chunks."""
    array, pairs = data.predictions.dataset[group.variables[0]], data.pairs
    per_sample = array.nbytes / max(array.sizes["time"], 1)
    fields = len(pairs.conditions) * group.channels.size
    size = int(min(BLOCK_BYTES / per_sample, SUMS_BYTES / (fields * regions * SUMS_PER_FIELD)))
    size = max(1, size)
    chunk = int(array.encoding.get("preferred_chunks", {}).get("time", 1))
    if chunk * per_sample <= 4 * BLOCK_BYTES:  # a chunk is decompressed as a whole: read it once
        size = max(chunk, size // chunk * chunk)
    numbers = np.arange(len(pairs.samples))
    by_place = numbers[np.argsort(pairs.forecast_sample, kind="stable")]
    first = int(pairs.forecast_sample.min()) % size if size % chunk == 0 else 0
    edges = [0, *range(size - first, len(numbers), size), len(numbers)]
    for start, stop in pairwise(edges):
        yield by_place[start:stop]


def _reader(
    data: Data,
    group: Group,
    regions: Regions,
    companions: Sequence[Companion],
    split: Callable[[Callable[[int, int], None], int], None],
) -> Callable[[Index], Fields | None]:
    """Return the function that reads the fields of some samples of a group."""
    pairs, layout = data.pairs, data.layout
    level = group.levels[1]
    targets = Window(
        data.truth,
        layout,
        group.variables[1],
        {"level": np.unique(level)},
        _present(pairs.truth_time),
        "time",
    )
    climate = _climate_windows(data, group, companions)

    def read(rows: Index) -> Fields | None:
        part = pairs.part(rows)
        needed = _present(part.truth_time)
        if needed.size == 0:
            return None
        found = targets.slab(needed).rows(
            time=part.truth_time[..., None],
            scenario=part.truth_condition[..., None],
            level=level,
        )
        truth = Stack(
            targets.slab(needed).values,
            np.where(part.truth_time[..., None] == ABSENT, ABSENT, found),
        )
        fields = {name: window(part) for name, window in climate.items()}
        climatology = fields.pop(None, None)
        return Fields(
            _forecasts(data, group, part),
            truth,
            climatology,
            layout,
            regions,
            {name: stack for name, stack in fields.items() if name is not None},
            split,
        )

    return read


def _forecasts(data: Data, group: Group, part: Pairs) -> Stack:
    sample_dim, condition_dim = part.forecast_dims
    level = group.levels[0]
    slab = data.predictions.read(
        group.variables[0],
        data.layout,
        {
            sample_dim: np.unique(part.forecast_sample),
            condition_dim: np.unique(part.forecast_condition),
            "level": np.unique(level),
        },
    )
    places = {
        sample_dim: part.forecast_sample[:, None, None],
        condition_dim: part.forecast_condition[None, :, None],
        "level": level[None, None, :],
    }
    if data.members:
        places = {dim: index[..., None] for dim, index in places.items()}
        places["member"] = np.arange(data.members)
    return Stack(slab.values, slab.rows(**places))


def _climate_windows(
    data: Data, group: Group, companions: Sequence[Companion]
) -> dict[Companion | None, Callable[[Pairs], Stack]]:
    """Return functions that find the climate (None) and its companions for some pairs."""
    climatology, pairs = data.climatology, data.pairs
    if climatology is None or pairs.day is None:
        return {}
    days, variable, level = np.unique(pairs.day), group.variables[2], group.levels[2]

    def of(name: str, source: Source) -> Callable[[Pairs], Stack]:
        window = Window(source, data.layout, name, {"level": np.unique(level)}, days, "dayofyear")

        def find(part: Pairs) -> Stack:
            assert part.day is not None and part.hour is not None  # noqa: S101  see above
            slab = window.slab(np.unique(part.day))
            day, hour = part.day[..., None], part.hour[..., None]
            return Stack(slab.values, slab.rows(dayofyear=day, hour=hour, level=level))

        return find

    windows: dict[Companion | None, Callable[[Pairs], Stack]] = {None: of(variable, climatology)}
    for companion in companions:
        name = f"{variable}_{companion.suffix}"
        if name not in climatology.dataset:
            continue  # precipitation has what temperature lacks; its metrics stay missing
        windows[companion] = of(name, _with_companion(climatology, name, companion))
    return windows


def _with_companion(climatology: Source, name: str, companion: Companion) -> Source:
    """Return the source with the companion's variable reduced to a field per day and hour."""
    array: xr.DataArray = climatology.dataset[name]
    if companion.quantile is not None:
        known = np.atleast_1d(array["quantile"].to_numpy())
        near = np.flatnonzero(np.isclose(known, companion.quantile))
        if near.size == 0:
            raise UserError(
                f"{climatology.label}: '{name}' has the quantiles {known.tolist()}, not "
                f"{companion.quantile:g}: build it with quantiles=[{companion.quantile:g}]."
            )
        array = array.isel(quantile=int(near[0])) if "quantile" in array.dims else array
    if companion.over_year:
        array = array.mean([dim for dim in ("hour", "dayofyear") if dim in array.dims])
    dataset = climatology.dataset.assign({name: array})
    return Source(
        dataset,
        climatology.label,
        climatology.latitude,
        climatology.longitude,
        climatology.rows,
        climatology.columns,
    )
