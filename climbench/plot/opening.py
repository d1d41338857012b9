"""Scores and fields from whatever was given: a dataset, an array, or the path of a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from climbench.axis_names import ALIASES
from climbench.errors import UserError, nearest
from climbench.lead_times import lead_name

Source = xr.Dataset | xr.DataArray | Path | str
CELLS = ("latitude", "longitude")


def opened(source: Source) -> xr.Dataset | xr.DataArray:
    """Return what was given, opened if it is a path, its axes under the names that plots know.

    ``latitude``, ``longitude``, ``time``, ``level``, ``member``, ``scenario``, and ``lead_time``
    in hours.

    Raises
    ------
    UserError
        If there is nothing at the path, or it cannot be read.
    """
    data = source if isinstance(source, xr.Dataset | xr.DataArray) else _read(Path(source))
    names = {*data.dims, *data.coords}
    renamed: dict[Any, str] = {}
    for old, new in ALIASES.items():
        if old in names and old != "lead_time" and not {new} & {*names, *renamed.values()}:
            renamed[old] = new
    data = data.rename(renamed)
    if "prediction_timedelta" in data.coords:
        data = data.rename(prediction_timedelta="lead_time")
    if "lead_time" in data.coords and data["lead_time"].dtype.kind == "m":
        hours = data["lead_time"].values / np.timedelta64(1, "h")
        data = data.assign_coords(lead_time=(data["lead_time"].dims, hours, {"units": "hours"}))
    return data


def _read(path: Path) -> xr.Dataset:
    path = path / "scores.nc" if (path / "scores.nc").is_file() else path
    if not path.exists():
        raise UserError(f"{path} does not exist: check the path.")
    if of_a_run := sorted(str(file) for file in path.glob("report-*/scores.nc")):
        raise UserError(f"{path} is a run: its scores are {' or '.join(of_a_run)}.")
    try:
        if path.is_dir():
            store: xr.Dataset = xr.open_zarr(path, decode_timedelta=True)
            return store
        dataset = xr.open_dataset(path, engine="netcdf4", decode_timedelta=False)
        if "prediction_timedelta" in dataset.coords or "step" in dataset.coords:
            dataset = xr.open_dataset(path, engine="netcdf4", decode_timedelta=True)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} can be read neither as netCDF nor as Zarr: {' '.join(str(error).split())}"
        ) from error
    return dataset


def scores_of(source: Source) -> xr.Dataset:
    """Return scores.

    Raises
    ------
    UserError
        If it is something else.
    """
    scores = opened(source)
    if not isinstance(scores, xr.Dataset) or "score" not in scores or "model" not in scores.dims:
        what = source if isinstance(source, Path | str) else "what was given"
        raise UserError(
            f"{what} holds no scores: give what climbench.evaluate or climbench.run returned, or "
            "the path of its scores.nc."
        )
    return scores


def one_of(kind: str, name: Any, choices: Any) -> str:
    """Return a name that is there.

    Raises
    ------
    UserError
        If it is not; the sentence has the nearest one.
    """
    known = [str(choice) for choice in choices]
    if str(name) not in known:
        raise UserError(f"there is no {kind} '{name}': {nearest(str(name), known)}")
    return str(name)


def channel_of(data: xr.Dataset | xr.DataArray, channel: str | None) -> xr.DataArray:
    """Return one variable at one level; by default the first one on a grid.

    Parameters
    ----------
    data
        Fields.
    channel
        A variable, or one at a level in hPa, such as ``geopotential_500``.

    Raises
    ------
    UserError
        If there is none of that name.
    """
    if isinstance(data, xr.DataArray):
        field = data.rename(channel or str(data.name or "field"))
        return field.assign_attrs(simulated=data.attrs.get("simulated", ""))
    fields = [str(name) for name, one in data.data_vars.items() if _is_field(one)]
    channel = (fields or [""])[0] if channel is None else channel
    variable, _, level = channel.rpartition("_")
    if channel in data.data_vars:
        field = data[channel]
    elif variable in data.data_vars and level.isdigit() and "level" in data[variable].coords:
        field = data[variable].sel(at(data[variable], {"level": int(level)})).rename(channel)
    else:
        raise UserError(f"there is no channel '{channel}': {nearest(channel, _channels(data))}")
    return field.assign_attrs(simulated=data.attrs.get("simulated", ""))


def _is_field(one: xr.DataArray) -> bool:
    return {*CELLS} <= {*one.dims} and bool({"time", "lead_time"} & {*one.dims} or one.ndim == 2)


def _channels(data: xr.Dataset) -> list[str]:
    names = []
    for name, one in data.data_vars.items():
        levels = one["level"].values.tolist() if "level" in one.dims else []
        names += [f"{name}_{level:g}" for level in levels] or [str(name)]
    return names


def at(data: xr.DataArray, where: Mapping[str, Any]) -> dict[str, Any]:
    """Return labels of ``data`` for what a user wrote: dates as text, lead times in hours.

    Raises
    ------
    UserError
        If a dimension or a label is not there.
    """
    chosen = {}
    for dim, wanted in where.items():
        choices = [str(name) for name in data.coords if data[name].ndim < 2]
        if dim not in choices:
            raise UserError(f"'{data.name}' has no '{dim}' to choose: {nearest(dim, choices)}")
        values = np.atleast_1d(data[dim].values)
        place = _place(values, wanted)
        if place is None:
            names = [label_of(dim, value) for value in values]
            known = nearest(str(wanted), names) if len(names) < 30 else f"{names[0]} to {names[-1]}"
            raise UserError(f"'{data.name}' has no {dim} {wanted}: {known}")
        if dim in data.dims:
            chosen[dim] = values[place]
    return chosen


def _place(values: Any, wanted: Any) -> int | None:
    """Return where the wanted label stands: the first one of a year, month or day."""
    if values.dtype.kind == "M":
        try:
            text = wanted if isinstance(wanted, str) else str(pd.Timestamp(wanted))
            period = pd.Period(text) if len(text) < 11 else None
            stamps = pd.DatetimeIndex(values)
            first = pd.Timestamp(text)
        except ValueError:
            return None
        same = (
            stamps == first
            if period is None
            else (stamps >= period.start_time) & (stamps <= period.end_time)
        )
    elif values.dtype.kind in "iuf":
        try:
            same = np.isclose(values.astype(float), float(wanted))
        except (TypeError, ValueError):
            return None
    else:
        same = np.array([str(value).startswith(str(wanted)) for value in values])
        exact = np.array([str(value) == str(wanted) for value in values])
        dates = values.dtype.kind == "O" and hasattr(values[0], "calendar")
        same = exact if exact.any() or not dates else same
    found = np.flatnonzero(same)
    return int(found[0]) if found.size else None


def label_of(dim: str, value: Any) -> str:
    """Return a label in words.

    Examples
    --------
    >>> label_of("lead_time", 24.0), label_of("time", np.datetime64("2003-01-01T06:00"))
    ('24 h', '2003-01-01 06:00')
    """
    if dim == "lead_time":
        return lead_name(float(value))
    if isinstance(value, np.datetime64):
        return f"{pd.Timestamp(value):%Y-%m-%d %H:%M}".removesuffix(" 00:00")
    if hasattr(value, "calendar"):
        return str(value).removesuffix(" 00:00:00")
    if isinstance(value, float | np.floating):
        return f"{value:g}"
    return str(value)


def words_of(field: xr.DataArray, dims: tuple[str, ...]) -> str:
    """Return the labels that a field stands at, in words."""
    said = []
    for dim in dims:
        if dim in field.coords and field[dim].ndim == 0:
            text = label_of(dim, field[dim].values[()])
            if dim == "level" and (text == "nan" or str(field.name).endswith(f"_{text}")):
                continue  # of the surface, or said by the channel's name
            said.append({"level": f"{text} hPa", "member": f"member {text}"}.get(dim, text))
    return ", ".join(said)
