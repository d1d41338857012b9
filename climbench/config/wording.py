"""What is wrong with an option, in the words of somebody who writes YAML."""

import inspect
import typing
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from climbench.errors import nearest

WORDS = {
    "tuple_type": "give a list, such as [24] or [FIRST,LAST]",
    "list_type": "give a list, such as [24]",
    "dict_type": "give options, such as {latitude: [30, 60]}",
    "string_type": "give a text",
    "int_type": "give a whole number",
    "int_parsing": "give a whole number",
    "float_type": "give a number",
    "float_parsing": "give a number",
    "bool_type": "give true or false",
    "bool_parsing": "give true or false",
}


def wrong(error: ValidationError, schema: type[BaseModel] | None = None) -> tuple[str, str]:
    """Return the option that is wrong first, and why or what to write instead, to its full stop.

    Parameters
    ----------
    error
        Of an option, or of many.
    schema
        What the options were checked against: its fields are the names that are valid.
    """
    mistakes = error.errors()
    place = mistakes[0]["loc"]
    if mistakes[0]["type"] == "extra_forbidden" and schema is not None:
        names = _fields(schema, place[:-1])
        reason = "there is no such option" + (
            f": {nearest(str(place[-1]), names)}" if names else ""
        )
    elif schema is None:  # one option, which may be of several kinds
        reason = " or ".join(dict.fromkeys(_words(mistake) for mistake in mistakes))
    else:
        reason = _words(mistakes[0])
    return ".".join(str(part) for part in place), reason + ("" if reason[-1] == "?" else ".")


def _words(mistake: Any) -> str:
    if mistake["type"] == "missing" and mistake["loc"] and isinstance(mistake["loc"][-1], int):
        return "it has too few values, such as FIRST without LAST"
    said = str(mistake["msg"]).removeprefix("Value error, ")
    return WORDS.get(mistake["type"], said[:1].lower() + said[1:])


def _fields(schema: type[BaseModel], place: Sequence[int | str]) -> list[str]:
    """Return the options of the schema at a place within another."""
    known: type[BaseModel] | None = schema
    for key in place:
        if known is not None and key in known.model_fields:
            known = next(_schemas(known.model_fields[str(key)].annotation), None)
    return [] if known is None else list(known.model_fields)


def _schemas(annotation: Any) -> Iterator[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _schemas(part)
