"""Scatter, series and sections of predictions and truth, as users draw them."""

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from small_fields import LATITUDE, forecasts, truth

from climbench import plot
from climbench.errors import UserError

mpl.use("agg")


@pytest.fixture(autouse=True)
def close():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def draw(axes):
    FigureCanvasAgg(axes.figure).draw()
    return axes


def test_scatter_counts_every_pair_of_the_valid_times():
    axes = draw(plot.scatter(forecasts(), truth(), "tas", lead_time=48))
    counts = axes.collections[0].get_array()
    assert counts.sum() == 2 * 15 * 24
    assert "unweighted r = 1, rms difference 2 K" in axes.get_title(loc="left").replace("\n", " ")
    assert axes.get_xlabel() == "truth, tas [K]" and axes.get_ylabel() == "prediction"


def test_residuals_are_prediction_less_truth():
    axes = draw(plot.scatter(forecasts(), truth(), "tas", residuals=True))
    rows = np.flatnonzero(np.ma.filled(axes.collections[0].get_array(), 0).sum(axis=1))
    assert rows.tolist() == [79]  # all at the upper end: the error is 2 everywhere
    assert axes.get_ylim()[1] == pytest.approx(2)


def test_scatter_leaves_missing_values_out_and_cuts_regions():
    known = truth()
    known["tas"][:, 0] = np.nan
    assert plot.scatter(forecasts(), known, "tas").collections[0].get_array().sum() == 2 * 14 * 24
    north = plot.scatter(forecasts(), truth(), "tas", region="lat:60:90")
    rows = int((LATITUDE >= 60).sum())
    assert north.collections[0].get_array().sum() == 2 * rows * 24
    with pytest.raises(UserError, match="no value in common"):
        plot.scatter(forecasts(), truth() * np.nan, "tas")


def test_times_without_truth_are_left_out():
    axes = plot.scatter(forecasts(), truth().isel(time=slice(0, 3)), "tas", lead_time=48)
    assert axes.collections[0].get_array().sum() == 15 * 24


def test_a_constant_prediction_has_no_correlation():
    flat = truth()["tas"] * 0
    assert "r = –" in plot.scatter(flat, truth()["tas"]).get_title(loc="left")


def test_a_series_is_at_the_valid_time_at_the_nearest_cell():
    axes = draw(plot.series(forecasts(), truth(), "tas", place=(11, -16), lead_time=48))
    forecast, known = axes.lines
    expected = truth()["tas"].sel(latitude=12, longitude=345).isel(time=slice(2, 4))
    np.testing.assert_allclose(known.get_ydata(), expected)
    np.testing.assert_allclose(forecast.get_ydata(), expected + 2)
    assert forecast.get_xdata()[0] == np.datetime64("2001-01-03")
    assert axes.get_ylabel() == "tas [K]"


def test_a_series_of_a_region_is_its_area_mean():
    field = truth()["tas"]
    axes = plot.series(truth(), region="lat:0:90")
    assert np.mean(axes.lines[0].get_ydata()) > float(field.mean())
    near_zero = plot.series(truth()["tas"] * 0 + 3)
    np.testing.assert_allclose(near_zero.lines[0].get_ydata(), 3)


def test_members_give_an_interval_and_their_mean():
    members = xr.concat([forecasts(error) for error in (0.0, 1.0, 2.0)], "member")
    axes = draw(plot.series(members, truth(), "tas", lead_time=24))
    np.testing.assert_allclose(axes.lines[0].get_ydata() - axes.lines[1].get_ydata(), 1)
    low, high = axes.collections[0].get_datalim(axes.transData).intervaly
    assert low < axes.lines[0].get_ydata()[0] < high
    one = plot.series(members.assign_coords(member=[0, 1, 2]), channel="tas", member=2)
    assert not one.collections


def record():
    time = np.arange("2001-01-01", "2001-01-11", dtype="datetime64[D]").astype("M8[ns]")
    wave = np.sin(np.arange(10.0))[:, None] + [0, 5]
    dims = ("time", "target")
    return xr.Dataset(
        {"truth": (dims, wave), "forecast": (dims, wave + 1),
         "lower": (dims, wave - 1), "upper": (dims, wave + 3)},
        {"time": time, "target": ["a$_1$", "b"], "units": ("target", ["K", "V"])},
        attrs={"simulated": "true"},
    )  # fmt: skip


def test_a_record_has_its_interval_and_its_events():
    events = [
        {"target": "b", "start": "2001-01-03", "end": "2001-01-04"},
        {"target": "b", "first_step": 5, "steps": 2},
        {"target": "a$_1$", "start": "2001-01-03", "end": "2001-01-04"},
    ]
    axes = draw(plot.series(record(), target="b", events=events))
    assert len(axes.patches) == 2 and len(axes.collections) == 1
    np.testing.assert_allclose(axes.lines[1].get_ydata(), record()["truth"][:, 1])
    assert axes.get_ylabel() == "b [V]" and axes.get_title(loc="left") == "b, simulated"
    draw(plot.series(record(), target="a$_1$"))
    part = plot.series(record(), target="b", events=events, period=("2001-01-05", "2001-01-10"))
    assert len(part.lines[0].get_xdata()) == 6 and len(part.patches) == 1


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"target": "c"}, "no target 'c'"),
        ({"period": ("1999-01-01", "1999-02-01")}, "no time between"),
        ({"events": [{"from": 1}]}, "needs 'start' and 'end'"),
    ],
)
def test_a_wrong_record_is_a_sentence(how, words):
    with pytest.raises(UserError, match=words):
        plot.series(record(), **how)


