"""Reading recipes: YAML with the line of every option, composed, overridden and checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from climbench.config.folders import recipe_folder
from climbench.errors import UserError, nearest
from climbench.recipes.schema import Recipe
from climbench.recipes.schema.cmip import FACETS
from climbench.recipes.schema.recipe import SEARCHES

try:
    from yaml import CSafeLoader as _SafeLoader  # reads five times as fast
except ImportError:  # PyYAML without its C library
    from yaml import SafeLoader as _SafeLoader  # type: ignore[assignment]

Place = tuple[str | int, ...]
Marks = dict[Place, str]


class _Loader(_SafeLoader):
    """Plain values, dates as the texts that they are: 2000-02-30 is one in some calendars."""

    yaml_implicit_resolvers = {  # noqa: RUF012  as its base has it
        sign: [one for one in known if not one[0].endswith(":timestamp")]
        for sign, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def list_recipes() -> dict[str, str]:
    """Return the description of each recipe of the package, by name."""
    return {
        path.stem: str(_read(path)[0].get("description", "")).strip()
        for path in sorted(recipe_folder().glob("*.yaml"))
    }


def load_recipe(name_or_path: str, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Return a checked recipe.

    Parameters
    ----------
    name_or_path
        Name of a recipe of the package, or path of a YAML file.
    overrides
        What differs, merged into the recipe: mappings key by key, all else replaced. A text as
        ``dates`` means ``start/end``; words of a search such as ``source_id`` go into the sources
        that search CMIP6.

    Raises
    ------
    UserError
        If there is no such recipe, its YAML cannot be parsed, or an option is unknown, missing or
        wrong; the sentence names file, line and the nearest valid name.
    """
    path = _find(name_or_path, recipe_folder())
    data, marks = _compose(path)
    if overrides:
        overrides = _with_searches(overrides, data)
        data, marks = _merge(data, marks, dict(overrides), _command_line(overrides))
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise UserError(_sentence(error, marks, path)) from error


