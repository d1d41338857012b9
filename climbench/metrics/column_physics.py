r"""Scores of the physics of atmospheric columns in W m-2, as ClimSim defines them.

A column model maps the state of each column to tendencies on its levels and to fluxes at the
surface. To compare them, all become fluxes of energy: tendencies times the mass of their layer
and the heat or latent heat per unit, precipitation times latent heat; and each column counts by
its area. Then, for a prediction :math:`p` and a truth :math:`t` ``[time, column]`` of one output
(a flux, or one level of a profile), scores are means over time of each column, and then over
columns, each counted the same: the area is in the values already. The score of a profile is the
plain mean over its levels.

References
----------
Yu et al. (2023), ClimSim: A large multi-scale dataset for hybrid physics-ML climate emulation,
NeurIPS Datasets and Benchmarks, section 4 and supplement; constants as in E3SM.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError, nearest
from climbench.metrics.averaging import ratio
from climbench.metrics.column_energy import (
    COLUMN,
    ENERGY,
    LEVEL,
    STRESSES,
    TIME,
    energy_per_unit,
    matched,
)
from climbench.metrics.fields import Array

ORIENTATION = {"mae": "lower", "rmse": "lower", "r2": "higher", "bias": "zero", "crps": "lower"}
SAMPLE = "sample"
EPSILON = float(np.finfo(np.float64).eps)


def mean_absolute_error(prediction: Array, truth: Array) -> Array:
    """Return the mean over columns of the mean over time of ``|p - t|``.

    Parameters
    ----------
    prediction, truth
        ``[time, column, ...]``, NaN where missing.

    Returns
    -------
    numpy.ndarray
        ``[...]``, in the unit of the values. Better: lower.

    Examples
    --------
    >>> p, t = np.array([[1.0], [5.0]]), np.array([[0.0], [2.0]])  # two times, one column
    >>> float(mean_absolute_error(p, t))
    2.0
    """
    return _average(_average(np.abs(prediction - truth)))


def root_mean_squared_error(prediction: Array, truth: Array) -> Array:
    """Return the mean over columns of the root of the mean over time of ``(p - t)**2``.

    Parameters
    ----------
    prediction, truth
        ``[time, column, ...]``, NaN where missing.

    Returns
    -------
    numpy.ndarray
        ``[...]``, in the unit of the values. Better: lower.

    Examples
    --------
    >>> p, t = np.array([[1.0], [9.0]]), np.array([[0.0], [2.0]])  # two times, one column
    >>> float(root_mean_squared_error(p, t))
    5.0
    """
    return _average(np.sqrt(_average(np.square(prediction - truth))))


def bias(prediction: Array, truth: Array) -> Array:
    """Return the mean over columns of the mean over time of ``p - t``.

    Parameters
    ----------
    prediction, truth
        ``[time, column, ...]``, NaN where missing.

    Returns
    -------
    numpy.ndarray
        ``[...]``, in the unit of the values. Better: nearer to zero.

    Examples
    --------
    >>> p, t = np.array([[1.0], [5.0]]), np.array([[0.0], [2.0]])  # two times, one column
    >>> float(bias(p, t))
    2.0
    """
    return _average(_average(prediction - truth))


def coefficient_of_determination(prediction: Array, truth: Array) -> Array:
    r"""Return the mean over columns of each column's :math:`R^2` over time.

    .. math:: R^2 = 1 - \frac{\sum_t (p - t)^2}{\sum_t (t - \bar t)^2}

    Columns whose truth never varies have none and are left out; :func:`constant_columns` counts
    them.

    Parameters
    ----------
    prediction, truth
        ``[time, column, ...]``, NaN where missing.

    Returns
    -------
    numpy.ndarray
        ``[...]``, no unit, at most 1. Better: higher.

    Examples
    --------
    >>> p, t = np.array([[1.0], [5.0]]), np.array([[0.0], [2.0]])  # two times, one column
    >>> float(coefficient_of_determination(p, t))
    -4.0
    """
    error = _average(np.square(prediction - truth))
    return _average(1.0 - ratio(error, _variance(prediction, truth)))


def constant_columns(prediction: Array, truth: Array) -> NDArray[np.int64]:
    """Return the number of columns ``[...]`` whose truth does not vary over time.

    Parameters
    ----------
    prediction, truth
        ``[time, column, ...]``, NaN where missing; times that miss one of both do not count, nor
        do columns without any time.

    Examples
    --------
    >>> t = np.array([[0.0, 1.0], [0.0, 2.0]])  # two times, two columns
    >>> int(constant_columns(t, t))
    1
    """
    return np.asarray(np.count_nonzero(_variance(prediction, truth) == 0, axis=0))


def fair_crps(samples: Array, truth: Array) -> Array:
    r"""Return the fair CRPS of samples, averaged over time and then over columns.

    .. math:: \frac1M \sum_m |s_m - t| - \frac{1}{2 M (M - 1)} \sum_{m,m'} |s_m - s_{m'}|

    Parameters
    ----------
    samples
        ``[sample, time, column, ...]``, at least two.
    truth
        ``[time, column, ...]``, NaN where missing.

    Returns
    -------
    numpy.ndarray
        ``[...]``, in the unit of the values. Better: lower.

    References
    ----------
    Ferro (2014), Q. J. R. Meteorol. Soc. 140, 1917-1923; the sum over pairs from sorted samples
    as in Hersbach (2000), Weather and Forecasting 15, 559-570.

    Examples
    --------
    >>> float(fair_crps(np.array([0.0, 2.0]).reshape(2, 1, 1), np.array([[1.0]])))
    0.0
    """
    number = len(samples)
    if number < 2:
        raise ValueError("one sample has no fair CRPS: at least two are needed")
    distance = np.abs(samples - truth).mean(axis=0)
    rank = 2 * np.arange(number) - (number - 1)
    pairs = np.tensordot(rank, np.sort(samples, axis=0), axes=1)  # the half sum over all pairs
    return _average(_average(distance - pairs / (number * (number - 1))))


SCORES: Mapping[str, Callable[[Array, Array], Array]] = {
    "mae": mean_absolute_error,
    "rmse": root_mean_squared_error,
    "r2": coefficient_of_determination,
    "bias": bias,
}


def column_scores(
    prediction: xr.Dataset,
    truth: xr.Dataset,
    grid: xr.Dataset,
    surface_pressure: xr.DataArray,
    scale: xr.Dataset | None = None,
) -> xr.Dataset:
    """Score predicted columns in W m-2.

    One variable at a time is held in memory.

    Parameters
    ----------
    prediction
        ClimSim's outputs, such as ``ptend_t`` (time, ncol, lev; K s-1) and ``cam_out_PRECC``
        (time, ncol; m s-1), perhaps with a dimension ``sample``: then the CRPS is of the samples
        and all other scores are of their mean.
    truth
        The same outputs. Dimensions with coordinates are matched by them, others by position.
    grid
        ClimSim's grid file: ``area`` (ncol), ``hyai`` and ``hybi`` (ilev), ``P0`` in Pa.
    surface_pressure
        Of the same times and columns (time, ncol), Pa: ClimSim's ``state_ps``.
    scale
        What prediction and truth have been multiplied by, and are divided by here: ClimSim's
        ``output_scale.nc``. None: they have the units above.

    Returns
    -------
    xarray.Dataset
        ``score`` (metric, variable), of profiles the plain mean over levels; ``level_score``
        (metric, profile, lev); ``constant_outputs`` (variable), the number of outputs (pairs of
        column and level) without variance, which the R2 leaves out; ``missing`` (variable), the
        number of values without prediction, truth or surface pressure, which count nowhere.
        W m-2, but for winds N m-2, and R2 without unit.

    Raises
    ------
    UserError
        If a variable is unknown, missing, or lies on other times, columns or levels.
    """
    names = [str(name) for name in prediction.data_vars]
    metrics = [*SCORES, *(["crps"] if SAMPLE in prediction.dims else [])]
    parts = [
        _scored(*_arrays(name, prediction, truth, grid, surface_pressure, scale), metrics)
        for name in names
    ]
    profiles = [name for name in names if LEVEL in truth[name].dims]
    by_level = [part.by_level for name, part in zip(names, parts, strict=True) if name in profiles]
    dataset = xr.Dataset(
        {
            "score": (("metric", "variable"), np.stack([part.score for part in parts], axis=1)),
            "constant_outputs": ("variable", [part.constant for part in parts]),
            "missing": ("variable", [part.missing for part in parts]),
        },
        coords={
            "metric": metrics,
            "orientation": ("metric", [ORIENTATION[metric] for metric in metrics]),
            "unit_power": ("metric", [0 if metric == "r2" else 1 for metric in metrics]),
            "variable": names,
            "units": ("variable", ["N m-2" if name in STRESSES else "W m-2" for name in names]),
        },
    )
    if profiles:
        dataset["level_score"] = (("metric", "profile", LEVEL), np.stack(by_level, axis=1))
        dataset = dataset.assign_coords(profile=profiles)
        if LEVEL in grid.coords:
            dataset = dataset.assign_coords({LEVEL: grid[LEVEL].to_numpy()})
    dataset["score"].attrs["long_name"] = "score, in units to the power unit_power"
    return dataset


class Scored(NamedTuple):
    """Scores of one variable ``[metric]``, by level ``[metric, level]``, and what did not count."""

    score: Array
    by_level: Array
    constant: int
    missing: int


def _scored(
    prediction: NDArray[Any], truth: NDArray[Any], energy: Array, metrics: Sequence[str]
) -> Scored:
    """Score ``[(sample,) time, column, level]``, level by level: copies take memory."""
    by_level, constant, missing = [], 0, 0
    for level in range(truth.shape[-1]):
        samples, t = (values[..., level] * energy[..., level] for values in (prediction, truth))
        p = samples if samples.ndim == t.ndim else samples.mean(axis=0)
        by_level.append(
            [
                fair_crps(samples, t) if metric == "crps" else SCORES[metric](p, t)
                for metric in metrics
            ]
        )
        constant += int(constant_columns(p, t))
        missing += int(np.count_nonzero(~np.isfinite(p - t)))
    scores = np.array(by_level, dtype=np.float64)
    return Scored(_average(scores), scores.T, constant, missing)


def _arrays(
    name: str,
    prediction: xr.Dataset,
    truth: xr.Dataset,
    grid: xr.Dataset,
    surface_pressure: xr.DataArray,
    scale: xr.Dataset | None,
) -> tuple[NDArray[Any], NDArray[Any], Array]:
    """Return prediction, truth and the energy of their units ``[(sample,) time, column, level]``.

    A flux has one level.
    """
    for known, where in ((ENERGY, "ClimSim's outputs"), (truth.data_vars, "the truth")):
        if name not in known:
            raise UserError(f"'{name}' is not in {where}: {nearest(name, map(str, known))}")
    target = truth[name]
    dims = [dim for dim in (TIME, COLUMN, LEVEL) if dim != LEVEL or LEVEL in target.dims]
    if {*target.dims} != {*dims} or {*prediction[name].dims} - {SAMPLE} != {*dims}:
        raise UserError(
            f"'{name}' must have the dimensions {', '.join(dims)} in prediction and truth, it has "
            f"{prediction[name].dims} and {target.dims}: rename or select them."
        )
    guess = matched(prediction[name], target, f"the prediction of '{name}'")
    energy = energy_per_unit(target, grid, surface_pressure)
    if scale is not None:
        energy = energy / scale[name].variable

    def levels_last(values: xr.Variable) -> NDArray[Any]:
        order = [dim for dim in (SAMPLE, *dims) if dim in values.dims]
        array = values.transpose(*order).to_numpy()
        return array if LEVEL in dims else array[..., np.newaxis]

    everywhere = energy.set_dims(dict(target.sizes))  # type: ignore[no-untyped-call]
    return levels_last(guess.variable), levels_last(target.variable), levels_last(everywhere)


def _average(values: Array) -> Array:
    """Return the mean over the first dimension of what is finite; NaN where nothing is."""
    known = np.isfinite(values)
    return ratio(np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0))


def _variance(prediction: Array, truth: Array) -> Array:
    """Return the truth's variance over the times that count, zero where rounding alone made it."""
    known = np.where(np.isfinite(prediction), truth, np.nan)
    variance = _average(np.square(known - _average(known)))
    rounding = np.square(len(truth) * EPSILON) * _average(np.square(known))
    return np.where(variance <= rounding, 0.0, variance)
