"""All scores of one model in the terminal."""

import numpy as np
import xarray as xr
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from climbench.report.ranking import axis_of, key_leads
from climbench.report.wording import number, place_name, units_of

CHANNELS = 6  # tables that fit on a screen or two; the file has all


def listing(scores: xr.Dataset) -> RenderableType:
    """Return a table of each channel: metrics and regions down, lead times or scenarios across.

    Parameters
    ----------
    scores
        Scores of one model ``score[model, metric, channel, region, lead_time or scenario]``.
    """
    model = str(scores["model"].values[0])
    title = Text(f"Scores of {model}", style="bold")
    if scores.attrs.get("simulated") == "true":
        title = Text.assemble(("SIMULATED DATA", "bold yellow"), "  ", title)
    channels = [str(name) for name in scores["channel"].values]
    tables = [_table(scores, channel) for channel in channels[:CHANNELS]]
    notes = []
    if len(channels) > CHANNELS:
        notes.append(Text(f"and {len(channels) - CHANNELS} channels more in the files"))
    curves = [str(name) for name in scores.data_vars if name in _curves(scores)]
    if curves:
        notes.append(Text(f"curves in the file: {', '.join(curves)}"))
    return Group(title, *tables, *notes)


def _curves(scores: xr.Dataset) -> set[str]:
    return {str(name) for name, array in scores.data_vars.items() if "unit_power" in array.attrs}


def _table(scores: xr.Dataset, channel: str) -> Table:
    axis = axis_of(scores)
    places = key_leads(scores) if axis == "lead_time" else list(scores[axis].values)
    here = scores["score"].isel(model=0).sel({"channel": channel, axis: places})
    regions = [str(name) for name in scores["region"].values]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column(Text(channel, style="bold cyan"), overflow="fold")
    if len(regions) > 1:
        table.add_column("region")
    for place in places:
        table.add_column(place_name(scores[axis].sel({axis: place})), justify="right")
    table.add_column("unit")
    for metric in (str(name) for name in scores["metric"].values):
        for region in regions:
            values = here.sel(metric=metric, region=region).values
            if not np.isfinite(values).any():
                continue
            names = [Text(metric), *([Text(region)] if len(regions) > 1 else [])]
            unit = Text(units_of(scores, metric, channel))
            table.add_row(*names, *(number(value) for value in values), unit)
    return table
