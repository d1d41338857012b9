"""What there is to choose from: experiments, recipes, models, tasks, metrics."""

import yaml
from rich.table import Table

from climbench.config.folders import conf_folder, group_options
from climbench.errors import UserError, nearest

KINDS = ("experiments", "recipes", "models", "tasks", "metrics")


def catalogue(what: str = "all") -> Table:
    """Return a table of names and descriptions.

    Parameters
    ----------
    what
        ``experiments``, ``recipes``, ``models``, ``tasks``, ``metrics`` or ``all``.

    Raises
    ------
    UserError
        If there is no such kind.
    """
    if what not in (*KINDS, "all"):
        raise UserError(f"there is no list of '{what}': {nearest(what, (*KINDS, 'all'))}")
    table = Table(box=None, pad_edge=False)
    for heading in ("kind", "name", "description"):
        table.add_column(heading, no_wrap=heading != "description")
    for kind in KINDS if what == "all" else (what,):
        for name, description in entries(kind).items():
            table.add_row(kind.removesuffix("s"), name, description)
    return table


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
        return {name: line.partition(", :math:")[0] for name, line in first_lines.items()}
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
