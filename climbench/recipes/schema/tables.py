"""Tables of time series, as a recipe names them: telemetry, and records of stations."""

import re
from typing import Annotated, Any, Literal

import pandas as pd
from pandas.tseries.frequencies import to_offset
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from climbench.recipes.strict import Strict

Rule = Literal["mean", "last", "nearest", "min", "max", "sum"]


def nanoseconds(step: str) -> int:
    """Return the length of a step as pandas spells it.

    Raises
    ------
    ValueError
        If it has no fixed length, such as a month.

    Examples
    --------
    >>> nanoseconds("10min")
    600000000000
    """
    offset: Any = to_offset(step)
    return int(pd.Timedelta(offset).as_unit("ns").value)


def _is_step(text: str) -> str:
    try:
        step = nanoseconds(text)
    except (ValueError, TypeError) as error:
        raise ValueError(f"'{text}' is no step of a fixed length: write such as 10min") from error
    if step <= 0:
        raise ValueError(f"'{text}' is no step: it must be longer than nothing")
    return text


def _is_pattern(text: str) -> str:
    try:
        groups = re.compile(text).groups
    except re.error as error:
        raise ValueError(f"'{text}' is no regular expression: {error}") from error
    if not groups:
        raise ValueError(f"'{text}' has no group in brackets, which is the name: write one")
    return text


def _differ(names: list[str]) -> list[str]:
    again = [name for name in names if names.count(name) > 1]
    if again:
        raise ValueError(f"'names' has '{again[0]}' twice: give each column a name of its own")
    return names


def _is_place(value: Any) -> Any:
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise ValueError(
            f"{value} is no place: write latitude, longitude and altitude (null where unknown)"
        )
    return value


def _are_three(value: Any) -> Any:
    if value is not None and (not isinstance(value, list | tuple) or len(value) != 3):
        raise ValueError(
            f"'place_columns' is {value}: name three, of latitude, longitude and altitude"
        )
    return value


Pattern = Annotated[str, AfterValidator(_is_pattern)]
"""A regular expression, whose first group is a name."""
Place = Annotated[tuple[float, float, float | None], BeforeValidator(_is_place)]


class Resample(Strict):
    """A regular time axis, and what becomes of the samples between its times.

    The value at a time comes from the samples after the time before it up to it, so that nothing
    of the future is in it; only ``nearest`` looks half a step to both sides.

    Attributes
    ----------
    every
        Step of the axis, as pandas spells it: ``10min``, ``1h``.
    rule
        What is taken of the samples of a step.
    rules
        Another rule for some parameters, by their names in the store.
    valid
        Share of the samples that the usual step of a parameter gives which must have a value, for
        ``mean``, ``min``, ``max`` and ``sum``; with fewer the value is missing.
    """

    every: Annotated[str, AfterValidator(_is_step)]
    rule: Rule = "mean"
    rules: dict[str, Rule] = Field(default_factory=dict)
    valid: Annotated[float, Field(ge=0, le=1)] = 0.0


class Packed(Strict):
    """A number among others in one column, such as ISD's ``+0123,1``.

    Attributes
    ----------
    column
        The column.
    part
        Which of the parts between commas, from 0.
    scale
        What the number is divided by.
    missing
        The number that stands for a missing value, before it is divided.
    quality
        Which part is the quality code.
    good
        Quality codes that are taken; what has another is missing.
    """

    column: str
    part: Annotated[int, Field(ge=0)] = 0
    scale: float = 1.0
    missing: float | None = None
    quality: Annotated[int, Field(ge=0)] | None = None
    good: list[str] = Field(default_factory=list)


class Quality(Strict):
    """Quality codes in a column of their own beside each value.

    Attributes
    ----------
    suffix
        What the name of the code's column has more than that of the value.
    good
        Codes that are taken; a value with another one is missing.
    """

    suffix: str
    good: Annotated[list[str], Field(min_length=1)]


