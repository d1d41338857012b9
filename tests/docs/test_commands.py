"""Every line of shell in README and docs runs, or a table says why it does not.

Names in the lines stand for files and folders that lie in a folder of each page. Runs and stores
are shared by all pages, so that what one line has trained the next one finds.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from doc_pages import ROOT
from documented_files import lay_names, write_archive, write_blocks, write_bucket, write_files
from documented_lines import (
    FILLED,
    FIRST,
    NOT_RUN,
    SHORTENED,
    Line,
    filled,
    lines,
    needed,
    not_run,
    shortened,
)
from servers.gcs import serving_gcs

from climbench.cli import main

LINES = lines()
COMMANDS = [line for line in LINES if not not_run(line)]


class Reader:
    """Who types the lines of all pages, each page in a folder of its own."""

    def __init__(self, shared: Path) -> None:
        self.shared = shared
        self.done: set[Line] = set()

    def type(self, line: Line) -> int:
        """Run a line, after those whose files it needs, and return its exit code."""
        for beginning in needed(line):
            self.type_once(next(one for one in COMMANDS if one.text.startswith(beginning)))
        self.done.add(line)
        folder = self.folder(line.page)
        os.chdir(folder)
        try:
            return main([*self.words(line)[1:], *shortened(line.text)])
        except SystemExit as end:  # of Hydra, which shows its configuration itself
            return int(end.code or 0)

    def words(self, line: Line) -> list[str]:
        """Return the words of a line as a shell gives them, which knows the page's variables."""
        same = (one.text for one in LINES if one.page == line.page and "$" in line.text)
        settings = [text for text in same if re.match(r"[A-Z]+=", text)]
        script = "\n".join([*settings, f"printf '%s\\0' {filled(line.text)}"])
        typed = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
        return typed.stdout.split("\0")[:-1]

    def type_once(self, line: Line) -> None:
        if line not in self.done:
            assert self.type(line) == 0, line

    def folder(self, page: str) -> Path:
        """Return the folder of a page, with its files and names."""
        folder = self.shared / "pages" / page.replace("/", "-").removesuffix(".md")
        if not folder.is_dir():
            folder.mkdir(parents=True)
            write_blocks(ROOT / page, folder)
        lay_names(folder, self.shared, page)
        return folder


@pytest.fixture(scope="module")
def reader(tmp_path_factory, data_root) -> Reader:
    shared = tmp_path_factory.mktemp("reader")
    write_archive(shared / "archive", data_root)
    write_files(shared / "files")
    for name in ("runs", "stores"):
        (shared / name).mkdir()
    return Reader(shared)


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """A dask scheduler with two worker processes."""
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster:
        yield cluster.scheduler_address


@pytest.fixture(scope="module")
def bucket(tmp_path_factory) -> Iterator[None]:
    """Google's bucket on this machine, with what the lines name of it."""
    root = tmp_path_factory.mktemp("buckets")
    text = " ".join(line.text for line in COMMANDS)
    kinds = {"hres": "hres/", "analysis": "hres_t0/", "climatology": "era5-hourly-climatology/"}
    kinds |= {"graphcast": "graphcast/"}
    paths = {k: re.search(rf"gs://(\S+?/{v}\S+)", text)[1] for k, v in kinds.items()}
    write_bucket(root, **paths)
    with serving_gcs(root):
        yield


@pytest.fixture
def surroundings(line, request, reader, tmp_path, monkeypatch):
    """Set what a line finds around it: variables of the shell, a scheduler, a bucket."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(reader.folder(line.page)))  # export PYTHONPATH=.
    monkeypatch.setenv("DATA", str(reader.shared / "archive"))
    monkeypatch.setenv("WORK", str(reader.shared))
    monkeypatch.setenv("FRESH", str(tmp_path / "stores"))
    if "scheduler=" in line.text:
        monkeypatch.setenv("SCHEDULER", request.getfixturevalue("scheduler"))
    if re.search("gs://|era5_wb2", line.text):
        request.getfixturevalue("bucket")


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.usefixtures("surroundings")
@pytest.mark.parametrize("line", COMMANDS, ids=str)
def test_a_command_runs_to_its_end(line, reader, capfd):
    code = reader.type(line)
    shown = capfd.readouterr()
    assert code == 0, shown.err
    assert "Traceback" not in shown.err


def test_every_line_is_a_command_or_a_table_says_why_not():
    assert [line for line in COMMANDS if not line.text.startswith("climbench ")] == []


@pytest.mark.parametrize("pattern", [*NOT_RUN, *FIRST, *(pattern for pattern, *_ in SHORTENED)])
def test_a_pattern_of_the_tables_is_of_some_line(pattern):
    assert any(re.match(pattern, line.text) for line in LINES)


@pytest.mark.parametrize("name", FILLED)
def test_a_name_that_is_filled_is_in_some_line(name):
    assert any(name in line.text for line in COMMANDS)


@pytest.mark.parametrize("line", LINES, ids=str)
def test_files_and_targets_that_a_line_or_its_reason_names_are_there(line):
    text = f"{line.text} {not_run(line) or ''}"
    for path in re.findall(r"\b(?:benchmarks|scripts|tests)/[\w/]+\.(?:py|sh)", text):
        assert (ROOT / path).is_file()
    if line.text.startswith("make "):
        target = line.text.split()[1]
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.M)
