"""Internal variability in time: forced signal, autoregression and its order."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

LARGEST_ROOT = 0.98  # of an autoregression: above it, a series would need centuries to forget


def segments(run: Rows, year: Rows) -> list[Rows]:
    """Return the rows of each stretch of consecutive years of one run, in the order of years.

    Parameters
    ----------
    run, year
        Simulation and calendar year of each row ``[row]``.

    Examples
    --------
    >>> found = segments(np.array([1, 0, 1, 1]), np.array([2001, 1990, 2000, 2005]))
    >>> [rows.tolist() for rows in found]
    [[1], [2, 0], [3]]
    """
    order = np.lexsort((year, run))
    apart = (np.diff(run[order]) != 0) | (np.diff(year[order]) != 1)
    return list(np.split(order, np.flatnonzero(apart) + 1))


def mean_of_equals(values: Array, keys: Array) -> Array:
    """Return for each row the mean over all rows with the same keys, as members of a year have.

    Parameters
    ----------
    values
        ``[row]``.
    keys
        ``[row, key]``.

    Examples
    --------
    >>> mean_of_equals(np.array([1.0, 3.0, 7.0]), np.array([[0.0], [0.0], [1.0]])).tolist()
    [2.0, 2.0, 7.0]
    """
    _, group = np.unique(keys, axis=0, return_inverse=True)
    group = group.ravel()
    mean: Array = np.bincount(group, values) / np.bincount(group)
    return mean[group]


def lowess(series: Array, span: int) -> Array:
    r"""Return a series of yearly values, smoothed by local straight lines.

    The line at each year is fitted to the ``span`` nearest years with the weights
    :math:`(1 - |d/h|^3)^3`, :math:`h` the distance of the farthest of them, in one pass (no
    weights for outliers).

    Parameters
    ----------
    series
        ``[year]``, no year missing.
    span
        Years under the weights; the whole series where it is shorter.

    References
    ----------
    Cleveland (1979), J. American Statistical Association 74, 829-836; span of 50 years as Beusch
    et al. (2020).
    """
    year = np.arange(series.size, dtype=np.float64)
    apart = year[:, None] - year
    distance = np.abs(apart)
    farthest = np.sort(distance, axis=1)[:, min(span, series.size) - 1, None]
    weight = (1.0 - np.minimum(distance / np.maximum(farthest, 1.0), 1.0) ** 3) ** 3
    weight /= weight.sum(axis=1, keepdims=True)
    centre = (weight * apart).sum(axis=1)
    mean = weight @ series
    spread = (weight * apart**2).sum(axis=1) - centre**2
    product = (weight * apart) @ series - centre * mean
    slope = np.divide(product, spread, out=np.zeros_like(mean), where=spread > 1e-9)
    return np.asarray(mean - slope * centre)


def fit_autoregression(series: Array, order: int) -> tuple[Array, float]:
    r"""Return coefficients and innovation variance of an autoregression by least squares.

    :math:`x_t = c + \sum_k \phi_k x_{t-k} + u_t`, :math:`u_t \sim N(0, \sigma^2)`.

    Parameters
    ----------
    series
        ``[year]``, more than ``order`` of them.
    order
        Number of coefficients; 0 is white noise.

    Returns
    -------
    tuple
        :math:`\phi` ``[order]`` and :math:`\sigma^2` (maximum likelihood).
    """
    target = series[order:]
    lags = [series[order - k : series.size - k] for k in range(1, order + 1)]
    features = np.stack([np.ones_like(target), *lags], axis=1)
    solution = np.linalg.lstsq(features, target, rcond=None)[0].astype(np.float64)
    return solution[1:], float(np.mean((target - features @ solution) ** 2))


def global_autoregression(runs: Sequence[Array], most: int) -> tuple[Array, float]:
    r"""Return an autoregression for all runs: one order, parameters averaged over the runs.

    The order from 0 to ``most`` has the lowest mean over runs of the Bayesian information criterion
    :math:`n \ln \sigma^2 + k \ln n`, every order judged on the same years. Runs too short to fit
    the highest order do not count; where all are, the noise is white.

    Parameters
    ----------
    runs
        Series of consecutive years, each ``[year]``.
    most
        The highest order to try.

    Returns
    -------
    tuple
        Coefficients ``[order]``, stationary, and the variance of the innovations.

    References
    ----------
    Beusch et al. (2020), Earth Syst. Dynam. 11, 139-159, section 3.2; Schwarz (1978), Annals of
    Statistics 6, 461-464.
    """
    long = [run for run in runs if run.size > 3 * (most + 1)]
    if not long:
        return np.zeros(0), float(np.var(np.concatenate(runs)))
    criterion = [
        np.mean([_criterion(run, order, most) for run in long]) for order in range(most + 1)
    ]
    fits = [fit_autoregression(run, int(np.argmin(criterion))) for run in long]
    coefficients: Array = np.mean([fit[0] for fit in fits], axis=0)
    return stationary(coefficients), float(np.mean([fit[1] for fit in fits]))


def _criterion(series: Array, order: int, most: int) -> float:
    same_years = series[most - order :]
    count = series.size - most
    variance = max(fit_autoregression(same_years, order)[1], np.finfo(float).tiny)
    return float(count * np.log(variance) + order * np.log(count))


def stationary(coefficients: Array) -> Array:
    r"""Return coefficients whose series stays finite: the same if it does already.

    Roots outside the circle of radius 0.98 are all drawn in by one factor :math:`s`,
    :math:`\phi_k s^k`.

    Examples
    --------
    >>> stationary(np.array([0.5])).tolist(), stationary(np.array([1.4])).tolist()
    ([0.5], [0.98])
    """
    if not coefficients.size:
        return coefficients
    largest = np.abs(np.roots([1.0, *-coefficients])).max(initial=0.0)
    factor = min(1.0, LARGEST_ROOT / max(largest, 1e-12))
    return np.asarray(coefficients * factor ** np.arange(1, coefficients.size + 1))


def local_memory(residuals: Array, parts: Sequence[Rows]) -> Array:
    """Return the lag-one autoregression of each cell, over all stretches of consecutive years.

    Parameters
    ----------
    residuals
        ``[row, cell]``.
    parts
        Rows of each stretch, see :func:`segments`; each keeps a mean of its own.

    Returns
    -------
    numpy.ndarray
        ``[cell]``, within -0.98..0.98; 0 where no two years follow each other.
    """
    product, square = np.zeros((2, residuals.shape[1]))
    for rows in parts:
        series = residuals[rows] - residuals[rows].mean(axis=0)
        product += (series[1:] * series[:-1]).sum(axis=0)
        square += (series[:-1] ** 2).sum(axis=0)
    memory = np.divide(product, square, out=np.zeros_like(square), where=square > 0)
    return np.asarray(np.clip(memory, -LARGEST_ROOT, LARGEST_ROOT))


def autoregress(innovations: NDArray[np.float32], coefficients: Array) -> NDArray[np.float32]:
    """Turn innovations into an autoregressive series that begins at zero, in place.

    Parameters
    ----------
    innovations
        ``[year, ...]``.
    coefficients
        Of each lag ``[order, ...]``.

    Examples
    --------
    >>> autoregress(np.ones((3, 1), np.float32), np.array([[0.5]])).ravel().tolist()
    [1.0, 1.5, 1.75]
    """
    for year in range(len(innovations)):
        for lag, coefficient in enumerate(coefficients[:year], start=1):
            innovations[year] += coefficient * innovations[year - lag]
    return innovations
