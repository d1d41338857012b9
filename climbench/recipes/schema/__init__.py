"""The schema of recipes: a file for each kind of source, and one for the recipe."""

from climbench.recipes.schema.emissions import Emissions
from climbench.recipes.schema.files import Files, Label, Quantile, as_list
from climbench.recipes.schema.global_means import GlobalMeans
from climbench.recipes.schema.recipe import Checks, Dates, Output, Recipe, Source, Statistics, years
from climbench.recipes.schema.simulated import SimulatedAtmosphere, SimulatedEarth

__all__ = [
    "Checks",
    "Dates",
    "Emissions",
    "Files",
    "GlobalMeans",
    "Label",
    "Output",
    "Quantile",
    "Recipe",
    "SimulatedAtmosphere",
    "SimulatedEarth",
    "Source",
    "Statistics",
    "as_list",
    "years",
]