def _with_searches(overrides: Mapping[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """Return the overrides with the words of a search inside the recipe's searches of CMIP6.

    Raises
    ------
    UserError
        If the recipe has no such source, or its sources differ in a word.
    """
    words = {key: value for key, value in overrides.items() if key in FACETS}
    given = overrides.get("sources", data.get("sources")) or []
    sources = [one if isinstance(one, dict) else {} for one in given]
    searches = [
        one
        for one in sources
        if one.get("kind") in SEARCHES and one.get("project", "CMIP6") == "CMIP6"
    ]
    name = data.get("name", "")
    for word in words:
        if not searches:
            raise UserError(
                f"option '{word}': recipe '{name}' does not search CMIP6; take cmip6_pangeo or "
                "cmip6_esgf."
            )
        there = [one.get(word) for one in searches]
        if any(one != there[0] for one in there):
            raise UserError(
                f"option '{word}': the sources of recipe '{name}' have several ({there[0]}, "
                f"{next(one for one in there if one != there[0])}): write a recipe with "
                f"'base: {name}'."
            )
    rest = {key: value for key, value in overrides.items() if key not in FACETS}
    changed = [one | words if one in searches else one for one in sources]
    return rest | {"sources": changed} if words else rest


def _find(name_or_path: str, beside: Path) -> Path:
    if name_or_path.endswith((".yaml", ".yml")):
        candidates = [Path(name_or_path), beside / name_or_path]
        for path in candidates:
            if path.is_file():
                return path
        raise UserError(f"recipe file {name_or_path} does not exist.")
    path = recipe_folder() / f"{name_or_path}.yaml"
    if not path.is_file():
        names = [p.stem for p in recipe_folder().glob("*.yaml")]
        raise UserError(f"recipe '{name_or_path}' does not exist: {nearest(name_or_path, names)}")
    return path


def _compose(path: Path, above: tuple[Path, ...] = ()) -> tuple[dict[str, Any], Marks]:
    """Read a recipe on top of the recipe that its ``base`` names."""
    if path.resolve() in above:
        raise UserError(f"{path}: 'base' leads back to this recipe; remove it from one of them.")
    data, marks = _read(path)
    if "base" not in data:
        return data, marks
    base = _compose(_find(str(data.pop("base")), path.parent), (*above, path.resolve()))
    return _merge(*base, data, marks)


def _read(path: Path) -> tuple[dict[str, Any], Marks]:
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        marks: Marks = {}
        _collect(node, (), path, marks)  # as it is written: merging changes the node
        data = loader.construct_document(node) if node else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not valid YAML"
        raise UserError(f"{path}{line}: {problem}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}.") from error
    if not isinstance(data, dict):
        raise UserError(f"{path} is not a recipe: it must be a mapping of options.")
    return data, marks


def _collect(node: yaml.Node | None, place: Place, path: Path, marks: Marks) -> None:
    """Note file and line of every option below a YAML node."""
    if node is None:
        return
    marks.setdefault(place, f"{path}, line {node.start_mark.line + 1}")
    if isinstance(node, yaml.MappingNode):
        keys: set[tuple[str, str]] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # which no dictionary takes
            if (key.tag, key.value) in keys and key.value != "<<":
                raise UserError(
                    f"{path}, line {key.start_mark.line + 1}: '{key.value}' stands there twice: "
                    "remove one of them."
                )
            keys.add((key.tag, key.value))
            marks[*place, key.value] = f"{path}, line {key.start_mark.line + 1}"
            _collect(value, (*place, key.value), path, marks)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            _collect(value, (*place, number), path, marks)


def _command_line(value: Any, place: Place = ()) -> Marks:
    marks: Marks = {place: "override"}
    inside = (
        [(str(key), inner) for key, inner in value.items()] if isinstance(value, Mapping) else []
    )
    for key, inner in enumerate(value) if isinstance(value, list) else inside:
        marks |= _command_line(inner, (*place, key))
    return marks


def _merge(
    base: dict[str, Any], base_marks: Marks, over: dict[str, Any], over_marks: Marks
) -> tuple[dict[str, Any], Marks]:
    """Return ``base`` with ``over`` on top; mappings are merged, everything else is replaced."""
    if isinstance(over.get("dates"), str) and "/" in over["dates"]:
        start, _, end = over["dates"].partition("/")
        over = over | {"dates": {"start": start, "end": end}}
    merged = _merge_values(base, over)
    replaced = {place for place in over_marks if place}
    kept = {
        place: mark
        for place, mark in base_marks.items()
        if not any(place[: len(r)] == r and not isinstance(_at(merged, r), dict) for r in replaced)
    }
    return merged, kept | {place: mark for place, mark in over_marks.items() if place}


def _merge_values(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(base.get(key), dict)
        merged[key] = _merge_values(base[key], value) if both else value
    return merged


def _at(data: Any, place: Place) -> Any:
    for key in place:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _below(place: Place, key: Any, marks: Marks) -> Place:
    """Return the place of ``key``, right below ``place`` or below the name of its step."""
    for found in marks:
        if found[: len(place)] == place and found[-1:] == (key,) and len(found) > len(place):
            if len(found) == len(place) + 1 or (
                len(found) == len(place) + 2 and place[:1] == ("steps",)
            ):
                return found
    return place


def _sentence(error: ValidationError, marks: Marks, path: Path) -> str:
    """Return one sentence for the first thing that is wrong."""
    first = error.errors()[0]
    place: Place = ()
    for key in (*first["loc"], first.get("ctx", {}).get("key")):
        place = _below(place, key, marks)
    where = marks.get(place, str(path)) if place else str(path)
    name = ".".join(str(key) for key in place)
    if first["type"] == "missing":
        missing = first["loc"][-1]
        return f"{where}: the option '{missing}' is missing{f' in {name}' if name else ''}."
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] in ("unknown_option", "value_error") or not name:
        return f"{where}: {message}"
    return f"{where}: option '{name}' is wrong: {message[0].lower()}{message[1:]}."
