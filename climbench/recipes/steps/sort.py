"""The order of coordinates and dimensions that every store has."""

from typing import ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.recipes.steps.step import Step

DIMENSIONS = (
    "source_id",
    "scenario",
    "member",
    "time",
    "level",
    "station",
    "column",
    "latitude",
    "longitude",
)
"""Dimensions of a store, in order: maps end in latitude and longitude, observations in ``station``,
unstructured grids in ``column``; series, such as telemetry, have ``time`` only."""


class Sort(Step):
    """Latitude and level ascending, longitude 0..360 ascending, dimensions in store order.

    A region that crosses Greenwich is kept in one piece: its columns run from west to east, and
    those west of Greenwich are negative.
    """

    name: ClassVar[str] = "sort"

    def apply(self, dataset: xr.Dataset) -> xr.Dataset:
        """Return the dataset with coordinates and dimensions in order."""
        if "longitude" in dataset.dims:
            longitude = eastward(dataset["longitude"].values)
            dataset = dataset.assign_coords(
                longitude=("longitude", longitude, dataset["longitude"].attrs)
            )
        for dimension in {"latitude", "longitude", "level"} & set(dataset.dims):
            order = np.argsort(dataset[dimension].values, kind="stable")
            if np.any(np.diff(order) != 1):  # no indexing, no copy, where the order is right
                dataset = dataset.isel({dimension: order})
        known = [name for name in DIMENSIONS if name in dataset.dims]
        return dataset.transpose(*known, ...)


def eastward(longitude: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return longitudes in [0, 360), or from the western edge on if Greenwich is inside.

    Examples
    --------
    >>> eastward(np.array([-180.0, -90.0, 0.0, 90.0])).tolist()
    [180.0, 270.0, 0.0, 90.0]
    >>> eastward(np.array([350.0, 355.0, 0.0, 5.0])).tolist()
    [-10.0, -5.0, 0.0, 5.0]
    """
    turned = np.round(np.asarray(longitude, dtype=np.float64) % 360.0, 9) % 360.0
    ordered = np.sort(turned)
    gaps = np.diff(ordered, append=ordered[0] + 360.0)
    if gaps[-1] < gaps.max() - 1e-3:  # the widest gap is elsewhere: the region crosses Greenwich
        west = ordered[(int(np.argmax(gaps)) + 1) % ordered.size]
        turned = np.where(turned >= west, turned - 360.0, turned)
    return turned
