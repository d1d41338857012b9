"""Maps: no network, no seam, any grid."""

import socket
import subprocess
import sys

import cartopy.crs as ccrs
import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg

from climbench.plot.maps import (
    cell_bounds,
    choose_projection,
    contiguous,
    map_figure,
)
from climbench.plot.scales import Scale, bias_scale, error_scale
from climbench.plot.theme import DARK, save

REGIONS = {
    "europe, across the meridian": (np.arange(35, 76, 2.5), np.arange(-12.5, 43, 2.5) % 360),
    "tropics": (np.arange(-20, 21, 2.5), np.arange(0, 360, 5.0)),
    "arctic": (np.arange(60, 91, 2.5), np.arange(0, 360, 5.0)),
    "antarctic": (np.arange(-90, -59, 2.5), np.arange(0, 360, 5.0)),
    "pacific, across the date line": (np.arange(-30, 31, 2.5), np.arange(150, 221, 2.5)),
    "one cell": (np.array([10.0]), np.array([20.0])),
}


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("the network is off")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


def field(latitude, longitude) -> xr.DataArray:
    values = np.add.outer(np.asarray(latitude) ** 2, np.asarray(longitude) * 0.0 + 1)
    return xr.DataArray(values, {"latitude": latitude, "longitude": longitude})


def pixels(figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].astype(int)


def globe(offset: float = 0.0, columns: int = 64) -> xr.DataArray:
    step = 360 / columns
    return field(np.linspace(-87.1875, 87.1875, 32), (offset + np.arange(columns) * step) % 360)


@given(offset=st.floats(0, 359), columns=st.integers(3, 90))
def test_a_global_grid_tiles_the_globe_wherever_it_starts(offset, columns):
    latitude, longitude, values = cell_bounds(globe(offset, columns))
    assert longitude[0] == -180 and longitude[-1] == 180
    assert (np.diff(longitude) >= 0).all()
    assert values.shape == (len(latitude) - 1, len(longitude) - 1)
    assert latitude[0] == pytest.approx(-90) and latitude[-1] == pytest.approx(90)


def test_cells_lie_around_their_centres():
    grid = globe()
    grid = grid * 0 + grid["longitude"]
    _, bounds, values = cell_bounds(grid)
    centres = (bounds[1:] + bounds[:-1]) / 2
    inner = slice(1, -1)  # the outer two are halves of the cell at 180 degrees
    np.testing.assert_allclose(values[0, inner], centres[inner] % 360)
    assert values[0, 0] == values[0, -1] == 180


@pytest.mark.parametrize("offset", [0.0, 2.8125, 1.0])
def test_there_is_no_seam(offset):
    grid = globe(offset) * 0 + 1
    picture = pixels(map_figure(grid, Scale((0.0, 2.0), "YlGnBu", "neither"), "", "K"))
    rows, columns = picture.shape[:2]
    inside = picture[rows // 4 : rows // 2, columns // 8 : -columns // 8]
    assert not (inside == 255).all(axis=-1).any()


def test_the_order_of_the_coordinates_does_not_matter():
    grid = globe()
    shuffled = grid.isel(latitude=slice(None, None, -1)).roll(longitude=20, roll_coords=True)
    scale = error_scale([grid])
    first, second = (map_figure(g.transpose(*d), scale, "a", "K") for g, d in [
        (grid, ("latitude", "longitude")),
        (shuffled, ("longitude", "latitude")),
    ])  # fmt: skip
    np.testing.assert_array_equal(pixels(first), pixels(second))


@pytest.mark.parametrize("name", REGIONS)
def test_regions_are_drawn(name, tmp_path):
    grid = field(*REGIONS[name])
    save(map_figure(grid, error_scale([grid]), "a $region", "K", DARK), tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 1000


def test_the_projection_suits_the_region():
    chosen = {
        name: type(choose_projection(*cell_bounds(field(*grid))[:2]))
        for name, grid in REGIONS.items()
    }
    assert chosen["europe, across the meridian"] is ccrs.LambertConformal
    assert chosen["tropics"] is ccrs.PlateCarree
    assert chosen["arctic"] is ccrs.NorthPolarStereo
    assert chosen["antarctic"] is ccrs.SouthPolarStereo
    assert chosen["pacific, across the date line"] is ccrs.PlateCarree
    assert type(choose_projection(*cell_bounds(globe())[:2])) is ccrs.Robinson


def test_the_second_map_has_the_same_coast_as_the_first():
    # cartopy writes into the arrays that it projects
    first, second = (pixels(map_figure(globe(), error_scale([globe()]), "", "K")) for _ in "12")
    np.testing.assert_array_equal(first, second)
    plain = pixels(map_figure(globe() * 0, Scale((0.0, 1.0), "YlGnBu", "neither"), "", "K"))
    dark = (plain.sum(axis=-1) < 400).mean()
    assert 0.005 < dark < 0.08  # coast is there, and no bundle of lines across the map


def test_longitudes_across_the_meridian_become_contiguous():
    order, longitude, spans_all = contiguous(np.array([350.0, 0.0, 10.0, 340.0]))
    np.testing.assert_array_equal(order, [3, 0, 1, 2])
    np.testing.assert_array_equal(longitude, [-20, -10, 0, 10])
    assert not spans_all


def test_errors_start_at_zero_and_biases_are_symmetric():
    errors, biases = error_scale([globe()]), bias_scale([globe() - 3000, globe()])
    assert errors.levels[0] == 0 and errors.extend == "max" and biases.extend == "both"
    np.testing.assert_allclose(biases.levels, -np.array(biases.levels[::-1]))


@pytest.mark.parametrize("value", [np.nan, 0.0, 5.0, np.inf])
def test_odd_fields_are_drawn(value):
    grid = globe() * 0 + 1
    grid[:] = value
    for scale in (error_scale([grid]), bias_scale([grid])):
        assert pixels(map_figure(grid, scale, "", "K")).size


def test_missing_values_are_grey():
    grid = globe()
    grid[:] = np.nan
    picture = pixels(map_figure(grid, error_scale([grid]), "", "K"))
    grey = np.array([0xC9, 0xCE, 0xD4])
    assert (picture == grey).all(axis=-1).mean() > 0.3


def test_no_global_state_is_touched_and_imports_are_lazy():
    before = dict(mpl.rcParams)
    map_figure(globe(), error_scale([globe()]), "", "K")
    assert dict(mpl.rcParams) == before
    code = (
        "import sys, climbench.report; "
        "print([m for m in ('matplotlib', 'cartopy', 'torch') if m in sys.modules]); "
        "import climbench.plot.maps, climbench.plot.score_curves; "
        "print('matplotlib.pyplot' in sys.modules)"
    )
    run = [sys.executable, "-c", code]
    output = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert output.split("\n")[0] == "[]"
    assert output.split("\n")[1] == "False"


def test_maps_are_drawn_after_xarray_has_guessed_the_format_of_a_file(tmp_path):
    # guessing loads eccodes, whose PROJ once crashed the first projection of pyproj
    xr.Dataset({"score": ("model", [1.0])}).to_netcdf(tmp_path / "scores.nc")
    code = (
        "import climbench.report, xarray, numpy, sys; xarray.load_dataset(sys.argv[1]); "
        "from climbench.plot.maps import map_figure; "
        "from climbench.plot.scales import error_scale; "
        "grid = xarray.DataArray(numpy.ones((4, 8)), "
        "{'latitude': range(-60, 61, 40), 'longitude': range(0, 360, 45)}); "
        "map_figure(grid, error_scale([grid]), '', 'K')"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "scores.nc"], check=True)
