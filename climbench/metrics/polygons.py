"""Regions that are polygons: land, AR6 regions and the user's own GeoJSON files."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import shape

from climbench.errors import UserError, nearest

LAND = Path(__file__).with_name("land_110m.geojson")  # made by scripts/make_land.py
NO_AREA = ("Point", "MultiPoint", "LineString", "MultiLineString")

# A centre on an edge belongs to the polygon north-east of it, so that polygons that share an
# edge share no cell. The ratio is that of no edge.
NUDGE_EAST, NUDGE_NORTH = 1e-6, 1.618034e-6


def cells_inside(
    area: Any, latitude: NDArray[np.float64], longitude: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Tell which cells have their centre within polygons.

    Parameters
    ----------
    area
        A shapely polygon or multipolygon, longitudes and latitudes in degrees; edges are straight
        in these, longitudes count modulo 360.
    latitude, longitude
        Cell centres ``[latitude]``, ``[longitude]``, degrees.

    Returns
    -------
    numpy.ndarray
        Membership ``[latitude, longitude]``.

    Examples
    --------
    >>> cells_inside(shapely.box(-10, 0, 10, 5), np.array([0.0, 5.0]), np.array([350.0, 0.0, 10.0]))
    array([[ True,  True, False],
           [False, False, False]])
    """
    west, south, east, north = shapely.bounds(area)
    rows = latitude + np.where(latitude + NUDGE_NORTH < 90.0, NUDGE_NORTH, -NUDGE_NORTH)
    in_rows = (rows >= south) & (rows <= north)
    inside = np.zeros((latitude.size, longitude.size), dtype=bool)
    shapely.prepare(area)
    for turn in range(int(west // 360.0), int(east // 360.0) + 1):
        columns = (longitude + NUDGE_EAST) % 360.0 + 360.0 * turn
        in_columns = (columns >= west) & (columns <= east)
        points = np.meshgrid(columns[in_columns], rows[in_rows])
        inside[np.ix_(in_rows, in_columns)] |= shapely.contains_xy(area, *points)
    return inside


@cache
def land_polygons() -> Any:
    """Return the land of Natural Earth at 1:110 million (public domain); lakes are land."""
    return read_polygons(LAND)


def read_polygons(path: Path) -> Any:
    """Return the union of all polygons of a GeoJSON file.

    A polygon that crosses the date line is given in two parts or with longitudes beyond 180
    degrees (RFC 7946, section 3.1.9).

    Parameters
    ----------
    path
        A geometry, a feature or a collection of either, in degrees.

    Returns
    -------
    shapely.Polygon or shapely.MultiPolygon
        In degrees.

    Raises
    ------
    UserError
        If there is no such file, it is not GeoJSON, or has no polygon on the globe.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
        polygons = [shapely.force_2d(shape(polygon)) for polygon in _polygons(document)]
    except FileNotFoundError:
        raise UserError(
            f"There is no region file '{path}': give the path of a GeoJSON file."
        ) from None
    except OSError as error:
        raise UserError(f"The region file '{path}' cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError, IndexError, shapely.errors.ShapelyError) as error:
        raise UserError(
            f"The region file '{path}' is not GeoJSON: it must hold a Polygon or MultiPolygon, or "
            "features of these."
        ) from error
    points = shapely.get_coordinates(polygons)
    if not (np.isfinite(points).all() and (np.abs(points[:, 1]) <= 90.0).all()):
        raise UserError(
            f"The region file '{path}' has points beyond the poles: GeoJSON positions are "
            "[longitude, latitude] in degrees."
        )
    valid = shapely.make_valid(np.array(polygons), method="structure", keep_collapsed=False)
    area = shapely.union_all(valid)
    if shapely.is_empty(area):
        raise UserError(f"The region file '{path}' has no polygon: draw at least one.")
    return area


def _polygons(document: Any) -> Iterator[Any]:
    """Yield the polygons of a GeoJSON object, however deep they lie."""
    kind = document["type"]
    if kind == "Feature":
        parts = [document["geometry"]]
    elif kind == "FeatureCollection":
        parts = document["features"]
    elif kind == "GeometryCollection":
        parts = document["geometries"]
    elif kind in ("Polygon", "MultiPolygon"):
        parts = []
        yield document
    elif kind in NO_AREA:
        parts = []
    else:
        raise ValueError(f"{kind} is no GeoJSON type")
    for part in parts:
        if part is not None:  # a feature without a place
            yield from _polygons(part)


def ar6_polygon(name: str) -> Any:
    """Return a reference region of the IPCC's sixth assessment report.

    Parameters
    ----------
    name
        Abbreviation or name, such as ``MED`` or ``Mediterranean``.

    Returns
    -------
    shapely.Polygon or shapely.MultiPolygon
        In degrees.

    Raises
    ------
    UserError
        If there is no such region, or regionmask or its file is not there.

    References
    ----------
    Iturbide et al. (2020), An update of IPCC climate reference regions, Earth Syst. Sci. Data 12,
    https://doi.org/10.5194/essd-12-2959-2020.
    """
    try:
        import regionmask
    except ImportError as error:
        raise UserError(
            f"The region 'ar6:{name}' needs the package regionmask: "
            'pip install "climbench[regions]".'
        ) from error
    try:
        regions = regionmask.defined_regions.ar6.all
    except (OSError, ValueError) as error:  # no network, or a broken download
        raise UserError(
            f"The region 'ar6:{name}' needs a file that regionmask could not fetch: put "
            "IPCC-WGI-reference-regions-v4.zip of https://github.com/regionmask/regionmask (folder "
            f"data) into {_ar6_folder(regionmask)}."
        ) from error
    known = dict(zip(regions.names, regions.polygons, strict=True))
    known |= dict(zip(regions.abbrevs, regions.polygons, strict=True))
    if name not in known:
        raise UserError(f"There is no AR6 region '{name}': {nearest(name, regions.abbrevs)}")
    return known[name]


def _ar6_folder(regionmask: Any) -> Path:
    """Return where regionmask looks for the shape file before it asks the network."""
    import pooch

    folder = regionmask.get_options()["cache_dir"] or pooch.os_cache("regionmask")
    return Path(folder).expanduser() / f"v{regionmask.__version__}"
