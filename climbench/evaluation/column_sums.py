"""Sums over time that the scores of columns are made of, so that memory does not grow with it."""

import numpy as np
from numpy.typing import NDArray

from climbench.metrics.averaging import ratio
from climbench.metrics.column_physics import EPSILON

Array = NDArray[np.float64]


class ColumnSums:
    """Sums over time of one output, for each column and level.

    They give what :mod:`climbench.metrics.column_physics` defines, block by block. Truths are taken
    relative to their first value, so that a small variance about a large mean keeps its digits.

    Parameters
    ----------
    least
        Deviation over time up to which a truth counts as constant.
    """

    def __init__(self, least: float = 0.0) -> None:
        self.least = least
        self.count = np.zeros(())
        self.missing, self.lacking = 0, 0  # without a pair; of these the truth is there
        self.by_time: list[float] = []  # mean absolute error of each time
        self.origin: Array | None = None
        self._sums: dict[str, Array] = {}

    def add(self, prediction: Array, truth: Array, samples: Array | None = None) -> None:
        """Add a block of times.

        Parameters
        ----------
        prediction, truth
            ``[time, column, level]``, NaN where missing.
        samples
            Of an ensemble, ``[sample, time, column, level]``.
        """
        if self.origin is None:
            self.origin = np.nan_to_num(truth[0])
        error, departure = prediction - truth, truth - self.origin
        known = np.isfinite(error)
        whole = bool(known.all())
        if not whole:
            error, departure = np.where(known, error, 0.0), np.where(known, departure, 0.0)
            self.missing += int(known.size - np.count_nonzero(known))
            self.lacking += int(np.count_nonzero(np.isfinite(truth) & ~np.isfinite(prediction)))
        self.count = self.count + (np.full(known.shape[1:], len(known)) if whole else known.sum(0))
        absolute = np.abs(error)
        self.by_time += ratio(absolute.sum(axis=(1, 2)), known.sum(axis=(1, 2))).tolist()
        sums = {
            "error": error.sum(axis=0),
            "absolute": absolute.sum(axis=0),
            "squared": np.einsum("tcl,tcl->cl", error, error),
            "truth": departure.sum(axis=0),
            "truth_squared": np.einsum("tcl,tcl->cl", departure, departure),
        }
        if samples is not None:
            sums["crps"] = np.where(known, fair_crps_of(samples, truth), 0.0).sum(axis=0)
        for name, values in sums.items():
            self._sums[name] = self._sums[name] + values if name in self._sums else values

    def scores(self) -> dict[str, Array]:
        """Return each score ``[level]``: the mean over columns of that over time.

        ``r2_pooled [1]`` is the share of the variance over time, of all columns and levels
        together, that is explained: one rainless column does not decide it.
        """
        mean = {name: ratio(values, self.count) for name, values in self._sums.items()}
        variance = self._variance(mean)
        found = {
            "mae": _over_columns(mean["absolute"]),
            "rmse": _over_columns(np.sqrt(mean["squared"])),
            "r2": _over_columns(1.0 - ratio(mean["squared"], variance)),
            "bias": _over_columns(mean["error"]),
        }
        pooled = [np.where(self.count > 0, each, 0.0).sum() for each in (mean["squared"], variance)]
        found["r2_pooled"] = np.array([1.0 - ratio(*pooled)])
        return found | ({"crps": _over_columns(mean["crps"])} if "crps" in mean else {})

    def constant(self) -> NDArray[np.int64]:
        """Return how many columns of each level never vary ``[level]``: they have no R2."""
        mean = {name: ratio(values, self.count) for name, values in self._sums.items()}
        return np.asarray(np.count_nonzero(self._variance(mean) == 0, axis=0))

    def _variance(self, mean: dict[str, Array]) -> Array:
        """Return the truth's variance ``[column, level]``, zero where rounding alone made it."""
        variance = np.maximum(mean["truth_squared"] - np.square(mean["truth"]), 0.0)
        size = np.square(mean["truth"] + (0.0 if self.origin is None else self.origin)) + variance
        rounding = np.maximum(np.square(self.count * EPSILON) * size, self.least**2)
        return np.where(variance <= rounding, 0.0, variance)


def fair_crps_of(samples: Array, truth: Array) -> Array:
    """Return the fair CRPS of each time, column and level; see ``column_physics.fair_crps``."""
    number = len(samples)
    distance = np.abs(samples - truth).mean(axis=0)
    rank = 2.0 * np.arange(number) - (number - 1)
    pairs = np.tensordot(rank, np.sort(samples, axis=0), axes=1)
    return np.asarray(distance - pairs / (number * (number - 1)))


def _over_columns(values: Array) -> Array:
    known = np.isfinite(values)
    return ratio(np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0))
