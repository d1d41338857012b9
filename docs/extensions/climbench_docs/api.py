"""Pages of the public Python names: what each room exports, from its docstrings."""

import importlib
import inspect
import textwrap
from types import ModuleType

import climbench

ROOMS = (
    *("recipes", "store", "tasks", "training", "prediction", "evaluation", "report"),
    *("plot", "metrics", "config"),
)
PARTS = ("recipes.schema", "recipes.steps", "recipes.sources", "recipes.downloads")
OUTSIDE = {
    "climbench.training.losses": "Losses: what a network is trained on.",
    "climbench.testing.model_contract": "",
    "climbench.testing.metric_contract": "",
    "climbench.testing.recipe_contract": "",
    "climbench.errors": "",
    "climbench.grids": "",
    "climbench.simulate.atmosphere": "",
    "climbench.simulate.earth": "",
}
"""Modules without ``__all__`` that the pages tell readers to use."""


def exported(module: ModuleType) -> dict[str, list[str]]:
    """Return the functions, classes, modules and other values that a module exports, by kind."""
    kinds: dict[str, list[str]] = {"functions": [], "classes": [], "modules": [], "data": []}
    for name in names_of(module):
        value = getattr(module, name)
        kind = (
            "modules"
            if inspect.ismodule(value)
            else "classes"
            if inspect.isclass(value)
            else "functions"
            if inspect.isroutine(inspect.unwrap(value))
            else "data"
        )
        kinds[kind].append(name)
    return kinds


def first_place(name: str, item: str) -> str:
    """Return the first documented module that exports the same object as ``name`` does."""
    value = getattr(importlib.import_module(name), item)
    for module in map(importlib.import_module, documented_modules()):
        if item in names_of(module) and getattr(module, item) is value:
            return module.__name__
    return name


def names_of(module: ModuleType) -> list[str]:
    """Return all names that a module exports."""
    return list(getattr(module, "__all__", None) or _own_names(module))


def _own_names(module: ModuleType) -> list[str]:
    """Return the public functions and classes that are defined in a module."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == module.__name__
    ]


def documented_modules() -> list[str]:
    """Return the dotted names of all modules with a part in the pages."""
    return [*(f"climbench.{room}" for room in (*ROOMS, *PARTS)), *OUTSIDE]


def page_of(name: str) -> str:
    """Return the page of a module as reStructuredText."""
    module = importlib.import_module(name)
    lines = [f"``{name}``", "=" * (len(name) + 4), ""]
    lines += [f".. module:: {name}", "", inspect.getdoc(module) or "", ""]
    kinds = exported(module)
    for kind, directive in (("functions", "autofunction"), ("classes", "autoclass")):
        for item in kinds[kind]:
            place = first_place(name, item)
            if place != name:
                lines += [f"``{item}`` is :class:`{place}.{item}`.", ""]
                continue
            lines += [f".. {directive}:: {name}.{item}"]
            lines += ["   :members:"] if kind == "classes" else []
            lines += [""]
    if kinds["data"]:
        lines += [f"Values: {', '.join(f'``{item}``' for item in kinds['data'])}.", ""]
    if kinds["modules"]:
        lines += ["Modules of the room:", ""]
        lines += [f"- ``{one}``: {_first(getattr(module, one))}" for one in kinds["modules"]]
    return "\n".join(lines) + "\n"


def _first(value: object) -> str:
    """Return the first line of a docstring."""
    return (inspect.getdoc(value) or "").split("\n")[0]


def overview() -> str:
    """Return the page of the names of ``climbench`` itself, and the list of modules."""
    head = """\
    Python
    ======

    Names of ``climbench`` itself, and where each is described:

    """
    lines = [textwrap.dedent(head)]
    for name in climbench.__all__:
        value = getattr(climbench, name)
        if inspect.ismodule(value):
            lines.append(f"- :mod:`climbench.{name} <{value.__name__}>`: {_first(value)}")
            continue
        room = climbench._PUBLIC[name]  # the package's own table of where its names come from
        place = room if f"{room}" in documented_modules() else value.__module__
        lines.append(f"- :func:`climbench.{name} <{place}.{name}>`: {_first(value)}")
    entries = "\n".join(
        f"   {name}" for name in ["climbench.experiments.run", *documented_modules()]
    )
    lines += ["", ".. toctree::", "   :maxdepth: 1", "", entries]
    return "\n".join(lines) + "\n"


def api_pages() -> dict[str, str]:
    """Return text by file name."""
    found = {f"api/{name}.rst": page_of(name) for name in documented_modules()}
    run = "climbench.experiments.run"
    found[f"api/{run}.rst"] = (
        f"``{run}``\n{'=' * (len(run) + 4)}\n\n.. module:: {run}\n\n"
        f".. autofunction:: {run}.run\n\n.. autoclass:: {run}.RunConfig\n   :members:\n\n"
        f".. autoclass:: {run}.RunResult\n   :members:\n"
    )
    return {"api/index.rst": overview(), **found}
