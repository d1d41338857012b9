"""Kinds of experiments: a leaderboard of models unless the YAML names another ``kind``."""

import importlib
from collections.abc import Mapping
from typing import Any

from climbench.errors import UserError, nearest
from climbench.experiments.run import RunConfig, run

KINDS = {
    "climate_models": "climbench.experiments.climate_models",
    "internal_variability": "climbench.experiments.internal_variability.sweep",
    "reproduction": "climbench.experiments.reproduction",
    "telemetry": "climbench.experiments.telemetry",
}
"""Modules with a function ``parse(options)`` and one ``run_and_show(config)``."""
RUNS = {
    "climate_models": "run_climate_models",
    "internal_variability": "run_internal_variability",
    "telemetry": "run_telemetry",
}
"""The function of a kind's module that returns what was found."""


def parse_experiment(values: Mapping[str, Any]) -> RunConfig:
    """Return the checked options of an experiment of any kind.

    Raises
    ------
    UserError
        If the kind is unknown, or an option is unknown, missing or of the wrong type.
    """
    parsed = _module(values).parse(values) if values.get("kind") else RunConfig.parse(values)
    assert isinstance(parsed, RunConfig)  # noqa: S101  # the promise of every kind
    return parsed


def run_kind(values: Mapping[str, Any]) -> int:
    """Run an experiment of a kind of its own, show what it found, and return the exit code."""
    return int(_module(values).run_and_show(parse_experiment(values)))


def run_of_kind(config: RunConfig) -> Any:
    """Run an experiment of any kind and return what it found.

    Raises
    ------
    UserError
        If the experiment only prints what it finds.
    """
    kind = getattr(config, "kind", None)
    if kind is None:
        return run(config)
    if kind not in RUNS:
        raise UserError(f"an experiment of the kind '{kind}' is for the command line only.")
    return getattr(importlib.import_module(KINDS[kind]), RUNS[kind])(config)


def shared_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that experiments of all kinds have: what training one model needs."""
    if not values.get("kind"):
        return dict(values)
    kept = {*RunConfig.model_fields, "model"}
    return {key: value for key, value in values.items() if key in kept}


def _module(values: Mapping[str, Any]) -> Any:
    kind = str(values["kind"])
    if kind not in KINDS:
        raise UserError(f"option 'kind' = {kind} is unknown: {nearest(kind, KINDS)}")
    return importlib.import_module(KINDS[kind])
