"""Runs of a climate store: its scenarios, those of each climate model where it has several."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.config.schema import Options
from climbench.errors import UserError, nearest
from climbench.tasks.task import SPLITS, Split

HISTORICAL = "historical"
SOURCE = "source_id"
"""CMIP's name of the dimension of climate models."""


class ClimateModels(Options):
    """Which climate models of a store each split takes.

    Attributes
    ----------
    train
        Names along ``source_id``, in the order of the signature; by default all.
    validation, test
        By default those that are trained; others are *unknown* to a trained emulator.
    """

    train: list[str] | None = None
    validation: list[str] | None = None
    test: list[str] | None = None


@dataclass(frozen=True)
class Runs:
    """What a store simulates: one run for each scenario of each climate model.

    Attributes
    ----------
    label
        ``SCENARIO``, or ``SOURCE:SCENARIO`` where the store has climate models ``[run]``.
    scenario
        Name of the scenario ``[run]``.
    climate_model
        Name of the climate model ``[run]``; empty where the store does not name any.
    """

    label: list[str]
    scenario: NDArray[np.str_]
    climate_model: NDArray[np.str_]

    @classmethod
    def of(cls, dataset: xr.Dataset) -> "Runs":
        """Return the runs of a store, climate model by climate model."""
        scenarios = [str(name) for name in dataset["scenario"].values]
        models = [str(n) for n in dataset[SOURCE].values] if SOURCE in dataset.dims else [""]
        pairs = [(model, scenario) for model in models for scenario in scenarios]
        label = [f"{model}:{scenario}" if model else scenario for model, scenario in pairs]
        return cls(label, np.array([s for _, s in pairs]), np.array([m for m, _ in pairs]))

    def past(self) -> list[int | None]:
        """Return the historical run of the same climate model ``[run]``, None where it has none."""
        history = {
            model: run
            for run, (model, scenario) in enumerate(
                zip(self.climate_model, self.scenario, strict=True)
            )
            if scenario == HISTORICAL
        }
        return [history.get(model) for model in self.climate_model]


def by_run(fields: xr.Dataset) -> xr.Dataset:
    """Return fields with the runs of all climate models along ``scenario``, unread.

    Examples
    --------
    >>> tas = xr.DataArray([[1.0, 2.0]], {"source_id": ["A"], "scenario": ["s", "t"]})
    >>> by_run(tas.to_dataset(name="tas"))["scenario"].values.tolist()
    ['A:s', 'A:t']
    """
    if SOURCE not in fields.dims:
        return fields
    single = {d: 1 for d in (SOURCE, "scenario", "member") if d in fields.dims}
    fields = fields.chunk(single)
    parts = []
    for model in fields[SOURCE].values:
        part = fields.sel({SOURCE: model}, drop=True)
        labels = [f"{model}:{scenario}" for scenario in part["scenario"].values]
        parts.append(part.assign_coords(scenario=labels))
    return xr.concat(
        parts, "scenario", data_vars="minimal", coords="minimal", compat="override", join="exact"
    )


def chosen_models(
    dataset: xr.Dataset, store: str, asked: ClimateModels | None
) -> dict[Split, list[str]]:
    """Return the climate models of each split; one without a name where a store names none.

    Raises
    ------
    UserError
        If the store has none, or not one that is asked for, or one is named twice.
    """
    asked = asked or ClimateModels()
    if SOURCE not in dataset.dims:
        if asked != ClimateModels():
            raise UserError(
                f"store {store} has no dimension '{SOURCE}': leave out the option 'climate_models'"
            )
        return {split: [""] for split in SPLITS}
    known = [str(name) for name in dataset[SOURCE].values]
    train = known if asked.train is None else asked.train
    chosen = {split: getattr(asked, split) for split in SPLITS}
    chosen = {split: train if names is None else names for split, names in chosen.items()}
    for split, names in chosen.items():
        option = f"climate_models.{split}"
        if not names:
            raise UserError(f"option '{option}' is empty: name at least one climate model")
        for name in names:
            if name not in known:
                hint = nearest(name, known)
                raise UserError(f"option '{option}': store {store} has no '{name}': {hint}")
            if names.count(name) > 1:
                raise UserError(f"option '{option}' names the climate model '{name}' twice")
    return chosen


def shared_years(
    runs: Runs, order: Sequence[int], fingerprint: Callable[[int, int], NDArray[np.float64]]
) -> NDArray[np.bool_]:
    """Tell which years of a run are those of an earlier one, so that they count once.

    Some archives put history in front of every future. The same past then stands in several runs,
    and would be trained on several times, or be trained on and tested.

    Parameters
    ----------
    runs
        All runs.
    order
        Positions of those that are used; a year that two share belongs to the first of them.
    fingerprint
        Of the fields of a run and of one of its members by position ``[year]``: equal where fields
        are equal, NaN where there are none; of no length for a member that does not exist.

    Returns
    -------
    numpy.ndarray
        ``[run, year]``.
    """
    known = cache(fingerprint)
    shared = np.zeros((len(runs.label), known(order[0], 0).size), dtype=bool)
    for at, run in enumerate(order):
        member = 0  # the first that the run has
        while (own := known(run, member)).size and np.isnan(own).all():
            member += 1
        for earlier in order[:at]:
            if own.size and runs.climate_model[earlier] == runs.climate_model[run]:
                shared[run] |= own == known(earlier, member)
    return shared
