"""What a recipe may say: sources, steps, dates, output, statistics and checks."""

import hashlib
import json
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from climbench.errors import nearest
from climbench.recipes.dates import DateText
from climbench.recipes.downloads.credentials import shown
from climbench.recipes.schema.climate_data_store import ClimateDataStore
from climbench.recipes.schema.climsim import ClimSim
from climbench.recipes.schema.cmip import EsgfSearch, PangeoCatalogue
from climbench.recipes.schema.emissions import Emissions
from climbench.recipes.schema.files import Files, as_list
from climbench.recipes.schema.global_means import GlobalMeans
from climbench.recipes.schema.simulated import (
    SimulatedAtmosphere,
    SimulatedEarth,
    SimulatedStations,
    SimulatedTelemetry,
)
from climbench.recipes.schema.simulated_columns import SimulatedColumns
from climbench.recipes.schema.synthetic import Synthetic
from climbench.recipes.schema.tables import Tables
from climbench.recipes.schema.weather2k import Weather2K
from climbench.recipes.steps import Step, parse_step
from climbench.recipes.strict import Strict

SEARCHES = ("pangeo_catalogue", "esgf_search")
"""Kinds of sources that ask an archive of CMIP."""

Source = Annotated[
    Files
    | ClimateDataStore
    | PangeoCatalogue
    | EsgfSearch
    | SimulatedAtmosphere
    | SimulatedEarth
    | SimulatedStations
    | SimulatedColumns
    | SimulatedTelemetry
    | Synthetic
    | Emissions
    | GlobalMeans
    | Tables
    | Weather2K
    | ClimSim,
    Field(discriminator="kind"),
]
"""One kind of archive each; a file of this package and one of ``sources`` belong to it."""
MADE = (
    SimulatedAtmosphere
    | SimulatedColumns
    | SimulatedEarth
    | SimulatedStations
    | SimulatedTelemetry
    | Synthetic
)
"""Kinds of sources that need no archive."""


class Dates(Strict):
    """The time axis of the store.

    Attributes
    ----------
    start, end
        First and last date; ``2001`` as the end means all of 2001.
    frequency
        Step as pandas spells it (``6h``, ``1D``, ``MS``); without it, the files' own steps are
        kept, and a jump of more than one and a half steps is a gap.
    missing
        Times that the archive is known to lack: left NaN instead of refused.
    """

    start: DateText
    end: DateText
    frequency: str | None = None
    missing: list[DateText] = Field(default_factory=list)

    @model_validator(mode="after")
    def _forwards(self) -> "Dates":
        length = min(len(self.start), len(self.end))  # 2001-05 to 2001 ends with the year
        if self.end[:length] < self.start[:length]:
            raise ValueError(
                f"the dates begin at {self.start} and end before, at {self.end}: exchange them"
            )
        return self


class Output(Strict):
    """How the store lies on disk.

    Attributes
    ----------
    dimension
        Dimension along which it is built: ``time``, or ``scenario`` where there is one.
    chunk, shard
        Entries of a chunk (one read) and of a shard (one file, one part of the build) along
        ``dimension``; by default about 1 MiB and 64 MiB of the largest variable.
    format
        ``zarr``, or ``icechunk`` for a repository whose versions are commits.
    """

    dimension: Literal["time", "scenario", "member"] | None = None
    chunk: Annotated[int, Field(ge=1)] | None = None
    shard: Annotated[int, Field(ge=1)] | None = None
    format: Literal["zarr", "icechunk"] = "zarr"


def _is_odd(window: int) -> int:
    if window % 2 == 0:
        raise ValueError(f"{window} days have no middle: take {window + 1}")
    return window


class Climatology(Strict):
    """The mean of each day of the year and hour in each cell, smoothed over days.

    Attributes
    ----------
    window
        Odd width of the smoothing in days; 1 means none.
    std
        Whether the standard deviation is kept too.
    variables
        Which variables; by default all fields along time.
    """

    window: Annotated[int, Field(ge=1, lt=366), AfterValidator(_is_odd)] = 61
    std: bool = False
    variables: list[str] | None = None


def _asked_for(climatology: Any) -> Any:
    """Return default options for ``true`` and none for ``false``."""
    return (
        (Climatology() if climatology else None) if isinstance(climatology, bool) else climatology
    )


class Statistics(Strict):
    """What the statistics of the store cover: the training data, not the years to be tested.

    Attributes
    ----------
    period
        First and last date, both included; all times by default.
    scenarios
        Only these scenarios; all by default.
    tendency_leads
        Hours over which the standard deviation of the change is taken as well as over one step,
        such as ``[6, 24, 72]``.
    climatology
        ``true``, or the options of a climatology of the period that is kept in the store.
    """

    period: tuple[DateText, DateText] | None = None
    scenarios: list[str] | None = None
    tendency_leads: list[Annotated[float, Field(gt=0)]] = Field(default_factory=list)
    climatology: Annotated[Climatology | None, BeforeValidator(_asked_for)] = None


