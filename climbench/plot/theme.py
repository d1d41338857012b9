"""Colours of figures on a light and on a dark page, safe for colour-blind readers."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Theme:
    """Colours of one background.

    Attributes
    ----------
    face, text, faint
        Background, letters, and lines that should not catch the eye.
    missing
        Where a map has no value.
    models
        Colours of the models, in turn.
    baseline
        Colour of all baselines, which differ by their dashes and markers.
    """

    face: str
    text: str
    faint: str
    missing: str
    models: tuple[str, ...]
    baseline: str


# After Okabe and Ito (2008), darkened or lightened to a contrast of at least 3 with the background
LIGHT = Theme(
    face="#ffffff",
    text="#1f2933",
    faint="#d5dbe1",
    missing="#c9ced4",
    models=("#0072b2", "#d55e00", "#008060", "#b0568a", "#a67c00", "#4b5ab0"),
    baseline="#6b7280",
)
DARK = Theme(
    face="#1a1f26",
    text="#e6e9ed",
    faint="#3b444f",
    missing="#4a525c",
    models=("#56b4e9", "#f28c3c", "#2fc49a", "#e39ac6", "#e6c34a", "#9aa8f0"),
    baseline="#a3adb8",
)
THEMES = {"light": LIGHT, "dark": DARK}

DOTS_PER_INCH = 130


def safe(text: str) -> str:
    """Return a text that matplotlib does not read as mathematics."""
    return text.replace("$", r"\$")


def short(name: str, longest: int = 28) -> str:
    """Return a name that leaves room for the figure: a longer one loses its end.

    Examples
    --------
    >>> short("resnet"), short("resnet_with_attention", longest=9)
    ('resnet', 'resnet_w…')
    """
    return name if len(name) <= longest else name[: longest - 1] + "…"


def dress(axes: "Axes", theme: Theme) -> None:
    """Give ordinary axes the theme's colours, and no frame on the right and at the top."""
    axes.set_facecolor(theme.face)
    axes.tick_params(colors=theme.text, labelsize=9)
    axes.grid(color=theme.faint, linewidth=0.6)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(theme.faint)
    axes.xaxis.label.set_color(theme.text)
    axes.yaxis.label.set_color(theme.text)


def canvas(height: float, theme: Theme) -> "Figure":
    """Return an empty figure, six inches wide and ``height`` inches high."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.09, h_pad=0.09)
    return Figure(figsize=(6.0, height), layout=layout, facecolor=theme.face)


def heading(axes: "Axes", text: str, theme: Theme) -> None:
    """Write a heading at the upper left of the axes."""
    axes.set_title(safe(text), loc="left", fontsize=10.5, color=theme.text)


def save(figure: "Figure", path: Path) -> None:
    """Write a figure as a PNG with a palette of 256 colours, a third of the size of true colour.

    Nothing but the picture is in the file: the same figure gives the same bytes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure.set_dpi(DOTS_PER_INCH)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    picture.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(path)
