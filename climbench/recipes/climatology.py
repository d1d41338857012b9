"""The climatology of the training period, kept in the store beside its statistics."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import xarray as xr

from climbench.errors import UserError, nearest
from climbench.metrics.climatology_fields import SPACE, Steps, Wanted
from climbench.metrics.climatology_store import write_climatology
from climbench.recipes.schema import Climatology, Recipe, Statistics
from climbench.store.opening import read_group
from climbench.store.time_axis import hours

DAYS_OF_A_YEAR = 360  # of the period, at least; the last time is short of its end
MEMORY = 1.0  # GB


def check_climatology(dataset: xr.Dataset, chosen: Statistics) -> None:
    """Refuse a climatology that the fields do not allow.

    Raises
    ------
    UserError
        Naming the option.
    """
    if chosen.climatology is None:
        return
    option = "statistics.climatology"
    names = _names(dataset, chosen.climatology)
    if not names:
        raise UserError(f"{option}: the store has no field along time, latitude and longitude.")
    for name in names:
        if name not in dataset:
            raise UserError(f"{option}: no '{name}': {nearest(name, map(str, dataset))}")
        extra = {str(dim) for dim in dataset[name].dims} - {"time", *SPACE}
        if extra:
            raise UserError(
                f"{option}: '{name}' has the dimension '{min(extra)}', which a climatology does "
                "not have: list others under climatology.variables."
            )
    times = dataset["time"].sel(time=slice(*(chosen.period or (None, None))))
    if times.dt.calendar == "360_day":
        raise UserError(f"{option}: a calendar of 360 days leaves days of the year without values.")
    if np.ptp(hours(times)) < 24 * DAYS_OF_A_YEAR:
        raise UserError(f"{option} needs a year at least, and statistics.period is shorter.")


def keep_climatology(store: Path, recipe: Recipe) -> None:
    """Write the group ``climatology`` of a store whose fields are complete, if it is asked for.

    Parameters
    ----------
    store
        Folder of the store, read once more for this: a climatology of each cell is too large to
        be carried from part to part.
    recipe
        Its ``statistics`` say of which period.
    """
    chosen, options = recipe.statistics, recipe.statistics.climatology
    if options is None:
        return
    dataset = read_group(store)
    times = dataset["time"].sel(time=slice(*(chosen.period or (None, None))))
    index = dataset.indexes["time"]
    steps = Steps.at(index, np.flatnonzero(index.isin(times.indexes["time"])))
    names = _names(dataset, options)
    said = {
        "period": [steps.first, steps.last],
        "window_days": options.window,
        "variables": names,
        "quantiles": [],
        "std": str(options.std).lower(),
        "seeps": [],
        "truth_hash": recipe.hash,
    }
    identity = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    attributes = {
        **said,
        "truth": recipe.name,
        "store_hash": identity,
        "climbench_version": version("climbench"),
        "simulated": str(recipe.simulated).lower(),
    }
    wanted = Wanted(options.window, (), options.std, ())
    write_climatology(store / "climatology", dataset[names], attributes, steps, wanted, MEMORY)


def _names(dataset: xr.Dataset, options: Climatology) -> list[str]:
    fields = [
        str(name)
        for name, array in dataset.data_vars.items()
        if {"time", "latitude", "longitude"} <= {*array.dims}
    ]
    return sorted(fields if options.variables is None else options.variables)
