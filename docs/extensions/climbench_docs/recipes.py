"""Pages of the recipes: the catalogue with licences and citations, and the options of a YAML."""

import typing

from climbench.config.folders import recipe_folder
from climbench.recipes import Recipe, list_recipes, load_recipe
from climbench.recipes import schema as schemas
from climbench.recipes.steps import STEPS
from climbench_docs import docstrings
from climbench_docs.markdown import table
from climbench_docs.options import code_table, known_options
from climbench_docs.yaml_options import head_of

HEAD = """# Recipes

Every recipe of `data_recipes/`: `climbench build recipe=NAME`, `climbench list recipe=NAME`. The
licence is that of the archive; cite what stands there. Simulated recipes need no download and say
*simulated* in all that is made from them. How to build: [Data recipes](../../recipes.md).

"""
PARTS = ("Recipe", "Dates", "Output", "Statistics", "Climatology", "Checks")


def catalogue_page() -> str:
    """Return the table of all recipes, and a section for each."""
    recipes = {name: load_recipe(name) for name in list_recipes()}
    rows = (
        [f"[{name}](#{name})", one.description, _kinds(one), one.licence]
        for name, one in recipes.items()
    )
    page = HEAD + table(("recipe", "what", "sources", "licence"), rows)
    return page + "".join(_section(name, recipe) for name, recipe in recipes.items())


def _kinds(recipe: Recipe) -> str:
    kinds = ", ".join(dict.fromkeys(f"`{source.kind}`" for source in recipe.sources))
    return f"{kinds} (simulated)" if recipe.simulated else kinds


def _section(name: str, recipe: Recipe) -> str:
    dates = recipe.dates
    addresses = (
        address for source in recipe.sources for address in _list(getattr(source, "address", None))
    )
    facts = {
        "period of the archive": recipe.period,
        "size": recipe.size,
        "dates by default": f"{dates.start} to {dates.end}" if dates else None,
        "address": ", ".join(f"`{address}`" for address in dict.fromkeys(addresses)),
        "steps": ", ".join(f"`{step.name}`" for step in recipe.steps),
        "licence": recipe.licence,
        "citation": recipe.citation,
    }
    rows = ((heading, text) for heading, text in facts.items() if text)
    note = head_of(recipe_folder() / f"{name}.yaml")
    return f"## {name}\n\n{recipe.description}\n\n{table(('', ''), rows)}{note}\n\n"


def _list(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])


def recipe_page() -> str:
    """Return the options of a recipe's YAML: its parts, each kind of source, each step."""
    page = "# Options of a recipe\n\nKeys of a YAML in `data_recipes/`. How: "
    page += "[a recipe of your own](../../own_archive.md).\n\n"
    for part in PARTS:
        target = f"climbench.recipes.schema.{part}"
        page += f"## {part}\n\n{docstrings.summary(getattr(schemas, part))}\n\n"
        page += code_table(known_options(target))
    page += "## Sources\n\nA list under `sources`; `kind` says which:\n\n"
    for one in source_schemas():
        (kind,) = typing.get_args(one.model_fields["kind"].annotation)
        page += f"### kind: {kind}\n\n{docstrings.summary(one)}\n\n"
        page += code_table(known_options(f"{one.__module__}.{one.__qualname__}"), ("kind",))
    page += "## Steps\n\nA list under `steps`, done in order: `- NAME: {OPTION: VALUE}`.\n\n"
    for name, step in STEPS.items():
        page += f"### {name}\n\n{docstrings.summary(step)}\n\n"
        page += code_table(known_options(f"{step.__module__}.{step.__qualname__}"))
    return page


def source_schemas() -> list[type]:
    """Return the schema of every kind of source."""
    union = typing.get_args(schemas.Source)[0]
    return list(typing.get_args(union))
