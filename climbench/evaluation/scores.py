"""The scores dataset, made from a state."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from climbench.evaluation.alignment import Pairs
from climbench.evaluation.channels import Channel
from climbench.evaluation.significance import (
    block_draws,
    block_length,
    interval,
    narrowness,
)
from climbench.metrics.averaging import ratio
from climbench.metrics.fields import Array
from climbench.metrics.metric import Metric, shared_statistics
from climbench.metrics.moments import Error, SquaredError
from climbench.metrics.state import State
from climbench.metrics.statistic import Statistic

MAPS: tuple[Statistic, ...] = (Error(), SquaredError())
DRAWS = 100  # at once: all of them would fill the memory of long archives
COMPONENT = "#"  # between a statistic's label and that of its component


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
    model: str,
    maps: bool,
    bootstrap: Bootstrap,
) -> xr.Dataset:
    """Return the scores of one model.

    Parameters
    ----------
    state
        All means and sums.
    pairs, channels, regions
        What the state's dimensions are.
    metrics
        What is scored.
    model
        Name of the model.
    maps
        Whether error maps are part of it.
    bootstrap
        How bounds are found; only forecasts have them.
    """
    dims = ("channel", "region", pairs.condition)
    single = [metric for metric in metrics if metric.curve is None]
    curves = [metric for metric in metrics if metric.curve is not None]
    forecasts = pairs.condition == "lead_time"
    lengths = np.zeros(len(single), dtype=np.int64)
    shape = (len(channels), len(regions), len(pairs.conditions))
    score = _stacked([_ordered(metric.score(state)) for metric in single], shape)
    lower, upper = np.full_like(score, np.nan), np.full_like(score, np.nan)
    if forecasts and len(state.samples) > 1 and bootstrap.draws > 0:
        for number, metric in enumerate(single):
            if not metric.needs_cells and np.isfinite(score[number]).any():
                lengths[number] = _block_length(metric, state)
                bounds = _bounds(metric, state, int(lengths[number]), bootstrap)
                lower[number], upper[number] = np.where(np.isfinite(score[number]), bounds, np.nan)
    labels, per_sample = _per_sample(state, single, shape)
    dataset = xr.Dataset(
        {
            "score": (("metric", *dims), score),
            "lower": (("metric", *dims), lower),
            "upper": (("metric", *dims), upper),
            "count": (dims, _ordered(np.count_nonzero(state.weight > 0, axis=0))),
            "missing": (("channel", pairs.condition), state.missing.T),
            "per_sample": (("statistic", *dims, "sample"), per_sample),
            "per_sample_weight": (
                (*dims, "sample"),
                _ordered(np.moveaxis(state.weight, 0, -1)),
            ),
            "block_length": ("metric", lengths),
        },
        coords={
            "metric": np.array([metric.label for metric in single], dtype=str),
            "orientation": ("metric", np.array([m.orientation for m in single], dtype=str)),
            "unit_power": ("metric", np.array([m.unit_power for m in single], dtype=np.int64)),
            "unit": ("metric", np.array([m.unit for m in single], dtype=str)),
            "channel": [channel.name for channel in channels],
            "variable": ("channel", [channel.variable for channel in channels]),
            "level": ("channel", [_number(channel.level) for channel in channels]),
            "units": ("channel", [channel.units for channel in channels]),
            "region": list(regions),
            pairs.condition: pairs.conditions,
            "statistic": np.array(labels, dtype=str),
            "sample": pairs.samples,
        },
    )
    for metric in curves:
        dataset = _with_curve(dataset, metric, state, dims)
    if maps:
        dataset = _with_maps(dataset, state, pairs.condition)
    return describe(dataset.expand_dims(model=[model]))


def _stacked(arrays: Sequence[Array], shape: tuple[int, ...]) -> Array:
    return np.stack(arrays) if arrays else np.empty((0, *shape))


def _per_sample(
    state: State, metrics: Sequence[Metric], shape: tuple[int, ...]
) -> tuple[list[str], Array]:
    """Return the labels of statistics and their means, components one by one."""
    labels, arrays = [], []
    for statistic in shared_statistics(metrics):
        means = np.moveaxis(state.means[statistic], 0, 3)  # condition, channel, region, sample
        names = statistic.components(state.layout, state.members)
        if not names:
            labels.append(statistic.label)
            arrays.append(_ordered(means))
        for number, name in enumerate(names):
            labels.append(_component(statistic, len(names), name))
            arrays.append(_ordered(means[..., number]))
    return labels, _stacked(arrays, (*shape, len(state.samples)))


def statistic_means(metric: Metric, per_sample: xr.DataArray) -> dict[Statistic, Array]:
    """Return what a scores dataset keeps of a metric's statistics, as ``resampled`` wants it.

    Parameters
    ----------
    metric
        What is scored.
    per_sample
        Means of each statistic ``[statistic, ..., sample]``.

    Returns
    -------
    dict
        For each statistic ``[sample, ...]``, with a last dimension ``component`` where it has
        several.
    """
    known = [str(label) for label in per_sample["statistic"].to_numpy()]
    values = np.moveaxis(per_sample.transpose("statistic", ..., "sample").to_numpy(), -1, 1)
    means = {}
    for statistic in metric.statistics:
        if statistic.label in known:
            means[statistic] = values[known.index(statistic.label)]
            continue
        own = [n for n, name in enumerate(known) if name.startswith(statistic.label + COMPONENT)]
        # Models of other ensemble sizes in the same file have other components: empty here.
        own = [n for n in own if np.isfinite(values[n]).any()] or own
        means[statistic] = np.moveaxis(values[own], 0, -1)
    return means


def _component(statistic: Statistic, number: int, name: str) -> str:
    """Return the label of one of a number of components, which ensembles of one size share."""
    return COMPONENT.join([statistic.label, str(number), name])


def _ordered(values: Any) -> Any:
    """Put ``[condition, channel, region, ...]`` into the order of the scores dataset."""
    return np.moveaxis(values, 0, 2)


def _number(level: float | None) -> float:
    return np.nan if level is None else level


def _block_length(metric: Metric, state: State) -> int:
    """Return how many samples of a metric's own series hang together."""
    with np.errstate(invalid="ignore"):
        return block_length(np.moveaxis(metric.quantities(state.means), 1, 0))


