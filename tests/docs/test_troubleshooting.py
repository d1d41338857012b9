"""The sentences of docs/troubleshooting.md are those that climbench prints."""

import ast
import re
import shlex
from functools import cache

import pytest
from doc_pages import ROOT, blocks

from climbench.cli import main

PAGE = ROOT / "docs" / "troubleshooting.md"
PRINTED = [
    (command, sentence)
    for block in blocks(PAGE)
    if block.language == "console"
    for command, sentence in re.findall(r"^\$ climbench (.*)\n(climbench: .*)$", block.text, re.M)
]
PROSE = re.sub(r"```.*?```", "", PAGE.read_text("utf-8"), flags=re.S).replace("\n  ", " ")
SENTENCES = [code for code in re.findall(r"`([^`]+)`", PROSE) if "…" in code]


@cache
def templates():
    """Return every text of the code, with gaps where it has values."""
    found = []
    for path in (ROOT / "climbench").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [getattr(part, "value", "") for part in node.values]
                found.append("…".join(part if isinstance(part, str) else "…" for part in parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


def is_said(sentence):
    """Return whether one text of the code has all parts of a sentence, in its order."""
    parts = [part.strip() for part in sentence.split("…") if len(part.strip()) > 1]
    return any(in_order(parts, template) for template in templates())


def in_order(parts, template):
    """Return whether parts stand in a text one after the other."""
    place = 0
    for part in parts:
        place = template.find(part, place)
        if place < 0:
            return False
        place += len(part)
    return True


@pytest.mark.parametrize(("command", "sentence"), PRINTED, ids=[one for one, _ in PRINTED])
def test_a_command_prints_the_sentence(command, sentence, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(command)) == 2
    assert capfd.readouterr().err.strip().splitlines()[-1] == sentence


def test_the_page_has_sentences():
    assert len(PRINTED) >= 10 and len(SENTENCES) >= 20


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_is_in_the_code(sentence):
    assert is_said(sentence)
