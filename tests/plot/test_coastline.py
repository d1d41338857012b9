"""The coastline file and the script that makes it."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from climbench.plot.maps import coastline

SCRIPT = Path(__file__).parents[2] / "scripts" / "make_coastline.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_coastline", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_edges_that_are_no_coast_are_dropped(script):
    # an island that was closed along the date line, and a continent closed along the pole
    island = np.array([[180.0, 10.0], [180.0, 12.0], [178.0, 11.0]])
    continent = np.array([[-180.0, -70.0], [0.0, -75.0], [180.0, -70.0], [180, -90], [-180, -90]])
    (coast,) = script.drop_artificial_edges(island)
    np.testing.assert_array_equal(coast, [[180, 12], [178, 11]])
    (coast,) = script.drop_artificial_edges(continent)
    np.testing.assert_array_equal(coast, [[-180, -70], [0, -75], [180, -70]])


def test_lines_are_split_where_they_would_cross_the_map(script):
    line = np.array([[170.0, 0.0], [179.0, 1.0], [-179.0, 2.0], [-170.0, 3.0]])
    west, east = script.drop_artificial_edges(line)
    np.testing.assert_array_equal(west, line[:2])
    np.testing.assert_array_equal(east, line[2:])


def test_topojson_becomes_a_file_without_pickle(script, tmp_path, monkeypatch):
    # deltas times scale plus translate: (0, 0), (10, 20) -> (1, 2), (2, 4) degrees
    topology = {
        "transform": {"scale": [0.1, 0.1], "translate": [1.0, 2.0]},
        "arcs": [[[0, 0], [10, 20]]],
    }
    source, output = tmp_path / "land.json", tmp_path / "coast.npz"
    source.write_text(json.dumps(topology))
    monkeypatch.setattr(sys, "argv", ["x", str(source), "--output", str(output)])
    script.main()
    with np.load(output, allow_pickle=False) as file:
        np.testing.assert_allclose(file["coastline"], [[1, 2], [2, 4], [np.nan, np.nan]])


def test_the_packaged_coastline_is_small_and_clean():
    lines = coastline()
    longitude, latitude = lines.T
    assert len(lines) > 5000
    assert np.isnan(lines[-1]).all()
    assert np.nanmax(np.abs(longitude)) <= 180.0001 and np.nanmin(latitude) > -89.9
    assert np.nanmax(np.abs(np.diff(longitude))) < 90
    on_line = np.abs(longitude) > 179.99
    assert not (on_line[1:] & on_line[:-1]).any()
