"""The site: static pages, pictures and tables that open from a folder, without any server.

::

    index.html            leaderboard, curves, maps, provenance (of several benchmarks: their list)
    scores.csv            all scores as a table
    report_files/         scripts, pictures, the gate's page and a page for each model
    NAME/                 with several benchmarks: the same again for each
"""

import re
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import xarray as xr

from climbench.errors import UserError
from climbench.plot.ranking import (
    Headline,
    axis_of,
    is_straight_line,
    metrics_of,
    ranked,
    scores_errors,
)
from climbench.plot.wording import caption, verdict
from climbench.report.benchmark import Benchmark
from climbench.report.comparable import published_beside
from climbench.report.pages import render_page
from climbench.report.payload import curves_payload, scores_payload
from climbench.report.publishing import FILES, PAGE, publish, refuse_file
from climbench.report.tables import (
    COLOUR_LIMITS,
    evidence_table,
    in_parts,
    regions_table,
    scorecard,
    standings,
)

_SCORES = "scores.csv"
_SCRIPTS = ("page.js", "leaderboard.js", "curves.js", "maps.js")


@dataclass(frozen=True)
class Extent:
    """How much pages show: see :func:`report`."""

    lead_hours: float
    map_channels: int
    forecast_channels: int


def report(
    benchmarks: Benchmark | Sequence[Benchmark],
    directory: Path,
    title: str = "Benchmarks",
    companions: Mapping[str, Path] | None = None,
    *,
    lead_hours: float = 24.0,
    map_channels: int = 8,
    forecast_channels: int = 3,
) -> Path:
    """Write the page of a benchmark, or a site of several with a page that lists them.

    The pages appear complete or not at all. A former report in the folder is replaced; other files
    in it are left alone, and never overwritten.

    Parameters
    ----------
    benchmarks
        One, or several.
    directory
        Folder of the site.
    title
        Heading of the list of several.
    companions
        Folders of further pages for that list, by their titles.
    lead_hours
        Lead time in hours of headlines and maps; the nearest one that was scored is taken.
    map_channels
        Maps are drawn for the first so many channels; 0 for none.
    forecast_channels
        Truth and forecasts are shown for the first so many channels; 0 for none.

    Returns
    -------
    Path
        The page to open.

    Raises
    ------
    UserError
        If scores are empty, or files that are no report's are in the way.
    """
    directory = Path(directory).resolve()
    refuse_file(directory)
    partial = directory.with_name(f".{directory.name}.{uuid.uuid4().hex}.partial")
    extent = Extent(lead_hours, map_channels, forecast_channels)
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise UserError(
            f"{directory.parent} cannot be written ({error.strerror}): choose another folder."
        ) from error
    try:
        _write_scripts(partial / FILES)
        if isinstance(benchmarks, Benchmark):
            write_benchmark(benchmarks, partial, extent)
        else:
            _write_several(benchmarks, partial, title, companions or {}, extent)
        publish(partial, directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return directory / PAGE


def write_benchmark(
    benchmark: Benchmark,
    folder: Path,
    extent: Extent,
    assets: str = FILES,
    parent: str | None = None,
) -> None:
    """Write all pages of one benchmark; ``assets`` is where the scripts lie, seen from there."""
    from climbench.report.map_files import write_forecasts, write_maps  # slow to import: cartopy
    from climbench.report.section_files import write_sections

    scores, headline = benchmark.scores, benchmark.headline(extent.lead_hours)
    own = folder / FILES
    for name in ("maps", "forecasts", "models", "sections"):
        (own / name).mkdir(parents=True, exist_ok=True)
    tidy(scores).to_csv(folder / _SCORES, index=False)
    payload = scores_payload(scores, headline, benchmark.comparison)
    forecasts = None
    if benchmark.examples is not None:
        models = shown(scores, headline)
        channels = extent.forecast_channels
        forecasts = write_forecasts(benchmark.examples, models, scores, own / "forecasts", channels)
    if benchmark.gate:
        (own / "gate.html").write_text(_gate_page(benchmark), encoding="utf-8")
    parts = {
        "payload": payload,
        "curves": curves_payload(scores, headline),
        "maps": write_maps(scores, headline, own / "maps", extent.map_channels),
        "forecasts": forecasts,
        "sections": write_sections(scores, headline, own / "sections"),
        "cards": _write_cards(benchmark, payload, own / "models", assets),
        "further": _copy_companions(benchmark.companions, folder),
        "assets": assets,
        "parent": parent,
    }
    (folder / PAGE).write_text(render(benchmark, headline, parts), encoding="utf-8")


def render(benchmark: Benchmark, headline: Headline, parts: Mapping[str, Any]) -> str:
    """Return the page as HTML; every text in it is escaped by the template."""
    scores, comparison = benchmark.scores, benchmark.comparison
    several = scores.sizes["region"] > 1
    names = [model["name"] for model in parts["payload"]["models"]]
    reference = parts["payload"]["reference"]
    return render_page(
        "benchmark.html.j2",
        title=benchmark.title,
        simulated=benchmark.simulated,
        caption=caption(scores, headline),
        sentences=[*verdict(scores, headline, comparison), *benchmark.notes],
        reference=names.index(reference) if reference in names else 0,
        standings=standings(scores, headline, comparison),
        scorecards=[
            (name, in_parts(scorecard(scores, headline, name, comparison)))
            for name in metrics_of(scores, headline)
        ],
        regions=regions_table(scores, headline, comparison) if several else None,
        citations=_citations(scores),
        limits=COLOUR_LIMITS,
        gate=benchmark.gate,
        curves_heading="Spectra and distributions",
        maps_of_errors=scores_errors(scores),
        header=benchmark.header(),
        provenance=benchmark.footer(),
        scoring=benchmark.scoring(),
        files=FILES,
        **parts,
    )


def shown(scores: xr.Dataset, headline: Headline) -> list[str]:
    """Return the models whose forecasts are shown: the best one, and the best straight line."""
    order = ranked(scores, headline)
    lines = list(filter(is_straight_line, order))
    return list(dict.fromkeys([*order[:1], *lines[:1]]))


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


def _write_several(
    benchmarks: Sequence[Benchmark],
    folder: Path,
    title: str,
    companions: Mapping[str, Path],
    extent: Extent,
) -> None:
    entries: list[dict[str, Any]] = []
    for benchmark in benchmarks:
        name = _folder_name(benchmark.title, {entry["name"] for entry in entries})
        write_benchmark(benchmark, folder / name, extent, f"../{FILES}", f"../{PAGE}")
        headline = benchmark.headline(extent.lead_hours)
        entries.append(
            {
                "name": name,
                "address": f"{name}/{PAGE}",
                "title": benchmark.title,
                "description": benchmark.provenance.get("description", ""),
                "simulated": benchmark.simulated,
                "sentences": verdict(benchmark.scores, headline, benchmark.comparison),
                "gate": benchmark.gate,
                "standings": standings(benchmark.scores, headline, benchmark.comparison),
                "models": benchmark.scores.sizes["model"],
            }
        )
    page = render_page(
        "index.html.j2",
        title=title,
        simulated=False,
        benchmarks=entries,
        companions=_copy_companions(companions, folder),
    )
    (folder / PAGE).write_text(page, encoding="utf-8")


def _folder_name(title: str, taken: set[str]) -> str:
    """Return a name for a folder that no other has and no system minds."""
    stem = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:60] or "benchmark"
    names = [stem, *(f"{stem}_{number}" for number in range(2, len(taken) + 2))]
    return next(name for name in names if name not in taken | {FILES})


