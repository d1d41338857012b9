"""Pages of options: every verb and every group of ``conf/``, with type, default and meaning."""

import dataclasses
import inspect
import typing
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from climbench.cli import VERBS
from climbench.config.folders import conf_folder, group_options
from climbench.config.instantiate import locate
from climbench_docs import docstrings
from climbench_docs.markdown import kind, kind_of_value, table, value
from climbench_docs.yaml_options import Option, bases_of, head_of, options_of, target_of

HEADING = ("option", "type", "default", "what it does")
TARGETS = {
    "run": "climbench.experiments.run.RunConfig",
    "build": "climbench.recipes.build",
    "predict": "climbench.prediction.predict",
    "emulate": "climbench.prediction.emulate.emulate",
    "evaluate": "climbench.evaluation.evaluate",
    "climatology": "climbench.evaluation.build_climatology",
    "stations": "climbench.evaluation.at_stations",
    "compare": "climbench.evaluation.compare",
    "gate": "climbench.evaluation.gate",
    "report": "climbench.report.report",
}
"""What a verb calls: types, and meanings where the YAML has none."""
RECIPE_PARTS = {
    "": "climbench.recipes.schema.EsgfSearch",
    "output.": "climbench.recipes.schema.Output",
    "statistics.": "climbench.recipes.schema.Statistics",
    "checks.": "climbench.recipes.schema.Checks",
}
"""What ``climbench build`` changes in a recipe, by the start of the option's key."""
WORDS = {
    "runs_dir": "path",
    "stores_dir": "path",
    "data_root": "path or null",
    "recipe": "name or path",
    "runs": "path, list of paths or null",
    "scores": "path, list of paths or null",
    "store": "path",
    "output": "path or null",
    "rules": "name or path",
    "name": "text or null",
    "dates": "text or null",
    "levels": "list of number or null",
    "variables": "list of text or null",
    "source": "text or null",
    "cluster": "options or null",
    "verify": "true, false or text",
    "candidate": "path",
    "reference": "path",
    "annotations": "true, false or null",
    "check": "path or null",
}
"""Types of what the command line reads before Python sees it."""
GROUPS = {
    "trainer": "climbench.config.TrainerConfig",
    "evaluation": "climbench.evaluation.evaluate",
    "gate": "climbench.evaluation.GateRules",
    "report": "climbench.config.ReportConfig",
}
EXTREMES = "climbench.evaluation.extremes.Extremes"
RULE = "climbench.evaluation.rules.Rule"
GROUP_HEADS = {
    "task": "What is asked. Choose with `task=NAME`, change with `task.OPTION=VALUE`.",
    "trainer": "The machine. Choose with `trainer=NAME`, change with `trainer.OPTION=VALUE`.",
    "evaluation": "Scores of `climbench run` and `climbench evaluate`: `evaluation=NAME`, then "
    "`evaluation.OPTION=VALUE` of `run`, `OPTION=VALUE` of `evaluate`.",
    "gate": "Rules: `gate=NAME` of `climbench run`, `rules=NAME` of `climbench gate`.",
    "report": "What the page shows: `report=NAME`.",
    "launcher": "Where the jobs of `--multirun`, or the workers of a build, run: `launcher=NAME`.",
    "debug": "Short runs: `debug=NAME`.",
}


@dataclasses.dataclass(frozen=True)
class Known:
    """What code knows about an option."""

    kind: str
    default: Any
    meaning: str


@cache
def known_options(target: str) -> Mapping[str, Known]:
    """Return the options of a class or function by name: types, defaults, docstring."""
    described = locate(target)
    if inspect.isclass(described) and issubclass(described, BaseModel):
        return _of_schema(described)
    return _of_call(described)


def _of_schema(schema: type[BaseModel]) -> dict[str, Known]:
    said = docstrings.entries(schema)
    found = {}
    for name, field in schema.model_fields.items():
        default = field.get_default(call_default_factory=True)
        needed = default is PydanticUndefined
        found[name] = Known(
            _limits(kind(field.annotation), field.metadata),
            "???" if needed else default,
            said.get(name, ""),
        )
    return found


def _limits(text: str, metadata: list[Any]) -> str:
    """Return a type with its bounds, such as ``number, > 0``."""
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    bounds = [
        f"{sign} {getattr(one, name):g}"
        for one in metadata
        for name, sign in signs.items()
        if getattr(one, name, None) is not None
    ]
    return ", ".join([text, *bounds])


def _of_call(described: Callable[..., Any]) -> dict[str, Known]:
    said = docstrings.entries(described)
    maker = described.__init__ if inspect.isclass(described) else described
    hints = typing.get_type_hints(maker, include_extras=True)
    return {
        name: Known(
            kind(hints[name]) if name in hints else "",
            "???" if parameter.default is parameter.empty else parameter.default,
            said.get(name, ""),
        )
        for name, parameter in inspect.signature(described).parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }


