"""The leaderboard in the terminal."""

import numpy as np
import xarray as xr
from rich import box
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from climbench.lead_times import lead_name
from climbench.plot.ranking import (
    Headline,
    axis_of,
    baselines_of,
    best_of,
    headline_of,
    key_leads,
    ranked,
    reference_row,
    skill,
)
from climbench.plot.wording import caption, numbers, percent, units_of, verdict, with_units


def leaderboard(
    scores: xr.Dataset, lead_hours: float = 24.0, comparison: xr.Dataset | None = None
) -> RenderableType:
    r"""Return the models' ranking as a table for the terminal.

    Above stand the headline score of each model, best first, and its skill against each baseline,
    :math:`1 - s / s_\mathrm{baseline}`; below, one small table per channel with the key lead times
    (or per channel and scenario with the normalised errors); at the end two sentences with the
    verdict. It fits 80 columns.

    Parameters
    ----------
    scores
        Scores [model, metric, channel, region, lead_time or scenario].
    lead_hours
        Lead time of the headline in hours; the nearest one that was scored is taken.
    comparison
        ``mark`` of tests, see :class:`climbench.report.Benchmark`.

    Raises
    ------
    UserError
        If the scores are empty.
    """
    headline = headline_of(scores, lead_hours)
    models = ranked(scores, headline)
    title = Text(f"Leaderboard: {caption(scores, headline)}", style="bold")
    if scores.attrs.get("simulated") == "true":
        title = Text.assemble(("SIMULATED DATA", "bold yellow"), "  ", title)
    here = scores["score"].sel(region=headline.region, model=models)
    channels = [str(name) for name in scores["channel"].values]
    if axis_of(scores) == "lead_time":
        tables = [_leads_table(scores, here, headline.metric, name) for name in channels]
    else:
        tables = [
            _scenario_table(
                here.sel(channel=name, scenario=scenario),
                _references(scores, headline.region, name, scenario),
            )
            for name in channels
            for scenario in scores["scenario"].values
        ]
    sentences = [Text(sentence) for sentence in verdict(scores, headline, comparison)]
    skills = _skill_table(scores, headline, models)
    return Group(title, skills, Columns(tables, padding=(0, 2)), *sentences)


def _skill_table(scores: xr.Dataset, headline: Headline, models: list[str]) -> Table:
    """Return the headline scores and the skills against each baseline."""
    values = headline.of(scores["score"]).sel(model=models)
    units = units_of(scores, headline.metric, headline.channel)
    columns = {with_units(headline.metric, units).replace(" [", "\n["): numbers(values)}
    for name in baselines_of(scores):
        skills = skill(values, name, headline.orientation).values
        columns["skill vs\n" + name.replace("_", "\n")] = [percent(value) for value in skills]
    best = best_of(values, headline.orientation)
    return _table(models, columns, {name: best for name in columns})


def _leads_table(scores: xr.Dataset, here: xr.DataArray, metric: str, channel: str) -> Group:
    """Return one channel's scores [model] at the key leads, under its name and units."""
    columns = {
        lead_name(lead): here.sel(metric=metric, channel=channel, lead_time=lead)
        for lead in key_leads(scores)
    }
    return _scores_table(with_units(channel, units_of(scores, metric, channel)), columns)


def _references(
    scores: xr.Dataset, region: str, channel: str, scenario: str
) -> dict[str, xr.DataArray]:
    """Return rows [metric] to hold the models' scores against, such as internal variability."""
    where = {"region": region, "channel": channel, "scenario": scenario}
    known = "reference_score" in scores
    names = [str(name) for name in scores["reference"].values] if known else []
    rows = {name: reference_row(scores, name).sel(where) for name in names}
    return {name: row for name, row in rows.items() if row.notnull().any()}


def _scenario_table(here: xr.DataArray, references: dict[str, xr.DataArray]) -> Group:
    """Return the normalised errors [metric, model] of one channel in one scenario."""
    names = [str(name) for name in here["metric"].values]
    normalised = [name for name in names if name.startswith("nrmse") and "(" not in name]
    shown = normalised or names
    columns = {name.replace("_", "\n"): here.sel(metric=name) for name in shown}
    rows = {
        name: dict(zip(columns, numbers(row.sel(metric=shown)), strict=True))
        for name, row in references.items()
    }
    title = f"{here['channel'].item()}, {here['scenario'].item()}"
    return _scores_table(title, columns, rows)


def _scores_table(
    title: str,
    columns: dict[str, xr.DataArray],
    references: dict[str, dict[str, str]] | None = None,
) -> Group:
    best = {
        heading: best_of(values, values["orientation"].item())
        for heading, values in columns.items()
    }
    models = [str(name) for name in next(iter(columns.values()))["model"].values]
    every = np.concatenate([values.values for values in columns.values()])
    parts = np.split(np.array(numbers(every)), len(columns))  # one number of decimals per table
    texts = {heading: part.tolist() for heading, part in zip(columns, parts, strict=True)}
    return Group(Text(title, style="bold cyan"), _table(models, texts, best, references))


def _table(
    models: list[str],
    columns: dict[str, list[str]],
    best: dict[str, set[str]],
    references: dict[str, dict[str, str]] | None = None,
) -> Table:
    """Return a table with a row per model, the best of each column in bold, then references."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("model", overflow="fold", max_width=24)
    for heading in columns:
        table.add_column(Text(heading), justify="right", vertical="bottom")
    for row, model in enumerate(models):
        cells = (
            Text(texts[row], style="bold green" * (model in best[heading]))
            for heading, texts in columns.items()
        )
        table.add_row(Text(model), *cells)
    for name, texts in (references or {}).items():
        table.add_row(Text(f"({name})"), *(texts[heading] for heading in columns), style="dim")
    table.add_row()  # air between tables
    return table
