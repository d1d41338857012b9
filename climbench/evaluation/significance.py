"""Sampling uncertainty of scores: moving-block bootstrap over initial times."""

from functools import lru_cache

import numpy as np

from climbench.metrics.statistic import Array


def block_length(series: Array) -> int:
    r"""Return how many consecutive samples one block of a bootstrap should hold.

    .. math:: L = \left(\frac{\sqrt 6\,\rho}{1 - \rho^2}\right)^{2/3} n^{1/3}

    with :math:`\rho` the autocorrelation of neighbouring samples, the mean over all series; at
    least 1, at most half the samples.

    Parameters
    ----------
    series
        Per-sample values ``[sample, ...]``; series with missing samples do not count.

    References
    ----------
    Carlstein (1986), Annals of Statistics 14, 1171-1179.

    Examples
    --------
    >>> block_length(np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0]))
    1
    """
    samples = len(series)
    flat = series.reshape(samples, -1)
    flat = flat[:, np.isfinite(flat).all(axis=0)]
    departure = flat - flat.mean(axis=0) if flat.size else flat
    variance = np.square(departure).sum(axis=0)
    alive = variance > 0
    if samples < 3 or not np.any(alive):
        return 1
    products = (departure[1:] * departure[:-1]).sum(axis=0)
    correlation = float(np.clip(np.mean(products[alive] / variance[alive]), 0.0, 0.99))
    length = (np.sqrt(6.0) * correlation / (1.0 - correlation**2)) ** (2 / 3) * samples ** (1 / 3)
    return int(np.clip(np.ceil(length), 1, max(1, samples // 2)))


@lru_cache(maxsize=4)
def block_draws(samples: int, length: int, draws: int, seed: int) -> Array:
    """Return how often each draw of a moving-block bootstrap takes each sample.

    Blocks of ``length`` consecutive samples, which may overlap, are drawn with replacement until
    they hold as many samples as there are (the last one is cut).

    Parameters
    ----------
    samples
        Number of samples, in order of time.
    length
        Number of samples in a block.
    draws
        Number of draws.
    seed
        Of the random numbers.

    Returns
    -------
    numpy.ndarray
        Counts ``[draw, sample]``; each row sums to ``samples``.

    References
    ----------
    Kunsch (1989), Annals of Statistics 17, 1217-1241.

    Examples
    --------
    >>> block_draws(4, length=2, draws=3, seed=0).sum(axis=1).tolist()
    [4.0, 4.0, 4.0]
    """
    blocks = -(-samples // length)
    random = np.random.default_rng(seed)
    starts = random.integers(0, samples - length + 1, size=(draws, blocks))
    taken = (starts[:, :, np.newaxis] + np.arange(length)).reshape(draws, -1)[:, :samples]
    places = taken + samples * np.arange(draws)[:, np.newaxis]
    counts = np.bincount(places.ravel(), minlength=draws * samples).astype(np.float64)
    counts.flags.writeable = False  # the cache hands out one array to all
    return counts.reshape(draws, samples)


def interval(values: Array, confidence: float) -> tuple[Array, Array]:
    """Return the bounds between which the middle share of the draws lies.

    Parameters
    ----------
    values
        A score of each draw ``[draw, ...]``.
    confidence
        The share, 0 to 1.
    """
    tail = (1.0 - confidence) / 2.0
    lower, upper = np.quantile(values, [tail, 1.0 - tail], axis=0)
    return lower, upper
