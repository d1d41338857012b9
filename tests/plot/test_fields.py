"""Maps, comparisons and animations of fields, as users draw them."""

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from small_fields import LATITUDE, LONGITUDE, forecasts, truth

from climbench import plot
from climbench.errors import UserError

mpl.use("agg")


@pytest.fixture(autouse=True)
def close():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def values_of(axes):
    return np.ma.filled(axes.collections[-1].get_array().astype(float), np.nan).ravel()


def pixels(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def test_a_map_has_the_values_and_says_where_it_stands():
    axes = plot.map(forecasts(), "tas", time="2001-01-02", lead_time=48)
    shown, expected = values_of(axes), truth()["tas"].isel(time=3) + 2
    assert np.nanmin(shown) == pytest.approx(float(expected.min()))
    assert np.nanmax(shown) == pytest.approx(float(expected.max()))
    assert axes.get_title(loc="left") == "tas, 2001-01-02, 48 h"
    assert axes.figure.axes[1].get_xlabel() == "tas [K]"


@pytest.mark.parametrize("turned", ["latitude", "longitude", "names"])
def test_the_order_of_cells_and_the_names_of_axes_do_not_matter(turned):
    field = truth()["tas"].isel(time=0)
    other = {
        "latitude": field.isel(latitude=slice(None, None, -1)),
        "longitude": field.assign_coords(longitude=(field["longitude"] + 180) % 360 - 180),
        "names": field.rename(latitude="lat", longitude="lon").transpose("lon", "lat"),
    }[turned]
    np.testing.assert_allclose(values_of(plot.map(field)), values_of(plot.map(other)))
    np.testing.assert_array_equal(pixels(plot.map(field).figure), pixels(plot.map(other).figure))


def test_levels_and_colours_are_those_asked_for():
    axes = plot.map(truth(), levels=[-10, 0, 5], cmap="magma")
    mesh = axes.collections[-1]
    assert mesh.norm.boundaries.tolist() == [-10, 0, 5] and mesh.cmap.name == "magma"
    assert len(plot.map(truth(), levels=4).collections[-1].norm.boundaries) <= 6


def test_a_field_of_both_signs_has_colours_about_zero():
    bounds = plot.map(truth(shift=-2)).collections[-1].norm.boundaries
    assert bounds[0] == -bounds[-1]
    assert plot.map(truth(shift=300)).collections[-1].cmap.name == "viridis"


def test_missing_cells_are_grey_and_a_field_of_nothing_is_drawn():
    field = truth()["tas"].isel(time=0) * np.nan
    picture = pixels(plot.map(field).figure)[..., :3]
    assert (picture == [0xC9, 0xCE, 0xD4]).all(axis=-1).mean() > 0.3


def test_a_region_is_cut_out_and_its_projection_suits():
    import cartopy.crs as ccrs

    axes = plot.map(truth(), region="lat:20:60")
    assert np.isfinite(values_of(axes)).sum() < 0.5 * LATITUDE.size * LONGITUDE.size
    assert isinstance(plot.map(truth(), region="arctic").projection, ccrs.NorthPolarStereo)
    assert isinstance(plot.map(truth(), projection="south_pole").projection, ccrs.SouthPolarStereo)
    assert isinstance(plot.map(truth(), projection=ccrs.Mollweide()).projection, ccrs.Mollweide)


def test_a_map_goes_on_axes_that_are_given():
    import cartopy.crs as ccrs
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, subplot_kw={"projection": ccrs.Orthographic(10, 40)})
    assert plot.map(truth(), ax=axes[1]) is axes[1]
    pixels(figure)
    _, plain = plt.subplots()
    with pytest.raises(UserError, match="no map projection"):
        plot.map(truth(), ax=plain)


def test_error_maps_of_scores_share_the_function(forecasting):
    scores = forecasting()
    axes = plot.map(scores, "temperature_850", metric="bias", model="vit", lead_time=24)
    assert axes.get_title(loc="left").startswith("bias of temperature_850, vit, 24 h")
    expected = scores["map_bias"].sel(channel="temperature_850", model="vit", lead_time=24)
    shown = values_of(axes)
    assert np.nanmax(shown) == pytest.approx(float(expected.max()))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"channel": "tass"}, "no channel 'tass': did you mean 'tas'"),
        ({"region": "arctik"}, "arctic"),
        ({"projection": "robinsn"}, "no projection 'robinsn': did you mean 'robinson'"),
        ({"time": "1999-01-01"}, "no time 1999-01-01"),
        ({"tyme": "2001-01-01"}, "no 'tyme' to choose: did you mean 'time'"),
        ({"levels": [3, 1]}, "do not rise"),
        ({"metric": "rmse"}, "for scores"),
    ],
)
def test_a_wrong_name_is_a_sentence_with_the_nearest_one(how, words):
    with pytest.raises(UserError, match=words) as found:
        plot.map(truth(), **how)
    assert "\n" not in str(found.value)


