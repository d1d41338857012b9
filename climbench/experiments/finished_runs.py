"""Finished runs, and what they left, read back."""

import html
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import xarray as xr
from pydantic import BaseModel

from climbench.errors import UserError
from climbench.evaluation import combine, read_scores
from climbench.experiments.marks import marks_against_baselines
from climbench.experiments.stage import MARKER
from climbench.report import Benchmark

SCORES, EXAMPLES, RECORD, GATE = "scores.nc", "examples.nc", "run.json", "gate.json"
"""Files that the last stage of an experiment leaves."""

_COMPANIONS = ("events", "report")
"""Stages whose own page is shown beside the leaderboard, or alone where there is none."""


class _Verdict(BaseModel):
    passed: bool
    sentence: str


class _Gate(BaseModel):
    passed: bool
    verdicts: list[_Verdict]


class _History(BaseModel):
    rows: list[dict[str, Any]]
    along: str


class _Card(BaseModel):
    summary: str = ""
    sections: dict[str, Any] = {}
    history: _History | None = None


class _Record(BaseModel):
    title: str = ""
    rules: dict[str, Any] | None = None
    provenance: dict[str, Any] = {}
    cards: dict[str, _Card] = {}


def benchmark_of(folder: Path) -> Benchmark:
    """Return what the report stage of an experiment left in a folder, with tests."""
    return tested(read_report(folder))


def tested(benchmark: Benchmark) -> Benchmark:
    """Return a benchmark with tests of its differences."""
    return replace(benchmark, comparison=marks_against_baselines(benchmark.scores))


def read_report(folder: Path) -> Benchmark:
    """Return what the report stage of an experiment left in a folder."""
    scores = read_scores(folder / SCORES)
    record = _read_json(folder / RECORD, _Record)
    verdict = _read_json(folder / GATE, _Gate)
    if verdict and record.get("rules"):
        verdict["rules"] = record["rules"].get("rules", record["rules"])
    return Benchmark(
        title=str(record.get("title", folder.parent.name)),
        scores=scores,
        gate=verdict or None,
        provenance=record.get("provenance", {}),
        cards=record.get("cards", {}),
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
    return tested(Benchmark(title, scores))


def site_folder(output: Any) -> Path:
    """Return the folder of a site.

    Raises
    ------
    UserError
        If none is named, or it lies within a run, whose files are its own.
    """
    if not output:
        raise UserError("option 'output' is empty: name a folder for the site.")
    folder = Path(output).absolute()
    for place in (folder, *folder.parents):
        if (place / MARKER).is_file() or newest(place, "report") is not None:
            raise UserError(f"option 'output': {place} is a run: name a folder outside of it.")
    return Path(output)


def runs_in(folder: Path) -> list[Path]:
    """Return the run that a folder is, or the runs that it holds.

    Raises
    ------
    UserError
        If there is no such folder, or no finished run in it.
    """
    if not folder.is_dir():
        raise UserError(f"option 'runs': {folder} is no folder: name one, such as runs/quickstart.")
    if (folder / SCORES).is_file() or newest(folder, "report") is not None:
        return [folder]
    inner = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    runs = [path for path in inner if newest(path, "report") is not None]
    if not runs:
        raise UserError(
            f"option 'runs': {folder} holds no finished run: name a folder that `climbench run` "
            "made."
        )
    return runs


def newest(run: Path, stage: str) -> Path | None:
    """Return the folder of the stage that was finished last, if there is one."""
    finished = [path.parent for path in run.glob(f"{stage}-*/{MARKER}")]
    return max(finished, key=lambda path: (path / MARKER).stat().st_mtime, default=None)


def companions_of(run: Path) -> dict[str, Path]:
    """Return folders of further pages of a run by the pages' titles."""
    folders = [folder for stage in _COMPANIONS if (folder := newest(run, stage)) is not None]
    pages = {}
    for folder in folders:
        page = folder / "index.html"
        if page.is_file():
            title = re.search(r"<title>(.*?)</title>", page.read_text("utf-8"), re.DOTALL)
            pages[html.unescape(title[1].strip()) if title else folder.name] = folder
    return pages


def _read_json(path: Path, shape: type[BaseModel]) -> dict[str, Any]:
    """Return what a file says, nothing where there is none.

    Raises
    ------
    UserError
        If it does not have the shape that experiments give it.
    """
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text("utf-8"))
        shape.model_validate(found)
        return dict(found)
    except (ValueError, TypeError) as error:
        raise _damaged(path) from error


def _read_examples(path: Path) -> xr.Dataset | None:
    try:
        return xr.load_dataset(path, engine="netcdf4") if path.is_file() else None
    except (OSError, ValueError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> UserError:
    return UserError(f"{path} is damaged: remove its folder and run the experiment again.")
