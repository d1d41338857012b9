"""Samples of column physics: one column at one time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from climbench.store.packed_columns import PackedColumns
from climbench.tasks.sample import Sample
from climbench.tasks.timeline import Timeline

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class ColumnStore:
    """The columns of one store, packed.

    Attributes
    ----------
    name
        Of its recipe.
    packed
        Rows of inputs and targets.
    timeline
        Its times.
    columns
        How many columns a time has.
    """

    name: str
    packed: PackedColumns
    timeline: Timeline
    columns: int


@dataclass(frozen=True)
class ColumnPart:
    """Some times of one store, all columns of them.

    Attributes
    ----------
    store
        Where they are.
    times
        Positions along its time.
    climate_model
        Position of the store among those that are learnt from.
    """

    store: ColumnStore
    times: Positions
    climate_model: int

    def __len__(self) -> int:
        """Return the number of samples."""
        return self.times.size * self.store.columns


class ColumnSamples:
    """The samples of a split, ordered by store, time and column.

    Parameters
    ----------
    parts
        Times of one store or several.
    inputs
        How many of a row's values go in; the others come out.
    """

    def __init__(self, parts: Sequence[ColumnPart], inputs: int) -> None:
        self.parts, self.inputs = tuple(parts), inputs
        self.ends = np.cumsum([len(part) for part in self.parts])

    def __len__(self) -> int:
        """Return the number of columns at all times."""
        return int(self.ends[-1]) if self.ends.size else 0

    def __getitem__(self, index: int) -> Sample:
        """Return one sample, as a batch of one."""
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> Sample:
        """Return a batch; inputs ``[batch, 1, channel, 1, 1]``, targets alike."""
        index = np.asarray(indices, dtype=np.int64)
        if len(self.parts) == 1:
            return self._batch(self.parts[0], index, index)
        number = np.searchsorted(self.ends, index, side="right")
        batches = [
            self._batch(self.parts[one], index[here] - self.starts[one], index[here])
            for one in np.unique(number)
            if (here := np.flatnonzero(number == one)).size
        ]
        back = torch.from_numpy(np.argsort(np.argsort(number, kind="stable"), kind="stable"))
        joined = {
            name: torch.cat([getattr(batch, name) for batch in batches])[back]
            for name in Sample._fields
            if name != "static"
        }
        return batches[0]._replace(**joined)

    @property
    def starts(self) -> Positions:
        """Position of the first sample of each part."""
        return np.concatenate([[0], self.ends[:-1]])

    def _batch(self, part: ColumnPart, within: Positions, index: Positions) -> Sample:
        at, column = np.divmod(within, part.store.columns)
        time = part.times[at]
        rows = torch.from_numpy(part.store.packed.take(time * part.store.columns + column))
        line, size = part.store.timeline, index.size

        def along(values: NDArray[np.generic]) -> torch.Tensor:
            return torch.from_numpy(values[time])[:, None]

        return Sample(
            inputs=rows[:, None, : self.inputs, None, None],
            forcings=torch.empty(size, 1, 0, 1, 1),
            static=torch.empty(0, 1, 1),
            targets=rows[:, None, self.inputs :, None, None],
            lead_time=torch.zeros(size, 1),
            day_of_year=along(line.day_of_year),
            days_in_year=along(line.days_in_year),
            hour=along(line.hour_of_day),
            year=along(line.year),
            run=torch.full((size,), part.climate_model),
            climate_model=torch.full((size,), part.climate_model),
            index=torch.from_numpy(index),
        )
