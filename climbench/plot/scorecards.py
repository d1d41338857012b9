"""The scorecard of WeatherBench: one model against another, every channel at every lead time."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm

from climbench.errors import UserError
from climbench.plot.canvases import ready, titled
from climbench.plot.opening import Source, one_of, opened, scores_of
from climbench.plot.ranking import is_baseline, main_region, reference_of
from climbench.plot.selecting import chosen_model
from climbench.plot.theme import LIGHT, safe, short
from climbench.plot.wording import place_name

STEPS = (-50, -20, -10, -5, -2, -1, 1, 2, 5, 10, 20, 50)
"""Bounds of the colours in percent, as the WeatherBench 2 scorecards have them."""


def scorecard(
    scores: Source,
    reference: str | None = None,
    *,
    model: str | None = None,
    metric: str | None = None,
    region: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw by how many percent a model's error is above or below a reference's.

    A row for each channel, a column for each lead time or scenario. Blue is better than the
    reference, red worse. Of a comparison, differences that are more than chance are bold; those
    that are not are in brackets.

    Parameters
    ----------
    scores
        Scores of several models, or what ``climbench.compare`` gave, or the path of ``scores.nc``.
    reference
        The model that it is held against; by default linear regression, else another straight line
        or baseline that is there. A comparison has its own.
    model
        The model; by default the last one that is no baseline. A comparison has its own.
    metric, region
        Labels; by default the first metric, and ``global`` if it was scored.
    ax
        Axes to draw on; by default a figure of its own.

    Returns
    -------
    matplotlib.axes.Axes
        The heatmap.

    Raises
    ------
    UserError
        If a label is not there, there is nothing to hold the model against, or the metric has no
        better and worse, or may be zero.

    Examples
    --------
    >>> found = climbench.compare(candidate, reference)  # doctest: +SKIP
    >>> climbench.plot.scorecard(found, metric="rmse")  # doctest: +SKIP
    """
    data = opened(scores)
    if isinstance(data, xr.Dataset) and "mark" in data:
        here, names, metric = _compared(data, reference, model, metric, region)
    else:
        here, names, metric = _scored(scores_of(data), reference, model, metric, region)
    axis = "scenario" if "scenario" in here.dims else "lead_time"
    here = here.sortby(axis) if axis == "lead_time" else here
    here = here.transpose("channel", axis)
    percent = _percent(here, metric)
    height, width = 1.3 + 0.3 * here.sizes["channel"], 2.6 + 0.62 * here.sizes[axis]
    axes = ready(ax, max(2.8, height), max(5.5, width))
    shades = BoundaryNorm(STEPS, ncolors=256, extend="both")
    axes.grid(visible=False)
    mesh = axes.pcolormesh(percent, cmap="RdBu_r", norm=shades, edgecolors=LIGHT.face, lw=1.5)
    _write(axes, percent, here["mark"].values if "mark" in here else None)
    axes.invert_yaxis()
    columns = [place_name(here["score"].isel({axis: place})) for place in range(here.sizes[axis])]
    rows = [safe(short(str(name))) for name in here["channel"].values]
    axes.set_xticks(np.arange(len(columns)) + 0.5, [safe(name) for name in columns])
    axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
    axes.tick_params(length=0)
    bar: Any = axes.figure.colorbar(mesh, ax=axes, ticks=STEPS, fraction=0.06, pad=0.02)
    bar.ax.tick_params(labelsize=8, colors=LIGHT.text, length=0)
    bar.set_label(f"difference in {safe(metric)} [%]", fontsize=9, color=LIGHT.text)
    bar.outline.set_visible(False)
    where = [f"{names[0]} against {names[1]}", str(here["region"].item())]
    simulated = ["simulated"] if data.attrs.get("simulated") == "true" else []
    titled(axes, ", ".join(where + simulated), max(3.2, 0.62 * here.sizes[axis] + 0.6))
    return axes


def _compared(
    data: xr.Dataset,
    reference: str | None,
    model: str | None,
    metric: str | None,
    region: str | None,
) -> tuple[xr.Dataset, tuple[str, str], str]:
    """Return ``score``, ``reference`` and ``mark`` of a comparison, and the names."""
    names = (str(data.attrs["candidate"]), str(data.attrs["reference"]))
    for wanted, own in zip((model, reference), names, strict=True):
        if wanted is not None and wanted != own:
            raise UserError(
                f"this comparison is of '{names[0]}' against '{names[1]}', not of '{wanted}': "
                "compare again."
            )
    metric = one_of("metric", data["metric"].values[0] if metric is None else metric,
                    data["metric"].values)  # fmt: skip
    region = one_of("region", region or main_region(data), data["region"].values)
    here = data[["candidate", "reference", "mark"]].sel(metric=metric, region=region)
    return here.rename(candidate="score"), names, metric


def _scored(
    data: xr.Dataset,
    reference: str | None,
    model: str | None,
    metric: str | None,
    region: str | None,
) -> tuple[xr.Dataset, tuple[str, str], str]:
    """Return ``score`` of a model and ``reference``, and the names."""
    models = [str(name) for name in data["model"].values]
    if reference is None:
        reference = reference_of(data)
    if reference is None:
        raise UserError(f"reference= is needed: name one of the models, {', '.join(models)}.")
    reference = chosen_model(reference, models)
    others = [name for name in models if name != reference]
    if model is None and not others:
        raise UserError(f"'{reference}' is the only model: there is nothing to hold it against.")
    clever = [name for name in others if not is_baseline(name)] or others
    model = chosen_model(model, models) if model else clever[-1]
    metric = one_of("metric", data["metric"].values[0] if metric is None else metric,
                    data["metric"].values)  # fmt: skip
    region = one_of("region", region or main_region(data), data["region"].values)
    score = data["score"].sel(metric=metric, region=region)
    here = xr.Dataset({
        "score": score.sel(model=model, drop=True),
        "reference": score.sel(model=reference, drop=True),
    })  # fmt: skip
    return here, (model, reference), metric


def _percent(here: xr.Dataset, metric: str) -> Any:
    """Return by how many percent errors are larger than the reference's, below zero if smaller.

    Where higher is better it is the loss, as a share of the reference's score.
    """
    orientation = str(here["orientation"].item())
    if orientation == "none":
        raise UserError(f"of '{metric}' neither more nor less is better: choose another metric.")
    own, other = (here[name].values for name in ("score", "reference"))
    if orientation == "zero":
        own, other = np.abs(own), np.abs(other)
    with np.errstate(divide="ignore", invalid="ignore"):
        change = 100 * (own - other) / np.abs(other)
    change = -change if orientation == "higher" else change
    return np.where(np.isfinite(change), change, np.nan)


def _write(axes: Axes, percent: Any, marks: Any) -> None:
    """Write the percentage into each cell, as sure as it is."""
    for row, column in np.ndindex(percent.shape):
        value = percent[row, column]
        if not np.isfinite(value):
            continue
        text = f"{value:+.0f}" if abs(value) >= 9.95 else f"{value:+.1f}"
        text = text.replace("-", "−")
        mark = "" if marks is None else str(marks[row, column])
        sure = mark in ("better", "worse")
        axes.text(
            column + 0.5,
            row + 0.5,
            f"({text})" if mark == "not significant" else text,
            ha="center",
            va="center",
            fontsize=8,
            weight="bold" if sure else "normal",
            color="white" if abs(value) >= 10 else LIGHT.text,
        )
