"""RMSE, bias, ACC and CRPS with climbench."""

from pathlib import Path

import numpy as np
import xarray as xr

from climbench.evaluation import evaluate
from climbench.metrics import ensemble
from climbench.metrics.ensemble import CrpsForm

METRICS = ["rmse", "bias", "acc"]


def in_memory(forecast: xr.Dataset, truth: xr.Dataset, climatology: xr.Dataset) -> np.ndarray:
    """Scores alone, without bootstrap, which the peers do not do either."""
    return table(evaluate(forecast, truth, climatology, metrics=METRICS, maps=False, bootstrap=0))


def in_memory_maps(forecast: xr.Dataset, truth: xr.Dataset, climatology: xr.Dataset) -> np.ndarray:
    """Scores and maps of RMSE and bias."""
    return table(evaluate(forecast, truth, climatology, metrics=METRICS, maps=True, bootstrap=0))


def from_stores(folder: Path) -> np.ndarray:
    """Scores alone, end to end from the stores."""
    return table(evaluate(*addresses(folder), metrics=METRICS, maps=False, bootstrap=0))


def from_stores_maps(folder: Path) -> np.ndarray:
    """Scores and maps, end to end from the stores."""
    return table(evaluate(*addresses(folder), metrics=METRICS, maps=True, bootstrap=0))


def addresses(folder: Path) -> list[Path]:
    """Return where forecasts, truth and climatology are."""
    return [folder / f"{name}.zarr" for name in ("forecast", "truth", "climatology")]


def table(scores: xr.Dataset) -> np.ndarray:
    """Return scores[metric, channel, lead], variables in the order of their names."""
    score = scores.score.isel(model=0, region=0).sel(metric=METRICS).sortby("variable")
    return score.transpose("metric", "channel", "lead_time").values


# ---------------------------------------------------------------------------------------------
# To be adapted if climbench.metrics gets a function that gives the three forms in one call.
# ---------------------------------------------------------------------------------------------
def crps(
    members: xr.DataArray, truth: xr.DataArray, forms: tuple[CrpsForm, ...] = ("ensemble",)
) -> np.ndarray:
    """CRPS of the empirical distribution [1, point]."""
    axis = members.get_axis_num("member")
    return np.stack(
        [ensemble.crps(members.values, truth.values, form=form, axis=axis) for form in forms]
    )


def three_crps(members: xr.DataArray, truth: xr.DataArray) -> np.ndarray:
    """CRPS of the empirical distribution, fair and almost fair CRPS [3, point]."""
    return crps(members, truth, ("ensemble", "fair", "almost_fair"))
