"""Every block of code in README and docs runs, composes or at the least parses."""

import re
import warnings
from itertools import product

import pytest
import yaml
from doc_pages import PAGES, ROOT, blocks, commands
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from climbench.cli import FLAGS_WITH_VALUE, VERBS, _as_overrides
from climbench.config.folders import conf_folder, group_options
from climbench.config.mistakes import check_overrides
from climbench.experiments.catalogue import KINDS as CATALOGUES
from climbench.experiments.kinds import parse_experiment
from climbench.metrics import get_metric, metric_families
from climbench.recipes import list_recipes

MISTAKES = ROOT / "docs" / "troubleshooting.md"
"""Its commands are wrong on purpose; test_troubleshooting.py runs them."""
BLOCKS = [block for page in PAGES for block in blocks(page)]
COMMANDS = sorted(
    {
        tuple(word for word in words if word != "...")
        for block in BLOCKS
        if block.page != MISTAKES
        for words in commands(block)
        if words[0] in VERBS or (words[0].isalpha() and words[0].islower())
    }
)
NAMED = re.compile(
    r"\b(experiment|model|task|trainer|evaluation|launcher|report)=([a-z]\w+)\b(?!\.)"
)
OWN = {"two_convolutions", "example_slp"}
"""Names of what the pages themselves make."""
PLACEHOLDER = re.compile(r"[A-Z_]+|\$\w+")
LANGUAGES = {"", "bash", "console", "python", "yaml", "csv", "text", "{toctree}"}


def is_own(words):
    return any(word.partition("=")[2] in OWN for word in words)


def test_blocks_have_a_known_language():
    assert {block.language for block in BLOCKS} <= LANGUAGES


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "yaml"], ids=str)
def test_yaml_parses(block):
    assert yaml.safe_load(block.text)


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "python"], ids=str)
def test_python_compiles(block):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compile(block.text, str(block), "exec", dont_inherit=True)


def runnable(page):
    """Return the blocks of Python that a page does not say are not run, nor another test runs."""
    plain = [b for b in blocks(page) if b.language == "python" and not b.info]
    return [block for block in plain if block.not_run is None]


@pytest.mark.parametrize("page", [p for p in PAGES if runnable(p)], ids=lambda p: p.name)
def test_python_of_a_page_runs_in_turn(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    for block in runnable(page):
        exec(compile(block.text, str(block), "exec", dont_inherit=True), names)


def without_placeholders(words):
    """Return the words but those whose value stands for another: experiment=E, $START."""
    return [
        word
        for word in words
        if not word.startswith("$")
        and not (
            word.split("=")[0] in ("experiment", "model", "task", "recipe", "source")
            and PLACEHOLDER.fullmatch(word.partition("=")[2])
        )
    ]


def jobs(words):
    """Return the overrides of each job of a sweep: the values that commas part."""
    parsed = OverridesParser.create().parse_overrides(words)
    choices = [
        [f"{one.get_key_element()}={value}" for value in one.sweep_string_iterator()]
        if one.is_sweep_override()
        else [one.input_line]
        for one in parsed
    ]
    return [list(job) for job in product(*choices)]


def composed(verb, overrides):
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        return OmegaConf.to_container(compose(verb, overrides), resolve=False)


def check_names(values, verb):
    """Hold the names that a verb looks up itself against what there is."""
    if verb in ("build", "run", "train", "list") and (recipe := values.get("recipe")):
        if not str(recipe).endswith(".yaml") and recipe not in OWN and recipe != "???":
            assert recipe in list_recipes()
    if verb == "list":
        assert values["what"] in (*CATALOGUES, "all")
    if verb == "gate" and "/" not in values["rules"] and values["rules"] != "RULES":
        assert values["rules"] in group_options("gate")
    if verb == "evaluate":
        wanted = values["metrics"]
        for label in [wanted] if isinstance(wanted, str) else wanted:
            assert str(label).startswith("$") or label in metric_families() or get_metric(label)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_composes(words):
    """No verb, option, experiment, model or recipe of the pages is unknown."""
    verb, *arguments = words
    assert verb in VERBS
    if {"--help", "--version"} & {*arguments} or is_own(arguments):
        return
    overrides = _as_overrides(verb, without_placeholders(arguments))
    flags = {at for at, word in enumerate(overrides) if word.startswith("-")}
    flags |= {at + 1 for at in flags if overrides[at] in FLAGS_WITH_VALUE}
    plain = [word for at, word in enumerate(overrides) if at not in flags]
    for job in jobs([word for word in plain if word not in ("gate=null", "~gate")]):
        if any(word[0] in "+~" or "null" in word for word in job):
            check_overrides(verb, job)
        values = composed(verb, job)
        check_names(values, verb)
        if verb == "run" and any(word.startswith("experiment=") for word in job):
            whole = OmegaConf.to_container(OmegaConf.create(values), resolve=True)
            assert parse_experiment(whole)


@pytest.mark.parametrize(
    "page", [p for p in PAGES if p != MISTAKES], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_names_in_prose_are_there(page):
    """A page that names an experiment, model or task names one that there is."""
    for group, name in NAMED.findall(page.read_text("utf-8")):
        assert name in group_options(group) or name in OWN, f"{group}={name}"
