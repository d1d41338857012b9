"""The generated reference holds everything: verbs, options, models, recipes, public names."""

import importlib
import inspect
import re
from functools import cache
from pathlib import Path

import pytest
import yaml
from climbench_docs import api, zoo
from climbench_docs.docstrings import entries
from climbench_docs.mathml import mathml
from climbench_docs.options import GROUP_HEADS
from climbench_docs.pages import reference_pages
from climbench_docs.yaml_options import options_of
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

import climbench
from climbench.cli import VERBS
from climbench.config.folders import conf_folder, group_options
from climbench.recipes import list_recipes, load_recipe

GROUPS = {path.name for path in conf_folder().iterdir() if path.is_dir()}
ROW = re.compile(r"^\| `([^`]+)` \|", flags=re.M)


@cache
def pages():
    return reference_pages()


def sections(page):
    """Return the text below each heading of the second level."""
    parts = re.split(r"^## (.*)$", pages()[page], flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def leaves(values, before=""):
    """Return the dotted keys of a configuration."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{before}{key}.")
        else:
            yield f"{before}{key}"


def composed(verb):
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        return OmegaConf.to_container(compose(verb), resolve=False)


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_of_every_verb_is_there(verb):
    found = sections("options/verbs.md")
    shown = {*ROW.findall(found["Every verb"]), *ROW.findall(found[f"climbench {verb}"])}
    if verb == "train":
        shown |= {*ROW.findall(found["climbench run"])}
    for key in leaves(composed(verb)):
        group = key.partition(".")[0]
        if key in shown:
            continue
        assert group in GROUPS, f"{verb}: {key}"
        rows = {*ROW.findall(pages()[f"options/{group}.md"])}
        assert key == group or key.partition(".")[2] in rows, f"{verb}: {key}"


@pytest.mark.parametrize("group", GROUP_HEADS)
def test_every_choice_of_every_group_has_its_options(group):
    found = sections(f"options/{group}.md")
    for name in group_options(group):
        shown = {*ROW.findall(found[f"{group}={name}"])}
        skip = ("defaults",) if group == "launcher" else ("defaults", "hydra")
        given = {one.key for one in options_of(conf_folder() / group / f"{name}.yaml", skip)}
        assert given <= shown


def test_no_group_is_left_out():
    assert GROUPS <= {*GROUP_HEADS, "model", "experiment"}
    assert {f"`{name}`" for name in group_options("experiment")} <= {
        f"`{name}`" for name in ROW.findall(pages()["options/experiment.md"])
    }


@pytest.mark.parametrize("page", [name for name in reference_pages() if "options/" in name])
def test_every_option_has_a_type_and_a_meaning(page):
    for line in pages()[page].splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)]
        if len(cells) == 6 and cells[1].startswith("`"):
            assert cells[2] and cells[4], f"{page}: {line}"


def test_every_model_has_its_family_tags():
    names = {*ROW.findall(pages()["catalogues/models.md"])}
    assert names == {*group_options("model")}
    used = {
        str(zoo.target_of(conf_folder() / "model" / f"{name}.yaml")).rpartition(".")[2]
        for name in names
    }
    assert used == {*zoo.tags()}
    assert all(len(tags) == 2 for tags in zoo.tags().values())


def test_a_model_with_an_optimizer_is_fitted_by_gradients():
    for name in group_options("model"):
        values = yaml.safe_load((conf_folder() / "model" / f"{name}.yaml").read_text())
        if "optimizer" in values:
            assert zoo.paradigm(name) == "gradient descent", name
        elif "network" in values and "defaults" not in values:
            assert zoo.paradigm(name) == "closed form", name


def test_every_recipe_has_licence_and_citation():
    found = sections("catalogues/recipes.md")
    assert {*found} == {*list_recipes()}
    for name, text in found.items():
        recipe = load_recipe(name)
        assert " ".join(recipe.citation.split())[:40] in text and recipe.licence[:30] in text


def test_every_published_table_has_its_citation():
    page = pages()["catalogues/published.md"]
    folder = Path(climbench.__file__).parent / "report" / "literature"
    for file in folder.glob("*.yaml"):
        content = yaml.safe_load(file.read_text())
        for one in [content] if "data" in content else content.values():
            assert " ".join(one["citation"].split()) in page
            for row in one["rows"]:
                assert row["model"].removesuffix(" (published)") in page


def test_every_public_name_is_documented():
    """All names of climbench and of every room that says what it exports."""
    rooms = [
        ".".join(path.relative_to(Path(climbench.__file__).parent).parent.parts)
        for path in Path(climbench.__file__).parent.rglob("__init__.py")
    ]
    with_names = {
        f"climbench.{room}"
        for room in rooms
        if room and hasattr(importlib.import_module(f"climbench.{room}"), "__all__")
    }
    assert with_names <= {*api.documented_modules()}
    text = "".join(one for name, one in pages().items() if name.startswith("api/"))
    for name in climbench.__all__:
        assert f"`climbench.{name} <" in text
    for module in with_names:
        for name in importlib.import_module(module).__all__:
            assert re.search(rf"\b{name}\b", pages()[f"api/{module}.rst"]), f"{module}.{name}"


def test_every_public_function_and_class_has_a_docstring():
    for name in api.documented_modules():
        module = importlib.import_module(name)
        kinds = api.exported(module)
        for item in (*kinds["functions"], *kinds["classes"]):
            assert inspect.getdoc(getattr(module, item)), f"{name}.{item}"


def test_entries_that_refer_to_another_class_are_followed():
    from climbench.models.climax_forecasting import ClimaX

    assert entries(ClimaX)["patch_size"] == "Rows and columns of a patch."


@pytest.mark.parametrize(
    "formula", [r"\overline{\langle (f - o)^2 \rangle}^{1/2}", r"\lfloor 0.4\,n^{2/3}\rfloor"]
)
def test_formulas_are_mathml(formula):
    assert mathml(formula, "inline").startswith("<math ")
