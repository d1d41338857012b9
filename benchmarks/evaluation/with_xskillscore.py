"""RMSE, bias, ACC and CRPS with `xskillscore`, and CRPS with the `properscoring` behind it.

Its anomaly correlation is centred: the weighted Pearson correlation of anomalies.
"""

import numpy as np
import properscoring
import xarray as xr
import xskillscore
from with_xarray import SPACE, area_weights, matched, table, variables


def in_memory(forecast: xr.Dataset, truth: xr.Dataset, climatology: xr.Dataset) -> np.ndarray:
    """Whole arrays, one variable at a time."""
    weights = area_weights(truth.latitude).broadcast_like(
        truth.latitude * truth.longitude  # it wants the weight of every cell
    )
    reduced = {"dim": SPACE, "weights": weights}
    results = []
    for name in variables(forecast):
        f, o, c = matched(forecast, truth, climatology, name)
        rmse = np.sqrt(xskillscore.mse(f, o, **reduced).mean("time"))
        bias = xskillscore.me(f, o, **reduced).mean("time")
        acc = xskillscore.pearson_r(f - c, o - c, **reduced).mean("time")
        results.append(xr.concat([rmse, bias, acc], "metric"))
    return table(results)


def crps(members: xr.DataArray, truth: xr.DataArray) -> np.ndarray:
    """CRPS of the empirical distribution [1, point]."""
    return xskillscore.crps_ensemble(truth, members, dim=[]).values[None]


def crps_directly(members: xr.DataArray, truth: xr.DataArray) -> np.ndarray:
    """CRPS of the empirical distribution [1, point], without xarray around it."""
    axis = members.get_axis_num("member")
    return properscoring.crps_ensemble(truth.values, members.values, axis=axis)[None]
