"""What our docstrings say: a summary, and a sentence for each parameter or attribute."""

import inspect
import re
from typing import Any

from climbench.config.instantiate import locate

SECTION = re.compile(r"^(\w[\w ]*)\n-+\n", flags=re.M)
ENTRY = re.compile(r"^(\*{0,2}\w[\w, *\n]*?)(?: : .*)?\n((?:[ ]{4}.*\n?|\n)+)", flags=re.M)


def summary(described: Any) -> str:
    """Return all that stands before the first section, as Markdown in one line a paragraph."""
    head = SECTION.split(_doc(described), maxsplit=1)[0]
    return "\n\n".join(" ".join(part.split()) for part in markdown(head).split("\n\n")).strip()


def first_sentence(described: Any) -> str:
    """Return the first line of a docstring as Markdown."""
    return markdown(_doc(described).split("\n")[0])


def entries(described: Any) -> dict[str, str]:
    """Return what is said about each parameter or attribute, of base classes too."""
    found: dict[str, str] = {}
    for one in reversed(described.__mro__ if inspect.isclass(described) else (described,)):
        found |= _entries(inspect.cleandoc(one.__doc__ or "") + "\n")
    return {name: _elsewhere(name, text) for name, text in found.items()}


def _elsewhere(name: str, text: str) -> str:
    """Return what is said at the class that a text refers to, where it does."""
    if reference := re.match(r"As in `(climbench\.[\w.]+)`", text):
        return entries(locate(reference[1])).get(name, text)
    return text


def _entries(doc: str) -> dict[str, str]:
    found = {}
    parts = SECTION.split(doc)
    for title, body in zip(parts[1::2], parts[2::2], strict=True):
        if title in ("Parameters", "Attributes"):
            for names, text in ENTRY.findall(body):
                for name in re.findall(r"\w+", names):
                    found[name] = markdown(" ".join(text.split()))
    return found


def _doc(described: Any) -> str:
    """Return its own docstring, not one that it inherits."""
    return inspect.cleandoc(getattr(described, "__doc__", None) or "") + "\n"


def markdown(text: str) -> str:
    """Return the few marks of our docstrings as those of Markdown."""
    text = re.sub(r":math:`([^`]*)`", lambda found: f"${' '.join(found[1].split())}$", text)
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text)
    return text.replace("``", "`")
