"""Runs of one truth, put together into the benchmarks of a site."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from climbench.errors import UserError
from climbench.evaluation import combine
from climbench.evaluation.combining import OF_MODELS
from climbench.experiments.finished_runs import (
    SCORES,
    companions_of,
    newest,
    read_report,
    runs_in,
    tested,
)
from climbench.plot.ranking import is_baseline, plain_name
from climbench.report import Benchmark
from climbench.report.comparable import DATA


def benchmarks_of(runs: Sequence[Path]) -> tuple[list[Benchmark], dict[str, Path]]:
    """Return a benchmark for each truth: runs that were scored alike share a leaderboard.

    Of models that several runs have in common, such as baselines, one is kept; if two models of
    one name differ, the later one carries the name of its run.

    Parameters
    ----------
    runs
        Folders ``runs/NAME``, or of reports in them; a folder of several runs stands for all.

    Returns
    -------
    tuple
        The benchmarks, and pages of runs that have none, by their titles.

    Raises
    ------
    UserError
        If a folder is no run, or has lost its scores.
    """
    found: dict[str, Benchmark] = {}
    alone: dict[str, Path] = {}
    every = {run.resolve(): run for folder in runs for run in runs_in(folder)}
    for label, run in zip(_labels(list(every)), every.values(), strict=True):
        pages = companions_of(run)
        folder = run if (run / SCORES).is_file() else newest(run, "report") or run
        if not (folder / SCORES).is_file():
            if not pages:
                raise UserError(f"{folder / SCORES} is missing: run the experiment again.")
            alone |= pages
            continue
        new = _of_run(replace(read_report(folder), companions=pages), run)
        for name, old in found.items():
            joined = _joined(old, new, label)
            if joined is not None:
                found[name] = joined
                break
        else:
            found[label] = new
    return [tested(one) for one in _titled(found)], alone


def _labels(runs: Sequence[Path]) -> list[str]:
    """Return a name for each run: its folder's, with those above where others have it too.

    Examples
    --------
    >>> _labels([Path("/a/runs/one"), Path("/b/runs/one"), Path("/b/runs/two")])
    ['a/runs/one', 'b/runs/one', 'two']
    """
    labels = []
    for run in runs:
        depth = 1
        while sum(other.parts[-depth:] == run.parts[-depth:] for other in runs) > 1:
            depth += 1
        labels.append("/".join(run.parts[-depth:]))
    return labels


def _of_run(benchmark: Benchmark, run: Path) -> Benchmark:
    """Return a benchmark whose page and cards say where the run is."""
    here = {"folder": str(run), "hash": benchmark.provenance.get("hash", "unknown")}
    cards = {
        name: {**card, "sections": {"Run": here, **card.get("sections", {})}}
        for name, card in benchmark.cards.items()
    }
    provenance = {**benchmark.provenance, "run": str(run)}
    return replace(benchmark, cards=cards, provenance=provenance)


def _titled(found: Mapping[str, Benchmark]) -> list[Benchmark]:
    """Return the benchmarks; of equal titles each is followed by its run's name."""
    titles = [one.title for one in found.values()]
    return [
        replace(one, title=f"{one.title} ({label})") if titles.count(one.title) > 1 else one
        for label, one in found.items()
    ]


def _joined(old: Benchmark, new: Benchmark, run: str) -> Benchmark | None:
    """Return both as one; None where their scores are of other times, or made otherwise."""
    if not _same_samples(old.scores, new.scores):
        return None
    names = {}
    for name in new.scores["model"].values.astype(str):
        if name not in old.scores["model"].values:
            names[name] = name
        elif not _same_scores(old.scores, new.scores, name):
            names[name] = f"{name} ({run})"
    if not names:
        return old
    own = new.scores.sel(model=list(names)).assign_coords(model=list(names.values()))
    for attribute in OF_MODELS:
        per_model = json.loads(new.scores.attrs.get(attribute, "{}"))
        own.attrs[attribute] = json.dumps({names[n]: per_model.get(n, "") for n in names})
    try:
        scores = combine([old.scores, own])
    except UserError:
        return None
    cards = {names[name]: card for name, card in new.cards.items() if name in names}
    return Benchmark(
        title=old.title,
        scores=scores,
        gate=_joined_gate(old.gate, new.gate, run),
        provenance={**old.provenance, f"joined by {run}": new.provenance},
        cards={**old.cards, **cards},
        examples=_joined_examples(old.examples, new.examples, names),
        companions={**old.companions, **new.companions},
        notes=[*old.notes, *_other_baselines(names, run)],
    )


def _joined_gate(
    old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, run: str
) -> Mapping[str, Any] | None:
    """Return the verdicts of both, those of the later run under its name."""
    if old is None or new is None:
        return old or new
    added = [{**each, "sentence": f"{run}: {each['sentence']}"} for each in new["verdicts"]]
    passed = old["passed"] and new["passed"]
    return {**old, "passed": passed, "verdicts": [*old["verdicts"], *added]}


def _other_baselines(names: Mapping[str, str], run: str) -> list[str]:
    """Return a sentence if baselines of a run are others than those of the runs before."""
    other = [plain_name(new) for old, new in names.items() if old != new and is_baseline(new)]
    if not other:
        return []
    return [
        f"Of {run}, {', '.join(other)} scored otherwise than in the runs before: both are shown, "
        "and the best straight line is the one to beat."
    ]


def _same_samples(one: xr.Dataset, other: xr.Dataset) -> bool:
    """Tell whether scores are of the same store, period and samples."""
    same_data = one.attrs.get(DATA) == other.attrs.get(DATA)
    if "sample" not in one.coords or "sample" not in other.coords:
        return same_data and "sample" not in {*one.coords, *other.coords}
    return same_data and bool(one["sample"].equals(other["sample"]))


def _same_scores(one: xr.Dataset, other: xr.Dataset, model: str) -> bool:
    """Tell whether a model is the same in both, to the rounding of another order of sums."""
    own, others = (scores["score"].sel(model=model) for scores in (one, other))
    own, others = xr.align(own, others, join="outer")
    return bool(np.allclose(own, others, rtol=1e-4, equal_nan=True))


def _joined_examples(
    old: xr.Dataset | None, new: xr.Dataset | None, names: Mapping[str, str]
) -> xr.Dataset | None:
    """Return the forecasts of both where they are of the same times."""
    if old is None or new is None:
        return old
    dims = ("channel", "scene", "frame", "latitude", "longitude")
    if not all(old[dim].equals(new[dim]) for dim in dims):
        return old
    own = new[["prediction"]].sel(model=list(names)).assign_coords(model=list(names.values()))
    return old.drop_dims("model").merge(xr.concat([old[["prediction"]], own], "model"))
