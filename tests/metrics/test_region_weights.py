"""Regions and weights of cells."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from climbench.errors import UserError
from climbench.grids import latitude_weights
from climbench.metrics.regions import REGIONS, region_labels, region_weights

LATITUDE = np.arange(-90.0, 90.1, 2.5)
LONGITUDE = np.arange(0.0, 360.0, 2.5)


def cells(name, longitude=LONGITUDE, latitude=LATITUDE, **options):
    weights = region_weights(latitude, longitude, [name], **options)
    return weights[:, 0].reshape(latitude.size, longitude.size)


def total(names, **options):
    return region_weights(LATITUDE, LONGITUDE, names, **options).sum(axis=1)


GLOBE = region_weights(LATITUDE, LONGITUDE)[:, 0]


def test_tropics_and_extra_tropics_are_the_globe():
    """Rows exactly on 20 degrees are counted once."""
    np.testing.assert_array_equal(total(["tropics", "extra-tropics"]), GLOBE)


def test_hemispheres_have_the_rows_on_20_degrees_as_in_weatherbench2():
    for name, row in (("northern-hemisphere", 20.0), ("southern-hemisphere", -20.0)):
        assert (cells(name)[LATITUDE == row] > 0).all()


def test_weights_have_mean_one():
    assert region_weights(LATITUDE, LONGITUDE).mean() == pytest.approx(1.0, rel=1e-14)


def test_europe_crosses_greenwich():
    inside = cells("europe") > 0
    east = np.where(inside.any(axis=0))[0] * 2.5
    assert set(east) == {*np.arange(0, 42.6, 2.5), *np.arange(347.5, 360, 2.5)}
    north = LATITUDE[inside.any(axis=1)]
    assert (north.min(), north.max()) == (35.0, 75.0)


@pytest.mark.parametrize(
    ("name", "south", "north", "west", "east"),
    [
        ("northern-africa", 5, 32.5, -12.5, 37.5),
        ("southern-africa", -30, 5, 12.5, 37.5),
        ("south-america", -40, 5, -75, -45),
        ("west-asia", 15, 60, 42.5, 102.5),
        ("south-east-asia", -12.5, 25, 95, 125),
        ("north-pacific", 25, 60, 145, 230),
    ],
)
def test_named_boxes_have_the_bounds_of_weatherbench2_edges_included(
    name, south, north, west, east
):
    rows = np.arange(south, north + 1, 2.5)
    columns = np.arange(west, east + 1, 2.5) % 360
    expected = np.logical_and.outer(np.isin(LATITUDE, rows), np.isin(LONGITUDE, columns))
    np.testing.assert_array_equal(cells(name) > 0, expected)


def test_longitudes_from_minus_180_give_the_same_cells():
    shifted = np.arange(-180.0, 180.0, 2.5)
    order = np.argsort(shifted % 360)
    for name in [*REGIONS, "land", "box:-10:10:350:20", "europe_sea"]:
        np.testing.assert_allclose(cells(name, shifted)[:, order], cells(name), rtol=1e-13)


def test_reversed_latitudes_give_the_same_cells():
    for name in [*REGIONS, "land", "lat:0:30", "europe_sea"]:
        turned = cells(name, latitude=LATITUDE[::-1])[::-1]
        np.testing.assert_allclose(turned, cells(name), rtol=1e-13)


def test_columns_that_pass_from_360_to_0_keep_their_width():
    crop, plain = np.array([350.0, 355.0, 0.0, 5.0, 10.0]), np.arange(-10.0, 11.0, 5.0)
    for name in ("global", "europe", "land"):
        np.testing.assert_array_equal(cells(name, crop), cells(name, plain))


def test_uneven_longitudes_weigh_by_width():
    for rule in ("area", "area_half_step"):
        weights = region_weights([0.0], [0.0, 10.0, 30.0], weighting=rule)[:, 0]
        np.testing.assert_allclose(weights / weights.sum(), np.array([10, 15, 20]) / 45)


def test_a_regional_grid_has_the_weights_of_its_own_rows():
    rows = np.arange(30.0, 61.0, 5.0)
    weights = region_weights(rows, [0.0, 5.0], ["global", "europe"]).reshape(7, 2, 2)
    np.testing.assert_allclose(weights[:, 0, 0], latitude_weights(rows))
    np.testing.assert_allclose(weights[:, 1, 1], latitude_weights(rows) * (rows >= 35))


@given(st.sets(st.integers(-89, 89)), st.booleans())
def test_bands_of_latitude_are_the_globe(inner, reverse):
    latitude = np.arange(-90.0, 91.0)[:: -1 if reverse else 1]
    names = [f"lat:{south}:{north}" for south, north in pairwise([-90, *sorted(inner), 90])]
    bands = region_weights(latitude, [0.0], names)
    np.testing.assert_array_equal(bands.sum(axis=1), region_weights(latitude, [0.0])[:, 0])


def test_boxes_that_share_edges_are_the_globe():
    boxes = [
        f"box:{south}:{north}:{west}:{east}"
        for south, north in ((-90, -20), (-20, 20), (20, 90))
        for west, east in ((-180, -60), (-60, 10), (10, 180))
    ]
    np.testing.assert_array_equal(total(boxes), GLOBE)
    np.testing.assert_array_equal(total(["box:-90:90:-180:180"]), GLOBE)
    np.testing.assert_array_equal(total(["box:-90:90:10:350", "box:-90:90:350:10"]), GLOBE)


def test_float32_coordinates_lie_on_the_edges_they_mean():
    tenths = np.arange(0, 900, dtype=np.float32) / np.float32(10)
    names = ["lat:0:19.9", "lat:19.9:20.1", "lat:20.1:90"]
    inside = region_weights(tenths, [0.0], names) > 0
    assert inside.sum(axis=0).tolist() == [199, 2, 699]


def test_land_and_sea_are_the_globe():
    for area in ("global", "tropics", "europe", "lat:30:60"):
        both = region_weights(LATITUDE, LONGITUDE, [area, f"{area}_land", f"{area}_sea"])
        np.testing.assert_array_equal(both[:, 1] + both[:, 2], both[:, 0])
        assert not (both[:, 1] * both[:, 2]).any()
    np.testing.assert_array_equal(cells("land"), cells("global_land"))


def test_a_given_mask_is_land_from_one_half_on():
    share = np.random.default_rng(0).uniform(size=(LATITUDE.size, LONGITUDE.size))
    share[40, :3] = [0.49, 0.5, 0.51]
    expected = np.where(share >= 0.5, cells("tropics"), 0.0)
    np.testing.assert_array_equal(cells("tropics_land", land=share), expected)
    assert (cells("land", land=share)[40, :3] > 0).tolist() == [False, True, True]


def test_a_fraction_shares_the_weight_of_a_cell_between_land_and_sea():
    share = np.random.default_rng(0).uniform(size=(LATITUDE.size, LONGITUDE.size))
    share[40, :4] = [0.0, 1.0, -0.01, 1.01]  # interpolation overshoots
    options = {"land": share, "land_rule": "fraction"}
    land, sea = (cells(f"tropics_{surface}", **options) for surface in ("land", "sea"))
    np.testing.assert_allclose(land, cells("tropics") * np.clip(share, 0, 1), rtol=1e-15)
    np.testing.assert_allclose(land + sea, cells("tropics"), rtol=1e-14)
    assert (land[40, :4] > 0).tolist() == [False, True, False, True]
    assert (sea[40, :4] > 0).tolist() == [True, False, True, False]


@pytest.mark.parametrize(
    "spoil", [lambda share: 100 * share, lambda share: np.where(share, 1, np.nan)]
)
def test_a_mask_in_percent_or_with_holes_is_refused(spoil):
    share = np.eye(3)
    with pytest.raises(
        UserError, match="from 0 to 1 and never missing: divide a percentage by 100"
    ):
        region_weights([-45.0, 0.0, 45.0], [0.0, 120.0, 240.0], ["land"], land=spoil(share))


def test_region_outside_the_grid_is_refused():
    with pytest.raises(UserError, match="'antarctic' has no cell on the grid of latitude 30 to 60"):
        region_weights([30.0, 45.0, 60.0], [0.0, 10.0], ["antarctic"])


def test_unknown_region_names_the_nearest():
    with pytest.raises(UserError, match="did you mean 'europe'"):
        region_weights(LATITUDE, LONGITUDE, ["eurpe_land"])
    with pytest.raises(UserError, match=r"valid names: .*ar6:MED.*box:35:75.*lat:20:60, my_area"):
        region_weights(LATITUDE, LONGITUDE, ["xyz"])


@pytest.mark.parametrize(
    "name",
    ["lat:60:20", "lat:20", "lat:a:b", "lat:nan:20", "lat:20:95", "lat:20:20"],
)
def test_a_band_that_is_none_shows_the_form(name):
    with pytest.raises(
        UserError, match=f"'{name}' is not of the form lat:south:north .* lat:20:60"
    ):
        region_weights(LATITUDE, LONGITUDE, [name])


@pytest.mark.parametrize(
    "name",
    ["box:10:20", "box:0:10:30:30", "box:0:10:-180:360", "box:0:10:0:400", "box:-181:0:0:10"],
)
def test_a_box_that_is_none_shows_the_form(name):
    with pytest.raises(UserError, match=f"'{name}' is not of the form box:south:north:west:east"):
        region_weights(LATITUDE, LONGITUDE, [name])


def test_two_regions_of_one_label_are_refused():
    assert region_labels(["tropics", "ar6:MED_land"]) == ["tropics", "ar6:MED_land"]
    with pytest.raises(UserError, match="Two regions are called 'alps'"):
        region_labels(["old/alps.geojson", "new/alps.GeoJSON"])
