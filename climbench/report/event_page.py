"""The page of a record's anomalies: scores, every reported event, and what went with it."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from climbench.plot.event_figures import (
    Contributions,
    bar_figure,
    beeswarm_figure,
    pairs_figure,
    residual_figure,
    scatter_figure,
    series_figure,
)
from climbench.report.figures import Picture, draw_picture
from climbench.report.pages import render_page

FOLDER = "event_figures"
AROUND = 72  # steps on both sides of an event in its panel


def write_event_page(
    folder: Path,
    *,
    title: str,
    simulated: bool,
    summary: Mapping[str, float],
    rows: Sequence[Mapping[str, Any]],
    series: xr.Dataset,
    attributions: Mapping[str, Contributions],
    high: float,
    provenance: Mapping[str, Any],
) -> Path:
    """Draw all figures and write ``index.html``.

    Parameters
    ----------
    folder
        Where the page goes; figures lie below it.
    title
        Heading.
    simulated
        Whether the page says that nothing was measured.
    summary
        Scores by name; NaN is left out.
    rows
        The reported events: ``target``, ``rank``, ``start``, ``end``, ``score``, ``first_step``,
        ``steps``, ``covariates``, and perhaps ``marked`` and ``cause``.
    series
        ``truth``, ``forecast`` and perhaps ``lower`` and ``upper [time, target]``.
    attributions
        Contributions of covariates by target.
    high
        Robust score that an event reaches.
    provenance
        What a reader needs to repeat it.

    Returns
    -------
    Path
        The page.
    """
    pictures = folder / FOLDER
    pictures.mkdir(exist_ok=True)
    targets = []
    for name in series["target"].values.astype(str):
        own = [row for row in rows if row["target"] == name]
        here = series.sel(target=name)
        targets.append((name, _overview(pictures, name, here, own, attributions.get(name))))
    events = [
        (row, _panel(pictures, series.sel(target=row["target"]), row))
        for row in sorted(rows, key=lambda row: -row["score"])
    ]
    page = folder / "index.html"
    text = render_page(
        "events.html.j2",
        title=title,
        simulated=simulated,
        summary=[
            (name.replace("_", " "), f"{value:.3g}")
            for name, value in summary.items()
            if np.isfinite(value)
        ],
        targets=targets,
        events=events,
        high=f"{high:g}",
        provenance=provenance,
    )
    page.write_text(text, encoding="utf-8")
    return page


def _overview(
    folder: Path,
    name: str,
    here: xr.Dataset,
    rows: Sequence[Mapping[str, Any]],
    known: Contributions | None,
) -> list[Picture]:
    """Draw the whole period of a target, its residuals, and the covariates of its events."""
    spans = [_span(row) for row in rows]
    drawn = [
        draw_picture(
            folder,
            f"{name}_series",
            f"{name} over the test period, measured and forecast; {len(rows)} events shaded",
            partial(series_figure, here, spans),
        ),
        draw_picture(
            folder,
            f"{name}_residuals",
            f"histogram of the residuals of {name}",
            partial(residual_figure, here),
        ),
        draw_picture(
            folder,
            f"{name}_scatter",
            f"forecasts of {name} against what was measured, and the line of equality",
            partial(scatter_figure, here),
        ),
    ]
    if known is None:
        return drawn
    first = known.names[int(np.abs(known.contributions).mean(0).argmax())]
    said = f"SHAP values of the covariates at the events of {name}; the largest is {first}"
    figures = [("bar", bar_figure), ("beeswarm", beeswarm_figure)]
    figures += [("interactions", pairs_figure)] if len(known.names) > 1 else []
    return drawn + [
        draw_picture(folder, f"{name}_{kind}", f"{kind}: {said}", partial(figure, known))
        for kind, figure in figures
    ]


def _panel(folder: Path, here: xr.Dataset, row: Mapping[str, Any]) -> Picture:
    start, stop = _span(row)
    first = max(0, start - AROUND)
    part = here.isel(time=slice(first, stop + AROUND))
    return draw_picture(
        folder,
        f"{row['target']}_event_{row['rank']}",
        f"{row['target']} around {row['start']}, measured and forecast",
        partial(series_figure, part, [(start - first, stop - first)], dots=True),
    )


def _span(row: Mapping[str, Any]) -> tuple[int, int]:
    return row["first_step"], row["first_step"] + row["steps"]
