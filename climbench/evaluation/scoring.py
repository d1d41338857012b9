"""The whole of an evaluation: predictions and truth in, scores out."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import xarray as xr

from climbench.errors import UserError
from climbench.evaluation.alignment import Channel, Pairs, align, find_channels
from climbench.evaluation.scores import Bootstrap, scores_dataset
from climbench.evaluation.source import Source, check_same_grid, content_hash, open_source
from climbench.evaluation.streaming import accumulate
from climbench.grids import Weighting
from climbench.metrics import Metric, State, get_metric, region_weights, shared_statistics

LARGEST_MAPS = 2 * 2**30  # bytes of sums per cell


def evaluate(
    predictions: xr.Dataset | Path | str,
    truth: xr.Dataset | Path | str,
    climatology: xr.Dataset | Path | str | None = None,
    metrics: Sequence[str | Metric] = ("rmse", "bias"),
    weighting: Weighting = "area",
    regions: Sequence[str] = ("global",),
    model: str | None = None,
    period: Sequence[Any] | None = None,
    nan: Literal["error", "skip"] = "error",
    maps: bool = True,
    draws: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Score one model's predictions.

    Parameters
    ----------
    predictions
        Forecasts in the layout of WeatherBench 2 (``time`` the initial time,
        ``prediction_timedelta``, ``level``, ``latitude``, ``longitude``) or runs of scenarios
        (``scenario``, ``time``, ``latitude``, ``longitude``): a dataset, or the address of a
        Zarr group or netCDF file.
    truth
        The same variables along ``time`` (and ``scenario``), on the same grid, in the same unit.
    climatology
        The same variables along ``dayofyear`` and ``hour``; for ``acc``.
    metrics
        Names in ``climbench.metrics.metric_names()``, or metrics.
    weighting
        Weight of a cell: its ``area``, ``cos`` of its latitude, or ``none``.
    regions
        Names in ``climbench.metrics.REGIONS``.
    model
        Name in the scores; by default the predictions' attribute ``model``, else the file's name.
    period
        First and last initial time or year, both included; by default all.
    nan
        What a value means that only the forecast lacks: an ``error``, or ``skip`` it.
    maps
        Whether error maps of each channel are kept.
    draws, confidence, seed
        Moving-block bootstrap over initial times: number of draws (0 for none), share between
        the bounds, seed.

    Returns
    -------
    xarray.Dataset
        ``score[model, metric, channel, region, lead_time | scenario]`` with ``lower``,
        ``upper``, ``count``, maps, and the means of each sample that they were made from.

    Raises
    ------
    UserError
        If something does not fit; the sentence says what.
    """
    chosen = _chosen_metrics(metrics, climatology)
    if not 0 < confidence < 1 or draws < 0:
        raise UserError(
            f"confidence = {confidence} and draws = {draws}: the first must lie between 0 and 1, "
            "the second must not be negative."
        )
    anomalies = any(metric.needs_climatology for metric in chosen)
    forecasts, target = open_source(predictions, "predictions"), open_source(truth, "truth")
    check_same_grid(forecasts, target)
    climate = None
    if anomalies and climatology is not None:
        climate = open_source(climatology, "climatology")
        check_same_grid(forecasts, climate)
    pairs = align(forecasts, target, climate, period)
    channels = find_channels(forecasts, target)
    cells = maps or any(metric.needs_cells for metric in chosen)
    _check_size_of_maps(cells, pairs, channels, forecasts)
    weights = region_weights(forecasts.latitude, forecasts.longitude, regions, weighting)
    state = accumulate(
        forecasts, target, climate, pairs, channels, shared_statistics(chosen), weights, cells
    )
    if nan == "error":
        _refuse_missing(state, pairs, channels, forecasts)
    name = model or _model_name(forecasts, predictions)
    scores = scores_dataset(
        state,
        pairs,
        channels,
        chosen,
        regions,
        forecasts,
        name,
        maps,
        Bootstrap(draws, confidence, seed),
    )
    simulated = "true" in (forecasts.dataset.attrs.get("simulated"), _simulated(target))
    hashed = {
        "predictions_hash": content_hash(predictions),
        "truth_hash": content_hash(truth),
        "climatology_hash": content_hash(climatology) if climate is not None else "",
    }
    return scores.assign_attrs(
        task="forecasting" if pairs.condition == "lead_time" else "emulation",
        simulated="true" if simulated else "false",
        conventions=_conventions(weighting, nan, pairs, period, hashed["climatology_hash"]),
        bootstrap=json.dumps({"confidence": confidence, "draws": draws, "seed": seed}),
        **{key: json.dumps({name: identity}) for key, identity in hashed.items()},
    )


def _conventions(
    weighting: str, nan: str, pairs: Pairs, period: Sequence[Any] | None, climatology: str
) -> str:
    """Return the record that says what the numbers are; only equal records are compared."""
    record = {
        "weights": weighting,
        "root": "after the mean over samples",
        "acc": "uncentred, mean of each time's correlation",
        "nan": "cells missing in forecast, truth or climatology have weight zero; pooled",
        "missing_forecast": nan,
        "time": "initial" if pairs.condition == "lead_time" else "year",
        "period": None if period is None else [str(bound) for bound in period],
        "climatology": climatology,
    }
    return json.dumps(record, sort_keys=True)


def _chosen_metrics(metrics: Sequence[str | Metric], climatology: Any) -> list[Metric]:
    chosen = [get_metric(metric) for metric in dict.fromkeys(metrics)]
    if not chosen:
        raise UserError("The option 'metrics' is empty: name at least one, such as rmse.")
    for metric in chosen:
        if metric.needs_climatology and climatology is None:
            raise UserError(f"The metric '{metric.name}' needs the option 'climatology'.")
    return chosen


def _check_size_of_maps(
    cells: bool, pairs: Pairs, channels: Sequence[Channel], grid: Source
) -> None:
    fields = len(pairs.conditions) * len(channels)
    size = fields * grid.latitude.size * grid.longitude.size * 24  # three sums of 8 bytes
    if cells and size > LARGEST_MAPS:
        raise UserError(
            f"Error maps of {fields} fields take {size / 2**30:.1f} GiB of memory: "
            "give maps=false, or score fewer channels or lead times at once."
        )


def _refuse_missing(
    state: State, pairs: Pairs, channels: Sequence[Channel], predictions: Source
) -> None:
    total = int(state.unexpected.sum())
    if total == 0:
        return
    condition, channel = divmod(int(state.unexpected.argmax()), len(channels))
    raise UserError(
        f"{predictions.label}: {total} values are missing where the truth has them, most of them "
        f"in '{channels[channel].name}' at {pairs.condition} {pairs.conditions[condition]} "
        f"({int(state.unexpected.max())}); give nan=skip to leave them out."
    )


def _model_name(predictions: Source, given: xr.Dataset | Path | str) -> str:
    name = predictions.dataset.attrs.get("model")
    if not name and not isinstance(given, xr.Dataset):
        name = Path(given).stem
    if not name:
        raise UserError(
            f"{predictions.label} has no attribute 'model': give the option 'model', a name."
        )
    return str(name)


def _simulated(truth: Source) -> str:
    return str(truth.dataset.attrs.get("simulated", "false"))
