"""Years out of what archives have: year numbers, stamps anywhere in the year, months, days."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.recipes.schema import Quantile
from climbench.simulate.emissions import mid_year
from climbench.simulate.seasons import SEASONS

FIRST_CALENDAR_YEAR = 1000  # below it, whole numbers count the years of a run
MONTHS = 12
MONTH_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

Annual = Literal["mean", "interpolated", "seasons"] | Quantile


def annual_fields(dataset: xr.Dataset, where: str, method: Annual) -> xr.Dataset:
    """Return one field per calendar year, stamped the first of July of the standard calendar.

    Parameters
    ----------
    dataset
        Lazy fields with ``time``: whole numbers (years), or dates of any calendar, those of one
        field a year, of its twelve months or of all its days. The mean of twelve months is
        weighted by their lengths in that calendar.
    where
        Its name, for errors.
    method
        ``interpolated`` gives every year from the first to the last, linear between the years
        that there are. ``seasons`` gives the mean of the year and of each of its
        `climbench.simulate.seasons.SEASONS`, NaN for the first winter, whose December is not
        there. A quantile is that of a year's days.

    Raises
    ------
    UserError
        If the numbers are no calendar years, a year is there twice, lacks months or days, or has
        none of these numbers of fields, or what is asked for is not in them.
    """
    if "time" not in dataset.dims:
        raise UserError(f"{where} has no time axis to take years from: leave 'annual' out.")
    years = _years(dataset["time"], where)
    counts = np.unique(years, return_counts=True)[1]
    daily = counts.min() > MONTHS and _is_every_day(dataset["time"])
    if isinstance(method, Quantile):
        if not daily:
            raise UserError(f"{where}: a quantile of a year's days needs all days of every year.")
        dataset = _quantile(dataset, counts, method.quantile)
    elif daily or np.all(counts == MONTHS):
        dataset = _mean_of_days(dataset, counts) if daily else dataset
        dataset = _mean_of_months(dataset, where, method == "seasons")
    elif method == "seasons" or not np.all(counts == 1):
        fewest, most = counts.min(), counts.max()
        found = f"{fewest}" if fewest == most else f"between {fewest} and {most}"
        takes = "" if method == "seasons" else ", or one field a year"
        raise UserError(
            f"{where} has {found} times a year: 'annual' takes whole years of twelve months or all "
            f"days{takes}: take complete files, or for finer times the step 'resample_time'."
        )
    years = years if np.all(counts == 1) else np.unique(years)
    dataset = dataset.assign_coords(time=mid_year(years)).chunk(_chunks(dataset))
    if method == "interpolated":
        every = mid_year(np.arange(years.min(), years.max() + 1))
        dataset = _between(dataset.sortby("time"), every)
    return dataset


def _years(time: xr.DataArray, where: str) -> NDArray[np.int64]:
    if time.dtype.kind not in "iuf":
        return np.asarray(time.dt.year.values, dtype=np.int64)
    years = time.values.astype(np.int64)
    if np.any(years != time.values) or years.min() < FIRST_CALENDAR_YEAR:
        raise UserError(
            f"{where}: its times {time.values[0]} to {time.values[-1]} count the years of a run, "
            "not those of the calendar: an idealised experiment such as 1pctCO2, whose CO2 is not "
            "emissions since 1850 either, cannot stand beside scenarios; leave it out."
        )
    return years


def _is_every_day(time: xr.DataArray) -> bool:
    """Tell whether each year has all of its days once, in order."""
    day, length = time.dt.dayofyear.values, time.dt.days_in_year.values
    begins = np.flatnonzero(np.diff(time.dt.year.values, prepend=-1))
    counts = np.diff(begins, append=day.size)
    whole = np.array_equal(counts, length[begins])
    return whole and np.array_equal(day, np.concatenate([np.arange(1, n + 1) for n in counts]))


def _mean_of_days(dataset: xr.Dataset, counts: NDArray[np.int64]) -> xr.Dataset:
    """Return the means of the months of whole years, stamped with their first days."""
    begins = np.flatnonzero(np.diff(dataset["time"].dt.month.values, prepend=0))
    return _year_by_year(dataset, counts, _monthly, begins)


def _monthly(days: NDArray[Any], axis: int) -> NDArray[np.float64]:
    """Return the means of the months of one year, whatever its calendar."""
    count = days.shape[axis]
    lengths = np.full(MONTHS, 30) if count == 360 else np.array(MONTH_LENGTHS)
    lengths[1] += count - lengths.sum()  # a leap day
    sums = np.add.reduceat(days, np.cumsum(lengths) - lengths, axis, dtype=np.float64)
    along = [1] * days.ndim
    along[axis] = MONTHS
    return np.asarray(sums / lengths.reshape(along))


def _quantile(dataset: xr.Dataset, counts: NDArray[np.int64], quantile: float) -> xr.Dataset:
    function = partial(np.quantile, q=quantile, keepdims=True)
    taken = _year_by_year(dataset, counts, function, np.cumsum(counts) - counts)
    for array in taken.data_vars.values():
        if "time" in array.dims:
            words = array.attrs.get("long_name", array.name)
            array.attrs["long_name"] = f"{quantile:g} quantile over the days of a year: {words}"
            array.attrs.pop("cell_methods", None)  # CF has none for quantiles
    return taken


def _year_by_year(
    dataset: xr.Dataset,
    counts: NDArray[np.int64],
    function: Callable[..., Any],
    stamps: NDArray[np.int64],
) -> xr.Dataset:
    """Return what a function makes of the days of each year, one chunk a year.

    Parameters
    ----------
    dataset
        Whole years of days.
    counts
        Days of each year.
    function
        From fields and the ``axis`` of their days to as many fields for every year.
    stamps
        Which days' times these get, of all years.
    """
    size = stamps.size // counts.size
    reduced = {}
    for name, array in dataset.data_vars.items():
        if "time" in array.dims:
            axis = array.get_axis_num("time")
            days = array.data.rechunk({axis: tuple(counts.tolist())})
            chunks = (*days.chunks[:axis], (size,) * counts.size, *days.chunks[axis + 1 :])
            meta = np.empty((0,) * array.ndim)
            made = days.map_blocks(function, axis=axis, chunks=chunks, meta=meta)
            reduced[name] = (array.dims, made.astype(array.dtype), array.attrs)
    return dataset.isel(time=stamps).assign(reduced)


def _mean_of_months(dataset: xr.Dataset, where: str, seasons: bool) -> xr.Dataset:
    """Return the mean of each year, and of its seasons where they are asked for."""
    months, years = dataset["time"].dt.month.values, dataset["time"].dt.year.values[::MONTHS]
    if not np.array_equal(months, np.tile(np.arange(1, MONTHS + 1), months.size // MONTHS)):
        raise UserError(f"{where}: the months of a year are not January to December in order.")
    if seasons and np.any(np.diff(years) != 1):
        raise UserError(f"{where}: a winter lacks its December, as years are missing between.")
    days = dataset["time"].dt.days_in_month.drop_vars("time").astype(np.float64)
    varying = [name for name, array in dataset.data_vars.items() if "time" in array.dims]
    bare = dataset.drop_vars("time")
    means = _weighted(bare[varying], days, slice(None))
    if seasons:
        shifted = bare[varying].shift(time=1), days.shift(time=1)  # December comes first
        for at, season in enumerate(SEASONS):
            of_season = _weighted(*shifted, slice(3 * at, 3 * at + 3))
            means = means.merge(of_season.rename({name: f"{name}_{season}" for name in varying}))
    return bare.drop_vars(varying).assign(means.data_vars)


def _weighted(dataset: xr.Dataset, days: xr.DataArray, months: slice) -> xr.Dataset:
    """Return the mean of some of every twelve times, by their days; NaN where one is missing."""
    window = ("time", "month")
    weights = days.coarsen(time=MONTHS).construct(time=window).isel(month=months)
    blocks = dataset.coarsen(time=MONTHS).construct(time=window).isel(month=months)
    means: xr.Dataset = (blocks * (weights / weights.sum("month"))).sum("month", skipna=False)
    for name, mean in means.data_vars.items():
        before = dataset[name].attrs
        methods = f"{before.get('cell_methods', '')} time: mean".strip()
        means[name] = mean.astype(dataset[name].dtype)
        means[name].attrs = {**before, "cell_methods": methods}
    return means


def _chunks(dataset: xr.Dataset) -> dict[str, int]:
    """Return chunks of time that are not one year each, where those of the file were a few."""
    largest = max((a.nbytes for a in dataset.data_vars.values()), default=1)
    return {"time": max(1, dataset.sizes["time"] * 2**24 // max(1, largest))}


def _between(dataset: xr.Dataset, every: NDArray[np.datetime64]) -> xr.Dataset:
    filled = dataset.chunk(time=-1).interp(time=every.astype(dataset["time"].dtype))
    for name, array in filled.data_vars.items():
        array.attrs = dict(dataset[name].attrs)
    return filled.map(lambda array: array.astype(dataset[array.name].dtype), keep_attrs=True)
