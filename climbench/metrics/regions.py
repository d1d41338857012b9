"""Regions as weights of cells, so that all of them are one matrix product.

A region is named in one of these ways, each also followed by ``_land`` or ``_sea``:

==============================  ===================================================
``global``, ``europe`` ...      a name in ``REGIONS``
``land``, ``sea``               all land, all sea
``lat:20:60``                   a band of latitude, from south to north
``box:35:75:-12.5:42.5``        a box: south, north, west, east
``ar6:MED``                     a reference region of the IPCC's sixth report
``folder/my_area.geojson``      polygons of a GeoJSON file; called ``my_area``
==============================  ===================================================

A cell belongs to a region if its centre does. Bands, boxes and polygons that share an edge share
no cell: a centre on the edge belongs to the northern or eastern one. Only land and sea can share
cells, each by its part of them, where their fraction is known.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from climbench.errors import UserError, nearest
from climbench.grids import Weighting, latitude_weights, longitude_bounds
from climbench.metrics.polygons import ar6_polygon, cells_inside, land_polygons, read_polygons

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
LandRule = Literal["membership", "fraction"]

DECIMALS = 4  # of a degree, to which centres and bounds are compared: float32 has no more
OPEN = 5e-5  # what takes an edge away from a box, with centres rounded to DECIMALS


class Box(NamedTuple):
    """Cells whose centre lies within these bounds (edges included), degrees north and east."""

    south: float
    north: float
    west: float = 0.0
    east: float = 360.0


# Bounds and closed edges of WeatherBench 2 and WeatherBench-X (run_benchmark_evaluation.py), but
# for the extra-tropics, which there have the rows on 20 degrees too: here they are counted once.
REGIONS: dict[str, tuple[Box, ...]] = {
    "global": (Box(-90, 90),),
    "tropics": (Box(-20, 20),),
    "extra-tropics": (Box(20 + OPEN, 90), Box(-90, -20 - OPEN)),
    "northern-hemisphere": (Box(20, 90),),
    "southern-hemisphere": (Box(-90, -20),),
    "arctic": (Box(60, 90),),
    "antarctic": (Box(-90, -60),),
    "europe": (Box(35, 75, -12.5, 42.5),),
    "north-america": (Box(25, 60, 240, 285),),
    "north-atlantic": (Box(25, 65, 290, 350),),
    "north-pacific": (Box(25, 60, 145, 230),),
    "east-asia": (Box(25, 60, 102.5, 150),),
    "ausnz": (Box(-45, -12.5, 120, 175),),
    "northern-africa": (Box(5, 32.5, -12.5, 37.5),),
    "southern-africa": (Box(-30, 5, 12.5, 37.5),),
    "south-america": (Box(-40, 5, 285, 315),),
    "west-asia": (Box(15, 60, 42.5, 102.5),),
    "south-east-asia": (Box(-12.5, 25, 95, 125),),
}
SURFACES = ("land", "sea")
FORMS = {
    "lat": "lat:south:north with -90 <= south < north <= 90, for example lat:20:60",
    "box": "box:south:north:west:east with -90 <= south < north <= 90 and west and east from -180 "
    "to 360, for example box:35:75:-12.5:42.5",
}
OTHERS = ("lat:20:60", "box:35:75:-12.5:42.5", "ar6:MED", "my_area.geojson", "europe_land")
FILES = (".geojson", ".json")


SMALLEST = 1e-30  # weight of a cell that is there but has no area


def region_weights(
    latitude: ArrayLike,
    longitude: ArrayLike,
    regions: Sequence[str] = ("global",),
    weighting: Weighting = "area",
    land: ArrayLike | None = None,
    land_rule: LandRule = "membership",
) -> Array:
    """Return the weight of each cell in each region.

    Parameters
    ----------
    latitude, longitude
        Cell centres ``[latitude]``, ``[longitude]``, degrees, in the order of the fields, any.
    regions
        Names, in any of the ways that the head of this module lists.
    weighting
        ``area`` of the cell, ``area_half_step``, ``cos`` of its latitude, or ``none``.
    land
        The share of land in each cell ``[latitude, longitude]``, from 0 to 1. None asks the
        built-in outlines (Natural Earth, 1:110 million, lakes are land) whether a cell's centre is
        on land; if so all of the cell is.
    land_rule
        ``membership``: a cell is land from a share of 0.5 on, else sea (ECMWF's convention, and
        that of WeatherBench-X). ``fraction``: its weight is shared by both, as in WeatherBench 2.

    Returns
    -------
    numpy.ndarray
        Weights ``[latitude * longitude, region]``, dimensionless, mean 1 over all cells, 0
        outside the region.

    Raises
    ------
    UserError
        If a region is unknown or has no cell on this grid, or ``land`` is no share of land.

    Examples
    --------
    >>> region_weights([-45.0, 45.0], [0.0, 180.0], ["global", "lat:0:90"]).tolist()
    [[1.0, 0.0], [1.0, 0.0], [1.0, 1.0], [1.0, 1.0]]
    """
    rows, columns = (np.atleast_1d(np.asarray(c, dtype=np.float64)) for c in (latitude, longitude))
    cells = np.outer(_row_weights(rows, weighting), _column_weights(columns, weighting))
    north, east = rows.round(DECIMALS), columns.round(DECIMALS)
    parts = [split_surface(str(name)) for name in regions]
    share = _land(north, east, land, land_rule) if any(surface for _, surface in parts) else None
    weights = np.zeros((cells.size, len(parts)))
    for column, (area, surface) in enumerate(parts):
        part = _members(area, north, east).astype(np.float64)
        if share is not None and surface:
            part *= share if surface == "land" else 1.0 - share
        inside = part > 0
        if not np.any(cells[inside] > 0):
            raise UserError(
                f"The region '{regions[column]}' has no cell on the grid of latitude "
                f"{north.min():g} to {north.max():g}, longitude {east.min():g} to {east.max():g}: "
                "leave it out."
            )
        # A pole row of weight zero is part of the region: means that do not weigh count it.
        weights[:, column] = np.where(inside, np.maximum(part * cells, SMALLEST), 0.0).ravel()
    return weights


def region_labels(regions: Sequence[str]) -> list[str]:
    """Return what regions are called in scores: a file by its stem, others by their name.

    Raises
    ------
    UserError
        If two regions would be called the same.

    Examples
    --------
    >>> region_labels(["europe_land", "areas/alps.geojson", "areas/alps.geojson_land"])
    ['europe_land', 'alps', 'alps_land']
    """
    labels = []
    for name in map(str, regions):
        area, surface = split_surface(name)
        stem = Path(area).stem + f"_{surface}" * bool(surface)
        label = stem if _is_file(area) else name
        if label in labels:
            raise UserError(f"Two regions are called '{label}': leave one out or rename its file.")
        labels.append(label)
    return labels


def _row_weights(latitude: Array, weighting: Weighting) -> Array:
    """Return the weight of each row, whatever their order, with mean 1."""
    order = np.argsort(latitude)
    weights = np.empty(latitude.size)
    weights[order] = latitude_weights(latitude[order], weighting)
    return weights


def _column_weights(longitude: Array, weighting: Weighting) -> Array:
    """Return the weight of each column, its width for areas, with mean 1."""
    if not weighting.startswith("area"):
        return np.ones(longitude.size)
    if _turns(longitude):  # 350, 355, 0, 5: the same, without the jump
        longitude = np.unwrap(longitude, period=360.0)
    if _turns(longitude):  # shuffled: eastward, from the far side of the widest gap
        order = np.argsort(longitude % 360.0)
        east = longitude[order] % 360.0
        widest = int(np.argmax(np.diff(np.append(east, east[0] + 360.0))))
        order = np.roll(order, -widest - 1)
        weights = np.empty(longitude.size)
        weights[order] = _column_weights(longitude[order] % 360.0, weighting)
        return weights
    width = np.abs(np.diff(longitude_bounds(longitude)))
    return np.asarray(width / width.mean())


def _turns(longitude: Array) -> bool:
    """Tell whether columns go both eastward and westward."""
    steps = np.diff(longitude)
    return bool(np.any(steps > 0) and np.any(steps < 0))


def split_surface(name: str) -> tuple[str, str]:
    """Return the area of a region's name, and ``land``, ``sea`` or nothing.

    Examples
    --------
    >>> split_surface("europe_land"), split_surface("sea"), split_surface("tropics")
    (('europe', 'land'), ('global', 'sea'), ('tropics', ''))
    """
    for surface in SURFACES:
        if name == surface:
            return "global", surface
        if name.endswith(f"_{surface}"):
            return name.removesuffix(f"_{surface}"), surface
    return name, ""


def _is_file(area: str) -> bool:
    return area.lower().endswith(FILES)


def _members(area: str, north: Array, east: Array) -> Mask:
    """Tell which cells lie in an area ``[latitude, longitude]``."""
    kind, _, rest = area.partition(":")
    if area in REGIONS:
        boxes = [_in_box(box, north, east) for box in REGIONS[area]]
        return np.asarray(np.logical_or.reduce(boxes))
    if _is_file(area):
        return cells_inside(read_polygons(Path(area).expanduser()), north, east)
    if rest and kind in FORMS:
        return _in_box(_read_box(area), north, east)
    if rest and kind == "ar6":
        return cells_inside(ar6_polygon(rest), north, east)
    known = [*REGIONS, *SURFACES, *OTHERS]
    raise UserError(f"There is no region '{area}': {nearest(area, known)}")


def _in_box(box: Box, north: Array, east: Array) -> Mask:
    rows = (north >= box.south) & (north <= box.north)
    columns = (east - box.west).round(DECIMALS) % 360.0 <= box.east - box.west
    return np.asarray(np.logical_and.outer(rows, columns))


def _read_box(area: str) -> Box:
    """Return the box of ``lat:20:60`` or ``box:35:75:-12.5:42.5``, without its upper edges."""
    kind, *texts = area.split(":")
    try:
        bounds = [round(float(text), DECIMALS) for text in texts]
        south, north, west, east = bounds if kind == "box" else [*bounds, 0.0, 360.0]
    except ValueError:
        south = north = west = east = np.nan
    on_globe = -90.0 <= south < north <= 90.0 and min(west, east) >= -180.0
    if not (on_globe and max(west, east) <= 360.0 and 0.0 < abs(east - west) <= 360.0):
        raise UserError(f"The region '{area}' is not of the form {FORMS[kind]}.")
    width = (east - west) % 360.0 or 360.0
    return Box(
        south,
        north if north == 90.0 else north - OPEN,
        west,
        west + (width if width == 360.0 else width - OPEN),
    )


def _land(north: Array, east: Array, land: ArrayLike | None, rule: LandRule) -> Array:
    """Return how much of each cell counts as land ``[latitude, longitude]``, from 0 to 1."""
    if land is None:
        return cells_inside(land_polygons(), north, east).astype(np.float64)
    share = np.asarray(land, dtype=np.float64)
    if share.shape != (north.size, east.size):
        raise ValueError(f"land must be [latitude, longitude] {north.size, east.size}")
    if not np.all(np.abs(share - 0.5) <= 1.0):  # interpolation may overshoot 0 and 1
        raise UserError(
            "The land-sea mask must be the share of land in each cell, from 0 to 1 and never "
            "missing: divide a percentage by 100."
        )
    return np.clip(share, 0.0, 1.0) if rule == "fraction" else (share >= 0.5).astype(np.float64)
