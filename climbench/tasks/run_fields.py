"""Targets of a climate store, by run: of the members that a split sees, packed for reading."""

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.store import split_channel, store_hash
from climbench.store.packed import pack
from climbench.store.reader import PackedReader
from climbench.store.reading import Reading
from climbench.tasks.members import Members, draw_members, first_members, mean_over
from climbench.tasks.runs import by_run, shared_years
from climbench.tasks.scenario_split import ScenarioSplit


@dataclass(frozen=True)
class RunFields:
    """The targets of an emulation.

    Attributes
    ----------
    dataset
        The open store.
    store
        Its path.
    cache
        Folder of the packed copies.
    targets
        Channels.
    split
        Which runs are used, and for what.
    members
        Which members are trained on and which are the truth.
    reading
        How this machine reads the packed copies; ``zarr``, too, reads them: they are means.
    """

    dataset: xr.Dataset
    store: Path
    cache: Path
    targets: tuple[str, ...]
    split: ScenarioSplit
    members: Members
    reading: Reading = field(default_factory=Reading)

    @cached_property
    def fields(self) -> xr.Dataset:
        """Variables of the targets ``[scenario, (member), time, ...]``, a run as a scenario."""
        variables = (split_channel(self.dataset, name)[0] for name in self.targets)
        return by_run(self.dataset[list(dict.fromkeys(variables))])

    @cached_property
    def drawn(self) -> dict[int, list[int]]:
        """Positions of the members that training and validation see, by run."""
        runs = np.flatnonzero(self.split.trained | self.split.validating).tolist()
        train, count = self.members.train, self.members.count
        if count is None or "member" not in self.fields.dims:
            return {run: train for run in runs}
        order = np.array(train)[draw_members(len(train), len(train), self.members.seed)]
        return {run: first_members(self.fields, run, order, count) for run in runs}

    @cached_property
    def average(self) -> PackedReader:
        """Training and validation, averaged over the members that they see."""
        return self._pack(mean_over(self.fields, self.drawn), self.drawn)

    @cached_property
    def each(self) -> PackedReader:
        """Every member of the training runs that may be trained on."""
        runs = np.flatnonzero(self.split.trained).tolist()
        chosen: dict[str, Any] = {"member": self.members.train} if self.members.train else {}
        return self._pack(
            self.fields.isel(scenario=runs, **chosen), ["each", runs, self.members.train]
        )

    @cached_property
    def tested(self) -> PackedReader:
        """Test runs, averaged over the members that are the truth."""
        runs = np.flatnonzero(self.split.tested).tolist()
        members = {run: self.members.truth for run in runs}
        return self._pack(mean_over(self.fields, members), members)

    def is_drawn(self, run: NDArray[np.int64], member: list[str]) -> NDArray[np.bool_]:
        """Tell which members of runs, by their labels, training sees ``[row]``."""
        if self.members.count is None:
            return np.ones(run.size, dtype=bool)
        labels = [str(label) for label in self.dataset["member"].values]
        pairs = {(at, labels[one]) for at, drawn in self.drawn.items() for one in drawn}
        return np.array([pair in pairs for pair in zip(run.tolist(), member, strict=True)])

    @cached_property
    def shared(self) -> NDArray[np.bool_]:
        """Years that a run has from an earlier one ``[run, year]``."""
        return shared_years(self.split.runs, self.split.order(), self._fingerprint)

    def _fingerprint(self, run: int, member: int) -> NDArray[np.float64]:
        """Return a number for each year's first target ``[year]``; none for no such member."""
        sizes = self.fields.sizes
        if member >= sizes.get("member", 1):
            return np.zeros(0)
        field = self.fields[next(iter(self.fields.data_vars))].isel(scenario=run)
        field = field.isel(member=member, missing_dims="ignore")
        cells = field.transpose("time", ..., "latitude", "longitude").values
        weights = np.random.default_rng(0).normal(size=cells[0].size)
        return np.asarray(cells.reshape(len(cells), -1).astype(np.float64) @ weights)

    def _pack(self, fields: xr.Dataset, chosen: Any) -> PackedReader:
        key = f"{store_hash(self.store)} {json.dumps(chosen)}"
        path = pack(fields, self.targets, self.cache, key)
        return PackedReader(path, self.reading.method, self.reading.memory_share)
