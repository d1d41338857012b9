r"""The statistics behind the CRPS and the spread, of whole ensembles in one pass.

The members of each cell are put in order by a sorting network: a fixed list of exchanges, the same
for all cells, so that each exchange is done for many cells at once. Of sorted members
:math:`x_{(0)} \le \dots \le x_{(M-1)}` the distances of all pairs sum to

.. math:: \sum_{k<l} |x_k - x_l| = \sum_{k < M/2} (M - 1 - 2k) (x_{(M-1-k)} - x_{(k)}),

a sum of positive numbers, which loses no digits. All sums are made in float64 and in the order of
the values, so neither the order of the members nor the division into blocks changes a bit.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from climbench.compilation import compiled, vectorised
from climbench.metrics.fields import ABSENT, Array, Fields, Index, Stack
from climbench.metrics.moments_kernel import native

WIDTH = 128  # cells that are sorted side by side: 50 members of them stay in the fastest cache
ABSOLUTE, PAIR, VARIANCE, VALID = range(4)  # rows of what is found in each cell


@cache
def sorting_network(members: int) -> Index:
    """Return the exchanges that sort any ``members`` values ``[exchange, (lower, upper)]``.

    References
    ----------
    Batcher's merge exchange: Knuth, The Art of Computer Programming 3, section 5.2.2, algorithm M.

    Examples
    --------
    >>> sorting_network(3).tolist()
    [[0, 2], [0, 1], [1, 2]]
    """
    exchanges = []
    largest = 1 << max(members - 1, 0).bit_length() >> 1
    step = largest
    while step > 0:
        distance, digit, stride = step, 0, largest
        while True:
            exchanges += [(i, i + distance) for i in range(members - distance) if i & step == digit]
            if stride == step:
                break
            distance, digit, stride = stride - step, step, stride >> 1
        step >>= 1
    return np.array(exchanges, dtype=np.int64).reshape(-1, 2)


def crps_parts(members: NDArray[Any], truth: NDArray[Any], threads: int = 1) -> tuple[Array, Array]:
    """Return the two parts of the CRPS of each cell.

    Parameters
    ----------
    members
        ``[member, cell]``, float32 or float64; needs not be contiguous.
    truth
        ``[cell]``, in the same unit.
    threads
        How many parts are computed at the same time; the result has the same bits for any.

    Returns
    -------
    tuple of numpy.ndarray
        Mean distance of the members from the truth ``[cell]``, and mean distance of two different
        members ``[cell]`` (0 for a single one); NaN where a value is missing.

    Examples
    --------
    >>> crps_parts(np.array([[1.0], [2.0], [6.0]]), np.array([2.0]))
    (array([1.66666667]), array([3.33333333]))
    """
    parts = np.zeros((4, truth.size))
    rows, network = np.arange(len(members)), sorting_network(len(members))

    def part(start: int, stop: int) -> None:
        _cell_parts(members, rows, truth, network, False, parts, start, stop)

    bounds = np.linspace(0, truth.size, threads + 1).astype(int)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(part, bounds[:-1], bounds[1:]))
    parts[:, parts[VALID] == 0] = np.nan
    return parts[ABSOLUTE], parts[PAIR]


def ensemble_parts(block: Fields) -> tuple[Array, Array]:
    """Return the weighted means over the valid cells of all ensembles of a block.

    Parameters
    ----------
    block
        Fields with members; a cell counts where each member, the truth and, if there is one, the
        climatology have a value.

    Returns
    -------
    tuple of numpy.ndarray
        Sums of weight times mean distance from the truth, mean distance of two different members,
        and variance (divided by the number of members less one)
        ``[sample, condition, channel, region, 3]``, and the sums of weights
        ``[sample, condition, channel, region]``.
    """
    samples, conditions, channels = block.shape
    places, regions = conditions * channels, block.regions
    sums = np.zeros((samples, places, regions.number, 4))
    network = sorting_network(block.members)
    climate = block.climatology or Stack(block.truth.values[:0], block.truth.rows)
    given = [
        block.forecast.rows.reshape(samples, places, block.members),
        *(part for stack in (block.truth, climate) for part in _flat(stack, samples, places)),
    ]
    members = native(block.forecast.values)

    def part(start: int, stop: int) -> None:
        _scan(members, *given, regions.by_region, regions.runs, network, sums, start, stop)

    block.split(part, places)
    sums = sums.reshape(*block.shape, regions.number, 4)
    return sums[..., :VALID], sums[..., VALID]


def ensemble_mean(block: Fields) -> Fields:
    """Return the block with the mean over members, in float64, as the forecast.

    Parameters
    ----------
    block
        Fields, with members or without; without, it is returned as it is.

    Returns
    -------
    Fields
        Rows ``[sample, condition, channel]``. Where a member is missing the mean is NaN, where
        all are it is absent.
    """
    if not block.members:
        return block
    samples, conditions, channels = block.shape
    places, rows = conditions * channels, block.forecast.rows
    means = np.full((samples, places, block.layout.size), np.nan)
    values, members = native(block.forecast.values), rows.reshape(samples, places, block.members)
    block.split(lambda start, stop: _average(values, members, means, start, stop), places)
    order = np.arange(samples * places).reshape(block.shape)
    order[(rows == ABSENT).all(axis=-1)] = ABSENT
    return replace(block, forecast=Stack(means.reshape(-1, block.layout.size), order))


def _flat(stack: Stack, samples: int, places: int) -> tuple[NDArray[Any], Index]:
    return native(stack.values), stack.rows.reshape(samples, places)


@compiled
def _average(values: Any, rows: Any, means: Any, start: int, stop: int) -> None:
    """Fill the means of all places from start to stop, a stretch of cells at a time."""
    samples, _, members = rows.shape
    for place in range(start, stop):
        for sample in range(samples):
            mean, found = means[sample, place], rows[sample, place]
            if found.min() < 0:
                continue
            for first in range(0, mean.size, 16 * WIDTH):
                part = mean[first : first + 16 * WIDTH]
                part[:] = 0.0
                for member in range(members):
                    row = values[found[member], first : first + part.size]
                    for cell in range(part.size):
                        part[cell] += np.float64(row[cell])
                for cell in range(part.size):
                    part[cell] /= members


@compiled
def _scan(
    members: Any,
    member_rows: Any,
    truths: Any,
    truth_rows: Any,
    climates: Any,
    climate_rows: Any,
    weights: Any,
    runs: Any,
    network: Any,
    sums: Any,
    start: int,
    stop: int,
) -> None:
    """Fill all places from start to stop; places are conditions x channels."""
    parts = np.zeros((4, members.shape[1]))
    for place in range(start, stop):
        for sample in range(member_rows.shape[0]):
            rows = member_rows[sample, place]
            if truth_rows[sample, place] < 0 or rows.min() < 0:
                continue
            truth = truths[truth_rows[sample, place]]
            _cell_parts(members, rows, truth, network, True, parts, 0, truth.size)
            if climates.shape[0] > 0:
                climate = climates[climate_rows[sample, place]]
                for cell in range(climate.size):
                    if not abs(climate[cell]) < np.inf:
                        parts[:, cell] = 0.0
            for run in range(runs.shape[0]):
                region, first, last = runs[run, 0], runs[run, 1], runs[run, 2]
                weight, out = weights[region, first:last], sums[sample, place, region]
                for part in range(4):
                    out[part] += _weighted_sum(parts[part, first:last], weight)


@vectorised
def _weighted_sum(values: Any, weights: Any) -> float:
    total = 0.0
    for cell in range(values.size):
        total += values[cell] * weights[cell]
    return total


@compiled
def _cell_parts(
    values: Any,
    rows: Any,
    truth: Any,
    network: Any,
    with_variance: bool,
    parts: Any,
    first: int,
    last: int,
) -> None:
    """Write what is found in each cell from first to last, zeros where a value is missing.

    Not with fastmath: nothing here is a sum over cells, and comparisons must see missing values.
    """
    size = rows.size
    pairs = 0.5 * size * max(size - 1, 1)
    work = np.zeros((size, WIDTH), values.dtype)
    target = np.zeros(WIDTH)
    found = np.zeros((3, WIDTH))
    for start in range(first, last, WIDTH):
        width = min(WIDTH, last - start)
        for member in range(size):
            row = values[rows[member]]
            for cell in range(width):
                work[member, cell] = row[start + cell]
        for cell in range(width):
            target[cell] = truth[start + cell]
        _sort(work, network)
        _add_distances(work, target, found)
        if with_variance:
            _add_squares(work, found)
        for cell in range(width):
            valid = abs(found[ABSOLUTE, cell]) < np.inf
            parts[VALID, start + cell] = 1.0 if valid else 0.0
            parts[ABSOLUTE, start + cell] = found[ABSOLUTE, cell] / size if valid else 0.0
            parts[PAIR, start + cell] = found[PAIR, cell] / pairs if valid else 0.0
            parts[VARIANCE, start + cell] = found[VARIANCE, cell] if valid else 0.0


@compiled
def _sort(work: Any, network: Any) -> None:
    """Sort the members of each cell; missing ones end anywhere, but none is lost."""
    for exchange in range(network.shape[0]):
        lower, upper = work[network[exchange, 0]], work[network[exchange, 1]]
        for cell in range(WIDTH):
            a, b = lower[cell], upper[cell]
            lower[cell] = a if a < b else b
            upper[cell] = b if a < b else a


@compiled
def _add_distances(work: Any, target: Any, found: Any) -> None:
    """Sum the distances of sorted members from the truth, and those of all pairs."""
    size = work.shape[0]
    absolute, pairs = found[ABSOLUTE], found[PAIR]
    absolute[:] = 0.0
    pairs[:] = 0.0
    for member in range(size):
        for cell in range(WIDTH):
            absolute[cell] += abs(np.float64(work[member, cell]) - target[cell])
    for low in range(size // 2):
        high = size - 1 - low
        for cell in range(WIDTH):
            distance = np.float64(work[high, cell]) - np.float64(work[low, cell])
            pairs[cell] += (high - low) * distance


@compiled
def _add_squares(work: Any, found: Any) -> None:
    """Find the variance from departures from the median.

    It lies within one standard deviation of the mean, so the difference below loses one bit.
    """
    size = work.shape[0]
    squares, total, median = found[VARIANCE], np.zeros(WIDTH), np.zeros(WIDTH)
    squares[:] = 0.0
    for cell in range(WIDTH):
        median[cell] = work[size // 2, cell]
    for member in range(size):
        for cell in range(WIDTH):
            departure = np.float64(work[member, cell]) - median[cell]
            total[cell] += departure
            squares[cell] += departure * departure
    for cell in range(WIDTH):
        squares[cell] = (squares[cell] - total[cell] * total[cell] / size) / max(size - 1, 1)
