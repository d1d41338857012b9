"""Curves, scorecards and the curves that scores hold, as users draw them."""

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg

import climbench
from climbench import plot
from climbench.errors import UserError
from climbench.plot.theme import LIGHT

mpl.use("agg")


@pytest.fixture(autouse=True)
def close():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def draw(axes):
    FigureCanvasAgg(axes.figure).draw()
    return axes


def percentages(axes):
    return [text.get_text() for text in axes.texts]


def test_curves_have_the_scores_and_their_units(forecasting):
    scores = forecasting()
    axes = draw(plot.curves(scores, "rmse", "temperature_850"))
    expected = scores["score"].sel(metric="rmse", channel="temperature_850", model="vit")
    np.testing.assert_allclose(axes.lines[-1].get_ydata(), expected.squeeze())
    assert axes.get_ylabel() == "rmse [K]" and axes.get_ylim()[0] == 0
    assert axes.get_title(loc="left") == "temperature_850, global, simulated"
    names = [text.get_text() for text in axes.figure.legends[0].get_texts()]
    assert names == scores["model"].values.tolist()


def test_a_model_keeps_its_colour_when_others_are_left_out(forecasting):
    scores = forecasting()
    every = {line.get_color() for line in plot.curves(scores).lines[-1:]}
    alone = plot.curves(scores, models=["vit"])
    assert {line.get_color() for line in alone.lines if len(line.get_xdata()) > 2} == every


def test_curves_on_given_axes_have_their_legend_inside(forecasting):
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(1, 2)
    assert plot.curves(forecasting(), ax=axes[0]) is axes[0]
    assert axes[0].get_legend() is not None and not axes[0].figure.legends


def test_one_lead_and_one_scenario_are_bars(forecasting, emulation):
    axes = draw(plot.curves(forecasting().isel(lead_time=[2]), "rmse"))
    assert len(axes.patches) == 5 and "48 h" in axes.get_title(loc="left")
    axes = draw(plot.curves(emulation(), "nrmse_total", "tas"))
    assert [text.get_text() for text in axes.get_yticklabels()][-1] == "pattern_scaling"


def test_several_scenarios_are_points_beside_each_other(emulation):
    scores = emulation(scenarios=("ssp126", "ssp245"))
    axes = draw(plot.curves(scores, "nrmse_total", "tas"))
    assert [text.get_text() for text in axes.get_xticklabels()] == ["ssp126", "ssp245"]
    expected = scores["score"].sel(metric="nrmse_total", channel="tas", model="vit").squeeze()
    np.testing.assert_allclose(axes.lines[2].get_ydata(), expected)
    assert len(plot.curves(scores, "nrmse_total", "tas", scenario="ssp245").patches) == 3


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"metric": "rsme"}, "no metric 'rsme': did you mean 'rmse'"),
        ({"channel": "temperature_50"}, "did you mean 'temperature_850'"),
        ({"region": "globl"}, "no region 'globl': did you mean 'global'"),
        ({"models": ["vitt"]}, "no model 'vitt': did you mean 'vit'"),
        ({"scenario": "ssp126"}, "leave it out"),
    ],
)
def test_a_wrong_label_is_a_sentence_with_the_nearest_one(forecasting, how, words):
    with pytest.raises(UserError, match=words):
        plot.curves(forecasting(), **how)


def test_what_is_no_scores_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no scores"):
        plot.curves(xr.Dataset({"tas": ("time", [1.0])}))
    with pytest.raises(UserError, match="does not exist"):
        plot.curves(tmp_path / "scores.nc")


def test_a_folder_of_scores_is_opened(forecasting, tmp_path):
    climbench.write_scores(forecasting(), tmp_path)
    for path in (tmp_path, tmp_path / "scores.nc"):
        assert len(plot.curves(path, "rmse").lines) == 5


def test_hostile_names_are_letters(forecasting):
    scores = forecasting(models=("persistence", r"m$_{1}$_x^2"))
    scores = scores.assign_coords(channel=["a$b_c$", *scores["channel"].values[1:].tolist()])
    draw(plot.curves(scores, "rmse"))
    draw(plot.scorecard(scores, "persistence", metric="rmse"))


