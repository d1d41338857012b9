"""One field, or pairs of prediction and truth, out of many."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from climbench.errors import UserError, nearest
from climbench.metrics import region_weights
from climbench.plot.opening import CELLS, Source, at, channel_of, opened, words_of
from climbench.plot.wording import pretty_units, with_units

PLACES = ("model", "scenario", "time", "lead_time", "level", "member")


def one_field(source: Source, channel: str | None, where: Mapping[str, Any]) -> xr.DataArray:
    """Return a field ``[latitude, longitude]``; of a dimension not named, the first label.

    Raises
    ------
    UserError
        If the channel or a label is not there, or it is no field on a grid.
    """
    field = channel_of(opened(source), channel)
    return on_grid(narrowed(field, where, CELLS))


def narrowed(field: xr.DataArray, where: Mapping[str, Any], keep: Sequence[str]) -> xr.DataArray:
    """Return a field at the labels of ``where``, and at the first of all dimensions not kept."""
    for dim in where:
        if dim in keep:
            raise UserError(f"'{dim}' is what is drawn along: leave it out.")
    field = field.sel(at(field, where))
    return field.isel({dim: 0 for dim in field.dims if dim not in keep})


def on_grid(field: xr.DataArray) -> xr.DataArray:
    """Return a field whose cells rise from south to north and from 0 to 360 degrees.

    Raises
    ------
    UserError
        If it has no latitudes and longitudes along dimensions of their own.
    """
    for dim in CELLS:
        if dim not in field.dims:
            raise UserError(
                f"'{field.name}' has no dimension '{dim}' but {', '.join(map(str, field.dims))}: "
                "a map needs latitude and longitude."
            )
        if dim not in field.coords:
            raise UserError(f"'{field.name}' has no values of '{dim}' [degrees]: assign them.")
    return field.assign_coords(longitude=field["longitude"] % 360).sortby(["latitude", "longitude"])


def in_region(field: xr.DataArray, region: str | None) -> xr.DataArray:
    """Return the cells of a region; those of its box that are not in it are missing.

    Raises
    ------
    UserError
        If the region is unknown or has no cell.
    """
    if region is None or region == "global":
        return field
    inside = xr.DataArray(cell_weights(field, region) > 0, {dim: field[dim] for dim in CELLS})
    return field.where(inside).isel(
        latitude=np.flatnonzero(inside.any("longitude")),
        longitude=np.flatnonzero(inside.any("latitude")),
    )


def cell_weights(field: xr.DataArray, region: str) -> np.ndarray:
    """Return the area of each cell within a region ``[latitude, longitude]``, mean 1 on a globe."""
    weights = region_weights(field["latitude"].values, field["longitude"].values, [region])
    return weights[:, 0].reshape(field.sizes["latitude"], field.sizes["longitude"])


def pair(
    prediction: Source, truth: Source, channel: str | None, where: Mapping[str, Any]
) -> tuple[xr.DataArray, xr.DataArray]:
    """Return prediction and truth ``[latitude, longitude]`` at the time that both are valid.

    A truth with members counts with their mean.

    Raises
    ------
    UserError
        If one lacks the channel or the time, or they are on different grids.
    """
    forecast = one_field(prediction, channel, where)
    target = truth_of(truth, forecast if channel is None else forecast.rename(channel))
    shared = shared_labels(forecast, target)
    if "time" in target.dims:
        shared["time"] = valid_time(forecast)
    target = on_grid(narrowed(target, shared, CELLS))
    return said_simulated(forecast, target), same_grid(target, forecast)


def said_simulated(forecast: xr.DataArray, target: xr.DataArray) -> xr.DataArray:
    """Return the prediction, marked as simulated if the truth is: its maker may not have."""
    simulated = "true" in (forecast.attrs.get("simulated"), target.attrs.get("simulated"))
    return forecast.assign_attrs(simulated="true") if simulated else forecast


def truth_of(truth: Source, like: xr.DataArray) -> xr.DataArray:
    """Return the truth of a channel, the mean over its members, at lead time 0 of analyses."""
    data = opened(truth)
    known = isinstance(data, xr.DataArray) or str(like.name) != "field"
    target = channel_of(data, str(like.name) if known else None)
    if "member" in target.dims:
        target = target.mean("member", keep_attrs=True)
    for dim in ("scenario", "time", "level"):
        if dim in target.dims and dim not in like.coords:
            raise UserError(f"the prediction has no '{dim}', the truth has: choose one of it.")
    return target


def shared_labels(forecast: xr.DataArray, target: xr.DataArray) -> dict[str, Any]:
    """Return the scenario and level of the prediction, where the truth has several."""
    return {
        dim: forecast[dim].values[()]
        for dim in ("scenario", "level")
        if dim in target.dims and dim in forecast.coords
    }


def valid_time(forecast: xr.DataArray) -> Any:
    """Return the time that a forecast is for: its start and the lead time."""
    start = forecast["time"].values[()] if "time" in forecast.coords else None
    if start is None or "lead_time" not in forecast.coords:
        return start
    hours = float(forecast["lead_time"].values)
    if isinstance(start, np.datetime64):
        return start + np.timedelta64(round(hours * 3600e9), "ns")
    return start + pd.Timedelta(hours=hours).to_pytimedelta()


def same_grid(target: xr.DataArray, forecast: xr.DataArray) -> xr.DataArray:
    """Return the truth with the coordinates of the prediction, which differ by rounding only.

    Raises
    ------
    UserError
        If they are on different grids.
    """
    for dim in CELLS:
        own, other = target[dim].values, forecast[dim].values
        if own.shape != other.shape or not np.allclose(own, other, atol=1e-3):
            raise UserError(
                f"prediction and truth are on different grids ({_grid(forecast)} and "
                f"{_grid(target)} cells): regrid one of them."
            )
    return target.assign_coords({dim: forecast[dim] for dim in CELLS})


def _grid(field: xr.DataArray) -> str:
    return f"{field.sizes['latitude']} x {field.sizes['longitude']}"


def units_label(field: xr.DataArray) -> str:
    """Return the channel with its units, as far as it has any."""
    units = str(field.attrs.get("units", ""))
    name = str(field.name) if field.name != "field" else ""
    return with_units(name, "" if units == "1" else pretty_units(units)).strip()


def title_of(field: xr.DataArray, *words: str) -> str:
    """Return a heading: words, where the field stands, and that it is simulated if it is."""
    simulated = "simulated" if field.attrs.get("simulated") in ("true", True) else ""
    return ", ".join(word for word in (*words, words_of(field, PLACES), simulated) if word)


def chosen_model(model: str, models: Sequence[str]) -> str:
    """Return a model's name that is there.

    Raises
    ------
    UserError
        If it is not.
    """
    if model not in models:
        raise UserError(f"there is no model '{model}': {nearest(model, models)}")
    return model
