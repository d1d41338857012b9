"""What the variables of weather and climate are: CF name, unit, physical range, archives' names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from climbench.errors import UserError, nearest


@dataclass(frozen=True)
class Variable:
    """A physical quantity as climbench's stores hold it.

    Attributes
    ----------
    name
        Name in a store: that of WeatherBench 2 for weather, that of CMIP for climate.
    units
        Unit in a store, as UDUNITS writes it.
    valid_min, valid_max
        Physical range, in ``units``; a value beyond it is a wrong unit or a broken file.
    standard_name
        CF standard name; empty where CF has none.
    long_name
        What it is, in words.
    names
        Its name in an archive: ``era5_cds``, ``grib`` (shortName), ``weatherbench2``, ``cmip6``.
    """

    name: str
    units: str
    valid_min: float
    valid_max: float
    standard_name: str
    long_name: str
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def attributes(self) -> dict[str, str]:
        """The CF attributes of an array of this variable."""
        named = {"standard_name": self.standard_name} if self.standard_name else {}
        return {**named, "long_name": self.long_name, "units": self.units}


@cache
def variables() -> dict[str, Variable]:
    """Return all variables of ``variables.yaml`` by name, in its order.

    Examples
    --------
    >>> variables()["2m_temperature"].names["grib"]
    '2t'
    """
    text = files("climbench").joinpath("variables.yaml").read_text(encoding="utf-8")
    return {name: _variable(name, **entry) for name, entry in yaml.safe_load(text).items()}


def _variable(
    name: str,
    units: str,
    valid_range: tuple[float, float],
    standard_name: str = "",
    long_name: str = "",
    names: Mapping[str, Any] | None = None,
) -> Variable:
    minimum, maximum = valid_range
    words = long_name or name.replace("_", " ")
    return Variable(
        name, units, float(minimum), float(maximum), standard_name, words, dict(names or {})
    )


def variable(name: str) -> Variable:
    """Return the variable called ``name`` in climbench's stores.

    Raises
    ------
    UserError
        If the table has none of that name; the sentence gives the nearest one.

    Examples
    --------
    >>> variable("pr").units
    'kg m-2 s-1'
    """
    if name not in variables():
        raise UserError(f"unknown variable '{name}': {nearest(name, variables())}")
    return variables()[name]
