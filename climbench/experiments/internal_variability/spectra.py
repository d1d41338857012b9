"""Spectra of the variability in time that emulators predict, and of that which is true."""

import numpy as np
from numpy.typing import NDArray

from climbench.metrics.averaging import Regions
from climbench.metrics.temporal_spectrum import power_spectrum

Array = NDArray[np.float64]

PLACES = ("cell", "global_mean")
"""The mean of the spectra of all cells; the spectrum of the global mean."""


def spectrum(departures: NDArray[np.floating], regions: Regions) -> tuple[Array, Array]:
    """Return the power of annual departures from the forced response, by frequency.

    Parameters
    ----------
    departures
        Fields less the mean of all members ``[year, cell]``; their straight line is taken away.
    regions
        Weights of the cells; one region.

    Returns
    -------
    tuple
        Frequencies per year ``[frequency]``, and the power of each of ``PLACES``
        ``[place, frequency]``, in squared units of the field times years.
    """
    series = np.asarray(departures, dtype=np.float64).T
    course = regions.mean(series.T).T
    frequency, cells = power_spectrum(series)
    _, whole = power_spectrum(course)
    return frequency, np.stack([regions.mean(cells.T)[:, 0], whole[0]])


def true_spectrum(members: NDArray[np.floating], regions: Regions) -> tuple[Array, Array]:
    """Return the mean spectrum of the members' departures from their mean.

    Departures from a mean of few members vary too little, by ``(N - 1) / N``, which is undone.

    Parameters
    ----------
    members
        ``[member, year, cell]``, all years of the scenario.
    regions
        Weights of the cells; one region.
    """
    number = len(members)
    mean = members.mean(axis=0, dtype=np.float64)
    spectra = [spectrum(member - mean, regions) for member in members]
    power = np.mean([power for _, power in spectra], axis=0)
    return spectra[0][0], power * number / (number - 1)