def layered(shift=0.0):
    levels = xr.DataArray([850.0, 500.0, 250.0], dims="level", coords={"level": [850.0, 500, 250]})
    return truth("t", shift=shift) * levels / 500


def test_a_section_is_the_mean_along_circles_with_the_ground_below():
    axes = draw(plot.section(layered(), "t"))
    expected = layered()["t"].isel(time=0).mean("longitude").sortby("level")
    shown = axes.collections[0].get_array().reshape(3, 15)
    np.testing.assert_allclose(shown, expected.transpose("level", "latitude"))
    assert axes.get_ylim()[0] > 850 > 250 > axes.get_ylim()[1]
    turned = plot.section(layered().isel(latitude=slice(None, None, -1)), "t")
    np.testing.assert_allclose(turned.collections[0].get_array().reshape(3, 15), shown)


def test_a_section_of_a_difference():
    axes = draw(plot.section(layered(1.0), "t", layered()))
    shown = axes.collections[0].get_array().reshape(3, 15)
    np.testing.assert_allclose(shown[:, 0], np.array([250, 500, 850]) / 500)
    assert "prediction less truth" in axes.get_title(loc="left")


def test_a_section_of_scores_needs_levels(forecasting):
    scores = forecasting()
    with pytest.raises(UserError, match="no variable was scored at several levels"):
        plot.section(scores)
    with pytest.raises(UserError, match="nothing here has several levels"):
        plot.section(truth())
    again = scores.assign_coords(
        variable=("channel", ["t", "t", "s", "u"]),
        level=("channel", [500.0, 850.0, np.nan, np.nan]),
    )
    axes = draw(plot.section(again, "t", metric="bias", model="vit", lead_time=24))
    assert axes.collections[0].get_array().size == 2 * 32


def test_a_section_of_column_physics_is_r2_by_latitude_and_level():
    zones, levels = [-60.0, 0.0, 60.0], [100.0, 900.0]
    r2 = xr.DataArray(
        np.arange(24.0).reshape(2, 2, 3, 2) / 24,
        {"model": ["a", "b"], "profile": ["t", "q"], "zone": zones, "lev": levels},
    )
    r2["lev"].attrs.update(units="hPa", long_name="hybrid level at midpoints")
    scores = xr.Dataset(
        {"score": ("model", [1.0, 2.0]), "section_r2": r2}, attrs={"simulated": "true"}
    )
    axes = draw(plot.section(scores, "q", model="b"))
    shown = axes.collections[0].get_array().reshape(2, 3)
    np.testing.assert_allclose(shown, r2.sel(model="b", profile="q").T)
    assert axes.get_title(loc="left") == "r2 of q, b, simulated"
    assert axes.get_ylabel() == "reference pressure [hPa]"
    with pytest.raises(UserError, match="there is no section of 'bias': valid names: r2"):
        plot.section(scores, metric="bias")
    with pytest.raises(UserError, match="there is no variable with levels 'u': valid names: q, t"):
        plot.section(scores, "u")
    with pytest.raises(UserError, match="leave 'truth' out"):
        plot.section(scores, truth=truth())


def test_scenarios_of_emulators_meet_their_years():
    years = np.array(["2090-07-01", "2091-07-01"], "datetime64[ns]")
    runs = truth().isel(time=slice(0, 2)).assign_coords(time=years)
    both = xr.concat([runs, runs + 5], "scenario").assign_coords(scenario=["ssp126", "ssp585"])
    members = both.expand_dims(member=["r1", "r2"])
    figure = plot.comparison(both + 1, members, "tas", scenario="ssp585", time="2091")
    assert figure.get_suptitle() == "tas, ssp585, 2091-07-01"
    third = np.ma.filled(figure.axes[2].collections[-1].get_array().astype(float), np.nan)
    np.testing.assert_allclose(third, 1)
    axes = plot.series(both + 1, members, scenario="ssp585")
    np.testing.assert_allclose(axes.lines[0].get_ydata() - axes.lines[1].get_ydata(), 1)


def test_what_is_simulated_is_called_so_even_if_only_the_truth_says_it():
    known = truth().assign_attrs(simulated="true")
    drawn = [
        plot.scatter(forecasts(), known, "tas").get_title(loc="left"),
        plot.series(forecasts(), known, "tas").get_title(loc="left"),
        plot.comparison(forecasts(), known, "tas").get_suptitle(),
        plot.section(layered(), "t", layered().assign_attrs(simulated="true")).get_title(
            loc="left"
        ),
    ]
    assert all("simulated" in text for text in drawn)
