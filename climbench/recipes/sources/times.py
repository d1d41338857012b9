"""Dates out of what files call time: CF, whole months, numbers such as 19790131, file names."""

import re
import warnings
from datetime import datetime
from typing import Any

import cftime
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.recipes.schema import Files
from climbench.simulate.emissions import mid_year

CALENDARS = {"360": "360_day", "360_days": "360_day", "365": "365_day", "365_days": "365_day"}
"""Spellings of archives that CF does not know."""

WRITTEN = (("%Y%m%d", 8), ("YYYYMMDD", 8), ("%Y%m", 6), ("YYYYMM", 6))
"""What units of dates that are written as one number contain, and its digits."""

NO_DATES = ("", "1", "-", "year", "years", "none", "a", "yr")
"""Units of a time axis of plain numbers, which are years."""

YEARS = (1700, 2260)
"""Plain numbers that are years; nanoseconds reach little further."""

DIGITS = {"%Y": 4, "%m": 2, "%d": 2, "%j": 3, "%H": 2, "%M": 2, "%S": 2}


def with_dates(dataset: xr.Dataset, where: str, source: Files) -> xr.Dataset:
    """Return a file with the dates of its coordinates decoded.

    A month of "months since" is a calendar month, not UDUNITS' twelfth of 365.2422 days. Means of
    a day or longer that are stamped with the end of their bounds, as CESM's, get the middle.

    Parameters
    ----------
    dataset
        As opened with ``decode_times=False``.
    where
        Its name, for errors.
    source
        Its ``calendar``, where the file has none or a wrong one.

    Raises
    ------
    UserError
        If there is no time, or what stands there is no date.
    """
    for name in [str(n) for n, a in dataset.variables.items() if a.dims in ((), (n,))]:
        attributes = dataset[name].attrs
        units = str(attributes.get("units", ""))
        if " since " in units.lower() or any(text in units for text, _ in WRITTEN):
            dataset = _decoded(dataset, name, where, source)
    return dataset


def _decoded(dataset: xr.Dataset, name: str, where: str, source: Files) -> xr.Dataset:
    """Return the dataset with one coordinate, and its bounds, as dates."""
    raw = dataset[name]
    units, given = str(raw.attrs["units"]), raw.attrs.get("calendar")
    calendar = source.calendar or (None if given is None else str(given).strip().lower())
    calendar = CALENDARS.get(calendar or "", calendar or "standard")
    if raw.size == 0:
        raise UserError(f"{where} has no times at all: it was never finished; fetch it again.")
    values = np.asarray(raw.values, dtype=np.float64)
    if not np.all(np.abs(values) < 1e30):
        raise UserError(f"{where}: '{name}' has missing times; declare them with 'time_from_name'.")
    if given is None and source.calendar is None and source.annual is None:
        _refuse_drift(values, units, where)
    digits = next((count for text, count in WRITTEN if text in units), 0)
    if digits:
        dates = _from_digits(values, digits, calendar, where)
        return dataset.assign_coords({name: (raw.dims, dates, {"standard_name": "time"})})
    if units.lower().lstrip().startswith("month") and calendar != "360_day":
        dates = _from_months(values, units, calendar, where)
        return dataset.assign_coords({name: (raw.dims, dates, {"standard_name": "time"})})
    bounds = raw.attrs.get("bounds")
    names = [name, bounds] if bounds in dataset.variables else [name]
    bare = dataset[names].reset_coords()
    bare[name].attrs["calendar"] = calendar
    options: dict[str, Any] = {"mask_and_scale": False, "concat_characters": False}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", xr.SerializationWarning)  # dates as cftime are meant
            decoded = xr.decode_cf(bare, **options, decode_timedelta=False).load()
        dates = decoded[name].values
        if dates.dtype.kind == "M":  # fractions of days in floating point end in ...999 ns
            dates = pd.DatetimeIndex(dates.reshape(-1)).round("ms").values.reshape(dates.shape)
    except (ValueError, OverflowError) as error:
        raise UserError(
            f"{where}: '{name}' is in '{units}' of the calendar '{calendar}', which are no dates: "
            "declare the right one with 'calendar', or 'time_from_name'."
        ) from error
    if len(names) == 2 and decoded[bounds].shape == (raw.size, 2):
        dates = _middle(dates.reshape(-1), decoded[bounds].values).reshape(raw.shape)
    return dataset.assign_coords({name: (raw.dims, dates, _kept(raw.attrs))})


