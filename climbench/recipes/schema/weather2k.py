"""The arrays of Weather2K, as a recipe names them."""

from typing import Annotated, Literal

from pydantic import Field

from climbench.recipes.dates import DateText
from climbench.recipes.strict import Strict


class Weather2K(Strict):
    """A NumPy array ``[station, factor, time]`` of Weather2K; which version, its shape tells.

    Version 1 has 23 factors every hour, version 2 has 13 every three hours; the first three of both
    are latitude, longitude and altitude.

    Attributes
    ----------
    address, local, mirrors, sha256, md5
        As for ``files``.
    start
        Time of the first column.
    variables
        Factors to keep, by their names in the archive (``t``, ``rh``); all by default.
    stations
        Numbers of stations to keep, from 0; all by default.
    missing
        Numbers that stand for a missing value, besides NaN.
    """

    kind: Literal["weather2k"]
    address: str
    local: str | None = None
    mirrors: list[str] = Field(default_factory=list)
    sha256: dict[str, str] = Field(default_factory=dict)
    md5: dict[str, str] = Field(default_factory=dict)
    start: DateText = "2017-01-01"
    variables: list[str] | None = None
    stations: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] | None = None
    missing: list[float] = Field(default_factory=list)
