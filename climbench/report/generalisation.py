"""Trained on A, tested on B: tables of the scores of emulators of several climate models."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from climbench.plot.wording import numbers
from climbench.report.pages import render_page

HEADLINES = ("nrmse_total", "rmse")


def matrix(table: pd.DataFrame, channel: str) -> tuple[str, pd.DataFrame]:
    """Return the headline metric and its scores of a channel.

    Parameters
    ----------
    table
        A row per score: ``model``, ``trained_on``, ``tested_on``, ``metric``, ``channel``,
        ``score``; the mean over scenarios is taken.
    channel
        What was predicted.

    Returns
    -------
    tuple
        Name of the metric, and scores with rows (model, trained on) and columns tested on.
    """
    metrics = table["metric"].unique()
    metric = next((name for name in HEADLINES if name in metrics), metrics[0])
    chosen = table[(table["metric"] == metric) & (table["channel"] == channel)]
    scores = chosen.pivot_table(
        "score", ["model", "trained_on"], "tested_on", aggfunc="mean", sort=False
    )
    return str(metric), scores


def terminal_tables(table: pd.DataFrame) -> Iterator[Table]:
    """Yield a table for each channel; a climate model's own emulator is in bold."""
    for channel in table["channel"].unique():
        metric, scores = matrix(table, channel)
        shown = Table(box=box.SIMPLE_HEAD, title=f"{metric} of {channel}", title_justify="left")
        for heading in ("model", "trained on"):
            shown.add_column(heading, overflow="fold")
        for name in scores.columns:
            shown.add_column(str(name), justify="right", overflow="fold")
        for model, trained_on, cells in _rows(scores):
            texts = (Text(text, style="bold" * (name == trained_on)) for name, text in cells)
            shown.add_row(Text(model), Text(trained_on), *texts)
        yield shown


def _rows(scores: pd.DataFrame) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Return model, what it was trained on, and (tested on, score) of each row."""
    columns = [str(name) for name in scores.columns]
    return [
        (str(model), str(trained_on), list(zip(columns, numbers(row), strict=True)))
        for (model, trained_on), row in zip(scores.index, scores.to_numpy(), strict=True)
    ]


def write_generalisation(
    folder: Path,
    table: pd.DataFrame,
    title: str,
    description: str,
    simulated: bool,
    links: Mapping[str, str],
) -> None:
    """Write ``index.html`` and ``generalisation.csv`` into a folder.

    Parameters
    ----------
    folder
        Where to; it is there already.
    table
        All scores, see :func:`matrix`.
    title, description
        Heading of the page and the sentence under it.
    simulated
        Whether the climate models are simulated ones.
    links
        Page of each run, relative to the folder.
    """
    table.to_csv(folder / "generalisation.csv", index=False, float_format="%.8g")
    matrices = []
    for channel in table["channel"].unique():
        metric, scores = matrix(table, channel)
        matrices.append((f"{metric} of {channel}", list(scores.columns), _rows(scores)))
    page = render_page(
        "generalisation.html.j2",
        title=title,
        description=description,
        simulated=simulated,
        matrices=matrices,
        links=links,
    )
    (folder / "index.html").write_text(page, encoding="utf-8")
