r"""Scores of images: fields judged as pictures, and several bands of one picture.

:math:`f` is the predicted image and :math:`o` the true one. What papers call CC, the correlation
of both images, is the metric ``pearson``; SAM and ERGAS of the levels of a variable are the
metrics ``sam`` and ``ergas``. Scores that depend on a range of values or a ratio of
cell sizes say which: there is no agreed one.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from climbench.errors import UserError
from climbench.metrics.averaging import Regions, ratio
from climbench.metrics.fields import Array, Batch
from climbench.metrics.metric import Metric, Orientation, register
from climbench.metrics.moments import SquaredError
from climbench.metrics.neighbourhood import full_windows
from climbench.metrics.statistic import FieldStatistic, Statistic

Window = Literal["gaussian", "uniform"]
# What scikit-image calls them; 3.5 standard deviations of 1.5 cells to each side are 11 cells.
WINDOWS: dict[str, tuple[int, dict[str, Any]]] = {
    "gaussian": (
        11,
        {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False},
    ),
    "uniform": (7, {"win_size": 7}),
}


@dataclass(frozen=True)
class Similarity(FieldStatistic):
    """Mean structural similarity over the cells of a region that have a whole window."""

    name: ClassVar[str] = "structural_similarity"
    data_range: float | None = None
    window: Window = "gaussian"

    def means(self, batch: Batch, regions: Regions) -> Array:
        """Return the mean similarity ``[field, region]``."""
        forecast, truth = (batch.layout.fields(f) for f in (batch.forecast, batch.truth))
        if batch.valid is not None:
            truth = np.where(batch.layout.fields(batch.valid), truth, np.nan)
        pairs = zip(forecast, truth, strict=True)
        maps = [structural_similarity(f, o, self.data_range, self.window) for f, o in pairs]
        cells = batch.layout.cells(np.stack(maps))
        return regions.mean(cells, np.isfinite(cells))


@dataclass(frozen=True)
class TruthRange(FieldStatistic):
    """Largest minus smallest value of the truth over all valid cells, whatever the region."""

    name: ClassVar[str] = "truth_range"

    def means(self, batch: Batch, regions: Regions) -> Array:
        """Return the range ``[field, region]``."""
        valid = True if batch.valid is None else batch.valid
        largest = np.max(batch.truth, axis=-1, where=valid, initial=-np.inf)
        smallest = np.min(batch.truth, axis=-1, where=valid, initial=np.inf)
        spread = np.subtract(largest, smallest, dtype=np.float64)
        known = np.where(np.isfinite(spread), spread, np.nan)
        return np.repeat(known[:, np.newaxis], regions.number, axis=1)


@register
@dataclass(frozen=True)
class StructuralSimilarity(Metric):
    r"""Structural similarity index (SSIM) of forecast and truth as images.

    .. math:: \overline{\Bigl\langle \frac{(2\mu_f\mu_o + C_1)(2\sigma_{fo} + C_2)}
        {(\mu_f^2 + \mu_o^2 + C_1)(\sigma_f^2 + \sigma_o^2 + C_2)} \Bigr\rangle}, \quad
        C_1 = (0.01 D)^2, \; C_2 = (0.03 D)^2

    with mean :math:`\mu`, variance :math:`\sigma^2` and covariance in a window around each cell:
    ``window=gaussian`` (default) is the paper's, 11 x 11 cells with Gaussian weights of standard
    deviation 1.5 cells; ``window=uniform`` is scikit-image's default, 7 x 7 cells with equal
    weights and variances divided by one less than their number. :math:`D` is ``data_range``, in
    the variable's unit; unless given, the range of the truth in each field (largest minus
    smallest valid value), so a forecast of a flat field has no score. Cells whose window reaches
    beyond the grid or holds a missing value do not count; the others count by their weights (by
    none with ``weighting=none``, as usual for images), and each field the same. Needs
    scikit-image. Unit: none, -1 to 1. Better: higher.

    References
    ----------
    Wang et al. (2004), Image quality assessment: from error visibility to structural similarity,
    IEEE Trans. Image Processing 13, 600-612, eq. (13).
    """

    name: ClassVar[str] = "ssim"
    family: ClassVar[str] = "images"
    orientation: ClassVar[Orientation] = "higher"
    unit_power: ClassVar[int] = 0
    equal_samples: ClassVar[bool] = True
    data_range: float | None = None
    window: Window = "gaussian"

    def __post_init__(self) -> None:
        _check_range(self.data_range)
        if self.window not in WINDOWS:
            raise ValueError(f"window={self.window} is none of {', '.join(WINDOWS)}")

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The similarity of each field."""
        return (Similarity(self.data_range, self.window),)


