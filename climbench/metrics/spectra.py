r"""Spatial structure: how the variance of fields divides over scales.

A forecast may have small errors because it is blurred. Its power spectrum tells: :math:`P_f` of
the forecast and :math:`P_o` of the truth are averaged over samples first, then compared. A field
with a missing value has no spectrum, and does not count.

Two transforms: along circles of latitude (``zonal``) and over the sphere (``spherical_harmonic``).
The first needs longitudes evenly round the globe and regions made of whole rows, such as
``tropics``; the second needs a region of all cells, and a Gaussian grid or an even one that ends
on the poles, half a step away from them, or on one pole only. Elsewhere these scores are NaN.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from climbench.metrics.averaging import Regions, ratio
from climbench.metrics.fields import Array, Batch, Layout
from climbench.metrics.harmonics import goes_round, harmonics_of
from climbench.metrics.metric import Metric, Orientation, register
from climbench.metrics.statistic import FieldStatistic, Statistic

Whose = Literal["forecast", "truth", "members", "truth_of_members"]
ZONAL_RADIUS = 6_367_500.0  # m, of WeatherBench 2
EARTH_RADIUS = 6371.0  # km, mean


@dataclass(frozen=True)
class Power(FieldStatistic):
    """Power per wavenumber, of the forecast, the truth, or the mean over members.

    ``truth_of_members`` is the truth beside members: each of its own, where it has several.
    """

    of: Whose = "forecast"

    @property
    def needs_members(self) -> bool:  # type: ignore[override]
        """Whether it is the members' power that is asked for, or what goes with it."""
        return self.of in ("members", "truth_of_members")

    def components(self, layout: Layout, members: int) -> tuple[str, ...]:
        """Return the wavenumbers."""
        return tuple(str(number) for number in range(self.wavenumbers(layout)))

    def means(self, batch: Batch, regions: Regions) -> Array:
        """Return the power of each field ``[field, region, wavenumber]``."""
        given = {"forecast": batch.forecast, "truth": batch.truth, "members": batch.members}
        given["truth_of_members"] = batch.truth
        cells = given[self.of]
        if cells is None:
            raise ValueError("there are no members")
        fields = batch.layout.fields(np.asarray(cells, dtype=np.float64))
        flat = fields.reshape(-1, *fields.shape[-2:])
        power = self.power(flat, batch.layout, regions)
        members = power.reshape(*fields.shape[:-2], *power.shape[1:])
        return members.mean(axis=1) if self.of == "members" else members

    @abstractmethod
    def wavenumbers(self, layout: Layout) -> int:
        """Return how many wavenumbers there are, zero included."""

    @abstractmethod
    def power(self, fields: Array, layout: Layout, regions: Regions) -> Array:
        """Return the power ``[field, region, wavenumber]`` of ``[field, latitude, longitude]``."""


@dataclass(frozen=True)
class ZonalPower(Power):
    """Mean over the region's rows of the power along each, as ``zonal_spectrum`` defines it."""

    name: ClassVar[str] = "zonal_power"

    def wavenumbers(self, layout: Layout) -> int:
        """Return how many wavenumbers there are, zero included."""
        return layout.longitude.size // 2 + 1

    def power(self, fields: Array, layout: Layout, regions: Regions) -> Array:
        """Return the power ``[field, region, wavenumber]``."""
        weights = layout.fields(regions.by_region)
        covered = weights > 0
        whole = np.all(covered.all(axis=-1) | ~covered.any(axis=-1), axis=-1, keepdims=True)
        usable = np.logical_and(whole, goes_round(layout.longitude))
        rows = np.where(usable, weights.sum(axis=-1), 0.0)
        missing = np.asarray(~np.isfinite(fields).all(axis=-1))
        power = zonal_power(np.where(missing[..., np.newaxis], 0.0, fields), layout.latitude)
        mean = ratio(rows @ power, rows.sum(axis=-1)[:, np.newaxis])
        incomplete = (missing @ (rows > 0).T.astype(np.float64)) > 0
        return np.where(incomplete[..., np.newaxis], np.nan, mean)


@dataclass(frozen=True)
class HarmonicPower(Power):
    """Power per total wavenumber, as ``spherical_harmonic_spectrum`` defines it."""

    name: ClassVar[str] = "harmonic_power"

    def wavenumbers(self, layout: Layout) -> int:
        """Return how many wavenumbers there are, zero included; one where there is no transform."""
        harmonics = harmonics_of(layout)
        return 1 if harmonics is None else harmonics.degree + 1

    def power(self, fields: Array, layout: Layout, regions: Regions) -> Array:
        """Return the power ``[field, region, wavenumber]``."""
        result = np.full((len(fields), regions.number, self.wavenumbers(layout)), np.nan)
        harmonics = harmonics_of(layout)
        # A weight of cos(latitude) leaves out the poles, which have no area.
        pole = np.abs(layout.latitude)[:, np.newaxis] > 90.0 - 1e-6
        everywhere = np.all((layout.fields(regions.by_region) > 0) | pole, axis=(-1, -2))
        if harmonics is not None and everywhere.any():
            result[:, everywhere] = harmonics.power(fields)[:, np.newaxis]
        return result


