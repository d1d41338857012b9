"""The tab key."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from climbench.cli import VERBS, main
from climbench.completion import candidates


def complete(typed):
    return candidates(typed, list(VERBS))


def test_verbs_options_and_what_groups_hold():
    assert complete("climbench ") == list(VERBS)
    assert complete("climbench eva") == ["evaluate"]
    assert {"experiment=", "trainer=", "trainer.", "runs_dir="} <= set(complete("climbench run "))
    assert complete("climbench run experiment=quick") == ["experiment=quickstart"]
    assert "+model@models.mine=vit_small" in complete("climbench run +model@models.mine=vit")
    assert complete("climbench run trainer.batch") == ["trainer.batch_size="]
    assert complete("climbench build recipe=planet_w") == ["recipe=planet_weather"]
    assert complete("climbench evaluate predic") == ["predictions="]


@pytest.mark.parametrize(
    "typed", ["", "climbench x", "climbench dance ", "climbench run name=", "climbench run a.b.c="]
)
def test_what_nobody_knows_has_no_candidates(typed):
    assert complete(typed) in ([], list(VERBS))


def test_no_heavy_library_is_loaded():
    code = (
        "import sys; from climbench.cli import main; main(['--complete', 'climbench run exp']); "
        "print([m for m in ('torch', 'hydra', 'xarray', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["experiment=", "[]"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(shell, capsys):
    assert main(["--completion", shell]) == 0
    assert "climbench --complete" in capsys.readouterr().out


def test_an_unknown_shell_is_refused(capsys):
    assert main(["--completion", "bsh"]) == 2
    assert "did you mean 'bash'" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["run", "experiment", "=", "quick"], "quickstart"),
        (["run", "experiment", "=", ""], "beijing_stations"),
        (["run", "trainer.batch"], "trainer.batch_size="),
        (["eva"], "evaluate"),
    ],
)
def test_bash_takes_what_is_offered(words, found, tmp_path):
    program = tmp_path / "climbench"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m climbench "$@"\n')
    program.chmod(0o755)
    line = "climbench " + " ".join(words).replace(" = ", "=")
    quoted = " ".join(f"'{word}'" for word in ["climbench", *words])
    script = (
        "source <(climbench --completion bash); compopt() { :; }\n"
        f"COMP_LINE='{line}'; COMP_POINT={len(line)}; COMP_WORDS=({quoted})\n"
        f'COMP_CWORD={len(words)}; _climbench; echo "${{COMPREPLY[0]}}"\n'
    )
    root = str(Path(__file__).parents[1])
    path = f"{tmp_path}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": root}
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == found
