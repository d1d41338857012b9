"""Emulation: years of emissions in, a year's climate out, on scenarios kept apart."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.config.schema import Options
from climbench.errors import UserError, nearest
from climbench.store import open_store, read_channel, split_channel, store_hash
from climbench.store.moments import Moments
from climbench.store.packed import pack
from climbench.store.reader import PackedReader
from climbench.tasks.checks import check_channels
from climbench.tasks.layout import by_variable, select_channels
from climbench.tasks.sample import Signature
from climbench.tasks.scenario_years import ScenarioYears
from climbench.tasks.task import (
    SPLITS,
    Normalisation,
    Split,
    normalisation_of,
    task_hash,
    task_options,
)

HISTORICAL = "historical"

Years = tuple[int, int]
"""First and last year, both inside."""


class Validation(Options):
    """The block of years that chooses the best weights.

    Attributes
    ----------
    scenario
        A training scenario, or one that is used for nothing else.
    years
        First and last year, both inside; by default all.
    """

    scenario: str
    years: Years | None = None


@dataclass(kw_only=True)
class Emulation:
    """A year's fields from the emissions of that year and the years before, by scenario.

    Every (scenario, year) is one sample. The window of a future scenario's first years reaches
    back into the historical scenario, where the store has it. No test scenario is in training,
    validation or normalisation; training keeps ``history`` years away from the validation block
    on both sides.

    Parameters
    ----------
    store
        The climate store.
    inputs
        Emissions or concentrations, global ``[scenario, time]`` or maps.
    targets
        Channels ``[scenario, (member), time, latitude, longitude]``.
    train_scenarios, test_scenarios
        Names; without overlap.
    validation
        See :class:`Validation`.
    history
        Years of a window, that of the target included.
    members
        ``average``: the target is the mean of the members that there are; ``each``: every member
        is a training sample of its own. Validation and truth are always the average.
    period
        Years that are predicted and scored; by default all of the test scenarios.
    static
        Constant channels of the store.
    cache
        Folder of the packed copy of the targets; by default ``cache`` beside the store.

    Raises
    ------
    UserError
        If a channel or scenario is unknown, scenarios overlap, or a split has no sample.
    """

    store: Path
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    train_scenarios: tuple[str, ...]
    validation: Validation
    test_scenarios: tuple[str, ...]
    history: int = 1
    members: Literal["average", "each"] = "average"
    period: Years | None = None
    static: tuple[str, ...] = ()
    cache: Path | None = None

    strategy: ClassVar[str] = "emulation"
    part_dimension: ClassVar[str] = "scenario"
    required_baselines: ClassVar[tuple[str, ...]] = ("pattern_scaling",)
    lead_times: ClassVar[tuple[int, ...]] = ()

    def __post_init__(self) -> None:
        for name in ("inputs", "targets", "train_scenarios", "test_scenarios", "static"):
            setattr(self, name, tuple(getattr(self, name)))
        if isinstance(self.validation, dict):
            self.validation = Validation(**self.validation)
        self.dataset = open_store(self.store)
        if "scenario" not in self.dataset.dims:
            raise UserError(f"store {self.store.name} has no dimension 'scenario' to emulate")
        names = {name: getattr(self, name) for name in ("inputs", "targets", "static")}
        check_channels(self.dataset, self.store, names)
        self._check_scenarios()
        if self.history < 1:
            raise UserError(f"option 'history' = {self.history} is wrong: at least 1 year")
        time = self.dataset["time"]
        self.years = (time.dt.year if time.dtype.kind in "MO" else time).values.astype(np.int64)

    def _check_scenarios(self) -> None:
        known = self.scenarios = [str(name) for name in self.dataset["scenario"].values]
        used = (*self.train_scenarios, self.validation.scenario, *self.test_scenarios)
        for name in used:
            if name not in known:
                raise UserError(
                    f"store {self.store.name} has no scenario '{name}': {nearest(name, known)}"
                )
        for name in self.test_scenarios:
            if name in (*self.train_scenarios, self.validation.scenario):
                raise UserError(
                    f"scenario '{name}' is in test_scenarios and in training or validation: "
                    "leave it in one"
                )
        for option in ("train_scenarios", "test_scenarios"):
            if len(set(getattr(self, option))) != len(getattr(self, option)):
                raise UserError(f"option '{option}' names a scenario twice")

    # Fields, by scenario and year.

    @cached_property
    def signature(self) -> Signature:
        """Channels, history and grid: what a model is built for."""
        return Signature(
            inputs=self.inputs,
            forcings=(),
            static=self.static,
            targets=self.targets,
            history=self.history,
            leads=1,
            latitude=tuple(float(value) for value in self.dataset["latitude"].values),
            longitude=tuple(float(value) for value in self.dataset["longitude"].values),
        )

    @cached_property
    def forcing(self) -> NDArray[np.float32]:
        """Inputs ``[scenario, year, channel, latitude, longitude]``, or 1 x 1 where all are global.

        The years before a scenario's beginning are those of the historical scenario.
        """
        fields = [_with_space(read_channel(self.dataset, name)) for name in self.inputs]
        stack = np.stack(np.broadcast_arrays(*fields), axis=2)
        if HISTORICAL in self.scenarios:
            past = stack[self.scenarios.index(HISTORICAL)]
            stack = np.where(np.isnan(stack), past, stack)
        return stack

    @cached_property
    def static_fields(self) -> NDArray[np.float32]:
        """Constant fields ``[channel, latitude, longitude]``."""
        fields = [read_channel(self.dataset, name).values for name in self.static]
        return np.array(fields, dtype=np.float32).reshape(-1, *self.signature.shape)

    @cached_property
    def average(self) -> PackedReader:
        """Targets, averaged over the members that there are."""
        fields = self.dataset[self._variables()]
        if "member" in fields.dims:  # one scenario in memory at a time
            means = [
                fields.isel(scenario=[at]).mean("member", keep_attrs=True)
                for at in range(fields.sizes["scenario"])
            ]
            fields = xr.concat(means, "scenario", join="exact")
        return self._pack(fields, "average")

    @cached_property
    def each(self) -> PackedReader:
        """Targets of every member."""
        return self._pack(self.dataset[self._variables()], "each")

    def _variables(self) -> list[str]:
        variables = (split_channel(self.dataset, name)[0] for name in self.targets)
        return list(dict.fromkeys(variables))

    def _pack(self, fields: xr.Dataset, members: str) -> PackedReader:
        cache = self.store.parent / "cache" if self.cache is None else self.cache
        key = f"{store_hash(self.store)} {members}"
        return PackedReader(pack(fields, self.targets, cache, key))

    # Samples.

    def split(self, name: Split) -> ScenarioYears:
        """Return the samples of a split, ordered by scenario and year."""
        return self._splits[name]

    @cached_property
    def _splits(self) -> dict[Split, ScenarioYears]:
        splits = {name: self._select(name) for name in SPLITS}
        for name, samples in splits.items():
            if not len(samples):
                raise UserError(
                    f"the {name} split has no year with {self.history} years of complete inputs "
                    "and complete targets: choose other scenarios or years, or a shorter history"
                )
        return splits

    def _select(self, name: Split) -> ScenarioYears:
        reader = self.each if name == "train" and self.members == "each" else self.average
        years = reader.coordinates["year"].values.astype(np.int64)
        names = reader.coordinates["scenario"].values.astype(str)
        scenario = np.array([self.scenarios.index(one) for one in names])
        window = np.searchsorted(self.years, years)[:, None] + np.arange(1 - self.history, 1)
        begun = self.years[window[:, 0].clip(min=0)] == years - self.history + 1
        window = window.clip(min=0)
        complete = np.asarray(np.isfinite(self.forcing).all(axis=(2, 3, 4)))
        targets = np.isfinite(reader[np.arange(len(reader))]).all(axis=(1, 2, 3))
        whole = begun & complete[scenario[:, None], window].all(axis=1) & targets
        chosen = self._belongs(name, names, years)
        rows = np.flatnonzero(chosen & whole)
        rows = rows[np.lexsort((years[rows], scenario[rows]))]
        member = reader.coordinates.get("member", np.zeros(len(reader), dtype=np.int64))
        _, run = np.unique(np.stack([scenario, member]), axis=1, return_inverse=True)
        return ScenarioYears(
            self.forcing,
            self.static_fields,
            reader,
            rows,
            scenario[rows],
            window[rows],
            self.years,
            run[rows],
            np.zeros(rows.size, dtype=np.int64),
        )

    def _belongs(
        self, name: Split, scenario: NDArray[np.str_], year: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Tell which scenario-years belong to a split."""
        if name == "test":
            first, last = self.period or (self.years[0], self.years[-1])
            inside = (year >= first) & (year <= last)
            return np.asarray(np.isin(scenario, self.test_scenarios) & inside)
        held_out, years = self.validation.scenario, self.validation.years
        first, last = years or (self.years[0], self.years[-1])
        if name == "validation":
            return np.asarray((scenario == held_out) & (year >= first) & (year <= last))
        near = (year >= first - self.history) & (year <= last + self.history)
        # The historical scenario is every other one's past, on both sides of the join.
        joined = np.isin(scenario, [held_out, HISTORICAL]) | (held_out == HISTORICAL)
        return np.asarray(np.isin(scenario, self.train_scenarios) & ~(near & joined))

    @cached_property
    def normalisation(self) -> Normalisation:
        """Scaling of all channels, over the training samples only."""
        train = self.split("train")
        drivers = self.forcing[train.scenario, train.window[:, -1]]
        fields = train.reader[train.rows]
        moments = {name: Moments.of(drivers[:, at]) for at, name in enumerate(self.inputs)}
        moments |= {name: Moments.of(fields[:, at]) for at, name in enumerate(self.targets)}
        constant = zip(self.static, self.static_fields, strict=True)
        return normalisation_of(
            moments | {name: Moments.of(field[None]) for name, field in constant}
        )

    # What predictions are written into and scored against.

    @cached_property
    def test_years(self) -> NDArray[np.int64]:
        """Positions along the store's time of all years that are predicted."""
        return np.unique(self.split("test").window[:, -1])

    def blocks(self) -> list[NDArray[np.int64]]:
        """Return the test samples of each scenario."""
        scenario = self.split("test").scenario
        return [np.flatnonzero(scenario == one) for one in dict.fromkeys(scenario.tolist())]

    def to_dataset(self, indices: NDArray[np.int64], values: NDArray[np.float32]) -> xr.Dataset:
        """Return predictions of test samples, NaN for the other years of their scenarios.

        Parameters
        ----------
        indices
            Positions in the test split ``[sample]``.
        values
            Physical units ``[sample, 1, target, latitude, longitude]``.
        """
        test = self.split("test")
        scenarios, at = np.unique(test.scenario[indices], return_inverse=True)
        year = np.searchsorted(self.test_years, test.window[indices, -1])
        shape = (scenarios.size, self.test_years.size, *values.shape[2:])
        whole = np.full(shape, np.nan, dtype=np.float32)
        whole[at, year] = values[:, 0]
        front = {
            "scenario": ("scenario", [self.scenarios[one] for one in scenarios]),
            "time": self.dataset["time"][self.test_years],
        }
        fields = {name: whole[:, :, at] for at, name in enumerate(self.targets)}
        return by_variable(self.dataset, fields, front)

    def template(self) -> xr.Dataset:
        """Return the whole prediction dataset, without predictions."""
        samples = np.arange(len(self.split("test")))
        shape = (samples.size, 1, len(self.targets), *self.signature.shape)
        return self.to_dataset(samples, np.broadcast_to(np.float32(np.nan), shape))

    def truth(self) -> xr.Dataset:
        """Return the member mean of the test scenarios over the years that are predicted.

        The coordinate ``member_count [scenario]`` says of how many members it is the mean.
        """
        test = self.split("test")
        scenarios = [self.scenarios[one] for one in np.unique(test.scenario)]
        fields = select_channels(self.dataset, self.targets)
        fields = fields.sel(scenario=scenarios).isel(time=self.test_years)
        if "member" not in fields.dims:
            return fields.assign_coords(member_count=("scenario", np.ones(len(scenarios), int)))
        there = next(iter(fields.data_vars.values())).notnull()
        count = there.any([d for d in there.dims if d not in ("scenario", "member")]).sum("member")
        return fields.mean("member", keep_attrs=True).assign_coords(member_count=count)

    def climatology(self) -> None:
        """Return nothing: a climate that changes is scored as it is."""

    def options(self) -> dict[str, Any]:
        """Return ``_target_`` and every option, JSON-able: what builds this task again."""
        return task_options(self)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the store's content and every option."""
        return task_hash(self, store_hash(self.store))


def _with_space(field: xr.DataArray) -> NDArray[np.float32]:
    """Return ``[scenario, year, latitude, longitude]``, 1 x 1 where the field is global."""
    order = ("scenario", "time", "latitude", "longitude")
    values = field.transpose(*(d for d in order if d in field.dims)).values.astype(np.float32)
    return values if values.ndim == 4 else values[:, :, None, None]
