"""The whole of an evaluation: predictions and truth in, scores out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr

from climbench.errors import UserError
from climbench.evaluation.alignment import align, without_truth
from climbench.evaluation.angles import scored_as_numbers, without_other_units
from climbench.evaluation.bands import with_bands
from climbench.evaluation.bins import binned
from climbench.evaluation.channels import check_units, find_channels, narrowed, units_assumed
from climbench.evaluation.column_data import is_columns
from climbench.evaluation.columns import evaluate_columns, refuse_for_columns
from climbench.evaluation.distributed import accumulate_on
from climbench.evaluation.expected import without_members
from climbench.evaluation.extremes import Extremes, extremes_record, with_extremes
from climbench.evaluation.land import LandMask
from climbench.evaluation.noise import draw_members, with_member_noise
from climbench.evaluation.obstacles import obstacle
from climbench.evaluation.options import (
    check_members,
    check_numbers,
    check_period,
    check_regions_of_stations,
    names_of_regions,
    one_of,
)
from climbench.evaluation.references import with_references
from climbench.evaluation.same_stations import at_the_same_stations, names_of_stations
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
    at_stations,
    chosen_metrics,
    record,
    with_ensemble_metrics,
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
    ensemble_metrics: Sequence[str | Metric] | str = (),
    preset: str = "wb2",
    weighting: Weighting | None = None,
    regions: Sequence[str] = ("global",),
    model: str | None = None,
    variables: Sequence[str] | str | None = None,
    levels: Sequence[float] | float | None = None,
    period: Sequence[Any] | None = None,
    time: TimeConvention | None = None,
    nan: MissingForecast = "error",
    missing: MissingRule | None = None,
    maps: bool = True,
    bins: str | None = None,
    extremes: Mapping[str, Any] | None = None,
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
        ``latitude``, ``longitude``) or columns of physics (``time``, ``ncol``, ``lev``; see
        :func:`climbench.evaluation.columns.evaluate_columns`): a dataset, or the address of a Zarr
        group, a netCDF file or a folder of netCDF files. Dimensions in any order, cells in any
        order. Deterministic scores of an ensemble are those of its expected field where it has one
        (``NAME_mean`` with ``cell_methods = "realization: mean"``), else of the mean over its
        members.
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
    ensemble_metrics
        Further ones where the predictions are an ensemble; left out for a central answer.
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
    variables, levels
        Which to score, by the names of the predictions, hPa; nothing of the others is read.
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
    extremes
        ``{percentiles: [5, 95], window: season, period: [first, last]}`` and more, see
        :class:`climbench.evaluation.extremes.Extremes`: all scores where the truth is extreme,
        as channels ``NAME_above_p95`` and ``NAME_below_p5``, and the categorical scores of both.
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
    check_numbers(confidence, bootstrap, seed)
    regions = names_of_regions(regions)
    if is_columns(predictions):
        refuse_for_columns(
            {"variables": variables, "levels": levels, "period": period, "time": time}
            | {"weighting": weighting, "bins": bins, "extremes": extremes}
            | {"regions": None if regions == ["global"] else regions}
        )
        title = model if isinstance(predictions, xr.Dataset) else model or Path(predictions).stem
        return evaluate_columns(predictions, truth, metrics, ensemble_metrics, title, nan)
    check_period(period)
    chosen_preset = preset_of(preset)
    weighting = one_of("weighting", weighting or chosen_preset.weighting, WEIGHTINGS)
    missing = one_of("missing", missing or chosen_preset.missing, MISSING_RULES)
    maps = one_of("maps", maps, (True, False))
    nan = one_of("nan", nan, get_args(MissingForecast))
    forecasts, target = open_source(predictions, "predictions"), open_source(truth, "truth")
    forecasts, by = by_time(
        forecasts, time if time is None else one_of("time", time, get_args(TimeConvention))
    )
    if time is not None and "prediction_timedelta" not in forecasts.dataset.dims:
        raise UserError(f"{forecasts.label} has no lead times: the option 'time' is for forecasts.")
    forecasts = narrowed(forecasts, variables, levels)
    target = at_the_same_stations(forecasts, target)
    check_same_grid(forecasts, target)
    if forecasts.of_stations:
        check_regions_of_stations(regions)
        chosen_preset, maps = at_stations(chosen_preset), False
    check_members(forecasts)
    forecasts, expected, which_field = without_members(forecasts)
    reference = None if climatology is None else open_source(climatology, "climatology")
    if reference is not None:
        reference = at_the_same_stations(forecasts, reference)
        check_same_grid(forecasts, reference)
    rare = None if extremes is None else Extremes.parse(extremes)
    if rare is not None:
        forecasts, target, reference = with_extremes(forecasts, target, reference, rare)
    single_truth = mean_over_members(target)
    channels = find_channels(forecasts, single_truth)
    members = forecasts.dataset.sizes.get("member", 0)
    named = with_ensemble_metrics(metrics, ensemble_metrics, members)
    named = [*named, *rare.labels(members)] if rare is not None else named
    chosen = chosen_metrics(
        named,
        chosen_preset,
        reference is not None,
        members,
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
    central = data if expected is None else replace(data, predictions=expected)
    find_channels(central.predictions, single_truth)  # of the same names and units
    masks = {"truth": target, "climatology": reference}
    land = LandMask.of(masks, data.layout, chosen_preset.land, regions)
    weights = Regions(_cell_weights(data.layout, land, regions, weighting))
    cell_statistics = [s for metric in chosen for s in metric.cell_statistics]
    cell_statistics += list(MAPS) if maps else []
    _check_size_of_maps(len(set(cell_statistics)), data)

    def scan(part: Data, statistics: Sequence[Statistic]) -> State:
        work = (part, weights, statistics, cell_statistics if part is central else ())
        return accumulate_on(scheduler, *work) if scheduler else accumulate(*work)

    scanned = scan_truth(data, central, target, shared_statistics(chosen), scan)
    state = scanned.state
    if nan == "error":
        _refuse_missing(state, data)
    if not np.any(state.weight > 0):
        raise UserError(f"{forecasts.label} and {target.label} share no value that is not missing.")
    state = without_other_units(state, channels)
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
    values = [metric for metric in chosen if metric.curve is None]
    if pairs.condition == "scenario" and members_of_truth(target) > 1:
        draw = Bootstrap(bootstrap, confidence, seed)
        scanned = replace(scanned, state=state)
        noise = draw_members(central, target, weights, values, draw, scanned)
        scores = with_member_noise(scores, noise, confidence)
    if pairs.condition == "scenario":
        scores = with_references(scores, central, target, weights)
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
    if rare is not None:
        conventions["extremes"] = extremes_record(rare)
    conventions["stations"] = names_of_stations(forecasts)
    conventions["truth"], notes = which_truth(target, chosen, data.members)
    notes += which_field + scored_as_numbers(data.channels, chosen)
    if pairs.condition == "scenario" and bootstrap:
        notes += without_bounds(target, values, scores["lower"].to_numpy()[0])
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
