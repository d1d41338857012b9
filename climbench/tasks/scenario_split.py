"""Which years of which runs belong to training, validation and test of an emulation."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from climbench.config.schema import Options
from climbench.tasks.runs import HISTORICAL, Runs
from climbench.tasks.task import Split

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


@dataclass(frozen=True)
class ScenarioSplit:
    """The split of a store's runs, scenario by scenario and year by year.

    Attributes
    ----------
    runs
        All runs of the store.
    models
        Names of the climate models of each split.
    train_scenarios, validation, test_scenarios, period, history
        Options of the task.
    """

    runs: Runs
    models: Mapping[Split, list[str]]
    train_scenarios: tuple[str, ...]
    validation: Validation
    test_scenarios: tuple[str, ...]
    period: Years | None
    history: int

    @cached_property
    def trained(self) -> NDArray[np.bool_]:
        """Whether a run has training years ``[run]``."""
        models = np.isin(self.runs.climate_model, self.models["train"])
        return np.asarray(models & np.isin(self.runs.scenario, self.train_scenarios))

    @cached_property
    def validating(self) -> NDArray[np.bool_]:
        """Whether a run has validation years ``[run]``."""
        models = np.isin(self.runs.climate_model, self.models["validation"])
        return np.asarray(models & (self.runs.scenario == self.validation.scenario))

    @cached_property
    def tested(self) -> NDArray[np.bool_]:
        """Whether a run is a test ``[run]``."""
        models = np.isin(self.runs.climate_model, self.models["test"])
        return np.asarray(models & np.isin(self.runs.scenario, self.test_scenarios))

    @cached_property
    def place(self) -> NDArray[np.int64]:
        """Position of its climate model among the trained, or beyond the last ``[run]``."""
        train = self.models["train"]
        names = self.runs.climate_model
        return np.array([train.index(n) if n in train else len(train) for n in names])

    def order(self) -> list[int]:
        """Return the runs that are used; of years that some share, the first has them."""
        history = self.trained & (self.runs.scenario == HISTORICAL)
        parts = (history, self.trained, self.validating, self.tested)
        return list(dict.fromkeys(int(run) for part in parts for run in np.flatnonzero(part)))

    def belongs(
        self, split: Split, run: NDArray[np.int64], year: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Tell which years of runs belong to a split.

        Parameters
        ----------
        split
            Its name.
        run
            Positions of runs ``[row]``.
        year
            Calendar years ``[row]``; all of the validation's are among them.
        """
        if split == "test":
            return np.asarray(self.tested[run] & _between(year, self.period))
        held_out = self.validation.scenario
        if split == "validation":
            return np.asarray(self.validating[run] & _between(year, self.validation.years))
        # The historical scenario is every other one's past, on both sides of the join.
        joined = np.isin(self.runs.scenario, [held_out, HISTORICAL]) | (held_out == HISTORICAL)
        joined &= np.isin(self.runs.climate_model, self.models["validation"])
        block = self.validation.years or _reach(year[self.validating[run]])
        near = _between(year, block, self.history)
        return np.asarray(self.trained[run] & ~(near & joined[run]))


def _reach(year: NDArray[np.int64]) -> Years | None:
    """Return the first and the last of some years."""
    return (int(year.min()), int(year.max())) if year.size else None


def _between(year: NDArray[np.int64], years: Years | None, around: int = 0) -> NDArray[np.bool_]:
    """Tell which years lie between two, or at most some years ``around``; all without bounds."""
    if years is None:
        return np.ones(year.shape, dtype=bool)
    return np.asarray((year >= years[0] - around) & (year <= years[1] + around))