class Stations(Strict):
    """How the table says which station a row is of, and where that is.

    Attributes
    ----------
    column
        Column with the name.
    from_name
        Regular expression that finds it in the file name, as its first group.
    places
        Latitude (degrees north), longitude (degrees east) and altitude (m, null where unknown) by
        name.
    place_columns
        Columns of the three in the table itself.
    list
        Address of a JSON list of stations with ``id`` and ``location`` (``latitude``,
        ``longitude``, ``elevation``), as Meteostat has it.
    list_local
        The same below ``data_root``.
    names
        Only these stations.
    """

    column: str | None = None
    from_name: Pattern | None = None
    places: dict[str, Place] = Field(default_factory=dict)
    place_columns: Annotated[tuple[str, str, str] | None, BeforeValidator(_are_three)] = None
    list: str | None = None
    list_local: str | None = None
    names: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _one_way_each(self) -> "Stations":
        if (self.column is None) == (self.from_name is None):
            raise ValueError("stations need either 'column' or 'from_name'")
        if not (self.places or self.place_columns or self.list):
            raise ValueError("stations need 'places', 'place_columns' or 'list'")
        return self


class Tables(Strict):
    """Tables with a column of times: CSV, gzipped or not, or Parquet.

    Attributes
    ----------
    address, local, archive, mirrors, sha256, md5
        As for ``files``.
    time
        Column of the time, or columns of its parts (``[year, month, day, hour]`` or ``[date,
        hour]``); the first column by default.
    time_format
        As in :func:`time.strptime`, or ``unix`` (seconds) and ``unix_ms``; ISO 8601 by default.
    zone
        Zone of times that name none; ``as_written`` also takes times of several zones.
    separator, decimal
        Of the columns (found out by default) and of the decimals.
    names
        Names of the columns where the table has no header.
    skip_rows
        Lines before the header.
    units_row
        Whether the line below the header holds the units.
    units
        Units by column, where they are not in the table.
    variables, drop
        Columns to read, or columns to leave out; all by default.
    rename
        Columns to names in the store.
    missing
        Numbers and texts that stand for a missing value, besides empty fields, NA, NaN and null.
    compass
        Columns of wind directions as letters (``NNW``), to be read as degrees.
    packed
        Variables in the store that are parts of a column.
    quality
        Quality codes beside the values.
    order
        ``sort`` where the clock may go backwards; refused by default.
    duplicates
        Which row counts of several at one time; refused by default.
    parameter, value
        In a table of one value a row: columns of the parameter's name and of the value.
    parameter_from_name
        Where each file holds one parameter: regular expression that finds its name in that of the
        file.
    stations
        Where each row is of a station.
    resample
        A regular axis; without it the times stay as they are.
    """

    kind: Literal["tables"]
    address: str | list[str]
    local: str | list[str] | None = None
    archive: str | list[str] | None = None
    mirrors: list[str] = Field(default_factory=list)
    sha256: dict[str, str] = Field(default_factory=dict)
    md5: dict[str, str] = Field(default_factory=dict)
    time: str | list[str] | None = None
    time_format: str | None = None
    zone: str = "UTC"
    separator: Annotated[str, Field(min_length=1)] | None = None
    decimal: Literal[".", ","] = "."
    names: Annotated[list[str], AfterValidator(_differ)] | None = None
    skip_rows: Annotated[int, Field(ge=0)] = 0
    units_row: bool = False
    units: dict[str, str] = Field(default_factory=dict)
    variables: list[str] | None = None
    drop: list[str] = Field(default_factory=list)
    rename: dict[str, str] = Field(default_factory=dict)
    missing: list[float | str] = Field(default_factory=list)
    compass: list[str] = Field(default_factory=list)
    packed: dict[str, Packed] = Field(default_factory=dict)
    quality: Quality | None = None
    order: Literal["refuse", "sort"] = "refuse"
    duplicates: Literal["refuse", "first", "last"] = "refuse"
    parameter: str | None = None
    value: str | None = None
    parameter_from_name: Pattern | None = None
    stations: Stations | None = None
    resample: Resample | None = None

    @model_validator(mode="after")
    def _one_axis(self) -> "Tables":
        several = self.stations or self.parameter or self.parameter_from_name
        if several and self.resample is None:
            raise ValueError(
                "stations and parameters with times of their own need 'resample' to lie on one axis"
            )
        if (self.parameter is None) != (self.value is None):
            raise ValueError("'parameter' and 'value' belong together")
        return self
