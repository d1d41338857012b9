"""All pages of the reference, and writing them where Sphinx reads them."""

from pathlib import Path
from typing import Any

from climbench_docs.api import api_pages


def reference_pages() -> dict[str, str]:
    """Return the text of every generated page by its path below ``docs/reference``."""
    return {**api_pages()}


def write_reference(app: Any) -> None:
    """Write the pages, each only where it changed, and take away those that are no more."""
    folder = Path(app.srcdir) / "reference"
    pages = reference_pages()
    for path in folder.rglob("*.*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
