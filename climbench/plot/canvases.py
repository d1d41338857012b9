"""The axes that a user's plot is drawn on: those given, or new ones of pyplot."""

from collections.abc import Sequence
from textwrap import fill
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from climbench.errors import UserError
from climbench.plot.theme import LIGHT, dress, heading, safe, short


def new_figure(width: float = 6.0, height: float = 4.0) -> Figure:
    """Return a figure that a notebook shows by itself, in inches."""
    import matplotlib.pyplot as plt  # here: reports are drawn without it

    figure = plt.figure(figsize=(width, height), layout="constrained")
    figure.set_facecolor(LIGHT.face)
    return figure


def ready(ax: Axes | None, height: float = 4.0, width: float = 6.0) -> Axes:
    """Return the axes given, or new ones, in the house's colours."""
    axes = new_figure(width, height).add_subplot() if ax is None else ax
    if hasattr(axes, "projection"):
        raise UserError("ax= has a map projection: give plain axes of plt.subplots().")
    dress(axes, LIGHT)
    return axes


def geographic(ax: Any) -> Any:
    """Return axes that a map can be drawn on.

    Raises
    ------
    UserError
        If they have no projection.
    """
    if not hasattr(ax, "projection"):
        raise UserError(
            "ax= has no map projection: make it with plt.subplots(subplot_kw={'projection': "
            "cartopy.crs.Robinson()}), or leave it out."
        )
    return ax


def titled(axes: Any, text: str, width: float = 5.6) -> None:
    """Write a heading, in several lines where it is longer than ``width`` inches."""
    heading(axes, fill(text, max(12, round(11.5 * width))), LIGHT)


def legend(
    axes: Axes, handles: Sequence[Artist], names: Sequence[str], own: bool, columns: int = 3
) -> None:
    """Name the lines: below a figure of our own, inside the axes of others.

    Parameters
    ----------
    axes
        Where the lines are.
    handles, names
        The lines and what they are called.
    own
        Whether the figure holds these axes only.
    columns
        At most so many beside each other.
    """
    style: dict[str, Any] = {
        "frameon": False,
        "fontsize": 9,
        "labelcolor": LIGHT.text,
        "handlelength": 3.0,
    }
    texts = [safe(short(name, 36)) for name in names]
    if not handles:
        return
    if own and isinstance(axes.figure, Figure):
        ncols = min(columns, len(texts))
        axes.figure.legend(handles, texts, loc="outside lower center", ncols=ncols, **style)
    else:
        axes.legend(handles, texts, **{**style, "fontsize": 8})
