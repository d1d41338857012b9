"""The whole of an evaluation: predictions and truth in, scores out."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr

from climbench.errors import UserError, nearest
from climbench.evaluation.alignment import TimeConvention, align
from climbench.evaluation.bins import binned
from climbench.evaluation.channels import Channel, check_units, find_channels
from climbench.evaluation.distributed import accumulate_on
from climbench.evaluation.noise import draw_members, with_member_noise
from climbench.evaluation.scores import MAPS, Bootstrap, scores_dataset
from climbench.evaluation.source import Source, check_same_grid, content_hash, open_source
from climbench.evaluation.streaming import Data, accumulate
from climbench.evaluation.vectors import with_vectors
from climbench.grids import WEIGHTINGS, Weighting
from climbench.metrics import Metric, Regions, State, region_weights, shared_statistics
from climbench.metrics.conventions import (
    MISSING_RULES,
    MissingRule,
    chosen_metrics,
    record,
)
from climbench.metrics.conventions import (
    preset as preset_of,
)
from climbench.metrics.fields import Layout
from climbench.metrics.regions import region_labels

LARGEST_MAPS = 2 * 2**30  # bytes of sums per cell
MissingForecast = Literal["error", "skip"]


def evaluate(
    predictions: xr.Dataset | Path | str,
    truth: xr.Dataset | Path | str,
    climatology: xr.Dataset | Path | str | None = None,
    metrics: Sequence[str | Metric] | str = ("rmse", "bias"),
    preset: str = "wb2",
    weighting: Weighting | None = None,
    regions: Sequence[str] = ("global",),
    model: str | None = None,
    period: Sequence[Any] | None = None,
    time: TimeConvention | None = None,
    nan: MissingForecast = "error",
    missing: MissingRule | None = None,
    maps: bool = True,
    bins: str | None = None,
    bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    scheduler: str | None = None,
) -> xr.Dataset:
    """Score one model's predictions.

    Parameters
    ----------
    predictions
        Forecasts in the layout of WeatherBench 2 (``time`` the initial time,
        ``prediction_timedelta``, ``level``, ``latitude``, ``longitude``, for ensembles ``member``
        or ``number`` or ``realization``) or runs of scenarios (``scenario``, ``time``,
        ``latitude``, ``longitude``): a dataset, or the address of a Zarr group, a netCDF file or
        a folder of netCDF files. Dimensions in any order, cells in any order.
    truth
        The same variables along ``time`` (and ``scenario``), on the same grid, in the same unit.
        The mean over ``member`` is taken where there is one.
    climatology
        The same variables along ``dayofyear`` and ``hour``; for scores of anomalies and
        quantiles.
    metrics
        Labels such as ``rmse`` or ``brier(quantile=0.9)``, and families such as
        ``deterministic``; see ``climbench list metrics``.
    preset
        Whose definitions hold: ``wb2``, ``wbx``, ``wb1``, ``scores``, ``climatelearn``,
        ``climatebench``.
    weighting
        Weight of a cell, instead of the preset's: its ``area``, ``area_half_step``, ``cos`` of
        its latitude, or ``none``.
    regions
        See :func:`climbench.metrics.region_weights`. A truth with a ``land_sea_mask`` decides
        what is land.
    model
        Name in the scores; by default the predictions' attribute ``model``, else the file's name.
    period
        First and last initial time (or valid time, or year), both included; by default all.
    time
        Whether the dimension ``time`` of forecasts is the ``initial`` (default) or the ``valid``
        time. A dimension ``valid_time`` speaks for itself.
    nan
        What a value means that only the forecast lacks: an ``error``, or ``skip`` it.
    missing
        How samples with missing cells count, instead of the preset's rule: ``pooled`` or
        ``per_time``.
    maps
        Whether error maps of each channel are kept.
    bins
        ``season``, ``month``, ``hour`` or ``year`` of the sample: the scores of each as well, as
        ``score_by_<bins>``.
    bootstrap, confidence, seed
        Moving-block bootstrap over initial times: number of draws (0 for none), share between
        the bounds, seed.
    scheduler
        Address of a dask.distributed scheduler whose workers share the initial times; they must
        see the same files.

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
    _check_numbers(confidence, bootstrap, seed)
    regions = [regions] if isinstance(regions, str) else list(regions)
    if not regions:
        raise UserError("The option 'regions' is empty: name at least one, such as global.")
    _check_period(period)
    chosen_preset = preset_of(preset)
    weighting = _one_of("weighting", weighting or chosen_preset.weighting, WEIGHTINGS)
    missing = _one_of("missing", missing or chosen_preset.missing, MISSING_RULES)
    nan = _one_of("nan", nan, get_args(MissingForecast))
    forecasts, target = open_source(predictions, "predictions"), open_source(truth, "truth")
    forecasts, by = _by_time(forecasts, time)
    check_same_grid(forecasts, target)
    _check_members(forecasts)
    chosen = chosen_metrics(
        metrics, chosen_preset, climatology is not None, forecasts.dataset.sizes.get("member", 0)
    )
    climate = None
    if climatology is not None and any(metric.needs_climatology for metric in chosen):
        climate = open_source(climatology, "climatology")
        check_same_grid(forecasts, climate)
    single_truth = _mean_over_members(target)
    pairs = align(forecasts, single_truth, climate, period, by)
    channels = find_channels(forecasts, single_truth)
    if climate is not None:
        check_units(climate, channels, single_truth.label)
    _check_companions(chosen, climate, channels)
    data = Data(forecasts, single_truth, climate, pairs, channels, forecasts.layout)
    weights = Regions(_cell_weights(data.layout, target, regions, weighting))
    cell_statistics = [s for metric in chosen for s in metric.cell_statistics]
    cell_statistics += list(MAPS) if maps else []
    _check_size_of_maps(len(set(cell_statistics)), data)
    work = (data, weights, shared_statistics(chosen), cell_statistics)
    state = accumulate_on(scheduler, *work) if scheduler else accumulate(*work)
    if nan == "error":
        _refuse_missing(state, data)
    if not np.any(state.weight > 0):
        raise UserError(f"{forecasts.label} and {target.label} share no value that is not missing.")
    state, channels = with_vectors(state, channels, chosen)
    if missing == "per_time":
        state = replace(state, weight=(state.weight > 0).astype(np.float64))
    scores = scores_dataset(
        state,
        pairs,
        channels,
        chosen,
        region_labels(regions),
        model or _model_name(forecasts, predictions),
        maps,
        Bootstrap(bootstrap, confidence, seed),
    )
    if pairs.condition == "scenario" and target.dataset.sizes.get("member", 1) > 1:
        draw = Bootstrap(bootstrap, confidence, seed)
        single = [metric for metric in chosen if metric.curve is None]
        noise = draw_members(data, target, weights, single, draw)
        scores = with_member_noise(scores, noise, confidence)
    if bins is not None:
        scores[f"score_by_{bins}"] = binned(scores, bins)
    simulated = "true" in (forecasts.dataset.attrs.get("simulated"), _simulated(target))
    hashed = {
        "predictions_hash": content_hash(predictions),
        "truth_hash": content_hash(truth),
        "climatology_hash": content_hash(climatology) if climate is not None else "",
    }
    conventions = record(
        chosen,
        weighting,
        missing,
        nan,
        by if pairs.condition == "lead_time" else "year",
        period,
        hashed["climatology_hash"],
        data.members,
    )
    return scores.assign_attrs(
        task="forecasting" if pairs.condition == "lead_time" else "emulation",
        simulated="true" if simulated else "false",
        conventions=json.dumps(conventions, sort_keys=True),
        preset=preset,
        bootstrap=json.dumps({"confidence": confidence, "draws": bootstrap, "seed": seed}),
        **{key: json.dumps({scores["model"].item(): each}) for key, each in hashed.items()},
    )


