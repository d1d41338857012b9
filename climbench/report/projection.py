"""The page of a projection: plumes of the global mean, maps of the last years, and their CSV."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from climbench.plot.maps import map_figure
from climbench.plot.scales import bias_scale, error_scale
from climbench.plot.theme import (
    DOTS_PER_INCH,
    LIGHT,
    THEMES,
    Theme,
    canvas,
    dress,
    heading,
    safe,
    save,
)
from climbench.plot.wording import number, pretty_units, with_units
from climbench.report.figures import Picture
from climbench.report.pages import render_page

PAGE, SERIES, FOLDER = "index.html", "global_mean.csv", "figures"


def plume_figure(
    series: xr.DataArray, title: str, label: str, spread: str, theme: Theme = LIGHT
) -> Figure:
    """Return a global mean over the years as a line, with its bounds shaded where there are any.

    Parameters
    ----------
    series
        ``[bound, time]``, ``bound`` being mean, lower, upper.
    title
        Heading.
    label
        What is shown, with units.
    spread
        What the shading means; empty where there is none.
    theme
        Colours of the page.
    """
    figure = canvas(3.6, theme)
    axes = figure.add_subplot()
    dress(axes, theme)
    years = series["time"].dt.year.values
    mean, lower, upper = (series.sel(bound=name).values for name in ("mean", "lower", "upper"))
    colour = theme.models[0]
    (line,) = axes.plot(years, mean, color=colour, lw=2.0)
    handles: list[Artist] = [line]
    names = ["emulator"]
    if np.isfinite(lower).any():
        handles.append(axes.fill_between(years, lower, upper, color=colour, alpha=0.22, lw=0))
        names.append(spread)
    axes.set_ylabel(safe(label), fontsize=9.5)
    heading(axes, title, theme)
    figure.legend(
        handles,
        [safe(name) for name in names],
        loc="outside lower center",
        ncols=1,
        frameon=False,
        fontsize=9,
        labelcolor=theme.text,
    )
    return figure


def write_projection(
    folder: Path,
    series: xr.Dataset,
    mean_map: xr.Dataset,
    *,
    title: str,
    spread: str,
    notes: Sequence[str],
    record: Mapping[str, Any],
) -> None:
    """Write page, figures and CSV of a projection into a folder.

    Parameters
    ----------
    folder
        Where to; it is there already.
    series
        Global mean of each target ``[bound, time]``.
    mean_map
        Mean over the last years of each target ``[latitude, longitude]``, attribute ``years``.
    title
        Name of the pathway.
    spread
        What the bounds mean; empty where there are none.
    notes
        Sentences for the user.
    record
        How it was made; ``simulated`` puts a label on the page.
    """
    (folder / FOLDER).mkdir(exist_ok=True)
    table(series).to_csv(folder / SERIES, index=False, float_format="%.6g")
    simulated = record.get("simulated") == "true"
    named = f"{title} (trained on simulated data)" if simulated else title
    plumes, maps = [], []
    for name in map(str, series.data_vars):
        units = pretty_units(str(series[name].attrs.get("units", "")))
        plumes.append(_plume(folder, series[name], named, with_units(name, units), spread))
        maps.append(_map(folder, mean_map[name], named, mean_map.attrs["years"], units))
    page = render_page(
        "projection.html.j2",
        title=title,
        simulated=simulated,
        spread=spread,
        notes=notes,
        plumes=plumes,
        maps=maps,
        years=mean_map.attrs["years"],
        record=record,
    )
    (folder / PAGE).write_text(page, encoding="utf-8")


def table(series: xr.Dataset) -> pd.DataFrame:
    """Return the global means with a row per year: ``NAME`` and its bounds, if there are any."""
    columns: dict[str, Any] = {"year": series["time"].dt.year.values}
    for name in map(str, series.data_vars):
        columns[name] = series[name].sel(bound="mean").values
        for bound in ("lower", "upper"):
            values = series[name].sel(bound=bound).values
            if np.isfinite(values).any():
                columns[f"{name}_{bound}"] = values
    return pd.DataFrame(columns)


def _plume(folder: Path, series: xr.DataArray, title: str, label: str, spread: str) -> Picture:
    first, last = (float(series.sel(bound="mean")[at]) for at in (0, -1))
    text = f"Global mean of {label}, {title}: from {number(first)} to {number(last)}."
    figures = {
        theme: plume_figure(series, f"{title}, global mean", label, spread, colours)
        for theme, colours in THEMES.items()
    }
    return _picture(folder, "plume", str(series.name), text, figures)


def _map(folder: Path, field: xr.DataArray, title: str, years: str, units: str) -> Picture:
    low, high = float(field.min()), float(field.max())
    scale = bias_scale([field]) if low < 0 else replace(error_scale([field]), colours="YlOrRd")
    label = with_units(f"mean of {field.name}, {years}", units)
    text = f"Map of the {label}: from {number(low)} to {number(high)}."
    figures = {
        theme: map_figure(field, scale, title, label, colours) for theme, colours in THEMES.items()
    }
    return _picture(folder, "map", str(field.name), text, figures)


def _picture(
    folder: Path, kind: str, name: str, alternative: str, figures: Mapping[str, Figure]
) -> Picture:
    """Save a figure for light and dark pages; the light one has the plain name."""
    sources = {}
    for theme, figure in figures.items():
        dark = "" if theme == "light" else f"_{theme}"
        sources[theme] = f"{FOLDER}/{kind}_{name}{dark}.png"
        save(figure, folder / sources[theme])
    width, height = (round(side * DOTS_PER_INCH) for side in figures["light"].get_size_inches())
    return Picture(sources, alternative, width, height)
