"""Formulas as MathML, which browsers draw by themselves: no script, no file from a network."""

from typing import Any

from latex2mathml.converter import convert
from sphinx.util import logging

logger = logging.getLogger(__name__)


def mathml(formula: str, display: str) -> str:
    """Return a formula in LaTeX as MathML.

    Parameters
    ----------
    formula
        Without dollar signs.
    display
        ``inline`` or ``block``.
    """
    return convert(formula.strip(), display=display)


def _checked(node: Any, display: str) -> str:
    try:
        return mathml(node.astext(), display)
    except Exception as error:  # of many kinds: each is a formula that nobody could read
        logger.warning("formula %r: %r", node.astext(), error, location=node)
        return ""


def _visit_inline(writer: Any, node: Any) -> None:
    from docutils import nodes

    writer.body.append(_checked(node, "inline"))
    raise nodes.SkipNode


def _visit_block(writer: Any, node: Any) -> None:
    from docutils import nodes

    writer.body.append(f'<div class="math">{_checked(node, "block")}</div>\n')
    raise nodes.SkipNode


def setup(app: Any) -> None:
    """Add the renderer ``mathml``."""
    app.add_html_math_renderer("mathml", (_visit_inline, None), (_visit_block, None))
