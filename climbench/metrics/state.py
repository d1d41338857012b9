"""The state of a scoring: means over cells and sums over samples, filled in parts and merged."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from climbench.metrics.averaging import Regions, ratio
from climbench.metrics.ensemble_kernel import ensemble_mean
from climbench.metrics.fields import Array, Fields, Index, Layout
from climbench.metrics.moments import Error, Moment, SquaredError
from climbench.metrics.scan import scan
from climbench.metrics.statistic import Kernel, Statistic


@dataclass
class State:
    """Means over cells of each sample, and sums over samples in each cell.

    A *sample* is an initial time or a year, a *condition* a lead time or a scenario. A field is
    always averaged as a whole, and its means keep the sample as a dimension, so that resampling,
    bins and all orders of root and mean need no second pass over the data. States of different
    samples, or of different parts of the same ones, merge with ``+``.

    Attributes
    ----------
    samples
        Labels ``[sample]``, sorted, unique.
    regions, layout, members
        Weights of cells, where they lie, size of the ensemble (0 for none).
    means
        Each statistic's mean over cells ``[sample, condition, channel, region]``, with a last
        dimension ``component`` where it has several; NaN where no cell counted.
    weight
        Sum of the weights of the cells that counted ``[sample, condition, channel, region]``.
    cell_sums
        Sums over samples of some statistics ``[condition, channel, cell]``.
    cell_count
        Number of samples in ``cell_sums`` ``[condition, channel, cell]``.
    missing, unexpected
        Values that did not count because forecast, truth or climatology was missing there, and
        those of them that only the forecast lacked ``[condition, channel]``.
    """

    samples: NDArray[Any]
    regions: Regions
    layout: Layout
    members: int
    means: dict[Statistic, Array]
    weight: Array
    cell_sums: dict[Statistic, Array]
    cell_count: NDArray[np.int32]
    missing: Index
    unexpected: Index

    @classmethod
    def zeros(
        cls,
        samples: NDArray[Any],
        conditions: int,
        channels: int,
        regions: Regions,
        layout: Layout,
        statistics: Sequence[Statistic],
        cell_statistics: Sequence[Statistic] = (),
        members: int = 0,
    ) -> Self:
        """Return the state before any block.

        Parameters
        ----------
        samples
            Labels ``[sample]``, sorted, unique.
        conditions, channels
            Number of lead times or scenarios, and of channels.
        regions, layout, members
            Weights of cells, where they lie, size of the ensemble (0 for none).
        statistics
            What is averaged over cells; equal ones count once.
        cell_statistics
            What is summed over samples.
        """
        shape = (len(samples), conditions, channels, regions.number)
        maps = (conditions, channels, layout.size if cell_statistics else 0)
        means = {}
        for statistic in dict.fromkeys(statistics):
            names = statistic.components(layout, members)
            means[statistic] = np.full((*shape, len(names)) if names else shape, np.nan)
        return cls(
            samples=samples,
            regions=regions,
            layout=layout,
            members=members,
            means=means,
            weight=np.zeros(shape),
            cell_sums={s: np.zeros(maps) for s in dict.fromkeys(cell_statistics)},
            cell_count=np.zeros(maps, dtype=np.int32),
            missing=np.zeros(maps[:2], dtype=np.int64),
            unexpected=np.zeros(maps[:2], dtype=np.int64),
        )

    def add(self, samples: Index, channels: Index, block: Fields) -> None:
        """Add a block of fields.

        Parameters
        ----------
        samples, channels
            Positions of the block's samples and channels, without repetition.
        block
            The fields.
        """
        here = np.ix_(samples, np.arange(self.missing.shape[0]), channels)
        single = ensemble_mean(block)
        maps = [s for s in self.cell_sums if isinstance(s, Error | SquaredError)]
        found = scan(single, list(self.means), maps=bool(self.cell_sums))
        self.weight[here] = found.weight
        self.missing[:, channels] += found.missing
        self.unexpected[:, channels] += found.unexpected
        for statistic, means in {**found.means, **_others(block, self.means)}.items():
            self.means[statistic][here] = means
        together = channels[-1] - channels[0] + 1 == channels.size
        where = slice(channels[0], channels[-1] + 1) if together else channels  # a view, no copy
        if self.cell_sums:
            self.cell_count[:, where] += found.number
        for statistic in maps:
            self.cell_sums[statistic][:, where] += found.maps[statistic.slot // 2]
        others = [statistic for statistic in self.cell_sums if statistic not in maps]
        if others:
            self._add_cells(single, channels, others)

    def _add_cells(self, block: Fields, channels: Index, statistics: Sequence[Statistic]) -> None:
        for places, batch in block.batches():
            for statistic in statistics:
                values = statistic.values(batch)  # type: ignore[attr-defined]
                if batch.valid is not None:
                    values = np.where(batch.valid, values, 0.0)
                sums = self.cell_sums[statistic]
                for field, (condition, channel) in enumerate(zip(*places[1:], strict=True)):
                    sums[condition, channels[channel]] += values[field]

    def __add__(self, other: Self) -> Self:
        """Merge two states; of a field that both hold, the other's means count."""
        if not np.array_equal(self.regions.weights, other.regions.weights):
            raise ValueError("states of different weights cannot be merged")
        same = (
            self.means.keys() == other.means.keys()
            and self.cell_sums.keys() == other.cell_sums.keys()
            and self.members == other.members
            and self.weight.shape[1:] == other.weight.shape[1:]
        )
        if not same:
            raise ValueError("states of different statistics, ensembles or shapes do not merge")
        conditions, channels = self.missing.shape
        merged = self.zeros(
            np.union1d(self.samples, other.samples),
            conditions,
            channels,
            self.regions,
            self.layout,
            list(self.means),
            list(self.cell_sums),
            self.members,
        )
        for part in (self, other):
            rows = np.searchsorted(merged.samples, part.samples)
            seen = part.weight > 0
            merged.weight[rows] = np.where(seen, part.weight, merged.weight[rows])
            for statistic, means in part.means.items():
                where = seen if means.ndim == seen.ndim else seen[..., np.newaxis]
                merged.means[statistic][rows] = np.where(
                    where, means, merged.means[statistic][rows]
                )
            for statistic, sums in part.cell_sums.items():
                merged.cell_sums[statistic] += sums
            merged.cell_count += part.cell_count
            merged.missing += part.missing
            merged.unexpected += part.unexpected
        return merged

    def cell_mean(self, statistic: Statistic) -> Array:
        """Return a statistic's mean over samples ``[condition, channel, cell]``."""
        return ratio(self.cell_sums[statistic], self.cell_count)


def _others(block: Fields, statistics: Iterable[Statistic]) -> dict[Statistic, Array]:
    """Compute what is no moment, kernel by kernel."""
    kernels: dict[Kernel, list[Statistic]] = {}
    for statistic in statistics:
        if not isinstance(statistic, Moment) and set(statistic.companions) <= set(block.companions):
            kernels.setdefault(type(statistic).kernel, []).append(statistic)
    return {
        statistic: means
        for kernel, shared in kernels.items()
        for statistic, means in kernel(block, shared).items()
    }
