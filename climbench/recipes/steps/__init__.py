"""Steps of a recipe: pure functions on lazy datasets, one file each."""

from typing import Any

from pydantic_core import PydanticCustomError

from climbench.errors import nearest
from climbench.recipes.steps.convert_units import ConvertUnits
from climbench.recipes.steps.derive import Derive
from climbench.recipes.steps.regrid import Regrid
from climbench.recipes.steps.rename import Rename
from climbench.recipes.steps.resample_time import ResampleTime
from climbench.recipes.steps.select import Select
from climbench.recipes.steps.sort import Sort
from climbench.recipes.steps.step import Step
from climbench.recipes.steps.sum_over import SumOver

STEPS: dict[str, type[Step]] = {
    step.name: step
    for step in (
        *(Select, Rename, ConvertUnits, Sort),
        *(ResampleTime, SumOver, Regrid, Derive),
    )
}
"""Every step by its name in a recipe."""


def parse_step(entry: Any) -> Step:
    """Return the step that one entry of ``steps`` describes: a name with its options.

    Examples
    --------
    >>> parse_step({"rename": {"names": {"slp": "mean_sea_level_pressure"}}}).name
    'rename'
    """
    if isinstance(entry, Step):
        return entry
    if isinstance(entry, str):
        entry = {entry: {}}
    if not isinstance(entry, dict) or len(entry) != 1:
        raise ValueError("a step is one name with its options, such as '- sort: {}'")
    ((name, options),) = entry.items()
    if name not in STEPS:
        raise PydanticCustomError(
            "unknown_option",
            "unknown step '{key}': {hint}",
            {"key": str(name), "hint": nearest(str(name), STEPS)},
        )
    return STEPS[name].parse(options or {})


__all__ = ["STEPS", "Step", "parse_step"]
