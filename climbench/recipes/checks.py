"""What every part must pass before it is written: no empty field, no impossible value."""

import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from climbench.errors import UserError
from climbench.recipes.constant_fields import check_constant
from climbench.recipes.dates import is_listed, stamps
from climbench.recipes.reading import source_of
from climbench.recipes.schema import Recipe
from climbench.recipes.sources import Input
from climbench.recipes.steps.convert_units import same_unit
from climbench.variables import variables


def check_part(
    part: xr.Dataset, recipe: Recipe, inputs: Sequence[Input]
) -> dict[str, dict[str, Any]]:
    """Refuse a part with empty, constant or impossible fields; count what is missing in the rest.

    Parameters
    ----------
    part
        Computed fields.
    recipe
        Its ``checks`` and ``dates.missing``.
    inputs
        What the part was read from; named in the error.

    Returns
    -------
    dict
        For each variable with missing values, for the ledger: how many ``values`` there are, how
        many of them are ``missing``, and the times at which all are (``empty``).

    Raises
    ------
    UserError
        Naming variable, time and source.
    """
    holes = {}
    for name, array in part.data_vars.items():
        if array.size == 0 or array.dtype.kind != "f":
            continue
        _check_range(array, recipe, inputs)
        check_constant(array, recipe, inputs)
        if np.isnan(np.min(array.values)):
            scattered = "latitude" not in array.dims and recipe.checks.gaps == "allow"
            if name not in recipe.checks.missing_values and not scattered:
                _check_values(array, recipe, inputs)
            holes[str(name)] = _holes(array)
    return holes


def check_filled(dataset: xr.Dataset, missing: Mapping[str, int], recipe: Recipe) -> None:
    """Refuse a store with a variable that has no value in any part.

    Parameters
    ----------
    dataset
        All fields.
    missing
        How many values of each variable are missing.
    recipe
        Variables in its ``checks.missing_values`` are let through.

    Raises
    ------
    UserError
        Naming the variable.
    """
    for name, array in dataset.data_vars.items():
        if missing.get(str(name)) == array.size and name not in recipe.checks.missing_values:
            raise UserError(
                f"'{name}' has no value at any time of {recipe.name}: choose others with "
                "'variables', or list it under checks.missing_values."
            )


def _holes(array: xr.DataArray) -> dict[str, Any]:
    absent = array.isnull()
    empty = absent.all([dim for dim in array.dims if dim != "time"])
    times = stamps(array.indexes["time"][empty.values]) if "time" in array.dims else []
    return {"values": array.size, "missing": int(absent.sum()), "empty": times}


def _check_range(array: xr.DataArray, recipe: Recipe, inputs: Sequence[Input]) -> None:
    name = str(array.name)
    quantity = variables().get(re.sub(r"_\d+$", "", name))  # temperature_850 is a temperature
    if name in recipe.checks.ranges:
        low, high = recipe.checks.ranges[name]
    elif name in variables():
        low, high = variables()[name].valid_min, variables()[name].valid_max
        given, wanted = array.attrs.get("units"), variables()[name].units
        if given is None and not same_unit(given, wanted):
            raise UserError(
                f"'{name}' has no unit and stores hold it in '{wanted}': declare the one that it "
                f"is in, such as 'units: {{{name}: {wanted}}}' in the source."
            )
        if not same_unit(given, wanted):
            raise UserError(
                f"'{name}' is in '{given}' and stores hold it in '{wanted}': add the step "
                f"'convert_units: {{{name}: {wanted}}}'."
            )
    elif quantity and same_unit(array.attrs.get("units"), quantity.units):
        low, high = quantity.valid_min, quantity.valid_max
    else:
        low, high = -np.inf, np.inf
    smallest, largest = float(array.min()), float(array.max())  # NaNs are skipped
    if np.isinf(smallest) or np.isinf(largest):
        first = array.isel({dim: int(at) for dim, at in dict(abs(array).argmax(...)).items()})
        raise UserError(
            f"'{name}' from {source_of(first, inputs)} has infinite values, or some too "
            "large for float32: mend the file, or what the steps compute."
        )
    if smallest < low or largest > high:
        worst = array.argmin(...) if smallest < low else array.argmax(...)
        at = array.isel({name: int(position) for name, position in dict(worst).items()})
        raise UserError(
            f"'{name}' from {source_of(at, inputs)} reaches from {smallest:g} to {largest:g}, "
            f"beyond the physical range {low:g} to {high:g}: a wrong unit, a broken file, or set "
            "checks.ranges."
        )


def _check_values(array: xr.DataArray, recipe: Recipe, inputs: Sequence[Input]) -> None:
    """Refuse fields of NaN only, except at known missing times and outside a scenario's years."""
    plane = [n for n in ("station", "column", "latitude", "longitude") if n in array.dims]
    empty = array.isnull().all(plane)
    if "time" not in array.dims:
        if bool(empty.any()):
            raise UserError(f"'{array.name}' from {source_of(array, inputs)} has no values at all.")
    elif "scenario" in array.dims or "member" in array.dims:
        labelled = [one for one in inputs if {*one.coordinates} & {*map(str, empty.dims)}]
        for one in labelled or inputs:
            if all(v in empty[k].values for k, v in one.coordinates.items() if k in empty.dims):
                _check_years(empty, one)
    else:
        known = recipe.dates.missing if recipe.dates else []
        bad = empty.any([name for name in empty.dims if name != "time"])
        texts = stamps(bad.indexes["time"])
        unknown = [n for n in np.flatnonzero(bad.values) if not is_listed(texts[n], known)]
        if unknown:
            first = array.isel(time=unknown[0])
            raise UserError(
                f"'{array.name}' from {source_of(first, inputs)} has no values at "
                f"{texts[unknown[0]]} ({len(unknown)} such times here): list them under "
                "dates.missing, or the variable under checks.missing_values."
            )


def _check_years(empty: xr.DataArray, source: Input) -> None:
    """Refuse a source without any year, or with a hole between its first and its last.

    Of members that the file numbers itself, some scenarios may have fewer.
    """
    labels: Mapping[Hashable, object] = {
        key: value for key, value in source.coordinates.items() if key in empty.dims
    }
    runs = empty.sel(labels)
    others = [name for name in runs.dims if name != "time"]
    table = runs.transpose("time", *others).values.reshape(runs.sizes["time"], -1).T
    if "member" in others and not table.all():
        table = table[~table.all(axis=1)]
    for run in table:
        full = np.flatnonzero(~run)
        if not full.size:
            raise UserError(f"'{empty.name}' from {source.address} has no values at all.")
        holes = np.flatnonzero(run[full[0] : full[-1]])
        if holes.size:
            when = stamps(runs.indexes["time"])[full[0] + holes[0]]
            raise UserError(f"'{empty.name}' from {source.address} has no values at {when}.")
