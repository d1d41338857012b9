"""What `climbench list` shows of recipes, on narrow and wide terminals."""

import io

import pytest
from rich.console import Console, RenderableType

from climbench.cli import main
from climbench.errors import UserError
from climbench.experiments.catalogue import catalogue, entries, recipe_page
from climbench.recipes import list_recipes, load_recipe


def shown(what: RenderableType, width: int) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(what)
    return console.export_text()


@pytest.mark.parametrize("width", [80, 140])
def test_recipes_are_listed_with_archive_and_citation(width: int) -> None:
    text = shown(catalogue("recipes"), width)
    assert max(map(len, text.splitlines())) <= width
    words = " ".join(text.split())
    for name in list_recipes():
        assert name in words
    recipe = load_recipe("ncep_slp")
    for said in (recipe.description, recipe.licence, recipe.citation, recipe.size, recipe.period):
        assert said and " ".join(said.split()) in words
    assert text.splitlines()[1].startswith(next(iter(list_recipes())))


@pytest.mark.parametrize("width", [40, 80, 140])
def test_every_model_has_a_description_that_can_be_read(width: int) -> None:
    text = shown(catalogue("models", width), width)
    assert max(map(len, text.splitlines())) <= width
    words = " ".join(text.split())
    for name, description in entries("models").items():
        assert name in words and description
        assert width > 40 or " ".join(description.split()) in words


def test_one_recipe_is_shown_with_sources_and_what_was_verified() -> None:
    text = " ".join(shown(recipe_page("ncep_slp"), 100).split())
    assert "public domain" in text
    assert "slp.{year}.nc" in text
    assert "select, convert_units, sort" in text
    assert "Verified on real bytes: the daily fields of 2001-2008" in text
    with pytest.raises(UserError, match="did you mean 'ncep_slp'"):
        recipe_page("ncep_slpp")


def test_the_command_shows_one_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "recipe=planet_weather"]) == 0
    assert "nothing to download" in capsys.readouterr().out
    assert main(["list", "recipe=planet_wether"]) == 2
