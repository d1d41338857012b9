"""From many steps to one per window: means, extremes, sums."""

from typing import Annotated, ClassVar, Literal

import numpy as np
import pandas as pd
import xarray as xr
from pydantic import Field

from climbench.errors import UserError
from climbench.recipes.steps.step import Step
from climbench.store.time_axis import hours, is_monthly, months

WORDING = {"max": "maximum", "min": "minimum"}


class ResampleTime(Step):
    """One value per window, stamped with the window's start; windows cut by an end are left out.

    Attributes
    ----------
    to
        Length of the window as pandas spells it: ``1D``, ``6h``, ``MS`` (months), ``YS`` (years).
        Windows of several days are counted from the first midnight.
    begins
        Hour of the day at which windows of a fixed length begin, where it is not midnight: 12 for
        the days of PRISM.
    method
        ``instant`` takes the value at the window's start. A missing step makes a missing window.
        The mean of monthly fields is weighted by the days of the months in the file's calendar.
    """

    name: ClassVar[str] = "resample_time"
    to: str
    begins: Annotated[float, Field(ge=0, lt=24)] = 0.0
    method: Literal["mean", "max", "min", "sum", "instant"] = "mean"

    def apply(self, dataset: xr.Dataset) -> xr.Dataset:
        """Return the dataset on windows; variables without ``time`` stay as they are."""
        if dataset.sizes.get("time", 0) < 2:
            raise UserError("step 'resample_time': there are not two times to resample.")
        varying = dataset[[name for name, a in dataset.data_vars.items() if "time" in a.dims]]
        fixed = dataset.drop_vars([*varying.data_vars, "time"])
        try:
            width = pd.Timedelta(self.to) / pd.Timedelta("1h")
        except ValueError:  # months and years have no length of their own
            resampled = self._by_calendar(varying)
        else:
            resampled = self._even(varying, width)
        for name, array in resampled.data_vars.items():
            array.attrs = dict(varying[name].attrs)
            if self.method != "instant":
                before = array.attrs.get("cell_methods", "")
                wording = WORDING.get(self.method, self.method)
                array.attrs["cell_methods"] = f"{before} time: {wording}".strip()
        return resampled.merge(fixed, compat="override")

    def _even(self, dataset: xr.Dataset, width: float) -> xr.Dataset:
        """Windows of the same length, in hours: blocks of the same number of steps."""
        if is_monthly(dataset["time"]):
            raise UserError(
                f"step 'resample_time': {self.to} has no whole number of months, which the data "
                "are: write MS, QS or YS."
            )
        times, step = hours(dataset["time"]), _step(dataset)
        count = round(width / step)
        if count < 1 or not np.isclose(count * step, width):
            raise UserError(
                f"step 'resample_time': a window of {self.to} is not a whole number of the data's "
                f"steps of {step:g} h."
            )
        first_begin = np.ceil((times[0] - self.begins) / 24) * 24 + self.begins
        edges = np.flatnonzero(np.isclose((times - first_begin) % width, 0))
        first = int(edges[0]) if edges.size else times.size
        whole = dataset.isel(time=slice(first, None))
        starts = whole.isel(time=slice(0, whole.sizes["time"] // count * count, count))
        if not starts.sizes["time"]:
            raise UserError(f"step 'resample_time': the data fill no window of {self.to}.")
        if self.method == "instant":
            return starts
        trimmed = whole.isel(time=slice(0, starts.sizes["time"] * count)).drop_vars("time")
        blocks = trimmed.coarsen(time=count).construct(time=("time", "step"))
        reduced: xr.Dataset = getattr(blocks, self.method)("step", skipna=False)
        return reduced.assign_coords(time=starts["time"])

    def _by_calendar(self, dataset: xr.Dataset) -> xr.Dataset:
        """Months and years: as many steps as the calendar says."""
        time = dataset["time"]
        try:
            counts = xr.ones_like(time, dtype=float).resample(time=self.to).sum()
        except ValueError as error:
            raise UserError(
                f"step 'resample_time': '{self.to}' is no length of time; write 6h, 1D, MS or YS."
            ) from error
        borders = xr.date_range(
            counts["time"].values[0],
            periods=counts.size + 1,
            freq=self.to,
            calendar=time.dt.calendar,
            use_cftime=time.dtype == object,
        )
        monthly = is_monthly(time)
        if monthly:
            full = counts.values == np.diff(months(xr.DataArray(borders)))
        else:
            lengths = np.diff(hours(xr.DataArray(borders)))
            full = np.isclose(counts.values * _step(dataset), lengths)
        if not full.any():
            raise UserError(f"step 'resample_time': the data fill no window of {self.to}.")
        if monthly and self.method == "mean":
            days = time.dt.days_in_month.astype(np.float64)
            sums = (dataset * days).resample(time=self.to).sum(skipna=False)
            reduced = sums / days.resample(time=self.to).sum()
            reduced = reduced.map(lambda array: array.astype(dataset[array.name].dtype))
        else:
            method = "first" if self.method == "instant" else self.method
            reduced = getattr(dataset.resample(time=self.to), method)(skipna=False)
        return reduced.isel(time=np.flatnonzero(full))


def _step(dataset: xr.Dataset) -> float:
    """Return the distance of the times in hours, which must be even.

    Raises
    ------
    UserError
        If the times are not evenly spaced.
    """
    steps = np.diff(hours(dataset["time"]))
    if not np.allclose(steps, steps[0]):
        raise UserError(
            f"step 'resample_time': the times are not evenly spaced (steps of {steps.min():g} to "
            f"{steps.max():g} h); list the absent ones under dates.missing."
        )
    return float(steps[0])
