"""The anomalies of all targets of a record: found, ranked, explained, and scored where marked."""

from typing import Any, NamedTuple, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.metrics.anomaly_events import (
    EventScores,
    Found,
    find_events,
    matches,
    robust_score,
    score_events,
    score_points,
    spans,
)
from climbench.models.attribution import Attribution, Attributor
from climbench.tasks import TelemetryForecasting


class Thresholds(Protocol):
    """What :class:`climbench.experiments.telemetry.EventOptions` says."""

    high: float
    low: float
    top: int
    beta: float


class Events(NamedTuple):
    """What was found.

    Attributes
    ----------
    rows
        The reported events: target, rank, start, stop, peak score, the covariates that rank
        first, and in a marked record whether it is true and what its cause was.
    summary
        Scores over all targets; NaN where nothing is marked.
    scores
        Robust scores ``[time, target]``.
    attributions
        By target: of the steps of its reported events.
    """

    rows: list[dict[str, Any]]
    summary: dict[str, float]
    scores: NDArray[np.float64]
    attributions: dict[str, Attribution]


def find_all(
    task: TelemetryForecasting,
    usual: xr.Dataset,
    test: xr.Dataset,
    options: Thresholds,
    apart: int,
    tolerance: int,
) -> Events:
    """Find, rank and explain the anomalies of the test period.

    Parameters
    ----------
    task
        The record.
    usual, test
        ``truth`` and ``forecast [time, target]`` of the usual residuals and of the test period.
    options
        Thresholds.
    apart
        Steps between two runs from which on they are two events.
    tolerance
        Steps behind a true event in which a found one may begin: those of the lead time.
    """
    rows: list[dict[str, Any]] = []
    scores, graded, points, causes = [], [], [], []
    attributions: dict[str, Attribution] = {}
    names = [name for name in task.inputs if name not in task.targets]
    known = task.records[names].sel(time=test["time"]) if names else None
    covariates = np.stack([known[name].values for name in names], 1) if known is not None else None
    for target in task.targets:
        parts = [(each["truth"] - each["forecast"]).sel(target=target) for each in (test, usual)]
        score = robust_score(*(part.values.astype(np.float64) for part in parts))
        scores.append(score)
        events = find_events(score, options.high, options.low, apart)
        mark = task.marks().get(target)
        marks = None if mark is None else mark.sel(time=test["time"])
        if marks is not None:
            true = spans(marks.values > 0)
            graded.append(
                (len(true), score_events(events, true, tolerance, options.beta, options.top))
            )
            points.append((_marked(events, score.size), marks.values > 0))
        ranks = {}
        if covariates is not None and events:
            steps = np.concatenate([_steps(one) for one in events[: options.top]])
            attributor = Attributor(score, covariates.astype(np.float32), names)
            attributions[target] = attributor.at(steps)
            ranks = {one: attributor.at(_steps(one)).ranked()[:3] for one in events[: options.top]}
        for rank, one in enumerate(events[: options.top], 1):
            row = _row(target, rank, one, test["time"].values, ranks.get(one, []))
            if marks is not None:
                row |= _truth(one, marks, tolerance)
                if row["cause"] is not None:
                    causes.append(row["cause"] in row["covariates"])
            rows.append(row)
    summary = _summary(graded, points, causes, options) | _coverage(test)
    return Events(rows, summary, np.stack(scores, 1), attributions)


def _steps(event: Found) -> NDArray[np.int64]:
    return np.arange(event.start, event.stop)


def _row(
    target: str, rank: int, event: Found, times: NDArray[np.datetime64], covariates: list[str]
) -> dict[str, Any]:
    begin, end = (str(times[at])[:16] for at in (event.start, event.stop - 1))
    return {
        "target": target,
        "rank": rank,
        "start": begin,
        "end": end,
        "score": event.peak,
        "first_step": event.start,
        "steps": event.stop - event.start,
        "covariates": covariates,
    }


def _truth(event: Found, marks: xr.DataArray, tolerance: int) -> dict[str, Any]:
    """Return whether an event is marked, and the cause where the mark names it."""
    values = marks.values
    hit = [one for one in spans(values > 0) if matches([event], one, tolerance)]
    if not hit:
        return {"marked": False, "cause": None}
    meanings = str(marks.attrs.get("flag_meanings", "")).split()
    mark = int(values[hit[0][0]])
    return {"marked": True, "cause": meanings[mark] if mark < len(meanings) else None}


def _marked(events: list[Found], size: int) -> NDArray[np.bool_]:
    marked = np.zeros(size, dtype=np.bool_)
    for one in events:
        marked[one.start : one.stop] = True
    return marked


def _summary(
    graded: list[tuple[int, EventScores]],
    points: list[tuple[NDArray[np.bool_], NDArray[np.bool_]]],
    causes: list[bool],
    options: Thresholds,
) -> dict[str, float]:
    """Return the scores over all targets, recalls weighted by their numbers of true events."""
    if not graded:
        return {}
    weights = np.array([count for count, _ in graded], dtype=np.float64)
    table = np.array([scores for _, scores in graded], dtype=np.float64)
    known = np.isfinite(table) & (weights[:, None] > 0)
    total = (known * weights[:, None]).sum(0)
    means = (np.where(known, table, 0) * weights[:, None]).sum(0) / np.where(total, total, np.nan)
    marked, true = (np.concatenate(each) for each in zip(*points, strict=True))
    of_points = score_points(marked, true, options.beta)
    names = ("precision", "recall", "f_beta", f"recall_at_{options.top}", "delay_steps")
    found = {f"event_{name}": float(mean) for name, mean in zip(names, means, strict=True)}
    found |= {f"point_{name}": value for name, value in zip(names[:3], of_points, strict=True)}
    found["true_events"] = float(weights.sum())
    found["cause_in_top_3"] = float(np.mean(causes)) if causes else float("nan")
    return found


def _coverage(test: xr.Dataset) -> dict[str, float]:
    """Return how much of the truth lies between the outermost members."""
    if "lower" not in test:
        return {}
    there = test["truth"].notnull()
    inside = (test["truth"] >= test["lower"]) & (test["truth"] <= test["upper"])
    return {"interval_coverage": float(inside.where(there).mean())}
