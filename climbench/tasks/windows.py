"""Samples of a forecasting task: windows of inputs and the targets after them."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from climbench.tasks.fields import Fields
from climbench.tasks.sample import Sample, Signature

Group = tuple[NDArray[np.int64], tuple[float, ...]]
"""Positions of initial times, and the hours of their targets."""


class Windows(Dataset[Sample]):
    """Windows of a split, in batches that are read at once.

    Parameters
    ----------
    fields
        Channels over time.
    signature
        Which channels go in and come out.
    static
        Constant fields ``[channel, latitude, longitude]``.
    past
        Hours of the inputs relative to the initial time.
    groups
        The windows; all groups have the same number of leads.
    """

    def __init__(
        self,
        fields: Fields,
        signature: Signature,
        static: NDArray[np.float32],
        past: Sequence[float],
        groups: Sequence[Group],
    ) -> None:
        self.fields, self.signature, self.static = fields, signature, torch.from_numpy(static)
        at = fields.timeline.at
        self.input_positions = np.concatenate([at(initial, past) for initial, _ in groups])
        self.target_positions = np.concatenate([at(initial, leads) for initial, leads in groups])
        hours = [
            np.tile(np.array(leads, np.float32), (initial.size, 1)) for initial, leads in groups
        ]
        self.lead_time = np.concatenate(hours)

    def inputs_at(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return inputs ``[sample, history, channel, latitude, longitude]`` at some steps."""
        return self.fields.read(positions, self.signature.inputs)

    def targets_at(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return targets ``[sample, lead, channel, latitude, longitude]`` at some steps."""
        return self.fields.read(positions, self.signature.targets)

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.lead_time)

    def __getitem__(self, index: int) -> Sample:
        """Return one window as a batch of one."""
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> Sample:
        """Return a batch of windows."""
        at = np.asarray(indices, dtype=np.int64)
        times, timeline = self.target_positions[at], self.fields.timeline
        return Sample(
            inputs=torch.from_numpy(self.inputs_at(self.input_positions[at])),
            forcings=torch.from_numpy(self.fields.read(times, self.signature.forcings)),
            static=self.static,
            targets=torch.from_numpy(self.targets_at(times)),
            lead_time=torch.from_numpy(self.lead_time[at]),
            day_of_year=torch.from_numpy(timeline.day_of_year[times]),
            days_in_year=torch.from_numpy(timeline.days_in_year[times]),
            hour=torch.from_numpy(timeline.hour_of_day[times]),
            year=torch.from_numpy(timeline.year[times]),
            run=torch.zeros(at.size, dtype=torch.int64),
            climate_model=torch.zeros(at.size, dtype=torch.int64),
            index=torch.from_numpy(at),
        )
