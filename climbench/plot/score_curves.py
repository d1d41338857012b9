"""Scores over lead time, and as bars where there is no lead time to run along."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, MultipleLocator

from climbench.plot.ranking import axis_of, is_baseline, penalty, sorted_baselines
from climbench.plot.theme import LIGHT, Theme, canvas, dress, heading, safe, short
from climbench.plot.wording import number, place_name, units_of, with_units

_MARKERS = ("o", "s", "^", "D", "v", "P")
_DASHES = ((5, 2), (2, 2), (7, 2, 2, 2), (1, 1.5))
_TICK_HOURS = (1, 2, 3, 6, 12, 24, 48, 72, 120, 240)


@dataclass(frozen=True)
class Style:
    """How a model looks in every figure: baselines grey and dashed, the others in colour."""

    colour: str
    marker: str
    dashes: tuple[float, ...]
    width: float


def styles(models: Sequence[str], theme: Theme = LIGHT) -> dict[str, Style]:
    """Return each model's style, which depends on its place among the models only."""
    chosen = {
        name: Style(
            theme.baseline, _MARKERS[place % len(_MARKERS)], _DASHES[place % len(_DASHES)], 1.5
        )
        for place, name in enumerate(sorted_baselines(models))
    }
    for place, name in enumerate(name for name in models if not is_baseline(name)):
        colour = theme.models[place % len(theme.models)]
        marker = _MARKERS[(place + place // len(_MARKERS)) % len(_MARKERS)]
        chosen[name] = Style(colour, marker, (), 2.0)
    return chosen


def score_figure(
    scores: xr.Dataset, metric: str, channel: str, region: str, theme: Theme = LIGHT
) -> Figure:
    """Return one metric of one channel for all models: curves, or bars without several leads.

    Parameters
    ----------
    scores
        Scores [model, metric, channel, region, lead_time or scenario] and their 95 % bounds.
    metric, channel, region
        Labels of what is shown.
    theme
        Colours of the page.
    """
    here = scores[["score", "lower", "upper"]].sel(metric=metric, channel=channel, region=region)
    here = here.dropna("model", how="all", subset=["score"])
    label = with_units(metric, units_of(scores, metric, channel))
    look = styles([str(name) for name in scores["model"].values], theme)
    if axis_of(scores) == "lead_time" and scores.sizes["lead_time"] > 1:
        return _curves(here.sortby("lead_time"), channel, label, look, theme)
    return _bars(here, channel, label, look, theme)


def _curves(
    here: xr.Dataset, channel: str, label: str, look: dict[str, Style], theme: Theme
) -> Figure:
    """Return scores [model, lead_time] as lines with their 95 % intervals shaded."""
    figure = canvas(4.0, theme)
    axes = figure.add_subplot()
    dress(axes, theme)
    lines = draw_curves(axes, here, label, look)
    names = [str(name) for name in here["model"].values]
    heading(axes, f"{channel}, {here['region'].item()}", theme)
    figure.legend(
        lines,
        [safe(short(name)) for name in names],
        loc="outside lower center",
        ncols=min(3, max(1, len(names))),
        frameon=False,
        fontsize=9,
        labelcolor=theme.text,
        handlelength=3.2,
    )
    return figure


def draw_curves(axes: Axes, here: xr.Dataset, label: str, look: dict[str, Style]) -> list[Line2D]:
    """Draw scores [model, lead_time] with their intervals, and return a line for each model."""
    lines = []
    for name in here["model"].values.astype(str):
        one, style = here.sel(model=name).dropna("lead_time", subset=["score"]), look[name]
        lead = one["lead_time"]
        axes.fill_between(lead, one["lower"], one["upper"], color=style.colour, alpha=0.18, lw=0)
        (line,) = axes.plot(lead, one["score"], color=style.colour, lw=style.width)
        line.set(marker=style.marker, markersize=4.5)
        if style.dashes:
            line.set_dashes(style.dashes)
        lines.append(line)
    _start_at_zero(axes, here)
    axes.xaxis.set_major_locator(_lead_ticks(float(np.ptp(here["lead_time"].values))))
    axes.set_xlabel("lead time [h]", fontsize=9.5)
    axes.set_ylabel(safe(label), fontsize=9.5)
    return lines


def draw_bars(
    axes: Axes, here: xr.Dataset, label: str, look: dict[str, Style], theme: Theme = LIGHT
) -> None:
    """Draw the scores [model] of one scenario or lead time as bars, best on top."""
    _bar_panel(axes, here, look, theme)
    _start_at_zero(axes, here, horizontal=True)
    axes.set_xlabel(safe(label), fontsize=9.5)


def _bars(
    here: xr.Dataset, channel: str, label: str, look: dict[str, Style], theme: Theme
) -> Figure:
    """Return scores [model, scenario or one lead] as bars, best on top, a panel per scenario."""
    axis = axis_of(here)
    panels = here[axis].values
    height = 0.8 + len(panels) * (0.55 + 0.34 * here.sizes["model"])
    figure = canvas(height, theme)
    stack = figure.subplots(len(panels), squeeze=False, sharex=True)[:, 0]
    for axes, place in zip(stack, panels, strict=True):
        dress(axes, theme)
        axes.tick_params(labelbottom=True)
        where = place_name(here["score"].sel({axis: place}))
        heading(axes, f"{channel}, {here['region'].item()}, {where}", theme)
        _bar_panel(axes, here.sel({axis: place}), look, theme)
    for axes in stack:  # after all bars: setting a limit ends the growing of shared axes
        _start_at_zero(axes, here, horizontal=True)
    axes.set_xlabel(safe(label), fontsize=9.5)
    return figure


def _bar_panel(axes: Axes, here: xr.Dataset, look: dict[str, Style], theme: Theme) -> None:
    orientation = str(here["orientation"].item())
    here = here.isel(model=np.argsort(penalty(here["score"], orientation).values)[::-1])
    names = [str(name) for name in here["model"].values]
    values = here["score"].values
    errors = np.abs(np.stack([values - here["lower"], here["upper"] - values]))
    for row, name in enumerate(names):
        hollow = is_baseline(name)
        axes.barh(
            row,
            values[row],
            height=0.62,
            color="none" if hollow else look[name].colour,
            edgecolor=look[name].colour,
            linestyle="--" if hollow else "-",
            linewidth=1.2,
        )
        end = np.nanmax([0.0, values[row], here["upper"].values[row]])
        axes.annotate(  # right of zero where the bar goes left: names stand on that side
            number(float(values[row])),
            (end, row),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=theme.text,
        )
    shown = np.isfinite(errors).all(axis=0)
    rows = np.arange(len(names))[shown]
    axes.errorbar(values[shown], rows, xerr=errors[:, shown], fmt="none", ecolor=theme.text, lw=1)
    axes.set_yticks(range(len(names)), [safe(short(name)) for name in names], color=theme.text)
    axes.grid(visible=False, axis="y")
    axes.use_sticky_edges = False  # room for the numbers at zero as well
    axes.margins(x=0.14)
    axes.xaxis.set_major_locator(MaxNLocator(6))


def _start_at_zero(axes: Axes, here: xr.Dataset, *, horizontal: bool = False) -> None:
    """Let errors start at zero; mark zero where scores have both signs."""
    signed = bool((here["score"] < 0).any())
    if signed and not horizontal:
        axes.axhline(0, color=axes.yaxis.label.get_color(), lw=0.8)
    elif signed:
        axes.axvline(0, color=axes.xaxis.label.get_color(), lw=0.8)
    elif horizontal:
        axes.set_xlim(left=0)
    elif here["orientation"].item() == "lower":
        axes.set_ylim(bottom=0)


def _lead_ticks(span_hours: float) -> MultipleLocator:
    """Return ticks at whole hours or days, at most nine."""
    step = next((hours for hours in _TICK_HOURS if span_hours / hours <= 8), span_hours / 8)
    return MultipleLocator(step)
