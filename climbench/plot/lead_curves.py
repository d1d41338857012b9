"""Scores over lead time: the curves of a user's own figure."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from climbench.errors import UserError
from climbench.plot.canvases import legend, ready, titled
from climbench.plot.opening import Source, one_of, scores_of
from climbench.plot.ranking import axis_of, main_region
from climbench.plot.score_curves import Style, draw_bars, draw_curves, styles
from climbench.plot.selecting import chosen_model
from climbench.plot.theme import safe
from climbench.plot.wording import place_name, units_of, with_units


def curves(
    scores: Source,
    metric: str | None = None,
    channel: str | None = None,
    *,
    region: str | None = None,
    models: Sequence[str] | None = None,
    scenario: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one score of all models over lead time, with 95 % intervals shaded.

    Where there is one lead time, or one scenario, there is a bar for each model, the best on top;
    over several scenarios, points beside each other. Baselines are grey, and a model has the same
    colour whichever others are shown.

    Parameters
    ----------
    scores
        What ``climbench.evaluate``, ``climbench.combine`` or ``climbench.run`` gave, or its path:
        ``score [model, metric, channel, region, lead_time (hours) or scenario]``.
    metric, channel, region
        Labels; by default the first metric, the first channel, and ``global`` if it was scored.
    models
        Names of those to show; by default all.
    scenario
        One of emulations.
    ax
        Axes to draw on; by default a figure of its own.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, their ordinate in the score's units.

    Raises
    ------
    UserError
        If a label is not there; the sentence has the nearest one.

    Examples
    --------
    >>> curves("runs/quickstart/report-e5fe307a2c/scores.nc", "rmse")  # doctest: +SKIP
    """
    data = scores_of(scores)
    here, metric, channel = one_score(data, metric, channel, region)
    axis = axis_of(data)
    if scenario is not None:
        if axis != "scenario":
            raise UserError(f"scenario='{scenario}': these scores have lead times, leave it out.")
        here = here.sel(scenario=[one_of("scenario", scenario, data["scenario"].values)])
    every = [str(name) for name in data["model"].values]
    if models is not None:
        here = here.sel(model=[chosen_model(str(name), every) for name in models])
    here = here.dropna("model", how="all", subset=["score"])
    if not here.sizes["model"]:
        raise UserError(f"no model has a score '{metric}' of '{channel}'.")
    look, label = styles(every), with_units(metric, units_of(data, metric, channel))
    where = ", ".join([channel, str(here["region"].item())])
    if here.sizes[axis] == 1:
        here = here.isel({axis: 0})
        axes = ready(ax, 0.9 + 0.34 * here.sizes["model"])
        draw_bars(axes, here, label, look)
        where = f"{where}, {place_name(here['score'])}"
    else:
        axes = ready(ax)
        draw: Any = draw_curves if axis == "lead_time" else _draw_points
        lines = draw(axes, here.sortby("lead_time") if axis == "lead_time" else here, label, look)
        legend(axes, lines, [str(name) for name in here["model"].values], ax is None)
    titled(axes, where + (", simulated" if data.attrs.get("simulated") == "true" else ""))
    return axes


def one_score(
    data: xr.Dataset, metric: str | None, channel: str | None, region: str | None
) -> tuple[xr.Dataset, str, str]:
    """Return ``score``, ``lower`` and ``upper`` of one metric, channel and region, and the labels.

    Raises
    ------
    UserError
        If a label is not there.
    """
    chosen = {
        "metric": data["metric"].values[0] if metric is None else metric,
        "channel": data["channel"].values[0] if channel is None else channel,
        "region": main_region(data) if region is None else region,
    }
    labels = {dim: one_of(dim, name, data[dim].values) for dim, name in chosen.items()}
    here = data[["score", "lower", "upper"]].sel(labels)
    return here, labels["metric"], labels["channel"]


def _draw_points(axes: Axes, here: xr.Dataset, label: str, look: dict[str, Style]) -> list[Any]:
    """Draw scores [model, scenario] as points with their intervals, a scenario beside the next."""
    names = [str(name) for name in here["model"].values]
    columns, points = np.arange(here.sizes["scenario"]), []
    for place, name in enumerate(names):
        one, style = here.sel(model=name), look[name]
        x = columns + 0.6 * ((place + 0.5) / len(names) - 0.5)
        (point,) = axes.plot(x, one["score"], style.marker, color=style.colour, ms=6)
        reach = np.abs(np.stack([one["score"] - one["lower"], one["upper"] - one["score"]]))
        told = np.isfinite(reach).all(axis=0)
        axes.errorbar(
            x[told], one["score"].values[told], reach[:, told], fmt="none", ecolor=style.colour
        )
        points.append(point)
    axes.set_xticks(columns, [safe(str(name)) for name in here["scenario"].values])
    axes.set_xlim(-0.5, len(columns) - 0.5)
    if str(here["orientation"].item()) == "lower":
        axes.set_ylim(bottom=0)
    axes.set_ylabel(safe(label), fontsize=9.5)
    return points
