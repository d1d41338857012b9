"""Figures of anomalies: series with their interval, residuals, and contributions of covariates."""

from typing import Protocol

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from climbench.plot.theme import LIGHT, Theme, canvas, dress, safe, short

LONGEST = 12  # covariates of a figure
NORMAL = 1.4826  # standard deviations in one median absolute deviation


class Contributions(Protocol):
    """What :class:`climbench.models.attribution.Attribution` holds."""

    @property
    def names(self) -> tuple[str, ...]:
        """The covariates."""

    @property
    def contributions(self) -> NDArray[np.float32]:
        """SHAP values ``[step, covariate]``."""

    @property
    def interactions(self) -> NDArray[np.float32]:
        """Mean absolute SHAP interactions ``[covariate, covariate]``."""


def series_figure(
    here: xr.Dataset, spans: list[tuple[int, int]], theme: Theme = LIGHT, dots: bool = False
) -> Figure:
    """Return truth, forecast and interval over time, events shaded.

    Parameters
    ----------
    here
        ``truth``, ``forecast``, perhaps ``lower`` and ``upper [time]``.
    spans
        First step of each event, and the first one behind it.
    theme
        Colours of the page.
    dots
        Whether each value has a dot: of a short series.
    """
    figure = canvas(2.4, theme)
    axes = _axes(figure, theme)
    time = here["time"].values
    if "lower" in here:
        bounds = (here["lower"].values, here["upper"].values)
        axes.fill_between(time, *bounds, color=theme.models[0], alpha=0.25, lw=0, label="interval")
    axes.plot(time, here["forecast"], color=theme.models[0], lw=0.9, label="forecast")
    mark = "o" if dots else None
    axes.plot(time, here["truth"], color=theme.text, lw=0.7, marker=mark, ms=2, label="measured")
    for start, stop in spans:
        axes.axvspan(time[start], time[stop - 1], color=theme.models[1], alpha=0.35, lw=2)
    axes.tick_params(axis="x", labelrotation=20)
    legend = figure.legend(loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    for text in legend.get_texts():
        text.set_color(theme.text)
    return figure


def residual_figure(here: xr.Dataset, theme: Theme = LIGHT) -> Figure:
    """Return the histogram of residuals, counts on a logarithmic scale, with robust limits.

    Parameters
    ----------
    here
        ``truth`` and ``forecast [time]``.
    theme
        Colours of the page.
    """
    figure = canvas(2.4, theme)
    axes = _axes(figure, theme)
    values = (here["truth"] - here["forecast"]).values
    values = values[np.isfinite(values)]
    axes.hist(values, bins=80, color=theme.models[0], log=True)
    middle = np.median(values)
    spread = NORMAL * np.median(np.abs(values - middle))
    for limit in (middle - 3 * spread, middle + 3 * spread):
        axes.axvline(limit, color=theme.models[1], lw=1, ls="--")
    axes.set_xlabel("measured - forecast (dashed: 3 robust deviations)", fontsize=9)
    axes.set_ylabel("steps", fontsize=9)
    return figure


def scatter_figure(here: xr.Dataset, theme: Theme = LIGHT) -> Figure:
    """Return forecasts against measurements, and the line on which both are equal.

    Parameters
    ----------
    here
        ``truth`` and ``forecast [time]``.
    theme
        Colours of the page.
    """
    figure = canvas(3.4, theme)
    axes = _axes(figure, theme)
    pairs = np.stack([here["truth"].values, here["forecast"].values])
    pairs = pairs[:, np.isfinite(pairs).all(axis=0)]
    axes.scatter(
        pairs[0], pairs[1], s=4, alpha=0.25, color=theme.models[0], linewidths=0, rasterized=True
    )
    ends = [pairs.min(), pairs.max()] if pairs.size else [0.0, 1.0]
    axes.plot(ends, ends, color=theme.text, lw=1, ls=":")
    axes.set_xlabel("measured", fontsize=9)
    axes.set_ylabel("forecast", fontsize=9)
    return figure


def bar_figure(known: Contributions, theme: Theme = LIGHT) -> Figure:
    """Return mean absolute contributions of the covariates at the events' steps."""
    figure = canvas(2.8, theme)
    axes = _axes(figure, theme)
    means = np.abs(known.contributions).mean(0)
    first = np.argsort(means)[-LONGEST:]
    axes.barh([_label(known, at) for at in first], means[first], color=theme.models[0])
    axes.tick_params(axis="y", labelsize=7)
    axes.set_xlabel("mean |SHAP value| at the events, ln(1 + score)", fontsize=9)
    return figure


def beeswarm_figure(known: Contributions, theme: Theme = LIGHT) -> Figure:
    """Return every step's contribution of each covariate, spread where many lie together."""
    figure = canvas(2.8, theme)
    axes = _axes(figure, theme)
    means = np.abs(known.contributions).mean(0)
    first = np.argsort(means)[-LONGEST:]
    for row, at in enumerate(first):
        values = known.contributions[:, at]
        axes.plot(values, row + _swarm(values), ".", ms=3, color=theme.models[0], alpha=0.7)
    axes.axvline(0, color=theme.text, lw=0.6)
    axes.set_yticks(range(len(first)), [_label(known, at) for at in first], fontsize=7)
    axes.set_xlabel("SHAP value of a step, ln(1 + score)", fontsize=9)
    return figure


def pairs_figure(known: Contributions, theme: Theme = LIGHT) -> Figure:
    """Return the pairs of covariates that tell most together, beyond what each tells alone."""
    figure = canvas(2.8, theme)
    axes = _axes(figure, theme)
    rows, columns = np.triu_indices(len(known.names), k=1)
    together = (known.interactions + known.interactions.T)[rows, columns]
    first = np.argsort(together)[-LONGEST:]
    labels = [f"{_label(known, rows[at])} x {_label(known, columns[at])}" for at in first]
    axes.barh(labels, together[first], color=theme.models[0])
    axes.tick_params(axis="y", labelsize=7)
    axes.set_xlabel("mean |SHAP interaction| at the events, ln(1 + score)", fontsize=9)
    return figure


def _swarm(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return how far each dot is moved aside: more where its bin holds more, the same each time."""
    bins = np.digitize(values, np.linspace(values.min(), values.max() + 1e-9, 40))
    aside = np.zeros(values.size)
    for one in np.unique(bins):
        members = np.flatnonzero(bins == one)
        places = np.arange(members.size) - (members.size - 1) / 2
        aside[members] = 0.35 * places / max(1.0, np.abs(places).max(initial=0), 5.0)
    return aside


def _label(known: Contributions, at: int) -> str:
    return safe(short(known.names[at]))


def _axes(figure: Figure, theme: Theme) -> Axes:
    axes: Axes = figure.subplots()
    dress(axes, theme)
    return axes
