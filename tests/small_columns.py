"""A few days of simulated columns, for tests."""

from pathlib import Path
from typing import Any

from climbench.recipes import build, load_recipe
from climbench.tasks import ColumnEmulation

SHORT = {
    "dates": {"start": "0001-01-01", "end": "0001-01-24"},
    "statistics": {"period": ["0001-01-01", "0001-01-12"]},
}
PERIODS: dict[str, Any] = {
    "train": ("0001-01-01", "0001-01-12"),
    "validation": ("0001-01-13", "0001-01-18"),
    "test": ("0001-01-19", "0001-01-23"),
}


def column_store(folder: Path, recipe: str = "climsim_twin") -> Path:
    return build(load_recipe(recipe, SHORT), folder)


def column_task(folder: Path, **options: Any) -> ColumnEmulation:
    return ColumnEmulation(**{"store": column_store(folder), **PERIODS, **options})
