"""Make the package's land outlines from Natural Earth's land polygons at 1:110 million.

Natural Earth is in the public domain. The script reads its TopoJSON form, which comes with version
2.0.2 of the npm package world-atlas::

    npm pack world-atlas@2.0.2
    tar -xzf world-atlas-2.0.2.tgz
    python scripts/make_land.py package/land-110m.json

The result, ``climbench/metrics/land_110m.geojson``, is one GeoJSON MultiPolygon in hundredths of a
degree, cut at the date line as RFC 7946 asks. The Caspian Sea is its one hole; lakes are land.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from make_coastline import read_arcs
from numpy.typing import NDArray

OUTPUT = Path(__file__).parents[1] / "climbench" / "metrics" / "land_110m.geojson"
WORLD = shapely.box(-180.0, -90.0, 180.0, 90.0)


def join_arcs(arcs: list[NDArray[np.float64]], numbers: list[int]) -> NDArray[np.float64]:
    """Return the ring that these arcs make; ``~n`` stands for arc n turned round."""
    turned = [arcs[n] if n >= 0 else arcs[~n][::-1] for n in numbers]
    return np.concatenate([turned[0]] + [arc[1:] for arc in turned[1:]])


def close_on_the_map(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a ring of the sphere as a closed ring of the plane, longitudes without jumps.

    A ring that goes once round the globe, Antarctica's, is closed over the south pole.
    """
    longitude = np.unwrap(ring[:, 0], period=360.0)
    ring = np.column_stack([longitude, ring[:, 1]])
    if abs(longitude[-1] - longitude[0]) > 180.0:
        over_pole = [[longitude[-1], -90.0], [longitude[0], -90.0], ring[0]]
        ring = np.vstack([ring, over_pole])
    return ring


def read_land(topology: dict[str, Any]) -> shapely.MultiPolygon:
    """Return the land of a TopoJSON between -180 and 180 degrees east."""
    arcs = read_arcs(topology)
    shells, holes = [], []
    for collection in topology["objects"]["land"]["geometries"]:
        for shell, *inner in collection["arcs"]:
            shells.append(close_on_the_map(join_arcs(arcs, shell)))
            holes.extend(close_on_the_map(join_arcs(arcs, ring)) for ring in inner)
    return shapely.difference(on_one_map(shells), on_one_map(holes))


def on_one_map(rings: list[NDArray[np.float64]]) -> shapely.MultiPolygon:
    """Return the union of rings of any longitude, cut at the date line."""
    turns = [np.array([turn, 0.0]) for turn in (-360, 0, 360)]
    turned = [shapely.Polygon(ring + turn) for ring in rings for turn in turns]
    return shapely.intersection(shapely.union_all(turned), WORLD)


def main() -> None:
    """Write the land file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("topojson", type=Path, help="land-110m.json of world-atlas 2.0.2")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    land = read_land(json.loads(arguments.topojson.read_text()))
    land = shapely.set_precision(land, 0.01)
    document = json.dumps(json.loads(shapely.to_geojson(land)), separators=(",", ":"))
    arguments.output.write_text(document + "\n")
    count = len(shapely.get_parts(land))
    print(f"{arguments.output}: {count} polygons, {len(document)} bytes")


if __name__ == "__main__":
    main()