def test_the_scorecard_has_percentages_blue_where_better(forecasting):
    scores = forecasting(models=("linear_regression", "vit"), leads=(24.0,))
    axes = draw(plot.scorecard(scores, metric="rmse"))
    own = scores["score"].sel(metric="rmse").isel(region=0, lead_time=0)
    percent = 100 * (own.sel(model="vit") / own.sel(model="linear_regression") - 1)
    shown = axes.collections[0].get_array().ravel()
    np.testing.assert_allclose(shown[:3], percent[:3])
    assert np.ma.getmaskarray(shown)[3] or np.isnan(shown[3])  # vit lacks the last channel
    assert len(percentages(axes)) == 3
    red, _, blue, _ = axes.collections[0].get_facecolor()[0]
    assert (blue > red) == (percent[0] < 0) or abs(percent[0]) < 1
    assert "vit against linear_regression" in axes.get_title(loc="left").replace("\n", " ")


def test_where_higher_is_better_more_is_blue(forecasting):
    scores = forecasting(models=("persistence", "vit"))
    shown = plot.scorecard(scores, "persistence", metric="acc").collections[0].get_array()
    better = scores["score"].sel(metric="acc", model="vit").isel(region=0) > scores["score"].sel(
        metric="acc", model="persistence"
    ).isel(region=0)
    np.testing.assert_array_equal((shown < 0)[:3], better[:3])


def test_a_comparison_marks_what_is_more_than_chance():
    from small_scores import forecast_scores

    rng = np.random.default_rng(0)
    errors = rng.normal(0, 1, 60)
    one = forecast_scores("one", 0.5 * errors)
    two = forecast_scores("two", errors)
    found = climbench.compare(one, two, bootstrap=100)
    axes = draw(plot.scorecard(found, metric="rmse"))
    assert percentages(axes) == ["−50"] * 3
    assert {text.get_weight() for text in axes.texts} == {"bold"}
    same = climbench.compare(
        forecast_scores("near", errors + rng.normal(0, 0.1, 60)), two, bootstrap=100
    )
    assert all(text.startswith("(") for text in percentages(plot.scorecard(same, metric="rmse")))
    with pytest.raises(UserError, match="compare again"):
        plot.scorecard(found, "another")


def test_a_scorecard_needs_something_to_hold_against(forecasting):
    with pytest.raises(UserError, match="reference= is needed"):
        plot.scorecard(forecasting(models=("vit",)))
    with pytest.raises(UserError, match="no model 'persistense'"):
        plot.scorecard(forecasting(), "persistense")


def ensemble_scores():
    """Scores of a small ensemble with the curves that evaluation writes."""
    rng = np.random.default_rng(1)
    grid = {
        "time": np.arange("2001-01-01", "2001-01-31", dtype="datetime64[D]").astype("M8[ns]"),
        "latitude": np.linspace(-75, 75, 6),
        "longitude": np.arange(0, 360, 30.0),
    }
    values = rng.normal(0, 1, [len(axis) for axis in grid.values()])
    truth = xr.DataArray(values, grid, attrs={"units": "K"}).to_dataset(name="t$_2$m")
    lead = np.array([24], "timedelta64[h]").astype("timedelta64[ns]")
    starts = truth["time"][:-1]
    base = truth.isel(time=slice(1, None)).assign_coords(time=starts.values)
    members = [base + rng.normal(0, 0.5, base["t$_2$m"].shape) for _ in range(4)]
    forecast = xr.concat(members, "member").assign_coords(member=range(4))
    forecast = forecast.expand_dims(prediction_timedelta=lead)
    forecast["t$_2$m"].attrs["units"] = "K"
    metrics = ["rank_histogram", "reliability(threshold=1)", "sharpness(threshold=1)"]
    metrics += ["zonal_spectrum", "zonal_spectrum(of=truth)", "rmse"]
    return climbench.evaluate(forecast, truth, metrics=metrics, model="draws", bootstrap=0)


