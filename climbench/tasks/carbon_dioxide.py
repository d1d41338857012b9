"""The one meaning of carbon dioxide: cumulative emissions, not what is in the air."""

import re
from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from climbench.errors import UserError

NAME = "carbon_dioxide"
CONCENTRATION_DRIVEN = re.compile(r"^(1pctCO2|abrupt-)")
"""Scenarios of CMIP6 that prescribe what is in the air; nobody emits anything there."""

EMITTED = re.compile(r"emission|emitted|cumulative", re.IGNORECASE)
AIRBORNE = re.compile(r"atmospher|concentration|mole.?fraction|burden", re.IGNORECASE)
AIRBORNE_UNITS = ("ppm", "ppmv", "1e-6", "1e-06", "mol mol-1", "kg m-2")


def check_carbon_dioxide(dataset: xr.Dataset, store: Path, scenarios: Sequence[str]) -> None:
    """Refuse a ``carbon_dioxide`` that is not cumulative emissions in every scenario.

    ClimateBench's files of 1pctCO2 and abrupt-4xCO2 hold the mass in the air less that of
    piControl, all others cumulative emissions, both under one name and in Gt. Attributes of the
    variable decide where they say what it is, the names of the scenarios where they do not.

    Parameters
    ----------
    dataset
        The store.
    store
        Its path, for the message.
    scenarios
        Those that a task uses.

    Raises
    ------
    UserError
        If the attributes tell of something in the air, or if they are silent and the scenarios
        are of both kinds.

    References
    ----------
    ClimateBench's issue 3, by its author.
    """
    attributes = dataset[NAME].attrs
    text = " ".join(str(attributes.get(key, "")) for key in ("standard_name", "long_name"))
    units = str(attributes.get("units", ""))
    if EMITTED.search(text):
        return
    airborne = [name for name in scenarios if CONCENTRATION_DRIVEN.match(name)]
    if AIRBORNE.search(text) or units in AIRBORNE_UNITS:
        told, mixed = f" ('{text.strip() or units}')", True
        airborne = airborne or list(scenarios)
    else:
        told, mixed = "", len(set(airborne)) < len(set(scenarios))
    if airborne and mixed:
        raise UserError(
            f"store {store.name}: '{NAME}' of scenario '{airborne[0]}' is what is in the air{told} "
            "and not cumulative emissions, as in all other scenarios: leave the scenario out of "
            f"the task, or convert it and say so in the attribute 'long_name' of '{NAME}'"
        )
