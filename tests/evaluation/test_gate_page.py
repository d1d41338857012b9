"""The commands of docs/gate.md run as they stand, and print what the page says."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from hydra import compose, initialize_config_dir
from rich.console import Console
from small_scores import forecast_scores, red_noise

from climbench.cli import main
from climbench.config.folders import conf_folder
from climbench.evaluation import combine, load_rules, write_scores
from climbench.experiments import verbs

PAGE = (Path(__file__).parents[2] / "docs" / "gate.md").read_text(encoding="utf-8")
COMMANDS = {
    command: (output.rstrip(), int(code))
    for command, output, code in re.findall(
        r"```console\n\$ climbench ([^\n]*)\n(.*?)```\n\nExit code (\d)", PAGE, flags=re.S
    )
}


def block(name):
    (text,) = re.findall(rf"```yaml {re.escape(name)}\n(.*?)```", PAGE, flags=re.S)
    return text


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A new emulator's scores, and those of the released one and of a straight line."""
    folder = tmp_path_factory.mktemp("repository")

    def scores(model, errors):
        return forecast_scores(model, errors, leads=(24, 72))

    released, small, line = (red_noise((120, 3, 2, 1), 0.4, seed) for seed in (1, 2, 3))
    change = np.array([0.97, 0.9, 1.06]).reshape(1, 3, 1, 1)
    write_scores(scores("new", change * released + 0.15 * small), folder / "new")
    both = combine([scores("released", released), scores("linear_regression", 1.7 * line)])
    write_scores(both, folder / "guard")
    (folder / "guard" / "rules.yaml").write_text(block("guard/rules.yaml"))
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_prints_what_the_page_says(repository, command, monkeypatch, capsys):
    output, code = COMMANDS[command]
    monkeypatch.chdir(repository)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.setattr(verbs, "console", Console(width=100))
    assert main(command.split()) == code
    printed = capsys.readouterr().out
    assert [line.rstrip() for line in printed.splitlines()] == output.splitlines()
    verb = command.split()[0]
    written = json.loads((repository / verb / f"{verb}.json").read_text())
    assert written["simulated"] is True


def test_the_page_has_all_three_verdicts_and_both_verbs():
    assert {command.split()[0] for command in COMMANDS} == {"gate", "compare"}
    for outcome in ("PASS", "FAIL", "NOT SIGNIFICANT"):
        assert f"\n{outcome}: " in PAGE


def test_the_job_runs_the_gate_that_the_page_shows():
    (job,) = yaml.safe_load(block(".github/workflows/emulator.yaml"))["jobs"].values()
    commands = [step["run"].split() for step in job["steps"] if "run" in step]
    (gate,) = [words[1:] for words in commands if words[:2] == ["climbench", "gate"]]
    assert any(set(gate) <= set(command.split()) for command in COMMANDS)
    (evaluate,) = [words[2:] for words in commands if words[:2] == ["climbench", "evaluate"]]
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        assert compose("evaluate", evaluate)["output"] == "new"


def test_the_rules_of_the_page_are_valid(repository):
    assert load_rules(repository / "guard" / "rules.yaml").name == "emulator"
