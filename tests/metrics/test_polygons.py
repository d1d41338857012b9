"""Regions that are polygons: land, AR6 regions and GeoJSON files."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import shapely
from scipy.spatial import Delaunay

from climbench.errors import UserError
from climbench.metrics.polygons import LAND, cells_inside, land_polygons, read_polygons
from climbench.metrics.regions import region_labels, region_weights

LATITUDE = np.arange(-90.0, 90.1, 2.5)
LONGITUDE = np.arange(0.0, 360.0, 2.5)
SCRIPT = Path(__file__).parents[2] / "scripts" / "make_land.py"


def ring(west, south, east, north):
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def polygon(*rings):
    return {"type": "Polygon", "coordinates": [ring(*bounds) for bounds in rings]}


@pytest.fixture
def write(tmp_path):
    def write(document, name="my_area.geojson"):
        path = tmp_path / name
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return str(path)

    return write


def members(region, longitude=LONGITUDE):
    weights = region_weights(LATITUDE, longitude, [region])
    return weights.reshape(LATITUDE.size, longitude.size) > 0


# Land


def test_29_percent_of_the_globe_is_land():
    latitude, longitude = np.arange(-89.5, 90), np.arange(0.5, 360)
    land, sea = region_weights(latitude, longitude, ["land", "sea"]).mean(axis=0)
    assert land == pytest.approx(0.29, abs=0.003)  # 148.9 of 510.1 million km2
    assert land + sea == pytest.approx(1.0, rel=1e-14)


@pytest.mark.parametrize(
    ("place", "latitude", "longitude", "land"),
    [
        ("Zurich", 47.4, 8.5, True),
        ("Atlantic", 45.0, -30.0, False),
        ("Sahara", 23.0, 10.0, True),
        ("South Pole", -90.0, 0.0, True),
        ("South Pole, other side", -90.0, 180.0, True),
        ("Ross Ice Shelf", -85.5, 180.0, True),
        ("North Pole", 90.0, 0.0, False),
        ("Chukotka, east of the date line", 67.0, -175.0, True),
        ("Chukotka, on the date line", 67.0, 180.0, True),
        ("Chukotka, on the date line", 67.0, -180.0, True),
        ("Pacific, on the date line", 0.0, 180.0, False),
        ("Caspian Sea", 42.0, 50.5, False),
        ("Lake Victoria, which counts as land", -1.0, 33.0, True),
    ],
)
def test_places_are_land_or_sea(place, latitude, longitude, land):
    for turn in (0.0, 360.0):
        inside = cells_inside(land_polygons(), np.array([latitude]), np.array([longitude + turn]))
        assert inside.item() is land, place


def test_regionmask_finds_the_same_land():
    regionmask = pytest.importorskip("regionmask")
    latitude, longitude = np.arange(-89.123, 90, 1.7), np.arange(0.456, 360, 1.7)
    mask = regionmask.Regions([land_polygons()]).mask(longitude, latitude).to_numpy() == 0
    np.testing.assert_array_equal(cells_inside(land_polygons(), latitude, longitude), mask)


def test_the_land_file_is_small_sound_and_cut_at_the_date_line():
    land = shapely.from_geojson(LAND.read_text())
    assert LAND.stat().st_size < 100_000
    assert land.is_valid
    assert land.bounds == (-180.0, -90.0, 180.0, 83.65)


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        spec = importlib.util.spec_from_file_location("make_land", SCRIPT)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(SCRIPT.parent))
    return module


def test_topojson_rings_over_the_date_line_and_the_pole_become_polygons(
    script, tmp_path, monkeypatch
):
    # an island of two arcs over the date line with a lake, and a continent all round the pole
    arcs = [
        [[170, 0], [-170, 0], [-170, 20]],
        [[170, 0], [170, 20], [-170, 20]],
        [[172, 5], [172, 15], [178, 15], [178, 5], [172, 5]],
        [[-180, -70], [-60, -70], [60, -70], [180, -70]],
    ]
    deltas = [np.diff(arc, axis=0, prepend=[[0, 0]]).tolist() for arc in arcs]
    island, continent = [[0, ~1], [2]], [[3]]
    topology = {
        "transform": {"scale": [1.0, 1.0], "translate": [0.0, 0.0]},
        "arcs": deltas,
        "objects": {"land": {"geometries": [{"arcs": [island, continent]}]}},
    }
    source, output = tmp_path / "land.json", tmp_path / "land.geojson"
    source.write_text(json.dumps(topology))
    monkeypatch.setattr(sys, "argv", ["x", str(source), "--output", str(output)])
    script.main()
    expected = [(170, 0, 180, 20), (-180, 0, -170, 20), (-180, -90, 180, -70)]
    land = shapely.union_all([shapely.box(*bounds) for bounds in expected])
    land = shapely.difference(land, shapely.box(172, 5, 178, 15))
    assert shapely.equals(read_polygons(output), land)


# The user's own polygons


def test_a_polygon_has_the_cells_of_the_same_box(write):
    path = write(polygon((-12.5, 35, 42.5, 75)))
    np.testing.assert_array_equal(members(path), members("box:35:75:-12.5:42.5"))
    shifted = np.arange(-180.0, 180.0, 2.5)
    np.testing.assert_array_equal(members(path, shifted), members("box:35:75:-12.5:42.5", shifted))


@pytest.mark.parametrize("west", [-190, 170, 530])
def test_longitudes_of_polygons_count_modulo_360(write, west):
    path = write(polygon((west, -10, west + 20, 10)))
    np.testing.assert_array_equal(members(path), members("box:-10:10:170:-170"))


def test_a_polygon_of_the_whole_map_has_all_cells_with_the_poles(write):
    assert members(write(polygon((-180, -90, 180, 90)))).all()


def test_holes_are_left_out(write):
    path = write(polygon((0, 0, 40, 40), (10, 10, 20, 30)))
    expected = members("box:0:40:0:40") & ~members("box:10:30:10:20")
    np.testing.assert_array_equal(members(path), expected)


def test_all_polygons_of_a_collection_count_once(write):
    feature = {"type": "Feature", "properties": {"name": "a"}, "geometry": polygon((0, 0, 20, 20))}
    nowhere = {"type": "Feature", "properties": None, "geometry": None}
    point = {"type": "Point", "coordinates": [100.0, 50.0]}
    overlapping = {"type": "MultiPolygon", "coordinates": [[ring(10, 10, 30, 30)]]}
    collection = {"type": "GeometryCollection", "geometries": [point, overlapping]}
    second = {"type": "Feature", "properties": {}, "geometry": collection}
    path = write({"type": "FeatureCollection", "features": [feature, nowhere, second]})
    expected = members("box:0:20:0:20") | members("box:10:30:10:30")
    np.testing.assert_array_equal(members(path), expected)


def test_polygons_that_share_edges_share_no_cell():
    """Triangles with corners on cell centres are a partition of their hull."""
    corners = np.random.default_rng(0).integers(-12, 13, size=(40, 2)) * 2.5
    corners = np.vstack([corners, [[-40, -40], [40, -40], [40, 40], [-40, 40]]])
    corners = np.unique(corners, axis=0)
    triangles = [shapely.Polygon(corners[i]) for i in Delaunay(corners).simplices]
    times = sum(cells_inside(t, LATITUDE, LONGITUDE).astype(int) for t in triangles)
    np.testing.assert_array_equal(times, members("box:-40:40:-40:40").astype(int))


def test_a_file_is_called_by_its_stem_and_knows_land(write):
    path = write(polygon((0, 30, 40, 60)))
    assert region_labels([path, path + "_land"]) == ["my_area", "my_area_land"]
    parts = region_weights(LATITUDE, LONGITUDE, [path, path + "_land", path + "_sea"])
    np.testing.assert_array_equal(parts[:, 0], parts[:, 1] + parts[:, 2])


def test_a_path_may_be_a_path_object(write):
    path = write(polygon((0, 30, 40, 60)))
    np.testing.assert_array_equal(members(Path(path)), members(path))
    assert region_labels([Path(path)]) == ["my_area"]


def test_a_polygon_between_cell_centres_is_refused(write):
    path = write(polygon((0.5, 0.5, 1, 1)))
    with pytest.raises(UserError, match=r"my_area.geojson' has no cell on the grid"):
        members(path)


@pytest.mark.parametrize(
    "document",
    [
        "nonsense",
        "3",
        "[1, 2]",
        '{"a": 1}',
        '{"type": "Topology"}',
        '{"type": "Polygon"}',
        '{"type": "Polygon", "coordinates": [[["a", 0], [1, 0], [1, 1]]]}',
        '{"type": "Polygon", "coordinates": [[[0, 0], [1, 0]]]}',
        '{"type": "Feature", "geometry": 5}',
        '{"type": "FeatureCollection", "features": 3}',
    ],
)
def test_what_is_not_geojson_is_refused(write, document):
    with pytest.raises(UserError, match=r"my_area.geojson' is not GeoJSON"):
        members(write(document))


@pytest.mark.parametrize(
    "document",
    [
        {"type": "FeatureCollection", "features": []},
        {"type": "Point", "coordinates": [0, 0]},
        {"type": "Polygon", "coordinates": []},
        polygon((0, 0, 0, 10)),
    ],
)
def test_a_file_without_a_polygon_is_refused(write, document):
    with pytest.raises(UserError, match="has no polygon"):
        members(write(document))


@pytest.mark.filterwarnings("ignore:invalid value")
def test_points_beyond_the_poles_are_refused(write):
    for bounds in ((0, 0, 10, 95), (500000, 4649776, 510000, 4659776), (0, 0, 10, float("nan"))):
        with pytest.raises(UserError, match=r"beyond the poles: .* \[longitude, latitude\]"):
            members(write(polygon(bounds)))


def test_a_missing_file_or_a_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"no region file '.*alps.geojson'"):
        members(str(tmp_path / "alps.geojson"))
    (tmp_path / "folder.geojson").mkdir()
    with pytest.raises(UserError, match=r"'.*folder.geojson' cannot be read: Is a directory"):
        members(str(tmp_path / "folder.geojson"))


def test_a_polygon_that_crosses_itself_has_both_its_halves(write):
    bow = {"type": "Polygon", "coordinates": [[[0, 0], [40, 40], [40, 0], [0, 40], [0, 0]]]}
    inside = members(write(bow))
    for latitude, longitude, within in ((20, 5, True), (20, 35, True), (5, 20, False)):
        assert inside[LATITUDE == latitude, LONGITUDE == longitude] == within


# AR6


@pytest.fixture
def ar6(monkeypatch):
    """Two regions in the place of those that regionmask fetches from the network."""
    regionmask = pytest.importorskip("regionmask")
    outlines = [shapely.box(-10, 30, 40, 45), shapely.box(-10, 45, 40, 60)]
    regions = regionmask.Regions(
        outlines, names=["Mediterranean", "W.&Central-Europe"], abbrevs=["MED", "WCE"]
    )
    kind = type(regionmask.defined_regions.ar6)
    monkeypatch.setattr(kind, "all", property(lambda _: regions))
    return kind


def test_ar6_regions_go_by_abbreviation_or_name(ar6):
    np.testing.assert_array_equal(members("ar6:MED"), members("box:30:45:-10:40"))
    np.testing.assert_array_equal(members("ar6:W.&Central-Europe"), members("ar6:WCE"))
    both = region_weights(LATITUDE, LONGITUDE, ["ar6:MED_land", "ar6:MED_sea", "ar6:MED"])
    np.testing.assert_array_equal(both[:, 0] + both[:, 1], both[:, 2])


def test_an_unknown_ar6_region_names_the_nearest(ar6):
    with pytest.raises(UserError, match="no AR6 region 'MEDD': did you mean 'MED'"):
        members("ar6:MEDD")


def test_without_regionmask_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "regionmask", None)
    with pytest.raises(UserError, match=r"'ar6:MED' needs .* pip install \"climbench\[regions\]\""):
        members("ar6:MED")


def test_without_a_network_the_file_and_its_folder_are_named(ar6, monkeypatch, tmp_path):
    import regionmask

    def offline(_):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(ar6, "all", property(offline))
    with regionmask.set_options(cache_dir=tmp_path), pytest.raises(UserError) as caught:
        members("ar6:MED")
    folder = tmp_path / f"v{regionmask.__version__}"
    assert "IPCC-WGI-reference-regions-v4.zip of https" in str(caught.value)
    assert str(caught.value).endswith(f"into {folder}.")


def test_the_real_ar6_regions_cover_the_globe_once():
    regionmask = pytest.importorskip("regionmask")
    pooch = pytest.importorskip("pooch")
    name = "IPCC-WGI-reference-regions-v4.zip"
    folder = Path(pooch.os_cache("regionmask")) / f"v{regionmask.__version__}"
    if not (folder / name).exists():
        pytest.skip(f"{name} is not in {folder}: it is not fetched for a test")
    names = [f"ar6:{abbreviation}" for abbreviation in regionmask.defined_regions.ar6.all.abbrevs]
    weights = region_weights(LATITUDE, LONGITUDE, names)
    assert len(names) == 58
    assert (weights > 0).sum(axis=1).mean() == pytest.approx(1.0, abs=0.01)
