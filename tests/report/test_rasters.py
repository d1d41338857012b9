"""Maps painted pixel by pixel."""

from io import BytesIO

import cartopy.crs as ccrs
import numpy as np
import pytest
import xarray as xr
from PIL import Image

from climbench.plot.scales import Scale
from climbench.report.rasters import COAST, WIDTH, Painter, colours_of, views_of

LATITUDE = np.linspace(-87.1875, 87.1875, 32)
LONGITUDE = np.arange(64) * 5.625
SIGNS = Scale((-1.0, 0.0, 1.0), "RdBu_r", "both")


def field_of(values, latitude=LATITUDE, longitude=LONGITUDE):
    lat, lon = np.meshgrid(latitude, longitude, indexing="ij")
    return xr.DataArray(
        values(lat, lon), {"latitude": latitude, "longitude": longitude}, ("latitude", "longitude")
    )


def colour_at(png, view, longitude, latitude):
    """The colour of a place on a map, None where the map is transparent."""
    picture = Image.open(BytesIO(png)).convert("RGBA")
    x, y = view.projection.transform_point(longitude, latitude, ccrs.PlateCarree())
    west, east, south, north = view.extent
    pixel = (
        int((x - west) / (east - west) * WIDTH),
        int((north - y) / (north - south) * view.height),
    )
    red, green, blue, alpha = picture.getpixel(pixel)
    return f"#{red:02x}{green:02x}{blue:02x}" if alpha else None


@pytest.mark.parametrize("view", range(4), ids=["globe", "north", "south", "europe"])
@pytest.mark.parametrize("turned", [False, True], ids=["south first", "north first"])
def test_each_place_has_the_colour_of_its_cell(view, turned):
    field = field_of(lambda lat, lon: np.where((lon > 20) & (lon < 200), 2.0, -2.0))
    field = field.sortby("latitude", ascending=not turned)
    seen = views_of(field)[view]
    png = Painter(field, seen).paint(field, SIGNS)
    places = {
        "globe": [
            (100, 30, 2.0),
            (-100, -40, -2.0),
            (179, -60, 2.0),
            (-170, 70, 2.0),
            (10, 5, -2.0),
        ],
        "north_pole": [(90, 80, 2.0), (-90, 80, -2.0), (140, 50, 2.0)],
        "south_pole": [(90, -65, 2.0), (-90, -85, -2.0)],
        "europe": [(35, 70, 2.0), (-10, 48, -2.0)],
    }[seen.name]
    shades = {-2.0: colours_of(SIGNS)[0], 2.0: colours_of(SIGNS)[-1]}
    for longitude, latitude, value in places:
        assert colour_at(png, seen, longitude, latitude) in (shades[value], COAST)


def test_steps_are_those_of_the_levels():
    field = field_of(lambda lat, lon: lat / 30)
    view = views_of(field)[0]
    png = Painter(field, view).paint(field, SIGNS)
    colours = colours_of(SIGNS)
    assert len(colours) == 4
    found = [colour_at(png, view, -30, latitude) for latitude in (-60, -15, 15, 60)]
    assert found == colours
    rising = Scale((0.0, 1.0, 2.0), "YlGnBu", "max")
    png = Painter(field, view).paint(field, rising)
    low, high = (colour_at(png, view, -30, latitude) for latitude in (-60, 63))
    assert (low, high) == (colours_of(rising)[0], colours_of(rising)[2])


def test_missing_is_grey_and_beyond_the_globe_is_nothing():
    field = field_of(lambda lat, lon: np.where(lon < 90, np.nan, 0.5))
    view = views_of(field)[0]
    png = Painter(field, view).paint(field, SIGNS)
    assert colour_at(png, view, 75, -40) == "#c9ced4"
    corner = Image.open(BytesIO(png)).convert("RGBA").getpixel((0, 0))
    assert corner[3] == 0


def test_a_region_is_seen_as_a_whole():
    field = field_of(
        lambda lat, lon: lat * 0 + 0.5, np.arange(60, 30, -2.5), np.arange(340, 380, 5) % 360
    )
    (view,) = views_of(field)
    assert view.name == "region" and isinstance(view.projection, ccrs.LambertConformal)
    png = Painter(field, view).paint(field, SIGNS)
    assert colour_at(png, view, -10, 47) == colours_of(SIGNS)[2]
