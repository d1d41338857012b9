"""Rules of the gate: what a candidate's scores must do against a reference's."""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from climbench.errors import UserError, nearest


class Rule(BaseModel):
    """One demand on a candidate's scores; ``"*"`` takes all that the reference has.

    ``better`` passes where the candidate beats the reference by more than ``margin`` (a share
    of the reference's score) and the paired bootstrap says so at ``confidence``. ``not_worse``
    passes unless the candidate is behind by more than ``margin`` and the bootstrap says so.
    Without samples to draw from (climate runs), or with ``confidence: null``, the scores alone
    decide.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str
    channel: str = "*"
    lead_time: float | Literal["*"] = "*"
    scenario: str = "*"
    region: str = "global"
    compare: Literal["better", "not_worse"] = "better"
    margin: float = Field(default=0.0, ge=0)
    confidence: float | None = Field(default=0.95, gt=0, lt=1)
    reference: str | None = None


class GateRules(BaseModel):
    """A named list of rules (``conf/gate/*.yaml``)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: str = ""
    draws: int = Field(default=1000, ge=1)
    seed: int = 0
    rules: list[Rule] = Field(min_length=1)


def load_rules(path: Path) -> GateRules:
    """Read rules from YAML.

    Raises
    ------
    UserError
        If the file is missing, is no YAML, or has a key or value that rules do not know.
    """
    try:
        return GateRules.model_validate(yaml.safe_load(path.read_text()))
    except OSError as error:
        raise UserError(f"The rules {path} cannot be read: {error.strerror}.") from error
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"The rules {path} are not valid YAML: {reason}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        known = {*Rule.model_fields, *GateRules.model_fields}
        hint = f" {nearest(str(first['loc'][-1]), known)}" if "extra" in first["type"] else ""
        raise UserError(f"The rules {path}: {place}: {first['msg'].lower()}.{hint}") from error
