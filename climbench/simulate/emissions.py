"""Emissions that drive the embedded planet's climate: history and the SSPs, year by year."""

from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from climbench.errors import UserError, nearest

Array = NDArray[np.float64]

FORCERS = {
    "carbon_dioxide": ("Gt", "cumulative fossil and industrial CO2 emissions since 1850"),
    "methane": ("Mt yr-1", "anthropogenic CH4 emissions"),
    "sulphur_dioxide": ("Mt yr-1", "anthropogenic SO2 emissions"),
    "black_carbon": ("Mt yr-1", "anthropogenic black carbon emissions"),
}
IDEALISED = {
    "piControl": (),
    "hist-GHG": ("carbon_dioxide", "methane"),
    "hist-aer": ("sulphur_dioxide", "black_carbon"),
}
FIRST_YEAR = 1850
LAST_YEAR = 2100
FIRST_FUTURE_YEAR = 2015


class Pathway(NamedTuple):
    """Emissions of the world from 1850 to the last year of a scenario, its history included."""

    scenario: str
    first_year: int  # of the scenario itself; the years before it are history
    year: NDArray[np.int64]  # [year]
    carbon_dioxide: Array  # [year], Gt CO2 since 1850, this year included
    methane: Array  # [year], Mt CH4 / yr
    sulphur_dioxide: Array  # [year], Mt SO2 / yr
    black_carbon: Array  # [year], Mt BC / yr


def scenario_names() -> list[str]:
    """Return the scenarios that can be simulated.

    Examples
    --------
    >>> scenario_names()[:4]
    ['historical', 'ssp119', 'ssp126', 'ssp245']
    """
    return [*_table()["scenario"].unique(), *IDEALISED]


def ssp_emissions() -> xr.Dataset:
    """Return the emissions of history and of the shared socioeconomic pathways.

    The figures of the table's years (every tenth, 2014 and 2015) are those of RCMIP v5.1.0;
    between them every variable is interpolated linearly, the cumulative one too.

    Returns
    -------
    xarray.Dataset
        ``carbon_dioxide`` (Gt CO2 from fossil fuels and industry, cumulative since 1850),
        ``methane`` (Mt CH4 / yr), ``sulphur_dioxide`` (Mt SO2 / yr) and ``black_carbon``
        (Mt BC / yr), each ``[scenario, time]``; ``time`` is the first of July of 1850 ... 2100;
        NaN where a year is not of the scenario (historical ends in 2014, SSPs begin in 2015).

    References
    ----------
    Nicholls et al. (2020), Geosci. Model Dev. 13, 5175, RCMIP protocol v5.1.0, CC BY 4.0.

    Examples
    --------
    >>> emissions = ssp_emissions()
    >>> float(emissions.carbon_dioxide.sel(scenario="ssp585", time="2100-07-01").round(2))
    9362.86
    """
    names = [name for name in scenario_names() if name not in IDEALISED]
    return emissions_dataset([pathway(name) for name in names])


def emissions_dataset(pathways: list[Pathway]) -> xr.Dataset:
    """Put pathways side by side in the layout of a climate store.

    Parameters
    ----------
    pathways
        One per scenario.

    Returns
    -------
    xarray.Dataset
        The four forcers ``[scenario, time]`` over the union of the scenarios' years.
    """
    first = min(one.first_year for one in pathways)
    years = np.arange(first, max(one.year[-1] for one in pathways) + 1)
    forcers = {}
    for name, (units, long_name) in FORCERS.items():
        values = np.full((len(pathways), years.size), np.nan)
        for row, one in zip(values, pathways, strict=True):
            row[one.first_year - first : one.year[-1] + 1 - first] = getattr(one, name)[
                one.year >= one.first_year
            ]
        forcers[name] = (("scenario", "time"), values, {"units": units, "long_name": long_name})
    return xr.Dataset(
        forcers,
        {"scenario": [one.scenario for one in pathways], "time": mid_year(years)},
        {"source": "RCMIP protocol v5.1.0 (Nicholls et al. 2020, CC BY 4.0), every tenth year"},
    )


def mid_year(years: ArrayLike) -> NDArray[np.datetime64]:
    """Return the stamp of annual means: the first of July.

    Examples
    --------
    >>> mid_year([2015])
    array(['2015-07-01T00:00:00'], dtype='datetime64[s]')
    """
    return np.array([f"{year:04d}-07-01" for year in np.asarray(years)], dtype="datetime64[s]")


def pathway(scenario: str) -> Pathway:
    """Return the emissions of one scenario from 1850 on.

    Besides the table's scenarios there are ``piControl`` (all of 1850, for 251 years), and
    ``hist-GHG`` and ``hist-aer``, in which the other forcers stay where they were in 1850.

    Parameters
    ----------
    scenario
        One of `scenario_names`.

    Returns
    -------
    Pathway
        Figures ``[year]`` without gaps; an SSP continues history.

    Raises
    ------
    UserError
        If there is no such scenario.
    """
    if scenario not in scenario_names():
        raise UserError(
            f"scenario '{scenario}' cannot be simulated: {nearest(scenario, scenario_names())}"
        )
    table = _table()
    future = scenario not in IDEALISED and scenario != "historical"
    points = table[table["scenario"].isin(["historical", scenario] if future else ["historical"])]
    last = LAST_YEAR if future or scenario == "piControl" else FIRST_FUTURE_YEAR - 1
    years = np.arange(FIRST_YEAR, last + 1)
    values = {name: np.interp(years, points["year"], points[name]) for name in FORCERS}
    for name in set(FORCERS) - set(IDEALISED.get(scenario, FORCERS)):
        values[name] = np.full(years.size, 0.0 if name == "carbon_dioxide" else values[name][0])
    return Pathway(scenario, FIRST_FUTURE_YEAR if future else FIRST_YEAR, years, **values)


@cache
def _table() -> pd.DataFrame:
    with files("climbench.simulate").joinpath("ssp_emissions.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, comment="#")
