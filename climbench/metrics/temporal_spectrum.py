r"""How the variance of a series of years divides over time scales.

An emulator's members may have the right variance and yet forget too fast: white noise has the same
power at all frequencies, a climate more at low ones.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import signal

from climbench.grids import latitude_weights

Array = NDArray[np.float64]
Trend = Literal["linear", "member_mean"]


class TemporalSpectrum(NamedTuple):
    """Power per frequency of yearly values, averaged over members (and cells).

    Attributes
    ----------
    frequency
        Cycles per year, from one per length of the series to 1/2 ``[frequency]``.
    global_mean
        Power of the global mean, unit squared times year ``[frequency]``.
    cells
        Area-weighted mean of the power in each cell, unit squared times year ``[frequency]``.
    """

    frequency: Array
    global_mean: Array
    cells: Array


def temporal_spectrum(
    members: ArrayLike, latitude: ArrayLike, trend: Trend = "linear"
) -> TemporalSpectrum:
    """Return the power spectra of the global mean and of the cells, averaged over members.

    Parameters
    ----------
    members
        Fields of consecutive years, none missing ``[member, year, latitude, longitude]``.
    latitude
        Rows, degrees north ``[latitude]``.
    trend
        What is taken off first, see :func:`power_spectrum`.

    Returns
    -------
    TemporalSpectrum
        Without frequency zero.

    Raises
    ------
    ValueError
        As :func:`power_spectrum`.
    """
    fields = np.asarray(members, dtype=np.float64)
    weights = latitude_weights(latitude, "area")
    frequency, cells = power_spectrum(np.moveaxis(fields, 1, -1), trend)
    means = (fields.mean(axis=-1) * weights).mean(axis=-1)
    _, power = power_spectrum(means, trend)
    local = np.einsum("mjif,j->f", cells, weights) / (len(fields) * cells.shape[2] * weights.sum())
    return TemporalSpectrum(frequency, power.mean(axis=0), local)


def power_spectrum(series: ArrayLike, trend: Trend = "linear") -> tuple[Array, Array]:
    r"""Return the periodogram of series of yearly values.

    .. math:: P(f_k) = \frac{2}{n} \Bigl| \sum_t x_t e^{-2 \pi i f_k t} \Bigr|^2, \quad
        f_k = k / n

    (half of it at 1/2), so that the sum over frequencies divided by :math:`n` is the variance.

    Parameters
    ----------
    series
        Consecutive years, the first dimension the member ``[member, ..., year]``.
    trend
        ``linear``: each series loses its straight line, which leaves what bends in the forced
        response. ``member_mean``: each loses the mean of all members, scaled by
        :math:`\sqrt{M/(M-1)}` so that the variance stays; needs two members.

    Returns
    -------
    tuple
        Frequencies, cycles per year, zero left out ``[frequency]``; power, unit squared times
        year ``[member, ..., frequency]``.

    Raises
    ------
    ValueError
        If a value is missing, years or members are too few, or the trend has another name.

    References
    ----------
    Schuster (1898), Terrestrial Magnetism 3, 13-41; density as in ``scipy.signal.periodogram``.
    """
    values = np.asarray(series, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("a series with a missing year has no spectrum")
    if values.shape[-1] < 4:
        raise ValueError(f"{values.shape[-1]} years are too few for a spectrum")
    if trend == "linear":
        departures = signal.detrend(values, axis=-1)
    elif trend == "member_mean":
        number = len(values)
        if number < 2:
            raise ValueError("trend='member_mean' needs at least two members")
        departures = (values - values.mean(axis=0)) * np.sqrt(number / (number - 1))
    else:
        raise ValueError(f"trend='{trend}' is neither 'linear' nor 'member_mean'")
    frequency, power = signal.periodogram(departures, fs=1.0, detrend=False, axis=-1)
    return frequency[1:], power[..., 1:]
