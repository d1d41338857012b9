"""Column physics: the variables of ClimSim, and the order of its vectors."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from climbench.errors import UserError, nearest


@dataclass(frozen=True)
class ColumnVariable:
    """A variable of a column.

    Attributes
    ----------
    name
        Name in the archive and in stores.
    units, long_name
        As in stores.
    levels
        Whether it has a value on each level.
    of
        Of a tendency: the state that changes.
    output
        Whether it is in the files after the physics.
    """

    name: str
    units: str
    long_name: str
    levels: bool = False
    of: str | None = None
    output: bool = False


@dataclass(frozen=True)
class ColumnVectors:
    """The published order of a version's vectors.

    Attributes
    ----------
    inputs, targets
        Variables in order; one with levels is all of them, from the top down.
    levels
        How many levels.
    """

    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    levels: int

    def length(self, names: tuple[str, ...]) -> int:
        """Return how many numbers these variables are.

        Examples
        --------
        >>> v1 = column_vectors("v1")
        >>> v1.length(v1.inputs), v1.length(v1.targets)
        (124, 128)
        """
        known = column_variables()
        return sum(self.levels if known[name].levels else 1 for name in names)


@cache
def _table() -> dict[str, Any]:
    text = files("climbench").joinpath("columns.yaml").read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(text)
    return content


@cache
def column_variables() -> dict[str, ColumnVariable]:
    """Return the variables of ``columns.yaml`` by name."""
    return {name: ColumnVariable(name, **entry) for name, entry in _table()["variables"].items()}


def column_vectors(version: str) -> ColumnVectors:
    """Return the vectors of a version, ``v1`` or ``v2``.

    Raises
    ------
    UserError
        If there is no such version.

    Examples
    --------
    >>> v2 = column_vectors("v2")
    >>> v2.length(v2.inputs), v2.length(v2.targets)
    (557, 368)
    """
    known = _table()["vectors"]
    if version not in known:
        raise UserError(f"there are no column vectors '{version}': {nearest(version, known)}")
    entry = known[version]
    return ColumnVectors(tuple(entry["inputs"]), tuple(entry["targets"]), int(entry["levels"]))


def time_step() -> float:
    """Return the seconds between the files before and after the physics."""
    return float(_table()["time_step"])


def fill_from() -> float:
    """Return the number from which on values stand for none."""
    return float(_table()["fill_from"])
