"""From arrays by channel to variables with levels: the layout of predictions and climatology."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.store import split_channel


def by_variable(
    store: xr.Dataset,
    fields: Mapping[str, NDArray[Any]],
    front: Mapping[str, Any],
) -> xr.Dataset:
    """Return fields by channel as variables that share one ``level`` dimension.

    Parameters
    ----------
    store
        Where the channels come from: gives their levels, attributes and the grid.
    fields
        By channel ``[*front, latitude, longitude]``.
    front
        The leading dimensions, in order, with their coordinates.

    Returns
    -------
    xarray.Dataset
        ``[*front, (level), latitude, longitude]``; NaN where a variable and level is not a
        channel. The attribute ``channels`` (JSON list) names what is there.
    """
    where = {name: split_channel(store, name) for name in fields}
    levels = sorted({level for _, level in where.values() if level is not None})
    grid = ("latitude", "longitude")
    coordinates = {name: store[name] for name in grid} | dict(front)
    if levels:
        coordinates["level"] = ("level", levels, store["level"].attrs)
    variables: dict[str, xr.Variable] = {}
    for name, (variable, level) in where.items():
        values = fields[name]
        if level is None:
            variables[variable] = xr.Variable((*front, *grid), values, store[variable].attrs)
            continue
        if variable not in variables:
            shape = (*values.shape[:-2], len(levels), *values.shape[-2:])
            variables[variable] = xr.Variable(
                (*front, "level", *grid),
                np.full(shape, np.nan, values.dtype),
                store[variable].attrs,
            )
        variables[variable].values[..., levels.index(level), :, :] = values
    return xr.Dataset(variables, coordinates, {"channels": json.dumps(list(fields))})


def select_channels(store: xr.Dataset, channels: Sequence[str]) -> xr.Dataset:
    """Return the variables of some channels, lazily, with only the levels that occur."""
    where = [split_channel(store, name) for name in channels]
    chosen = store[list(dict.fromkeys(variable for variable, _ in where))]
    levels = sorted({level for _, level in where if level is not None})
    return chosen.sel(level=levels) if levels else chosen.drop_vars("level", errors="ignore")
