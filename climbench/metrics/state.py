"""The state of a scoring: weighted sums that can be filled block by block and merged."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from climbench.metrics.statistic import Array, Error, Fields, SquaredError, Statistic

CELL_STATISTICS: tuple[Statistic, ...] = (Error(), SquaredError())


@dataclass
class State:
    """Weighted sums over cells, per sample, and sums over samples, per cell.

    A *sample* is an initial time or a year, a *condition* a lead time or a scenario. Sums over
    cells keep the sample as a dimension, so that resampling needs no second pass over the data.
    States of different samples, or of different parts of the same ones, add up with ``+``.

    Attributes
    ----------
    samples
        Labels ``[sample]``, sorted, unique.
    weights
        Weight of each cell in each region ``[cell, region]``, dimensionless.
    sums
        For each statistic its weighted sum over cells ``[sample, condition, channel, region]``.
    weight
        Sum of the weights of the cells that counted ``[sample, condition, channel, region]``.
    cell_sums
        For error and squared error the sum over samples ``[condition, channel, cell]``; empty
        where no maps are wanted.
    cell_count
        Number of samples in ``cell_sums`` ``[condition, channel, cell]``.
    missing, unexpected
        Values that did not count because forecast, truth or climatology was missing there, and
        those of them that only the forecast lacked ``[condition, channel]``.
    """

    samples: NDArray[Any]
    weights: Array
    sums: dict[Statistic, Array]
    weight: Array
    cell_sums: dict[Statistic, Array]
    cell_count: NDArray[np.int64]
    missing: NDArray[np.int64]
    unexpected: NDArray[np.int64]
    _full: Array = field(init=False, repr=False)
    _work: list[tuple[Statistic, Array | None, Array | None]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._full = self.weights.sum(axis=0)
        self._work = [
            (statistic, self.sums.get(statistic), self.cell_sums.get(statistic))
            for statistic in {**self.sums, **self.cell_sums}
        ]

    @classmethod
    def zeros(
        cls,
        samples: NDArray[Any],
        conditions: int,
        channels: int,
        weights: Array,
        statistics: Sequence[Statistic],
        cells: bool = True,
    ) -> Self:
        """Return the state before any block.

        Parameters
        ----------
        samples
            Labels ``[sample]``, sorted, unique.
        conditions, channels
            Number of lead times or scenarios, and of channels.
        weights
            Weight of each cell in each region ``[cell, region]``, dimensionless.
        statistics
            What is summed; equal ones count once.
        cells
            Whether the sums over samples are kept per cell as well.
        """
        shape = (len(samples), conditions, channels, weights.shape[1])
        maps = (conditions, channels, weights.shape[0] if cells else 0)
        return cls(
            samples=samples,
            weights=np.ascontiguousarray(weights, dtype=np.float64),
            sums={statistic: np.zeros(shape) for statistic in dict.fromkeys(statistics)},
            weight=np.zeros(shape),
            cell_sums={s: np.zeros(maps) for s in CELL_STATISTICS} if cells else {},
            cell_count=np.zeros(maps, dtype=np.int64),
            missing=np.zeros(maps[:2], dtype=np.int64),
            unexpected=np.zeros(maps[:2], dtype=np.int64),
        )

    def add(
        self, rows: NDArray[np.int64] | slice, condition: int, channel: int, fields: Fields
    ) -> None:
        """Add one block of fields of one condition and channel.

        Parameters
        ----------
        rows
            Position of each field among ``samples`` ``[sample]``, without repetition.
        condition, channel
            Positions.
        fields
            The block ``[sample, cell]``.
        """
        with np.errstate(invalid="ignore"):  # infinite minus infinite: counts as missing
            self._add((rows, condition, channel), fields)

    def _add(self, here: tuple[NDArray[np.int64] | slice, int, int], fields: Fields) -> None:
        _, condition, channel = here
        valid = fields.valid
        if valid is None:
            self.weight[here] += self._full
        else:
            self.weight[here] += valid.astype(np.float64) @ self.weights
            self.missing[condition, channel] += valid.size - np.count_nonzero(valid)
            self.unexpected[condition, channel] += fields.unexpected()
        for statistic, sums, cell_sums in self._work:
            values = fields.masked(statistic(fields))
            if sums is not None:
                sums[here] += values @ self.weights
            if cell_sums is not None:
                cell_sums[condition, channel] += values.sum(axis=0)
        if self.cell_sums:
            count = len(fields.truth) if valid is None else np.count_nonzero(valid, axis=0)
            self.cell_count[condition, channel] += count

    def __add__(self, other: Self) -> Self:
        """Merge two states; samples that both hold add up."""
        if not np.array_equal(self.weights, other.weights) or self.sums.keys() != other.sums.keys():
            raise ValueError("states of different weights or statistics cannot be merged")
        conditions, channels = self.missing.shape
        merged = self.zeros(
            np.union1d(self.samples, other.samples),
            conditions,
            channels,
            self.weights,
            list(self.sums),
            cells=bool(self.cell_sums),
        )
        for part in (self, other):
            rows = np.searchsorted(merged.samples, part.samples)
            merged.weight[rows] += part.weight
            for statistic, sums in part.sums.items():
                merged.sums[statistic][rows] += sums
            for statistic, sums in part.cell_sums.items():
                merged.cell_sums[statistic] += sums
            merged.cell_count += part.cell_count
            merged.missing += part.missing
            merged.unexpected += part.unexpected
        return merged

    def means(self) -> dict[Statistic, Array]:
        """Return each statistic's mean over cells; NaN where no cell counted."""
        return {statistic: ratio(sums, self.weight) for statistic, sums in self.sums.items()}

    def cell_mean(self, statistic: Statistic) -> Array:
        """Return a statistic's mean over samples ``[condition, channel, cell]``."""
        return ratio(self.cell_sums[statistic], self.cell_count)


def ratio(numerator: Array, denominator: NDArray[Any]) -> Array:
    """Divide, with NaN where the denominator is zero.

    Examples
    --------
    >>> ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0])).tolist()
    [0.5, nan]
    """
    quotient = np.full(np.broadcast_shapes(np.shape(numerator), np.shape(denominator)), np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator != 0)
    return quotient
