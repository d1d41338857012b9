"""Sections through the atmosphere: means along circles of latitude, over pressure."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from cartopy.mpl.ticker import LatitudeFormatter
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, StrMethodFormatter

from climbench.errors import UserError
from climbench.plot.canvases import ready, titled
from climbench.plot.maps import dress_bar, midpoints
from climbench.plot.opening import CELLS, Source, channel_of, one_of, opened
from climbench.plot.scales import (
    Colours,
    Levels,
    Scale,
    bias_scale,
    error_scale,
    field_scale,
    with_options,
)
from climbench.plot.selecting import (
    narrowed,
    on_grid,
    said_simulated,
    title_of,
    truth_of,
    units_label,
    valid_time,
)
from climbench.plot.theme import LIGHT
from climbench.plot.wording import level_label

MOST_LABELS = 20  # of levels beside one another
COLUMNS = "section_r2"
"""The sections that scores of column physics hold, ``[model, profile, scenario, zone, lev]``."""


def section(
    prediction: Source,
    variable: str | None = None,
    truth: Source | None = None,
    *,
    metric: str | None = None,
    cmap: Colours = None,
    levels: Levels = None,
    ax: Axes | None = None,
    **where: Any,
) -> Axes:
    """Draw a mean along circles of latitude, over latitude and pressure.

    Parameters
    ----------
    prediction
        Fields with ``level`` (hPa), ``latitude`` and ``longitude``, scores with error maps of one
        variable at several levels, or scores of column physics.
    variable
        Its name without a level, such as ``temperature``; by default the first with levels.
    truth
        If given, prediction less truth is drawn.
    metric
        Of scores: ``rmse`` (default; the root of the mean square along a circle) or ``bias``; of
        column physics ``r2`` of daily means along circles.
    cmap, levels
        As in :func:`climbench.plot.map`.
    ax
        Axes to draw on; by default a figure of its own.
    **where
        Labels of other dimensions, as in :func:`climbench.plot.map`.

    Returns
    -------
    matplotlib.axes.Axes
        Pressure on a logarithmic axis (of columns, many of whose levels are high, on a plain one),
        the ground below.

    Raises
    ------
    UserError
        If there is no such variable with two levels or more, or a label is not there.

    Examples
    --------
    >>> section("predictions.zarr", "temperature", "truth.zarr", lead_time=24)  # doctest: +SKIP
    """
    data = opened(prediction)
    if truth is not None and isinstance(data, xr.Dataset) and "score" in data:
        raise UserError("scores are of a prediction and its truth already: leave 'truth' out.")
    if isinstance(data, xr.Dataset) and COLUMNS in data:
        mean = _section_of_columns(data, variable, metric, where)
        scale = Scale(tuple(np.linspace(0.0, 1.0, 11).tolist()), "viridis", "min")
    elif isinstance(data, xr.Dataset) and "score" in data:
        mean, metric = _section_of_scores(data, variable, metric, where)
        scale = (bias_scale if metric == "bias" else error_scale)([mean])
    else:
        mean = _section_of_fields(data, variable, where)
        if truth is not None:
            known = _section_of_truth(truth, mean)
            mean = said_simulated(mean.copy(data=mean.values - known.values), known)
        scale = (field_scale if truth is None else bias_scale)([mean])
    scale = with_options(scale, cmap, levels)
    axes = ready(ax, 3.8)
    mesh = _draw_mesh(axes, mean, scale)
    if isinstance(data, xr.Dataset) and COLUMNS in data:
        axes.set_yscale("linear")
    bar = axes.figure.colorbar(mesh, ax=axes, pad=0.02)
    less = "difference in " if truth is not None else ""
    dress_bar(bar, scale, f"{less}{units_label(mean)}")
    what = f"{mean.name}, prediction less truth" if truth is not None else str(mean.name)
    titled(axes, title_of(mean, what), 4.6)
    return axes


def _section_of_fields(
    data: xr.Dataset | xr.DataArray, variable: str | None, where: Mapping[str, Any]
) -> xr.DataArray:
    """Return means ``[level, latitude]`` along circles."""
    if isinstance(data, xr.Dataset):
        layered = [str(name) for name, one in data.items() if one.sizes.get("level", 1) > 1]
        if not layered:
            raise UserError("nothing here has several levels: a section needs them.")
        variable = one_of("variable with levels", variable or layered[0], layered)
    field = channel_of(data, variable)
    if field.sizes.get("level", 1) < 2:
        raise UserError(f"'{field.name}' has no levels: a section needs several.")
    field = narrowed(field, where, ("level", *CELLS))
    mean = on_grid(field).mean("longitude", keep_attrs=True).sortby("level")
    return mean.transpose("level", "latitude").load()


def _section_of_truth(truth: Source, like: xr.DataArray) -> xr.DataArray:
    """Return the truth's section at the same time."""
    target = truth_of(truth, like)
    shared: dict[str, Any] = {"time": valid_time(like)} if "time" in target.dims else {}
    if "scenario" in target.dims:
        shared["scenario"] = like["scenario"].values[()]
    known = on_grid(narrowed(target, shared, ("level", *CELLS)))
    known = known.mean("longitude", keep_attrs=True).sortby("level")
    if not np.array_equal(known["level"], like["level"]):
        raise UserError("prediction and truth have different levels: choose those that both have.")
    if known.sizes["latitude"] != like.sizes["latitude"]:
        raise UserError("prediction and truth have different latitudes: regrid one of them.")
    return known.transpose("level", "latitude")


