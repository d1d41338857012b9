"""HTML pages from the templates of this folder."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def render_page(template: str, **values: Any) -> str:
    """Return a page; every text in it is escaped, and a value that is missing is an error.

    Parameters
    ----------
    template
        Name of a file in ``templates``.
    values
        What the template names.
    """
    environment = Environment(
        loader=PackageLoader("climbench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