def _bounds(metric: Metric, state: State, length: int, bootstrap: Bootstrap) -> tuple[Array, Array]:
    """Return both bounds ``[channel, region, condition]``, one channel at a time for memory."""
    draws = block_draws(len(state.samples), length, bootstrap.draws, bootstrap.seed)
    stretch = narrowness(len(state.samples), length, bootstrap.confidence)
    bounds = []
    for channel in range(state.weight.shape[2]):
        own = {s: state.means[s][:, :, channel] for s in metric.statistics}
        weight = state.weight[:, :, channel]
        blocks = [
            metric.resampled(own, weight, few)
            for few in np.array_split(draws, -(-len(draws) // DRAWS))
        ]
        values = np.concatenate(blocks)
        found = np.clip(interval(values, bootstrap.confidence, stretch), *metric.limits)
        bounds.append([np.moveaxis(bound, 0, 1) for bound in found])
    lower, upper = zip(*bounds, strict=True)
    return np.stack(lower), np.stack(upper)


def _with_curve(
    dataset: xr.Dataset, metric: Metric, state: State, dims: tuple[str, ...]
) -> xr.Dataset:
    """Add a metric that has several values: its own variable along its own dimension."""
    name = str(metric.curve)
    coordinate = np.asarray(metric.coordinate(state.layout, state.members))
    if name in dataset.coords and not np.array_equal(dataset[name], coordinate):
        name = f"{name} of {metric.label}"
    values = np.moveaxis(_ordered(metric.score(state)), -1, 0)
    curve = xr.DataArray(values, dims=(name, *dims), coords={name: coordinate})
    curve.attrs.update(unit_power=metric.unit_power, orientation=metric.orientation)
    if metric.unit:
        curve.attrs["unit"] = metric.unit
    return dataset.assign({metric.label: curve})


def _with_maps(dataset: xr.Dataset, state: State, condition: str) -> xr.Dataset:
    """Add error maps, with latitude ascending and longitude in [0, 360)."""
    dims = ("channel", condition, "latitude", "longitude")
    shape = (*state.missing.T.shape, state.layout.size)
    maps = {name: np.empty(shape, dtype=np.float32) for name in ("map_bias", "map_rmse")}
    for channel in range(shape[0]):  # one at a time: all maps in float64 would be large
        for (name, values), statistic in zip(maps.items(), MAPS, strict=True):
            mean = ratio(state.cell_sums[statistic][:, channel], state.cell_count[:, channel])
            values[channel] = mean if name == "map_bias" else np.sqrt(mean)
    fields = xr.Dataset(
        {name: (dims, state.layout.fields(values)) for name, values in maps.items()},
        coords={"latitude": state.layout.latitude, "longitude": state.layout.longitude},
    )
    return dataset.assign(fields.sortby(["latitude", "longitude"]).data_vars)


def describe(dataset: xr.Dataset) -> xr.Dataset:
    """Give the variables of a scores dataset their long names and units."""
    long_names = {
        "score": "score, in the variable's units to the power unit_power",
        "lower": "lower bound of the score",
        "upper": "upper bound of the score",
        "count": "number of samples with a valid value",
        "missing": "values left out because forecast, truth or climatology was missing",
        "per_sample": "mean of each statistic over the cells of a region, per sample",
        "per_sample_weight": "sum of the weights of the valid cells, per sample",
        "block_length": "samples in a block of the bootstrap",
        "noise_floor": "score of a perfect emulator, given the finite ensemble behind the truth",
        "above_noise_floor": "score against the forced response: root of score^2 - noise_floor^2",
        "score_noise": "standard deviation of the score over draws of the truth's members",
        "member_draws": "score less its mean for each draw of the truth's members",
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
