"""The tutorial's files and commands, as a newcomer types them."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from doc_pages import ROOT, blocks, commands

PAGE = ROOT / "docs" / "tutorial.md"
FILES = {block.info: block.text for block in blocks(PAGE) if block.info}
COMMANDS = [words for block in blocks(PAGE) for words in commands(block)]
ADDED = [words for words in COMMANDS if "my_conf" in words and "experiment=quickstart" in words]
SMALL = [
    "recipe_overrides.dates.end=2001-06-30",
    "recipe_overrides.statistics.period=[2000-01-01,2000-12-31]",
    "task.train=[2000-01-01,2000-12-31]",
    "task.validation=[2001-01-01,2001-02-28]",
    "task.test=[2001-03-01,2001-06-30]",
    "++models.two_convolutions.max_epochs=1",
    "~models.resnet_small",
    "~models.vit_small",
]


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def run(arguments, folder):
    """Run Python in the tutorial's folder; ``PYTHONPATH=.`` as it says."""
    places = os.pathsep.join([".", str(ROOT)])
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": places, "COLUMNS": "100"},
        capture_output=True,
        text=True,
    )


def test_the_tutorial_has_its_files():
    assert {*FILES} == {"my_models.py", "my_conf/model/two_convolutions.yaml", "check.py"}
    assert len(ADDED) == 2


def test_the_model_keeps_the_contract(folder):
    done = run(["check.py"], folder)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", ADDED, ids=["first", "second"])
def test_the_commands_compose(folder, words):
    done = run(["-m", "climbench", *words, "--cfg", "job"], folder)
    assert done.returncode == 0, done.stderr
    assert "my_models.TwoConvolutions" in done.stdout


@pytest.mark.slow
def test_the_model_is_on_the_leaderboard(folder):
    """The tutorial's command, on less weather and without the other networks."""
    done = run(["-m", "climbench", *ADDED[0], *SMALL], folder)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^two_convolutions +\d", done.stdout, flags=re.M)
    assert "two_convolutions" in shlex.join(ADDED[0])
    assert (Path(folder) / "runs" / "quickstart").is_dir()
