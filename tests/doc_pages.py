"""Pages of the documentation as their parts: links, headings, blocks of code."""

import itertools
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        *(ROOT / "README.md", ROOT / "CONTRIBUTING.md"),
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "benchmarks").glob("*/README.md"),
    ]
)
NOT_RUN = re.compile(r"<!-- not run: (\S.*) -->")
PARSER = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Block:
    """A block of code: its language, what else stands on its first line, and why it is not run."""

    page: Path
    line: int
    language: str
    info: str
    text: str
    not_run: str | None

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """Return the fenced and indented blocks of a page."""
    found = []
    marker = None
    for token in PARSER.parse(page.read_text(encoding="utf-8")):
        if token.type == "html_block" and (match := NOT_RUN.search(token.content)):
            marker = match[1]
        elif token.type in ("fence", "code_block"):
            language, _, info = token.info.strip().partition(" ")
            found.append(Block(page, token.map[0] + 1, language, info, token.content, marker))
            marker = None
        elif token.level == 0 and token.nesting >= 0:
            marker = None
    return found


def links(text: str) -> list[str]:
    """Return the targets of all links of a page."""
    return [
        str(part.attrs["href"])
        for token in PARSER.parse(text)
        for part in token.children or []
        if part.type == "link_open"
    ]


def anchors(text: str) -> set[str]:
    """Return the anchors of the headings of a page, as its readers' programs make them."""
    found: list[str] = []
    tokens = PARSER.parse(text)
    for opening, inline in itertools.pairwise(tokens):
        if opening.type == "heading_open":
            words = "".join(part.content for part in inline.children or [])
            slug = re.sub(r"[^\w\- ]", "", words.lower()).strip().replace(" ", "-")
            found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return {*found}


def commands(block: Block) -> list[list[str]]:
    """Return the words after ``climbench`` of each command in a block of shell lines."""
    if block.language not in ("", "bash", "console"):
        return []
    text = block.text.replace("\\\n", " ")
    found = []
    for line in text.splitlines():
        words = re.split(r"(?:^|\s|-)climbench (?=[a-z$-])", line, maxsplit=1)
        if len(words) == 2 and (block.language != "console" or line.startswith("$ ")):
            found.append(shlex.split(words[1], comments=True))
    return found