@register
@dataclass(frozen=True)
class PeakSignalToNoise(Metric):
    r"""Peak signal-to-noise ratio (PSNR) of forecast and truth as images.

    .. math:: -10 \log_{10} \overline{\langle (f - o)^2 \rangle / D^2}

    :math:`D` is ``data_range``, in the variable's unit; unless given, the range of the truth in
    each field (largest minus smallest valid value, of all regions together). By default the
    logarithm comes last, after the mean over samples (``form=pooled``); ``form=mean_of_samples``
    is the mean of each field's own ratio, without fields that are perfect, whose ratio is
    infinite. Unit: dB. Better: higher.

    References
    ----------
    Huynh-Thu and Ghanbari (2008), Scope of validity of PSNR in image/video quality assessment,
    Electronics Letters 44, 800-801.
    """

    name: ClassVar[str] = "psnr"
    unit: ClassVar[str] = "dB"
    family: ClassVar[str] = "images"
    orientation: ClassVar[Orientation] = "higher"
    unit_power: ClassVar[int] = 0
    data_range: float | None = None
    form: Literal["pooled", "mean_of_samples"] = "pooled"

    def __post_init__(self) -> None:
        _check_range(self.data_range)
        if self.form not in ("pooled", "mean_of_samples"):
            raise ValueError(f"form={self.form} is none of pooled, mean_of_samples")

    @property
    def equal_samples(self) -> bool:  # type: ignore[override]
        """Whether each sample's own ratio is averaged."""
        return self.form == "mean_of_samples"

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The squared error, and the range of the truth unless it is given."""
        return (SquaredError(), TruthRange()) if self.data_range is None else (SquaredError(),)

    def quantities(self, means: Mapping[Statistic, Array]) -> Array:
        """Return the squared error over the squared range, or its logarithm."""
        data_range = means[TruthRange()] if self.data_range is None else self.data_range
        # two roots: the square of a tiny range would underflow
        noise = np.square(ratio(np.sqrt(means[SquaredError()]), data_range))
        return (self._decibel(noise) if self.equal_samples else noise)[np.newaxis]

    def value(self, averages: Array) -> Array:
        """Return the logarithm, unless it has been taken."""
        first: Array = averages[0]
        return first if self.equal_samples else self._decibel(first)

    @staticmethod
    def _decibel(noise: Array) -> Array:
        with np.errstate(divide="ignore"):
            decibel: Array = -10.0 * np.log10(noise)
        return decibel


def structural_similarity(
    forecast: ArrayLike,
    truth: ArrayLike,
    data_range: float | None = None,
    window: Window = "gaussian",
) -> Array:
    """Return the structural similarity around each cell, as the metric ``ssim`` defines it.

    Parameters
    ----------
    forecast, truth
        One image each ``[latitude, longitude]``, in the same unit; NaN where missing.
    data_range
        In that unit; None takes the range of the truth.
    window
        ``gaussian`` or ``uniform``.

    Returns
    -------
    numpy.ndarray
        ``[latitude, longitude]``, dimensionless; NaN where the window reaches beyond the image or
        holds a missing value, and everywhere if it is larger than the image or the range is zero.

    Raises
    ------
    UserError
        If scikit-image is not installed.

    References
    ----------
    Wang et al. (2004), IEEE Trans. Image Processing 13, 600-612, eq. (13).

    Examples
    --------
    >>> image = np.arange(169.0).reshape(13, 13)
    >>> np.nanmean(structural_similarity(image, image)).round(12).item()
    1.0
    """
    metrics = _scikit_image()
    size, options = WINDOWS[window]
    pair = np.stack([np.asarray(image, dtype=np.float64) for image in (forecast, truth)])
    known = np.asarray(np.isfinite(pair).all(axis=0))
    if data_range is None:
        data_range = float(np.ptp(pair[1][known])) if known.any() else 0.0
    if min(known.shape) < size or data_range == 0.0:
        return np.full(known.shape, np.nan)
    # in units of the range, so that squares neither overflow nor vanish
    scaled = np.where(known, pair, 0.0) / data_range
    _, similarity = metrics.structural_similarity(*scaled, data_range=1.0, full=True, **options)
    return np.where(full_windows(known, size), similarity, np.nan)


def spectral_angle(forecast: ArrayLike, truth: ArrayLike, weight: ArrayLike | None = None) -> float:
    r"""Return the mean spectral angle (SAM): how much the mixture of bands differs.

    .. math:: \Bigl\langle \arccos \frac{f \cdot o}{|f||o|} \Bigr\rangle

    over cells, the products going over bands; brightness does not matter. Cells where a band is
    missing, or one of the vectors is zero, do not count. Unit: degrees, 0 to 180. Better: lower.

    Parameters
    ----------
    forecast, truth
        ``[band, ...]``, the bands of each cell in the same units; NaN where missing.
    weight
        Of the cells ``[...]``; None: all the same.

    Returns
    -------
    float
        NaN where no cell counts.

    References
    ----------
    Yuhas, Goetz and Boardman (1992), JPL Airborne Geoscience Workshop 1, 147-149; computed as
    Kahan (2006) does, which is exact for small angles too.

    Examples
    --------
    >>> round(spectral_angle([[1.0, 2.0], [0.0, 2.0]], [[1.0, 3.0], [1.0, 3.0]]), 6)
    22.5
    """
    f, o, cells = _bands(forecast, truth, weight)
    f, o = (ratio(bands, np.linalg.norm(bands, axis=0)) for bands in (f, o))
    angle = 2.0 * np.arctan2(np.linalg.norm(f - o, axis=0), np.linalg.norm(f + o, axis=0))
    known = np.isfinite(angle)
    return float(np.rad2deg(_mean(np.where(known, angle, 0.0), np.where(known, cells, 0.0))))


def ergas(
    forecast: ArrayLike, truth: ArrayLike, ratio: float, weight: ArrayLike | None = None
) -> float:
    r"""Return the relative global error of synthesis (ERGAS) of an image with several bands.

    .. math:: 100 \, \frac{h}{l} \sqrt{\frac{1}{B} \sum_{b=1}^{B}
        \frac{\langle (f_b - o_b)^2 \rangle}{\langle o_b \rangle^2}}

    Unit: percent. Better: lower. It is meant for quantities with a true zero (kelvin, not
    degrees Celsius), as it is relative to the mean.

    Parameters
    ----------
    forecast, truth
        ``[band, ...]``, each band in its own unit; NaN where missing. Cells where a band is
        missing do not count.
    ratio
        :math:`h/l`, the width of a cell of this image over that of a cell of the coarse image it
        was made from: at most 1, such as 0.25 for four times finer. (torchmetrics asks for the
        inverse.)
    weight
        Of the cells ``[...]``; None: all the same.

    Returns
    -------
    float
        NaN where no cell counts or a band's mean is zero.

    Raises
    ------
    UserError
        If the ratio is not above 0 and at most 1.

    References
    ----------
    Wald (2000), Quality of high resolution synthesised images: is there a simple criterion?,
    Proc. Fusion of Earth Data, 99-103.

    Examples
    --------
    >>> round(ergas([[1.1, 1.1]], [[1.0, 1.0]], ratio=0.25), 6)
    2.5
    """
    if not 0 < ratio <= 1:
        raise UserError(
            f"ratio={ratio} must be the width of a fine cell over that of a coarse one, above 0 "
            "and at most 1: for four times finer write ratio=0.25."
        )
    f, o, cells = _bands(forecast, truth, weight)
    error, mean = np.sqrt(_mean(np.square(f - o), cells)), _mean(o, cells)
    relative = np.divide(error, mean, out=np.full_like(mean, np.nan), where=mean != 0)
    return float(100.0 * ratio * np.sqrt(np.mean(np.square(relative))))


def _bands(
    forecast: ArrayLike, truth: ArrayLike, weight: ArrayLike | None
) -> tuple[Array, Array, Array]:
    """Return both images ``[band, cell]``, and the weights of the cells, 0 where one misses."""
    f, o = (np.asarray(image, dtype=np.float64) for image in (forecast, truth))
    if f.shape != o.shape or f.ndim < 2:
        raise ValueError("forecast and truth must have the same shape [band, ...]")
    f, o = (image.reshape(len(image), -1) for image in (f, o))
    cells = np.ones(f.shape[1]) if weight is None else np.asarray(weight, float).reshape(-1)
    known = np.isfinite(f).all(axis=0) & np.isfinite(o).all(axis=0) & (cells > 0)
    return np.where(known, f, 0.0), np.where(known, o, 0.0), np.where(known, cells, 0.0)


def _mean(values: Array, weight: Array) -> NDArray[Any]:
    return np.asarray(ratio(values @ weight, weight.sum()))


def _check_range(data_range: float | None) -> None:
    if data_range is not None and not data_range > 0:
        raise ValueError(f"data_range={data_range} is not above 0")


def _scikit_image() -> Any:
    try:
        return importlib.import_module("skimage.metrics")
    except ImportError as error:
        raise UserError(
            "The metric 'ssim' needs the package scikit-image: pip install \"climbench[images]\"."
        ) from error