@dataclass(frozen=True)
class Spectrum(Metric):
    """A power spectrum: of the forecast, the truth, or the members (the mean of their spectra)."""

    family: ClassVar[str] = "structure"
    orientation: ClassVar[Orientation] = "none"
    unit_power: ClassVar[int] = 2
    of: Whose = "forecast"

    def __post_init__(self) -> None:
        _check_of(self.of, ("forecast", "truth", "members"))


@register
@dataclass(frozen=True)
class ZonalSpectrum(Spectrum):
    r"""Power per zonal wavenumber :math:`k`, along circles of latitude.

    .. math:: S_k(\phi) = 2\pi R\cos\phi \; c_k \,
        \Bigl|\frac{1}{N}\sum_{n<N} f_n e^{-2\pi i k n / N}\Bigr|^2, \quad c_0 = 1, c_{k>0} = 2

    with :math:`R` = 6 367 500 m, averaged over the rows of the region by their weights, and over
    samples. This is WeatherBench 2's ``ZonalEnergySpectrum``, which doubles the last wavenumber
    of an even :math:`N` too, though it has no twin. ``of=truth`` is the truth's, ``of=members``
    the mean of the members' spectra; of an ensemble the default is that of its mean, which is
    smooth. NaN unless the longitudes go round the globe in even steps, for regions that cut
    rows, and for fields that lack a value in the region. Unit: the variable's squared, times
    metre. Better: neither; compare with the truth's.

    References
    ----------
    Rasp et al. (2024), WeatherBench 2, J. Adv. Model. Earth Syst.;
    ``weatherbench2.derived_variables.ZonalEnergySpectrum``.
    """

    name: ClassVar[str] = "zonal_spectrum"
    unit: ClassVar[str] = "({units})^2 m"
    curve: ClassVar[str | None] = "zonal_wavenumber"

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The power of each row."""
        return (ZonalPower(self.of),)

    def coordinate(self, layout: Layout, members: int) -> Array:
        """Return the zonal wavenumbers, waves per circle of latitude."""
        return np.arange(ZonalPower().wavenumbers(layout), dtype=np.float64)


@register
@dataclass(frozen=True)
class SphericalHarmonicSpectrum(Spectrum):
    r"""Power per total wavenumber :math:`l` of spherical harmonics.

    .. math:: P_l = \frac{1}{4\pi} \sum_{m=-l}^{l} |f_l^m|^2, \quad
        f = \sum_{l,m} f_l^m Y_l^m, \quad \int |Y_l^m|^2 d\Omega = 1

    averaged over samples. The sum over :math:`l` is the area mean of :math:`f^2` for fields that
    the grid resolves (Parseval). It ends at the highest degree that the grid gives back exactly,
    for :math:`J` latitudes and :math:`I` longitudes the smaller of :math:`\lfloor (I-1)/2\rfloor`
    and :math:`J-1` (Gaussian; even, half a step from the poles), :math:`J-2` (with both poles) or
    :math:`\lfloor J/2 \rfloor - 1` (with one pole). Power below 1e-24 of the total is rounding
    and counted as zero. ``of=truth`` is the truth's, ``of=members`` the mean of the members'
    spectra. NaN on other grids, for regions that do not hold all cells, and for fields that lack
    a value. Unit: the variable's, squared. Better: neither; compare with the truth's.

    References
    ----------
    Lambert (1984), A global available potential energy-kinetic energy budget in terms of the
    two-dimensional wavenumber for the FGGE year, Atmosphere-Ocean 22, 265-282; Reinecke and
    Seljebotn (2013), Libsharp, doi:10.1051/0004-6361/201321494 (the transform of ducc0).
    """

    name: ClassVar[str] = "spherical_harmonic_spectrum"
    curve: ClassVar[str | None] = "total_wavenumber"

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The power of each field."""
        return (HarmonicPower(self.of),)

    def coordinate(self, layout: Layout, members: int) -> Array:
        """Return the total wavenumbers."""
        return np.arange(HarmonicPower().wavenumbers(layout), dtype=np.float64)