@pytest.fixture(scope="module")
def ensemble():
    return ensemble_scores()


def test_rank_histograms_have_the_shares(ensemble):
    axes = draw(plot.rank_histogram(ensemble))
    shown = [bar.get_height() for bar in axes.patches]
    np.testing.assert_allclose(shown, ensemble["rank_histogram"].squeeze())
    assert sum(shown) == pytest.approx(1)
    assert axes.lines[0].get_ydata()[0] == pytest.approx(1 / 5)


def test_reliability_has_its_diagonal_and_points_by_sharpness(ensemble):
    axes = draw(plot.reliability(ensemble, metric="reliability(threshold=1)"))
    diagonal, line = axes.lines[:2]
    assert diagonal.get_color() == LIGHT.baseline
    expected = ensemble["reliability(threshold=1)"].squeeze().dropna("probability")
    np.testing.assert_allclose(line.get_ydata(), expected)
    assert len(set(axes.collections[0].get_sizes())) > 1


def test_spectra_stand_beside_the_truths(ensemble):
    axes = draw(plot.spectra(ensemble))
    forecast, truth = axes.lines
    expected = ensemble["zonal_spectrum(of=truth)"].squeeze()[1:]
    np.testing.assert_allclose(truth.get_ydata(), expected)
    assert forecast.get_xdata()[0] == 1 and axes.get_yscale() == "log"
    assert axes.get_ylabel() == "zonal_spectrum [K² m]"


def test_curves_that_were_not_scored_are_asked_for(forecasting):
    scores = forecasting()
    for draw_one in (plot.spectra, plot.rank_histogram, plot.reliability):
        with pytest.raises(UserError, match="evaluate with metrics="):
            draw_one(scores)


def test_scores_against_members():
    sizes, draws = [1, 3, 10], range(3)
    dims = ("emulator", "size", "truth", "channel", "metric", "draw")
    values = np.random.default_rng(0).uniform(0.1, 0.3, (2, 3, 1, 1, 1, 3))
    results = xr.Dataset(
        {
            "draw_score": (dims, values),
            "noise_floor": (("channel", "truth", "size", "metric"), np.full((1, 1, 3, 1), 0.05)),
        },
        {
            "emulator": ["pattern_scaling", "cnn"],
            "size": sizes,
            "truth": ["all"],
            "channel": ["tas_anomaly"],
            "metric": ["nrmse_total"],
            "draw": list(draws),
            "unit_power": ("metric", [0]),
            "units": ("channel", ["K"]),
        },
        attrs={"reference": "pattern_scaling", "simulated": "true"},
    )
    axes = draw(plot.members(results))
    means = values.mean(axis=-1).squeeze()
    np.testing.assert_allclose(axes.lines[0].get_ydata(), means[0])
    np.testing.assert_allclose(axes.lines[1].get_ydata(), means[1])
    np.testing.assert_allclose(axes.lines[2].get_ydata(), 0.05)
    assert axes.get_title(loc="left") == "total NRMSE, tas_anomaly, simulated"
    with pytest.raises(UserError, match="no metric 'nrmse_totl': did you mean 'nrmse_total'"):
        plot.members(results, "nrmse_totl")
    with pytest.raises(UserError, match="results of the experiment internal_variability"):
        plot.members(xr.Dataset())


def test_the_package_is_imported_lazily():
    code = (
        "import sys, climbench; climbench.plot; dir(climbench.plot); "
        "print([m for m in ('matplotlib', 'cartopy', 'torch', 'xarray') if m in sys.modules]); "
        "climbench.plot.curves; print(callable(climbench.plot.map))"
    )
    run = [sys.executable, "-c", code]
    output = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert output.split("\n")[:2] == ["[]", "True"]
    with pytest.raises(AttributeError, match="no attribute 'curve'"):
        getattr(plot, "curve")  # noqa: B009


def test_every_public_name_is_there():
    for name in plot.__all__:
        assert callable(getattr(plot, name)), name
    for name in climbench.__all__:
        assert getattr(climbench, name) is not None, name
