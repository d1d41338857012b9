"""The mean error of forecasts at stations, over a time before those that it corrects."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.evaluation.maps_at_stations import MapsAtStations
from climbench.evaluation.options import check_period

FEWEST = 10  # forecasts of one hour of the day: with less, a mean error is mostly chance
HOUR = "hour"


@dataclass(frozen=True)
class StationBias:
    """Mean errors of each station, lead time and hour of the day.

    Attributes
    ----------
    means
        Variables ``[hour, (prediction_timedelta), station]``; 0 where there were too few pairs.
    later
        Which times may be corrected: those after all that was learnt from ``[time]``.
    """

    means: xr.Dataset
    later: NDArray[np.bool_]

    @classmethod
    def of(
        cls, forecasts: MapsAtStations, observed: xr.Dataset, period: Sequence[Any], valid: bool
    ) -> "StationBias":
        """Learn from the forecasts of a period and what was observed.

        Parameters
        ----------
        forecasts
            At the stations.
        observed
            Variables ``[time, station]`` that are corrected; others stay as they are.
        period
            First and last time, both included.
        valid
            Whether ``time`` is when forecasts are valid, not when they begin.

        Raises
        ------
        UserError
            If there is no pair in the period, or no forecast after it.
        """
        times = forecasts.maps.indexes["time"]
        inside = _inside(times, period)
        leads = forecasts.maps.coords.get("prediction_timedelta")
        longest = pd.Timedelta(0) if leads is None or valid else pd.Timedelta(leads.values.max())
        later = np.asarray(times > times[inside].max() + longest)
        if not later.any():
            raise UserError(
                f"option 'correct_on' = [{period[0]}, {period[1]}] leaves no forecast after the "
                "last of these has come true: end it earlier."
            )
        sums: xr.Dataset | None = None
        counts: xr.Dataset | None = None
        for start, stop in forecasts.parts(inside):
            part = forecasts.part(start, stop)[list(observed.data_vars)]
            error = _errors(part, observed, valid)
            hours = error.assign_coords({HOUR: forecasts.maps["time"][start:stop].dt.hour})
            grouped = hours.fillna(0).groupby(HOUR).sum("time")
            counted = hours.notnull().groupby(HOUR).sum("time")
            sums = grouped if sums is None else _add(sums, grouped)
            counts = counted if counts is None else _add(counts, counted)
        if sums is None or counts is None or not any(bool(n.any()) for n in counts.values()):
            raise UserError(
                f"option 'correct_on' = [{period[0]}, {period[1]}]: no forecast of it was observed "
                "at the stations, choose another period."
            )
        enough = counts >= FEWEST
        if not any(bool(each.any()) for each in enough.values()):
            raise UserError(
                f"option 'correct_on' = [{period[0]}, {period[1]}] holds fewer than {FEWEST} "
                "forecasts of every hour of the day: begin it earlier."
            )
        return cls((sums / counts.where(enough)).fillna(0.0), later)

    def corrected(self, forecasts: xr.Dataset) -> xr.Dataset:
        """Return forecasts less the mean error of their hour, 0 for an hour never learnt from."""
        hours = forecasts["time"].dt.hour.values
        known = self.means.reindex({HOUR: np.unique(hours)}, fill_value=0.0)
        error = known.sel({HOUR: xr.DataArray(hours, dims="time")}).drop_vars(HOUR)
        corrected = forecasts.copy()
        for name in error.data_vars:
            corrected[name] = forecasts[name] - error[name]
            same = corrected[name].transpose(*forecasts[name].dims).astype(np.float32)
            corrected[name] = same.assign_attrs(forecasts[name].attrs)
        return corrected.assign_attrs(forecasts.attrs)


def _inside(times: pd.Index, period: Sequence[Any]) -> NDArray[np.bool_]:
    check_period(period, "correct_on")
    first, last = (str(date) for date in period)
    try:
        positions = times.slice_indexer(first, last)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"option 'correct_on' = [{first}, {last}] is wrong: write two dates, such as "
            "[2020-01-01,2020-06-30]."
        ) from error
    inside = np.zeros(times.size, dtype=bool)
    inside[positions] = True
    if not inside.any():
        raise UserError(
            f"option 'correct_on' = [{first}, {last}] holds no forecast: they are of {times[0]} to "
            f"{times[-1]}."
        )
    return inside


def _errors(forecasts: xr.Dataset, observed: xr.Dataset, valid: bool) -> xr.Dataset:
    """Return forecast (of an ensemble its mean) minus observation, NaN where one is missing."""
    if "member" in forecasts.dims:
        forecasts = forecasts.mean("member")
    times = forecasts["time"]
    if "prediction_timedelta" in forecasts.dims and not valid:
        times = times + forecasts["prediction_timedelta"]
    found = observed.indexes["time"].get_indexer(pd.DatetimeIndex(times.values.ravel()))
    at = xr.DataArray(found.reshape(times.shape), dims=times.dims)
    truth = observed.drop_vars("time").isel(time=at.clip(min=0)).where(at >= 0)
    return forecasts - truth.drop_vars(list(truth.coords))


def _add(one: xr.Dataset, other: xr.Dataset) -> xr.Dataset:
    """Return the sum of two whose hours differ."""
    first, second = xr.align(one, other, join="outer", fill_value=0)
    return first + second
