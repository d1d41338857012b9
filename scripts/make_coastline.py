"""Make the package's coastline file from Natural Earth's land outlines at 1:110 million.

Natural Earth is in the public domain. The script reads its TopoJSON form, which comes with version
2.0.2 of the npm package world-atlas::

    npm pack world-atlas@2.0.2
    tar -xzf world-atlas-2.0.2.tgz
    python scripts/make_coastline.py package/land-110m.json

The result, ``climbench/plot/coastline_110m.npz``, holds one array ``coastline`` [point, 2] of
longitude and latitude in degrees (float32), with a row of NaN after each line.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

OUTPUT = Path(__file__).parents[1] / "climbench" / "plot" / "coastline_110m.npz"


def read_arcs(topology: dict[str, Any]) -> list[NDArray[np.float64]]:
    """Return the arcs of a quantised TopoJSON as [point, 2] longitude and latitude in degrees."""
    scale = np.array(topology["transform"]["scale"])
    translate = np.array(topology["transform"]["translate"])
    return [np.cumsum(arc, axis=0) * scale + translate for arc in topology["arcs"]]


def drop_artificial_edges(arc: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return the pieces of an arc that are coast.

    Polygons are closed along the date line and along the south pole, which are no coasts, and a
    step of more than 180 degrees of longitude would cross the whole map.
    """
    longitude, latitude = arc.T
    along_date_line = (np.abs(longitude[1:]) > 179.99) & (np.abs(longitude[:-1]) > 179.99)
    along_pole = (latitude[1:] < -89.9) & (latitude[:-1] < -89.9)
    across_map = np.abs(np.diff(longitude)) > 180
    cuts = np.flatnonzero(along_date_line | along_pole | across_map) + 1
    return [piece for piece in np.split(arc, cuts) if len(piece) > 1]


def main() -> None:
    """Write the coastline file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("topojson", type=Path, help="land-110m.json of world-atlas 2.0.2")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    topology = json.loads(arguments.topojson.read_text())
    pieces = [piece for arc in read_arcs(topology) for piece in drop_artificial_edges(arc)]
    gap = np.full((1, 2), np.nan)
    coastline = np.concatenate([row for piece in pieces for row in (piece, gap)])
    np.savez_compressed(arguments.output, coastline=coastline.astype(np.float32))
    size = arguments.output.stat().st_size
    print(f"{arguments.output}: {len(pieces)} lines, {len(coastline)} rows, {size} bytes")


if __name__ == "__main__":
    main()
