"""Global means of an ensemble as a source: each year's one number, as a field of one cell."""

from pathlib import Path

import numpy as np
import xarray as xr

from climbench.errors import UserError, nearest
from climbench.recipes.schema import GlobalMeans, Recipe
from climbench.recipes.sources.simulated import with_axes
from climbench.recipes.sources.source import Input, Opened, Surroundings
from climbench.simulate.emissions import mid_year

PERIODS = {True: "time_hist", False: "time_ssp"}
"""Axis of the historical scenario, and of all others."""


def open_global_means(source: GlobalMeans, recipe: Recipe, surroundings: Surroundings) -> Opened:
    """Open a table ``VARIABLE_SCENARIO [member, year]`` as ``[scenario, member, time, 1, 1]``.

    The one cell is the whole globe: bounds of a grid with one row and one column lie at the poles
    and all round, so that its area mean is its value.

    Raises
    ------
    UserError
        If there is no ``data_root``, the table or a scenario is not there, or a member lacks years.
    """
    if surroundings.data_root is None:
        raise UserError(
            f"recipe '{recipe.name}' reads {source.local}, which no public address has in this "
            "form: give data_root=FOLDER."
        )
    path = Path(surroundings.data_root, source.local)
    if not path.is_file():
        raise UserError(f"{path} is not there: check data_root.")
    with xr.open_dataset(path, engine="netcdf4") as table:
        runs = [_run(table, source, scenario) for scenario in source.scenarios]
    field = xr.concat(runs, xr.Variable("scenario", source.scenarios), join="outer")
    whole = field.expand_dims({"latitude": [0.0], "longitude": [180.0]}, (-2, -1))
    dataset = with_axes(whole.to_dataset(name=source.variable).chunk(scenario=1))
    return Opened(dataset, (Input(source.local, str(path)),))


def _run(table: xr.Dataset, source: GlobalMeans, scenario: str) -> xr.DataArray:
    """Return one scenario of the members that have all its years ``[member, time]``."""
    name, axis = f"{source.variable}_{scenario}", PERIODS[scenario == "historical"]
    if name not in table or axis not in table[name].dims:
        hint = nearest(name, map(str, table.data_vars))
        raise UserError(f"{source.local} has no '{name}' along {axis}: {hint}")
    run = table[name].transpose("member", axis).astype(np.float32).rename({axis: "time"}).load()
    lacking = run["member"].values[run.isnull().any("time").values].tolist()
    if lacking:
        raise UserError(f"{source.local}: member {lacking[0]} lacks years of {scenario}.")
    return run.assign_coords(time=mid_year(run["time"].values.astype(np.int64)))
