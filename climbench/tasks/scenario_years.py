"""Samples of an emulation task: years of emissions and the climate of the last of them."""

from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch.utils.data import Dataset

from climbench.store import read_channel, split_channel
from climbench.store.reader import PackedReader
from climbench.tasks.runs import SOURCE, Runs, by_run
from climbench.tasks.sample import Sample


class ScenarioYears(Dataset[Sample]):
    """Scenario-years of a split, in batches that are read at once.

    Parameters
    ----------
    forcing
        Inputs ``[course, year, channel, latitude, longitude]``; one cell where all are global.
    static
        Constant fields ``[channel, latitude, longitude]``.
    reader
        Gives the targets.
    rows
        Where each sample's target is in the reader ``[sample]``.
    scenario
        Position of each sample's run among those of the store ``[sample]``.
    course
        Position of its emissions in ``forcing`` ``[sample]``.
    window
        Positions of its years in the store, the target's last ``[sample, history]``.
    years
        Calendar years of the store ``[year]``.
    run
        Which simulation each target comes from ``[sample]``.
    climate_model
        Position of its climate model in the signature ``[sample]``; that beyond the last where it
        is none of those that are trained.
    """

    def __init__(
        self,
        forcing: NDArray[np.float32],
        static: NDArray[np.float32],
        reader: PackedReader,
        rows: NDArray[np.int64],
        scenario: NDArray[np.int64],
        course: NDArray[np.int64],
        window: NDArray[np.int64],
        years: NDArray[np.int64],
        run: NDArray[np.int64],
        climate_model: NDArray[np.int64],
    ) -> None:
        self.forcing, self.static, self.reader = forcing, torch.from_numpy(static), reader
        self.rows, self.scenario, self.course, self.window = rows, scenario, course, window
        self.years, self.run, self.climate_model = years, run, climate_model

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.rows)

    def __getitem__(self, index: int) -> Sample:
        """Return one sample as a batch of one."""
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> Sample:
        """Return a batch of samples."""
        at = np.asarray(indices, dtype=np.int64)
        space = self.reader.shape[2:]
        drivers = torch.from_numpy(self.forcing[self.course[at, None], self.window[at]])
        return Sample(
            inputs=drivers.expand(-1, -1, -1, *space),
            forcings=torch.empty(at.size, 1, 0, *space),
            static=self.static,
            targets=torch.from_numpy(self.reader[self.rows[at]][:, None]),
            lead_time=torch.zeros(at.size, 1),
            day_of_year=torch.ones(at.size, 1, dtype=torch.int64),
            days_in_year=torch.full((at.size, 1), 365),
            hour=torch.zeros(at.size, 1),
            year=torch.from_numpy(self.years[self.window[at, -1:]]),
            run=torch.from_numpy(self.run[at]),
            climate_model=torch.from_numpy(self.climate_model[at]),
            index=torch.from_numpy(at),
        )


def emission_courses(dataset: xr.Dataset, runs: Runs, inputs: Sequence[str]) -> NDArray[np.float32]:
    """Return what drives the runs ``[course, year, channel, latitude, longitude]``.

    One cell where all inputs are global. A course is a scenario where the climate models share
    their emissions, else a run. The years before its beginning are those of the historical one.
    """
    drivers = dataset[[split_channel(dataset, name)[0] for name in inputs]]
    past = (runs if SOURCE in drivers.dims else Runs.of(drivers)).past()
    drivers = by_run(drivers)
    fields = [_with_space(read_channel(drivers, name)) for name in inputs]
    stack = np.stack(np.broadcast_arrays(*fields), axis=2)
    for course, history in enumerate(past):
        if history is not None:
            stack[course] = np.where(np.isnan(stack[course]), stack[history], stack[course])
    return stack


def _with_space(field: xr.DataArray) -> NDArray[np.float32]:
    """Return ``[scenario, year, latitude, longitude]``, 1 x 1 where the field is global."""
    order = ("scenario", "time", "latitude", "longitude")
    values = field.transpose(*(d for d in order if d in field.dims)).values.astype(np.float32)
    return values if values.ndim == 4 else values[:, :, None, None]
