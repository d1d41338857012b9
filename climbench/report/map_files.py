"""The maps of the site: which there are, their pictures, and what the page's script is told."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from climbench.lead_times import lead_name
from climbench.plot.ranking import (
    Headline,
    axis_of,
    key_leads,
    plain_name,
    ranked,
    reference_of,
    scores_errors,
)
from climbench.plot.scales import Scale, bias_scale, error_scale, field_scale
from climbench.plot.wording import channel_units, number, with_units
from climbench.report.rasters import WIDTH, Painter, View, colours_of, views_of

MOST_BYTES = 9_000_000  # of maps in a page
SKILL_PERCENT = (-50.0, -20.0, -10.0, -5.0, -2.0, 2.0, 5.0, 10.0, 20.0, 50.0)
_BEYOND_SCALE = ("persistence", "climatology")
VIEW_NAMES = {
    "globe": "globe",
    "region": "all of the region",
    "north_pole": "from 45° N to the pole",
    "south_pole": "from 45° S to the pole",
    "europe": "Europe",
}

Fields = Mapping[str, xr.DataArray]  # of each model, [latitude, longitude]


def write_maps(
    scores: xr.Dataset, headline: Headline, folder: Path, channels: int
) -> dict[str, Any] | None:
    """Write the error maps of all models as PNG files, and return what the page shows.

    Maps of one kind, channel and lead time (or scenario) share their colours, so that models can be
    compared. The RMSE is left out where it is no score, as of simulations whose dates are no
    weather. Global fields are seen from the poles and over Europe too, at the headline's lead time.
    Once the files have ``MOST_BYTES``, no more are written: first the globe at the headline's lead
    time, then its other views, then other lead times.

    Parameters
    ----------
    scores
        Scores with ``map_rmse`` or ``map_bias`` [model, channel, lead_time or scenario, latitude,
        longitude].
    headline
        Its lead time comes first.
    folder
        Empty; ``sources`` are relative to its parent's parent.
    channels
        Maps are drawn of the first so many channels; 0 for none.

    Returns
    -------
    dict or None
        ``kinds``, ``channels``, ``places`` and ``views`` to choose from, and by their numbers
        ``groups`` of pictures with their ``scale``; None where there is no map.
    """
    kinds = _kinds(scores)
    names = scores["channel"].values.astype(str)[:channels].tolist()
    if not kinds or not names:
        return None
    scores = scores.sel(model=ranked(scores, headline))
    places = _places(scores, headline)
    reference = str(reference_of(scores, headline))
    example = scores[kinds[0][1]].isel({d: 0 for d in ("model", "channel", axis_of(scores))})
    painters = [Painter(example, view) for view in views_of(example)]
    groups: dict[str, Any] = {}
    seen = [(0, view) for view in range(len(painters))]
    seen += [(place, 0) for place in range(1, len(places))]
    written = 0
    for (place, view), channel, kind in product(seen, range(len(names)), range(len(kinds))):
        title, array = kinds[kind]
        maps = scores[array].sel({"channel": names[channel], axis_of(scores): places[place]})
        fields, scale = _fields_and_scale(scores, title, maps, names[channel], reference)
        if not fields or written > MOST_BYTES:
            continue
        key = f"{kind}-{channel}-{place}-{view}"
        what = (title, names[channel], _name(places[place]))
        groups[key] = _group(folder / key, what, fields, scale, painters[view])
        written += sum(file.stat().st_size for file in folder.glob(f"{key}-*.png"))
    if not groups:
        return None
    return {
        "kinds": [title for title, _ in kinds],
        "channels": names,
        "places": [_name(label) for label in places],
        "views": [VIEW_NAMES[painter.view.name] for painter in painters],
        "groups": groups,
    }


def scale_payload(scale: Scale, label: str) -> dict[str, Any]:
    """Return what the page needs to draw a colour bar."""
    return {
        "levels": [float(f"{level:.4g}") for level in scale.levels],
        "colours": colours_of(scale),
        "extend": scale.extend,
        "label": label,
    }


def size_of(view: View) -> list[int]:
    """Return width and height of a picture in pixels."""
    return [WIDTH, view.height]


def _kinds(scores: xr.Dataset) -> list[tuple[str, str]]:
    """Return title and array of each kind of map that there is."""
    kinds = []
    if "map_rmse" in scores and scores_errors(scores):
        kinds.append(("rmse", "map_rmse"))
    if "map_bias" in scores:
        kinds.append(("bias", "map_bias"))
    if kinds and kinds[0][0] == "rmse" and reference_of(scores) and scores.sizes["model"] > 1:
        kinds.append(("skill", "map_rmse"))
    return kinds


def _places(scores: xr.Dataset, headline: Headline) -> list[Any]:
    if headline.lead_hours is None:
        return list(scores["scenario"].values)
    others = [lead for lead in key_leads(scores) if lead != headline.lead_hours]
    return [headline.lead_hours, *others]


def _name(label: Any) -> str:
    return str(label) if isinstance(label, str) else lead_name(float(label))


def _fields_and_scale(
    scores: xr.Dataset, title: str, maps: xr.DataArray, channel: str, reference: str
) -> tuple[Fields, dict[str, Any]]:
    """Return the fields of each model that has one, and the scale they share."""
    fields = {str(name): maps.sel(model=name, drop=True) for name in maps["model"].values}
    fields = {name: field for name, field in fields.items() if bool(field.notnull().any())}
    units = channel_units(scores, channel)
    if title == "skill":
        if reference not in fields:
            return {}, {}
        below = fields.pop(reference)
        fields = {
            name: 100 * (1 - field / below.where(below > 0)) for name, field in fields.items()
        }
        scale = Scale(SKILL_PERCENT, "RdBu", "both")
        return fields, {"scale": scale, "label": f"skill of {channel} against {reference} [%]"}
    # persistence and climatology are often so bad that nothing else would show
    rivals = [field for name, field in fields.items() if plain_name(name) not in _BEYOND_SCALE]
    scale = (bias_scale if title == "bias" else error_scale)(rivals or list(fields.values()))
    return fields, {"scale": scale, "label": with_units(f"{title} of {channel}", units)}


def _group(
    stem: Path,
    what: tuple[str, str, str],
    fields: Fields,
    scale: Mapping[str, Any],
    painter: Painter,
) -> dict[str, Any]:
    """Write a map of each model; ``what`` is the kind, the channel and the lead time."""
    title, channel, place = what
    pictures: list[dict[str, str]] = []
    for number_of_model, (model, field) in enumerate(fields.items()):
        path = stem.with_name(f"{stem.name}-{number_of_model}.png")
        path.write_bytes(painter.paint(field, scale["scale"]))
        view = VIEW_NAMES[painter.view.name]
        text = f"Map of the {title} of {channel}, {model}, {place}, {view}: {extremes(field)}."
        pictures.append({"source": relative(path), "alternative": text, "title": model})
    return {
        "size": size_of(painter.view),
        "scale": scale_payload(scale["scale"], scale["label"]),
        "pictures": pictures,
    }


def relative(path: Path) -> str:
    """Return the address of a picture from the page, two folders above it."""
    return f"{path.parent.parent.name}/{path.parent.name}/{path.name}"


def extremes(field: xr.DataArray) -> str:
    """Return the least and the greatest value in words."""
    values = field.values[np.isfinite(field.values)]
    if not values.size:
        return "no value"
    return f"from {number(float(values.min()))} to {number(float(values.max()))}"


def write_forecasts(
    examples: xr.Dataset, models: Sequence[str], scores: xr.Dataset, folder: Path, channels: int
) -> dict[str, Any] | None:
    """Write maps of truth, forecast and difference, and return what the page shows.

    Parameters
    ----------
    examples
        ``prediction`` [model, channel, scene, frame, latitude, longitude] and ``truth`` without
        ``model``; ``scene`` names an initial time or scenario, ``frame`` a lead time or year, and
        ``valid`` [scene, frame], if it is there, the time that a lead time leads to.
    models
        Those that are shown, one after another.
    scores
        For the units of the channels.
    folder
        Empty.
    channels
        The first so many are shown.

    Returns
    -------
    dict or None
        ``scenes``, each with ``title``, ``scale``, ``difference_scale``, ``size`` and ``frames`` of
        three pictures; None where there is nothing to show.
    """
    scenes = [
        _scene(examples.sel(model=model, channel=channel, scene=scene), scores, folder / f"{n}")
        for n, (channel, scene, model) in enumerate(_chosen(examples, models, channels))
    ]
    return {"scenes": scenes} if scenes else None


def _chosen(
    examples: xr.Dataset, models: Sequence[str], channels: int
) -> Iterator[tuple[str, str, str]]:
    for channel in examples["channel"].values.astype(str)[:channels]:
        for scene in examples["scene"].values.astype(str):
            for model in models:
                here = {"model": model, "channel": channel, "scene": scene}
                if model in examples["model"].values and bool(
                    examples["prediction"].sel(here).notnull().any()
                ):
                    yield channel, scene, model


def _scene(here: xr.Dataset, scores: xr.Dataset, stem: Path) -> dict[str, Any]:
    """Write the frames [frame, latitude, longitude] of one model, channel and scene."""
    channel, model = str(here["channel"].item()), str(here["model"].item())
    fields = [here["truth"], here["prediction"]]
    difference = here["prediction"] - here["truth"]
    scale, off = field_scale(fields), bias_scale([difference])
    units = channel_units(scores, channel) if channel in scores["channel"].values else ""
    painter = Painter(here["truth"].isel(frame=0), views_of(here["truth"].isel(frame=0))[0])
    frames = []
    for n, name in enumerate(_frame_names(here)):
        pictures: list[dict[str, str]] = []
        for title, field, colours in (
            ("truth", here["truth"], scale),
            (model, here["prediction"], scale),
            (f"{model} less truth", difference, off),
        ):
            path = stem.with_name(f"{stem.name}-{n}-{len(pictures)}.png")
            own = field.isel(frame=n)
            path.write_bytes(painter.paint(own, colours))
            text = f"Map of {channel}, {title}, {name}: {extremes(own)}."
            pictures.append({"source": relative(path), "alternative": text, "title": title})
        frames.append({"name": name, "pictures": pictures})
    return {
        "title": f"{channel}, {model}, {here['scene'].item()}",
        "size": size_of(painter.view),
        "scale": scale_payload(scale, with_units(channel, units)),
        "difference_scale": scale_payload(off, with_units(f"{channel}, difference", units)),
        "frames": frames,
    }


def _frame_names(here: xr.Dataset) -> list[str]:
    """Return the lead times with the times they lead to, or the years."""
    names = [str(name) for name in here["frame"].values]
    if "valid" not in here:
        return names
    times = [str(time) for time in here["valid"].values]
    return [f"{name}, valid {time}" for name, time in zip(names, times, strict=True)]