def _check_numbers(confidence: Any, bootstrap: Any, seed: Any) -> None:
    if isinstance(confidence, bool | str) or not 0 < confidence < 1:
        raise UserError(f"The option 'confidence' must lie between 0 and 1, not be {confidence!r}.")
    for option, value in (("bootstrap", bootstrap), ("seed", seed)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise UserError(f"The option '{option}' must be 0 or a whole number, not {value!r}.")


def _check_members(forecasts: Source) -> None:
    if "member" in forecasts.dataset.indexes and not forecasts.dataset.indexes["member"].is_unique:
        raise UserError(f"{forecasts.label}: a member stands there more than once.")


def _check_period(period: Any) -> None:
    if period is not None and (isinstance(period, str) or np.size(period) != 2):
        raise UserError(f"The option 'period' must be [first, last], not {period!r}.")


def _one_of(option: str, value: Any, known: Sequence[Any]) -> Any:
    if value not in known:
        raise UserError(f"The option '{option}' cannot be '{value}': {nearest(str(value), known)}")
    return value


def _by_time(forecasts: Source, time: TimeConvention | None) -> tuple[Source, TimeConvention]:
    """Return forecasts along ``time``, and whether that is the initial or the valid time."""
    dataset = forecasts.dataset
    if "valid_time" in dataset.dims and "time" not in dataset.dims:
        dataset = dataset.drop_vars("time", errors="ignore").rename(valid_time="time")
        return replace(forecasts, dataset=dataset), "valid"
    return forecasts, _one_of("time", time or "initial", get_args(TimeConvention))


def _mean_over_members(truth: Source) -> Source:
    """Return the truth with the mean of its members: what emulators are scored on."""
    if "member" not in truth.dataset.dims:
        return truth
    exact = truth.dataset.astype(np.float64, keep_attrs=True)
    return replace(truth, dataset=exact.mean("member", skipna=False, keep_attrs=True))


def _cell_weights(
    layout: Layout, truth: Source, regions: Sequence[str], weighting: Weighting
) -> Any:
    """Return the weight of each cell in each region ``[cell, region]``, as the layout has them."""
    land = None
    if "land_sea_mask" in truth.dataset:
        mask = truth.dataset["land_sea_mask"].squeeze(drop=True)
        if set(mask.dims) == {"latitude", "longitude"}:
            slab = truth.read("land_sea_mask", layout, {})
            land = layout.fields(slab.values[0])
    weights = region_weights(layout.latitude, layout.longitude, regions, weighting, land=land)
    fields = weights.T.reshape(-1, layout.latitude.size, layout.longitude.size)
    return np.ascontiguousarray(layout.cells(fields).T)


def _check_companions(
    metrics: Sequence[Metric], climate: Source | None, channels: Sequence[Channel]
) -> None:
    """Refuse a metric whose further field of the climatology no variable has."""
    if climate is None:
        return
    for metric in metrics:
        for companion in (c for s in metric.statistics for c in s.companions):
            names = [f"{channel.variable}_{companion.suffix}" for channel in channels]
            if not any(name in climate.dataset for name in names):
                raise UserError(
                    f"{climate.label} has no '{names[0]}', which '{metric.label}' needs: build it "
                    "with `climbench climatology`."
                )


def _check_size_of_maps(statistics: int, data: Data) -> None:
    fields = len(data.pairs.conditions) * len(data.channels)
    size = fields * data.layout.size * 8 * (statistics + 1)
    if statistics and size > LARGEST_MAPS:
        raise UserError(
            f"Error maps of {fields} fields take {size / 2**30:.1f} GiB of memory: "
            "give maps=false, or score fewer channels or lead times at once."
        )


def _refuse_missing(state: State, data: Data) -> None:
    total = int(state.unexpected.sum())
    if total == 0:
        return
    condition, channel = divmod(int(state.unexpected.argmax()), len(data.channels))
    raise UserError(
        f"{data.predictions.label}: {total} values are missing where the truth has them, most of "
        f"them in '{data.channels[channel].name}' at {data.pairs.condition} "
        f"{data.pairs.conditions[condition]} ({int(state.unexpected.max())}); give nan=skip to "
        "leave them out."
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
