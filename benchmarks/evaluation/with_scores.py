"""RMSE, bias, ACC and CRPS with `scores` (Bureau of Meteorology).

It has no anomaly correlation against a climatology, and its Pearson correlation takes no weights:
the ACC is put together from its weighted means.
"""

from pathlib import Path

import numpy as np
import xarray as xr
from scores.continuous import additive_bias, mse, rmse
from scores.probability import crps_for_ensemble
from scores.processing import aggregate
from with_xarray import SPACE, area_weights, chunked, matched, opened, table, variables


def in_memory(forecast: xr.Dataset, truth: xr.Dataset, climatology: xr.Dataset) -> np.ndarray:
    """Whole arrays, one variable at a time."""
    weights = area_weights(truth.latitude)
    reduced = {"reduce_dims": [*SPACE, "time"], "weights": weights}
    results = []
    for name in variables(forecast):
        f, o, c = matched(forecast, truth, climatology, name)
        acc = anomaly_correlation(f, o, c, weights).mean("time")
        results.append(
            xr.concat([rmse(f, o, **reduced), additive_bias(f, o, **reduced), acc], "metric")
        )
    return table(results)


def anomaly_correlation(
    forecast: xr.DataArray, truth: xr.DataArray, climate: xr.DataArray, weights: xr.DataArray
) -> xr.DataArray:
    """Return the uncentred ACC of each time."""
    reduced = {"reduce_dims": SPACE, "weights": weights}
    forecast, truth = forecast - climate, truth - climate
    top = aggregate(forecast * truth, **reduced)
    return top / np.sqrt(aggregate(forecast**2, **reduced) * aggregate(truth**2, **reduced))


def in_chunks(folder: Path) -> np.ndarray:
    """Start chunks of a store; truth and climatology are read once and kept in memory."""
    return chunked(*opened(folder), chunk_statistics)


def chunk_statistics(
    forecast: xr.DataArray, truth: xr.DataArray, climate: xr.DataArray, weights: xr.DataArray
) -> tuple[xr.DataArray, ...]:
    """Return MSE, bias and ACC of each time."""
    reduced = {"reduce_dims": SPACE, "weights": weights}
    return (
        mse(forecast, truth, **reduced),
        additive_bias(forecast, truth, **reduced),
        anomaly_correlation(forecast, truth, climate, weights),
    )


def crps(members: xr.DataArray, truth: xr.DataArray) -> np.ndarray:
    """CRPS of the empirical distribution [1, point]."""
    return crps_for_ensemble(members, truth, "member", preserve_dims="all").values[None]


def crps_and_fair(members: xr.DataArray, truth: xr.DataArray) -> np.ndarray:
    """CRPS of the empirical distribution and fair CRPS [2, point]."""
    fair = crps_for_ensemble(members, truth, "member", method="fair", preserve_dims="all")
    return np.concatenate([crps(members, truth), fair.values[None]])
