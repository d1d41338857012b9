"""Scores of columns by latitude and level, and by level: pictures for the site."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from climbench.plot.ranking import Headline, ranked
from climbench.plot.theme import Theme, canvas, dress, heading, safe
from climbench.plot.wording import level_label
from climbench.report.figures import Picture, draw_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SECTION = "section_r2"
STEPS = np.linspace(0.0, 1.0, 11)
SIDE_BY_SIDE = 3
LINE = 17  # letters above a panel


def write_sections(
    scores: xr.Dataset, headline: Headline, folder: Path
) -> list[tuple[str, list[Picture]]]:
    """Draw R2 by latitude and level of the best models, a figure for each scenario and profile.

    Parameters
    ----------
    scores
        With ``section_r2`` [model, profile, scenario, zone, lev]; others have no section.
    headline
        Says which models are best.
    folder
        Of the pictures.

    Returns
    -------
    list
        Heading and pictures of each profile.
    """
    if SECTION not in scores:
        return []
    models = [name for name in ranked(scores, headline) if _known(scores, name)][:SIDE_BY_SIDE]
    groups: list[tuple[str, list[Picture]]] = []
    for profile in scores["profile"].values.astype(str) if models else []:
        pictures: list[Picture] = []
        for scenario in scores["scenario"].values.astype(str):
            here = scores[SECTION].sel(profile=profile, scenario=scenario, model=models)
            text = _described(here, profile, scenario)
            draw = partial(_figure, here, f"{profile}, {scenario}")
            stem = f"section {len(groups)} {len(pictures)}"
            pictures.append(draw_picture(folder, stem, text, draw))
        groups.append((str(profile), pictures))
    return groups


def _known(scores: xr.Dataset, model: str) -> bool:
    return bool(scores[SECTION].sel(model=model).notnull().any())


def _described(here: xr.DataArray, profile: str, scenario: str) -> str:
    medians = here.median(("zone", "lev")).values
    said = ", ".join(
        f"{name} has a median of {median:.2f}"
        for name, median in zip(here["model"].values, medians, strict=True)
    )
    level = level_label(here["lev"])
    return f"R2 of daily zonal means of {profile} in {scenario} by latitude and {level}: {said}."


def _figure(here: xr.DataArray, title: str, theme: Theme) -> "Figure":
    from matplotlib.colors import BoundaryNorm

    figure = canvas(3.1, theme)
    panels: Sequence[Axes] = figure.subplots(1, here.sizes["model"], sharey=True, squeeze=False)[0]
    levels = here["lev"].values.astype(float)
    mesh: Any = None
    for axes, model in zip(panels, here["model"].values.astype(str), strict=True):
        dress(axes, theme)
        axes.grid(visible=False)
        axes.set_facecolor(theme.missing)
        values = here.sel(model=model).transpose("lev", "zone").values
        norm = BoundaryNorm(STEPS, 256, extend="min")
        mesh = axes.pcolormesh(here["zone"].values, levels, values, norm=norm, cmap="viridis")
        axes.set_xticks([-60, 0, 60], ["60°S", "0°", "60°N"])
        heading(axes, _on_lines(model), theme)
    panels[0].invert_yaxis()
    panels[0].set_ylabel(safe(level_label(here["lev"])), fontsize=9)
    bar = figure.colorbar(mesh, ax=panels, shrink=0.9, ticks=STEPS[::2], pad=0.02)
    bar.set_label(safe(f"R2 of {title}"), color=theme.text, fontsize=9)
    bar.ax.tick_params(colors=theme.text, labelsize=8.5)
    return figure


def _on_lines(name: str) -> str:
    r"""Return a name on two lines that fit above a panel; a longer one loses its middle.

    Examples
    --------
    >>> _on_lines("column_mlp"), _on_lines("column_randomised_prior_small")
    ('column_mlp', 'column_randomised_\nprior_small')
    """
    if len(name) > 2 * LINE:
        name = f"{name[: LINE - 1]}…{name[-LINE:]}"
    if len(name) <= LINE:
        return name
    breaks = [
        at + 1 for at, sign in enumerate(name) if sign in "_…- " and len(name) - at <= LINE + 1
    ]
    place = min(breaks, default=LINE)
    return f"{name[:place]}\n{name[place:]}"
