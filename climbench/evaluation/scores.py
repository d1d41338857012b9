"""The scores dataset, made from a state."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from climbench.evaluation.alignment import Channel, Pairs
from climbench.evaluation.significance import block_draws, block_length, interval
from climbench.evaluation.source import Source
from climbench.metrics.metric import Metric
from climbench.metrics.state import State
from climbench.metrics.statistic import Array, Error, SquaredError


@dataclass(frozen=True)
class Bootstrap:
    """How the bounds of a score are found: number of draws, share between the bounds, seed."""

    draws: int = 1000
    confidence: float = 0.95
    seed: int = 0


def scores_dataset(
    state: State,
    pairs: Pairs,
    channels: Sequence[Channel],
    metrics: Sequence[Metric],
    regions: Sequence[str],
    grid: Source,
    model: str,
    maps: bool,
    bootstrap: Bootstrap,
) -> xr.Dataset:
    """Return the scores of one model.

    Parameters
    ----------
    state
        All sums.
    pairs, channels, regions
        What the state's dimensions are.
    metrics
        What is scored.
    grid
        The cells.
    model
        Name of the model.
    maps
        Whether error maps are part of it.
    bootstrap
        How bounds are found; only forecasts have them.
    """
    dims = ("channel", "region", pairs.condition)
    forecasts = pairs.condition == "lead_time"
    length = _block_length(state) if forecasts else 0
    score = np.stack([_ordered(metric.score(state)) for metric in metrics])
    lower, upper = np.full_like(score, np.nan), np.full_like(score, np.nan)
    if forecasts and len(state.samples) > 1 and bootstrap.draws > 0:
        draws = block_draws(len(state.samples), length, bootstrap.draws, bootstrap.seed)
        for number, metric in enumerate(metrics):
            if not metric.needs_cells:
                lower[number], upper[number] = _bounds(metric, state, draws, bootstrap.confidence)
    means = state.means()
    dataset = xr.Dataset(
        {
            "score": (("metric", *dims), score),
            "lower": (("metric", *dims), lower),
            "upper": (("metric", *dims), upper),
            "count": (dims, _ordered(np.count_nonzero(state.weight > 0, axis=0))),
            "missing": (("channel", pairs.condition), state.missing.T),
            "per_sample": (
                ("statistic", *dims, "sample"),
                np.stack([_ordered(np.moveaxis(mean, 0, -1)) for mean in means.values()]),
            ),
            "per_sample_weight": (
                (*dims, "sample"),
                _ordered(np.moveaxis(state.weight, 0, -1)),
            ),
            "block_length": ((), length),
        },
        coords=_coordinates(state, pairs, channels, metrics, regions),
    )
    if maps:
        dataset = dataset.assign(_maps(state, pairs.condition, grid))
        dataset = dataset.assign_coords(latitude=grid.latitude, longitude=grid.longitude)
    return describe(dataset.expand_dims(model=[model]))


def _coordinates(
    state: State,
    pairs: Pairs,
    channels: Sequence[Channel],
    metrics: Sequence[Metric],
    regions: Sequence[str],
) -> dict[str, Any]:
    return {
        "metric": [metric.name for metric in metrics],
        "orientation": ("metric", [metric.orientation for metric in metrics]),
        "unit_power": ("metric", [metric.unit_power for metric in metrics]),
        "channel": [channel.name for channel in channels],
        "variable": ("channel", [channel.variable for channel in channels]),
        "level": ("channel", [_number(channel.level) for channel in channels]),
        "units": ("channel", [channel.units for channel in channels]),
        "region": list(regions),
        pairs.condition: pairs.conditions,
        "statistic": [statistic.name for statistic in state.sums],
        "sample": pairs.samples,
    }


def _ordered(values: Any) -> Any:
    """Put ``[condition, channel, region, ...]`` into the order of the scores dataset."""
    return np.moveaxis(values, 0, 2)


def _number(level: float | None) -> float:
    return np.nan if level is None else level


def _block_length(state: State) -> int:
    return block_length(next(iter(state.means().values())))


def _bounds(metric: Metric, state: State, draws: Array, confidence: float) -> tuple[Array, Array]:
    """Return both bounds ``[channel, region, condition]``, one channel at a time for memory."""
    means = state.means()
    bounds = []
    for channel in range(state.weight.shape[2]):
        own = {statistic: mean[:, :, channel] for statistic, mean in means.items()}
        values = metric.resampled(own, state.weight[:, :, channel], draws)
        bounds.append([np.moveaxis(bound, 0, 1) for bound in interval(values, confidence)])
    lower, upper = zip(*bounds, strict=True)
    return np.stack(lower), np.stack(upper)


def _maps(state: State, condition: str, grid: Source) -> dict[str, Any]:
    dims = ("channel", condition, "latitude", "longitude")
    shape = (*state.missing.T.shape, grid.latitude.size, grid.longitude.size)
    fields = {
        "map_rmse": np.sqrt(state.cell_mean(SquaredError())),
        "map_bias": state.cell_mean(Error()),
    }
    return {
        name: (dims, np.swapaxes(values, 0, 1).reshape(shape).astype(np.float32))
        for name, values in fields.items()
    }


def describe(dataset: xr.Dataset) -> xr.Dataset:
    """Give the variables of a scores dataset their long names and units."""
    long_names = {
        "score": "score, in the variable's units to the power unit_power",
        "lower": "lower bound of the score (moving-block bootstrap over samples)",
        "upper": "upper bound of the score (moving-block bootstrap over samples)",
        "count": "number of samples with a valid value",
        "missing": "values left out because forecast, truth or climatology was missing",
        "per_sample": "mean of each statistic over the cells of a region, per sample",
        "per_sample_weight": "sum of the weights of the valid cells, per sample",
        "block_length": "samples in a block of the bootstrap",
        "map_rmse": "root mean squared error of each cell",
        "map_bias": "mean error of each cell",
        "level": "pressure in hPa, missing at the surface",
        "sample": "initial time of a forecast, or year",
    }
    for name, text in long_names.items():
        if name in dataset.variables:
            dataset[name].attrs["long_name"] = text
    if "lead_time" in dataset.coords:
        dataset["lead_time"].attrs.update(units="hours", long_name="valid minus initial time")
    return dataset
