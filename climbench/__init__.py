"""climbench: weather and climate machine-learning benchmarks.

The public names are loaded on first use, so that ``import climbench`` is quick.
"""

import importlib
from typing import Any

_PUBLIC = {
    "at_stations": "climbench.evaluation",
    "build": "climbench.recipes",
    "evaluate": "climbench.evaluation",
    "gate": "climbench.evaluation",
    "load_checkpoint": "climbench.training",
    "load_recipe": "climbench.recipes",
    "open_store": "climbench.store",
    "predict": "climbench.prediction",
    "run": "climbench.experiments.run",
    "train": "climbench.training",
}

__all__ = [
    "at_stations",
    "build",
    "evaluate",
    "gate",
    "load_checkpoint",
    "load_recipe",
    "open_store",
    "predict",
    "run",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'climbench' has no attribute '{name}'")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
