"""Sources of a recipe: one file per kind of archive, each giving a lazy dataset."""

from collections.abc import Hashable, Sequence
from dataclasses import replace

import xarray as xr

from climbench.errors import UserError, nearest
from climbench.recipes.schema import (
    ClimateDataStore,
    ClimSim,
    Emissions,
    EsgfSearch,
    Files,
    GlobalMeans,
    PangeoCatalogue,
    Recipe,
    SimulatedAtmosphere,
    SimulatedColumns,
    SimulatedEarth,
    SimulatedStations,
    SimulatedTelemetry,
    Source,
    Synthetic,
    Tables,
    Weather2K,
)
from climbench.recipes.sources.addresses import each_of
from climbench.recipes.sources.climate_data_store import requests_of
from climbench.recipes.sources.climsim import open_climsim
from climbench.recipes.sources.combining import Labelled, along_labels, by_variable
from climbench.recipes.sources.emissions import add_emissions, open_emissions
from climbench.recipes.sources.esgf import expand_search
from climbench.recipes.sources.files import open_files, prefetch
from climbench.recipes.sources.global_means import open_global_means
from climbench.recipes.sources.narrowing import is_kept
from climbench.recipes.sources.pangeo import expand_catalogue
from climbench.recipes.sources.simulated import open_atmosphere, open_earth, open_telemetry
from climbench.recipes.sources.simulated_columns import open_simulated_columns
from climbench.recipes.sources.simulated_stations import open_simulated_stations
from climbench.recipes.sources.source import (
    Expander,
    Input,
    Opened,
    Opener,
    Surroundings,
)
from climbench.recipes.sources.synthetic import open_synthetic
from climbench.recipes.sources.tables import open_tables
from climbench.recipes.sources.weather2k import open_weather2k

OPENERS: dict[type, Opener] = {
    Files: open_files,
    GlobalMeans: open_global_means,
    Tables: open_tables,
    Weather2K: open_weather2k,
    ClimSim: open_climsim,
    SimulatedAtmosphere: open_atmosphere,
    SimulatedEarth: open_earth,
    SimulatedColumns: open_simulated_columns,
    SimulatedStations: open_simulated_stations,
    SimulatedTelemetry: open_telemetry,
    Synthetic: open_synthetic,
}
"""How to open each kind of source that stands for itself."""

EXPANDERS: dict[type, Expander] = {
    Files: lambda source, recipe, surroundings: each_of(source),
    PangeoCatalogue: expand_catalogue,
    EsgfSearch: expand_search,
    ClimateDataStore: requests_of,
}
"""How to turn a kind of source, such as a catalogue, into the files that it stands for."""


def open_sources(recipe: Recipe, surroundings: Surroundings) -> Opened:
    """Open all sources of a recipe as one lazy dataset.

    Sources with ``coordinates`` are laid along them; the others are joined by their variables;
    emissions are added for the scenarios and years of the rest.

    Raises
    ------
    UserError
        If a source cannot be read or does not fit to the others.
    """
    sources = [
        one
        for source in recipe.sources
        if not isinstance(source, Emissions) and is_kept(source, recipe)
        for one in _expanded(source, recipe, surroundings)
    ]
    opened = []
    for position, one in enumerate(sources):
        plans = surroundings.peek or surroundings.foresee
        if position == 1 and not plans:  # the first could be opened: go for the others
            prefetch(sources[1:], recipe, surroundings)
        opened.append((one, OPENERS[type(one)](one, recipe, surroundings)))
    inputs = tuple(
        replace(one, variables=frozenset(map(str, source.dataset.data_vars)))
        for _, source in opened
        for one in source.inputs
    )
    labelled: list[Labelled] = [
        (source.coordinates, (one.inputs[0].address, one.dataset))
        for source, one in opened
        if isinstance(source, Files) and source.coordinates
    ]
    named = [
        (one.inputs[0].address, one.dataset)
        for source, one in opened
        if not (isinstance(source, Files) and source.coordinates)
    ]
    dataset = by_variable([*map(along_labels, _by_content(labelled)), *named])
    if recipe.variables is None:  # else some may have been left out
        _check_units(recipe.sources, dataset)
    for source in recipe.sources:
        if isinstance(source, Emissions):
            emissions, table = open_emissions(source, surroundings)
            dataset = add_emissions(dataset, source, emissions)
            inputs += table
    return Opened(dataset, inputs, max((one.block for _, one in opened), default=0))


def _check_units(sources: Sequence[Source], dataset: xr.Dataset) -> None:
    """Refuse a unit for a variable that no file has."""
    for source in sources:
        if not isinstance(source, Files | Tables):
            continue
        for name in source.units:
            if source.rename.get(name, name) not in dataset:
                old = {new: old for old, new in source.rename.items()}
                hint = nearest(name, (old.get(str(one), str(one)) for one in dataset.data_vars))
                raise UserError(f"'units' in a source: no file has '{name}': {hint}")


def _expanded(source: Source, recipe: Recipe, surroundings: Surroundings) -> Sequence[Source]:
    expand = EXPANDERS.get(type(source))
    return expand(source, recipe, surroundings) if expand else [source]


def _by_content(labelled: list[Labelled]) -> list[list[Labelled]]:
    """Return the labelled sources in groups of the same variables."""
    groups: dict[frozenset[Hashable], list[Labelled]] = {}
    for labels, (name, dataset) in labelled:
        groups.setdefault(frozenset(dataset.data_vars), []).append((labels, (name, dataset)))
    return list(groups.values())


__all__ = ["EXPANDERS", "OPENERS", "Input", "Opened", "Surroundings", "open_sources"]
