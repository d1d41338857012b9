"""The pass over the fields of a block that makes all moments."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from climbench.metrics.averaging import ratio, variance
from climbench.metrics.fields import Array, Fields, Index, Stack
from climbench.metrics.moments import (
    RAW,
    Covariance,
    Forecast,
    ForecastVariance,
    Moment,
    PlainForecastAnomaly,
    PlainTruthAnomaly,
    Truth,
    TruthVariance,
    ValidCells,
)
from climbench.metrics.moments_kernel import SLOTS, native, scan_fields
from climbench.metrics.statistic import Statistic

PLAIN = (PlainForecastAnomaly, PlainTruthAnomaly)


@dataclass(frozen=True)
class Scan:
    """What one pass over a block finds besides the statistics.

    Attributes
    ----------
    means
        Each statistic's mean over cells ``[sample, condition, channel, region]``.
    weight
        Weight of the valid cells ``[sample, condition, channel, region]``.
    missing, unexpected
        Values that did not count, and those that only the forecast lacks
        ``[condition, channel]``.
    maps
        Sum of errors and of squared errors ``[2, condition, channel, cell]``; no cells where no
        maps are wanted.
    number
        Number of samples in the maps ``[condition, channel, cell]``.
    """

    means: dict[Statistic, Array]
    weight: Array
    missing: Index
    unexpected: Index
    maps: Array
    number: NDArray[np.int32]


def scan(block: Fields, statistics: Sequence[Statistic], maps: bool) -> Scan:
    """Read each field of a block once.

    Parameters
    ----------
    block
        The fields; of an ensemble, replace it by its mean first.
    statistics
        Moments; others are not looked at.
    maps
        Whether sums over samples are wanted in each cell.
    """
    moments = [statistic for statistic in statistics if isinstance(statistic, Moment)]
    wanted = [statistic for statistic in moments if statistic.weighted]
    raw = [statistic for statistic in wanted if isinstance(statistic, RAW)]
    climate = block.climatology
    first = _pass(block, False, maps)
    sums, weight, _, counts, cell_sums, number = first
    means: dict[Statistic, Array] = {}
    for statistic in wanted:
        if statistic not in raw:
            means[statistic] = _mean(sums, weight, statistic)
    if raw:
        sums, _, shift, *_ = first if climate is None else _pass(block, True, False)
        centred = ratio(sums[..., 3:8], weight[..., np.newaxis])
        forecast, truth = centred[..., 0], centred[..., 1]
        found = {
            Forecast: forecast + shift[..., np.newaxis],
            Truth: truth + shift[..., np.newaxis],
            ForecastVariance: variance(centred[..., 2], forecast),
            TruthVariance: variance(centred[..., 3], truth),
            Covariance: centred[..., 4] - forecast * truth,
        }
        means |= {statistic: found[type(statistic)] for statistic in raw}
    plain = {each: replace(each, weighted=True) for each in moments if not each.weighted}
    if plain:  # few presets ask for them: another pass, with other weights
        own = scan(replace(block, regions=block.regions.plain), list(plain.values()), False).means
        means |= {statistic: own[like] for statistic, like in plain.items()}
    shape = (*block.shape, block.regions.number)
    return Scan(
        {statistic: mean.reshape(shape) for statistic, mean in means.items()},
        weight.reshape(shape),
        counts[:, 0].reshape(block.shape[1:]),
        counts[:, 1].reshape(block.shape[1:]),
        cell_sums.reshape(2, *block.shape[1:], -1),
        number.reshape(*block.shape[1:], -1),
    )


def _mean(sums: Array, weight: Array, statistic: Moment) -> Array:
    total = sums[..., statistic.slot]
    if isinstance(statistic, ValidCells):
        return np.where(weight > 0, total, np.nan)
    return ratio(total, sums[..., ValidCells.slot] if isinstance(statistic, PLAIN) else weight)


def _pass(
    block: Fields, raw: bool, maps: bool
) -> tuple[Array, Array, Array, Index, Array, NDArray[np.int32]]:
    """Run the kernel over all fields, with the climate or, if raw, one number subtracted."""
    samples, conditions, channels = block.shape
    places, regions = conditions * channels, block.regions
    sums = np.zeros((samples, places, regions.number, SLOTS))
    weight = np.zeros((samples, places, regions.number))
    shift = np.zeros((samples, places))
    counts = np.zeros((places, 2), dtype=np.int64)
    cell_sums = np.zeros((2, places, block.layout.size if maps else 0))
    number = np.zeros(cell_sums.shape[1:], dtype=np.int32)
    forecast, truth = block.forecast, block.truth
    stacks = [forecast, truth, block.climatology or Stack(truth.values[:0], truth.rows)]
    given = [
        part
        for stack in stacks
        for part in (native(stack.values), stack.rows.reshape(samples, places))
    ]

    def part(start: int, stop: int) -> None:
        scan_fields(
            *given,
            regions.by_region,
            regions.total,
            regions.runs,
            sums,
            weight,
            shift,
            counts,
            cell_sums,
            number,
            raw,
            start,
            stop,
        )

    block.split(part, places)
    return sums, weight, shift, counts, cell_sums, number
