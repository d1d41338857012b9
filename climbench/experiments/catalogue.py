"""What there is to choose from: experiments, recipes, models, tasks, metrics."""

import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from climbench.config.folders import conf_folder, group_options, recipe_folder
from climbench.errors import UserError, nearest

if TYPE_CHECKING:
    from climbench.recipes import Recipe

NARROW = 72  # columns, below which names leave too little for descriptions
KINDS = ("experiments", "recipes", "models", "tasks", "metrics")


def catalogue(what: str = "all", width: int = 80) -> RenderableType:
    """Return a table of names and descriptions; of recipes also what their archives are.

    Parameters
    ----------
    what
        ``experiments``, ``recipes``, ``models``, ``tasks``, ``metrics`` or ``all``.
    width
        Columns of the terminal; on a narrow one descriptions stand under the names.

    Raises
    ------
    UserError
        If there is no such kind.
    """
    if what not in (*KINDS, "all"):
        raise UserError(f"there is no list of '{what}': {nearest(what, (*KINDS, 'all'))}")
    if what == "recipes":
        return _recipes()
    if width < NARROW:
        return Group(
            *(
                Group(Text(name, style="bold"), Padding(Text(description), (0, 0, 0, 2)))
                for kind in (KINDS if what == "all" else (what,))
                for name, description in entries(kind).items()
            )
        )
    table = Table(box=None, pad_edge=False)
    for heading in ("kind", "name", "description"):
        table.add_column(heading, no_wrap=heading != "description")
    for kind in KINDS if what == "all" else (what,):
        for name, description in entries(kind).items():
            table.add_row(kind.removesuffix("s"), name, description)
    return table


def _recipes() -> Table:
    """Return a table of recipes: one column of names, so that the rest may be as wide as it is."""
    from climbench.recipes import load_recipe

    table = Table(box=None, pad_edge=False, show_lines=False)
    table.add_column("recipe", no_wrap=True, style="bold")
    table.add_column("description; period, size, licence; citation")
    for name in entries("recipes"):
        recipe = load_recipe(name)
        archive = " · ".join(part for part in (recipe.period, recipe.size, recipe.licence) if part)
        table.add_row(
            name,
            Text.assemble(
                recipe.description, "\n", (archive, "cyan"), "\n", (recipe.citation, "dim")
            ),
        )
        table.add_row("", "")
    return table


def recipe_page(name: str) -> RenderableType:
    """Return all that a user asks about one recipe: its archive, sources, steps and header.

    Parameters
    ----------
    name
        Of a recipe of the package, or the path of a YAML file.

    Raises
    ------
    UserError
        If there is no such recipe, or it is wrong.
    """
    from climbench.recipes import load_recipe

    recipe = load_recipe(name)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for heading, text in _facts(recipe).items():
        table.add_row(heading, Text(text))
    path = recipe_folder() / f"{name}.yaml"
    file = path if path.is_file() else Path(name)
    lines = file.read_text(encoding="utf-8").splitlines()
    header = " ".join(
        line.lstrip("# ") for line in itertools.takewhile(lambda one: one.startswith("#"), lines)
    )
    return Group(table, Text(f"\n{header}") if header else Text(""))


def _facts(recipe: "Recipe") -> dict[str, str]:
    """Return a phrase about each part of a recipe that says something."""
    addresses = [a for s in recipe.sources for a in _list(getattr(s, "address", None))]
    kinds = dict.fromkeys(source.kind for source in recipe.sources)
    facts = {
        "recipe": recipe.name,
        "description": recipe.description,
        "period": recipe.period,
        "size": recipe.size,
        "licence": recipe.licence,
        "citation": recipe.citation,
        "sources": ", ".join(kinds),
        "addresses": "\n".join(dict.fromkeys(addresses)),
        "dates": f"{recipe.dates.start}/{recipe.dates.end}" if recipe.dates else None,
        "variables": ", ".join(recipe.variables or []),
        "levels": ", ".join(f"{level:g}" for level in recipe.levels or []),
        "steps": ", ".join(step.name for step in recipe.steps),
        "build it": f"climbench build recipe={recipe.name}",
    }
    return {heading: text.strip() for heading, text in facts.items() if text}


def _list(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])


def entries(kind: str) -> dict[str, str]:
    """Return name and description of everything of a kind."""
    if kind == "recipes":
        from climbench.recipes import list_recipes

        return list_recipes()
    if kind == "metrics":
        from climbench.metrics.metric import metric_class, metric_names

        first_lines = {
            name: (metric_class(name).__doc__ or "").splitlines()[0] for name in metric_names()
        }
        shown = {name: line.partition(", :math:")[0] for name, line in first_lines.items()}
        return {name: re.sub(":math:`(.*?)`", r"\1", line) for name, line in shown.items()}
    group = kind.removesuffix("s")
    return {name: _first_comment(group, name) for name in group_options(group)}


def _first_comment(group: str, name: str) -> str:
    """Return the description of a YAML: its key of that name, or its first line of comment."""
    text = (conf_folder() / group / f"{name}.yaml").read_text()
    values = yaml.safe_load(text) or {}
    if values.get("description"):
        return str(values["description"])
    comments = (line[1:].strip() for line in text.splitlines() if line.startswith("#"))
    return next((comment for comment in comments if not comment.startswith("@package")), "")
