"""Page of the experiments, and of the options of each kind of experiment."""

from typing import Any

import yaml

from climbench.config.folders import conf_folder, group_options
from climbench.config.instantiate import locate
from climbench.experiments.run import RunConfig
from climbench_docs import docstrings
from climbench_docs.markdown import table
from climbench_docs.options import code_table, known_options

KINDS = {
    "climate_models": "climbench.experiments.climate_models.ClimateModelsConfig",
    "internal_variability": (
        "climbench.experiments.internal_variability.sweep.InternalVariabilityConfig"
    ),
    "reproduction": "climbench.experiments.reproduction.ReproductionConfig",
    "telemetry": "climbench.experiments.telemetry.TelemetryConfig",
}
HEAD = """# Group `experiment`

A whole benchmark: `climbench run experiment=NAME`. A YAML in `conf/experiment/` sets the options of
[run](verbs.md#climbench-run) and of the groups; one of your own lies in a folder that
`--config-dir` names.

"""


def experiment_page() -> str:
    """Return the page."""
    rows = [_row(name) for name in group_options("experiment")]
    page = HEAD + table(("experiment", "what", "recipe", "task", "kind"), rows)
    page += "## Kinds\n\nWithout `kind` an experiment is a leaderboard of models. Others:\n\n"
    for kind, target in KINDS.items():
        own = {
            name: one
            for name, one in known_options(target).items()
            if name not in RunConfig.model_fields and name != "kind"
        }
        page += f"### kind: {kind}\n\n{docstrings.summary(locate(target))}\n\n{code_table(own)}"
        for name, one in own.items():
            page += _nested(name, one.default)
    return page


def _nested(name: str, default: Any) -> str:
    """Return the table of options within an option."""
    schema = type(default)
    if not hasattr(schema, "model_fields"):
        return ""
    target = f"{schema.__module__}.{schema.__qualname__}"
    return f"Options of `{name}`: {docstrings.summary(schema)}\n\n" + code_table(
        known_options(target)
    )


def _row(name: str) -> list[str]:
    values = yaml.safe_load((conf_folder() / "experiment" / f"{name}.yaml").read_text())
    base = _base(values)
    task = next(
        (
            str(given)
            for one in values.get("defaults", [])
            if isinstance(one, dict)
            for key, given in one.items()
            if key.removeprefix("override ").strip("/") == "task"
        ),
        None,
    )
    return [
        f"`{name}`",
        str(values.get("description", "")),
        f"`{values['recipe']}`" if "recipe" in values else f"that of `{base}`",
        f"`{task}`" if task else f"that of `{base}`",
        str(values.get("kind", "")),
    ]


def _base(values: dict[str, Any]) -> str | None:
    """Return the experiment that an experiment begins from."""
    return next(
        (one for one in values.get("defaults", []) if isinstance(one, str) and one != "_self_"),
        None,
    )
