"""What a recipe may say: sources, steps, dates, output, statistics and checks."""

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from climbench.recipes.dates import DateText
from climbench.recipes.steps import Step, parse_step
from climbench.recipes.strict import Strict

Label = str | int | float
ModelNumber = Annotated[int, Field(ge=0)]


class Files(Strict):
    r"""Files of an archive: NetCDF, GRIB or Zarr.

    Attributes
    ----------
    address
        Where anybody finds them: fsspec addresses or globs; ``{year}`` stands for each year of
        ``dates``.
    local
        The same files below ``data_root``; used when the caller gives a ``data_root``.
    archive
        Members to take where the address is a tar or zip file: names or globs. Members that lie
        unpacked beside a local archive are found as well.
    coordinates
        Coordinates that the files do not carry, such as ``{scenario: ssp126, member: r1}``. A list
        stands for as many sources: ``{scenario: [ssp126, ssp245]}``, with ``{scenario}`` in
        ``address``, ``local`` or ``archive``.
    variables
        Variables to read, by their names in the archive, global series among them; all gridded
        ones by default.
    annual
        Years instead of the files' own times, each stamped the first of July, so that archives of
        different calendars fit on one axis: ``mean`` of the twelve months by their lengths, or
        what already is one field per year; ``interpolated`` also fills the years between.
    rename
        Names in the archive to names here, before sources are joined.
    relabel
        New spelling of labels by dimension, as regular expressions and what becomes of them:
        ``{member: {'r(\d+)i(\d+)f(\d+)p(\d+)': 'r\1i\2p\4f\3'}}``.
    units
        Units of variables whose files give none or a wrong one.
    keys
        GRIB keys that pick messages, such as ``{typeOfLevel: isobaricInhPa}``.
    sha256
        Published checksums by file name; another content is refused.
    """

    kind: Literal["files"]
    address: str | list[str]
    local: str | list[str] | None = None
    archive: str | list[str] | None = None
    coordinates: dict[str, Label | list[Label]] = Field(default_factory=dict)
    variables: list[str] | None = None
    annual: Literal["mean", "interpolated"] | None = None
    rename: dict[str, str] = Field(default_factory=dict)
    relabel: dict[str, dict[str, str]] = Field(default_factory=dict)
    units: dict[str, str] = Field(default_factory=dict)
    keys: dict[str, str | int] = Field(default_factory=dict)
    sha256: dict[str, str] = Field(default_factory=dict)


class SimulatedAtmosphere(Strict):
    """The embedded planet's weather, from 2000-01-01 on, every six hours.

    Attributes
    ----------
    seed
        Seed of the initial perturbation; the same seed gives the same bytes.
    """

    kind: Literal["simulated_atmosphere"]
    seed: int = 0


class SimulatedEarth(Strict):
    """The embedded planet's climate under emission scenarios, year by year.

    Attributes
    ----------
    scenarios
        Names as in CMIP6: ``historical``, ``ssp126`` ...
    members
        Number of ensemble members.
    model
        Which drawn "climate model": 0 has the central parameters. A list gives a store with the
        dimension ``source_id``, whose labels are ``planet-NUMBER``.
    variables
        Of ``tas``, ``pr``, ``diurnal_temperature_range`` and ``pr90``.
    emission_maps
        Whether sulphur dioxide and black carbon are maps (kg m-2 s-1) instead of totals (Mt yr-1).
    grid
        ``planet``: 32 x 64 cells of 5.625 degrees; ``climatebench``: 96 x 144, poles included.
    seed
        Seed of the parameters and of the internal variability.
    """

    kind: Literal["simulated_earth"]
    scenarios: Annotated[list[str], Field(min_length=1)]
    members: Annotated[int, Field(ge=1)] = 1
    model: ModelNumber | Annotated[list[ModelNumber], Field(min_length=1)] = 0
    variables: Annotated[list[str], Field(min_length=1)] = Field(
        default_factory=lambda: ["tas", "pr"]
    )
    emission_maps: bool = False
    grid: Literal["planet", "climatebench"] = "planet"
    seed: int = 0


