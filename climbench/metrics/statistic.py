"""Statistics: what is summed, cell by cell, over one block of forecast and truth."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Scratch:
    """Arrays that serve block after block; making new ones would cost more than the sums."""

    def __init__(self) -> None:
        self._arrays: dict[str, NDArray[Any]] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: Any = np.float64) -> NDArray[Any]:
        """Return an array of any content, the same memory each time a name is asked for."""
        size = math.prod(shape)
        held = self._arrays.get(name)
        if held is None or held.size < size or held.dtype != dtype:
            held = self._arrays[name] = np.empty(size, dtype)
        return held[:size].reshape(shape)


class Fields:
    """One block of matching fields; what several statistics need is computed once.

    A difference of two float32 fields is rounded once to float32, all that follows is float64.

    Parameters
    ----------
    forecast, truth
        Fields of the same physical unit ``[sample, cell]``.
    climatology
        The climate at the time of the truth ``[sample, cell]``, or None.
    scratch
        Memory to work in; blocks that share it must be used one after the other.
    """

    def __init__(
        self,
        forecast: NDArray[Any],
        truth: NDArray[Any],
        climatology: NDArray[Any] | None = None,
        scratch: Scratch | None = None,
    ) -> None:
        self.forecast, self.truth, self.climatology = forecast, truth, climatology
        self.scratch = scratch or Scratch()

    @cached_property
    def error(self) -> Array:
        """Forecast minus truth ``[sample, cell]``."""
        return self._difference("error", self.forecast, self.truth)

    @cached_property
    def forecast_anomaly(self) -> Array:
        """Forecast minus climatology ``[sample, cell]``."""
        return self._difference("forecast_anomaly", self.forecast, self._climate())

    @cached_property
    def truth_anomaly(self) -> Array:
        """Truth minus climatology ``[sample, cell]``."""
        return self._difference("truth_anomaly", self.truth, self._climate())

    @cached_property
    def valid(self) -> NDArray[np.bool_] | None:
        """Where forecast, truth and climatology all have a value; None says everywhere."""
        checked = [self.error] + ([] if self.climatology is None else [self.climatology])
        if all(np.isfinite(field.sum(dtype=np.float64)) for field in checked):
            return None
        valid: NDArray[np.bool_] = np.logical_and.reduce([np.isfinite(field) for field in checked])
        return valid

    def unexpected(self) -> int:
        """Count the values that the forecast lacks where the truth has one."""
        return int(np.count_nonzero(np.isfinite(self.truth) & ~np.isfinite(self.forecast)))

    def result(self) -> Array:
        """Return memory for the values of one statistic ``[sample, cell]``, of any content."""
        return self.scratch.array("result", self.truth.shape)

    def masked(self, values: Array) -> Array:
        """Return the values with zero where something is missing ``[sample, cell]``."""
        if self.valid is None:
            return values
        kept = self.scratch.array("masked", values.shape)
        kept.fill(0.0)
        np.copyto(kept, values, where=self.valid)
        return kept

    def _difference(self, name: str, minuend: NDArray[Any], subtrahend: NDArray[Any]) -> Array:
        kind = np.result_type(minuend, subtrahend, np.float32)
        rounded = self.scratch.array(name, self.truth.shape, kind)
        np.subtract(minuend, subtrahend, out=rounded)
        if kind == np.float64:
            return rounded
        exact = self.scratch.array(f"{name} in float64", self.truth.shape)
        np.copyto(exact, rounded)
        return exact

    def _climate(self) -> NDArray[Any]:
        if self.climatology is None:
            raise ValueError("this statistic needs a climatology")
        return self.climatology


@dataclass(frozen=True)
class Statistic(ABC):
    """A value per cell whose weighted sums over cells and samples all scores are made of.

    Frozen, so that equal statistics of different metrics (same class, same parameters) are one
    key of a dictionary and are computed once.
    """

    name: ClassVar[str]
    needs_climatology: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, fields: Fields) -> Array:
        """Return the statistic of each cell ``[sample, cell]``.

        It may lie in ``fields.result()``, which the next statistic overwrites.
        """


@dataclass(frozen=True)
class Error(Statistic):
    """Forecast minus truth."""

    name: ClassVar[str] = "error"

    def __call__(self, fields: Fields) -> Array:
        """Return ``f - o`` ``[sample, cell]``."""
        return fields.error


@dataclass(frozen=True)
class AbsoluteError(Statistic):
    """Absolute difference of forecast and truth."""

    name: ClassVar[str] = "absolute_error"

    def __call__(self, fields: Fields) -> Array:
        """Return ``|f - o|`` ``[sample, cell]``."""
        return np.abs(fields.error, out=fields.result())


@dataclass(frozen=True)
class SquaredError(Statistic):
    """Squared difference of forecast and truth."""

    name: ClassVar[str] = "squared_error"

    def __call__(self, fields: Fields) -> Array:
        """Return ``(f - o)**2`` ``[sample, cell]``."""
        return np.square(fields.error, out=fields.result())


@dataclass(frozen=True)
class Truth(Statistic):
    """The truth itself, for scores relative to its mean."""

    name: ClassVar[str] = "truth"

    def __call__(self, fields: Fields) -> Array:
        """Return ``o`` ``[sample, cell]``."""
        return np.asarray(fields.truth, dtype=np.float64)


@dataclass(frozen=True)
class AnomalyProduct(Statistic):
    """Product of forecast and truth anomaly, both against the climatology."""

    name: ClassVar[str] = "anomaly_product"
    needs_climatology: ClassVar[bool] = True

    def __call__(self, fields: Fields) -> Array:
        """Return ``(f - c)(o - c)`` ``[sample, cell]``."""
        return np.multiply(fields.forecast_anomaly, fields.truth_anomaly, out=fields.result())


@dataclass(frozen=True)
class SquaredForecastAnomaly(Statistic):
    """Squared departure of the forecast from the climatology."""

    name: ClassVar[str] = "squared_forecast_anomaly"
    needs_climatology: ClassVar[bool] = True

    def __call__(self, fields: Fields) -> Array:
        """Return ``(f - c)**2`` ``[sample, cell]``."""
        return np.square(fields.forecast_anomaly, out=fields.result())


@dataclass(frozen=True)
class SquaredTruthAnomaly(Statistic):
    """Squared departure of the truth from the climatology."""

    name: ClassVar[str] = "squared_truth_anomaly"
    needs_climatology: ClassVar[bool] = True

    def __call__(self, fields: Fields) -> Array:
        """Return ``(o - c)**2`` ``[sample, cell]``."""
        return np.square(fields.truth_anomaly, out=fields.result())
