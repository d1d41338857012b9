"""Scores against the number of training members: means, draws, differences, spectra."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from climbench.plot.member_names import FEWEST_DRAWS, emulators
from climbench.plot.score_curves import Style, styles
from climbench.plot.theme import LIGHT, Theme, canvas, dress, heading, safe, short


def score_figure(here: xr.Dataset, label: str, theme: Theme = LIGHT) -> Figure:
    """Return a score against the number of members: means, spread over draws, each draw.

    Parameters
    ----------
    here
        ``draw_score [emulator, size, draw]`` and ``noise_floor [size]`` of one truth, channel
        and metric.
    label
        The score with its unit.
    theme
        Colours of the page.
    """
    figure, axes = _axes(theme)
    handles, names = draw_members(axes, here, label, theme)
    _legend(figure, handles, names, theme)
    return figure


def draw_members(
    axes: Axes, here: xr.Dataset, label: str, theme: Theme = LIGHT
) -> tuple[list[Line2D], list[str]]:
    """Draw what :func:`score_figure` shows, and return lines and names."""
    look, handles = styles(emulators(here), theme), []
    for name in emulators(here):
        known = here["draw_score"].sel(emulator=name).dropna("size", how="all")
        mean, spread = known.mean("draw"), known.std("draw", ddof=1).fillna(0.0)
        sizes, style = known["size"].values, look[name]
        axes.fill_between(sizes, mean - spread, mean + spread, color=style.colour, alpha=0.18, lw=0)
        _dots(axes, known, style)
        handles.append(_line(axes, sizes, mean.values, style))
    floor = here["noise_floor"].dropna("size")
    (line,) = axes.plot(floor["size"], floor, color=theme.text, lw=1.2, ls=":")
    axes.set_ylim(bottom=0)
    _along_members(axes, here, theme, label)
    return [*handles, line], [*emulators(here), "noise floor"]


def difference_figure(here: xr.Dataset, label: str, theme: Theme = LIGHT) -> Figure:
    """Return the paired differences to the reference: a dot per draw, the mean and its bounds.

    Parameters
    ----------
    here
        ``difference [emulator, size, draw]`` with ``mean``, ``lower`` and ``upper
        [emulator, size]`` of one truth, channel and metric.
    label
        The score with its unit.
    theme
        Colours of the page.
    """
    figure, axes = _axes(theme)
    look = styles(emulators(here), theme)
    candidates = emulators(here)[1:]
    handles = []
    for place, name in enumerate(candidates):
        one = here.sel(emulator=name).dropna("size", how="all", subset=["mean"])
        shift = 1 + 0.05 * (place - (len(candidates) - 1) / 2)  # beside each other
        _dots(axes, one["difference"].assign_coords(size=one["size"] * shift), look[name])
        sizes, mean = one["size"].values * shift, one["mean"].values
        handles.append(_line(axes, sizes, mean, look[name]))
        bounds = np.abs(np.stack([mean - one["lower"].values, one["upper"].values - mean]))
        told = np.isfinite(bounds).all(axis=0) & (one["draws"].values >= FEWEST_DRAWS)
        axes.errorbar(
            sizes[told], mean[told], bounds[:, told], fmt="none", ecolor=look[name].colour,
            capsize=4, lw=1.6,
        )  # fmt: skip
    axes.axhline(0, color=theme.text, lw=0.9)
    _along_members(axes, here, theme, label)
    names = [f"{name} less {here.attrs['reference']}" for name in candidates]
    _legend(figure, handles, names, theme)
    return figure


def spectrum_figure(here: xr.Dataset, label: str, theme: Theme = LIGHT) -> Figure:
    """Return spectra of what predictions add to the forced response, and of true variability.

    Parameters
    ----------
    here
        ``spectrum [fit, frequency]`` and ``true_spectrum [frequency]`` of one channel and place.
    label
        The power with its unit.
    theme
        Colours of the page.
    """
    figure, axes = _axes(theme)
    look = styles(emulators(here), theme)
    here = here.isel(frequency=slice(-1))  # the last, of two years, holds half of the power
    period = 1 / here["frequency"].values
    truth, members = here["true_spectrum"].values, int(here.attrs["truth_members"])
    handles = axes.plot(period, truth, color=theme.text, lw=1.8)
    handles += axes.plot(period, truth / members, color=theme.text, lw=1.2, ls=":")
    names = ["one member of the truth", f"mean of {members} members"]
    for name in emulators(here):
        own = here["spectrum"].where(here["model"] == name).dropna("fit", how="all")
        for size, dashes in zip(_ends(own["members"].values), ((), (4, 2)), strict=False):
            mean = own.where(own["members"] == size).mean("fit")
            (line,) = axes.plot(period, mean, color=look[name].colour, lw=1.6)
            if dashes:
                line.set_dashes(dashes)
            handles.append(line)
            names.append(f"{short(name, 20)}, n = {size}")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.invert_xaxis()
    ticks = [years for years in (2, 3, 5, 10, 20, 50) if years <= period.max()]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.set_xlabel("period [years]", fontsize=9.5)
    heading(axes, label, theme)
    _legend(figure, handles, names, theme, columns=2)
    return figure


def _axes(theme: Theme) -> tuple[Figure, Axes]:
    figure = canvas(4.2, theme)
    axes = figure.add_subplot()
    dress(axes, theme)
    return figure, axes


def _dots(axes: Axes, values: xr.DataArray, style: Style) -> None:
    """Draw one dot per draw."""
    sizes = np.broadcast_to(values["size"].values, values.transpose(..., "size").shape)
    axes.scatter(sizes, values.transpose(..., "size"), s=9, color=style.colour, alpha=0.45, lw=0)


def _line(axes: Axes, sizes: np.ndarray, values: np.ndarray, style: Style) -> Line2D:
    (line,) = axes.plot(sizes, values, color=style.colour, lw=style.width)
    line.set(marker=style.marker, markersize=5)
    if style.dashes:
        line.set_dashes(style.dashes)
    return line


def _along_members(axes: Axes, here: xr.Dataset, theme: Theme, label: str) -> None:
    """Let the number of members run along a logarithmic axis, with its values as ticks."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(_sparse(here["size"].values)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.set_xlabel("number of training members n", fontsize=9.5)
    heading(axes, label, theme)


def _sparse(sizes: np.ndarray) -> list[int]:
    """Return the sizes that have room on a logarithmic axis.

    Examples
    --------
    >>> _sparse(np.arange(1, 13))
    [1, 2, 3, 4, 5, 6, 8, 10, 12]
    """
    kept: list[int] = []
    for size in sizes.tolist():
        if not kept or size >= 1.2 * kept[-1]:
            kept.append(size)
    return kept


def _ends(values: np.ndarray) -> list[int]:
    """Return the smallest and the largest number of members, once if they are the same."""
    return sorted({int(values.min()), int(values.max())}) if values.size else []


def _legend(
    figure: Figure, handles: list[Line2D], names: list[str], theme: Theme, columns: int = 3
) -> None:
    figure.legend(
        handles,
        [safe(short(name, 36)) for name in names],
        loc="outside lower center",
        ncols=min(columns, len(names)),
        frameon=False,
        fontsize=9,
        labelcolor=theme.text,
        handlelength=3.0,
    )
