r"""The statistics of most scores, all in one pass: errors, and moments of forecast and truth.

:math:`f` is the forecast (of an ensemble its mean), :math:`o` the truth, :math:`c` the climate at
the time of the truth. All sums are made in float64 field by field, in an order that depends on
the field alone: any division of the data into blocks gives the same bits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from climbench.metrics.averaging import Regions
from climbench.metrics.fields import Array, Batch
from climbench.metrics.statistic import CellStatistic, Statistic


@dataclass(frozen=True)
class Moment(CellStatistic):
    """A statistic of the fused kernel; ``slot`` is its place in the kernel's sums.

    ``weighted=False`` counts each cell of a region the same, whatever the weights.
    """

    slot: ClassVar[int]
    weighted: bool = True

    def means(self, batch: Batch, regions: Regions) -> Array:
        """Return the mean over the valid cells ``[field, region]``."""
        return super().means(batch, regions if self.weighted else regions.plain)


@dataclass(frozen=True)
class Error(Moment):
    """Forecast minus truth, :math:`f - o`."""

    name: ClassVar[str] = "error"
    slot: ClassVar[int] = 0

    def values(self, batch: Batch) -> Array:
        """Return ``f - o`` ``[field, cell]``."""
        return np.asarray(np.subtract(batch.forecast, batch.truth, dtype=np.float64))


@dataclass(frozen=True)
class AbsoluteError(Moment):
    """Absolute difference of forecast and truth, :math:`|f - o|`."""

    name: ClassVar[str] = "absolute_error"
    slot: ClassVar[int] = 1

    def values(self, batch: Batch) -> NDArray[Any]:
        """Return ``|f - o|`` ``[field, cell]``."""
        return np.asarray(np.abs(Error().values(batch)))


@dataclass(frozen=True)
class SquaredError(Moment):
    """Squared difference of forecast and truth, :math:`(f - o)^2`."""

    name: ClassVar[str] = "squared_error"
    slot: ClassVar[int] = 2

    def values(self, batch: Batch) -> NDArray[Any]:
        """Return ``(f - o)**2`` ``[field, cell]``."""
        return np.asarray(np.square(Error().values(batch)))


@dataclass(frozen=True)
class Anomaly(Moment):
    """A moment of departures from the climatology."""

    needs_climatology: ClassVar[bool] = True

    def departures(self, batch: Batch) -> tuple[Array, Array]:
        """Return ``f - c`` and ``o - c`` ``[field, cell]``."""
        if batch.climatology is None:
            raise ValueError("this statistic needs a climatology")
        return (
            np.subtract(batch.forecast, batch.climatology, dtype=np.float64),
            np.subtract(batch.truth, batch.climatology, dtype=np.float64),
        )


@dataclass(frozen=True)
class ForecastAnomaly(Anomaly):
    """Departure of the forecast from the climatology, :math:`f - c`."""

    name: ClassVar[str] = "forecast_anomaly"
    slot: ClassVar[int] = 3

    def values(self, batch: Batch) -> NDArray[Any]:
        """Return ``f - c`` ``[field, cell]``."""
        return self.departures(batch)[0]


@dataclass(frozen=True)
class TruthAnomaly(Anomaly):
    """Departure of the truth from the climatology, :math:`o - c`."""

    name: ClassVar[str] = "truth_anomaly"
    slot: ClassVar[int] = 4

    def values(self, batch: Batch) -> NDArray[Any]:
        """Return ``o - c`` ``[field, cell]``."""
        return self.departures(batch)[1]


@dataclass(frozen=True)
class SquaredForecastAnomaly(Anomaly):
    """Squared departure of the forecast from the climatology, :math:`(f - c)^2`."""

    name: ClassVar[str] = "squared_forecast_anomaly"
    slot: ClassVar[int] = 5

    def values(self, batch: Batch) -> NDArray[Any]:
        """Return ``(f - c)**2`` ``[field, cell]``."""
        return np.square(self.departures(batch)[0])


@dataclass(frozen=True)
class SquaredTruthAnomaly(Anomaly):
    """Squared departure of the truth from the climatology, :math:`(o - c)^2`."""

    name: ClassVar[str] = "squared_truth_anomaly"
    slot: ClassVar[int] = 6

    def values(self, batch: Batch) -> NDArray[Any]:
        """Return ``(o - c)**2`` ``[field, cell]``."""
        return np.square(self.departures(batch)[1])


@dataclass(frozen=True)
class AnomalyProduct(Anomaly):
    """Product of both departures from the climatology, :math:`(f - c)(o - c)`."""

    name: ClassVar[str] = "anomaly_product"
    slot: ClassVar[int] = 7

    def values(self, batch: Batch) -> NDArray[Any]:
        """Return ``(f - c)(o - c)`` ``[field, cell]``."""
        forecast, truth = self.departures(batch)
        return forecast * truth


@dataclass(frozen=True)
class PlainForecastAnomaly(ForecastAnomaly):
    """Mean of :math:`f - c` over the region's cells, each counted the same."""

    name: ClassVar[str] = "plain_forecast_anomaly"
    slot: ClassVar[int] = 8


