"""Emulation: years of emissions in, a year's climate out, on scenarios kept apart."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError, nearest
from climbench.store import open_store, read_channel, store_hash
from climbench.store.moments import Moments
from climbench.store.reader import PackedReader
from climbench.store.reading import Reading
from climbench.tasks.carbon_dioxide import NAME as CARBON_DIOXIDE
from climbench.tasks.carbon_dioxide import check_carbon_dioxide
from climbench.tasks.checks import check_channels
from climbench.tasks.layout import by_variable, select_channels
from climbench.tasks.members import Label, Members
from climbench.tasks.run_fields import RunFields
from climbench.tasks.runs import HISTORICAL, SOURCE, ClimateModels, Runs, by_run, chosen_models
from climbench.tasks.sample import Signature
from climbench.tasks.scenario_split import ScenarioSplit, Validation, Years
from climbench.tasks.scenario_years import ScenarioYears, emission_courses
from climbench.tasks.task import (
    SPLITS,
    Normalisation,
    Split,
    normalisation_of,
    task_hash,
    task_options,
)

__all__ = ["HISTORICAL", "Emulation"]


@dataclass(kw_only=True)
class Emulation:
    """A year's fields from the emissions of that year and the years before, by scenario.

    Every (run, year) is one sample, a run being a scenario of a climate model. The window of a
    future scenario's first years reaches back into the historical scenario of the same climate
    model, where the store has it. A year that several runs share, because the archive puts
    history in front of each future, is a sample of the first of them only. No test scenario is in
    training, validation or normalisation; training keeps ``history`` years away from the
    validation block on both sides.

    Parameters
    ----------
    store
        The climate store.
    inputs
        Emissions or concentrations, global ``[scenario, time]`` or maps.
    targets
        Channels ``[(source_id), scenario, (member), time, latitude, longitude]``.
    train_scenarios, test_scenarios
        Names; without overlap.
    validation
        See :class:`Validation`.
    history
        Years of a window, that of the target included.
    members
        ``average``: the target is the mean of the members that there are; ``each``: every member
        is a training sample of its own. Validation is always the average.
    member_count
        How many members of a run training and validation see; by default all. They are the first
        ones that the run has of an order drawn from ``member_seed``, so that 3 members are the 1
        member of the same seed and 2 others.
    member_seed
        Seed of that draw.
    test_members
        Members that are the truth of the test scenarios, and are in no training and validation;
        by default all are the truth and all may be trained on.
    climate_models
        See :class:`~climbench.tasks.runs.ClimateModels`.
    period
        Years that are predicted and scored; by default all of the test scenarios.
    static
        Constant channels of the store.
    cache
        Folder of the packed copy of the targets; by default ``cache`` beside the store.

    Raises
    ------
    UserError
        If a channel, scenario, member or climate model is unknown, scenarios overlap, carbon
        dioxide has two meanings, or a split has no sample.
    """

    store: Path
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    train_scenarios: tuple[str, ...]
    validation: Validation
    test_scenarios: tuple[str, ...]
    history: int = 1
    members: Literal["average", "each"] = "average"
    member_count: int | None = None
    member_seed: int = 0
    test_members: tuple[Label, ...] | None = None
    climate_models: ClimateModels | None = None
    period: Years | None = None
    static: tuple[str, ...] = ()
    cache: Path | None = None

    reading = Reading()  # no option: the samples are the same
    strategy: ClassVar[str] = "emulation"
    part_dimension: ClassVar[str] = "scenario"
    required_baselines: ClassVar[tuple[str, ...]] = ("climatology", "pattern_scaling")
    lead_times: ClassVar[tuple[int, ...]] = ()

    def __post_init__(self) -> None:
        for name in ("inputs", "targets", "train_scenarios", "test_scenarios", "static"):
            setattr(self, name, tuple(getattr(self, name)))
        if isinstance(self.validation, dict):
            self.validation = Validation(**self.validation)
        if isinstance(self.climate_models, dict):
            self.climate_models = ClimateModels(**self.climate_models)
        if self.test_members is not None:
            self.test_members = tuple(self.test_members)
        self.dataset = open_store(self.store)
        if "scenario" not in self.dataset.dims:
            raise UserError(f"store {self.store.name} has no dimension 'scenario' to emulate")
        names = {name: getattr(self, name) for name in ("inputs", "targets", "static")}
        check_channels(self.dataset, self.store, names)
        for name in self.static:
            if SOURCE in read_channel(self.dataset, name).dims:
                raise UserError(f"option 'static': '{name}' differs between climate models")
        self._check_scenarios()
        if CARBON_DIOXIDE in self.inputs:
            used = (*self.train_scenarios, self.validation.scenario, *self.test_scenarios)
            check_carbon_dioxide(self.dataset, self.store, used)
        if self.history < 1:
            raise UserError(f"option 'history' = {self.history} is wrong: at least 1 year")
        time = self.dataset["time"]
        self.years = (time.dt.year if time.dtype.kind in "MO" else time).values.astype(np.int64)
        self._check_years()
        self.runs = Runs.of(self.dataset)
        self.scenario_split = ScenarioSplit(
            self.runs,
            chosen_models(self.dataset, self.store.name, self.climate_models),
            self.train_scenarios,
            self.validation,
            self.test_scenarios,
            self.period,
            self.history,
        )
        options = (self.member_count, self.member_seed, self.test_members)
        self.chosen_members = Members.of(self.dataset, self.store.name, *options)

    @cached_property
    def fields(self) -> RunFields:
        """The targets by run; the first use packs them."""
        return RunFields(
            self.dataset,
            self.store,
            self.store.parent / "cache" if self.cache is None else self.cache,
            self.targets,
            self.scenario_split,
            self.chosen_members,
            self.reading,
        )

    def _check_scenarios(self) -> None:
        known = [str(name) for name in self.dataset["scenario"].values]
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
            if not getattr(self, option):
                raise UserError(f"option '{option}' is empty: name at least one scenario")
            if len(set(getattr(self, option))) != len(getattr(self, option)):
                raise UserError(f"option '{option}' names a scenario twice")

    def _check_years(self) -> None:
        first, last = int(self.years[0]), int(self.years[-1])
        for option, years in (("validation.years", self.validation.years), ("period", self.period)):
            if years is None:
                continue
            if years[0] > years[1]:
                raise UserError(f"option '{option}' = {[*years]} ends before it begins")
            if years[1] < first or years[0] > last:
                raise UserError(
                    f"option '{option}' = {[*years]} is outside store {self.store.name}, which has "
                    f"the years {first} to {last}"
                )

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
            climate_models=tuple(name for name in self.scenario_split.models["train"] if name),
        )

    @cached_property
    def forcing(self) -> NDArray[np.float32]:
        """Inputs ``[course, year, channel, latitude, longitude]``, 1 x 1 where all are global.

        A course is a scenario where emissions are the same for all climate models, else a run.
        The years before a scenario's beginning are those of the historical one.
        """
        return emission_courses(self.dataset, self.runs, self.inputs)

    @cached_property
    def course(self) -> NDArray[np.int64]:
        """Position of each run's emissions in ``forcing`` ``[run]``."""
        return np.arange(len(self.runs.label)) % len(self.forcing)

    @cached_property
    def static_fields(self) -> NDArray[np.float32]:
        """Constant fields ``[channel, latitude, longitude]``."""
        fields = [read_channel(self.dataset, name).values for name in self.static]
        return np.array(fields, dtype=np.float32).reshape(-1, *self.signature.shape)

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
        each = name == "train" and self.members == "each"
        fields = self.fields
        reader = fields.each if each else fields.tested if name == "test" else fields.average
        years = reader.coordinates["year"].values.astype(np.int64)
        run = np.array([self.runs.label.index(one) for one in _texts(reader, "scenario")])
        at = np.searchsorted(self.years, years)
        window = at[:, None] + np.arange(1 - self.history, 1)
        begun = self.years[window[:, 0].clip(min=0)] == years - self.history + 1
        window = window.clip(min=0)
        complete = np.asarray(np.isfinite(self.forcing).all(axis=(2, 3, 4)))
        inputs = complete[self.course[run][:, None], window].all(axis=1)
        targets = np.isfinite(reader[np.arange(len(reader))]).all(axis=(1, 2, 3))
        chosen = ~fields.shared[run, at]
        chosen[chosen] = self.scenario_split.belongs(name, run[chosen], years[chosen])
        members = _texts(reader, "member") if "member" in reader.coordinates else [""] * run.size
        if each:
            chosen &= fields.is_drawn(run, members)
        rows = np.flatnonzero(chosen & begun & inputs & targets)
        rows = rows[np.lexsort((years[rows], run[rows]))]
        _, simulation = np.unique(np.stack([run, members]), axis=1, return_inverse=True)
        return ScenarioYears(
            self.forcing,
            self.static_fields,
            reader,
            rows,
            run[rows],
            self.course[run[rows]],
            window[rows],
            self.years,
            simulation[rows],
            self.scenario_split.place[run[rows]],
        )

    @cached_property
    def normalisation(self) -> Normalisation:
        """Scaling of all channels, over the training samples only."""
        train = self.split("train")
        drivers = self.forcing[train.course, train.window[:, -1]]
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
        """Return the test samples of each run."""
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
            "scenario": ("scenario", [self.runs.label[one] for one in scenarios]),
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
        """Return the fields of the test runs over the years that are predicted.

        They keep their members where a run has several, all NaN where it lacks one; scores of
        single answers are against the mean over them (see docs/evaluation.md). The coordinate
        ``member_count [scenario]`` says how many each run has.
        """
        runs = np.unique(self.split("test").scenario)
        fields = by_run(select_channels(self.dataset, self.targets))
        fields = fields.isel(scenario=runs, time=self.test_years)
        if "member" not in fields.dims:
            return fields.assign_coords(member_count=("scenario", np.ones(runs.size, int)))
        fields = fields.isel(member=self.fields.members.truth)
        there = _any_of(
            array.notnull().any([d for d in array.dims if d not in ("scenario", "member")])
            for array in fields.data_vars.values()
        )
        fields = fields.assign_coords(member_count=there.sum("member").compute())
        if int(fields["member_count"].max()) < 2:
            return fields.mean("member", keep_attrs=True)
        return fields.isel(member=np.flatnonzero(there.any("scenario")))

    def climatology(self) -> None:
        """Return nothing: a climate that changes is scored as it is."""

    def options(self) -> dict[str, Any]:
        """Return ``_target_`` and every option, JSON-able: what builds this task again."""
        return task_options(self)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the store's content and every option."""
        return task_hash(self, store_hash(self.store))


def _texts(reader: PackedReader, coordinate: str) -> list[str]:
    return [str(value) for value in reader.coordinates[coordinate].values]


def _any_of(parts: Iterable[xr.DataArray]) -> xr.DataArray:
    """Return where any of some truth values is true."""
    first, *others = parts
    for other in others:
        first = first | other
    return first
