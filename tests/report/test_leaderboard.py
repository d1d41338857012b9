"""The table in the terminal."""

import io

import pytest
from rich.console import Console

from climbench.report import leaderboard


def lines(renderable, width: int = 80, colour: bool = False) -> list[str]:
    file = io.StringIO()
    system = "standard" if colour else None
    Console(width=width, file=file, color_system=system, no_color=not colour).print(renderable)
    return file.getvalue().splitlines()


def test_models_are_sorted_and_compared_with_every_baseline(forecasting):
    text = lines(leaderboard(forecasting()))
    rows = [line.split() for line in text if "%" in line and line.split()[0] in ("vit", "resnet")]
    assert [row[0] for row in rows[:2]] == ["vit", "resnet"]
    assert rows[0][2:] == ["+74", "%", "+88", "%", "+43", "%"]
    assert text[0].startswith("SIMULATED DATA")
    assert "Better than a straight line? Yes: vit beats linear_regression" in " ".join(text)


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_is_wider_than_the_terminal(forecasting, emulation, width):
    for scores in (forecasting(), emulation(scenarios=("ssp126", "ssp245", "ssp370"))):
        text = lines(leaderboard(scores), width)
        assert max(map(len, text)) <= width
        assert not any("…" in line for line in text)


def test_real_data_are_not_called_simulated(forecasting):
    scores = forecasting().assign_attrs(simulated="false")
    assert not any("SIMULATED" in line for line in lines(leaderboard(scores)))


def test_the_best_of_each_column_is_bold(forecasting):
    text = lines(leaderboard(forecasting()), colour=True)
    rows = [line for line in text if "resnet" in line]
    assert "\x1b[1;32m0.508" in rows[-1]  # vit lacks the last channel
    assert "\x1b[1;32m" not in rows[0]


def test_emulation_shows_the_three_errors_of_each_scenario(emulation):
    text = "\n".join(lines(leaderboard(emulation(scenarios=("ssp126", "ssp245")))))
    for title in ("tas, ssp126", "tas, ssp245", "pr, ssp126", "pr, ssp245"):
        assert title in text
    assert "pattern_scaling wins on nrmse_total of tas" in text
    assert "No: resnet does not beat pattern_scaling (skill -40.0 %)" in " ".join(text.split())


def test_names_are_not_read_as_markup(forecasting):
    text = "\n".join(lines(leaderboard(forecasting(models=("[red]x[/red]", "[/]")))))
    assert "[red]x[/red]" in text and "[/]" in text


def test_one_model_and_one_lead(forecasting):
    text = " ".join(lines(leaderboard(forecasting(models=("vit",), leads=[36.0]))))
    assert "vit is the only model" in text and "36 h" in text
