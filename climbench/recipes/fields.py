"""From a recipe to the lazy dataset that its store will hold."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr

from climbench.errors import UserError, nearest
from climbench.recipes.climatology import check_climatology
from climbench.recipes.dates import during, is_listed, stamps
from climbench.recipes.schema import Dates, Recipe, Statistics
from climbench.recipes.sources import Opened, Surroundings, open_sources
from climbench.recipes.steps import STEPS
from climbench.recipes.steps.sort import DIMENSIONS
from climbench.store.time_axis import STEP_TOLERANCE, time_step

ATTRIBUTES = ("title", "institution", "source", "references", "comment")
"""Attributes of the files that a store keeps; the others are about one file and its history."""

PLACES = {
    "station": ("latitude", "longitude", "altitude"),
    "column": ("latitude", "longitude", "area"),
}
"""Where each entry of a dimension is, and how much of the globe it stands for."""


def open_fields(recipe: Recipe, surroundings: Surroundings) -> Opened:
    """Return what the store will hold, unread, and what it will be read from.

    Raises
    ------
    UserError
        If a source, a step or the result is not as it should be.
    """
    opened = open_sources(recipe, surroundings)
    dataset = opened.dataset
    if recipe.dates is not None and "time" in dataset.dims:
        narrow = {"dates": (recipe.dates.start, recipe.dates.end)}
        dataset = STEPS["select"].parse(narrow).apply(dataset)
    for step in recipe.steps:
        dataset = step.apply(dataset)
    check_names(dataset, recipe)
    dataset = STEPS["select"].parse({"variables": recipe.variables}).apply(dataset)
    if "level" in dataset.dims or recipe.variables is None:  # none is left among surface fields
        dataset = STEPS["select"].parse({"levels": recipe.levels}).apply(dataset)
    if recipe.dates is not None and recipe.dates.frequency is not None:
        all_there = not any(one.unread for one in opened.inputs)
        dataset = on_axis(dataset, recipe.dates, all_there)
    check_layout(dataset, recipe.name)
    check_statistics(dataset, recipe.statistics)
    return replace(opened, dataset=_as_stored(dataset))


def on_axis(dataset: xr.Dataset, dates: Dates, all_there: bool = True) -> xr.Dataset:
    """Return the dataset on the time axis that the recipe asks for; missing dates become NaN.

    Raises
    ------
    UserError
        If a time is absent and not listed as missing, or one is there that should not be.
    """
    expected = _axis(dataset, dates)
    present = dataset.indexes["time"]
    extra = present.difference(expected)
    if len(extra):
        raise UserError(
            f"the time {stamps(extra[:1])[0]} is not on the axis from {dates.start} to {dates.end} "
            f"every {dates.frequency}: correct dates.frequency or add a 'resample_time' step."
        )
    absent = expected.difference(present)
    unknown = [text for text in stamps(absent) if not is_listed(text, dates.missing)]
    if unknown and all_there:
        raise UserError(
            f"{len(unknown)} times are missing, the first is {unknown[0]}; list them under "
            "dates.missing if the archive lacks them."
        )
    return dataset.reindex(time=expected) if len(absent) else dataset


def _axis(dataset: xr.Dataset, dates: Dates) -> pd.Index:
    """Return the times from start to end in the calendar of the dataset."""
    calendar = dataset["time"].dt.calendar
    cftime = dataset["time"].dtype == object
    try:
        axis = xr.date_range(
            dates.start,
            f"{int(dates.end[:4]) + 1:04d}-01-01",
            freq=dates.frequency,
            calendar=calendar,
            use_cftime=cftime,
        )
    except ValueError as error:
        raise UserError(f"dates: {error}.") from error
    series = xr.DataArray(axis, coords={"time": axis}, dims="time")
    within: pd.Index = series.sel(time=slice(dates.start, dates.end)).indexes["time"]
    return within


def check_names(dataset: xr.Dataset, recipe: Recipe) -> None:
    """Refuse checks of variables that there are not.

    With ``variables``, sources may have left the others out before: nobody knows them. A wrong
    name in ``missing_values`` shows by itself, for then a part is refused.

    Raises
    ------
    UserError
        With the nearest name.
    """
    checks = recipe.checks
    for option in ("constant_fields", "ranges"):
        for name in getattr(checks, option) if recipe.variables is None else ():
            if name not in dataset:
                hint = nearest(name, map(str, dataset.data_vars))
                raise UserError(f"checks.{option}: there is no variable '{name}': {hint}")


def check_layout(dataset: xr.Dataset, name: str) -> None:
    """Refuse a result that is no store: no variables, foreign dimensions, axes out of order.

    Raises
    ------
    UserError
        Naming the recipe, the culprit and the step that mends it.
    """
    if not dataset.data_vars:
        raise UserError(f"recipe '{name}' ends without any variable; check its 'select' steps.")
    for variable, array in dataset.data_vars.items():
        foreign = [str(dim) for dim in array.dims if dim not in DIMENSIONS]
        if foreign:
            raise UserError(
                f"recipe '{name}': '{variable}' has the dimension '{foreign[0]}'; select one entry "
                f"of it or rename it to one of {', '.join(DIMENSIONS)}."
            )
    for dimension, needed in PLACES.items():
        for place in needed if dimension in dataset.dims else ():
            if place not in dataset.coords or dataset[place].dims != (dimension,):
                raise UserError(
                    f"recipe '{name}': '{dimension}' has no coordinate '{place}': give it in the "
                    "source, or put a grid on latitude and longitude with the step 'regrid'."
                )
    for axis in ("latitude", "longitude", "level"):
        values = dataset[axis].values if axis in dataset.dims else np.empty(0)
        repeated = values[1:][np.diff(values) == 0]
        if repeated.size:
            raise UserError(
                f"recipe '{name}': the {axis} {repeated[0]:g} is there twice: mend the file, or "
                "select one of the two before."
            )
        if np.any(np.diff(values) <= 0):
            raise UserError(f"recipe '{name}': {axis} is not ascending; add the step 'sort: {{}}'.")


def check_statistics(dataset: xr.Dataset, chosen: Statistics) -> None:
    """Refuse a training period or scenario that the store does not have.

    Raises
    ------
    UserError
        Naming the option.
    """
    if chosen.period is not None and "time" in dataset.dims:
        times = during(dataset["time"], *chosen.period)
        if not times.size:
            first, last = stamps(dataset.indexes["time"][[0, -1]])
            raise UserError(
                f"statistics.period is {' to '.join(chosen.period)} and the store reaches from "
                f"{first} to {last}: set a period within the dates, or statistics.period=null for "
                "all of them."
            )
    names = dataset["scenario"].values.tolist() if "scenario" in dataset.dims else []
    for scenario in chosen.scenarios or ():
        if scenario not in names:
            raise UserError(f"statistics.scenarios: no '{scenario}': {nearest(scenario, names)}")
    check_climatology(dataset, chosen)
    check_leads(dataset, chosen.tendency_leads)


def check_leads(dataset: xr.Dataset, leads: Sequence[float]) -> None:
    """Refuse leads of tendencies that no two times of the store are apart.

    Raises
    ------
    UserError
        Naming the lead and the step.
    """
    step = time_step(dataset["time"]) if leads and "time" in dataset.dims else float("nan")
    for lead in leads:
        if not abs(lead / step - round(lead / step) if step == step else 1.0) < STEP_TOLERANCE:
            raise UserError(
                f"statistics.tendency_leads: {lead:g} hours is no multiple of the store's step of "
                f"{step:g} hours."
            )


def _as_stored(dataset: xr.Dataset) -> xr.Dataset:
    """Return fields as float32 ``[scenario, member, time, level, latitude, longitude]``."""
    dataset = dataset.transpose(*[dim for dim in DIMENSIONS if dim in dataset.dims])
    wide = {
        name: array.astype(np.float32, keep_attrs=True)
        for name, array in dataset.data_vars.items()
        if array.dtype.kind == "f" and array.dtype != np.float32
    }
    axes = {
        axis: (axis, dataset[axis].values.astype(np.float64), dataset[axis].attrs)
        for axis in ("level", "latitude", "longitude")
        if axis in dataset.dims
    }
    stored = dataset.assign(wide).assign_coords(axes).drop_encoding()
    stored.attrs = {key: stored.attrs[key] for key in ATTRIBUTES if key in stored.attrs}
    return stored
