"""Forecasts in the layout of WeatherBench 2: ``[time, prediction_timedelta, (level), ...]``."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from climbench.tasks.layout import by_variable
from climbench.tasks.timeline import to_minutes


def forecast_front(times: pd.Index, lead_times: Sequence[float]) -> dict[str, Any]:
    """Return the leading dimensions of forecasts: initial times, and leads in hours as such."""
    steps = to_minutes(lead_times).astype("timedelta64[m]").astype("timedelta64[ns]")
    return {
        "time": ("time", times),
        "prediction_timedelta": ("prediction_timedelta", steps),
    }


def forecast_template(
    store: xr.Dataset, channels: Sequence[str], front: Mapping[str, Any]
) -> xr.Dataset:
    """Return a whole dataset of forecasts with values that take no memory.

    Parameters
    ----------
    store
        Gives levels, attributes and grid.
    channels
        What is forecast.
    front
        From :func:`forecast_front`.
    """
    (_, times), (_, steps) = front["time"], front["prediction_timedelta"]
    shape = (1, len(steps), store.sizes["latitude"], store.sizes["longitude"])
    fields = {name: np.full(shape, np.nan, np.float32) for name in channels}
    one = by_variable(store, fields, {**front, "time": ("time", times[:1])})
    whole: dict[Hashable, Any] = {}
    for name, field in one.data_vars.items():
        repeated = np.broadcast_to(field, (len(times), *field.shape[1:]))
        whole[name] = (field.dims, repeated, field.attrs)
    coordinates: dict[Hashable, Any] = dict(one.coords)
    coordinates.update(front)
    return xr.Dataset(whole, coordinates, one.attrs)
