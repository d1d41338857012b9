"""Samples at any times onto a regular axis, a block at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from climbench.recipes.schema.tables import Rule
from climbench.recipes.sources.overlapping import Part

BLOCK = 1_000_000  # samples that are held at a time
LEAST_VECTOR = 1e-6  # length of a mean direction, of unit vectors
LOOK = 100_000  # samples from which the usual step is taken


@dataclass(frozen=True)
class Axis:
    """A regular time axis: first time and step, ns, and how many times."""

    start: int
    step: int
    size: int

    def __post_init__(self) -> None:
        if self.step <= 0 or self.size < 1:
            raise ValueError("an axis needs a positive step and a time")


def resampled(
    parts: Sequence[Part],
    axis: Axis,
    rule: Rule,
    valid: float,
    *,
    angle: bool = False,
) -> NDArray[np.float32]:
    r"""Return one parameter on a regular axis, NaN where there are too few samples.

    .. math:: y_i = f\{x(t) : t_{i-1} < t \le t_i\}; \quad
              \text{nearest: } |t - t_i| \le \tfrac{1}{2} (t_i - t_{i-1})

    Parameters
    ----------
    parts
        Times (ns, ascending) and values ``[sample]`` of each file.
    axis
        The axis.
    rule
        What is taken of the samples of a step.
    valid
        Share of the samples that the parameter's usual step gives which must have a value.
    angle
        Whether these are degrees of direction, whose mean is that of unit vectors.

    Returns
    -------
    numpy.ndarray
        Values ``[time]``, summed up in float64.
    """
    mean_of_angles = angle and rule == "mean"
    state = _State(axis, rule, np.complex128 if mean_of_angles else np.float64)
    for time, values in parts:
        for start in range(0, time.shape[0], BLOCK):
            block = slice(start, start + BLOCK)
            some = values[block].astype(np.float64)
            state.add(time[block], np.exp(1j * np.deg2rad(some)) if mean_of_angles else some)
    found = state.result(valid * _expected(parts, axis.step) if valid else 0.0)
    if not mean_of_angles:
        return np.asarray(found, dtype=np.float32)
    degrees = _direction(found).astype(np.float32)
    return np.where(degrees == 360, np.float32(0), degrees)  # rounded up from just below


def _expected(parts: Sequence[Part], step: int) -> float:
    """Return how many samples the usual step of a parameter gives in a step of the axis."""
    for time, values in parts:
        moments = time[:LOOK][np.isfinite(values[:LOOK])]
        if moments.size > 1:
            return max(1.0, step / float(np.median(np.diff(moments))))
    return 1.0


def _direction(mean: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return the directions of mean vectors, degrees in [0, 360); NaN where they cancel out."""
    degrees = np.rad2deg(np.angle(mean)) % 360
    return np.where(np.abs(mean) > LEAST_VECTOR, degrees, np.nan)


class _State:
    """What was seen so far of one parameter."""

    def __init__(self, axis: Axis, rule: Rule, kind: type) -> None:
        self.axis, self.rule = axis, rule
        first = {"mean": 0.0, "sum": 0.0, "min": np.inf, "max": -np.inf}.get(rule, np.nan)
        self.values: NDArray[Any] = np.full(axis.size, first, kind)
        self.count = np.zeros(axis.size, np.int64)
        self.distance = np.full(axis.size if rule == "nearest" else 0, np.inf)

    def add(self, moments: NDArray[np.int64], values: NDArray[Any]) -> None:
        """Take in values at moments, in the axis' unit, of any order; NaNs do not count."""
        axis = self.axis
        shifted = moments - axis.start
        if self.rule == "nearest":
            at = (shifted + axis.step // 2) // axis.step
        else:
            at = -(-shifted // axis.step)
        kept = np.isfinite(values) & (at >= 0) & (at < axis.size)
        at, values, shifted = at[kept], values[kept], shifted[kept]
        if not at.size:
            return
        np.add.at(self.count, at, 1)
        if self.rule in ("mean", "sum"):
            np.add.at(self.values, at, values)
        elif self.rule == "min":
            np.minimum.at(self.values, at, values)
        elif self.rule == "max":
            np.maximum.at(self.values, at, values)
        elif self.rule == "last":
            self.values[at] = values  # of equal places the last is assigned last
        else:
            self._add_nearest(at, values, np.abs(shifted - at * axis.step).astype(np.float64))

    def _add_nearest(
        self, at: NDArray[np.int64], values: NDArray[Any], away: NDArray[np.float64]
    ) -> None:
        order = np.lexsort((away, at))
        at, values, away = at[order], values[order], away[order]
        first = np.r_[True, np.diff(at) > 0]
        at, values, away = at[first], values[first], away[first]
        nearer = away < self.distance[at]
        self.values[at[nearer]], self.distance[at[nearer]] = values[nearer], away[nearer]

    def result(self, least: float) -> NDArray[Any]:
        needed = 1.0 if self.rule in ("last", "nearest") else max(1.0, least)
        values = self.values / np.maximum(self.count, 1) if self.rule == "mean" else self.values
        enough = self.count >= needed * (1 - 1e-9)
        return np.where(enough, values, np.nan)
