"""The internal-variability experiment in words: table, verdict, and a CSV row per number."""

import numpy as np
import pandas as pd
import xarray as xr
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from climbench.report.theme import short
from climbench.report.wording import number, pretty_units, with_units

NAMES = {
    "nrmse_spatial(norm=none)": "RMSE of the mean map",
    "nrmse_global(norm=none)": "RMSE of the global mean",
    "nrmse_spatial": "NRMSE of the mean map",
    "nrmse_global": "NRMSE of the global mean",
    "nrmse_total": "total NRMSE",
}
MOST_SIZES = 7
MOST_TABLES = 2
"""Metrics, from the first on, that are printed and put into words."""


def metric_name(label: str) -> str:
    """Return what a score is called on the page."""
    return NAMES.get(label, label)


def score_units(results: xr.Dataset, channel: str, metric: str) -> str:
    """Return the unit of a score; empty where it has none."""
    power = int(results["unit_power"].sel(metric=metric))
    units = pretty_units(str(results["units"].sel(channel=channel).values))
    return units if power == 1 and units != "1" else ""


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
        table.add_row("  ± over draws", *(f"{value:.3f}" for value in _spread(own)), style="dim")
    table.add_row("noise floor", *(f"{value:.3f}" for value in floor.values))
    return table


def _spread(scores: xr.DataArray) -> list[float]:
    """Return the standard deviation over draws ``[size]``, NaN where there are fewer than two."""
    spread = scores.std("draw", ddof=1).where(scores.notnull().sum("draw") > 1)
    return [float(value) for value in spread.values]


def emulators(results: xr.Dataset) -> list[str]:
    """Return the models, the reference first."""
    reference = str(results.attrs["reference"])
    names = [str(name) for name in results["emulator"].values]
    return [reference, *(name for name in names if name != reference)]


def sentences(results: xr.Dataset) -> list[str]:
    """Return the verdict: for each number of members, whether a difference outlasts the noise."""
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
                found.append(_of_ranking(one, what))
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
    mean, lower, upper = (float(one[part]) for part in ("mean", "lower", "upper"))
    draws, better = int(one["draws"]), int(one["better"])
    if draws == 0:
        return ""
    start = f"At n = {int(one['size'])}"
    lead = "advantage" if mean < 0 else "lag"
    size = number(abs(mean), units)
    if draws == 1:
        return f"{start} one draw shows a {lead} of {name} of {size}: whether it is noise, is open."
    ends = f"{number(lower)} to {number(upper, units)}"
    level = f"{100 * one.attrs['confidence']:g} %"
    counted = f"better in {better} of {draws} draws"
    if lower <= 0 <= upper:
        return (
            f"{start} the {lead} of {name} is not distinguishable from noise in {what}: "
            f"difference to {reference} {number(mean, units)} ({level}: {ends}), {counted}."
        )
    side = "better" if mean < 0 else "worse"
    return (
        f"{start} {name} is {side} than {reference} in {what}: difference {number(mean, units)} "
        f"({level}: {ends}), {counted}."
    )


def _of_ranking(one: xr.Dataset, what: str) -> str:
    """Return whether few and many members give the same ranking, beyond the noise."""
    name, reference = str(one["emulator"].item()), str(one.attrs["reference"])
    known = one.where(one["draws"] > 1, drop=True)
    wins = [int(n) for n in known["size"].values if float(known["upper"].sel(size=n)) < 0]
    loses = [int(n) for n in known["size"].values if float(known["lower"].sel(size=n)) > 0]
    if not wins or not loses:
        return ""
    return (
        f"The ranking depends on the number of members: in {what} {name} is better than "
        f"{reference} at n = {_listed(wins)} and worse at n = {_listed(loses)}."
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
    frame["distinguishable"] = clear.where(frame["draws"] > 1, other=False)
    names = ["emulator", "channel", "metric", "truth", "size"]
    frame = frame[[*names, *parts, "distinguishable"]].sort_values(names)
    return frame.rename(columns={"size": "members"}).reset_index(drop=True)
