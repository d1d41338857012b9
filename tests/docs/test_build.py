"""The documentation builds without a warning, and its pages need no network."""

import re
import subprocess
import sys

import pytest
from doc_pages import ROOT

FETCHED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["'](?:https?:)?//"""
    r"""|<link\b(?=[^>]*rel=["'](?:stylesheet|preload|icon))[^>]*href=["'](?:https?:)?//"""
    r"""|(?:@import|url\()\s*["']?(?:https?:)?//"""
)


@pytest.mark.slow
def test_the_pages_build_without_a_warning_and_need_no_network(tmp_path):
    pages = tmp_path / "html"
    command = ["-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", str(tmp_path / "d")]
    done = subprocess.run(
        [sys.executable, *command, str(ROOT / "docs"), str(pages)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    files = [*pages.rglob("*.html"), *pages.rglob("*.css")]
    assert len(files) > 60
    for file in files:
        assert not FETCHED.search(file.read_text("utf-8")), file.name
    metrics = (pages / "metrics.html").read_text("utf-8")
    assert "<math " in metrics and not re.search("<script[^>]*mathjax", metrics, re.I)
    assert (pages / "searchindex.js").is_file()


@pytest.mark.parametrize(
    ("line", "fetched"),
    [
        ('<script src="https://cdn.example.org/a.js"></script>', True),
        ('<link rel="stylesheet" href="//example.org/a.css" />', True),
        ("@import 'https://example.org/font.css';", True),
        ('<a href="https://example.org">there</a>', False),
        ('<script src="_static/a.js"></script>', False),
    ],
)
def test_what_counts_as_fetched(line, fetched):
    assert bool(FETCHED.search(line)) is fetched