def option_table(options: list[Option], known: Mapping[str, Known]) -> str:
    """Return the table of the options of a YAML."""
    rows = []
    for option in options:
        code = known.get(option.key)
        rows += [["", "", "", f"*{option.above}*"]] if option.above else []
        rows.append(
            [
                f"`{option.key}`",
                (code.kind if code else "") or kind_of_value(option.default),
                value(option.default),
                option.comment or (code.meaning if code else ""),
            ]
        )
    return table(HEADING, rows)


def code_table(known: Mapping[str, Known], without: tuple[str, ...] = ()) -> str:
    """Return the table of the options of a class."""
    return table(
        HEADING,
        (
            [f"`{name}`", one.kind, value(_plain(one.default)), one.meaning]
            for name, one in known.items()
            if name not in without
        ),
    )


def _plain(default: Any) -> Any:
    """Return a default as plain data; of a schema, what its options are."""
    if isinstance(default, BaseModel):
        return {name: getattr(default, name) for name in type(default).model_fields}
    return default


def verbs_page() -> str:
    """Return the page of all verbs."""
    page = (
        "# Options of every verb\n\nWrite `climbench VERB option=value ...`. "
        "Flags of every verb: `--help`, `--cfg job` (shows the whole configuration and does "
        "nothing), `--multirun key=a,b`, `--config-dir FOLDER` (groups of your own beside those "
        "of climbench).\n\n## Every verb\n\n"
    )
    page += option_table(
        options_of(conf_folder() / "base.yaml"),
        {name: _in_words(None, text) for name, text in WORDS.items()},
    )
    for verb in VERBS:
        page += f"## climbench {verb}\n\n{VERBS[verb]}\n\n{verb_options(verb)}"
    return page


def verb_options(verb: str) -> str:
    """Return the table of a verb, and the groups that it has."""
    path = conf_folder() / f"{verb}.yaml"
    if verb == "train":
        return (
            "All options of [run](#climbench-run); `model=NAME` is needed, `gate`, `candidate` and "
            "`reference` count for nothing.\n\n"
        )
    known = dict(known_options(TARGETS[verb])) if verb in TARGETS else {}
    if verb == "build":
        for before, target in RECIPE_PARTS.items():
            known |= {f"{before}{name}": one for name, one in known_options(target).items()}
    if verb == "evaluate":
        known |= {name: Known(WORDS[name], None, "") for name in ("name", "check")}
    elif verb != "run":
        known |= {name: _in_words(known.get(name), text) for name, text in WORDS.items()}
    options = [_resolved(option) for option in options_of(path)]
    text = option_table(options, known)
    groups = [group for group in _groups(path) if group in (*GROUP_HEADS, "model", "experiment")]
    if groups:
        links = ", ".join(f"[{group}]({group}.md)" for group in groups)
        text += f"Groups: {links}.\n\n"
    return text


def _in_words(known: Known | None, text: str) -> Known:
    """Return an option with its type as one writes it on the command line."""
    return Known(text, known.default if known else None, known.meaning if known else "")


def _resolved(option: Option) -> Option:
    """Return an option that refers to a group with the group's default and comment."""
    text = str(option.default)
    if not text.startswith("${evaluation."):
        return option
    name = text.removeprefix("${evaluation.").removesuffix("}")
    found = {one.key: one for one in options_of(conf_folder() / "evaluation" / "forecasting.yaml")}
    return dataclasses.replace(
        option, default=found[name].default, comment=option.comment or found[name].comment
    )


def _groups(path: Path) -> list[str]:
    given = yaml.safe_load(path.read_text(encoding="utf-8")).get("defaults", [])
    return [name for one in given if isinstance(one, dict) for name in one]


def group_page(group: str) -> str:
    """Return the page of a group: each of its choices with its options."""
    page = f"# Group `{group}`\n\n{GROUP_HEADS[group]}\n\n"
    if group in GROUPS:
        said = docstrings.summary(locate(GROUPS[group]))
        page += f"{said}\n\n"
    for name in group_options(group):
        path = conf_folder() / group / f"{name}.yaml"
        target = target_of(path) or GROUPS.get(group)
        page += f"## {group}={name}\n\n{head_of(path)}\n\n"
        if bases := bases_of(path):
            links = ", ".join(f"[{base}](#{group}{base})" for base in bases)
            page += f"All options of {links}, with other defaults or beside them:\n\n"
        known = dict(known_options(target)) if target else {}
        if group == "evaluation":
            known |= {f"extremes.{one}": code for one, code in known_options(EXTREMES).items()}
        skip = ("defaults",) if group == "launcher" else ("defaults", "hydra")
        options = options_of(path, skip)
        if group == "launcher":
            unset = Known("text or null", None, "")
            known |= {option.key: unset for option in options if option.default is None}
        page += option_table(options, known)
    if group == "gate":
        page += f"## A rule\n\n{docstrings.summary(locate(RULE))}\n\n"
        page += code_table(known_options(RULE))
    return page


def option_pages() -> dict[str, str]:
    """Return text by file name, but for models and experiments."""
    pages = {f"options/{group}.md": group_page(group) for group in GROUP_HEADS}
    return {"options/verbs.md": verbs_page(), **pages}
