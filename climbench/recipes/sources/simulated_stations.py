"""The embedded planet's weather stations as a source: hours are computed when asked for."""

from typing import Any

import dask
import dask.array
import numpy as np
import pandas as pd
import xarray as xr

from climbench.errors import UserError
from climbench.recipes.schema import Recipe, SimulatedStations
from climbench.recipes.sources.simulated import identity, with_axes
from climbench.recipes.sources.source import Opened, Surroundings
from climbench.recipes.sources.stations import with_places
from climbench.simulate.station_weather import START, UNITS, StationWeather

BLOCK = 24 * 61  # hours that are computed together


def open_simulated_stations(
    source: SimulatedStations, recipe: Recipe, surroundings: Surroundings
) -> Opened:
    """Open the hours between the recipe's dates, not yet computed.

    Raises
    ------
    UserError
        If the dates begin before the planet's.
    """
    if recipe.dates is None:
        raise ValueError("the schema lets no simulated stations through without dates")
    first, last = pd.Timestamp(recipe.dates.start), pd.Period(recipe.dates.end).end_time
    if first < START:
        raise UserError(f"the embedded planet's weather begins on {START:%Y-%m-%d}, not {first}.")
    times = pd.date_range(first, last, freq="1h").as_unit("ns")
    weather = StationWeather(source.stations, source.seed)
    blocks = [times[at : at + BLOCK] for at in range(0, len(times), BLOCK)]
    made = [dask.delayed(weather.fields)(block) for block in blocks]
    data: dict[str, Any] = {}
    for name, units in UNITS.items():
        pieces = [
            dask.array.from_delayed(fields[name], (len(block), source.stations), dtype=np.float32)
            for fields, block in zip(made, blocks, strict=True)
        ]
        data[name] = (("time", "station"), dask.array.concatenate(pieces), {"units": units})
    labels = [f"{number:0{len(str(source.stations))}d}" for number in range(source.stations)]
    dataset = with_axes(xr.Dataset(data, {"time": times, "station": labels}))
    places = dict(zip(labels, weather.places.tolist(), strict=True))
    return Opened(with_places(dataset, places, "the embedded planet"), (identity(source),))
