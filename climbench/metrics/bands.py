"""Scores of pictures with several bands: all levels of one variable, judged together."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from climbench.metrics.averaging import Regions
from climbench.metrics.fields import ABSENT, Array, Batch, Fields, Layout
from climbench.metrics.images import ergas, spectral_angle
from climbench.metrics.metric import Metric, Orientation, register
from climbench.metrics.statistic import Statistic


def in_pictures(block: Fields, statistics: Sequence[Statistic]) -> dict[Statistic, Array]:
    """Compute statistics of all channels of a block at once; each channel gets the same value."""
    results = {s: np.full((*block.shape, block.regions.number, 2), np.nan) for s in statistics}
    forecast_there = (block.forecast.rows != ABSENT).reshape(*block.shape, -1).all(axis=-1)
    there = forecast_there & (block.truth.rows != ABSENT)
    for sample, condition in np.argwhere(there.all(axis=-1)):
        bands = np.arange(block.shape[2])
        places = (np.full_like(bands, sample), np.full_like(bands, condition), bands)
        forecast = block.forecast.gather(places)
        forecast = forecast.mean(axis=1, dtype=np.float64) if block.members else forecast
        climate = None if block.climatology is None else block.climatology.gather(places)
        picture = Batch(forecast, block.truth.gather(places), climate, None, block.layout)
        for statistic in statistics:
            results[statistic][sample, condition] = statistic.means(picture, block.regions)
    return results


@dataclass(frozen=True)
class PictureStatistic(Statistic):
    """A statistic of one picture; cells where a band is missing do not count."""

    kernel = staticmethod(in_pictures)

    def components(self, layout: Layout, members: int) -> tuple[str, ...]:
        """Return ``value``, and of how many ``bands`` it is."""
        return ("value", "bands")

    def means(self, batch: Batch, regions: Regions) -> Array:
        """Return both components ``[region, component]``; the fields are the bands."""
        valid = 1.0 if batch.valid is None else batch.valid.all(axis=0)
        values = [self.of(batch.forecast, batch.truth, w * valid) for w in regions.by_region]
        return np.stack([values, np.full(len(values), float(len(batch.truth)))], axis=-1)

    @abstractmethod
    def of(self, forecast: Array, truth: Array, weight: Array) -> float:
        """Return the value of a picture ``[band, cell]`` with weights ``[cell]``."""


@dataclass(frozen=True)
class PictureScore(Metric):
    """The mean over samples of a score of each picture."""

    family: ClassVar[str] = "images"
    orientation: ClassVar[Orientation] = "lower"
    unit_power: ClassVar[int] = 0
    equal_samples: ClassVar[bool] = True

    def quantities(self, means: Mapping[Statistic, Array]) -> Array:
        """Return the value of each sample."""
        [statistic] = self.statistics
        return means[statistic][np.newaxis, ..., 0]


@dataclass(frozen=True)
class Angle(PictureStatistic):
    """Mean over cells of the angle between the bands of forecast and truth, degrees."""

    name: ClassVar[str] = "spectral_angle"

    def of(self, forecast: Array, truth: Array, weight: Array) -> float:
        """Return the mean angle."""
        return spectral_angle(forecast, truth, weight)


@register
@dataclass(frozen=True)
class SpectralAngle(PictureScore):
    r"""Spectral angle mapper (SAM): how much the mixture of bands differs.

    .. math:: \overline{\Bigl\langle \arccos \frac{f \cdot o}{|f||o|} \Bigr\rangle}

    The products go over the bands of a cell, which are the levels of one variable; it is a score
    of the channel ``<variable>_bands``. Brightness does not matter. Cells where a band is
    missing, or all are zero, do not count; each sample counts the same. Unit: degrees, 0 to 180.
    Better: lower.

    References
    ----------
    Yuhas, Goetz and Boardman (1992), JPL Airborne Geoscience Workshop 1, 147-149.
    """

    name: ClassVar[str] = "sam"
    unit: ClassVar[str] = "degrees"
    limits: ClassVar[tuple[float, float]] = (0.0, 180.0)

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The mean angle of each picture."""
        return (Angle(),)


@dataclass(frozen=True)
class RelativeError(PictureStatistic):
    """Error of a picture relative to the mean of each band, percent."""

    name: ClassVar[str] = "relative_band_error"

    def of(self, forecast: Array, truth: Array, weight: Array) -> float:
        """Return the error for cells as wide as those of the coarse image."""
        return ergas(forecast, truth, 1.0, weight)


@register
@dataclass(frozen=True)
class Ergas(PictureScore):
    r"""Relative global error of synthesis (ERGAS) of pictures with :math:`B` bands.

    .. math:: \overline{100 \, \frac{h}{l} \sqrt{\frac{1}{B} \sum_{b=1}^{B}
        \frac{\langle (f_b - o_b)^2 \rangle}{\langle o_b \rangle^2}}}

    ``ratio`` is :math:`h/l`, the width of a cell over that of a cell of the coarse image that the
    picture was made from: above 0 and at most 1, such as 0.25 for four times finer (torchmetrics
    asks for the inverse). There is no range of values: errors are relative to the mean of each
    band, so it is meant for quantities with a true zero (kelvin, not degrees Celsius). Bands are
    those of ``sam``. Unit: percent. Better: lower.

    References
    ----------
    Wald (2000), Quality of high resolution synthesised images: is there a simple criterion?,
    Proc. Fusion of Earth Data, 99-103.
    """

    name: ClassVar[str] = "ergas"
    unit: ClassVar[str] = "%"
    ratio: float | None = None

    def __post_init__(self) -> None:
        if self.ratio is None:
            raise ValueError("give ratio=.., such as 0.25 for four times finer")
        if isinstance(self.ratio, bool | str) or not 0 < self.ratio <= 1:
            raise ValueError(f"ratio={self.ratio} is not above 0 and at most 1")

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The relative error of each picture."""
        return (RelativeError(),)

    def value(self, averages: Array) -> Array:
        """Return the mean error times the ratio."""
        return np.asarray(averages[0] * self.ratio)
