"""The examples of docs/own_*.md, to which CONTRIBUTING.md sends, run as they stand."""

import re
from pathlib import Path

import pytest
import yaml

from climbench.config import ModelConfig
from climbench.testing.metric_contract import check_metric
from climbench.testing.model_contract import check_model

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
PAGES = {"recipe": "own_archive", "model": "own_model", "task": "own_task", "metric": "own_metric"}


def block(kind, language="python"):
    page = (ROOT / "docs" / f"{PAGES[kind]}.md").read_text()
    (text,) = re.findall(rf"```{language} {kind}\n(.*?)```", page, flags=re.S)
    return text


def run(kind):
    names = {"__name__": f"example_{kind}"}
    exec(compile(block(kind), f"docs/{PAGES[kind]}.md", "exec", dont_inherit=True), names)
    return names


def test_the_recipe_is_valid(tmp_path):
    from climbench.recipes import load_recipe

    file = tmp_path / "example_slp.yaml"
    file.write_text(block("recipe", "yaml"))
    assert load_recipe(str(file)).name == "example_slp"


def test_the_model_keeps_the_contract():
    assert ModelConfig(**yaml.safe_load(block("model", "yaml"))).name == "damped_persistence"
    check_model(run("model")["DampedPersistence"])


def test_the_task_is_a_forecasting_task():
    assert run("task")["NowcastingTask"].strategy == "direct"


def test_the_metric_keeps_the_contract():
    from climbench.metrics import metric

    before = dict(metric._METRICS)
    try:
        check_metric(run("metric")["RootMeanQuarticError"]())
    finally:
        metric._METRICS.clear()
        metric._METRICS.update(before)


@pytest.mark.parametrize("command", re.findall(r"^make ([a-z-]+)", PAGE, flags=re.M))
def test_the_commands_exist(command):
    makefile = (ROOT / "Makefile").read_text()
    assert f"\n{command}:" in makefile


def test_the_page_sends_to_every_example():
    assert all(f"(docs/{page}.md)" in PAGE for page in PAGES.values())
