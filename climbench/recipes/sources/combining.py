"""Putting files together: along time, along labels, by variable; after checking that they fit."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr

from climbench.errors import UserError
from climbench.recipes.steps.convert_units import same_unit
from climbench.store.time_axis import hours, is_monthly, months

FREQUENCIES = {"mon": 744.0, "day": 24.0, "6hr": 6.0, "3hr": 3.0, "1hr": 1.0}
"""Longest usual step of CMIP's frequencies, hours."""

YEAR = (8640.0, 8784.0)  # hours: means of years often keep the attribute of their months

Named = tuple[str, xr.Dataset]
Labelled = tuple[Mapping[str, Any], Named]


def check_siblings(files: Sequence[Named]) -> None:
    """Refuse files that differ in variables, grid, units or calendar from the first of them.

    Raises
    ------
    UserError
        Naming both files and the first difference.
    """
    (first_name, first), *others = files
    for name, dataset in others:
        for variable in sorted({*map(str, first.data_vars)} ^ {*map(str, dataset.data_vars)}):
            lacks, has = (name, first_name) if variable in first else (first_name, name)
            raise UserError(f"{lacks} lacks the variable '{variable}' that {has} has.")
        for axis in ("latitude", "longitude", "level"):
            if not _same_axis(first, dataset, axis):
                raise UserError(
                    f"{name} is on another grid than {first_name}: {_axis(dataset, axis)} instead "
                    f"of {_axis(first, axis)}."
                )
        for label, array in dataset.data_vars.items():
            variable = str(label)
            units = [str(a.attrs.get("units", "")) for a in (first[variable], array)]
            if not same_unit(*units):
                raise UserError(
                    f"{name}: '{variable}' is in '{units[1]}' and in {first_name} in '{units[0]}'; "
                    "declare the right one with 'units' in the source."
                )
        check_calendars(files[0], (name, dataset))


def check_calendars(one: Named, other: Named) -> None:
    """Refuse two time axes of different calendars.

    Raises
    ------
    UserError
        Naming both.
    """
    if "time" in one[1].dims and "time" in other[1].dims:
        calendars = [dataset["time"].dt.calendar for _, dataset in (one, other)]
        if _family(calendars[0]) != _family(calendars[1]):
            raise UserError(
                f"{other[0]} has the calendar {calendars[1]} and {one[0]} has {calendars[0]}: "
                "they cannot be put on one time axis; build a store of each."
            )


def _family(calendar: str) -> str:
    """Return one name for calendars that agree on every date of the archives."""
    same = {"gregorian": "standard", "proleptic_gregorian": "standard", "365_day": "noleap"}
    return same.get(calendar, calendar)


def along_time(files: Sequence[Named]) -> Named:
    """Return the files as one dataset along time, in the order of their times.

    Raises
    ------
    UserError
        If two files have the same time, or there are several without time.
    """
    if len(files) == 1:
        name, dataset = files[0]
        if "time" in dataset.dims:
            _check_order(name, dataset)
        return files[0]
    check_siblings(files)
    for name, dataset in files:
        if "time" not in dataset.dims:
            raise UserError(f"{name} has no time axis: a fixed field needs a source of its own.")
        _check_order(name, dataset)
    ordered = sorted(files, key=lambda file: hours(file[1]["time"])[0])
    for (before, early), (after, late) in pairwise(ordered):
        if hours(late["time"])[0] <= hours(early["time"])[-1]:
            raise UserError(
                f"{before} and {after} overlap: the first ends at {_stamp(early, -1)}, the second "
                f"begins at {_stamp(late, 0)}."
            )
    joined = xr.concat(
        [dataset for _, dataset in ordered],
        dim="time",
        data_vars="minimal",
        coords="minimal",
        compat="override",
        join="override",
        combine_attrs="override",
    )
    return f"{ordered[0][0]} ... {ordered[-1][0]}", joined


def _check_order(name: str, dataset: xr.Dataset) -> None:
    steps = np.diff(hours(dataset["time"]))
    if np.any(steps <= 0):
        at = int(np.argmax(steps <= 0)) + 1
        wrong = "twice" if steps[at - 1] == 0 else "after a later time"
        raise UserError(f"{name}: the time {_stamp(dataset, at)} comes {wrong}.")


def check_gaps(name: str, dataset: xr.Dataset, missing: Sequence[str]) -> None:
    """Refuse a time axis with a jump of more than one and a half usual steps.

    A jump in which one of the ``missing`` dates lies is known and passes.

    Raises
    ------
    UserError
        Naming the times on both sides of the first unknown gap.
    """
    if dataset.sizes.get("time", 0) < 3:
        return
    steps = np.diff(hours(dataset["time"]))
    for at in np.flatnonzero(steps > 1.5 * np.median(steps)):
        before, after = _stamp(dataset, int(at)), _stamp(dataset, int(at) + 1)
        if not any(before < text.replace(" ", "T") < after for text in missing):
            raise UserError(
                f"{name}: times are missing between {before} and {after}; list them under "
                "dates.missing if the archive lacks them."
            )


