"""The schema of recipes: a file for each kind of source, and one for the recipe."""

from climbench.recipes.schema.climate_data_store import ClimateDataStore
from climbench.recipes.schema.climsim import ClimSim
from climbench.recipes.schema.cmip import CmipSearch, EsgfSearch, PangeoCatalogue
from climbench.recipes.schema.emissions import Emissions
from climbench.recipes.schema.files import Files, Label, Quantile, as_list
from climbench.recipes.schema.global_means import GlobalMeans
from climbench.recipes.schema.recipe import (
    Checks,
    Climatology,
    Dates,
    Output,
    Recipe,
    Source,
    Statistics,
    years,
)
from climbench.recipes.schema.simulated import (
    SimulatedAtmosphere,
    SimulatedEarth,
    SimulatedStations,
    SimulatedTelemetry,
)
from climbench.recipes.schema.simulated_columns import SimulatedColumns
from climbench.recipes.schema.synthetic import Synthetic
from climbench.recipes.schema.tables import Tables
from climbench.recipes.schema.weather2k import Weather2K

__all__ = [
    "Checks",
    "ClimSim",
    "ClimateDataStore",
    "Climatology",
    "CmipSearch",
    "Dates",
    "Emissions",
    "EsgfSearch",
    "Files",
    "GlobalMeans",
    "Label",
    "Output",
    "PangeoCatalogue",
    "Quantile",
    "Recipe",
    "SimulatedAtmosphere",
    "SimulatedColumns",
    "SimulatedEarth",
    "SimulatedStations",
    "SimulatedTelemetry",
    "Source",
    "Statistics",
    "Synthetic",
    "Tables",
    "Weather2K",
    "as_list",
    "years",
]
