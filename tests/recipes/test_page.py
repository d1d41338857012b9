"""The commands of docs/recipes.md are read as they are written there."""

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from climbench.cli import main
from climbench.recipes.verify import verify

PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"
COMMANDS = re.findall(r"^ *climbench (build recipe=(?!NAME).*?) *(?:#.*)?$", PAGE.read_text(), re.M)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_has_no_mistake(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Options and recipe are checked; nothing is opened."""
    asked: list[Any] = []

    def note(recipe: Any, *_: Any, **__: Any) -> tuple[int, list[str]]:
        asked.append(recipe)
        return 1, []

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("climbench.recipes.build", note)
    monkeypatch.setattr("climbench.recipes.plan", note)
    monkeypatch.setattr(sys.modules[verify.__module__], "verify", note)
    assert main(shlex.split(command)) == 0
    assert len(asked) == 1
