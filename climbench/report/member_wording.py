"""The internal-variability experiment in words: table, verdict, and a CSV row per number."""

import numpy as np
import pandas as pd
import xarray as xr
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from climbench.plot.member_names import FEWEST_DRAWS, emulators, metric_name, score_units
from climbench.plot.theme import short
from climbench.plot.wording import number, pretty_units, with_units

MOST_SIZES = 7
MOST_TABLES = 2
"""Metrics, from the first on, that are printed and put into words."""
OUTCOMES = {
    "better": "{name} is better than {reference}",
    "worse": "{name} is worse than {reference}",
    "advantage": "the advantage of {name} over {reference} is not distinguishable from noise",
    "lag": "the lag of {name} behind {reference} is not distinguishable from noise",
    "too few": "there are too few draws for a verdict on {name}",
}
"""What the draws of one number of members can say, in words."""


def member_table(results: xr.Dataset) -> RenderableType:
    """Return mean and spread over draws of the first scores for the terminal."""
    parts: list[RenderableType] = []
    for channel in results["channel"].values.astype(str):
        for metric in results["metric"].values.astype(str)[:MOST_TABLES]:
            units = score_units(results, channel, metric)
            parts.append(_table(results.sel(channel=channel, metric=metric, truth="all"), units))
    if results.attrs["simulated"] == "true":
        parts.insert(0, Text("SIMULATED DATA", style="bold yellow"))
    return Group(*parts)


def _table(here: xr.Dataset, units: str) -> Table:
    """Return a column for each of at most seven numbers of members; very small scores in tens."""
    here = here.isel(size=np.unique(np.linspace(0, here.sizes["size"] - 1, MOST_SIZES).round(0)
                                    .astype(int)))  # fmt: skip
    score, floor = here["draw_score"], here["noise_floor"]
    power = int(np.floor(np.log10(float(score.max()))))
    power = power if power < -2 else 0
    tens = pretty_units(f"m^{power}").replace("m", "10") + " " if power else ""
    what = metric_name(str(here["metric"].item()))
    title = f"{with_units(what, tens + units)} of {here['channel'].item()}, by members"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("model", no_wrap=True)
    for size in here["size"].values:
        table.add_column(f"{size}", justify="right", no_wrap=True)
    score, floor = score / 10.0**power, floor / 10.0**power
    for name in emulators(here):
        own = score.sel(emulator=name)
        table.add_row(short(name, 22), *(f"{value:.3f}" for value in own.mean("draw").values))
        table.add_row("  ± over draws", *_spread(own), style="dim")
    table.add_row("noise floor", *(f"{value:.3f}" for value in floor.values))
    return table


def _spread(scores: xr.DataArray) -> list[str]:
    """Return the standard deviation over draws ``[size]``, blank where there are fewer than two."""
    spread = scores.std("draw", ddof=1).where(scores.notnull().sum("draw") > 1)
    return [f"{value:.3f}" if np.isfinite(value) else "" for value in spread.values]


def verdicts(results: xr.Dataset) -> list[str]:
    """Return a sentence for each score and candidate: at which numbers of members it is better."""
    found = []
    for channel in results["channel"].values.astype(str):
        for metric in results["metric"].values.astype(str)[:MOST_TABLES]:
            here = results.sel(channel=channel, metric=metric, truth="all")
            what = f"{metric_name(metric)} of {channel}"
            found += [_verdict(here.sel(emulator=name), what) for name in emulators(results)[1:]]
    return [sentence for sentence in found if sentence]


def _verdict(one: xr.Dataset, what: str) -> str:
    """Return what all numbers of members say about one candidate; empty without paired draws."""
    sizes: dict[str, list[int]] = {}
    for size in one["size"].values.tolist():
        sizes.setdefault(_outcome(one.sel(size=size)), []).append(size)
    names = {"name": one["emulator"].item(), "reference": one.attrs["reference"]}
    said = [
        f"at n = {_listed(sizes[outcome])} {words.format(**names)}"
        for outcome, words in OUTCOMES.items()
        if outcome in sizes
    ]
    both = {"better", "worse"} <= set(sizes)
    end = ". The ranking depends on the number of members." if both else "."
    return f"{what}: {'; '.join(said)}{end}" if said else ""


