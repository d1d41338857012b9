"""Predictions against truth: scatter and time series."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from climbench.errors import UserError
from climbench.plot.canvases import legend, ready, titled
from climbench.plot.opening import CELLS, Source, at, channel_of, opened
from climbench.plot.selecting import (
    cell_weights,
    narrowed,
    on_grid,
    said_simulated,
    same_grid,
    shared_labels,
    title_of,
    truth_of,
    units_label,
    valid_time,
)
from climbench.plot.theme import LIGHT, safe
from climbench.plot.time_series import draw_series, record_of, series_of
from climbench.plot.wording import number, pretty_units

MOST_PAIRS = 2_000_000
"""Values that a scatter reads at most, of evenly chosen times."""


def scatter(
    prediction: Source,
    truth: Source,
    channel: str | None = None,
    *,
    residuals: bool = False,
    region: str | None = None,
    ax: Axes | None = None,
    **where: Any,
) -> Axes:
    """Draw how many cells have which truth and which prediction, or which error.

    Of a long record evenly chosen times are read, up to two million values. Heading: correlation
    and root mean square difference of what is drawn, each value counting the same.

    Parameters
    ----------
    prediction, truth
        Fields on the same grid, as in :func:`climbench.plot.comparison`, or two arrays of the same
        dimensions.
    channel
        A variable, or one at a level, such as ``geopotential_500``; by default the first.
    residuals
        Draw prediction less truth against the truth, instead of the prediction.
    region
        Any region of the evaluation; by default all cells.
    ax
        Axes to draw on; by default a figure of its own.
    **where
        Labels of the prediction: ``lead_time=24`` (hours; by default the first), ``scenario=``,
        ``member=``, ``time=``; by default all times.

    Returns
    -------
    matplotlib.axes.Axes
        The density, with the line of a perfect prediction.

    Raises
    ------
    UserError
        If a label is not there, the grids differ, or there is no pair of values.

    Examples
    --------
    >>> truth = xr.DataArray(np.arange(8.0).reshape(2, 4), dims=("run", "cell"), name="tas")
    >>> scatter(truth + 1, truth).get_title(loc="left")
    'tas: unweighted r = 1, rms difference 1'
    """
    forecast, target = _all_pairs(prediction, truth, channel, where)
    if region is not None:
        inside = xr.DataArray(cell_weights(forecast, region) > 0, {d: forecast[d] for d in CELLS})
        forecast = forecast.where(inside)
    known, told = target.values.ravel().astype(float), forecast.values.ravel().astype(float)
    both = np.isfinite(known) & np.isfinite(told)
    known, told = known[both], told[both]
    if not known.size:
        raise UserError("prediction and truth have no value in common: check times and region.")
    axes = ready(ax, 4.6, 5.6)
    ends = (min(known.min(), told.min()), max(known.max(), told.max()))
    ends = ends if ends[1] > ends[0] else (ends[0] - 0.5, ends[1] + 0.5)
    up = told - known if residuals else told
    reach = float(np.abs(up).max()) or 1.0
    limits = (ends, (-reach, reach) if residuals else ends)
    counts, x, y = np.histogram2d(known, up, bins=80, range=limits)
    mesh = axes.pcolormesh(
        x,
        y,
        np.where(counts > 0, counts, np.nan).T,
        cmap="viridis",
        norm=LogNorm(),
        rasterized=True,
    )
    axes.plot(ends, (0, 0) if residuals else ends, color=LIGHT.models[1], lw=1.2)
    bar: Any = axes.figure.colorbar(mesh, ax=axes, pad=0.02)
    bar.set_label("values", fontsize=9, color=LIGHT.text)
    bar.ax.tick_params(colors=LIGHT.text, labelsize=8.5)
    units = _units(forecast, target)
    label = units_label(forecast.assign_attrs(units=units))
    axes.set_xlabel(safe(f"truth, {label}" if label else "truth"), fontsize=9.5)
    axes.set_ylabel("prediction less truth" if residuals else "prediction", fontsize=9.5)
    error = np.sqrt(np.mean((told - known) ** 2))
    steady = known.std() * told.std() == 0
    together = np.nan if steady else np.corrcoef(known, told)[0, 1]
    own = "" if units == "1" else pretty_units(units)
    said = f"unweighted r = {number(float(together))}, rms difference {number(float(error), own)}"
    forecast = said_simulated(forecast, target)
    several = forecast.isel(time=0, drop=True) if "time" in forecast.dims else forecast
    titled(axes, f"{title_of(several, str(forecast.name))}: {said}", 4.6)
    return axes


def _units(forecast: xr.DataArray, target: xr.DataArray) -> str:
    return str(forecast.attrs.get("units") or target.attrs.get("units") or "")


def _all_pairs(
    prediction: Source, truth: Source, channel: str | None, where: Mapping[str, Any]
) -> tuple[xr.DataArray, xr.DataArray]:
    """Return prediction and truth at the times that both have, cells in the same order."""
    data = opened(prediction)
    forecast = channel_of(data, channel)
    gridded = {*CELLS} <= {*forecast.dims}
    keep = tuple(dim for dim in forecast.dims if dim in ("time", *CELLS) and dim not in where)
    if not gridded and not {"lead_time", "level"} & {*forecast.dims}:
        keep = tuple(map(str, forecast.dims))
    forecast = narrowed(forecast, where, keep)
    target = truth_of(truth, forecast if channel is None else forecast.rename(channel))
    if gridded:
        forecast, target = on_grid(forecast), on_grid(target)
    target = _at_valid_times(forecast, target)
    if "time" in forecast.dims:
        forecast = forecast.isel(time=np.flatnonzero(target["known"].values))
        target = target.isel(time=np.flatnonzero(target["known"].values))
        some = max(1, MOST_PAIRS // max(1, forecast.isel(time=0).size))
        if forecast.sizes["time"] > some:
            places = np.linspace(0, forecast.sizes["time"] - 1, some).round().astype(int)
            forecast, target = forecast.isel(time=places), target.isel(time=places)
    if gridded:
        target = same_grid(target, forecast)
    target = target.transpose(*forecast.dims)
    if target.shape != forecast.shape:
        raise UserError(
            f"prediction and truth have different shapes, {forecast.shape} and {target.shape}."
        )
    return forecast, target


def _at_valid_times(forecast: xr.DataArray, target: xr.DataArray) -> xr.DataArray:
    """Return the truth at the times that the prediction is for, and which of them it has."""
    target = target.sel(at(target, shared_labels(forecast, target)))
    if "time" not in target.dims or "time" not in forecast.coords:
        return target
    if "time" not in forecast.dims:
        return target.sel(at(target, {"time": valid_time(forecast)}))
    steps = [valid_time(forecast.isel(time=place)) for place in range(forecast.sizes["time"])]
    index = target.indexes["time"]
    places = index.get_indexer(pd.Index(steps) if index.dtype.kind == "M" else steps)
    found = target.isel(time=np.maximum(places, 0))
    return found.assign_coords(time=forecast["time"].values, known=("time", places >= 0))


def series(
    prediction: Source,
    truth: Source | None = None,
    channel: str | None = None,
    *,
    target: str | None = None,
    place: tuple[float, float] | None = None,
    region: str | None = None,
    events: Iterable[Mapping[str, Any]] = (),
    period: tuple[Any, Any] | None = None,
    ax: Axes | None = None,
    **where: Any,
) -> Axes:
    """Draw truth, prediction and its interval over time, with events shaded.

    Parameters
    ----------
    prediction
        Fields with times, or a record: ``truth`` and ``forecast [time]`` or ``[time, target]``,
        perhaps with ``lower`` and ``upper``, as the telemetry experiment writes (residuals.nc). Of
        fields with members the interval is from the 5th to the 95th percentile of them, and the
        line their mean.
    truth
        Fields on the same grid; not for a record.
    channel
        A variable, or one at a level; by default the first.
    target
        Of a record with several.
    place
        Latitude and longitude in degrees: the nearest cell; by default the mean of the region.
    region
        Area whose mean is drawn; by default the globe.
    events
        Each with ``start`` and ``end`` (or ``first_step`` and ``steps``), and perhaps ``target``:
        rows of events.json.
    period
        First and last time to draw.
    ax
        Axes to draw on; by default a figure of its own.
    **where
        Labels of other dimensions: ``lead_time=24`` (hours), ``scenario="ssp126"``.

    Returns
    -------
    matplotlib.axes.Axes
        Time along the abscissa: of forecasts the time that they are for.

    Raises
    ------
    UserError
        If a label is not there, or there is no time.

    Examples
    --------
    >>> series("residuals.nc", target="temperature_03")  # doctest: +SKIP
    >>> series("predictions.zarr", "truth.zarr", place=(52.5, 13.4), lead_time=24)  # doctest: +SKIP
    """
    data = opened(prediction)
    if isinstance(data, xr.Dataset) and {"truth", "forecast"} <= {*data.data_vars}:
        here = record_of(data, target)
    else:
        here = series_of(data, truth, channel, place, region, where)
    axes = ready(ax, 3.0, 7.5)
    lines, names = draw_series(axes, here, events, period)
    if len(lines) > 1:
        legend(axes, lines, names, ax is None, columns=4)
    return axes
