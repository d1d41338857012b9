"""Some forecasts and their truth, kept with the scores so that a page can show them."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from climbench.errors import UserError
from climbench.lead_times import lead_name
from climbench.tasks import Task

FRAMES = 12  # of a forecast, or years of a scenario
LATITUDES = 181  # of finer grids every second, third, ... point is kept


def examples(
    task: Task,
    predictions: Mapping[str, Path],
    scores: xr.Dataset,
    channels: int,
    times: Sequence[str] = (),
) -> xr.Dataset | None:
    """Return forecasts of all models, and the truth, of a few times.

    Parameters
    ----------
    task
        Says the truth.
    predictions
        Store of each model.
    scores
        Says which variable and level a channel is.
    channels
        The first so many are kept.
    times
        Initial times, the nearest forecasts are taken; by default one in the middle.

    Returns
    -------
    xarray.Dataset or None
        ``prediction [model, channel, scene, frame, latitude, longitude]`` (the mean of an ensemble)
        and ``truth`` without ``model``, of forecasts the ``valid [scene, frame]`` time as text;
        None where the fields are no maps.

    Raises
    ------
    UserError
        If a time is no date.
    """
    truth = task.truth()
    if not {"latitude", "longitude"} <= {*truth.dims} or channels == 0:
        return None
    stores = {name: xr.open_zarr(path) for name, path in predictions.items()}
    first = next(iter(stores.values()))
    if not {"latitude", "longitude"} <= {*first.dims}:
        return None
    labels = scores["channel"].values[:channels].tolist()
    named = [(str(scores["variable"].sel(channel=c).item()), _level(scores, c)) for c in labels]
    if "prediction_timedelta" in first.dims:
        chosen = _initial_times(first, times)
        parts = [_forecasts(stores, truth, named, time) for time in chosen]
        scenes = [f"from {pd.Timestamp(time):%Y-%m-%d %H:%M}" for time in chosen]
    elif "scenario" in first.dims:
        scenes = [str(name) for name in first["scenario"].values]
        parts = [_years(stores, truth, named, scene) for scene in scenes]
    else:
        return None
    result = xr.concat(parts, "scene", join="override").assign_coords(scene=scenes, channel=labels)
    step = -(-result.sizes["latitude"] // LATITUDES)
    return result.isel(latitude=slice(None, None, step), longitude=slice(None, None, step))


def _level(scores: xr.Dataset, channel: str) -> float | None:
    level = float(scores["level"].sel(channel=channel))
    return None if np.isnan(level) else level


def _initial_times(predictions: xr.Dataset, wanted: Sequence[str]) -> list[np.datetime64]:
    starts = predictions["time"].values
    if not wanted:
        return [starts[len(starts) // 2]]
    try:
        times = [np.datetime64(pd.Timestamp(time)) for time in wanted]
    except ValueError as error:
        raise UserError(f"option 'report.times' = {list(wanted)}: {error}.") from error
    return [starts[np.argmin(np.abs(starts - time))] for time in times]


def _forecasts(
    stores: Mapping[str, xr.Dataset],
    truth: xr.Dataset,
    named: Sequence[tuple[str, float | None]],
    time: np.datetime64,
) -> xr.Dataset:
    leads = next(iter(stores.values()))["prediction_timedelta"].values[:FRAMES]
    hours = leads / np.timedelta64(1, "h")
    own = {
        name: _fields(store.sel(time=time, prediction_timedelta=leads), named)
        for name, store in stores.items()
    }
    valid = truth.reindex(time=time + leads)
    both = _together(
        own, _fields(valid, named), "prediction_timedelta", "time", map(lead_name, hours)
    )
    return both.assign(
        valid=("frame", [f"{pd.Timestamp(at):%Y-%m-%d %H:%M}" for at in time + leads])
    )


def _years(
    stores: Mapping[str, xr.Dataset],
    truth: xr.Dataset,
    named: Sequence[tuple[str, float | None]],
    scenario: str,
) -> xr.Dataset:
    years = next(iter(stores.values())).indexes["time"]
    few = years[np.unique(np.linspace(0, len(years) - 1, FRAMES).round().astype(int))]
    where = {"scenario": scenario, "time": few}
    own = {name: _fields(store.sel(where), named) for name, store in stores.items()}
    return _together(
        own, _fields(truth.sel(where), named), "time", "time", (str(year.year) for year in few)
    )


def _fields(data: xr.Dataset, named: Sequence[tuple[str, float | None]]) -> xr.DataArray:
    """Return the channels of a dataset, one after another; members become their mean."""
    fields = []
    for variable, level in named:
        field = data[variable]
        field = field.sel(level=level) if level is not None and "level" in field.dims else field
        fields.append(field.mean("member") if "member" in field.dims else field)
    return xr.concat(fields, "channel", coords="minimal", compat="override").reset_coords(drop=True)


def _together(
    own: Mapping[str, xr.DataArray],
    truth: xr.DataArray,
    along: str,
    truth_along: str,
    names: Iterable[str],
) -> xr.Dataset:
    """Return predictions and truth with the same names and order of dimensions."""
    order = ("channel", "frame", "latitude", "longitude")
    stacked = xr.concat(
        [
            field.drop_vars(along).rename({along: "frame"}).transpose(*order)
            for field in own.values()
        ],
        "model",
        join="override",
    )
    right = truth.drop_vars(truth_along).rename({truth_along: "frame"}).transpose(*order)
    right = right.sel(
        latitude=stacked["latitude"], longitude=stacked["longitude"], method="nearest"
    )
    right = right.assign_coords(latitude=stacked["latitude"], longitude=stacked["longitude"])
    both = xr.Dataset({"prediction": stacked, "truth": right}).astype(np.float32)
    return both.assign_coords(model=list(own), frame=list(names)).load()
