"""Tables of the page, as plain rows that the template writes out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from climbench.plot.ranking import (
    Headline,
    axis_of,
    baselines_of,
    best_of,
    bounds,
    is_baseline,
    key_leads,
    marks_at,
    ranked,
    reference_of,
    reference_row,
    references_of,
    skill,
)
from climbench.plot.wording import (
    WHOLE,
    number,
    numbers,
    percent,
    place_name,
    region_name,
    samples_of,
    units_of,
    with_units,
)
from climbench.report.comparable import published_beside

# Relative scores at which colours change, in percent, as the WeatherBench 2 scorecards have them
COLOUR_LIMITS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
DOUBT = "not significant"
COLUMNS = 15  # of a table


@dataclass(frozen=True)
class Cell:
    """A score: its text, a note under it, its colour class, and whether it is the best."""

    text: str
    note: str = ""
    colour: str = ""
    best: bool = False


@dataclass(frozen=True)
class Row:
    """A model and its cells."""

    model: str
    is_baseline: bool
    cells: list[Cell]


@dataclass(frozen=True)
class Table:
    """A table: ``groups`` are headings that span columns, as (text, number of columns)."""

    caption: str
    groups: list[tuple[str, int]]
    columns: list[str]
    rows: list[Row]


def colour_class(relative_skill: float) -> str:
    """Return the name of a cell's colour, from worse6 over none to better6.

    Parameters
    ----------
    relative_skill
        Skill against the reference, 1 for a perfect score.

    Examples
    --------
    >>> colour_class(0.03), colour_class(-0.9), colour_class(0.001), colour_class(float("nan"))
    ('better2', 'worse6', 'same', '')
    """
    if not np.isfinite(relative_skill):
        return ""
    step = int(np.searchsorted(COLOUR_LIMITS, abs(100 * relative_skill)))
    side = "better" if relative_skill > 0 else "worse"
    return f"{side}{step}" if step else "same"


def standings(
    scores: xr.Dataset, headline: Headline, comparison: xr.Dataset | None = None
) -> Table:
    """Return the headline score of each model, its interval and its skill against baselines."""
    values = headline.of(scores["score"])
    baselines = baselines_of(scores)
    skills = {name: skill(values, name, headline.orientation) for name in baselines}
    best = best_of(values, headline.orientation)
    models = ranked(scores, headline)
    texts = numbers(values.sel(model=models))
    marks = {
        name: dict(zip(models, marks_at(comparison, name, values.sel(model=models)), strict=True))
        for name in baselines
    }
    rows = []
    for text, model in zip(texts, models, strict=True):
        low, high = bounds(scores, headline, model)
        interval = f"{number(low)} to {number(high)}" if np.isfinite(low) else "–"
        cells = [Cell(text, best=model in best), Cell(interval)]
        for name in baselines:
            gain = float(skills[name].sel(model=model))
            mark = "" if model == name else marks[name][model]
            colour = "" if model == name else _colour(gain, mark)
            cells.append(Cell(_noted(percent(gain), mark), colour=colour))
        rows.append(Row(model, is_baseline(model), cells))
    score = with_units(headline.metric, units_of(scores, headline.metric, headline.channel))
    columns = [score, "95 % interval", *(f"skill against {name}" for name in baselines)]
    tested = [mark for found in marks.values() for mark in found.values()]
    words = [samples_of(scores, headline), _significance(tested)]
    return Table("; ".join(["Headline score and skill", *filter(None, words)]), [], columns, rows)


def scorecard(
    scores: xr.Dataset, headline: Headline, metric: str, comparison: xr.Dataset | None = None
) -> Table:
    """Return one metric of all channels at the key leads or scenarios, coloured by skill."""
    here = scores["score"].sel(metric=metric, region=headline.region)
    axis = axis_of(scores)
    places = key_leads(scores) if axis == "lead_time" else list(scores["scenario"].values)
    headings = [place_name(here.sel({axis: place})) for place in places]
    channels = [str(name) for name in scores["channel"].values]
    groups = [(with_units(name, units_of(scores, metric, name)), len(places)) for name in channels]
    columns = [here.sel({"channel": name, axis: place}) for name in channels for place in places]
    reference = reference_of(scores, headline)
    beside = []
    for name in references_of(scores, metric):
        row = reference_row(scores, name).sel(metric=metric, region=headline.region)
        values = [row.sel({"channel": c, axis: place}) for c in channels for place in places]
        beside.append(Row(f"({name})", True, [Cell(number(float(value))) for value in values]))
    if headline.region == WHOLE:
        for published in published_beside(scores, metric):
            places_of = [published.scores.get(c, {}) for c in channels]
            printed = [
                own.get(str(p) if axis == "scenario" else float(p), np.nan)
                for own in places_of
                for p in places
            ]
            beside.append(Row(published.model, True, [Cell(number(score)) for score in printed]))
    marks = [marks_at(comparison, reference, column) for column in columns]
    region = region_name(scores, headline.region)
    return Table(
        _scorecard_caption(metric, region, reference, columns[0], marks),
        groups,
        headings * len(channels),
        _rows(columns, ranked(scores, headline), reference, marks, len(places)) + beside,
    )


def in_parts(table: Table) -> list[Table]:
    """Return a table as several that fit a sheet of paper, with whole groups of columns each."""
    if not table.groups:
        return [table]
    span = table.groups[0][1]
    most = max(1, COLUMNS // span)
    parts = []
    for first in range(0, len(table.groups), most):
        columns = slice(first * span, (first + most) * span)
        rows = [replace(row, cells=row.cells[columns]) for row in table.rows]
        groups = table.groups[first : first + most]
        caption = f"{table.caption.partition(',')[0]}, continued" if first else table.caption
        parts.append(Table(caption, groups, table.columns[columns], rows))
    return parts


def regions_table(
    scores: xr.Dataset, headline: Headline, comparison: xr.Dataset | None = None
) -> Table:
    """Return the headline score of each region, coloured by skill."""
    names = [str(region) for region in scores["region"].values]
    columns = [replace(headline, region=name).of(scores["score"]) for name in names]
    reference = reference_of(scores, headline)
    marks = [marks_at(comparison, reference, column) for column in columns]
    caption = _scorecard_caption(headline.metric, "all regions", reference, columns[0], marks)
    rows = _rows(columns, ranked(scores, headline), reference, marks, len(columns))
    return Table(caption, [], [region_name(scores, name) for name in names], rows)


def _rows(
    columns: list[xr.DataArray],
    models: list[str],
    reference: str | None,
    marks: list[list[str]],
    span: int,
) -> list[Row]:
    """Return a row per model from columns [model], each cell coloured against the reference.

    ``marks`` are the tests of each column [model]; ``span`` neighbouring columns have the same
    number of decimals.
    """
    cells: dict[str, list[Cell]] = {model: [] for model in models}
    names = columns[0]["model"].values.astype(str).tolist()
    columns = [column.sel(model=models) for column in columns]
    for place, values in enumerate(columns):
        first = place - place % span
        texts = numbers(np.concatenate([c.values for c in columns[first : first + span]]))
        texts = texts[(place - first) * len(models) :][: len(models)]
        orientation = str(values["orientation"].item())
        best = best_of(values, orientation)
        gains = skill(values, reference, orientation) if reference else values * np.nan
        for model, text, gain in zip(models, texts, gains.values, strict=True):
            own = model == reference
            mark = marks[place][names.index(model)]
            note = "" if own or not np.isfinite(gain) else percent(float(gain))
            colour = "" if own else _colour(float(gain), mark)
            cells[model].append(Cell(text, _noted(note, mark), colour, model in best))
    return [Row(model, is_baseline(model), cells[model]) for model in models]


def _colour(gain: float, mark: str) -> str:
    return "doubt" if mark == DOUBT else colour_class(gain)


def _noted(text: str, mark: str) -> str:
    text = text.replace("-", "\N{MINUS SIGN}")
    return f"{text} n.s.".lstrip() if mark == DOUBT else text


def _significance(marks: Iterable[str]) -> str:
    """Return what is known of chance in a table, in words."""
    if any(marks):
        return "n.s.: not significant (paired Diebold-Mariano tests, false discovery rate 5 %)"
    return "not tested: differences may be chance"


def _scorecard_caption(
    metric: str,
    region: str,
    reference: str | None,
    column: xr.DataArray,
    marks: list[list[str]],
) -> str:
    better = {
        "lower": "lower is better",
        "higher": "higher is better",
        "zero": "zero is best",
        "none": "neither more nor less is better",
    }
    orientation = str(column["orientation"].item())
    text = f"{metric}, {region}; {better[orientation]}"
    if reference and orientation == "lower":
        text += f"; colour and percentage: skill against {reference}"
    every = [mark for column in marks for mark in column]
    return f"{text}; {_significance(every)}" if reference else text


def evidence_table(verdicts: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return headings and rows of what a gate's verdicts rest on; None where they do not say."""
    columns = {
        "rule": "rule",
        "outcome": "outcome",
        "metric": "metric",
        "channel": "variable",
        "condition": "at",
        "region": "region",
        "candidate": "candidate",
        "candidate_score": "its score",
        "reference": "reference",
        "reference_score": "its score",
        "change": "gain",
        "significant": "beyond chance",
    }
    if not all(set(columns) <= set(verdict) for verdict in verdicts) or not verdicts:
        return None
    rows = [[_evidence(key, verdict[key]) for key in columns] for verdict in verdicts]
    return {"headings": list(columns.values()), "rows": rows}


def _evidence(key: str, value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key == "change":
        return f"{100 * value:+.1f} %"
    return number(value) if isinstance(value, float) else str(value)
