"""Generated scores, laid out as ``climbench.evaluation`` writes them."""

import json
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import xarray as xr

WEATHER = ("persistence", "climatology", "linear_regression", "resnet", "vit")
CLIMATE = ("pattern_scaling", "resnet", "vit")
CHANNELS = {
    "geopotential_500": ("geopotential", 500.0, "m**2 s**-2", 700.0),
    "temperature_850": ("temperature", 850.0, "K", 3.0),
    "2m_temperature": ("2m_temperature", np.nan, "K", 2.4),
    "10m_u_component_of_wind": ("10m_u_component_of_wind", np.nan, "m s**-1", 3.5),
}
UNIT_POWER = {"rmse": 1, "bias": 1, "mse": 2}
ORIENTATION = {"bias": "zero", "acc": "higher"}


def _dataset(
    dims: dict[str, Sequence],
    score: np.ndarray,
    channels: dict[str, tuple[str, float, str, float]],
    width: np.ndarray,
) -> xr.Dataset:
    names = tuple(dims)
    metric = [str(m) for m in dims["metric"]]
    count = np.full([len(dims[n]) for n in names if n != "metric"], 1460)
    return xr.Dataset(
        {
            "score": (names, score),
            "lower": (names, score - width),
            "upper": (names, score + width),
            "count": (tuple(n for n in names if n != "metric"), count),
        },
        coords=dims
        | {
            "variable": ("channel", [c[0] for c in channels.values()]),
            "level": ("channel", [c[1] for c in channels.values()]),
            "units": ("channel", [c[2] for c in channels.values()]),
            "unit_power": ("metric", [UNIT_POWER.get(m, 0) for m in metric]),
            "orientation": ("metric", [ORIENTATION.get(m, "lower") for m in metric]),
        },
        attrs={
            "conventions": json.dumps({"weighting": "area", "root": "after time mean"}),
            "task": "forecasting" if "lead_time" in dims else "emulation",
            "simulated": "true",
            "predictions_hash": json.dumps({str(m): "ab" * 32 for m in dims["model"]}),
            "truth_hash": "cd" * 32,
            "climatology_hash": "ef" * 32,
        },
    )


def _maps(scores: xr.Dataset, latitude: np.ndarray, longitude: np.ndarray) -> xr.Dataset:
    """Add maps with storm tracks, and a bias that changes sign across the globe."""
    axis = "lead_time" if "lead_time" in scores.dims else "scenario"
    lat, lon = np.meshgrid(np.deg2rad(latitude), np.deg2rad(longitude), indexing="ij")
    tracks = 0.4 + np.sin(2 * lat) ** 2 * (1.2 + np.cos(2 * lon + lat))
    waves = np.sin(3 * lon) * np.cos(lat) + 0.5 * np.sin(2 * lat)
    error = scores["score"].isel(region=0, metric=0, drop=True).fillna(0)
    field = xr.DataArray(tracks, {"latitude": latitude, "longitude": longitude})
    wave = xr.DataArray(waves, {"latitude": latitude, "longitude": longitude})
    dims = ("model", "channel", axis, "latitude", "longitude")
    scores["map_rmse"] = (error * field).transpose(*dims).astype("float32")
    scores["map_bias"] = (0.3 * error * wave).transpose(*dims).astype("float32")
    return scores


def _forecasting(
    models: Sequence[str] = WEATHER,
    leads: Sequence[float] = (6.0, 24.0, 48.0, 72.0, 96.0, 120.0),
    latitude: np.ndarray | None = None,
    longitude: np.ndarray | None = None,
    regions: Sequence[str] = ("global",),
) -> xr.Dataset:
    """Return scores in which later models are better, persistence fails and some are missing."""
    lead = np.asarray(leads, dtype=float)
    rise = 1 - np.exp(-lead / 60)
    known = {"persistence": 1.25 * rise, "climatology": 0.9 + 0 * lead}
    shape = {
        name: known.get(name, (0.8 - 0.6 * position / len(models)) * rise)
        for position, name in enumerate(models)
    }
    metrics = ["rmse", "bias", "acc"]
    size = np.array([c[3] for c in CHANNELS.values()])
    score = np.empty((len(models), 3, len(CHANNELS), len(regions), len(lead)))
    for position, name in enumerate(models):
        error = shape[name]
        for place in range(len(regions)):
            score[position, 0, :, place] = size[:, None] * error * (1 + 0.2 * place)
            score[position, 1, :, place] = 0.1 * size[:, None] * error * (-1) ** position
            score[position, 2, :, place] = 1 - error**2 / 1.7
    width = 0.03 * np.abs(score)
    if "climatology" in models:
        score[list(models).index("climatology"), 2] = np.nan  # its anomaly is zero
    score[-1, :, -1] = np.nan  # the last model lacks the last channel
    dims = {
        "model": list(models),
        "metric": metrics,
        "channel": list(CHANNELS),
        "region": list(regions),
        "lead_time": lead,
    }
    scores = _dataset(dims, score, CHANNELS, width)
    scores["lead_time"].attrs["units"] = "hours"
    lat = np.linspace(-87.1875, 87.1875, 32) if latitude is None else latitude
    lon = np.arange(64) * 5.625 if longitude is None else longitude
    return _maps(scores, lat, lon)


def _emulation(
    models: Sequence[str] = CLIMATE, scenarios: Sequence[str] = ("ssp245",)
) -> xr.Dataset:
    """Return scores in which pattern scaling wins, as it often does."""
    channels = {
        "tas": ("tas", np.nan, "K", 1.0),
        "pr": ("pr", np.nan, "kg m**-2 s**-1", 2.0),
    }
    metrics = ["nrmse_spatial", "nrmse_global", "nrmse_total", "rmse", "bias"]
    base = np.array([0.10, 0.02, 0.20, 0.4, 0.05])
    score = np.empty((len(models), 5, 2, 1, len(scenarios)))
    for position in range(len(models)):
        for place in range(len(scenarios)):
            factor = (1 + 0.4 * position) * (1 + 0.3 * place)
            score[position, :, :, 0, place] = base[:, None] * factor * np.array([1.0, 2.0])
    dims = {
        "model": list(models),
        "metric": metrics,
        "channel": list(channels),
        "region": ["global"],
        "scenario": list(scenarios),
    }
    scores = _dataset(dims, score, channels, np.full(score.shape, np.nan))
    return _maps(scores, np.linspace(-88.75, 88.75, 72), np.arange(144) * 2.5)


@pytest.fixture
def forecasting() -> Callable[..., xr.Dataset]:
    """Maker of forecasting scores."""
    return _forecasting


@pytest.fixture
def emulation() -> Callable[..., xr.Dataset]:
    """Maker of emulation scores."""
    return _emulation
