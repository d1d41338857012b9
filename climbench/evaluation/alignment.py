"""Which forecast meets which truth: by time stamps and names of scenarios, not positions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError, nearest
from climbench.evaluation.source import Source
from climbench.evaluation.times import (
    TimeConvention,
    calendar_of,
    check_valid_times,
    climate_positions,
)
from climbench.metrics.fields import ABSENT, Index


@dataclass(frozen=True)
class Pairs:
    """Where the truth, and the climate, of each prediction lies.

    Attributes
    ----------
    condition
        ``lead_time`` or ``scenario``.
    conditions
        Lead times in hours, or names of scenarios ``[condition]``.
    samples
        Initial times (or valid times, where predictions are stored by them) or years
        ``[sample]``, ascending.
    forecast_sample, forecast_condition
        Positions in the predictions ``[sample]``, ``[condition]``.
    truth_time, truth_condition
        Positions in the truth ``[sample, condition]``; time ``ABSENT`` where it has none.
    day, hour
        Positions in the climatology ``[sample, condition]``, where one is given.
    """

    condition: str
    conditions: NDArray[Any]
    samples: NDArray[Any]
    forecast_sample: Index
    forecast_condition: Index
    truth_time: Index
    truth_condition: Index
    day: Index | None = None
    hour: Index | None = None

    @property
    def forecast_dims(self) -> tuple[str, str]:
        """Dimensions of samples and conditions in the predictions."""
        return ("time", "prediction_timedelta" if self.condition == "lead_time" else "scenario")

    def part(self, samples: Index | slice) -> "Pairs":
        """Return the pairs of some samples."""
        return replace(
            self,
            samples=self.samples[samples],
            forecast_sample=self.forecast_sample[samples],
            truth_time=self.truth_time[samples],
            truth_condition=self.truth_condition[samples],
            day=None if self.day is None else self.day[samples],
            hour=None if self.hour is None else self.hour[samples],
        )


def align(
    predictions: Source,
    truth: Source,
    climatology: Source | None,
    period: Sequence[Any] | None = None,
    time: TimeConvention = "initial",
) -> Pairs:
    """Find the truth of each prediction.

    Parameters
    ----------
    predictions
        Forecasts (``time`` the initial time, ``prediction_timedelta``) or runs of scenarios
        (``scenario``, ``time`` one stamp a year).
    truth
        Fields along ``time`` (and ``scenario``).
    climatology
        Fields along ``dayofyear`` (and ``hour``), or None.
    period
        First and last time, or first and last year; both count. None takes all.
    time
        Whether ``time`` of forecasts is the ``initial`` or the ``valid`` time.

    Raises
    ------
    UserError
        If the layout is neither, a time repeats, or nothing meets.
    """
    for source in (predictions, truth):
        if "time" not in source.dataset.indexes:
            raise UserError(f"{source.label} has no coordinate 'time'.")
    if "prediction_timedelta" in predictions.dataset.dims:
        return _align_forecasts(predictions, truth, climatology, period, time)
    if "scenario" in predictions.dataset.dims:
        return _align_scenarios(predictions, truth, period)
    raise UserError(
        f"{predictions.label} has neither 'prediction_timedelta' (forecasts) nor 'scenario' "
        "(climate runs) as a coordinate: see docs/evaluation.md for the layouts that fit."
    )


def without_truth(pairs: Pairs) -> dict[str, Any]:
    """Return the ``number`` of samples for which no truth is there, the ``first`` and ``last``."""
    lost = pairs.samples[np.all(pairs.truth_time == ABSENT, axis=1)]
    bounds = {"first": str(lost[0]), "last": str(lost[-1])} if lost.size else {}
    return {"number": int(lost.size), **bounds}


def _align_forecasts(
    predictions: Source,
    truth: Source,
    climatology: Source | None,
    period: Sequence[Any] | None,
    time: TimeConvention,
) -> Pairs:
    times = _unique_times(predictions)
    truth_times = _unique_times(truth)
    check_valid_times(truth)
    calendars = [calendar_of(source) for source in (predictions, truth)]
    if calendars[0] != calendars[1]:
        raise UserError(
            f"{predictions.label} has the calendar '{calendars[0]}' and {truth.label} "
            f"'{calendars[1]}': convert one of them with xarray's convert_calendar."
        )
    order = _within(times, period, predictions.label)
    leads = predictions.dataset["prediction_timedelta"].to_numpy()
    by_lead = np.argsort(leads, kind="stable")
    again = leads[by_lead][1:][np.diff(leads[by_lead]) == np.timedelta64(0)]
    if again.size:
        raise UserError(
            f"{predictions.label}: the lead time {again[0] / np.timedelta64(1, 'h'):g} h stands "
            "there more than once."
        )
    leads_after = leads[by_lead] * (1 if time == "initial" else 0)
    valid = _valid_times(times[order], leads_after)
    found = truth_times.get_indexer(pd.Index(valid.ravel())).reshape(valid.shape)
    if np.all(found == ABSENT):
        raise UserError(
            f"No forecast meets its truth: {predictions.label} is valid from {valid.min()} to "
            f"{valid.max()}, {truth.label} covers {truth_times.min()} to {truth_times.max()}."
        )
    day, hour = (None, None) if climatology is None else climate_positions(climatology, valid)
    return Pairs(
        condition="lead_time",
        conditions=leads[by_lead] / np.timedelta64(1, "h"),
        samples=times[order].to_numpy(),
        forecast_sample=order,
        forecast_condition=by_lead.astype(np.int64),
        truth_time=found.astype(np.int64),
        truth_condition=np.zeros_like(found, dtype=np.int64),
        day=day,
        hour=hour,
    )


def _align_scenarios(predictions: Source, truth: Source, period: Sequence[Any] | None) -> Pairs:
    if "scenario" not in truth.dataset.dims:
        raise UserError(f"{truth.label} has no dimension 'scenario', the predictions have one.")
    scenarios = [str(name) for name in predictions.dataset["scenario"].to_numpy()]
    known = [str(name) for name in truth.dataset["scenario"].to_numpy()]
    for label, names in ((predictions.label, scenarios), (truth.label, known)):
        if again := next((name for name in names if names.count(name) > 1), None):
            raise UserError(f"{label}: the scenario '{again}' stands there more than once.")
    for name in scenarios:
        if name not in known:
            raise UserError(f"{truth.label} has no scenario '{name}': {nearest(name, known)}")
    years, truth_years = _years(predictions), _years(truth)
    order = np.argsort(years, kind="stable")
    if period is not None:
        try:
            first, last = (int(year) for year in period)
        except ValueError as error:
            raise UserError(f"The option 'period' must be two years, not {period}.") from error
        order = order[(years[order] >= first) & (years[order] <= last)]
    found = pd.Index(truth_years).get_indexer(pd.Index(years[order]))
    if not np.any(found != ABSENT):
        raise UserError(
            f"No year of {predictions.label} ({years.min()} to {years.max()}"
            + (f", period {period[0]} to {period[1]}" if period is not None else "")
            + f") is in {truth.label} ({truth_years.min()} to {truth_years.max()})."
        )
    shape = (order.size, len(scenarios))
    return Pairs(
        condition="scenario",
        conditions=np.array(scenarios),
        samples=years[order],
        forecast_sample=order.astype(np.int64),
        forecast_condition=np.arange(len(scenarios)),
        truth_time=np.broadcast_to(found[:, np.newaxis], shape).astype(np.int64),
        truth_condition=np.broadcast_to([known.index(name) for name in scenarios], shape),
    )


def _unique_times(source: Source) -> pd.Index:
    times = source.dataset.indexes["time"]
    if not times.is_unique:
        again = times[times.duplicated()][0]
        raise UserError(f"{source.label}: the time {again} stands there more than once.")
    return times


def _years(source: Source) -> Index:
    times = source.dataset["time"]
    if times.dtype.kind == "f" and np.all(times == np.round(times)):
        times = times.astype(np.int64)
    if times.dtype.kind == "f":
        broken = float(times[times != np.round(times)][0])
        raise UserError(
            f"{source.label}: 'time' has the value {broken:g}, which is no year: give whole years "
            "or dates."
        )
    integers = np.issubdtype(times.dtype, np.integer)
    years = (times if integers else times.dt.year).to_numpy().astype(np.int64)
    if np.unique(years).size != years.size:
        raise UserError(f"{source.label} has several times in a year: make annual means first.")
    return years


def _within(times: pd.Index, period: Sequence[Any] | None, label: str) -> Index:
    """Return the positions of the times in the period, in ascending order of time."""
    order = np.argsort(times, kind="stable").astype(np.int64)
    if period is None:
        return order
    first, last = (str(bound) for bound in period)
    positions = xr.DataArray(order, coords={"time": times[order]}, dims="time")
    try:
        chosen = positions.sel(time=slice(first, last)).to_numpy()
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"The option 'period' must be two dates, not {list(period)}.") from error
    if chosen.size == 0:
        raise UserError(
            f"{label} has no initial time in the period {first} to {last}: it covers "
            f"{times.min()} to {times.max()}."
        )
    return np.asarray(chosen, dtype=np.int64)


def _valid_times(initial: pd.Index, leads: NDArray[np.timedelta64]) -> NDArray[Any]:
    if isinstance(initial, pd.DatetimeIndex):
        return np.asarray(initial.to_numpy()[:, np.newaxis] + leads[np.newaxis])
    steps = leads.astype("timedelta64[us]").astype(object)
    return np.asarray(np.array(initial, dtype=object)[:, np.newaxis] + steps[np.newaxis])
