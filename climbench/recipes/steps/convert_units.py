"""Converting units, in the spellings that archives use."""

from functools import cache
from typing import Any, ClassVar, Self

import xarray as xr

from climbench.errors import UserError
from climbench.recipes.steps.step import Step, require

SPELLINGS = {
    "": "dimensionless",
    "-": "dimensionless",
    "1": "dimensionless",
    "(0 - 1)": "dimensionless",
    "unitless": "dimensionless",
    "%": "percent",
    "degk": "kelvin",
    "deg_k": "kelvin",
    "k": "kelvin",
    "kelvin": "kelvin",
    "degrees_k": "kelvin",
    "c": "degC",
    "celsius": "degC",
    "deg c": "degC",
    "degrees c": "degC",
    "degrees_celsius": "degC",
    "pascals": "pascal",
    "mb": "millibar",
    "millibars": "millibar",
    "gpm": "meter",
    "geopotential meters": "meter",
}
"""Spellings of archives that pint does not know, in lower case."""

PRECIPITATION = ("pr", "pr90")
"""Precipitation in CMIP's names, that does not say so."""


class ConvertUnits(Step):
    """Convert variables to a unit: ``convert_units: {mean_sea_level_pressure: Pa}``.

    Attributes
    ----------
    units
        Wanted unit by variable; the YAML gives the mapping itself.
    """

    name: ClassVar[str] = "convert_units"
    units: dict[str, str]

    @classmethod
    def parse(cls, options: dict[str, Any]) -> Self:
        """Return the step; the mapping may stand for itself."""
        return cls(**options) if set(options) == {"units"} else cls(units=options)

    def apply(self, dataset: xr.Dataset) -> xr.Dataset:
        """Return the dataset with these variables converted."""
        require(dataset, list(self.units), self.name)
        converted = {}
        for name, unit in self.units.items():
            array = dataset[name]
            given = array.attrs.get("units")
            if given is None:
                raise UserError(
                    f"step 'convert_units': '{name}' has no unit to convert to {unit} from; "
                    f"declare it in the source with 'units: {{{name}: ...}}'."
                )
            water = "precipitation" in f"{name} {array.attrs.get('standard_name', '')}"
            factor, offset = conversion(str(given), unit, name, water or name in PRECIPITATION)
            changed = array if (factor, offset) == (1.0, 0.0) else array * factor + offset
            converted[name] = changed.assign_attrs(array.attrs | {"units": unit})
        return dataset.assign(converted)


def conversion(given: str, wanted: str, variable: str, water: bool = False) -> tuple[float, float]:
    """Return factor and offset from one unit to another: ``wanted = given * factor + offset``.

    Parameters
    ----------
    given, wanted
        Units, in the spelling of CF (``W m-2``), of pint or of archives (``degK``).
    variable
        Named in the error.
    water
        Whether a mass per area may become a depth of water, and back: 1 kg m-2 is 1 mm.

    Raises
    ------
    UserError
        If a unit is unknown or cannot be converted to the other.

    Examples
    --------
    >>> conversion("degC", "K", "tas")
    (1.0, 273.15)
    >>> factor, offset = conversion("kg m-2 s-1", "mm day-1", "pr", water=True)
    >>> round(factor, 6), offset
    (86400.0, 0.0)
    """
    import pint

    registry = _registry()
    try:
        unit = registry.parse_units(spell(given))
        target = registry.parse_units(spell(wanted))
        if water:
            masses = [one.dimensionality.get("[mass]", 0) for one in (unit, target)]
            depth = registry.parse_units("kilogram / meter ** 2 / millimeter")
            unit = unit / depth if masses[0] > masses[1] else unit
            unit = unit * depth if masses[0] < masses[1] else unit
        zero, one = (registry.Quantity(x, unit).to(target).magnitude for x in (0.0, 1.0))
    except (pint.PintError, AssertionError, TypeError, ValueError) as error:
        raise UserError(
            f"'{variable}' cannot be converted from '{given}' to '{wanted}': "
            f"{str(error).rstrip('.')}."
        ) from error
    factor = round(one - zero, 12) if abs(one - zero) > 1e-3 else one - zero
    return float(factor), float(zero)


def spell(unit: str) -> str:
    """Return a unit in pint's spelling.

    Examples
    --------
    >>> spell("W m-2"), spell("degK"), spell("kg m**-2 s**-1")
    ('W m**-2', 'kelvin', 'kg m**-2 s**-1')
    """
    import re

    text = unit.strip()
    known = SPELLINGS.get(text.lower())
    return known or re.sub(r"([A-Za-z])\^?\+?(-?\d+)", r"\1**\2", text)


def same_unit(one: str | None, other: str | None) -> bool:
    """Tell whether two units are the same, however they are spelled.

    Examples
    --------
    >>> same_unit("degK", "K"), same_unit("hPa", "Pa"), same_unit("-", None)
    (True, False, True)
    """
    if (one or "").strip() == (other or "").strip():
        return True
    try:
        return conversion(one or "", other or "", "") == (1.0, 0.0)
    except UserError:
        return False


@cache
def _registry() -> Any:
    import pint

    return pint.UnitRegistry(autoconvert_offset_to_baseunit=True)
