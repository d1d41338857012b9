"""One static page per run: HTML, pictures and a table of all scores, without any server."""

import json
import shutil
import uuid
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import xarray as xr

from climbench.errors import UserError
from climbench.plot.ranking import Headline, axis_of, headline_of, metrics_of
from climbench.plot.wording import caption, verdict
from climbench.report.comparable import published_beside
from climbench.report.figures import FOLDER, Picture, draw_curves, draw_maps, scores_errors
from climbench.report.pages import render_page
from climbench.report.tables import COLOUR_LIMITS, regions_table, scorecard, standings

_PAGE, _SCORES = "index.html", "scores.csv"
_GENERATOR = '<meta name="generator" content="climbench">'
_IN_HEADER = ("description", "created", "hash", "command")


def report(
    scores: xr.Dataset,
    directory: Path,
    title: str,
    gate: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
    *,
    lead_hours: float = 24.0,
    map_channels: int = 3,
) -> Path:
    """Write a page with leaderboard, gate, curves, maps and provenance.

    The page appears complete or not at all. A former report in the folder is replaced; other files
    in it are left alone.

    Parameters
    ----------
    scores
        Scores [model, metric, channel, region, lead_time or scenario], 95 % bounds and maps.
    directory
        Folder of the page: ``index.html``, ``scores.csv`` and ``report_figures/``.
    title
        Heading of the page.
    gate
        What ``GateResult.to_dict`` gives: ``name``, ``passed`` and ``verdicts``, each with
        ``passed`` and ``sentence``.
    provenance
        Any nested mapping. ``description``, ``created``, ``hash`` and ``command`` stand at the top
        of the page, all other entries (recipes, licences, citations, versions) at its end.
    lead_hours
        Lead time in hours of the headline and the maps; the nearest one that was scored is taken.
    map_channels
        Maps are drawn for the first so many channels; 0 for none.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    UserError
        If the scores are empty, or the folder holds a page that is not a report.
    """
    directory = Path(directory).resolve()
    headline = headline_of(scores, lead_hours)
    _refuse_foreign(directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    partial = directory.with_name(f".{directory.name}.{uuid.uuid4().hex}.partial")
    try:
        (partial / FOLDER).mkdir(parents=True)
        curves = draw_curves(scores, headline, partial / FOLDER)
        maps = draw_maps(scores, headline, partial / FOLDER, map_channels)
        tidy(scores).to_csv(partial / _SCORES, index=False)
        page = render(scores, headline, title, gate, provenance or {}, curves, maps)
        (partial / _PAGE).write_text(page, encoding="utf-8")
        _publish(partial, directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return directory / _PAGE


def tidy(scores: xr.Dataset) -> Any:
    """Return the scores as a data frame with a row per score, those that are missing left out.

    The columns are those of the table that ``climbench evaluate`` writes.
    """
    dims = ["model", "metric", "channel", axis_of(scores), "region"]
    names = ["score", "lower", "upper", "count"]
    frame = scores[names].to_dataframe(dim_order=dims).reset_index().dropna(subset=["score"])
    frame["count"] = frame["count"].astype(int)
    frame["units"] = [
        {0: "1", 1: units}.get(int(power), f"({units})^{power}")
        for units, power in zip(frame["units"], frame["unit_power"], strict=True)
    ]
    return frame[["model", "metric", "variable", "level", *dims[3:], *names, "units"]]


def render(
    scores: xr.Dataset,
    headline: Headline,
    title: str,
    gate: Mapping[str, Any] | None,
    provenance: Mapping[str, Any],
    curves: list[Picture],
    maps: list[Picture],
) -> str:
    """Return the page as HTML; every text in it is escaped by the template."""
    table = regions_table(scores, headline) if scores.sizes["region"] > 1 else None
    return render_page(
        "report.html.j2",
        title=title,
        simulated=scores.attrs.get("simulated") == "true",
        caption=caption(headline),
        sentences=verdict(scores, headline),
        standings=standings(scores, headline),
        scorecards=[
            (name, scorecard(scores, headline, name)) for name in metrics_of(scores, headline)
        ],
        regions=table,
        citations=_citations(scores),
        limits=COLOUR_LIMITS,
        gate=gate,
        curves=_grouped(curves),
        curves_heading="Curves" if scores.sizes.get("lead_time", 1) > 1 else "Bars",
        maps=_grouped(maps),
        maps_of_errors=scores_errors(scores),
        header={key: provenance[key] for key in _IN_HEADER if provenance.get(key)},
        provenance={key: value for key, value in provenance.items() if key not in _IN_HEADER},
        scoring={key: _parsed(value) for key, value in scores.attrs.items()},
    )


def _citations(scores: xr.Dataset) -> list[str]:
    """Return whose published scores stand beside ours, each once."""
    labels = [str(metric) for metric in scores["metric"].values]
    rows = [row for metric in labels for row in published_beside(scores, metric)]
    return list(dict.fromkeys(row.citation for row in rows))


def _grouped(pictures: list[Picture]) -> list[tuple[str, list[tuple[str, list[Picture]]]]]:
    """Return pictures by metric, and within a metric by channel, in their order."""
    return [
        (
            metric,
            [
                (name, list(own))
                for name, own in groupby(group, key=lambda picture: picture.channel)
            ],
        )
        for metric, group in groupby(pictures, key=lambda picture: picture.group)
    ]


def _parsed(value: Any) -> Any:
    """Return what a JSON attribute says, or the attribute itself."""
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value


def _refuse_foreign(directory: Path) -> None:
    """Refuse to replace a page that is not a report."""
    page = directory / _PAGE
    if directory.exists() and not directory.is_dir():
        raise UserError(f"{directory} is a file: choose another folder for the report.")
    if page.exists() and _GENERATOR not in page.read_text("utf-8", "replace"):
        raise UserError(f"{page} is no report of climbench: choose another folder for the report.")


def _publish(partial: Path, directory: Path) -> None:
    """Rename the finished folder, or its entries into a folder that exists, the page last."""
    if not directory.exists():
        partial.rename(directory)
        return
    if (directory / FOLDER).exists():
        (directory / FOLDER).rename(partial / f"former_{FOLDER}")
    for name in (FOLDER, _SCORES, _PAGE):
        (partial / name).replace(directory / name)
