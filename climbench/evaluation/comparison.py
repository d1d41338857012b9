"""Two models compared, score by score: differences, their bounds, and what many tests leave."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from pydantic import Field
from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text
from scipy import stats

from climbench.errors import UserError
from climbench.evaluation.files import units_of
from climbench.evaluation.pairing import Pair, gain, one_model, resample
from climbench.evaluation.rules import Draws, Names, Selection, chosen_names
from climbench.evaluation.significance import (
    Array,
    diebold_mariano,
    false_discovery,
    interval,
    normal_quantile,
)
from climbench.lead_times import lead_name

Autocorrelation = Literal["automatic", "lead"]
DESCRIPTIONS = ("orientation", "unit_power", "unit", "variable", "level", "units")
MOST_NAMES = 6  # of what only one file has, in the line about it
SIGNS = {"better": ("▲", "bold green"), "worse": ("▼", "bold red")}


class Options(Selection):
    """What a comparison may be told, see :func:`compare`."""

    metrics: Names = None
    bootstrap: Draws = 1000
    confidence: float = Field(default=0.95, gt=0, lt=1)
    seed: int = Field(default=0, ge=0)
    autocorrelation: Autocorrelation = "automatic"


def compare(
    candidate: xr.Dataset,
    reference: xr.Dataset,
    metrics: Sequence[str] | str = "*",
    variables: Sequence[str] | str = "*",
    leads: Sequence[float] | str = "*",
    regions: Sequence[str] | str = "*",
    scenarios: Sequence[str] | str = "*",
    candidate_model: str | None = None,
    reference_model: str | None = None,
    bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    autocorrelation: Autocorrelation = "automatic",
) -> xr.Dataset:
    r"""Compare two models over the same samples.

    Bounds are those of the paired moving-block bootstrap: both models are scored on the same
    draws of samples. ``p`` is that of the Diebold-Mariano test on what each sample adds to the
    difference (for means the sample's own difference, for roots and ratios its linear part);
    ``q`` is ``p`` after Benjamini and Hochberg over all scores that are compared. A score is
    marked ``better`` or ``worse`` where :math:`q \le 1 - \mathrm{confidence}`, so that of all the
    marks this share is expected to be wrong. Metrics of which no value is better by itself (a
    spread, an activity) have a difference and bounds, but neither test nor mark.

    Runs of scenarios have no samples to draw from. Where their scores have ``score_noise``, the
    standard deviation under resampling of the truth's members, bounds and ``p`` follow from the
    normal distribution with it, else they are missing.

    Parameters
    ----------
    candidate, reference
        Scores datasets; they may be the same one with several models.
    metrics, variables, leads, regions, scenarios
        What is compared: labels of metrics, names of variables or channels, lead times in hours,
        names; ``"*"`` is all that the reference has.
    candidate_model, reference_model
        Names; needed where a dataset holds several models.
    bootstrap, confidence, seed
        Number of draws (at least 100, or 0: no bounds of forecasts), share between the bounds,
        seed of the random numbers.
    autocorrelation
        What the test takes into account: ``automatic`` the slow variations of the differences,
        ``lead`` as many lags as the forecasts overlap (see
        :func:`~climbench.evaluation.significance.diebold_mariano`).

    Returns
    -------
    xarray.Dataset
        ``candidate``, ``reference``, ``difference`` (candidate minus reference; of sizes where
        zero is best), ``lower``, ``upper``, ``p``, ``q`` and ``mark``, each ``[metric, channel,
        region, lead_time | scenario]``. The attribute ``only_in_one`` tells what only one has.

    Raises
    ------
    UserError
        If a name is not there, the scores were made differently or from other samples, or have
        nothing in common.
    """
    options = Options.parse(
        {
            "metrics": metrics,
            "variables": variables,
            "leads": leads,
            "regions": regions,
            "scenarios": scenarios,
            "bootstrap": bootstrap,
            "confidence": confidence,
            "seed": seed,
            "autocorrelation": autocorrelation,
        },
        "The comparison",
    )
    pair = Pair.of(
        one_model(candidate, candidate_model, "candidate"),
        one_model(reference, reference_model, "reference"),
    )
    opening = f"The scores of '{pair.names[1]}'"
    chosen = chosen_names(options.metrics, pair.reference["metric"], opening)
    labels = options.labels(pair.reference)
    labels = {dim: labels[dim] for dim in ("channel", "region", pair.condition)}
    only_in_one = _only_in_one(pair, {"metric": chosen, **labels})
    parts = [_compare_one(pair, metric, labels, options) for metric in chosen]
    dims = ("metric", *labels)
    result = xr.Dataset(
        {name: (dims, np.stack([part[name] for part in parts])) for name in parts[0]},
        {"metric": chosen, **labels},
    )
    described = pair.reference.sel(metric=chosen, channel=labels["channel"]).coords
    result = result.assign_coords(
        {name: described[name].drop_vars("model") for name in DESCRIPTIONS if name in described}
    )
    if not result["difference"].notnull().any():
        one, two = pair.names
        raise UserError(f"The scores of '{one}' and '{two}' share no score that both have.")
    return marked(result, confidence).assign_attrs(
        candidate=pair.names[0],
        reference=pair.names[1],
        simulated="true" if _simulated(candidate, reference) else "false",
        conventions=pair.reference.attrs["conventions"],
        bootstrap=json.dumps({"confidence": confidence, "draws": bootstrap, "seed": seed}),
        autocorrelation=autocorrelation,
        only_in_one=only_in_one,
    )


def _only_in_one(pair: Pair, wanted: Mapping[str, Sequence[Any]]) -> str:
    """Return, in words, what of the wanted labels the candidate lacks, and what it has beside all.

    Raises
    ------
    UserError
        If it has none of a dimension.
    """
    lacking: dict[str, list[str]] = {"candidate": [], "reference": []}
    for dim, labels in wanted.items():
        own, other = (list(scores[dim].to_numpy()) for scores in (pair.candidate, pair.reference))
        if not set(labels) & set(own):
            raise UserError(
                f"The scores of candidate and reference have no {dim} in common: "
                f"{_listed(dim, own)} and {_listed(dim, labels)}; evaluate both with the same."
            )
        beyond = [label for label in own if label not in other]
        whole = len(labels) == len(other)
        absent = [label for label in labels if label not in own]
        for role, only in (("reference", absent), ("candidate", beyond * whole)):
            lacking[role] += [f"{dim.replace('_', ' ')} {_listed(dim, only)}"] if only else []
    return "; ".join(
        f"only the {role} has {', '.join(only)}" for role, only in lacking.items() if only
    )


def _listed(dim: str, labels: Sequence[Any]) -> str:
    names = [lead_name(label) if dim == "lead_time" else str(label) for label in labels]
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _simulated(*scores: xr.Dataset) -> bool:
    return any(dataset.attrs.get("simulated") == "true" for dataset in scores)


def _compare_one(
    pair: Pair,
    metric: str,
    labels: Mapping[str, Sequence[Any]],
    options: Options,
) -> dict[str, Array]:
    """Return the results of one metric, each ``[channel, region, condition]``."""
    own, other = pair.scores(metric, labels)
    orientation = pair.orientation(metric)
    sign = 1.0 if orientation == "higher" else -1.0  # of a difference that is a gain
    difference = sign * gain(own, other, orientation)
    lower, upper, p = (np.full(own.shape, np.nan) for _ in range(3))
    noise = pair.noise(metric, labels)
    if noise is not None:
        reach = normal_quantile(options.confidence) * noise
        lower, upper = difference - reach, difference + reach
        with np.errstate(invalid="ignore", divide="ignore"):
            p = 2 * stats.norm.sf(np.abs(difference) / noise)
    cells = {dim: labels[dim] for dim in ("channel", "region")}
    for place, condition in enumerate(labels[pair.condition]):
        drawn = resample(pair, metric, condition, cells, options.bootstrap, options.seed)
        if drawn is None:
            continue
        here = (..., place)
        if options.bootstrap:
            differences = sign * gain(drawn.candidate, drawn.reference, orientation)
            stretch = drawn.stretch(options.confidence)
            lower[here], upper[here] = interval(differences, options.confidence, stretch)
        horizon = _horizon(pair, condition) if options.autocorrelation == "lead" else None
        p[here] = diebold_mariano(drawn.series, horizon).p
    if orientation == "none":
        p[:] = np.nan  # nothing to win: it must not count among the tests
    return {
        "candidate": own,
        "reference": other,
        "difference": difference,
        "lower": lower,
        "upper": upper,
        "p": p,
    }


def _horizon(pair: Pair, lead_time: float) -> int:
    """Return the lead time in steps between samples, at least one."""
    steps = pd.to_timedelta(np.diff(pair.reference["sample"].to_numpy()))
    return max(1, int(np.ceil(lead_time / (np.median(steps) / pd.Timedelta(hours=1)))))


def marked(result: xr.Dataset, confidence: float = 0.95) -> xr.Dataset:
    """Return a comparison with ``q`` and ``mark`` of the family of tests that it holds.

    Parameters
    ----------
    result
        From :func:`compare`, or a part of it: a single metric, for instance.
    confidence
        One less the share of marks that may be wrong.
    """
    family = result.assign(q=(result["p"].dims, false_discovery(result["p"])))
    return family.assign(mark=(result["p"].dims, _marks(family, 1.0 - confidence)))


def _marks(result: xr.Dataset, level: float) -> Any:
    """Return ``better``, ``worse``, ``not significant``, or nothing where there was no test."""
    sign = np.where(result["orientation"] == "higher", 1.0, -1.0)
    ahead = sign[:, np.newaxis, np.newaxis, np.newaxis] * result["difference"].to_numpy()
    q = result["q"].to_numpy()
    found = np.where(ahead > 0, "better", "worse")
    return np.where(
        np.isnan(q), "", np.where((q <= level) & (ahead != 0), found, "not significant")
    )


def comparison_rows(result: xr.Dataset) -> pd.DataFrame:
    """Return a comparison as a tidy table, one row per score that both models have.

    Columns: ``metric, channel, region, lead_time`` (hours) or ``scenario``, ``units, candidate,
    reference, difference, lower, upper, p, q, mark``.
    """
    condition = "lead_time" if "lead_time" in result.dims else "scenario"
    order = ["metric", "channel", "region", condition]
    frame = result.to_dataframe(dim_order=order).reset_index().dropna(subset="difference")
    frame["units"] = units_of(frame if "unit" in frame else frame.assign(unit=""))
    values = ["candidate", "reference", "difference", "lower", "upper", "p", "q", "mark"]
    return frame[[*order, "units", *values]].reset_index(drop=True)


def comparison_table(result: xr.Dataset, most: int = 60, width: int = 80) -> RenderableType:
    """Return a comparison as tables for the terminal, with a sentence that counts.

    Parameters
    ----------
    result
        From :func:`compare`.
    most
        Number of rows that are shown.
    width
        Columns of the terminal. Where one table is too wide, there is one for each channel, then
        for each channel and region, and then for each metric too.
    """
    rows = comparison_rows(result)
    dims = ("metric", "channel", "region")
    places = [name for name in dims if rows[name].nunique() > 1]
    same = [str(rows[name].iloc[0]) for name in dims if rows[name].nunique() == 1]
    names = f"{result.attrs['candidate']} against {result.attrs['reference']}"
    title = Text(f"Comparison: {', '.join([names, *same])}", style="bold")
    if result.attrs["simulated"] == "true":
        title = Text.assemble(("SIMULATED DATA", "bold yellow"), "  ", title)
    tables: list[Table] = []
    splits = ("channel", "region", "metric")
    for number in range(len(splits) + 1):
        tables = _tables(rows.head(most), places, splits[:number])
        if (
            max((Console(width=1000).measure(table).maximum for table in tables), default=0)
            <= width
        ):
            break
    notes = [f"Not compared: {result.attrs['only_in_one']}."] * bool(result.attrs["only_in_one"])
    return Group(title, *tables, *map(Text, [*notes, _count(rows, most, result)]))


def _tables(rows: pd.DataFrame, places: Sequence[str], headings: Sequence[str]) -> list[Table]:
    """Return a table for each value of ``headings``, with columns for the other places."""
    above = [name for name in headings if name in places]
    columns = [name for name in places if name not in above]
    if not above:
        return [_table("", columns, rows)] if len(rows) else []
    parts = rows.groupby(above, sort=False)
    return [_table(", ".join(map(str, place)), columns, part) for place, part in parts]


def _table(heading: str, places: Sequence[str], rows: pd.DataFrame) -> Table:
    condition = "lead_time" if "lead_time" in rows else "scenario"
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.title, table.title_justify, table.title_style = heading or None, "left", "bold cyan"
    for name in places:
        table.add_column(name, overflow="fold")
    table.add_column("lead" if condition == "lead_time" else "scenario", no_wrap=True)
    for name in ("against", "change", "lower", "upper", "p", "q", ""):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows.to_dict("records"):
        where = [str(row[name]) for name in places]
        where.append(lead_name(row[condition]) if condition == "lead_time" else row[condition])
        mark = Text(*SIGNS.get(row["mark"], ("",)))
        table.add_row(*map(Text, [*where, *_numbers(row)]), mark)
    return table


def _numbers(row: Mapping[Any, Any]) -> list[str]:
    """Return a row's numbers as text; a dash where there is none."""
    changes = {"difference": "+z.3g", "lower": "+z.2g", "upper": "+z.2g"}
    texts = [f"{row['reference']:z.4g}"]
    texts += [
        f"{row[key]:{how}}" if not np.isnan(row[key]) else "–" for key, how in changes.items()
    ]
    for value in (row["p"], row["q"]):
        texts.append("–" if np.isnan(value) else "<0.001" if value < 0.001 else f"{value:.2g}")
    return texts


def _count(rows: pd.DataFrame, most: int, result: xr.Dataset) -> str:
    share = 1 - json.loads(result.attrs["bootstrap"])["confidence"]
    found = [
        f"{SIGNS[mark][0]} {mark} in {int((rows['mark'] == mark).sum())}"
        for mark in ("better", "worse")
    ]
    neither = set(result["metric"].to_numpy()[result["orientation"].to_numpy() == "none"])
    beside = int(rows["metric"].isin(neither).sum())
    sentence = (
        f"{result.attrs['candidate']} is {' and '.join(found)} of {len(rows) - beside} scores "
        f"(q at most {share:.2g})."
    )
    if beside:
        sentence += f" Nobody wins by the other {beside}: {', '.join(sorted(neither))}."
    if len(rows) > most:
        sentence += f" {len(rows) - most} more are not shown: output=FOLDER writes all."
    return sentence


def write_comparison(result: xr.Dataset, directory: Path) -> tuple[Path, Path]:
    """Write ``compare.csv`` and ``compare.json``.

    Parameters
    ----------
    result
        From :func:`compare`.
    directory
        Folder, made if it does not exist.

    Returns
    -------
    tuple
        Both paths.
    """
    directory.mkdir(parents=True, exist_ok=True)
    rows = comparison_rows(result)
    table, record = directory / "compare.csv", directory / "compare.json"
    rows.to_csv(table, index=False, lineterminator="\n")
    finite = rows.replace([np.inf, -np.inf], np.nan)  # JSON knows neither
    whole = dict(result.attrs)
    for key in ("conventions", "bootstrap", "simulated"):
        whole[key] = json.loads(whole[key])
    whole["scores"] = rows.astype(object).where(finite.notna(), None).to_dict("records")
    record.write_text(json.dumps(whole, indent=2, allow_nan=False) + "\n")
    return table, record
