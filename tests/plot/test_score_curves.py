"""Curves and bars."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection

from climbench.plot.score_curves import score_figure, styles
from climbench.plot.theme import DARK, LIGHT, THEMES


def draw(figure):
    FigureCanvasAgg(figure).draw()
    return figure.axes


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(first: str, second: str) -> float:
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", THEMES.values(), ids=list(THEMES))
def test_lines_and_letters_stand_out_from_the_page(theme):
    assert contrast(theme.text, theme.face) >= 7
    assert all(contrast(c, theme.face) >= 3 for c in (*theme.models, theme.baseline))


def test_curves_carry_their_scores_and_bounds(forecasting):
    scores = forecasting().isel(lead_time=[3, 0, 5, 1, 2, 4])  # in any order
    (axes,) = draw(score_figure(scores, "rmse", "temperature_850", "global"))
    lines = [line for line in axes.lines if len(line.get_xdata()) == 6]
    assert len(lines) == 5
    expected = scores["score"].sel(metric="rmse", channel="temperature_850", model="vit")
    np.testing.assert_array_equal(lines[-1].get_xdata(), [6, 24, 48, 72, 96, 120])
    np.testing.assert_allclose(lines[-1].get_ydata(), expected.sortby("lead_time").squeeze())
    assert sum(isinstance(artist, PolyCollection) for artist in axes.collections) == 5
    assert [line.is_dashed() for line in lines] == [True, True, True, False, False]
    assert axes.get_ylabel() == "rmse [K]" and axes.get_ylim()[0] == 0


def test_models_without_scores_have_no_curve_and_the_others_keep_their_colour(forecasting):
    scores = forecasting()
    (axes,) = draw(score_figure(scores, "rmse", "10m_u_component_of_wind", "global"))
    colours = [line.get_color() for line in axes.lines]
    assert len(colours) == 4 and LIGHT.models[1] not in colours
    assert colours[-1] == LIGHT.models[0]


def test_a_lead_that_was_not_scored_has_no_marker(forecasting):
    scores = forecasting()
    scores["score"].loc[{"model": "vit", "lead_time": 48}] = np.nan
    (axes,) = draw(score_figure(scores, "rmse", "temperature_850", "global"))
    assert list(axes.lines[-1].get_xdata()) == [6, 24, 72, 96, 120]


def test_one_lead_gives_bars_best_on_top(forecasting):
    scores = forecasting(leads=[24.0])
    (axes,) = draw(score_figure(scores, "rmse", "temperature_850", "global", DARK))
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[-1] == "vit" and names[0] == "climatology"
    assert len(axes.patches) == 5


def test_emulation_gives_a_panel_per_scenario_on_one_scale(emulation):
    scores = emulation(scenarios=("ssp126", "ssp245"))
    upper, lower = draw(score_figure(scores, "nrmse_total", "tas", "global"))
    assert upper.get_xlim() == lower.get_xlim()
    assert upper.get_xlim()[1] > float(
        scores["score"].sel(metric="nrmse_total", channel="tas").max()
    )


def test_signed_scores_show_zero(forecasting):
    (axes,) = draw(score_figure(forecasting(), "bias", "temperature_850", "global"))
    low, high = axes.get_ylim()
    assert low < 0 < high


@pytest.mark.parametrize("sign", [-1, 1])
def test_numbers_beside_bars_stand_neither_on_names_nor_beyond_the_figure(forecasting, sign):
    scores = forecasting(leads=[24.0])
    for name in ("score", "lower", "upper"):
        scores[name] = sign * abs(scores[name])
    figure = score_figure(scores, "bias", "temperature_850", "global")
    (axes,) = draw(figure)
    boxes = [text.get_window_extent() for text in axes.texts if text.get_text() != ""]
    assert len(boxes) == 5
    assert all(axes.bbox.x0 < box.x0 and box.x1 < figure.bbox.x1 for box in boxes)
    low, high = axes.get_xlim()
    assert low <= 0 <= high


@pytest.mark.parametrize("leads", [[24.0], [6.0, 12.0]])
def test_names_are_not_read_as_mathematics(forecasting, leads):
    scores = forecasting(models=("$\\frac{", "_hidden", "a" * 60, "$x$"), leads=leads)
    figure = score_figure(scores, "rmse", "temperature_850", "global")
    (axes,) = draw(figure)
    legend = figure.legends[0].get_texts() if figure.legends else axes.get_yticklabels()
    assert len(legend) == 4


def test_styles_differ(forecasting):
    models = [f"model_{number}" for number in range(20)]
    look = styles(models, LIGHT)
    assert len({(style.colour, style.marker) for style in look.values()}) == 20
