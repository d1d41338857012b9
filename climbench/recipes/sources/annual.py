"""Years out of what archives have: year numbers, stamps anywhere in the year, twelve months."""

from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.simulate.emissions import mid_year

FIRST_CALENDAR_YEAR = 1000  # below it, whole numbers count the years of a run
MONTHS = 12


def annual_means(
    dataset: xr.Dataset, where: str, method: Literal["mean", "interpolated"]
) -> xr.Dataset:
    """Return one field per calendar year, stamped the first of July of the standard calendar.

    Parameters
    ----------
    dataset
        Lazy fields with ``time``: whole numbers (years), or dates of any calendar, one or twelve
        a year. The mean of twelve months is weighted by their lengths in that calendar.
    where
        Its name, for errors.
    method
        ``interpolated`` gives every year from the first to the last, linear between the years
        that there are.

    Raises
    ------
    UserError
        If the numbers are no calendar years, a year is there twice, lacks months, or has neither
        one field nor twelve.
    """
    if "time" not in dataset.dims:
        raise UserError(f"{where} has no time axis to take years from: leave 'annual' out.")
    years = _years(dataset["time"], where)
    counts = np.unique(years, return_counts=True)[1]
    if np.all(counts == MONTHS):
        dataset, years = _mean_of_months(dataset, years, where)
    elif not np.all(counts == 1):
        raise UserError(
            f"{where} has between {counts.min()} and {counts.max()} times a year: 'annual' takes "
            "whole years of twelve months, or one field a year; resample it with a step."
        )
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


def _mean_of_months(
    dataset: xr.Dataset, years: NDArray[np.int64], where: str
) -> tuple[xr.Dataset, NDArray[np.int64]]:
    months = dataset["time"].dt.month.values
    if not np.array_equal(months, np.tile(np.arange(1, MONTHS + 1), months.size // MONTHS)):
        raise UserError(f"{where}: the months of a year are not January to December in order.")
    days = dataset["time"].dt.days_in_month.drop_vars("time")
    varying = [name for name, array in dataset.data_vars.items() if "time" in array.dims]
    bare = dataset.drop_vars("time")
    weights = days.coarsen(time=MONTHS).construct(time=("time", "month")).astype(np.float64)
    weights = weights / weights.sum("month")
    blocks = bare[varying].coarsen(time=MONTHS).construct(time=("time", "month"))
    means = (blocks * weights).sum("month", skipna=False)
    for name in varying:
        before = dataset[name].attrs
        methods = f"{before.get('cell_methods', '')} time: mean".strip()
        means[name] = means[name].astype(dataset[name].dtype)
        means[name].attrs = {**before, "cell_methods": methods}
    return bare.drop_vars(varying).assign(means.data_vars), years[::MONTHS]


def _chunks(dataset: xr.Dataset) -> dict[str, int]:
    """Return chunks of time that are not one year each, where those of the file were a few."""
    largest = max((a.nbytes for a in dataset.data_vars.values()), default=1)
    return {"time": max(1, dataset.sizes["time"] * 2**24 // max(1, largest))}


def _between(dataset: xr.Dataset, every: NDArray[np.datetime64]) -> xr.Dataset:
    filled = dataset.chunk(time=-1).interp(time=every.astype(dataset["time"].dtype))
    for name, array in filled.data_vars.items():
        array.attrs = dict(dataset[name].attrs)
    return filled.map(lambda array: array.astype(dataset[array.name].dtype), keep_attrs=True)
