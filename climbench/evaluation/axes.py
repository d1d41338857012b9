"""The axes of anybody's files under the names, the units and the types that evaluation knows."""

from collections.abc import Mapping
from typing import NoReturn

import numpy as np
import xarray as xr

from climbench.axis_names import ALIASES, INITIAL_TIMES
from climbench.errors import UserError
from climbench.recipes.steps.convert_units import conversion

AXES = (*ALIASES.values(), "scenario", "valid_time", "dayofyear", "hour")
ONE = ("prediction_timedelta", "time", "scenario")  # where a scalar is an axis of length one
DURATIONS = {
    name: size
    for size, names in (
        (1, "ns nanosecond"),
        (10**3, "us microsecond"),
        (10**6, "ms millisecond"),
        (10**9, "s sec second"),
        (60 * 10**9, "min minute"),
        (3600 * 10**9, "h hr hour"),
        (24 * 3600 * 10**9, "d day"),
        (7 * 24 * 3600 * 10**9, "week"),
    )
    for singular in names.split()
    for name in (singular, f"{singular}s")
}
"""Nanoseconds of the units that lead times are given in; months and years have no fixed length."""
HIGHEST_PRESSURE = 2000  # hPa; a level above it is in Pa, or no pressure at all


def with_known_axes(dataset: xr.Dataset, label: str) -> xr.Dataset:
    """Return a dataset with the axes that evaluation knows.

    Axes get climbench's names; a single start, lead time or scenario becomes an axis of length
    one; lead times become time differences, and levels of pressure hPa. An axis of initial times
    says so by its ``standard_name``.

    Parameters
    ----------
    dataset
        As it was opened; time differences may be decoded or not.
    label
        Role and address, for messages.

    Raises
    ------
    UserError
        If lead times or levels have no unit, or one that is not known.
    """
    initial = [name for name in INITIAL_TIMES if name in dataset.dims]
    if initial and "time" in dataset.coords and "time" not in dataset.dims:
        free = "valid_time" not in dataset.variables  # what else could it be
        dataset = dataset.rename(time="valid_time") if free else dataset.drop_vars("time")
    called = _names(dataset)
    dataset = dataset.rename({old: new for new, old in called.items()})
    if called.get("time") in INITIAL_TIMES:
        time = dataset["time"].assign_attrs(standard_name="forecast_reference_time")
        dataset = dataset.assign_coords(time=time)
    for name in ONE:
        if name in dataset.coords and dataset[name].ndim == 0:
            dataset = dataset.expand_dims(name)
    _check_filled(dataset, label, called)
    return _in_hectopascal(_with_durations(dataset, label, called), label, called)


def _names(dataset: xr.Dataset) -> dict[str, str]:
    """Return how the dataset calls the axes that have another name there; axes go first."""
    called: dict[str, str] = {}
    names = {*dataset.dims, *dataset.coords}
    for old, new in ALIASES.items():
        better = new not in called or (old in dataset.dims and called[new] not in dataset.dims)
        if old in names and new not in names and better:
            called[new] = old
    # CDS calls the time of analyses so.
    if "valid_time" in dataset.dims and not {"time", "prediction_timedelta"} & {*names, *called}:
        called["time"] = "valid_time"
    return called


def _check_filled(dataset: xr.Dataset, label: str, called: Mapping[str, str]) -> None:
    """Refuse an axis without any place, or with times that are missing."""
    for name, size in dataset.sizes.items():
        if size == 0 and name in AXES:
            raise UserError(
                f"{label}: the dimension '{called.get(str(name), name)}' is empty: give a file "
                "that holds fields."
            )
    for name in ("time", "valid_time"):
        if name in dataset.indexes and bool(dataset.indexes[name].isna().any()):
            _refuse_missing(label, called.get(name, name))


def _refuse_missing(label: str, coordinate: str) -> NoReturn:
    raise UserError(
        f"{label}: the coordinate '{coordinate}' has missing values: leave them out, or fill them."
    )


def _with_durations(dataset: xr.Dataset, label: str, called: Mapping[str, str]) -> xr.Dataset:
    """Return the dataset with lead times as time differences."""
    name = "prediction_timedelta"
    if name not in dataset.dims and name not in dataset.coords:
        return dataset
    leads, known_as = dataset[name], called.get(name, name)
    if leads.dtype.kind == "m":
        if bool(leads.isnull().any()):
            _refuse_missing(label, known_as)
        return dataset
    unit = str(leads.attrs.get("units") or leads.encoding.get("units") or "").strip()
    some = ", ".join(str(value) for value in leads.to_numpy().ravel()[:3])
    if not unit:
        raise UserError(
            f"{label}: '{known_as}' has the values {some} without units: give it the attribute "
            "units = 'hours', or whatever they are."
        )
    if unit.lower() not in DURATIONS or leads.dtype.kind not in "iuf":
        raise UserError(
            f"{label}: '{known_as}' has the values {some} in '{unit}', which is no fixed time: "
            "give it in hours, with the attribute units = 'hours'."
        )
    # what stands for no time in integers is beyond their range too
    longest = np.iinfo(np.int64).max / DURATIONS[unit.lower()]
    if not np.all(np.abs(leads.to_numpy().astype(np.float64)) < longest):
        _refuse_missing(label, known_as)
    values = leads.to_numpy().astype(np.float64 if leads.dtype.kind == "f" else np.int64)
    nanoseconds = np.round(values * DURATIONS[unit.lower()]).astype(np.int64)
    attrs = {key: value for key, value in leads.attrs.items() if key not in ("units", "dtype")}
    converted = (leads.dims, nanoseconds.astype("timedelta64[ns]"), attrs)
    return dataset.assign_coords({name: converted})


def _in_hectopascal(dataset: xr.Dataset, label: str, called: Mapping[str, str]) -> xr.Dataset:
    """Return the dataset with levels of pressure in hPa; model levels and heights stay."""
    if "level" not in dataset.coords or dataset["level"].dtype.kind not in "iuf":
        return dataset
    level, known_as = dataset["level"], called.get("level", "level")
    unit = str(level.attrs.get("units", "")).strip()
    if not unit:
        highest = float(level.max())
        if highest > HIGHEST_PRESSURE:
            raise UserError(
                f"{label}: '{known_as}' has the value {highest:g} without units, too much for hPa: "
                "give it the attribute units = 'Pa', or whatever it is."
            )
        return dataset
    try:
        factor, _ = conversion(unit, "hPa", known_as)
    except UserError:
        return dataset
    values = level.to_numpy() if factor == 1.0 else np.round(level.to_numpy() * factor, 6)
    return dataset.assign_coords(level=(level.dims, values, {**level.attrs, "units": "hPa"}))
