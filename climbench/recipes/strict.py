"""The base of every option group of a recipe: nothing unknown, nothing changed."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from climbench.errors import nearest


class Strict(BaseModel):
    """Options that are checked as written; an unknown one is named with its nearest neighbour."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _known_options(cls, value: Any) -> Any:
        names = {field.alias or name for name, field in cls.model_fields.items()}
        for key in value if isinstance(value, dict) else ():
            if key not in names:
                raise PydanticCustomError(
                    "unknown_option",
                    "unknown option '{key}': {hint}",
                    {"key": str(key), "hint": nearest(str(key), names)},
                )
        return value
