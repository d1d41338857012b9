"""What a time series is made of: a record, or the mean of fields over a region."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.patches import Patch

from climbench.errors import UserError
from climbench.plot.canvases import titled
from climbench.plot.opening import CELLS, Source, channel_of, one_of
from climbench.plot.selecting import (
    cell_weights,
    narrowed,
    on_grid,
    said_simulated,
    shared_labels,
    title_of,
    truth_of,
    units_label,
    valid_time,
)
from climbench.plot.theme import LIGHT, safe
from climbench.plot.wording import pretty_units, with_units

OUTER = (0.05, 0.95)  # quantiles of the members at the ends of the interval


def record_of(data: xr.Dataset, target: str | None) -> xr.Dataset:
    """Return ``truth``, ``forecast`` and perhaps ``lower`` and ``upper [time]`` of one target."""
    if "target" in data.dims:
        names = data["target"].values
        target = one_of("target", target or names[0], names)
        data = data.sel(target=target)
    units = data["units"].item() if "units" in data.coords else data["truth"].attrs.get("units", "")
    name = target or str(data["truth"].attrs.get("long_name", ""))
    simulated = "simulated" if data.attrs.get("simulated") == "true" else ""
    return data.assign_attrs(
        title=", ".join(word for word in (name, simulated) if word),
        label=with_units(name, pretty_units(str(units))),
    )


def series_of(
    data: xr.Dataset | xr.DataArray,
    truth: Source | None,
    channel: str | None,
    place: tuple[float, float] | None,
    region: str | None,
    where: Mapping[str, Any],
) -> xr.Dataset:
    """Return ``forecast``, and perhaps ``truth``, ``lower`` and ``upper [time]``, of fields."""
    field = channel_of(data, channel)
    if "time" not in field.dims:
        raise UserError(f"'{field.name}' has no dimension 'time': a series needs it.")
    keep = ("time", "member", *CELLS) if "member" not in where else ("time", *CELLS)
    field = narrowed(field, where, keep)
    line = _one_place(field, place, region)
    steps = [valid_time(line.isel(time=n)) for n in range(line.sizes["time"])]
    found = {"forecast": line.mean("member") if "member" in line.dims else line}
    if line.sizes.get("member", 1) > 1:
        low, high = (line.quantile(level, "member", skipna=False) for level in OUTER)
        found |= {"lower": low.drop_vars("quantile"), "upper": high.drop_vars("quantile")}
    dims = ("time",)
    result = xr.Dataset({name: (dims, one.values) for name, one in found.items()}, {"time": steps})
    if truth is not None:
        target = truth_of(truth, field if channel is None else field.rename(channel))
        field = said_simulated(field, target)
        known = _one_place(
            narrowed(target, shared_labels(field, target), ("time", *CELLS)), place, region
        )
        known = known.reindex(time=result["time"].values)
        result["truth"] = (dims, known.values)
    several = field.isel(time=0, drop=True)
    spot = region or "global mean" if place is None else f"{place[0]:g} N, {place[1]:g} E"
    title = title_of(several.isel(member=0, drop=True) if "member" in several.dims else several,
                     str(field.name), spot)  # fmt: skip
    return result.assign_attrs(title=title, label=units_label(field))


def _one_place(
    field: xr.DataArray, place: tuple[float, float] | None, region: str | None
) -> xr.DataArray:
    """Return the nearest cell, or the area's mean; without cells the field itself."""
    if not {*CELLS} <= {*field.dims}:
        return field.load()
    field = on_grid(field)
    if place is not None:
        away = np.abs((field["longitude"].values - place[1] + 180) % 360 - 180)
        column = int(np.argmin(away))
        return field.isel(longitude=column).sel(latitude=place[0], method="nearest").load()
    weights = xr.DataArray(cell_weights(field, region or "global"), {d: field[d] for d in CELLS})
    return field.weighted(weights).mean(CELLS).load()


def draw_series(
    axes: Axes,
    here: xr.Dataset,
    events: Iterable[Mapping[str, Any]],
    period: tuple[Any, Any] | None,
) -> tuple[list[Any], list[str]]:
    """Draw a record, and return what the legend names."""
    target = str(here["target"].values) if "target" in here.coords else None
    whole = here["time"].values
    if period is not None:
        here = here.sel(time=slice(*(str(day) for day in period)))
        if not here.sizes["time"]:
            raise UserError(f"there is no time between {period[0]} and {period[1]}.")
    time = here["time"].values
    lines: list[Any] = []
    names = []
    if "lower" in here and "upper" in here:
        bounds = (here["lower"].values, here["upper"].values)
        lines.append(axes.fill_between(time, *bounds, color=LIGHT.models[0], alpha=0.25, lw=0))
        names.append("interval")
    lines += axes.plot(time, here["forecast"], color=LIGHT.models[0], lw=1.2)
    names.append("forecast")
    if "truth" in here:
        lines += axes.plot(time, here["truth"], color=LIGHT.text, lw=0.9)
        names.append("truth")
    seen = False
    for start, stop in _spans(events, whole, target):
        if start <= time[-1] and stop >= time[0]:
            seen = True
            axes.axvspan(max(start, time[0]), min(stop, time[-1]), color=LIGHT.models[1], alpha=0.3,
                         lw=1.5)  # fmt: skip
    if seen:
        lines.append(Patch(color=LIGHT.models[1], alpha=0.3))
        names.append("event")
    axes.set_ylabel(safe(here.attrs["label"]), fontsize=9.5)
    if time.dtype.kind == "M":
        locator: Any = AutoDateLocator(maxticks=8)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    titled(axes, here.attrs["title"], 7.0)
    return lines, names


def _spans(
    events: Iterable[Mapping[str, Any]], time: Any, target: str | None
) -> list[tuple[Any, Any]]:
    """Return first and last time of each event of the target."""
    spans = []
    for event in events:
        if target is not None and event.get("target", target) != target:
            continue
        if "first_step" in event:
            first = int(event["first_step"])
            spans.append((time[first], time[min(first + int(event["steps"]), len(time)) - 1]))
        elif "start" in event:
            stop = event.get("end", event["start"])
            spans.append((np.datetime64(pd.Timestamp(event["start"])),
                          np.datetime64(pd.Timestamp(stop))))  # fmt: skip
        else:
            raise UserError("an event needs 'start' and 'end', or 'first_step' and 'steps'.")
    return spans
