"""Scores where the truth is extreme: thresholds from training, masked fields as further channels.

``VARIABLE_above_p95`` is a variable where the truth lies above its percentile, and missing
elsewhere: any score of it is one of extremes. Beside it come the categorical scores of the event.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.evaluation.source import Source
from climbench.evaluation.times import climate_positions
from climbench.metrics.climatology import DAYS, smooth_climatology
from climbench.metrics.thresholds import percentile_thresholds, running_mean, smooth_neighbours
from climbench.store.time_axis import hours as hours_of

CATEGORICAL = ("pod", "far", "csi", "ets", "auroc")
OF_ENSEMBLES = ("brier",)


@dataclass(frozen=True)
class Extremes:
    """The option ``extremes`` of an evaluation.

    Attributes
    ----------
    percentiles
        Below 50: the event lies below it; from 50 on above.
    window
        Over which times of training: ``season``, ``year``, or an odd number of days round the day
        of the year. Each hour of the day has its own thresholds, but of running means.
    running_days
        The event is one of the mean over so many days up to the time, of truth and of training;
        no forecast is such a mean, so that there are no categorical scores.
    neighbours
        Whether a cell is averaged with its neighbours before, as in ClimateLearn.
    variables
        By default all that are scored and are fields in the truth.
    period
        First and last date of the training period, where the truth holds it; not needed where
        the climatology has the quantiles.
    """

    percentiles: tuple[float, ...] = (5.0, 95.0)
    window: str | int = "season"
    running_days: int | None = None
    neighbours: bool = False
    variables: tuple[str, ...] | None = None
    period: tuple[Any, Any] | None = None

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> "Extremes":
        """Return the checked options.

        Raises
        ------
        UserError
            If one is unknown or wrong.
        """
        for name in options:
            if name not in cls.__dataclass_fields__:
                known = ", ".join(cls.__dataclass_fields__)
                raise UserError(f"option 'extremes' has no entry '{name}': it has {known}.")
        plain: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in options.items()
        }
        found = cls(**plain)
        for name, right, wanted in found._demands():
            if not right:
                given = options[name]
                raise UserError(f"option 'extremes.{name}' = {given!r} is wrong: give {wanted}.")
        return found

    def _demands(self) -> list[tuple[str, bool, str]]:
        """Return the name of each option, whether its value is right, and what would be."""
        levels, window = self.percentiles, self.window
        days, names = self.running_days, self.variables
        odd = _is_whole(window) and int(window) in range(1, DAYS, 2)
        shares = isinstance(levels, tuple) and len({*levels}) == len(levels) > 0
        shares = shares and all(isinstance(p, int | float) and 0 < p < 100 for p in levels)
        listed = isinstance(names, tuple) and names and all(isinstance(n, str) for n in names)
        dates = self.period is None or _are_dates(self.period)
        part = "season, year, or an odd number of days"
        two = "the first and the last date of training, such as [1979, 2015-12-31]"
        return [
            ("percentiles", shares, "a list of different numbers between 0 and 100"),
            ("window", odd or window in ("season", "year"), part),
            (
                "running_days",
                days is None or (_is_whole(days) and days > 0),
                "at least 1 whole day",
            ),
            ("neighbours", isinstance(self.neighbours, bool), "true or false"),
            ("variables", names is None or bool(listed), "a list of variables"),
            ("period", dates, two),
        ]

    @property
    def raw(self) -> bool:
        """Whether events are of the fields themselves, which forecasts are too."""
        return self.running_days is None and not self.neighbours

    @property
    def levels(self) -> NDArray[np.float64]:
        """The percentiles as shares."""
        return np.array([round(p / 100, 10) for p in self.percentiles])

    def labels(self, members: int) -> list[str]:
        """Return the categorical scores of every event."""
        names = [*CATEGORICAL, *(OF_ENSEMBLES if members else ())] if self.raw else []
        return [
            f"{name}(quantile={level:g}{'' if above(100 * level) else ',above=false'})"
            for level in self.levels
            for name in names
        ]

    @property
    def suffix(self) -> str:
        """What thresholds are called behind the variable's name."""
        return "quantile" if self.raw else "threshold"


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_dates(period: Any) -> bool:
    """Tell whether something is a pair of dates in their order."""
    try:
        first, last = (pd.Period(str(date)) for date in period)
        return bool(first.start_time <= last.end_time)
    except (TypeError, ValueError):
        return False


def above(percentile: float) -> bool:
    """Tell whether the event of a percentile lies above it."""
    return percentile >= 50


def channel_of(variable: str, percentile: float) -> str:
    """Return the name of a variable where it is extreme.

    Examples
    --------
    >>> channel_of("2m_temperature", 95.0), channel_of("2m_temperature", 5)
    ('2m_temperature_above_p95', '2m_temperature_below_p5')
    """
    return f"{variable}_{'above' if above(percentile) else 'below'}_p{percentile:g}"