def _outcome(at: xr.Dataset) -> str:
    """Return what the paired draws of one number of members say, a key of ``OUTCOMES``."""
    draws, mean = int(at["draws"]), float(at["mean"])
    if draws == 0:
        return "not paired"
    if draws < FEWEST_DRAWS:
        return "too few"
    if float(at["upper"]) < 0 or float(at["lower"]) > 0:
        return "better" if mean < 0 else "worse"
    return "advantage" if mean < 0 else "lag"


def details(results: xr.Dataset) -> list[str]:
    """Return the numbers behind the verdict: of the reference, and of each number of members."""
    found = []
    for channel in results["channel"].values.astype(str):
        for metric in results["metric"].values.astype(str)[:MOST_TABLES]:
            here = results.sel(channel=channel, metric=metric, truth="all")
            units = score_units(results, channel, metric)
            what = f"{metric_name(metric)} of {channel}"
            found.append(_of_reference(here, what, units))
            for name in emulators(results)[1:]:
                one = here.sel(emulator=name)
                found += [_of_size(one.sel(size=n), what, units) for n in one["size"].values]
    return [sentence for sentence in found if sentence]


def _of_reference(here: xr.Dataset, what: str, units: str) -> str:
    """Return how the reference changes with the number of members, beside the noise floor."""
    reference, sizes = str(here.attrs["reference"]), here["size"].values
    score = here["draw_score"].sel(emulator=reference).mean("draw")
    first, last = (number(float(score.sel(size=size)), units) for size in sizes[[0, -1]])
    floor = number(float(here["noise_floor"].isel(size=0)), units)
    return (
        f"{what}: {reference} has {first} at n = {sizes[0]} and {last} at n = {sizes[-1]}; a "
        f"perfect emulator would have {floor} against the mean of {here.attrs['truth_members']} "
        "members."
    )


def _of_size(one: xr.Dataset, what: str, units: str) -> str:
    """Return the sentence about one number of members; empty where draws are not paired."""
    name, reference = str(one["emulator"].item()), str(one.attrs["reference"])
    outcome, draws = _outcome(one), int(one["draws"])
    mean, lower, upper = (float(one[part]) for part in ("mean", "lower", "upper"))
    start, size = f"At n = {int(one['size'])}", number(mean, units)
    if outcome == "not paired":
        return ""
    if outcome == "too few":
        seen = "1 draw is" if draws == 1 else f"{draws} draws are"
        return f"{start} {seen} too few for a verdict in {what}: mean difference {size}."
    level = f"{100 * one.attrs['confidence']:g} %"
    return (
        f"{start} {OUTCOMES[outcome].format(name=name, reference=reference)} in {what}: difference "
        f"{size} ({level}: {number(lower)} to {number(upper, units)}), better in "
        f"{int(one['better'])} of {draws} draws."
    )


def _listed(values: list[int]) -> str:
    return ", ".join(map(str, values))


def fit_rows(results: xr.Dataset) -> pd.DataFrame:
    """Return a row for each fit, truth, channel and metric: the table of all scores."""
    frame = results["score"].to_dataframe().reset_index().dropna(subset="score")
    names = ["model", "members", "member_seed", "model_seed", "truth", "channel", "metric"]
    return frame[[*names, "score"]].sort_values(names).reset_index(drop=True)


def difference_rows(results: xr.Dataset) -> pd.DataFrame:
    """Return a row for each paired difference with its bounds and what it says."""
    parts = ["mean", "lower", "upper", "p", "better", "draws"]
    frame = results[parts].to_dataframe().reset_index()
    frame = frame[frame["draws"] > 0].astype({"better": int, "draws": int})
    clear = (frame["lower"] > 0) | (frame["upper"] < 0)
    frame["distinguishable"] = clear & (frame["draws"] >= FEWEST_DRAWS)
    names = ["emulator", "channel", "metric", "truth", "size"]
    frame = frame[[*names, *parts, "distinguishable"]].sort_values(names)
    return frame.rename(columns={"size": "members"}).reset_index(drop=True)
