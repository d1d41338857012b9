"""Figures beside a page: drawn for light and for dark pages, and described in words."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from climbench.plot.theme import DOTS_PER_INCH, THEMES, Theme, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """A figure on a page.

    Attributes
    ----------
    sources
        File of each theme, relative to the page.
    alternative
        What it shows, for readers who do not see it.
    width, height
        Size in pixels.
    """

    sources: dict[str, str]
    alternative: str
    width: int
    height: int


def draw_picture(
    folder: Path, stem: str, alternative: str, draw: Callable[[Theme], "Figure"]
) -> Picture:
    """Draw a figure for light and dark pages into a folder beside the page."""
    name = re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_")
    sources, size = {}, (0.0, 0.0)
    for kind, theme in THEMES.items():
        figure = draw(theme)
        size = tuple(figure.get_size_inches() * DOTS_PER_INCH)
        save(figure, folder / f"{name}_{kind}.png")
        sources[kind] = f"{folder.name}/{name}_{kind}.png"
    return Picture(sources, alternative, round(size[0]), round(size[1]))
