"""HTML pages from the templates of this folder."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

# Signs that turn the text around them, as U+202E in a name would turn a whole sentence
_TURNING = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_SHOWN = {sign: f"\N{LEFT CEILING}U+{sign:04X}\N{RIGHT CEILING}" for sign in _TURNING}


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
        finalize=with_turning_signs_shown,
    )
    # as they are, so that `finalize` finds them in the data of the scripts too
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "sort_keys": True}
    return environment.get_template(template).render(**values)


def with_turning_signs_shown(value: Any) -> Any:
    """Return a text in which signs of direction are written out; any other value as it is.

    Examples
    --------
    >>> with_turning_signs_shown(f"a{chr(0x202E)}b"), with_turning_signs_shown(1.5)
    ('a⌈U+202E⌉b', 1.5)
    """
    return value.translate(_SHOWN) if isinstance(value, str) else value