@dataclass(frozen=True)
class PlainTruthAnomaly(TruthAnomaly):
    """Mean of :math:`o - c` over the region's cells, each counted the same."""

    name: ClassVar[str] = "plain_truth_anomaly"
    slot: ClassVar[int] = 9


@dataclass(frozen=True)
class ValidCells(Moment):
    """How many cells of the region counted."""

    name: ClassVar[str] = "valid_cells"
    slot: ClassVar[int] = 10

    def values(self, batch: Batch) -> NDArray[Any]:
        """Return one for each cell ``[field, cell]``."""
        return np.ones(batch.truth.shape)


def numbers_of_cells(means: Mapping[Statistic, Array], weight: Array) -> Array:
    """Return how many cells of each sample counted, of those samples that have a weight."""
    return np.where(weight > 0, means[ValidCells()], 0.0)


@dataclass(frozen=True)
class Forecast(Moment):
    """The forecast itself, :math:`f`."""

    name: ClassVar[str] = "forecast"
    slot: ClassVar[int] = 3

    def values(self, batch: Batch) -> NDArray[Any]:
        """Return ``f`` ``[field, cell]``."""
        return np.asarray(batch.forecast, dtype=np.float64)


@dataclass(frozen=True)
class Truth(Moment):
    """The truth itself, :math:`o`."""

    name: ClassVar[str] = "truth"
    slot: ClassVar[int] = 4

    def values(self, batch: Batch) -> NDArray[Any]:
        """Return ``o`` ``[field, cell]``."""
        return np.asarray(batch.truth, dtype=np.float64)


@dataclass(frozen=True)
class ForecastVariance(Moment):
    r"""Variance of the forecast over the cells, :math:`\langle (f - \langle f\rangle)^2\rangle`."""

    name: ClassVar[str] = "forecast_variance"
    slot: ClassVar[int] = 5

    def values(self, batch: Batch) -> NDArray[Any]:
        """Return ``f**2`` ``[field, cell]``: per cell there is no mean to subtract."""
        return np.asarray(np.square(Forecast().values(batch)))


@dataclass(frozen=True)
class TruthVariance(Moment):
    r"""Variance of the truth over the cells, :math:`\langle (o - \langle o\rangle)^2\rangle`."""

    name: ClassVar[str] = "truth_variance"
    slot: ClassVar[int] = 6

    def values(self, batch: Batch) -> NDArray[Any]:
        """Return ``o**2`` ``[field, cell]``: per cell there is no mean to subtract."""
        return np.asarray(np.square(Truth().values(batch)))


@dataclass(frozen=True)
class Covariance(Moment):
    r"""Covariance, :math:`\langle (f-\langle f\rangle)(o-\langle o\rangle)\rangle`, over cells."""

    name: ClassVar[str] = "covariance"
    slot: ClassVar[int] = 7

    def values(self, batch: Batch) -> NDArray[Any]:
        """Return ``f o`` ``[field, cell]``: per cell there are no means to subtract."""
        return np.asarray(Forecast().values(batch) * Truth().values(batch))


RAW = (Forecast, Truth, ForecastVariance, TruthVariance, Covariance)
