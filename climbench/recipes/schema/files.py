"""Files of an archive, as a recipe names them."""

import re
from typing import Annotated, Literal

import pandas as pd
from pydantic import AfterValidator, Field, model_validator

from climbench.errors import UserError
from climbench.recipes.dates import DateText
from climbench.recipes.downloads.credentials import check_address
from climbench.recipes.steps.regrid import Regrid
from climbench.recipes.steps.select import Select
from climbench.recipes.strict import Strict

Label = str | int | float


def is_length(text: str) -> str:
    """Return a length of time as it is written.

    Raises
    ------
    ValueError
        If pandas does not know it.
    """
    try:
        pd.Timedelta(text)
    except ValueError as error:
        raise ValueError(f"'{text}' is no length of time: write such as -30min") from error
    return text


class Quantile(Strict):
    """A quantile of the days of a year, as ClimateBench's ``pr90``.

    Attributes
    ----------
    quantile
        Share of the days that are below it; between two of them it is linear.
    """

    quantile: Annotated[float, Field(gt=0, lt=1)]


class Files(Strict):
    r"""Files of an archive: NetCDF, GRIB, Zarr, GeoTIFF or BIL.

    Attributes
    ----------
    address
        Where anybody finds them: fsspec addresses or globs; ``{year}``, ``{month}`` and ``{day}``
        stand for each of ``dates`` that is not among those known to be missing.
    local
        The same files below ``data_root``; used when the caller gives a ``data_root``.
    archive
        Members to take where the address is a tar or zip file, or one file in gzip: names or globs,
        ``inner.zip/*.csv`` those of an archive inside. Members that lie unpacked beside a local
        archive are found as well.
    by_date
        Words in addresses that change with the date, by the date from which each is right:
        ``{stream: {1980-01-01: 100, 1992-01-01: 200}}``.
    coordinates
        Coordinates that the files do not carry, such as ``{scenario: ssp126, member: r1}``. A list
        stands for as many sources: ``{scenario: [ssp126, ssp245]}``, with ``{scenario}`` in
        ``address``, ``local`` or ``archive``.
    variables
        Variables to read, by their names in the archive, global series among them; all gridded
        ones by default.
    annual
        Years instead of the files' own times, each stamped the first of July, so that archives of
        different calendars fit on one axis: ``mean`` of the days or of the twelve months by their
        lengths, or what already is one field per year; ``interpolated`` also fills the years
        between; ``seasons`` adds ``tas_djf``, ``tas_mam``, ``tas_jja`` and ``tas_son`` to the mean
        ``tas``, each December in the winter of the next year, so the first winter is missing;
        ``{quantile: 0.9}`` that quantile of a year's days.
    rename
        Names in the archive to names here, before sources are joined.
    relabel
        New spelling of labels by dimension, as regular expressions and what becomes of them:
        ``{member: {'r(\d+)i(\d+)f(\d+)p(\d+)': 'r\1i\2p\4f\3'}}``.
    units
        Units of variables whose files give none or a wrong one.
    axes
        Axes that files do not declare: ``{x: longitude, y: latitude}``. What is called ``level`` in
        this way and is no pressure is kept as the numbers of model levels.
    calendar
        Calendar of files that name none, or a wrong one, such as ``noleap``.
    time_from_name
        Where the time stands in the file name only: that part of it, such as ``%Y%m%d``.
    time_shift
        What is added to every time, as pandas spells it: ``-30min`` stamps means of an hour with
        its beginning that are stamped with its middle.
    fixed
        Whether the field does not vary: the time of its file is left out, and several of them are
        refused unless the field is the same at all.
    series
        Whether the variables are series in time of one place, or of members, such as telemetry.
    stations
        Name of the dimension along which the files have stations, each with a place.
    one_level
        Whether the pressure level of files that have just one is left out, as the new name of the
        variable says it: ``{z: geopotential_500}``.
    flatten
        Whether fields on curvilinear, rotated, reduced or unstructured grids become fields on
        ``column`` with the latitude and longitude of each cell, for ``regrid`` with ``nearest``.
    select
        What to take of each file before anything is read, as the step of this name:
        ``{every: {time: 6}}`` makes six-hourly fields of hourly ones.
    regrid
        Onto another grid before sources are joined, as the step of this name: climate models have
        a grid each.
    keys
        GRIB keys that pick messages, such as ``{typeOfLevel: isobaricInhPa}``.
    mirrors
        Where the same files are as well, tried in this order when ``address`` fails: folders, with
        a slash at the end, or the other addresses of one file.
    sha256, md5
        Published checksums by file name; another content is refused. Of a file that is in both,
        the SHA-256 counts.
    sizes
        Published sizes by file name, bytes, which a plan adds up.
    """

    kind: Literal["files"]
    address: str | list[str]
    local: str | list[str] | None = None
    archive: str | list[str] | None = None
    by_date: dict[str, dict[DateText, Label]] = Field(default_factory=dict)
    coordinates: dict[str, Label | list[Label]] = Field(default_factory=dict)
    variables: list[str] | None = None
    annual: Literal["mean", "interpolated", "seasons"] | Quantile | None = None
    rename: dict[str, str] = Field(default_factory=dict)
    relabel: dict[str, dict[str, str]] = Field(default_factory=dict)
    units: dict[str, str] = Field(default_factory=dict)
    axes: dict[str, Literal["time", "level", "latitude", "longitude"]] = Field(default_factory=dict)
    calendar: str | None = None
    time_from_name: str | None = None
    time_shift: Annotated[str, AfterValidator(is_length)] | None = None
    fixed: bool = False
    series: bool = False
    stations: str | None = None
    one_level: bool = False
    flatten: bool = False
    select: Select | None = None
    regrid: Regrid | None = None
    keys: dict[str, str | int] = Field(default_factory=dict)
    mirrors: list[str] = Field(default_factory=list)
    sha256: dict[str, str] = Field(default_factory=dict)
    md5: dict[str, str] = Field(default_factory=dict)
    sizes: dict[str, int] = Field(default_factory=dict, exclude=True)

    @model_validator(mode="after")
    def _without_passwords(self) -> "Files":
        for address in (*as_list(self.address), *self.mirrors):
            try:
                check_address(address)
            except UserError as error:
                raise ValueError(str(error)) from error
        return self

    @property
    def file_names(self) -> list[str]:
        """Names of the files as globs; what stands for dates and labels may be anything."""
        texts = [*as_list(self.address), *as_list(self.local or [])]
        texts += [text.partition("?")[0] for text in texts]  # a query, or a sign of a glob
        return [re.sub(r"\{\w+\}", "*", text.rstrip("/").rsplit("/", 1)[-1]) for text in texts]


def as_list(value: str | list[str]) -> list[str]:
    """Return a single text as a list of one.

    Examples
    --------
    >>> as_list("a"), as_list(["a", "b"])
    (['a'], ['a', 'b'])
    """
    return [value] if isinstance(value, str) else value
