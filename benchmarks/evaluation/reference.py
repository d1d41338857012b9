"""The same scores in float64 numpy, one field at a time: what the others are checked against."""

from pathlib import Path

import numpy as np
import xarray as xr

ALMOST_FAIR = 0.95  # alpha of Lang et al. (2024)


def from_stores(folder: Path) -> np.ndarray:
    """Scores of the stores."""
    names = ("forecast", "truth", "climatology")
    return in_memory(*(xr.open_zarr(folder / f"{name}.zarr", chunks=None).load() for name in names))


def in_memory(forecast: xr.Dataset, truth: xr.Dataset, climatology: xr.Dataset) -> np.ndarray:
    """Scores[metric, channel, lead]: RMSE, bias, ACC, centred ACC."""
    starts, leads = forecast.sizes["time"], forecast.sizes["prediction_timedelta"]
    weights = cell_weights(truth)
    scores = []
    for name in sorted(forecast.data_vars):
        sums: np.ndarray | float = 0.0
        for start in range(starts):
            fields = []
            for lead in range(leads):
                valid = (forecast.time[start] + forecast.prediction_timedelta[lead]).values
                day = np.datetime64(valid, "D") - np.datetime64(valid, "Y")
                hour = np.datetime64(valid, "h") - np.datetime64(valid, "D")
                position = np.searchsorted(truth.time.values, valid)
                c = climatology[name].values[int(hour / np.timedelta64(6, "h")), day.astype(int)]
                f, o = forecast[name].values[start, lead], truth[name].values[position]
                fields.append(field_scores(f, o, c, weights))
            sums = sums + np.stack(fields, axis=-1)
        means = sums / starts  # [metric, level, lead]
        means[0] = np.sqrt(means[0])
        scores.append(means)
    return np.concatenate(scores, axis=1)


def cell_weights(truth: xr.Dataset) -> np.ndarray:
    """Return the share of the sphere of each cell [longitude, latitude]."""
    latitude = truth.latitude.values
    middles = (latitude[1:] + latitude[:-1]) / 2
    rows = np.diff(np.sin(np.deg2rad([-90, *middles, 90])))
    longitudes = truth.sizes["longitude"]
    return np.tile(rows / rows.sum() / longitudes, (longitudes, 1))


def field_scores(f: np.ndarray, o: np.ndarray, c: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return MSE, bias, ACC and centred ACC of one field [4, level]."""
    f, o, c = (a.astype(np.float64).reshape(-1, weights.size) for a in (f, o, c))
    w = weights.ravel()
    error, a, b = f - o, f - c, o - c
    acc = ((a * b) @ w) / np.sqrt((a**2 @ w) * (b**2 @ w))
    a, b = a - (a @ w)[:, None], b - (b @ w)[:, None]
    centred = ((a * b) @ w) / np.sqrt((a**2 @ w) * (b**2 @ w))
    return np.stack([error**2 @ w, error @ w, acc, centred])


def crps(members: xr.DataArray, truth: xr.DataArray) -> np.ndarray:
    """CRPS of the empirical distribution, fair and almost fair [3, point], by all pairs."""
    x = members.transpose("member", "point").values.astype(np.float64)
    size = len(x)
    skill = np.abs(x - truth.values).mean(axis=0)
    pairs = sum(np.abs(x - member).sum(axis=0) for member in x)
    ensemble = skill - pairs / (2 * size**2)
    fair = skill - pairs / (2 * size * (size - 1))
    return np.stack([ensemble, fair, ALMOST_FAIR * fair + (1 - ALMOST_FAIR) * ensemble])