class Emissions(Strict):
    """Global emissions of the SSP scenarios, for the scenarios and years of the other sources.

    Attributes
    ----------
    variables
        Which of them; all by default.
    address
        An RCMIP table (csv, gzipped or not) in place of climbench's own, which is the same
        protocol's with every tenth year.
    local
        The same table below ``data_root``.
    """

    kind: Literal["emissions"]
    variables: list[str] | None = None
    address: str | None = None
    local: str | None = None


Source = Annotated[
    Files | SimulatedAtmosphere | SimulatedEarth | Emissions, Field(discriminator="kind")
]


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


class Output(Strict):
    """How the store lies on disk.

    Attributes
    ----------
    dimension
        Dimension along which it is built: ``time``, or ``scenario`` where there is one.
    chunk, shard
        Entries of a chunk (one read) and of a shard (one file, one part of the build) along
        ``dimension``; by default about 1 MiB and 64 MiB of the largest variable.
    """

    dimension: Literal["time", "scenario", "member"] | None = None
    chunk: Annotated[int, Field(ge=1)] | None = None
    shard: Annotated[int, Field(ge=1)] | None = None


class Statistics(Strict):
    """What the statistics of the store cover: the training data, not the years to be tested.

    Attributes
    ----------
    period
        First and last date, both included; all times by default.
    scenarios
        Only these scenarios; all by default.
    """

    period: tuple[DateText, DateText] | None = None
    scenarios: list[str] | None = None


class Checks(Strict):
    """What is looked for in every part.

    Attributes
    ----------
    missing_values
        Variables that may have fields without any value.
    ranges
        Physical limits ``[lowest, highest]`` by variable, in place of those of the variable table.
    gaps
        ``allow`` for archives with holes by nature, such as winters only.
    """

    missing_values: list[str] = Field(default_factory=list)
    ranges: dict[str, tuple[float, float]] = Field(default_factory=dict)
    gaps: Literal["refuse", "allow"] = "refuse"


class Recipe(Strict):
    """How an archive becomes a store.

    Attributes
    ----------
    name, description, licence, citation
        What it is, and what its owners ask for.
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
    sources: Annotated[list[Source], Field(min_length=1)]
    steps: list[Annotated[Step, BeforeValidator(parse_step)]] = Field(default_factory=list)
    variables: list[str] | None = None
    levels: list[float] | None = None
    dates: Dates | None = None
    output: Output = Output()
    statistics: Statistics = Statistics()
    checks: Checks = Checks()

    @model_validator(mode="after")
    def _dates_where_needed(self) -> "Recipe":
        addresses = [a for s in self.sources if isinstance(s, Files) for a in as_list(s.address)]
        simulated = any(isinstance(s, SimulatedAtmosphere) for s in self.sources)
        if self.dates is None and (simulated or any("{year}" in a for a in addresses)):
            raise ValueError("'dates' is missing: these sources need to know the years")
        return self

    @property
    def simulated(self) -> bool:
        """Whether the fields come from the embedded planet."""
        return any(isinstance(s, SimulatedAtmosphere | SimulatedEarth) for s in self.sources)

    def resolved(self) -> dict[str, Any]:
        """Return the recipe with every default written out, as plain data."""
        content = self.model_dump(mode="json", exclude={"steps"})
        content["steps"] = [{step.name: step.model_dump(mode="json")} for step in self.steps]
        return content

    @property
    def hash(self) -> str:
        """SHA-256 of the resolved recipe as canonical JSON (sorted keys, no spaces)."""
        text = json.dumps(self.resolved(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def as_list(value: str | list[str]) -> list[str]:
    """Return a single text as a list of one.

    Examples
    --------
    >>> as_list("a"), as_list(["a", "b"])
    (['a'], ['a', 'b'])
    """
    return [value] if isinstance(value, str) else value


def years(dates: Dates) -> range:
    """Return the years that the dates touch.

    Examples
    --------
    >>> list(years(Dates(start="2001-12-31", end="2003")))
    [2001, 2002, 2003]
    """
    first, last = (int(text[:4]) for text in (dates.start, dates.end))
    return range(first, last + 1)
