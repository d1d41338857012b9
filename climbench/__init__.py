"""climbench: weather and climate machine-learning benchmarks.

The public names are loaded on first use, so that ``import climbench`` is quick.
"""

import importlib
from typing import Any

_PUBLIC = {
    "ModelConfig": "climbench.config",
    "TrainerConfig": "climbench.config",
    "at_stations": "climbench.evaluation",
    "build": "climbench.recipes",
    "build_climatology": "climbench.evaluation",
    "combine": "climbench.evaluation",
    "compare": "climbench.evaluation",
    "comparison_table": "climbench.evaluation",
    "describe_store": "climbench.store",
    "evaluate": "climbench.evaluation",
    "gate": "climbench.evaluation",
    "leaderboard": "climbench.report",
    "load_checkpoint": "climbench.training",
    "load_experiment": "climbench.experiments.named",
    "load_recipe": "climbench.recipes",
    "open_store": "climbench.store",
    "plan": "climbench.recipes",
    "predict": "climbench.prediction",
    "read_scores": "climbench.evaluation",
    "run": "climbench.experiments.named",
    "score_table": "climbench.evaluation",
    "train": "climbench.training",
    "write_scores": "climbench.evaluation",
}
_ROOMS = ("plot",)

__all__ = [
    "ModelConfig",
    "TrainerConfig",
    "at_stations",
    "build",
    "build_climatology",
    "combine",
    "compare",
    "comparison_table",
    "describe_store",
    "evaluate",
    "gate",
    "leaderboard",
    "load_checkpoint",
    "load_experiment",
    "load_recipe",
    "open_store",
    "plan",
    "plot",
    "predict",
    "read_scores",
    "run",
    "score_table",
    "train",
    "write_scores",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for."""
    if name in _ROOMS:
        return importlib.import_module(f"climbench.{name}")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'climbench' has no attribute '{name}'")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