def training_thresholds(training: xr.Dataset, extremes: Extremes) -> xr.Dataset:
    """Return the thresholds of each variable, cell, hour and day of the year.

    Parameters
    ----------
    training
        Fields ``[time, (level), latitude, longitude]`` of the training period alone.
    extremes
        Percentiles and window.

    Returns
    -------
    xarray.Dataset
        ``VARIABLE_quantile [quantile, hour, dayofyear, (level), latitude, longitude]`` float32;
        ``VARIABLE_threshold`` where events are of smoothed fields.
    """
    stamps = training["time"].dt
    day, length = (stamps.dayofyear.to_numpy(), stamps.days_in_year.to_numpy())
    every, hour = np.unique(stamps.hour.to_numpy(), return_inverse=True)
    groups = [np.flatnonzero(hour == at) for at in range(every.size)]
    if extremes.running_days is not None:
        groups = [np.arange(hour.size)] * every.size
    found = {}
    for name, array in training.data_vars.items():
        fields = judged(array, extremes)
        flat = fields.reshape(len(fields), -1)
        parts: list[Any] = []
        for at, group in enumerate(groups):
            if at and extremes.running_days is not None:
                parts.append(parts[0])
                continue
            few = (flat[group], day[group], length[group], extremes.levels, extremes.window)
            parts.append(percentile_thresholds(*few).astype(np.float32))
        values = np.stack(parts, axis=1).reshape(
            (extremes.levels.size, every.size, DAYS, *fields.shape[1:])
        )
        dims = ("quantile", "hour", "dayofyear", *_space(array))
        found[f"{name}_{extremes.suffix}"] = (dims, values)
    coordinates = {n: training[n] for n in ("level", "latitude", "longitude") if n in training.dims}
    return xr.Dataset(
        found,
        {
            "quantile": extremes.levels,
            "hour": every,
            "dayofyear": np.arange(1, DAYS + 1),
            **coordinates,
        },
    )


def judged(array: xr.DataArray, extremes: Extremes) -> NDArray[Any]:
    """Return what is held against thresholds ``[time, (level), latitude, longitude]``."""
    ordered = array.transpose("time", *_space(array))
    values = ordered.to_numpy()
    if extremes.running_days is not None:
        hours = np.round(hours_of(ordered["time"])).astype(np.int64)
        values = running_mean(values, hours, extremes.running_days).astype(np.float32)
    if extremes.neighbours:
        latitude, longitude = (ordered[n].to_numpy() for n in ("latitude", "longitude"))
        values = smooth_neighbours(values, latitude, longitude).astype(np.float32)
    return values


def _space(array: xr.DataArray) -> tuple[str, ...]:
    known = ("level", "latitude", "longitude")
    return tuple(dim for dim in known if dim in array.dims)


def with_extremes(
    forecasts: Source, truth: Source, climatology: Source | None, extremes: Extremes
) -> tuple[Source, Source, Source]:
    """Return the sources with a channel for each extreme of each variable.

    Raises
    ------
    UserError
        If there are no thresholds, or the training period is what is scored.
    """
    if "prediction_timedelta" not in forecasts.dataset.dims or "member" in truth.dataset.dims:
        raise UserError("option 'extremes' is for forecasts of one truth without members.")
    names = _variables(forecasts, truth, extremes)
    truth, span = _scored_times(forecasts, truth), truth
    climate = _with_thresholds(climatology, span, truth, names, extremes)
    masked, aliases, means = {}, {}, {}
    for name in names:
        array = truth.dataset[name]
        values, own = judged(array, extremes), array.transpose("time", *_space(array))
        bounds = _thresholds_at(climate, truth, own, f"{name}_{extremes.suffix}")
        for at, percentile in enumerate(extremes.percentiles):
            bound = bounds(extremes.levels[at])
            event = values > bound if above(percentile) else values < bound
            channel = channel_of(name, percentile)
            masked[channel] = own.copy(data=np.where(event, own.to_numpy(), np.nan))
            aliases[channel] = forecasts.dataset[name]
            if name in climate.dataset:
                means[channel] = climate.dataset[name]
    return (
        replace(forecasts, dataset=_named(forecasts.dataset.assign(aliases), names, extremes)),
        replace(truth, dataset=truth.dataset.assign(masked)),
        replace(climate, dataset=climate.dataset.assign(means)),
    )


def _named(dataset: xr.Dataset, names: Sequence[str], extremes: Extremes) -> xr.Dataset:
    """Return predictions whose own list of channels, where they have one, names the new ones."""
    if "channels" not in dataset.attrs:
        return dataset
    channels = json.loads(dataset.attrs["channels"])
    further = [
        channel_of(name, percentile) + channel.removeprefix(name)
        for channel in channels
        for name in names
        if channel == name or channel.rpartition("_")[0] == name
        for percentile in extremes.percentiles
    ]
    return dataset.assign_attrs(channels=json.dumps([*channels, *further]))


def _variables(forecasts: Source, truth: Source, extremes: Extremes) -> list[str]:
    needed = {"time", "latitude", "longitude"}
    fields = [
        str(name)
        for name in forecasts.dataset.data_vars
        if name in truth.dataset and needed <= set(truth.dataset[name].dims)
    ]
    for name in extremes.variables or ():
        if name not in fields:
            raise UserError(
                f"option 'extremes.variables': '{name}' is no field of predictions and truth."
            )
    return list(extremes.variables or fields)