class Checks(Strict):
    """What is looked for in every part.

    Attributes
    ----------
    missing_values
        Variables that may have fields without any value.
    constant_fields
        Variables that may be one number everywhere, or stand still for some steps.
    ranges
        Physical limits ``[lowest, highest]`` by variable, in place of those of the variable table.
    gaps
        ``allow`` for archives with holes by nature, such as winters only.
    """

    missing_values: list[str] = Field(default_factory=list)
    constant_fields: list[str] = Field(default_factory=list)
    ranges: dict[str, tuple[float, float]] = Field(default_factory=dict)
    gaps: Literal["refuse", "allow"] = "refuse"


class Recipe(Strict):
    """How an archive becomes a store.

    Attributes
    ----------
    name, description, licence, citation
        What it is, and what its owners ask for.
    size, period
        Of the whole archive, such as ``5.9 GB a year`` and ``1959/2023``, for `climbench list`.
    sources
        Where the fields come from; those with ``coordinates`` are laid along them, others are
        joined by their variables.
    steps
        What is done to the fields, in order.
    variables, levels
        What to keep in the end, by the names of the store; everything by default.
    dates, output, statistics, checks
        See there.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
    description: str
    licence: str
    citation: str
    size: str | None = None
    period: str | None = None
    sources: Annotated[list[Source], Field(min_length=1)]
    steps: list[Annotated[Step, BeforeValidator(parse_step)]] = Field(default_factory=list)
    variables: Annotated[list[str], Field(min_length=1)] | None = None
    levels: Annotated[list[float], Field(min_length=1)] | None = None
    dates: Dates | None = None
    output: Output = Output()
    statistics: Statistics = Statistics()
    checks: Checks = Checks()

    @model_validator(mode="before")
    @classmethod
    def _variables_of_searches(cls, value: Any) -> Any:
        """Let searches of CMIP that name no variables ask for those of the store."""
        if not isinstance(value, dict) or not value.get("variables"):
            return value
        sources = [
            {"variable_id": value["variables"], **one}
            if isinstance(one, dict) and one.get("kind") in SEARCHES
            else one
            for one in value.get("sources") or []
        ]
        return value | {"sources": sources}

    @model_validator(mode="after")
    def _dates_where_needed(self) -> "Recipe":
        addresses = [a for s in self.sources if isinstance(s, Files) for a in as_list(s.address)]
        simulated = self.simulated and not any(isinstance(s, SimulatedEarth) for s in self.sources)
        dated = any(word in a for a in addresses for word in ("{year}", "{month}", "{day}"))
        if self.dates is None and (simulated or dated):
            raise ValueError("'dates' is missing: these sources need to know the years")
        return self

    @model_validator(mode="after")
    def _checksums_of_files(self) -> "Recipe":
        """Refuse the checksum of a file that no source has: nothing would be checked."""
        files = [one for one in self.sources if isinstance(one, Files)]
        names = {name for one in files for name in one.file_names}
        for one in files:
            for name in (*one.sha256, *one.md5):
                if not any(fnmatchcase(name, pattern) for pattern in names):
                    hint = nearest(name, names)
                    raise ValueError(f"checksum of '{name}', which is none of the files: {hint}")
        return self

    @property
    def simulated(self) -> bool:
        """Whether fields come from the embedded planet, or are made up."""
        return any(isinstance(source, MADE) for source in self.sources)

    def resolved(self) -> dict[str, Any]:
        """Return the recipe with every default written out, as plain data without secrets."""
        content = self.model_dump(mode="json", exclude={"steps"})
        content["sources"] = json.loads(shown(json.dumps(content["sources"])))
        content["steps"] = [{step.name: step.model_dump(mode="json")} for step in self.steps]
        return content

    @property
    def hash(self) -> str:
        """SHA-256 of the resolved recipe as canonical JSON (sorted keys, no spaces).

        ``size`` and ``period`` of the archive are not in it: they change no store.
        """
        content = {k: v for k, v in self.resolved().items() if k not in ("size", "period")}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def years(dates: Dates) -> range:
    """Return the years that the dates touch.

    Examples
    --------
    >>> list(years(Dates(start="2001-12-31", end="2003")))
    [2001, 2002, 2003]
    """
    first, last = (int(text[:4]) for text in (dates.start, dates.end))
    return range(first, last + 1)
