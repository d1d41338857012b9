"""Emissions of the SSP scenarios as forcing of a real climate model's fields."""

from pathlib import Path

import xarray as xr

from climbench.errors import UserError, nearest
from climbench.recipes.downloads import fetch, shown
from climbench.recipes.schema import Emissions, Files
from climbench.recipes.sources.addresses import locate
from climbench.recipes.sources.rcmip import rcmip_emissions
from climbench.recipes.sources.source import Input, Surroundings
from climbench.simulate.emissions import ssp_emissions
from climbench.store.provenance import source_record


def open_emissions(
    source: Emissions, surroundings: Surroundings
) -> tuple[xr.Dataset, tuple[Input, ...]]:
    """Return the emissions ``[scenario, time]``, and the table that they are from.

    Raises
    ------
    UserError
        If the table cannot be read.
    """
    if source.address is None:
        return ssp_emissions(), ()
    table = Files(kind="files", address=source.address, local=source.local)
    ((name, address),) = locate(table, None, surroundings)
    path = Path(fetch(address, surroundings.downloads))
    return rcmip_emissions(path), (Input(shown(name), record=source_record(path)),)


def add_emissions(dataset: xr.Dataset, source: Emissions, emissions: xr.Dataset) -> xr.Dataset:
    """Return the dataset with the global emissions of its scenarios and years.

    Parameters
    ----------
    dataset
        Fields of all other sources, with ``scenario`` and annual ``time``.
    source
        Which emissions.
    emissions
        From :func:`open_emissions`.

    Raises
    ------
    UserError
        If the dataset has no scenarios or years, or emissions of one of them are not known.
    """
    if "scenario" not in dataset.dims or "time" not in dataset.dims:
        raise UserError(
            "emissions need fields with the dimensions 'scenario' and 'time': give the other "
            "sources 'coordinates: {scenario: ...}'."
        )
    if source.variables is not None:
        for name in source.variables:
            if name not in emissions:
                raise UserError(f"no emissions '{name}': {nearest(name, map(str, emissions))}")
        emissions = emissions[source.variables]
    known = emissions["scenario"].values.tolist()
    for scenario in dataset["scenario"].values.tolist():
        if scenario not in known:
            raise UserError(f"no emissions of scenario '{scenario}': {nearest(scenario, known)}")
    wanted = dataset["time"].dt.year
    if len(set(wanted.values.tolist())) != wanted.size:
        raise UserError("emissions are annual: put a step that makes the fields annual before.")
    by_year = emissions.assign_coords(time=emissions["time"].dt.year)
    chosen = by_year.reindex(scenario=dataset["scenario"].values, time=wanted.values)
    return dataset.merge(chosen.assign_coords(time=dataset["time"]), join="exact")
