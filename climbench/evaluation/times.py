"""What the times of forecasts, truth and climatology mean: initial or valid, and their calendar."""

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from climbench.axis_names import INITIAL_TIMES
from climbench.errors import UserError
from climbench.evaluation.source import Source
from climbench.metrics.fields import ABSENT, Index

TimeConvention = Literal["initial", "valid"]


def by_time(forecasts: Source, time: TimeConvention | None) -> tuple[Source, TimeConvention]:
    """Return forecasts along ``time``, and whether that is the initial or the valid time.

    Parameters
    ----------
    forecasts
        Predictions of any kind.
    time
        What the user says it is; by default initial, or valid where the dimension is called so.

    Raises
    ------
    UserError
        If the file says something else, by names, attributes or further coordinates.
    """
    dataset, given = forecasts.dataset, time or "initial"
    if "valid_time" in dataset.dims and "time" not in dataset.dims:
        if time == "initial":
            raise UserError(
                f"{forecasts.label} has the dimension 'valid_time': leave the option 'time' out."
            )
        dataset = dataset.drop_vars("time", errors="ignore").rename(valid_time="time")
        forecasts, given = replace(forecasts, dataset=dataset), "valid"
    if "prediction_timedelta" in dataset.dims and "time" in dataset.coords:
        _check_convention(forecasts, given)
    return forecasts, given


def _check_convention(forecasts: Source, given: TimeConvention) -> None:
    """Refuse a file whose attributes or further coordinates tell that ``time`` is the other one."""
    dataset = forecasts.dataset
    time, lead = dataset["time"], dataset["prediction_timedelta"]
    names = [str(time.attrs.get(name, "")) for name in ("standard_name", "long_name")]
    spoken = {"initial": ("initial", "reference"), "valid": ("valid", "verif")}
    unlike = spoken["valid" if given == "initial" else "initial"]
    against = [f"calls it '{name}'" for name in names if any(w in name.lower() for w in unlike)]
    if time.dtype.kind == "M":
        initial = time if given == "initial" else time - lead
        expected = {"valid_time": initial + lead, **dict.fromkeys(INITIAL_TIMES, initial)}
        for other, stamps in expected.items():
            if other in dataset.variables and dataset[other].dtype.kind == "M":
                known = dataset[other]
                if bool(((known != stamps) & known.notnull()).any()):
                    against.append(f"has '{other}', which does not fit")
    if against:
        raise UserError(
            f"{forecasts.label}: 'time' is taken for the {given} time of forecasts, but the file "
            f"{against[0]}: give time={unlike[0]}, or correct the file."
        )


def check_valid_times(truth: Source) -> None:
    """Refuse a truth that consists of forecasts, or whose ``time`` is not when it is valid.

    Raises
    ------
    UserError
        With what tells so.
    """
    dataset = truth.dataset
    leads = dataset.get("prediction_timedelta")
    if leads is not None and bool((leads != np.timedelta64(0)).any()):
        longest = float(leads.max() / np.timedelta64(1, "h"))
        raise UserError(
            f"{truth.label} holds forecasts ('prediction_timedelta' up to {longest:g} h): give "
            "fields along the time for which they are valid."
        )
    valid = dataset.get("valid_time")
    if valid is not None and valid.dtype.kind == "M" and dataset["time"].dtype.kind == "M":
        if bool(((valid != dataset["time"]) & valid.notnull()).any()):
            raise UserError(
                f"{truth.label}: 'time' differs from 'valid_time': give the latter as 'time'."
            )


def calendar_of(source: Source) -> str:
    """Return the calendar of the times.

    Raises
    ------
    UserError
        If they are no dates.
    """
    times = source.dataset.indexes["time"]
    if isinstance(times, pd.DatetimeIndex):
        return "standard"
    if not isinstance(times, xr.CFTimeIndex) or times.size == 0:
        raise UserError(
            f"{source.label}: 'time' has no dates; CF writes them as units = 'days since ...'."
        )
    return f"{times.calendar} of cftime"


def climate_positions(climatology: Source, valid: NDArray[Any]) -> tuple[Index, Index]:
    """Return where the climate of some times lies, by day of the year and hour.

    Parameters
    ----------
    climatology
        Fields along ``dayofyear`` (and ``hour``).
    valid
        Times ``[sample, condition]``.

    Returns
    -------
    tuple
        Positions along ``dayofyear`` and along ``hour`` ``[sample, condition]``.

    Raises
    ------
    UserError
        If the climatology lacks one, or has another calendar.
    """
    stamps = xr.DataArray(valid.ravel(), dims="time").dt
    found = []
    for name in ("dayofyear", "hour"):
        if name not in climatology.dataset.dims:
            if name == "dayofyear":
                raise UserError(f"{climatology.label} has no dimension 'dayofyear'.")
            found.append(np.zeros(valid.shape, dtype=np.int64))
            continue
        wanted = getattr(stamps, name).to_numpy()
        if name == "dayofyear":
            wanted = _climate_days(stamps, climatology)
        positions = climatology.dataset.indexes[name].get_indexer(wanted)
        if np.any(positions == ABSENT):
            absent = wanted[positions == ABSENT][0]
            raise UserError(f"{climatology.label} has no {name} {absent}, which forecasts need.")
        found.append(positions.reshape(valid.shape).astype(np.int64))
    return found[0], found[1]


def _climate_days(stamps: Any, climatology: Source) -> Index:
    """Return the day of the year under which the climate of some times is found.

    In a climatology of 366 days a date has the day of the year of its own year, as WeatherBench 2
    has it: 1 March is day 60 of common years, and so of all years of a calendar without leap
    days. One of 365 days is of such a calendar: dates meet by month and day, 29 February the 28th.

    Parameters
    ----------
    stamps
        The ``dt`` of the times ``[time]``.
    climatology
        Fields along ``dayofyear``.

    Raises
    ------
    UserError
        If one has years of 360 days and the other has not.
    """
    days: Index = stamps.dayofyear.to_numpy().astype(np.int64)
    last = int(climatology.dataset["dayofyear"].max())
    if (stamps.calendar == "360_day" and last > 360) or (
        stamps.calendar != "360_day" and last == 360
    ):
        raise UserError(
            f"{climatology.label} has {last} days of the year and the forecasts have the calendar "
            f"'{stamps.calendar}': build it from data of their calendar, or convert them."
        )
    if last == 365:
        leap = stamps.days_in_year.to_numpy() == 366
        days = np.where(leap & (days >= 60), days - 1, days)
    return days