def _scored_times(forecasts: Source, truth: Source) -> Source:
    """Return the truth of the times and levels that are forecast, with what running means need."""
    times = truth.dataset.indexes["time"]
    starts = forecasts.dataset.indexes["time"]
    longest = pd.Timedelta(forecasts.dataset["prediction_timedelta"].to_numpy().max())
    inside = np.asarray((times >= starts.min()) & (times <= starts.max() + longest))
    dataset = truth.dataset.isel(time=np.flatnonzero(inside))
    if "level" in dataset.dims and "level" in forecasts.dataset.dims:
        kept = np.isin(dataset["level"], forecasts.dataset["level"])
        dataset = dataset.isel(level=np.flatnonzero(kept))
    return replace(truth, dataset=dataset)


def _with_thresholds(
    climatology: Source | None,
    whole: Source,
    scored: Source,
    names: Sequence[str],
    extremes: Extremes,
) -> Source:
    """Return the climatology with thresholds: its own, or those of the training period."""
    wanted = [f"{name}_{extremes.suffix}" for name in names]
    if climatology is not None and all(name in climatology.dataset for name in wanted):
        return climatology
    if extremes.period is None:
        raise UserError(
            "option 'extremes' needs thresholds: give 'extremes.period', the training period, "
            "which the truth must hold, or a climatology with quantiles of these percentiles."
        )
    first, last = map(str, extremes.period)
    training = whole.dataset[list(names)].sel(time=slice(first, last))
    if "level" in training.dims and "level" in scored.dataset.dims:
        training = training.sel(level=scored.dataset["level"])
    if training.sizes["time"] == 0:
        raise UserError(f"{whole.label} has no time of 'extremes.period' [{first}, {last}].")
    if np.isin(training["time"], scored.dataset["time"]).any():
        raise UserError(
            f"option 'extremes.period' [{first}, {last}] overlaps the times that are scored: "
            "thresholds are of the training period alone."
        )
    found = training_thresholds(training, extremes)
    if climatology is None:
        label = f"thresholds of {first} to {last}"
        return replace(whole, dataset=found.assign(_means(training, names)), label=label)
    rows, columns = (np.argsort(np.argsort(x)) for x in (climatology.rows, climatology.columns))
    placed = found.isel(latitude=whole.rows[rows], longitude=whole.columns[columns])
    placed = placed.assign_coords(
        latitude=climatology.dataset["latitude"], longitude=climatology.dataset["longitude"]
    )
    return replace(climatology, dataset=climatology.dataset.merge(placed, join="inner"))


def _means(training: xr.Dataset, names: Sequence[str]) -> dict[str, Any]:
    """Return the mean over days of each hour, smoothed: what a climatology must have."""
    stamps = training["time"].dt
    every, hour = np.unique(stamps.hour.to_numpy(), return_inverse=True)
    slot = hour * DAYS + stamps.dayofyear.to_numpy() - 1
    found = {}
    for name in names:
        dims = _space(training[name])
        fields = training[name].transpose("time", *dims).to_numpy().astype(np.float64)
        sums, counts = np.zeros((2, every.size * DAYS, *fields.shape[1:]))
        np.add.at(sums, slot, np.nan_to_num(fields))
        np.add.at(counts, slot, np.isfinite(fields))
        counts[:, counts.sum(axis=0) == 0] = np.nan  # never measured: missing, not refused
        shape = (every.size, DAYS, *fields.shape[1:])
        mean = smooth_climatology(sums.reshape(shape), np.nan_to_num(counts.reshape(shape), nan=1))
        mean = np.where(np.isnan(counts.reshape(shape)), np.nan, mean)
        found[name] = (("hour", "dayofyear", *dims), mean.astype(np.float32))
    return found


def _thresholds_at(climate: Source, truth: Source, own: xr.DataArray, name: str) -> Any:
    """Return the function that gives thresholds of a level at the truth's times."""
    rows, columns = climate._places(truth.layout)
    table = climate.dataset[name].isel(latitude=rows, longitude=columns)
    if "level" in own.dims:
        table = table.sel(level=own["level"])
    table = table.transpose("quantile", "hour", "dayofyear", *_space(own))
    day, hour = climate_positions(climate, own["time"].to_numpy()[:, None])

    def at(level: float) -> NDArray[Any]:
        known = table["quantile"].to_numpy()
        near = np.flatnonzero(np.isclose(known, level))
        if not near.size:
            raise UserError(
                f"{climate.label}: '{name}' has the quantiles {known.tolist()}, not {level:g}: "
                f"build it with quantiles=[{level:g}]."
            )
        return np.asarray(table.isel(quantile=int(near[0])).to_numpy()[hour[:, 0], day[:, 0]])

    return at


def extremes_record(extremes: Extremes) -> str:
    """Return the option as the record of conventions keeps it."""
    return json.dumps(asdict(extremes), sort_keys=True, default=str)
