"""Internal variability: random fields on the sphere, correlated in space and red in time."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, lpmv

Array = NDArray[np.float64]


def degrees(truncation: int) -> NDArray[np.int64]:
    """Return the degree of each real spherical harmonic, ``2 n + 1`` of them for degree ``n``.

    Examples
    --------
    >>> degrees(2).tolist()
    [0, 1, 1, 1, 2, 2, 2, 2, 2]
    """
    degree = np.arange(truncation + 1)
    return np.repeat(degree, 2 * degree + 1)


def spherical_harmonics(latitude: ArrayLike, longitude: ArrayLike, truncation: int) -> Array:
    r"""Return the real spherical harmonics, each with mean square 1 over the sphere.

    Parameters
    ----------
    latitude
        Rows ``[latitude]``, degrees north.
    longitude
        Columns ``[longitude]``, degrees east.
    truncation
        Highest degree.

    Returns
    -------
    numpy.ndarray
        Values ``[mode, latitude, longitude]`` in the order of `degrees`, orders
        :math:`-n \dots n`.
    """
    sine = np.sin(np.deg2rad(np.asarray(latitude, dtype=np.float64)))
    east = np.deg2rad(np.asarray(longitude, dtype=np.float64))
    modes = []
    for degree in range(truncation + 1):
        for order in range(-degree, degree + 1):
            m = abs(order)
            ratio = np.exp((gammaln(degree - m + 1) - gammaln(degree + m + 1)) / 2)
            norm = np.sqrt((2 * degree + 1) * (1 if m == 0 else 2)) * ratio
            wave = np.cos(m * east) if order >= 0 else np.sin(m * east)
            modes.append(np.outer(norm * lpmv(m, degree, sine), wave))
    return np.stack(modes)


def amplitudes(truncation: int, scale: float) -> Array:
    r"""Return the standard deviation of each harmonic of a field of variance 1.

    The variance of degree :math:`n` falls as :math:`(1 + n(n+1)/s^2)^{-2}`: about the Matérn law
    on a sphere, whose correlation length is roughly the Earth's radius over :math:`s`.

    Parameters
    ----------
    truncation
        Highest degree.
    scale
        Degree :math:`s` from which on the variance falls.

    Returns
    -------
    numpy.ndarray
        Standard deviation ``[mode]``; the field has variance 1 at every point.

    Examples
    --------
    >>> float(np.sum(amplitudes(8, 4.0) ** 2).round(12))
    1.0
    """
    degree = degrees(truncation)
    variance = (1.0 + degree * (degree + 1) / scale**2) ** -2.0
    return np.asarray(np.sqrt(variance / variance.sum()))


def red_noise(white: Array, memory: ArrayLike) -> Array:
    r"""Turn white noise into first-order autoregressive series, stationary from the first year.

    :math:`x_0 = w_0` and :math:`x_t = \phi x_{t-1} + \sqrt{1 - \phi^2}\, w_t`.

    Parameters
    ----------
    white
        Independent standard normal numbers ``[year, mode]``.
    memory
        Lag-one autocorrelation :math:`\phi` of each mode ``[mode]``.

    Returns
    -------
    numpy.ndarray
        Series of variance 1 ``[year, mode]``.

    Examples
    --------
    >>> red_noise(np.array([[1.0], [0.0], [0.0]]), [0.5]).ravel().tolist()
    [1.0, 0.5, 0.25]
    """
    memory = np.asarray(memory, dtype=np.float64)
    series = white.copy()
    for year in range(1, white.shape[0]):
        series[year] = memory * series[year - 1] + np.sqrt(1.0 - memory**2) * white[year]
    return series