def _kept(attributes: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in attributes.items() if k not in ("units", "calendar", "bounds")}


def _refuse_drift(values: NDArray[np.float64], units: str, where: str) -> None:
    """Refuse years of 365 days without a calendar: decoded as CF has it, they drift."""
    steps = np.diff(values.reshape(-1))
    if steps.size > 3 and units.startswith("days since") and np.allclose(steps, 365, atol=1e-6):
        raise UserError(
            f"{where} names no calendar, and its times are 365 days apart: declare 'calendar: "
            "noleap' in the source (or 'standard'), or take years with 'annual'."
        )


def _from_digits(
    values: NDArray[np.float64], digits: int, calendar: str, where: str
) -> NDArray[Any]:
    """Return dates of numbers such as 185601 or 19790131.25, whose rest is the part of a day."""
    parts = []
    for value in values.reshape(-1):
        text = f"{int(value):0{digits}d}"
        parts.append((int(text[:4]), int(text[4:6]), int(text[6:8] or 1), float(value % 1)))
    return _dates(parts, calendar, where).reshape(values.shape)


def _from_months(
    values: NDArray[np.float64], units: str, calendar: str, where: str
) -> NDArray[Any]:
    reference = units.lower().split(" since ")[1]
    try:
        start = pd.Timestamp(reference)
    except ValueError as error:
        raise UserError(f"{where}: '{reference}' in '{units}' is no date.") from error
    if np.any(values % 1) or start.day > 28:
        raise UserError(
            f"{where}: its times are parts of months in '{units}', which no calendar defines: "
            "declare 'calendar: 360_day', or 'time_from_name'."
        )
    months = (start.year * 12 + start.month - 1 + values.reshape(-1)).astype(int)
    hour = float(start.hour / 24)
    parts = [(int(m) // 12, int(m) % 12 + 1, int(start.day), hour) for m in months]
    return _dates(parts, calendar, where).reshape(values.shape)


def _dates(parts: list[tuple[int, int, int, float]], calendar: str, where: str) -> NDArray[Any]:
    """Return dates of (year, month, day, part of the day) in a calendar."""
    try:
        days = [cftime.datetime(y, m, d, calendar=calendar) for y, m, d, _ in parts]
    except ValueError as error:
        raise UserError(f"{where}: its times are no dates: {error}.") from error
    seconds = pd.to_timedelta([round(part * 86400) for *_, part in parts], unit="s")
    exact = [day + rest for day, rest in zip(days, seconds.to_pytimedelta(), strict=True)]
    if calendar in ("standard", "gregorian", "proleptic_gregorian"):
        return np.array([day.isoformat() for day in exact], dtype="datetime64[ns]")
    return np.array(exact, dtype=object)


def _middle(dates: NDArray[Any], bounds: NDArray[Any]) -> NDArray[Any]:
    """Return the middle of bounds where every stamp is an end, a day or more after the start."""
    first, last = bounds[:, 0], bounds[:, 1]
    lengths = pd.to_timedelta(last - first)
    if np.array_equal(dates, last) and lengths.min() >= pd.Timedelta(days=1):
        middle: NDArray[Any] = first + (last - first) / 2
        return middle
    return dates


def check_times(dataset: xr.Dataset, where: str) -> None:
    """Refuse a time axis that is neither dates nor whole years, or lies outside of its file name.

    Raises
    ------
    UserError
        Naming the file and what its times are.
    """
    if "time" not in dataset.dims:
        return
    if "time" not in dataset.variables:
        raise UserError(f"{where}: the dimension 'time' has no values: declare 'time_from_name'.")
    time = dataset["time"]
    if time.dtype.kind in "iuf":
        if not _are_years(time):
            units = str(time.attrs.get("units", "")).strip().lower()
            raise UserError(
                f"{where}: its times {time.values[0]:g} to {time.values[-1]:g} ('{units}') are "
                "neither dates nor whole years: declare 'time_from_name'."
            )
    elif time.dtype.kind not in "MO" or not time.size:
        raise UserError(f"{where}: its times are text or none at all, and no dates.")
    else:
        _check_name(time, where)


def _are_years(time: xr.DataArray) -> bool:
    units = str(time.attrs.get("units", "")).strip().lower()
    whole = np.all(np.abs(time.values) < 1e6) and not np.any(time.values % 1)
    return bool(time.size and whole and units in NO_DATES)


def dated_years(dataset: xr.Dataset, where: str) -> xr.Dataset:
    """Return a file whose times are years of the calendar with the first of July of each.

    Raises
    ------
    UserError
        If they are the years of a run, or no years.
    """
    time = dataset["time"] if "time" in dataset.coords else xr.DataArray("")
    if not time.ndim or time.dtype.kind not in "iuf" or not _are_years(time):
        return dataset  # and check_times says what is wrong
    if time.values.min() < YEARS[0] or time.values.max() > YEARS[1]:
        raise UserError(
            f"{where}: its times {time.values[0]:g} to {time.values[-1]:g} are no years between "
            f"{YEARS[0]} and {YEARS[1]}: write dates with units such as 'days since 1850-01-01'."
        )
    dates = mid_year(time.values.astype(int)).astype("datetime64[ns]")
    return dataset.assign_coords(time=("time", dates, {"standard_name": "time"}))


def _check_name(time: xr.DataArray, where: str) -> None:
    """Refuse dates outside of the period that ends the name of a file of CMIP."""
    found = re.search(r"_(\d{4,14})-(\d{4,14})\.nc\d?$", where)
    if found is None or len(found[1]) != len(found[2]) or len(found[1]) % 2:
        return
    ends = [re.sub(r"\D", "", str(_iso(time.values[at])))[: len(found[1])] for at in (0, -1)]
    if ends[0] < found[1] or ends[1] > found[2]:
        raise UserError(
            f"{where}: its times run from {_iso(time.values[0])} to {_iso(time.values[-1])}, "
            "outside of the period in its name: rename it if they are right."
        )


def _iso(date: Any) -> str:
    if isinstance(date, np.datetime64):
        return str(np.datetime_as_string(date, "s"))
    return str(date.isoformat())


def time_from_name(dataset: xr.Dataset, where: str, pattern: str) -> xr.Dataset:
    """Return a file with the one time that its name says.

    Parameters
    ----------
    dataset
        A file without time, or with one that is to be replaced.
    where
        Its name.
    pattern
        Part of the name in the letters of :func:`time.strptime`, such as ``%Y%m%d``.

    Raises
    ------
    UserError
        If the name has no such date, or the file several times.

    Examples
    --------
    >>> field = xr.Dataset({"sst": ((), 1.0)})
    >>> str(time_from_name(field, "sst.20010203.nc", "%Y%m%d")["time"].values[0])[:10]
    '2001-02-03'
    """
    letters = re.split(r"(%.)", pattern)
    if unknown := [text for text in letters[1::2] if text not in DIGITS]:
        raise UserError(f"option 'time_from_name': '{unknown[0]}' is none of {', '.join(DIGITS)}.")
    digits = [rf"\d{{{DIGITS[t]}}}" if t in DIGITS else re.escape(t) for t in letters]
    found = re.findall(rf"(?<!\d){''.join(digits)}(?!\d)", where.rsplit("/", 1)[-1])
    try:
        times = {datetime.strptime(text, pattern) for text in found}
    except ValueError as error:
        raise UserError(f"{where}: {error}: correct 'time_from_name'.") from error
    if len(times) != 1:
        raise UserError(
            f"{where}: its name has {len(times)} dates like '{pattern}': correct 'time_from_name'."
        )
    size = dataset.sizes.get("time", 1)
    if size != 1:
        raise UserError(f"{where} has {size} times and its name one: leave 'time_from_name' out.")
    if "time" in dataset.dims:
        dataset = dataset.isel(time=0)
    bare = dataset.drop_vars([n for n in ("time", "valid_time") if n in dataset.variables])
    stamp = np.array([times.pop().isoformat()], dtype="datetime64[ns]")
    return bare.expand_dims(time=stamp)
