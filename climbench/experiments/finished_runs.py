"""Finished runs read back, and put together into the benchmarks of a site."""

import html
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from climbench.errors import UserError
from climbench.evaluation import combine, read_scores
from climbench.evaluation.combining import OF_MODELS
from climbench.experiments.marks import marks_against_reference
from climbench.experiments.stage import MARKER
from climbench.report import Benchmark
from climbench.report.comparable import DATA

SCORES, EXAMPLES, RECORD, GATE = "scores.nc", "examples.nc", "run.json", "gate.json"
"""Files that the last stage of an experiment leaves."""

_COMPANIONS = ("events", "report")
"""Stages whose own page is shown beside the leaderboard, or alone where there is none."""


def benchmark_of(folder: Path) -> Benchmark:
    """Return what the report stage of an experiment left in a folder."""
    scores = read_scores(folder / SCORES)
    record = _read_json(folder / RECORD)
    verdict = _read_json(folder / GATE)
    if verdict and record.get("rules"):
        verdict["rules"] = record["rules"].get("rules", record["rules"])
    return Benchmark(
        title=str(record.get("title", folder.parent.name)),
        scores=scores,
        gate=verdict or None,
        provenance=record.get("provenance", {}),
        cards=record.get("cards", {}),
        comparison=marks_against_reference(scores),
        examples=_read_examples(folder / EXAMPLES),
    )


def benchmark_of_scores(files: list[Path], title: str) -> Benchmark:
    """Return a benchmark of nothing but files of scores.

    Raises
    ------
    UserError
        If a file is none of scores, or they cannot be compared.
    """
    scores = combine([read_scores(file) for file in files])
    return Benchmark(title, scores, comparison=marks_against_reference(scores))


def benchmarks_of(runs: list[Path]) -> tuple[list[Benchmark], dict[str, Path]]:
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
        If a folder is no run.
    """
    found: list[Benchmark] = []
    alone: dict[str, Path] = {}
    for run in (each for folder in runs for each in _runs_in(folder)):
        pages = _companions(run)
        report = _newest(run, "report")
        if not (run / SCORES).is_file() and (report is None or not (report / SCORES).is_file()):
            alone |= pages
            continue
        new = benchmark_of(report or run)
        new = replace(new, companions=pages)
        for place, old in enumerate(found):
            joined = _joined(old, new, run.name)
            if joined is not None:
                found[place] = joined
                break
        else:
            found.append(new)
    return found, alone


def _runs_in(folder: Path) -> list[Path]:
    """Return the run that a folder is, or the runs that it holds.

    Raises
    ------
    UserError
        If there is no such folder, or no finished run in it.
    """
    if not folder.is_dir():
        raise UserError(f"option 'runs': {folder} is no folder: name one, such as runs/quickstart.")
    if (folder / SCORES).is_file() or _newest(folder, "report") is not None:
        return [folder]
    inner = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    runs = [path for path in inner if _newest(path, "report") is not None]
    if not runs:
        raise UserError(
            f"option 'runs': {folder} holds no finished run: name a folder that `climbench run` "
            "made."
        )
    return runs


def _newest(run: Path, stage: str) -> Path | None:
    """Return the folder of the stage that was finished last, if there is one."""
    finished = [path.parent for path in run.glob(f"{stage}-*/{MARKER}")]
    return max(finished, key=lambda path: (path / MARKER).stat().st_mtime, default=None)


def _companions(run: Path) -> dict[str, Path]:
    """Return folders of further pages of a run by the pages' titles."""
    folders = [folder for stage in _COMPANIONS if (folder := _newest(run, stage)) is not None]
    pages = {}
    for folder in folders:
        page = folder / "index.html"
        if page.is_file():
            title = re.search(r"<title>(.*?)</title>", page.read_text("utf-8"), re.DOTALL)
            pages[html.unescape(title[1].strip()) if title else folder.name] = folder
    return pages


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
        gate=old.gate,
        provenance={**old.provenance, f"joined by {run}": new.provenance},
        cards={**old.cards, **cards},
        comparison=marks_against_reference(scores),
        examples=_joined_examples(old.examples, new.examples, names),
        companions={**old.companions, **new.companions},
    )


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


def _read_json(path: Path) -> dict[str, Any]:
    """Return what a file says, nothing where there is none.

    Raises
    ------
    UserError
        If it is no mapping, or a part of it is none.
    """
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text("utf-8"))
        mappings = [found, *(found[key] for key in ("provenance", "cards") if key in found)]
        mappings += [*found.get("cards", {}).values()]
        if not all(isinstance(each, dict) for each in mappings):
            raise TypeError("it is no mapping of names")
        return dict(found)
    except (ValueError, TypeError, AttributeError) as error:
        raise _damaged(path) from error


def _read_examples(path: Path) -> xr.Dataset | None:
    try:
        return xr.load_dataset(path, engine="netcdf4") if path.is_file() else None
    except (OSError, ValueError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> UserError:
    return UserError(f"{path} is damaged: remove its folder and run the experiment again.")