def _section_of_scores(
    data: xr.Dataset, variable: str | None, metric: str | None, where: Mapping[str, Any]
) -> tuple[xr.DataArray, str]:
    """Return means of error maps ``[level, latitude]`` along circles."""
    metric = one_of("map of", metric or "rmse", [m for m in ("rmse", "bias") if f"map_{m}" in data])
    layered = data["variable"].values[np.isfinite(data["level"].values)].astype(str)
    names = sorted(name for name in {*layered} if (layered == name).sum() > 1)
    if not names:
        raise UserError("no variable was scored at several levels: a section needs them.")
    variable = one_of("variable with levels", variable or names[0], names)
    places = np.flatnonzero(data["variable"].values == variable)
    errors = data[f"map_{metric}"].isel(channel=places).swap_dims(channel="level")
    field = narrowed(errors.rename(f"{metric} of {variable}"), where, ("level", *CELLS))
    squared = (field**2).mean("longitude") ** 0.5 if metric == "rmse" else field.mean("longitude")
    units = str(data["units"].values[places[0]]) if "units" in data.coords else ""
    mean = on_grid(squared.expand_dims("longitude").assign_coords(longitude=[0.0]))
    mean = mean.isel(longitude=0, drop=True).sortby("level").transpose("level", "latitude")
    return mean.rename(field.name).assign_attrs(
        units=units, simulated=data.attrs.get("simulated", "")
    ), metric


def _section_of_columns(
    data: xr.Dataset, variable: str | None, metric: str | None, where: Mapping[str, Any]
) -> xr.DataArray:
    """Return R2 of columns ``[level, latitude]``."""
    one_of("section of", metric or "r2", ["r2"])
    profiles = data["profile"].values.astype(str).tolist()
    variable = one_of("variable with levels", variable or profiles[0], profiles)
    field = data[COLUMNS].sel(profile=variable, drop=True).rename(zone="latitude", lev="level")
    field = narrowed(field.rename(f"r2 of {variable}"), where, ("level", "latitude"))
    mean = field.transpose("level", "latitude").sortby(["level", "latitude"])
    return mean.assign_attrs(simulated=data.attrs.get("simulated", ""))


def _draw_mesh(axes: Axes, mean: xr.DataArray, scale: Scale) -> Any:
    """Draw values ``[level, latitude]`` as cells, missing ones grey, and return the mesh."""
    pressure = np.log(mean["level"].values.astype(float))
    rows = np.exp(midpoints(pressure)) if pressure.size > 1 else mean["level"].values
    columns = np.clip(midpoints(mean["latitude"].values.astype(float)), -90, 90)
    axes.set_facecolor(LIGHT.missing)
    axes.grid(visible=False)
    norm = BoundaryNorm(scale.levels, ncolors=256, extend=scale.extend)
    mesh = axes.pcolormesh(columns, rows, mean.values, cmap=scale.colours, norm=norm,
                           rasterized=True)  # fmt: skip
    axes.set_yscale("log")
    axes.set_ylim(rows.max(), rows.min())
    axes.yaxis.set_major_locator(FixedLocator(_sparse(mean["level"].values)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:.4g}"))
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 3, 6, 10]))
    axes.xaxis.set_major_formatter(LatitudeFormatter())
    known = mean["level"].attrs.get("units")
    axes.set_ylabel(level_label(mean["level"]) if known else "pressure [hPa]", fontsize=9.5)
    return mesh


def _sparse(levels: Any) -> list[float]:
    """Return the levels that have room on a logarithmic axis, from the ground up."""
    kept: list[float] = []
    step = max(1.12, (levels.max() / levels.min()) ** (1 / MOST_LABELS))
    for level in sorted(levels.tolist(), reverse=True):
        if not kept or level <= kept[-1] / step:
            kept.append(level)
    return kept
