"""Anomalies of a series: robust scores, events by hysteresis, and how well they were found."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NORMAL = 1.4826
"""Standard deviations of a normal distribution in one median absolute deviation."""

Series = NDArray[np.float64]
Span = tuple[int, int]
"""First step of an event, and the first one behind it."""


class Found(NamedTuple):
    """An event that was found.

    Attributes
    ----------
    start, stop
        First step, and the first one behind it.
    peak
        Highest score in it.
    at
        The step of the peak.
    """

    start: int
    stop: int
    peak: float
    at: int


class EventScores(NamedTuple):
    """How well events were found; NaN where there is none to count.

    Attributes
    ----------
    precision, recall, f_beta
        Of events: shares of the found that are true, and of the true that are found.
    recall_at
        Share of the true events among the few that rank first.
    delay
        Mean steps from the beginning of a true event to that of the first one that found it.
    """

    precision: float
    recall: float
    f_beta: float
    recall_at: float
    delay: float


def robust_score(residual: Series, reference: Series) -> Series:
    r"""Return how far residuals lie from the usual ones.

    .. math:: z = |r - m| / (1.4826\, \mathrm{median} |r' - m|), \qquad m = \mathrm{median}\, r'

    Parameters
    ----------
    residual
        :math:`r` ``[time]``; NaN stays.
    reference
        :math:`r'`, those of the training period ``[time]``, whose NaN do not count.

    Examples
    --------
    >>> robust_score(np.array([0.0, 14.826]), np.array([-1.0, 0.0, 1.0])).round(6).tolist()
    [0.0, 10.0]
    """
    middle = np.nanmedian(reference)
    spread = NORMAL * np.nanmedian(np.abs(reference - middle))
    return np.asarray(np.abs(residual - middle) / max(spread, np.finfo(np.float64).tiny))


def find_events(score: Series, high: float, low: float, apart: int) -> list[Found]:
    """Return events, the highest first: runs above ``low`` that reach ``high``.

    Parameters
    ----------
    score
        ``[time]``; NaN is no event.
    high, low
        Where an event is one, and where it begins and ends.
    apart
        Runs with fewer steps between them are one.

    Examples
    --------
    >>> [event[:3] for event in find_events(np.array([0, 3, 6, 3, 0, 0, 3, 0.0]), 5, 2, 1)]
    [(1, 4, 6.0)]
    """
    runs: list[list[int]] = []
    for start, stop in spans(np.nan_to_num(score) > low):
        if runs and start - runs[-1][1] < apart:
            runs[-1][1] = stop
        else:
            runs.append([start, stop])
    found = []
    for start, stop in runs:
        at = start + int(np.nanargmax(np.nan_to_num(score[start:stop])))
        if score[at] > high:
            found.append(Found(start, stop, float(score[at]), at))
    return sorted(found, key=lambda event: -event.peak)


def spans(marked: NDArray[np.bool_]) -> list[Span]:
    """Return the runs of steps that are marked.

    Examples
    --------
    >>> spans(np.array([True, False, True, True]))
    [(0, 1), (2, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], marked.astype(np.int8), [0]])))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def matches(found: Sequence[Found], true: Span, tolerance: int) -> list[Found]:
    """Return the found events that overlap a true one, or begin soon behind it."""
    return [one for one in found if one.start < true[1] + tolerance and one.stop > true[0]]


def score_events(
    found: Sequence[Found], true: Sequence[Span], tolerance: int, beta: float = 0.5, top: int = 3
) -> EventScores:
    r"""Return how well events were found, each counting once.

    .. math:: F_\beta = (1 + \beta^2) \frac{P R}{\beta^2 P + R}

    Parameters
    ----------
    found
        By rank.
    true
        The events there are.
    tolerance
        Steps behind a true event in which one may still begin: its end shows in residuals too.
    beta
        Weight of recall against precision.
    top
        How many of the found count for ``recall_at``.
    """
    hits = [matches(found, one, tolerance) for one in true]
    right = {one for hit in hits for one in hit}
    precision = len(right) / len(found) if found else float("nan")
    recall = _share([bool(hit) for hit in hits])
    first = [bool(matches(found[:top], one, tolerance)) for one in true]
    delays = [
        max(0, min(one.start for one in hit) - start)
        for hit, (start, _) in zip(hits, true, strict=True)
        if hit
    ]
    return EventScores(
        precision,
        recall,
        f_beta(precision, recall, beta),
        _share(first),
        float(np.mean(delays)) if delays else float("nan"),
    )


def score_points(
    marked: NDArray[np.bool_], true: NDArray[np.bool_], beta: float = 0.5
) -> tuple[float, float, float]:
    """Return precision, recall and F-beta of single steps ``[time]``."""
    both = float((marked & true).sum())
    precision = both / marked.sum() if marked.any() else float("nan")
    recall = both / true.sum() if true.any() else float("nan")
    return precision, recall, f_beta(precision, recall, beta)


def f_beta(precision: float, recall: float, beta: float) -> float:
    """Return the weighted harmonic mean of precision and recall; NaN where one is.

    Examples
    --------
    >>> round(f_beta(0.5, 1.0, 1.0), 4), f_beta(0.0, 0.0, 1.0)
    (0.6667, 0.0)
    """
    below = beta**2 * precision + recall
    return 0.0 if below == 0 else (1 + beta**2) * precision * recall / below


def _share(values: Sequence[bool]) -> float:
    return float(np.mean(values)) if values else float("nan")
