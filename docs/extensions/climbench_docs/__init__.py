"""Sphinx extension of climbench's documentation: formulas as MathML, reference pages from code."""

from typing import Any

from climbench_docs import mathml, pages


def setup(app: Any) -> dict[str, Any]:
    """Let Sphinx know of the renderer, and write the reference before the pages are read."""
    mathml.setup(app)
    app.connect("builder-inited", pages.write_reference)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
