"""Regions of a forecasting task: the cells of a box, by coordinate."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError, nearest
from climbench.metrics.regions import DECIMALS, REGIONS, Box

CLIMAX_REGIONS = {
    "NorthAmerica": Box(15, 65, 220, 300),
    "SouthAmerica": Box(-55, 20, 270, 330),
    "Europe": Box(30, 65, 0, 40),
    "SouthAsia": Box(-15, 45, 25, 110),
    "EastAsia": Box(5, 65, 70, 150),
    "Australia": Box(-50, 10, 100, 180),
    "Global": Box(-90, 90),
}
"""Of ClimaX's regional forecasts (Nguyen et al. 2023), in its repository's ``data_utils.py``."""

KNOWN = {**CLIMAX_REGIONS, **{name: boxes[0] for name, boxes in REGIONS.items() if len(boxes) == 1}}

Region = str | Mapping[str, Any]
"""A name in ``KNOWN``, or ``{latitude: [south, north], longitude: [west, east]}``."""


def region_box(region: Region) -> Box:
    """Return the bounds of a region, degrees; both edges belong to it.

    Raises
    ------
    UserError
        If it is no known name and no box.

    Examples
    --------
    >>> region_box({"latitude": [30, 65], "longitude": [350, 40]})
    Box(south=30.0, north=65.0, west=350.0, east=400.0)
    """
    if isinstance(region, str):
        if region not in KNOWN:
            raise UserError(
                f"option 'region': there is no region '{region}': {nearest(region, KNOWN)}"
            )
        return KNOWN[region]
    try:
        bounds = {key: [float(value) for value in values] for key, values in region.items()}
        south, north = bounds.pop("latitude")
        west, east = bounds.pop("longitude", (0.0, 360.0))
        right = not bounds and -90 <= south < north <= 90 and -180 <= west <= 360
        right &= -180 <= east <= 360 and west != east
    except (AttributeError, KeyError, TypeError, ValueError):
        right = False
    if not right:
        raise UserError(
            f"option 'region' = {region} is wrong: write a name, or "
            "{latitude: [south, north], longitude: [west, east]} in degrees."
        )
    return Box(south, north, west, west + ((east - west) % 360.0 or 360.0))


def northward(ds: xr.Dataset) -> xr.Dataset:
    """Return a store with its rows from south to north, lazily, as models take them."""
    order = np.argsort(ds["latitude"].values)
    return ds if np.all(np.diff(order) > 0) else ds.isel(latitude=order)


def cut_region(ds: xr.Dataset, region: Region | None) -> xr.Dataset:
    """Return the cells of a region whose centres lie in it, rows from south to north, lazily.

    Columns run from west to east without a jump: the longitudes of the store where these do so,
    else in [0, 360), else (across 0 degrees) in [-180, 180).

    Parameters
    ----------
    ds
        A store: rows and columns in any order, longitudes in any convention.
    region
        See :func:`region_box`; None takes all, columns as they are.

    Raises
    ------
    UserError
        If the region is wrong, or has fewer than two rows or columns on this grid.
    """
    if region is None:
        return northward(ds)
    box = region_box(region)
    north = np.asarray(ds["latitude"].values, dtype=np.float64).round(DECIMALS)
    east = np.asarray(ds["longitude"].values, dtype=np.float64).round(DECIMALS)
    rows = np.flatnonzero((north >= box.south) & (north <= box.north))
    rows = rows[np.argsort(north[rows])]
    distance = (east - box.west).round(DECIMALS) % 360.0
    columns = np.flatnonzero(distance <= box.east - box.west)
    if columns.size < east.size:  # else there is neither a west nor an east
        columns = columns[np.argsort(distance[columns])]
    if min(rows.size, columns.size) < 2:
        raise UserError(
            f"option 'region' = {region} has {rows.size} rows and {columns.size} columns on the "
            f"store's grid (latitude {north.min():g} to {north.max():g}, longitude "
            f"{east.min():g} to {east.max():g}): choose a larger one inside it."
        )
    part = ds.isel(latitude=rows, longitude=columns)
    return part.assign_coords(longitude=part["longitude"].copy(data=_eastward(part["longitude"])))


def _eastward(longitude: xr.DataArray) -> NDArray[Any]:
    values = longitude.values
    for labels in (values, values % 360.0):
        if np.all(np.diff(labels) > 0):
            return np.asarray(labels)
    return np.asarray((values + 180.0) % 360.0 - 180.0)
