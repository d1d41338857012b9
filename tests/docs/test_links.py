"""Every link of README and docs leads somewhere: files, headings, generated pages."""

import posixpath
from functools import cache

import pytest
from climbench_docs.pages import reference_pages
from doc_pages import PAGES, ROOT, anchors, links


@cache
def texts():
    """Return every page's text by its path from the root."""
    made = {f"docs/reference/{name}": text for name, text in reference_pages().items()}
    read = {page.relative_to(ROOT).as_posix(): page.read_text("utf-8") for page in PAGES}
    return made | read


def broken(name, text):
    found = []
    for link in links(text):
        path, _, anchor = link.partition("#")
        if "://" in link or link.startswith("mailto:"):
            continue
        target = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
        if target not in texts():
            if anchor or not (ROOT / target).exists():
                found.append(link)
        elif anchor and anchor not in anchors(texts()[target]):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_leads_somewhere(page):
    assert broken(page.relative_to(ROOT).as_posix(), page.read_text("utf-8")) == []


def test_every_link_of_the_generated_pages_leads_somewhere():
    made = {name: text for name, text in texts().items() if name.startswith("docs/reference/")}
    assert len(made) > 30
    found = {name: broken(name, text) for name, text in made.items() if name.endswith(".md")}
    assert not {name: links for name, links in found.items() if links}


def test_every_page_is_on_the_map():
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert page.stem == "index" or f"\n{page.stem}\n" in index, page.name
