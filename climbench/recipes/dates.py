"""Dates as recipes write them."""

import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, TypeVar

import pandas as pd
import xarray as xr
from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from climbench.errors import UserError

PATTERN = r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])([T ]\d\d(:\d\d){0,2})?)?)?"

Data = TypeVar("Data", xr.Dataset, xr.DataArray)


def _as_text(value: Any) -> Any:
    """Turn what YAML reads as a date or a year back into the text that was written."""
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, date | int) else value


def _is_date(text: str) -> str:
    if not re.fullmatch(PATTERN, text):
        raise PydanticCustomError(
            "date", "{text} is no date: write YYYY, YYYY-MM or YYYY-MM-DD", {"text": text}
        )
    return text.replace(" ", "T")


DateText = Annotated[str, BeforeValidator(_as_text), AfterValidator(_is_date)]
"""A date as text, from a year (``2001``) to a second (``2001-01-01T06:00:00``)."""


def during(data: Data, start: str | None, end: str | None) -> Data:
    """Return what holds from ``start`` to ``end``, both included, which may be nothing.

    Raises
    ------
    UserError
        If the calendar has no such date.
    """
    try:
        return data.sel(time=slice(start, end))
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{start} to {end}: one of the two is no date of the {data['time'].dt.calendar} "
            "calendar of the data."
        ) from error


def within(dataset: xr.Dataset, start: str, end: str) -> xr.Dataset:
    """Return the times from ``start`` to ``end``, both included; ``2001`` means all of 2001.

    Raises
    ------
    UserError
        If there is no ``time`` or no time in the period.
    """
    if "time" not in dataset.dims:
        raise UserError(
            f"the dates {start} to {end} cannot be taken: there is no dimension 'time'."
        )
    kept = during(dataset, start, end)
    if kept.sizes["time"] == 0:
        ends = stamps(dataset.indexes["time"])
        reach = f"the data reach from {ends[0]} to {ends[-1]}" if ends else "there are no data"
        raise UserError(f"no time lies between {start} and {end}: {reach}.")
    return kept


def stamps(times: pd.Index) -> list[str]:
    """Return times of any calendar as ISO 8601 text to the second.

    Examples
    --------
    >>> stamps(pd.DatetimeIndex(["2001-01-01T06:00"]))
    ['2001-01-01T06:00:00']
    """
    return [time.isoformat()[:19] for time in times]


def is_listed(stamp: str, listed: Sequence[str]) -> bool:
    """Tell whether a time is in a list of dates, of which ``2001-02`` means all of February.

    Examples
    --------
    >>> is_listed("2001-02-03T06:00:00", ["2001-02-03"]), is_listed("2001-02-03T06:00:00", ["2002"])
    (True, False)
    """
    return any(stamp.startswith(text.replace(" ", "T")) for text in listed)
