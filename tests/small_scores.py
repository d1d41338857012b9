"""Scores datasets of small invented forecasts, without running an evaluation."""

import json

import numpy as np
import pandas as pd
import xarray as xr

from climbench.metrics import get_metric

METRICS = ("rmse", "mae", "bias")
CHANNELS = {"2m_temperature": None, "geopotential_500": 500.0, "geopotential_850": 850.0}
UNITS = {"2m_temperature": "K", "geopotential": "m2 s-2"}


def red_noise(shape, correlation=0.0, seed=0):
    """Standard normal numbers whose neighbours along the first axis are correlated."""
    noise = np.random.default_rng(seed).normal(size=shape)
    for step in range(1, len(noise)):
        noise[step] *= np.sqrt(1 - correlation**2)
        noise[step] += correlation * noise[step - 1]
    return noise


def forecast_scores(model, errors, leads=(24.0,), regions=("global",), step_hours=24):
    """Scores of a model from the errors ``[sample, channel, lead, region]`` of one cell each.

    With fewer dimensions, the errors are those of every channel, lead time and region.
    """
    errors = np.asarray(errors, dtype=np.float64)
    shape = (len(errors), len(CHANNELS), len(leads), len(regions))
    errors = np.broadcast_to(errors.reshape(errors.shape + (1,) * (4 - errors.ndim)), shape)
    means = {"rmse": errors**2, "mae": np.abs(errors), "bias": errors}
    first = pd.Timestamp("2020-01-01")
    samples = [first + pd.Timedelta(hours=step_hours * n) for n in range(len(errors))]
    average = {metric: values.mean(axis=0) for metric, values in means.items()}
    scores = {**average, "rmse": np.sqrt(average["rmse"])}
    return dataset(
        model,
        "forecasting",
        {metric: np.swapaxes(scores[metric], 1, 2) for metric in METRICS},
        {metric: np.moveaxis(values, (0, 2), (-1, -2)) for metric, values in means.items()},
        {"lead_time": list(leads), "sample": samples, "region": list(regions)},
    )


def scenario_scores(model, score, noise=None, scenarios=("ssp126", "ssp245")):
    """Scores of an emulator: one number for each channel and scenario, perhaps with its noise."""
    values = np.broadcast_to(score, (len(CHANNELS), 1, len(scenarios)))
    years = [2080, 2081]
    scores = dataset(
        model,
        "emulation",
        {"rmse": values},
        {"rmse": np.repeat(values[..., np.newaxis] ** 2, 2, axis=-1)},
        {"scenario": list(scenarios), "sample": years, "region": ["global"]},
    )
    if noise is not None:
        scores["score_noise"] = scores["score"] * 0 + noise
    return scores


def dataset(model, task, scores, means, coordinates):
    """A scores dataset from scores ``[channel, region, condition]`` and means ``[..., sample]``."""
    condition = "lead_time" if task == "forecasting" else "scenario"
    dims = ("channel", "region", condition)
    found = {name: get_metric(name) for name in scores}
    statistics = {name: metric.statistics[0].label for name, metric in found.items()}
    weight = np.ones_like(next(iter(means.values())))
    stacked = np.stack(list(scores.values()))
    names = [
        channel.rpartition("_")[0] if level else channel for channel, level in CHANNELS.items()
    ]
    data = xr.Dataset(
        {
            "score": (("metric", *dims), stacked),
            "lower": (("metric", *dims), stacked * np.nan),
            "upper": (("metric", *dims), stacked * np.nan),
            "count": (dims, weight.sum(axis=-1).astype(int)),
            "per_sample": (("statistic", *dims, "sample"), np.stack(list(means.values()))),
            "per_sample_weight": ((*dims, "sample"), weight),
        },
        {
            "metric": list(scores),
            "orientation": ("metric", [metric.orientation for metric in found.values()]),
            "unit_power": ("metric", [metric.unit_power for metric in found.values()]),
            "channel": list(CHANNELS),
            "variable": ("channel", names),
            "level": ("channel", [level or np.nan for level in CHANNELS.values()]),
            "units": ("channel", [UNITS[name] for name in names]),
            "statistic": list(statistics.values()),
            **coordinates,
        },
    )
    return data.expand_dims(model=[model]).assign_attrs(
        task=task,
        simulated="true",
        conventions=json.dumps({"weights": "area"}),
        bootstrap=json.dumps({"confidence": 0.95, "draws": 0, "seed": 0}),
        predictions_hash=json.dumps({model: model}),
        truth_hash=json.dumps({model: "truth"}),
        climatology_hash=json.dumps({model: ""}),
    )
