"""Rules of the gate: what a candidate's scores must do against a reference's."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import xarray as xr
import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from climbench.errors import UserError, nearest

REFERENCE = "reference"
"""Stands for the model that the gate is given as reference."""
FEWEST_DRAWS = 100  # fewer say nothing about the ends of a 95 % interval
MOST_DRAWS = 100_000  # memory and time grow with them; more change no digit that is shown


def listed(given: Any) -> Any:
    """Return one value as a list of one, and ``"*"`` as None, which stands for all.

    Examples
    --------
    >>> listed("*"), listed(["*"]), listed("rmse"), listed(["rmse", "acc"])
    (None, None, ['rmse'], ['rmse', 'acc'])
    """
    return (
        None
        if given in ("*", ["*"])
        else [given]
        if isinstance(given, str | int | float)
        else given
    )


Names = Annotated[Annotated[list[str], Field(min_length=1)] | None, BeforeValidator(listed)]
Hours = Annotated[Annotated[list[float], Field(min_length=1)] | None, BeforeValidator(listed)]


def enough_draws(draws: int) -> int:
    """Refuse a few draws, of which the ends of an interval would be the extremes."""
    if 0 < draws < FEWEST_DRAWS:
        raise ValueError(f"give at least {FEWEST_DRAWS} draws, or 0 for none")
    return draws


Draws = Annotated[int, Field(ge=0, le=MOST_DRAWS), AfterValidator(enough_draws)]


class Checked(BaseModel):
    """What a user wrote, checked: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value(cls, given: Any) -> Any:
        """Refuse ``true``, which would count as 1."""
        if isinstance(given, bool) or (isinstance(given, list) and True in map(_is_bool, given)):
            raise ValueError("true and false mean nothing here")
        return given

    @classmethod
    def parse(cls, values: Any, source: str) -> Self:
        """Return the checked values.

        Parameters
        ----------
        values
            What was read.
        source
            What the sentence about a mistake begins with.

        Raises
        ------
        UserError
            If a key or value is wrong; the sentence names it, and the nearest valid key.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise UserError(f"{source}: {_mistake(error, cls)}") from error


def _is_bool(given: Any) -> bool:
    return isinstance(given, bool)


class Selection(Checked):
    """Which scores are meant; ``"*"`` takes all that there are.

    Attributes
    ----------
    variables
        Names of variables (all their levels) or of channels.
    leads
        Lead times in hours.
    regions, scenarios
        Names.
    """

    variables: Names = None
    leads: Hours = None
    regions: Names = None
    scenarios: Names = None

    def labels(self, scores: xr.Dataset, opening: str = "The") -> dict[str, list[Any]]:
        """Return the labels of the chosen scores along ``channel``, the condition and ``region``.

        Parameters
        ----------
        scores
            Scores of one model.
        opening
            How the sentence about a mistake begins.

        Raises
        ------
        UserError
            If a name is not there; the sentence names the nearest one.
        """
        opening = f"{opening} scores of '{scores['model'].item()}'"
        chosen: dict[str, list[Any]] = {"channel": self._channels(scores, opening)}
        if "lead_time" in scores.dims:
            if self.scenarios is not None:
                raise UserError(f"{opening} have no 'scenarios': choose 'leads'.")
            chosen["lead_time"] = self._leads(scores, opening)
        else:
            if self.leads is not None:
                raise UserError(f"{opening} have no 'leads': choose 'scenarios'.")
            chosen["scenario"] = chosen_names(self.scenarios, scores["scenario"], opening)
        chosen["region"] = chosen_names(self.regions, scores["region"], opening)
        return chosen

    def _channels(self, scores: xr.Dataset, opening: str) -> list[str]:
        pairs = [
            (str(channel.item()), str(channel["variable"].item())) for channel in scores["channel"]
        ]
        known = xr.DataArray(list({name: 0 for pair in pairs for name in pair}), name="variable")
        wanted = set(chosen_names(self.variables, known, opening))
        return [channel for channel, variable in pairs if {channel, variable} & wanted]

    def _leads(self, scores: xr.Dataset, opening: str) -> list[float]:
        scored = [float(hours) for hours in scores["lead_time"].to_numpy()]
        for lead in self.leads or []:
            if not np.isclose(lead, scored).any():
                hours = ", ".join(f"{hours:g}" for hours in scored)
                raise UserError(f"{opening} have no lead time of {lead:g} h: there are {hours} h.")
        return [
            hours for hours in scored if self.leads is None or np.isclose(hours, self.leads).any()
        ]


def chosen_names(wanted: Sequence[str] | None, known: xr.DataArray, opening: str) -> list[str]:
    """Return the labels of a coordinate that are wanted, all where that is None.

    Raises
    ------
    UserError
        If a label is not there; the sentence ends with the nearest one.
    """
    names = [str(name) for name in known.to_numpy()]
    for name in wanted or []:
        if name not in names:
            raise UserError(f"{opening} have no {known.name} '{name}': {nearest(name, names)}")
    return [name for name in names if wanted is None or name in wanted]


class Rule(Selection):
    """One demand on a candidate's scores.

    Exactly one of ``better_than`` and ``not_worse_than`` is given: ``reference``, or the name of
    a model.

    Attributes
    ----------
    metric
        Label of the metric in the scores.
    better_than
        Passes where the candidate is ahead by more than ``margin`` and that is significant.
    not_worse_than
        Fails where the candidate is behind by more than ``margin`` and that is significant.
    regions
        As in :class:`Selection`, but ``global`` alone if nothing is given.
    margin
        Share of the reference's score.
    confidence
        A difference is significant if the paired block bootstrap says so at this confidence.
        Where there are no samples to draw from (climate runs), or with ``null``, the scores alone
        decide.
    noise
        With ``internal_variability`` a difference must also exceed what the finite ensemble
        behind the truth explains (``score_noise`` in the scores);
        ``internal_variability_if_known`` asks that only where the truth had members.
    """

    metric: str
    regions: Names = Field(default_factory=lambda: ["global"])
    better_than: str | None = Field(default=None, min_length=1)
    not_worse_than: str | None = Field(default=None, min_length=1)
    margin: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    confidence: float | None = Field(default=0.95, gt=0, lt=1)
    noise: Literal["internal_variability", "internal_variability_if_known"] | None = None

    @field_validator("regions", mode="before")
    @classmethod
    def _no_null(cls, given: Any) -> Any:
        if given is None:
            raise ValueError("give names, or '*' for all")
        return given

    @model_validator(mode="after")
    def _one_demand(self) -> Self:
        if (self.better_than is None) == (self.not_worse_than is None):
            raise ValueError("give one of 'better_than' and 'not_worse_than'")
        if self.noise is not None and self.confidence is None:
            raise ValueError("'noise' needs a 'confidence'")
        return self

    @property
    def against(self) -> str:
        """The model that the candidate is held against, or ``reference``."""
        return self.better_than or self.not_worse_than or REFERENCE

    @property
    def wants_better(self) -> bool:
        """Whether the candidate must be ahead, rather than not behind."""
        return self.better_than is not None


class GateRules(Checked):
    """A named list of rules (``conf/gate/*.yaml``).

    Attributes
    ----------
    name
        Of the gate, in its summary.
    description
        What the rules ask for, in a sentence.
    bootstrap
        Draws of the paired bootstrap: at least 100, or 0: the scores alone decide.
    seed
        Of the draws.
    rules
        Each a :class:`Rule`; all must be kept.
    """

    name: str
    description: str = ""
    bootstrap: Draws = 1000
    seed: int = Field(default=0, ge=0)
    rules: list[Rule] = Field(min_length=1)


class _Unique(yaml.SafeLoader):
    """YAML in which no key is given twice: of two, the first would silently not count."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen if isinstance(key, yaml.ScalarNode) else False:
                line = key.start_mark.line + 1
                raise yaml.YAMLError(f"'{key.value}' is given twice, again in line {line}")
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def load_rules(path: Path) -> GateRules:
    """Read rules from YAML.

    Raises
    ------
    UserError
        If the file is missing, is no YAML, or has a key or value that rules do not know.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Unique)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise UserError(f"The rules {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"The rules {path} are not valid YAML: {reason}") from error
    return GateRules.parse(values, f"The rules {path}")


PLAIN = {  # what pydantic says about Python's types
    "missing": "this key is needed",
    "model_type": "write keys and values",
    "dict_type": "write keys and values",
    "list_type": "write a list",
    "too_short": "give at least one",
}


def _mistake(error: ValidationError, kind: type[BaseModel]) -> str:
    """Return the first thing that is wrong, as the rest of a sentence; an unknown key is first."""
    first = min(error.errors(), key=lambda mistake: mistake["type"] != "extra_forbidden")
    place = list(first["loc"])
    if place[:1] == ["rules"] and len(place) > 1:
        place = [f"rule {int(place[1]) + 1}", *place[2:]]
    words = ", ".join(part for part in place if isinstance(part, str))
    if first["type"] == "extra_forbidden":
        known = Rule.model_fields if len(place) > 1 else kind.model_fields
        return f"{words} is no key: {nearest(str(place[-1]), known)}"
    reason = PLAIN.get(first["type"], first["msg"].removeprefix("Value error, "))
    return f"{words or 'the whole'}: {reason[0].lower()}{reason[1:]}."
