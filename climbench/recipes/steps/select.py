"""Keeping some variables, levels, a box, dates, or every nth entry."""

from typing import Annotated, ClassVar

import numpy as np
import xarray as xr
from pydantic import Field

from climbench.errors import UserError
from climbench.recipes.dates import DateText, within
from climbench.recipes.steps.step import Step, require
from climbench.recipes.strict import Strict


class Box(Strict):
    """A region between two parallels and two meridians, edges included.

    Attributes
    ----------
    latitude
        South and north, degrees north.
    longitude
        West and east, degrees east in either convention; ``[350, 10]`` crosses Greenwich.
    """

    latitude: tuple[float, float] = (-90.0, 90.0)
    longitude: tuple[float, float] = (0.0, 360.0)


class Select(Step):
    """Keep what is listed; what is not mentioned is kept whole.

    Attributes
    ----------
    variables
        Data variables, in this order.
    levels
        Values of ``level``, hPa, in any order: that of the dataset is kept.
    box
        A region.
    dates
        First and last date, both included.
    every
        Keep each nth entry along a dimension: ``{time: 4}``.
    """

    name: ClassVar[str] = "select"
    variables: list[str] | None = None
    levels: list[float] | None = None
    box: Box | None = None
    dates: tuple[DateText, DateText] | None = None
    every: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)

    def apply(self, dataset: xr.Dataset) -> xr.Dataset:
        """Return the part of the dataset that is kept."""
        if self.variables is not None:
            require(dataset, self.variables, self.name)
            dataset = dataset[self.variables]
        if self.levels is not None:
            dataset = _levels(dataset, self.levels)
        if self.box is not None:
            dataset = _box(dataset, self.box)
        if self.dates is not None:
            dataset = within(dataset, *self.dates)
        for dimension in self.every:
            if dimension not in dataset.dims:
                raise UserError(f"step 'select': there is no dimension '{dimension}' to thin out.")
        return dataset.isel({dim: slice(None, None, step) for dim, step in self.every.items()})


def _levels(dataset: xr.Dataset, levels: list[float]) -> xr.Dataset:
    if "level" not in dataset.dims:
        raise UserError("step 'select': there is no dimension 'level' to take levels from.")
    present = dataset["level"].values
    for level in levels:
        if not np.any(np.isclose(present, level)):
            listed = ", ".join(f"{value:g}" for value in present)
            raise UserError(f"step 'select': level {level:g} is absent, there are {listed} hPa.")
    return dataset.isel(level=sorted({int(np.argmin(np.abs(present - one))) for one in levels}))


def _box(dataset: xr.Dataset, box: Box) -> xr.Dataset:
    require(dataset, ["latitude", "longitude"], "select")
    tolerance = 1e-4  # degrees: coordinates may be float32
    south, north = box.latitude
    west, east = box.longitude
    latitude = dataset["latitude"].values
    eastward = (dataset["longitude"].values.astype(np.float64) - west + tolerance) % 360.0
    width = 360.0 if east - west >= 360.0 else (east - west) % 360.0
    rows = np.flatnonzero((latitude >= south - tolerance) & (latitude <= north + tolerance))
    columns = np.flatnonzero(eastward <= width + 2 * tolerance)
    if not rows.size or not columns.size:
        raise UserError(
            f"step 'select': the box latitude {south:g}..{north:g}, longitude {west:g}..{east:g} "
            "holds no grid point; choose a larger one."
        )
    return dataset.isel(latitude=rows, longitude=columns)
