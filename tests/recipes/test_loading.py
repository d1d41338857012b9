"""Recipes are read strictly: a mistake is one sentence with file, line and the nearest name."""

from pathlib import Path

import pytest
import yaml

from climbench.errors import UserError
from climbench.recipes import list_recipes, load_recipe, plan
from climbench.recipes.schema import Recipe

MINIMAL = """\
name: tiny
description: a test
licence: CC0-1.0
citation: nobody
sources:
  - kind: files
    address: nowhere/*.nc
"""


def written(folder: Path, text: str, name: str = "tiny.yaml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", list_recipes())
def test_every_recipe_of_the_package_loads_and_is_complete(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert len(recipe.licence) > 3
    assert len(recipe.citation) > 20
    assert list_recipes()[name] == recipe.description


def test_a_resolved_recipe_loads_to_the_same_hash() -> None:
    recipe = load_recipe("ipsl_cmip6_annual")
    again = Recipe.model_validate(recipe.resolved())
    assert again.hash == recipe.hash
    assert len(recipe.hash) == 64


def test_the_hash_changes_with_any_option() -> None:
    plain = load_recipe("planet_weather")
    other = load_recipe(
        "planet_weather", {"sources": [{"kind": "simulated_atmosphere", "seed": 1}]}
    )
    assert plain.hash != other.hash


def test_overrides_are_merged_into_mappings_and_replace_the_rest() -> None:
    recipe = load_recipe(
        "planet_weather", {"dates": {"end": "2001-06-30"}, "variables": ["orography"]}
    )
    assert recipe.dates is not None
    assert (recipe.dates.start, recipe.dates.end, recipe.dates.frequency) == (
        "2000-01-01",
        "2001-06-30",
        "6h",
    )
    assert recipe.variables == ["orography"]


def test_dates_may_be_given_as_start_and_end() -> None:
    dates = load_recipe("planet_weather", {"dates": "2001/2002"}).dates
    assert dates is not None
    assert (dates.start, dates.end, dates.frequency) == ("2001", "2002", "6h")


def test_a_recipe_stands_on_a_base(tmp_path: Path) -> None:
    written(tmp_path, MINIMAL + "dates: {start: 2001, end: 2002}\n", "base.yaml")
    path = written(tmp_path, "base: base.yaml\nname: later\ndates: {start: 2005, end: 2006}\n")
    recipe = load_recipe(path)
    assert recipe.name == "later"
    assert recipe.licence == "CC0-1.0"
    assert recipe.dates is not None and recipe.dates.start == "2005"


def test_a_base_that_leads_back_is_refused(tmp_path: Path) -> None:
    written(tmp_path, "base: b.yaml\n", "a.yaml")
    with pytest.raises(UserError, match=r"'base' leads back to this recipe"):
        load_recipe(written(tmp_path, "base: a.yaml\n", "b.yaml"))


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (
            "date: {start: 2001, end: 2002}\n",
            r"tiny.yaml, line 8: unknown option 'date': did you mean 'dates'\?",
        ),
        (
            "dates: {start: 2001, edn: 2002}\n",
            r"line 8: unknown option 'edn': did you mean 'end'\?",
        ),
        (
            "steps:\n  - sort: {}\n  - renme: {a: b}\n",
            r"line 10: unknown step 'renme': did you mean 'rename'\?",
        ),
        (
            "steps:\n  - select:\n      boxx: {}\n",
            r"line 10: unknown option 'boxx': did you mean 'box'\?",
        ),
        ("output: {chunk: none}\n", r"line 8: option 'output.chunk' is wrong: .*integer"),
        ("dates: {start: 2001-13-99x, end: 2002}\n", r"line 8: option 'dates.start' is wrong"),
        ("dates: {start: 2001}\n", r"line 8: the option 'end' is missing in dates"),
        ("steps:\n  - regrid: {resolution: 7}\n", r"line 9: 'resolution' must divide 180 degrees"),
        ("a: [\n", r"tiny.yaml, line 9: "),
    ],
)
def test_a_mistake_names_file_line_and_the_nearest_name(
    tmp_path: Path, extra: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        load_recipe(written(tmp_path, MINIMAL + extra))


def test_a_mistake_in_a_source_names_its_line(tmp_path: Path) -> None:
    text = MINIMAL.replace("address:", "adress:")
    with pytest.raises(UserError, match=r"line 7: unknown option 'adress': did you mean 'address'"):
        load_recipe(written(tmp_path, text))


def test_a_mistake_in_an_override_does_not_blame_a_line() -> None:
    with pytest.raises(UserError, match=r"^override: unknown option 'seeds': did you mean 'seed'"):
        load_recipe("planet_weather", {"sources": [{"kind": "simulated_atmosphere", "seeds": 1}]})


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(
        UserError, match=r"'planet_wether' does not exist: did you mean 'planet_weather'"
    ):
        load_recipe("planet_wether")


def test_the_planet_has_no_weather_before_its_first_day() -> None:
    with pytest.raises(UserError, match="begins on 2000-01-01, after 1995"):
        plan(load_recipe("planet_weather", {"dates": "1990/1995"}))


def test_a_recipe_cannot_run_code(tmp_path: Path) -> None:
    text = MINIMAL.replace("nobody", "!!python/object/apply:os.getcwd []")
    with pytest.raises(UserError, match=r"line 4"):
        load_recipe(written(tmp_path, text))


def test_yaml_dates_and_years_are_read_as_written(tmp_path: Path) -> None:
    text = MINIMAL + "dates: {start: 2001-01-01 06:00:00, end: 2001}\n"
    dates = load_recipe(written(tmp_path, text)).dates
    assert dates is not None and dates.start.startswith("2001-01-01T06:00:00")
    assert dates.end == "2001"
    assert yaml.safe_load("2001-01-01") is not None


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("licence: MIT\n", "tiny.yaml, line 8: 'licence' stands there twice: remove one"),
        ("    address: x\n", "line 8: 'address' stands there twice"),
        ("    sha256: {tas_1999.nc: abc}\n", "checksum of 'tas_1999.nc', which is none of the fil"),
        ("variables: []\n", "line 8: option 'variables' is wrong: list should have at least 1"),
    ],
)
def test_what_would_be_passed_over_in_silence_is_refused(
    tmp_path: Path, more: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        load_recipe(
            written(tmp_path, MINIMAL.replace("*.nc", "pr_{model}.nc?a=tas_1999.nc") + more)
        )


def test_merged_keys_and_dates_of_any_calendar_are_fine(tmp_path: Path) -> None:
    text = f"{MINIMAL}  - &one {{kind: files, address: a.nc}}\n  - {{<<: *one, address: b.nc}}\n"
    dates = "dates: {start: 2000-02-30, end: 2001-02-30}\n"
    recipe = load_recipe(written(tmp_path, text + dates))
    assert recipe.dates is not None and recipe.dates.start == "2000-02-30"
    assert recipe.sources[2].address == "b.nc"  # type: ignore[union-attr]


def test_a_checksum_belongs_to_a_file_of_any_year_or_of_another_source(tmp_path: Path) -> None:
    text = (
        MINIMAL.replace("*.nc", "{name}_{year}.nc.gz?raw=true")
        + "dates: {start: 2000, end: 2001}\n"
    )
    sums = "    sha256: {pr_1999.nc.gz: abc, b.nc: abc}\n  - {kind: files, address: x/b.nc}\n"
    text = text.replace("dates:", f"{sums}dates:")
    assert load_recipe(written(tmp_path, text)).sources[0].sha256  # type: ignore[union-attr]