@dataclass(frozen=True)
class SpectralComparison(Metric):
    """The forecast's power per total wavenumber over the truth's, both averaged over samples."""

    family: ClassVar[str] = "structure"
    unit_power: ClassVar[int] = 0
    of: Literal["forecast", "members"] = "forecast"

    def __post_init__(self) -> None:
        _check_of(self.of, ("forecast", "members"))

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The power of the forecast and of the truth."""
        truth: Whose = "truth" if self.of == "forecast" else "truth_of_members"
        return (HarmonicPower(self.of), HarmonicPower(truth))


@register
@dataclass(frozen=True)
class SpectralRatio(SpectralComparison):
    r"""Ratio of the powers of forecast and truth per total wavenumber.

    .. math:: r_l = \overline{P_{f,l}} \; / \; \overline{P_{o,l}}

    with the spectra of ``spherical_harmonic_spectrum``; ``of=members`` takes the mean of the
    members' spectra. Below 1: too smooth at that scale. NaN where the truth has no power. Unit:
    none. Better: neither; 1 is best, see ``log_spectral_distance``.

    References
    ----------
    Skamarock (2004), Evaluating mesoscale NWP models using kinetic energy spectra, Monthly
    Weather Review 132, 3019-3032.
    """

    name: ClassVar[str] = "spectral_ratio"
    orientation: ClassVar[Orientation] = "none"
    curve: ClassVar[str | None] = "total_wavenumber"

    def coordinate(self, layout: Layout, members: int) -> Array:
        """Return the total wavenumbers."""
        return np.arange(HarmonicPower().wavenumbers(layout), dtype=np.float64)

    def value(self, averages: Array) -> Array:
        """Return the ratio of the mean powers."""
        return ratio(averages[0], averages[1])


@register
@dataclass(frozen=True)
class EffectiveResolution(SpectralComparison):
    r"""The smallest wavelength down to which the forecast keeps its power.

    .. math:: \lambda = 2\pi a / \sqrt{L (L + 1)}, \quad
        L = \max\{l : r_1, \dots, r_l \ge \text{threshold}\}

    with the ``spectral_ratio`` :math:`r_l`, :math:`a` = 6371 km, and ``threshold`` 0.5 unless
    given. Half of it is the size of the smallest features. A forecast that keeps all scales gets
    the grid's own, one that keeps none infinity. Too much power counts as kept. Unit: km.
    Better: lower.

    References
    ----------
    Skamarock (2004), Evaluating mesoscale NWP models using kinetic energy spectra, Monthly
    Weather Review 132, 3019-3032 (where the model's spectrum decays faster than the observed
    one); Jeans (1923), Proc. R. Soc. Lond. A 102, 554-574 (the wavelength of a degree).
    """

    name: ClassVar[str] = "effective_resolution"
    unit: ClassVar[str] = "km"
    orientation: ClassVar[Orientation] = "lower"
    threshold: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.threshold > 0:
            raise ValueError(f"threshold={self.threshold} is not above 0")

    def value(self, averages: Array) -> Array:
        """Return the wavelength of the last degree before the ratio falls below the threshold."""
        kept = ratio(averages[0], averages[1])[..., 1:] >= self.threshold
        degree = np.cumprod(kept, axis=-1).sum(axis=-1)
        wavelength = 2 * np.pi * EARTH_RADIUS / np.sqrt(degree * (degree + 1.0))
        return np.where(np.isfinite(averages).all(axis=(0, -1)), wavelength, np.nan)


@register
@dataclass(frozen=True)
class LogSpectralDistance(SpectralComparison):
    r"""Distance of the spectra of forecast and truth in decibel.

    .. math:: \sqrt{\frac{1}{L} \sum_{l=1}^{L} (10 \log_{10} r_l)^2}

    with the ``spectral_ratio`` :math:`r_l`; the mean over the globe, :math:`l = 0`, has no scale
    and is left out, as are wavenumbers at which neither has power. Infinite where only one has.
    Unit: dB. Better: lower.

    References
    ----------
    Rabiner and Juang (1993), Fundamentals of Speech Recognition, section 4.5.1.
    """

    name: ClassVar[str] = "log_spectral_distance"
    unit: ClassVar[str] = "dB"
    orientation: ClassVar[Orientation] = "lower"

    def value(self, averages: Array) -> Array:
        """Return the root mean square over wavenumbers of the ratio in decibel."""
        forecast, truth = averages[..., 1:]
        with np.errstate(divide="ignore", invalid="ignore"):
            squares = np.square(10.0 * np.log10(forecast / truth))
        counted = ~((forecast == 0) & (truth == 0))
        total = np.where(counted, squares, 0.0).sum(axis=-1)
        return np.sqrt(ratio(total, counted.sum(axis=-1)))


def zonal_power(fields: Array, latitude: Array) -> Array:
    """Return the power per zonal wavenumber of each row ``[..., latitude, wavenumber]``.

    Parameters
    ----------
    fields
        ``[..., latitude, longitude]``, longitudes evenly round the globe.
    latitude
        Of the rows, degrees.

    Returns
    -------
    numpy.ndarray
        Unit of the fields squared, times metre; the formula is that of ``zonal_spectrum``.

    Examples
    --------
    >>> wave = np.cos(2 * np.pi * 2 * np.arange(8) / 8)[np.newaxis]
    >>> (zonal_power(wave, np.zeros(1)) / (2 * np.pi * ZONAL_RADIUS)).round(9).tolist()
    [[0.0, 0.0, 0.5, 0.0, 0.0]]
    """
    waves = np.fft.rfft(fields, axis=-1, norm="forward")
    power = np.square(waves.real) + np.square(waves.imag)
    power[..., 1:] *= 2.0
    circumference = 2 * np.pi * ZONAL_RADIUS * np.cos(np.deg2rad(latitude))
    return np.asarray(power * circumference[:, np.newaxis])


def _check_of(of: str, known: tuple[str, ...]) -> None:
    if of not in known:
        raise ValueError(f"of={of} is none of {', '.join(known)}")