def check_frequency(name: str, dataset: xr.Dataset) -> None:
    """Refuse a time axis that is much coarser than the file's own attribute ``frequency`` says.

    Raises
    ------
    UserError
        Naming both.
    """
    usual = FREQUENCIES.get(str(dataset.attrs.get("frequency", "")))
    if usual is None or dataset.sizes.get("time", 0) < 3:
        return
    step = float(np.median(np.diff(hours(dataset["time"]))))
    if step > 1.5 * usual and not YEAR[0] <= step <= YEAR[1]:
        raise UserError(
            f"{name}: its attribute 'frequency' says '{dataset.attrs['frequency']}' and its times "
            f"are {step / 24:g} days apart: some are missing; take 'checks: {{gaps: allow}}' if "
            "that is meant."
        )


def along_labels(series: Sequence[Labelled]) -> Named:
    """Return the datasets laid along their labels; a combination that nobody has is NaN.

    Parameters
    ----------
    series
        Labels such as ``{"scenario": "ssp126", "member": "r1"}`` with the dataset of each; all
        with the same label names.

    Raises
    ------
    UserError
        If labels repeat or differ in kind, or grids, units or calendars do.
    """
    names = list(series[0][0])
    for labels, (where, _) in series:
        if list(labels) != names:
            raise UserError(f"{where} has the coordinates {list(labels)}, others have {names}.")
    if not names:
        raise ValueError("series without labels cannot be laid along them")
    keys = [tuple(labels.values()) for labels, _ in series]
    for number, key in enumerate(keys):
        if key in keys[:number]:
            wheres = [series[keys.index(key)][1][0], series[number][1][0]]
            raise UserError(f"{wheres[0]} and {wheres[1]} have the same coordinates {key}.")
    check_siblings([(where, dataset) for _, (where, dataset) in series])
    datasets = _with_common_months([dataset for _, (_, dataset) in series])
    return series[0][1][0], _lay([*zip(keys, datasets, strict=True)], names)


def _with_common_months(datasets: Sequence[xr.Dataset]) -> list[xr.Dataset]:
    """Return monthly fields with the same stamp in the same month: that of the first who has it.

    The middle of a month is noon of the 16th for one climate model, midnight for another.
    """
    times = [one["time"] if "time" in one.dims else xr.DataArray() for one in datasets]
    if not all(time.ndim and time.dtype.kind in "MO" and is_monthly(time) for time in times):
        return list(datasets)
    stamps: dict[int, Any] = {}
    aligned = []
    for one, time in zip(datasets, times, strict=True):
        for month, stamp in zip(months(time).tolist(), time.values, strict=True):
            stamps.setdefault(month, stamp)
        common = [stamps[month] for month in months(time).tolist()]
        values = np.array(common, dtype=time.dtype)
        aligned.append(one.assign_coords(time=("time", values, time.attrs)))
    return aligned


def _lay(items: Sequence[tuple[tuple[Any, ...], xr.Dataset]], names: Sequence[str]) -> xr.Dataset:
    """Join along the last label, then along the one before."""
    if not names:
        return items[0][1]
    values = list(dict.fromkeys(key[0] for key, _ in items))
    rows = [_lay([(k[1:], d) for k, d in items if k[0] == value], names[1:]) for value in values]
    labelled = [
        row.expand_dims({names[0]: [value]}) for row, value in zip(rows, values, strict=True)
    ]
    return xr.concat(labelled, dim=names[0], join="outer", combine_attrs="override")


def by_variable(sources: Sequence[Named]) -> xr.Dataset:
    """Return the variables of all sources in one dataset on one grid and time axis.

    Raises
    ------
    UserError
        If two sources have a variable in common, or differ in an axis.
    """
    joined = sources[0][1]
    for name, dataset in sources[1:]:
        check_calendars(sources[0], (name, dataset))
        common = sorted({*map(str, joined.data_vars)} & {*map(str, dataset.data_vars)})
        if common:
            raise UserError(f"{name} and another source both have '{common[0]}': select one.")
        for axis in map(str, dataset.dims):
            if axis in joined.dims and not _same_axis(joined, dataset, axis):
                raise UserError(
                    f"{name} has another {axis} axis than the source before: "
                    f"{_axis(dataset, axis)} instead of {_axis(joined, axis)}."
                )
        joined = joined.merge(dataset, join="override", compat="override")
    return joined


def _same_axis(one: xr.Dataset, other: xr.Dataset, axis: str) -> bool:
    if (axis in one.dims) != (axis in other.dims):
        return False
    if axis not in one.coords or axis not in other.coords:
        return True
    a, b = one[axis].values, other[axis].values  # of each cell, where cells are flattened
    if a.shape != b.shape:
        return False
    return bool(np.allclose(a, b, atol=1e-4, rtol=0) if a.dtype.kind == "f" else np.all(a == b))


def _axis(dataset: xr.Dataset, axis: str) -> str:
    if axis not in dataset.coords:
        return f"no {axis}"
    values = dataset[axis].values.reshape(-1)
    if axis == "time":
        return f"{values.size} times from {_stamp(dataset, 0)}"
    return f"{values.size} {axis} values from {values[0]} to {values[-1]}"


def _stamp(dataset: xr.Dataset, at: int) -> str:
    """Return a time as ISO 8601 text, whatever its calendar."""
    value = dataset["time"].values[at]
    return (
        str(np.datetime_as_string(value, "s"))
        if isinstance(value, np.datetime64)
        else value.isoformat()
    )
