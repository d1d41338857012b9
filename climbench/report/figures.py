"""All figures of a page: drawn, written as PNG for light and dark pages, and described."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from climbench.plot.ranking import Headline, best_of, metrics_of, ranked
from climbench.plot.theme import DOTS_PER_INCH, THEMES, Theme, save, short
from climbench.plot.wording import channel_units, number, place_name, units_of, with_units

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = "report_figures"
_BEYOND_SCALE = ("persistence", "climatology")
_MAPS = {"map_rmse": "rmse", "map_bias": "bias"}
_SQUARED = ("rmse", "mse")


@dataclass(frozen=True)
class Picture:
    """A figure on the page.

    Attributes
    ----------
    group, channel
        Where it stands: the metric and the channel.
    sources
        File of each theme, relative to the page.
    alternative
        What it shows, for readers who do not see it.
    width, height
        Size in pixels.
    """

    group: str
    channel: str
    sources: dict[str, str]
    alternative: str
    width: int
    height: int


def draw_curves(scores: xr.Dataset, headline: Headline, folder: Path) -> list[Picture]:
    """Draw every metric of every channel that has a score, and return the pictures."""
    from climbench.plot.score_curves import score_figure

    pictures = []
    for metric in metrics_of(scores, headline):
        for channel in scores["channel"].values.astype(str):
            here = scores["score"].sel(metric=metric, channel=channel, region=headline.region)
            if not here.notnull().any():
                continue
            text = _describe_scores(here, units_of(scores, metric, channel))
            draw = partial(score_figure, scores, metric, channel, headline.region)
            pictures.append(_picture(folder, metric, channel, text, draw))
    return pictures


def draw_maps(scores: xr.Dataset, headline: Headline, folder: Path, channels: int) -> list[Picture]:
    """Draw the error maps of the first channels for each model, and return the pictures.

    Maps of one kind and channel share their colours, so that models can be compared. The RMSE
    is left out where it is no score, as of simulations whose dates are no weather.
    """
    pictures = []
    scores = scores.sel(model=ranked(scores, headline))
    for name, metric in _MAPS.items():
        if name not in scores or (name == "map_rmse" and not scores_errors(scores)):
            continue
        for channel in scores["channel"].values.astype(str)[:channels]:
            fields = list(_fields(scores[name].sel(channel=channel), headline))
            units = channel_units(scores, channel)
            pictures += _channel_maps(fields, metric, channel, units, folder)
    return pictures


def scores_errors(scores: xr.Dataset) -> bool:
    """Tell whether squared errors of single times are scored, and not distributions only."""
    return any(str(name).split("(")[0] in _SQUARED for name in scores["metric"].values)


def _channel_maps(
    fields: list[xr.DataArray], metric: str, channel: str, units: str, folder: Path
) -> list[Picture]:
    from climbench.plot.maps import map_figure
    from climbench.plot.scales import bias_scale, error_scale

    # persistence and climatology are often so bad that nothing else would show
    rivals = [field for field in fields if field["model"] not in _BEYOND_SCALE] or fields
    scale = (bias_scale if metric == "bias" else error_scale)(rivals)
    label = with_units(f"{metric} of {channel}", units)
    pictures = []
    for field in fields:
        model, where = str(field["model"].item()), place_name(field)
        low, high = number(float(field.min())), number(float(field.max()), units)
        text = f"Map of the {metric} of {channel}, {model}, {where}: from {low} to {high}."
        draw = partial(map_figure, field, scale, f"{short(model)}, {where}", label)
        pictures.append(_picture(folder, metric, channel, text, draw))
    return pictures


def _fields(maps: xr.DataArray, headline: Headline) -> Iterator[xr.DataArray]:
    """Yield the maps [latitude, longitude] of each model, if there is anything on them."""
    if headline.lead_hours is not None:
        maps = maps.sel(lead_time=[headline.lead_hours])
    axis = "scenario" if headline.lead_hours is None else "lead_time"
    for place in maps[axis].values:
        for model in maps["model"].values:
            field = maps.sel({axis: place, "model": model})
            if field.notnull().any():
                yield field


def _picture(
    folder: Path,
    metric: str,
    channel: str,
    alternative: str,
    draw: Callable[[Theme], "Figure"],
) -> Picture:
    place = len(list(folder.iterdir())) // len(THEMES)
    stem = f"{place:03d} {metric} {channel}"[:60]
    return draw_picture(folder, stem, alternative, draw, metric, channel)


def draw_picture(
    folder: Path,
    stem: str,
    alternative: str,
    draw: Callable[[Theme], "Figure"],
    group: str = "",
    channel: str = "",
) -> Picture:
    """Draw a figure for light and dark pages into a folder beside the page."""
    name = re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_")
    sources, size = {}, (0.0, 0.0)
    for kind, theme in THEMES.items():
        figure = draw(theme)
        size = tuple(figure.get_size_inches() * DOTS_PER_INCH)
        save(figure, folder / f"{name}_{kind}.png")
        sources[kind] = f"{folder.name}/{name}_{kind}.png"
    return Picture(group, channel, sources, alternative, round(size[0]), round(size[1]))


def _describe_scores(here: xr.DataArray, units: str) -> str:
    """Return in words the best model at the ends of the axis, if any is."""
    axis = "scenario" if "scenario" in here.dims else "lead_time"
    places = sorted({0, here.sizes[axis] - 1})
    sentences = []
    for place in places:
        column = here.isel({axis: place})
        for best in sorted(best_of(column, str(here["orientation"].item())))[:1]:
            value = number(float(column.sel(model=best)), units)
            sentences.append(f"at {place_name(column)} {best} is best with {value}")
    what = "Curves over lead time" if axis == "lead_time" and len(places) > 1 else "Bars"
    models = int(here.notnull().any(axis).sum())
    text = f"{what} of {here['metric'].item()} of {here['channel'].item()} for {models} models"
    return f"{': '.join([text, '; '.join(sentences)]) if sentences else text}."
