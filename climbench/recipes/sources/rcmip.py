"""Emissions of the world out of a table of the RCMIP protocol, summed up as ClimateBench does."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.simulate.emissions import (
    FIRST_FUTURE_YEAR,
    FIRST_YEAR,
    FORCERS,
    LAST_YEAR,
    Pathway,
    emissions_dataset,
)

Array = NDArray[np.float64]
FOSSIL = "Emissions|CO2|MAGICC Fossil and Industrial"
ROWS = {
    "carbon_dioxide": (FOSSIL, "Mt CO2/yr"),
    "methane": ("Emissions|CH4", "Mt CH4/yr"),
    "sulphur_dioxide": ("Emissions|Sulfur", "Mt SO2/yr"),
    "black_carbon": ("Emissions|BC", "Mt BC/yr"),
}
"""Variable and unit in the table."""

GIGATONNES = 1e-3  # per megatonne
IDEALISED = {
    "hist-GHG": ("carbon_dioxide", "methane"),
    "hist-aer": ("sulphur_dioxide", "black_carbon"),
}
"""What is emitted in the single-forcing histories; the rest is zero, as in ClimateBench."""


def rcmip_emissions(path: Path) -> xr.Dataset:
    r"""Return the emissions of history and of all scenarios of an RCMIP table.

    Years that the table leaves out are interpolated linearly; then CO2 from fossil fuels and
    industry is summed up from 1850 on, both included: :math:`C(t) = \sum_{1850}^{t} E`.

    Parameters
    ----------
    path
        Wide csv of the Integrated Assessment Modeling Consortium, gzipped or not.

    Returns
    -------
    xarray.Dataset
        As :func:`climbench.simulate.emissions.ssp_emissions`: ``carbon_dioxide`` (Gt CO2 since
        1850), ``methane``, ``sulphur_dioxide`` and ``black_carbon`` (Mt / yr), each ``[scenario,
        time]``, with ``historical``, ``hist-GHG`` and ``hist-aer`` among the scenarios.

    Raises
    ------
    UserError
        If the file is no such table, or has another unit.

    References
    ----------
    Nicholls et al. (2020), Geosci. Model Dev. 13, 5175; Watson-Parris et al. (2022), ClimateBench
    v1.0, whose cumulative CO2 this is to 1e-5.
    """
    table = _world(path)
    years = np.arange(FIRST_YEAR, LAST_YEAR + 1)
    pathways, history = [], None
    for scenario in sorted(set(table.index.get_level_values("Scenario")) - {"historical"}):
        values = {name: _series(table, scenario, name, path) for name in FORCERS}
        values["carbon_dioxide"] = np.cumsum(values["carbon_dioxide"]) * GIGATONNES
        pathways.append(Pathway(scenario, FIRST_FUTURE_YEAR, years, **values))
        history = history or values  # the same in all
    if history is None:
        raise UserError(f"{path} has no scenario.")
    past = years < FIRST_FUTURE_YEAR
    for name, emitted in {"historical": tuple(FORCERS), **IDEALISED}.items():
        values = {one: history[one][past] * (one in emitted) for one in FORCERS}
        pathways.insert(0, Pathway(name, FIRST_YEAR, years[past], **values))
    dataset = emissions_dataset(pathways)
    dataset.attrs["source"] = f"RCMIP (Nicholls et al. 2020, CC BY 4.0), {path.name}"
    return dataset


def _world(path: Path) -> pd.DataFrame:
    """Return the rows of the world by scenario and variable, with years as columns."""
    try:
        table = pd.read_csv(path)
        table = table[(table["Region"] == "World")].set_index(["Scenario", "Variable"])
        units = table["Unit"]
    except (KeyError, ValueError, OSError, EOFError) as error:
        raise UserError(f"{path} is no table of RCMIP: {error}.") from error
    for variable, unit in ROWS.values():
        found = set(units[units.index.get_level_values("Variable") == variable])
        if found != {unit}:
            raise UserError(f"{path}: '{variable}' is in {sorted(found)} and not in '{unit}'.")
    if table.index.duplicated().any():
        scenario, variable = table.index[table.index.duplicated()][0]
        raise UserError(f"{path} has '{variable}' of {scenario} twice.")
    years = [name for name in table.columns if re.fullmatch(r"\d{4}", str(name))]
    return table[years]


def _series(table: pd.DataFrame, scenario: str, name: str, path: Path) -> Array:
    """Return a row's values of every year, megatonnes per year."""
    if (scenario, ROWS[name][0]) not in table.index:
        raise UserError(f"{path}: {scenario} has no '{ROWS[name][0]}'.")
    known = np.array([int(year) for year in table.columns])
    values = table.loc[[(scenario, ROWS[name][0])]].to_numpy(dtype=np.float64)[0]
    there = np.isfinite(values)
    known, values = known[there], values[there]
    if not known.size or known[0] > FIRST_YEAR or known[-1] < LAST_YEAR:
        raise UserError(f"{path}: {scenario} does not reach from {FIRST_YEAR} to {LAST_YEAR}.")
    return np.asarray(np.interp(np.arange(FIRST_YEAR, LAST_YEAR + 1), known, values))