def _write_cards(
    benchmark: Benchmark, payload: dict[str, Any], folder: Path, assets: str
) -> list[dict[str, str]]:
    """Write a page for each model that has a card, and link the leaderboard to it."""
    links = []
    for number, model in enumerate(payload["models"]):
        card = benchmark.cards.get(model["name"])
        if card is None:
            continue
        page = render_page(
            "model.html.j2",
            title=model["name"],
            simulated=benchmark.simulated,
            card={"summary": card.get("summary", ""), "sections": card.get("sections", {})},
            history=card.get("history"),
            parent=f"../../{PAGE}",
            assets=f"../../{assets}",
        )
        path = folder / f"{number:03d}.html"
        path.write_text(page, encoding="utf-8")
        model["card"] = f"{FILES}/{folder.name}/{path.name}"
        links.append(
            {"name": model["name"], "address": model["card"], "summary": card.get("summary", "")}
        )
    return links


def _copy_companions(companions: Mapping[str, Path], folder: Path) -> list[dict[str, str]]:
    """Copy further pages and return their titles and addresses."""
    links = []
    for number, (title, source) in enumerate(companions.items()):
        name = f"{FILES}/pages/{number}"
        pictures = shutil.ignore_patterns("*.nc", "*.json", "*.zarr")  # pages need none of these
        shutil.copytree(source, folder / name, ignore=pictures)
        links.append({"title": title, "address": f"{name}/{PAGE}"})
    return links


def _gate_page(benchmark: Benchmark) -> str:
    gate = benchmark.gate or {}
    return render_page(
        "gate.html.j2",
        title=f"{benchmark.title}: gate {gate.get('name', '')}".rstrip(),
        simulated=benchmark.simulated,
        gate=gate,
        evidence=evidence_table(gate["verdicts"]),
        parent=f"../{PAGE}",
    )


def _citations(scores: xr.Dataset) -> list[str]:
    """Return whose published scores stand beside ours, each once."""
    labels = [str(metric) for metric in scores["metric"].values]
    rows = [row for metric in labels for row in published_beside(scores, metric)]
    return list(dict.fromkeys(row.citation for row in rows))


def _write_scripts(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in _SCRIPTS:
        source = files("climbench.report").joinpath("static", name)
        (folder / name).write_text(source.read_text("utf-8"), encoding="utf-8")
    (folder / "vega.js").write_text(chart_library(), encoding="utf-8")


@cache
def chart_library() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script that needs no network."""
    import vl_convert

    notice = "/* Vega, Vega-Lite, Vega-Embed: BSD-3-Clause, University of Washington and others */"
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return f"{notice}\n(() => {{{bundle}\n}})();\n"
