"""All scores of one model in the terminal."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from climbench.plot.ranking import axis_of, key_leads, references_of
from climbench.plot.wording import number, place_name, units_of, with_margin

CHANNELS = 6  # tables that fit on a screen or two; the file has all
VECTORS = 2  # of these, however many other channels stand before them
VECTOR = "wind_vector"
MOST_BINS = 12  # that are named
NAMED = 60  # signs of a line that names what is left out


def listing(scores: xr.Dataset, width: int = 80) -> RenderableType:
    """Return a table of each channel: metrics and regions down, lead times or scenarios across.

    Parameters
    ----------
    scores
        Scores of one model ``score[model, metric, channel, region, lead_time or scenario]``.
    width
        Columns of the terminal: as many of the key lead times, or scenarios, are shown as fit.
    """
    model = str(scores["model"].values[0])
    title = Text(f"Scores of {model}", style="bold")
    if scores.attrs.get("simulated") == "true":
        title = Text.assemble(("SIMULATED DATA", "bold yellow"), "  ", title)
    here = scores.isel(model=0)
    channels, places = _channels(scores), _places(scores)
    tables = [_table(here, channel, places) for channel in channels]
    while len(places) > 1 and max(map(_width_of, tables)) > width:
        places = places[:-1]
        tables = [_table(here, channel, places) for channel in channels]
    notes = [*_left_out(scores, places, len(channels)), *_without_value(here), *_beside(scores)]
    return Group(title, *tables, *map(Text, notes))


def missing_truth(scores: xr.Dataset) -> list[str]:
    """Return sentences on the samples of one model that met no truth; none where all did."""
    record = json.loads(scores.attrs.get("samples_without_truth", "{}"))
    lost = record.get(str(scores["model"].values[0]), {"number": 0})
    samples, sentences = scores.sizes["sample"], []
    if lost["number"]:
        span = f"from {_stamp(lost['first'])} to {_stamp(lost['last'])}"
        one = f"{lost['number']} of {samples} samples has" if lost["number"] == 1 else None
        several = f"{lost['number']} of {samples} samples have"
        where = _stamp(lost["first"]) if one else span
        sentences.append(f"{one or several} no truth at all: {where}")
    used = int(scores["count"].min())
    if used < samples - lost["number"]:
        sentences.append(
            f"at some lead or scenario only {used} of {samples} samples count: forecast, truth or "
            "climatology lacks the others"
        )
    return sentences


def _stamp(time: str) -> str:
    """Return a time without the zeros at its end."""
    day, _, clock = time.replace(" ", "T").partition("T")
    return f"{day}T{clock[:5]}" if clock else day


def _channels(scores: xr.Dataset) -> list[str]:
    """Return the channels that are shown, in their order: those of vectors come last in a file."""
    names = [str(name) for name in scores["channel"].values]
    vectors = [name for name in names if VECTOR in name][:VECTORS]
    others = [name for name in names if name not in vectors]
    return others[: CHANNELS - len(vectors)] + vectors


def _places(scores: xr.Dataset) -> list[Any]:
    return key_leads(scores) if axis_of(scores) == "lead_time" else list(scores["scenario"].values)


def _width_of(table: Table) -> int:
    return Console(width=1000).measure(table).maximum


def _table(here: xr.Dataset, channel: str, places: Sequence[Any]) -> Table:
    axis = "scenario" if "scenario" in here["score"].dims else "lead_time"
    chosen = here.sel({"channel": channel, axis: list(places)})
    regions = [str(name) for name in here["region"].values]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(Text(channel, style="bold cyan"), overflow="fold")
    if len(regions) > 1:
        table.add_column("region", overflow="fold")
    for place in places:
        table.add_column(place_name(here[axis].sel({axis: place})), justify="right")
    table.add_column("unit", overflow="fold")
    for metric in (str(name) for name in here["metric"].values):
        if not _belongs(here, metric, channel):
            continue
        unit = units_of(here, metric, channel)
        for region in regions:
            row = chosen.sel(metric=metric, region=region)
            names = [metric, *([region] if len(regions) > 1 else [])]
            table.add_row(*map(Text, [*names, *_cells(row), unit]))
            if "noise_floor" in row and np.isfinite(row["noise_floor"]).any():
                floor = [number(value) for value in row["noise_floor"].values]
                names[0] = "  noise floor"
                table.add_row(*map(Text, [*names, *floor, unit]), style="dim")
            for reference in references_of(here.expand_dims("model"), metric):
                beside = row["reference_score"].sel(reference=reference)
                if beside.notnull().any():
                    names[0] = f"  {reference}"
                    texts = [number(value) for value in beside.values]
                    table.add_row(*map(Text, [*names, *texts, unit]), style="dim")
    return table


def _belongs(here: xr.Dataset, metric: str, channel: str) -> bool:
    """Tell whether a metric is one of this channel: not that of a vector, or of rain, elsewhere.

    Without any pair of values the metric is shown all the same, as missing.
    """
    every = here["score"].sel(metric=metric).notnull()
    pairs = "count" not in here or bool((here["count"].sel(channel=channel) > 0).any())
    return bool(every.sel(channel=channel).any()) or not pairs


def _cells(row: xr.Dataset) -> list[str]:
    """Return the scores of a row as text, with half the width of their bounds."""
    if "lower" not in row or not np.isfinite(row["lower"]).any():
        return [number(value) for value in row["score"].values]
    columns = zip(row["score"].values, row["lower"].values, row["upper"].values, strict=True)
    return [with_margin(*values) for values in columns]


def _left_out(scores: xr.Dataset, places: Sequence[Any], channels: int) -> list[str]:
    """Return a line each on the leads or scenarios, and the channels, that are not shown."""
    axis, notes = axis_of(scores), []
    draws = json.loads(scores.attrs.get("bootstrap", "{}"))
    if "lower" in scores and np.isfinite(scores["lower"]).any():
        share = 100 * draws.get("confidence", 0.95)
        notes.append(f"±: the farther bound of the {share:g} % interval; the file has both")
    rest = [place for place in scores[axis].values if place not in places]
    if rest:
        kind = {"lead_time": "lead", "scenario": "scenario"}[axis] + "s" * (len(rest) > 1)
        names = ", ".join(place_name(scores[axis].sel({axis: place})) for place in rest)
        if len(names) > NAMED:
            names = names[:NAMED].rpartition(",")[0] + ", ..."
        verb = "are" if len(rest) > 1 else "is"
        notes.append(f"{len(rest)} more {kind} {verb} in scores.nc: {names}")
    more = scores.sizes["channel"] - channels
    if more:
        notes.append(f"{more} more channel{'s are' if more > 1 else ' is'} in scores.nc")
    return notes


def _without_value(here: xr.Dataset) -> list[str]:
    """Return a line on each metric that has no value at all, and why."""
    empty = here["score"].isnull().all([dim for dim in here["score"].dims if dim != "metric"])
    names = ", ".join(str(name) for name in here["metric"].values[empty.values])
    if not names:
        return []
    some = "count" not in here or bool((here["count"] > 0).any())
    reason = "not defined for these values, such as fields that do not vary"
    return [f"no value of {names}: {reason if some else 'no valid pair'}; counts are in scores.nc"]


def _beside(scores: xr.Dataset) -> list[str]:
    """Return a line each on the curves, and on the scores by season or the like."""
    arrays = scores.data_vars.items()
    curves = [str(name) for name, array in arrays if "unit_power" in array.attrs]
    notes = [f"curves in the file: {', '.join(curves)}"] if curves else []
    for name, array in arrays:
        if str(name).startswith("score_by_"):
            bins = str(name).removeprefix("score_by_")
            labels = [str(label) for label in array[bins].values]
            parts = ", ".join(labels) if len(labels) <= MOST_BINS else f"{len(labels)} of them"
            notes.append(f"by {bins} ({parts}): '{name}' in scores.nc")
    return notes
