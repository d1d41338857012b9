"""The whole of an evaluation: predictions and truth in, scores out."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr

from climbench.errors import UserError, nearest
from climbench.evaluation.alignment import align, without_truth
from climbench.evaluation.bands import with_bands
from climbench.evaluation.bins import binned
from climbench.evaluation.channels import check_units, find_channels, units_assumed
from climbench.evaluation.distributed import accumulate_on
from climbench.evaluation.land import LandMask
from climbench.evaluation.noise import draw_members, with_member_noise
from climbench.evaluation.obstacles import obstacle
from climbench.evaluation.references import with_references
from climbench.evaluation.rules import FEWEST_DRAWS, MOST_DRAWS
from climbench.evaluation.scores import MAPS, Bootstrap, scores_dataset
from climbench.evaluation.source import Source, check_same_grid, content_hash, open_source
from climbench.evaluation.streaming import Data, accumulate
from climbench.evaluation.times import TimeConvention, by_time
from climbench.evaluation.truth_members import (
    mean_over_members,
    members_of_truth,
    scan_truth,
    which_truth,
    without_bounds,
)
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
from climbench.metrics.statistic import Statistic
from climbench.metrics.vector import WindVectorError

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
        Where it has a dimension ``member``, deterministic scores are against the mean over it, and
        those of ensembles against each member, averaged.
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
        See :func:`climbench.metrics.region_weights`. A truth, else a climatology, with a
        ``land_sea_mask`` (or ``lsm``) that does not change in time decides what is land.
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
        Moving-block bootstrap over initial times: number of draws (at least 100, or 0 for none),
        share between the bounds, seed.
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
    regions = _names_of_regions(regions)
    _check_period(period)
    chosen_preset = preset_of(preset)
    weighting = _one_of("weighting", weighting or chosen_preset.weighting, WEIGHTINGS)
    missing = _one_of("missing", missing or chosen_preset.missing, MISSING_RULES)
    maps = _one_of("maps", maps, (True, False))
    nan = _one_of("nan", nan, get_args(MissingForecast))
    forecasts, target = open_source(predictions, "predictions"), open_source(truth, "truth")
    forecasts, by = by_time(
        forecasts, time if time is None else _one_of("time", time, get_args(TimeConvention))
    )
    if time is not None and "prediction_timedelta" not in forecasts.dataset.dims:
        raise UserError(f"{forecasts.label} has no lead times: the option 'time' is for forecasts.")
    check_same_grid(forecasts, target)
    _check_members(forecasts)
    reference = None if climatology is None else open_source(climatology, "climatology")
    if reference is not None:
        check_same_grid(forecasts, reference)
    single_truth = mean_over_members(target)
    channels = find_channels(forecasts, single_truth)
    chosen = chosen_metrics(
        metrics,
        chosen_preset,
        reference is not None,
        forecasts.dataset.sizes.get("member", 0),
        lambda metric: (
            not obstacle(metric, channels, reference)
            and (maps or _affordable(metric, forecasts, len(channels)))
        ),
    )
    for metric in chosen:
        if sentence := obstacle(metric, channels, reference):
            raise UserError(sentence)
    climate = reference if any(metric.needs_climatology for metric in chosen) else None
    pairs = align(forecasts, single_truth, climate, period, by)
    if climate is not None:
        check_units(climate, channels, single_truth.label)
    data = Data(forecasts, single_truth, climate, pairs, channels, forecasts.layout)
    masks = {"truth": target, "climatology": reference}
    land = LandMask.of(masks, data.layout, chosen_preset.land, regions)
    weights = Regions(_cell_weights(data.layout, land, regions, weighting))
    cell_statistics = [s for metric in chosen for s in metric.cell_statistics]
    cell_statistics += list(MAPS) if maps else []
    _check_size_of_maps(len(set(cell_statistics)), data)

    def scan(part: Data, statistics: Sequence[Statistic]) -> State:
        work = (part, weights, statistics, cell_statistics if part is data else ())
        return accumulate_on(scheduler, *work) if scheduler else accumulate(*work)

    state = scan_truth(data, target, shared_statistics(chosen), scan)
    if nan == "error":
        _refuse_missing(state, data)
    if not np.any(state.weight > 0):
        raise UserError(f"{forecasts.label} and {target.label} share no value that is not missing.")
    state, channels = with_vectors(state, channels, chosen, _names(metrics, WindVectorError))
    state, channels = with_bands(state, channels, chosen)
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
    if pairs.condition == "scenario" and members_of_truth(target) > 1:
        draw = Bootstrap(bootstrap, confidence, seed)
        single = [metric for metric in chosen if metric.curve is None]
        noise = draw_members(data, target, weights, single, draw)
        scores = with_member_noise(scores, noise, confidence)
    if pairs.condition == "scenario":
        scores = with_references(scores, data, target, weights)
    if bins is not None:
        scores[f"score_by_{bins}"] = binned(scores, bins)
    simulated = "true" in (forecasts.dataset.attrs.get("simulated"), _simulated(target))
    hashed: dict[str, Any] = {
        "predictions_hash": content_hash(predictions),
        "truth_hash": content_hash(truth),
        "climatology_hash": content_hash(climatology) if climate is not None else "",
    }
    conventions = record(
        chosen,
        weighting,
        missing,
        nan,
        land.record(regions),
        by if pairs.condition == "lead_time" else "year",
        period,
        hashed["climatology_hash"],
        data.members,
    )
    conventions["truth"], notes = which_truth(target, chosen, data.members)
    if pairs.condition == "scenario" and bootstrap:
        notes += without_bounds(target, chosen, data.members)
    hashed["notes"] = notes + units_assumed(forecasts, target, data.channels)
    return scores.assign_attrs(
        samples_without_truth=json.dumps({scores["model"].item(): without_truth(pairs)}),
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
    if bootstrap > MOST_DRAWS:
        raise UserError(f"The option 'bootstrap' must be at most {MOST_DRAWS}, not {bootstrap}.")
    if 0 < bootstrap < FEWEST_DRAWS:
        raise UserError(
            f"The option 'bootstrap' must be at least {FEWEST_DRAWS}, or 0 for no bounds, not "
            f"{bootstrap}."
        )


def _names_of_regions(regions: Any) -> list[str]:
    listed = [regions] if isinstance(regions, str) else regions
    if not isinstance(listed, Sequence) or not all(isinstance(name, str) for name in listed):
        raise UserError(f"The option 'regions' must be a list of names, not {regions!r}.")
    if not listed:
        raise UserError("The option 'regions' is empty: name at least one, such as global.")
    return list(listed)


def _check_members(forecasts: Source) -> None:
    if "member" in forecasts.dataset.indexes and not forecasts.dataset.indexes["member"].is_unique:
        raise UserError(f"{forecasts.label}: a member stands there more than once.")


def _check_period(period: Any) -> None:
    if period is not None and (isinstance(period, str) or np.size(period) != 2):
        raise UserError(f"The option 'period' must be [first, last], not {period!r}.")


def _one_of(option: str, value: Any, known: Sequence[Any]) -> Any:
    if not isinstance(value, type(known[0])) or value not in known:
        names = [str(name).lower() for name in known]
        raise UserError(f"The option '{option}' cannot be '{value}': {nearest(str(value), names)}")
    return value


def _cell_weights(
    layout: Layout, land: LandMask, regions: Sequence[str], weighting: Weighting
) -> Any:
    """Return the weight of each cell in each region ``[cell, region]``, as the layout has them."""
    weights = region_weights(
        layout.latitude, layout.longitude, regions, weighting, land.share, land.rule
    )
    fields = weights.T.reshape(-1, layout.latitude.size, layout.longitude.size)
    return np.ascontiguousarray(layout.cells(fields).T)


def _names(metrics: Sequence[str | Metric] | str | Metric, kind: type[Metric]) -> bool:
    """Tell whether an option names a metric itself, not only its family."""
    listed = [metrics] if isinstance(metrics, str | Metric) else metrics
    return any(isinstance(each, kind) or str(each).startswith(kind.name) for each in listed)


def _affordable(metric: Metric, forecasts: Source, channels: int) -> bool:
    """Tell whether the sums per cell of a metric that nobody named, without maps, are small."""
    sizes = forecasts.dataset.sizes
    fields = channels * sizes.get("prediction_timedelta", sizes.get("scenario", 1))
    return _bytes_of_maps(len(metric.cell_statistics), fields, forecasts.layout) <= LARGEST_MAPS


def _bytes_of_maps(statistics: int, fields: int, layout: Layout) -> int:
    return fields * layout.size * 8 * (statistics + 1) if statistics else 0


def _check_size_of_maps(statistics: int, data: Data) -> None:
    fields = len(data.pairs.conditions) * len(data.channels)
    size = _bytes_of_maps(statistics, fields, data.layout)
    if size > LARGEST_MAPS:
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