def test_cells_without_degrees_are_not_taken_for_latitudes():
    with pytest.raises(UserError, match=r"no values of 'latitude' \[degrees\]: assign them"):
        plot.map(truth().drop_vars("latitude"))


def test_hostile_names_are_letters():
    name = r"a$_{x}$_b^2"
    axes = plot.map(truth(name), name)
    pixels(axes.figure)
    assert axes.get_title(loc="left").count(r"\$") == 2


def test_a_level_is_part_of_a_channels_name():
    layered = truth("z").expand_dims(level=[500.0, 850.0]) * xr.DataArray(
        [1.0, 2.0], {"level": [500.0, 850.0]}
    )
    high, low = (values_of(plot.map(layered, f"z_{level}")) for level in (500, 850))
    np.testing.assert_allclose(low, 2 * high)
    with pytest.raises(UserError, match="no level 700"):
        plot.map(layered, "z_700")


def test_a_comparison_shows_the_time_that_the_forecast_is_for():
    figure = plot.comparison(forecasts(), truth(), "tas", time="2001-01-01", lead_time=48)
    first, second, third = (values_of(axes) for axes in figure.axes[:3])
    expected = truth()["tas"].isel(time=2)
    assert np.nanmin(first) == pytest.approx(float(expected.min()))
    np.testing.assert_allclose(second - first, 2)
    np.testing.assert_allclose(third, 2)
    norms = [axes.collections[-1].norm.boundaries.tolist() for axes in figure.axes[:2]]
    assert norms[0] == norms[1]
    assert figure.get_suptitle() == "tas, 2001-01-01, 48 h"


def test_a_comparison_meets_reversed_latitudes_and_other_longitudes():
    other = truth().isel(latitude=slice(None, None, -1))
    other = other.assign_coords(longitude=(other["longitude"] + 180) % 360 - 180)
    figure = plot.comparison(forecasts(), other, "tas")
    np.testing.assert_allclose(values_of(figure.axes[2]), 2)


def test_a_comparison_of_other_grids_is_refused():
    with pytest.raises(UserError, match="different grids \\(15 x 24 and 8 x 24 cells\\)"):
        plot.comparison(forecasts(), truth().isel(latitude=slice(0, 8)), "tas")


def test_a_time_without_truth_is_refused():
    with pytest.raises(UserError, match="no time 2001-01-03"):
        plot.comparison(forecasts(), truth().isel(time=[0, 1]), "tas", lead_time=48)


def test_the_truths_members_count_with_their_mean():
    members = xr.concat([truth(shift=-1), truth(shift=1)], "member").assign_coords(member=[0, 1])
    figure = plot.comparison(forecasts(), members, "tas")
    np.testing.assert_allclose(values_of(figure.axes[2]), 2)


@pytest.mark.parametrize("with_truth", [False, True])
def test_an_animation_has_a_frame_for_each_lead_time(tmp_path, with_truth):
    known = truth() if with_truth else None
    path = plot.animation(forecasts(), known, tmp_path / "f.gif", "tas", time="2001-01-01")
    with Image.open(path) as picture:
        assert picture.n_frames == 2 and picture.info["duration"] == 500


def test_all_frames_share_the_colours_of_the_difference(tmp_path):
    growing = forecasts() + xr.DataArray([0.0, 8.0], dims="prediction_timedelta")
    path = plot.animation(growing, truth(), tmp_path / "f.gif", "tas", time="2001-01-01")
    with Image.open(path) as picture:
        parts = []
        for frame in range(2):
            picture.seek(frame)
            shown = np.asarray(picture.convert("RGB")).astype(int)
            parts.append(shown[:, shown.shape[1] * 2 // 3 :])
        early, late = (part[part.shape[0] // 2, part.shape[1] // 2] for part in parts)
    assert np.abs(early - late).max() > 30  # an error of 2 is paler than one of 10


def test_one_time_is_no_animation(tmp_path):
    with pytest.raises(UserError, match="nothing to animate"):
        plot.animation(truth().isel(time=[0]), path=tmp_path / "f.gif")


def test_files_are_opened(tmp_path):
    forecasts().to_zarr(tmp_path / "forecasts.zarr")
    forecasts().to_netcdf(tmp_path / "forecasts.nc")
    truth().to_netcdf(tmp_path / "truth.nc")
    for name in ("forecasts.zarr", "forecasts.nc"):
        figure = plot.comparison(tmp_path / name, str(tmp_path / "truth.nc"), lead_time=48)
        np.testing.assert_allclose(values_of(figure.axes[2]), 2)
    with pytest.raises(UserError, match="does not exist"):
        plot.map(tmp_path / "nothing.nc")
    (tmp_path / "text.nc").write_text("no netCDF")
    (tmp_path / "report-1").mkdir()
    (tmp_path / "report-1/scores.nc").touch()
    with pytest.raises(UserError, match=r"is a run: its scores are .*report-1.scores\.nc\.$"):
        plot.map(tmp_path)
    with pytest.raises(UserError, match="neither as netCDF nor as Zarr"):
        plot.map(tmp_path / "text.nc")
