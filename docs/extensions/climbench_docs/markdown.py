"""Tables and values as Markdown."""

import json
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

NAMES = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    Path: "path",
    type(None): "null",
    Any: "any",
}


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; empty where it has no row."""
    lines = [_row(heading), _row(["---"] * len(heading)), *map(_row, rows)]
    return "\n".join(lines) + "\n\n" if len(lines) > 2 else ""


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"


def value(given: Any) -> str:
    """Return a value as one writes it in YAML, as code."""
    if given == "???":
        return "**needed**"
    if isinstance(given, Path):
        given = str(given)
    if isinstance(given, tuple | set | frozenset):
        given = list(given)
    if isinstance(given, float):
        return f"`{given:g}`"
    text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False, default=str)
    return f"`{text}`" if text else '`""`'


def kind(hint: Any) -> str:
    """Return the type of an option in words.

    Examples
    --------
    >>> kind(int | None)
    'whole number or null'
    """
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return kind(parts[0])
    if origin is typing.Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin in (typing.Union, types.UnionType):
        files = any(part is Path for part in parts)  # what stands beside them is Python's
        plain = [
            part for part in parts if not (files and getattr(part, "__name__", "") == "Dataset")
        ]
        return " or ".join(dict.fromkeys(map(kind, plain)))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "options"
    if isinstance(origin, type) and issubclass(origin, Sequence | set | frozenset):
        inner = [part for part in parts if part is not Ellipsis]
        return "list of " + ", ".join(dict.fromkeys(map(kind, inner)))
    if hint in NAMES:
        return NAMES[hint]
    return f"`{getattr(hint, '__name__', hint)}`"


def kind_of_value(given: Any) -> str:
    """Return the type of a default where nothing else tells it."""
    if given is None or given == "???":
        return ""
    if isinstance(given, list | tuple):
        return "list"
    return "options" if isinstance(given, Mapping) else kind(type(given))
