"""Scores that are curves by themselves: spectra, rank histograms, reliability."""

from typing import Any

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from climbench.errors import UserError, nearest
from climbench.plot.canvases import legend, ready, titled
from climbench.plot.opening import Source, at, one_of, scores_of
from climbench.plot.ranking import axis_of, main_region
from climbench.plot.score_curves import Style, styles
from climbench.plot.theme import LIGHT, safe
from climbench.plot.wording import channel_units, place_name, raised, with_units

__all__ = ["rank_histogram", "reliability", "spectra"]


def spectra(
    scores: Source,
    channel: str | None = None,
    *,
    metric: str | None = None,
    lead_time: float | None = None,
    region: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the power of forecasts by wavenumber, beside the truth's where it was scored.

    Parameters
    ----------
    scores
        Scores with a spectrum, such as ``climbench.evaluate(..., metrics=["zonal_spectrum",
        "zonal_spectrum(of=truth)"])``, or their path.
    channel, region
        Labels; by default the first channel, and ``global`` if it was scored.
    metric
        ``zonal_spectrum``, ``spherical_harmonic_spectrum`` or ``spectral_ratio``; by default the
        first that the scores hold.
    lead_time
        In hours; by default the longest.
    ax
        Axes to draw on; by default a figure of its own.

    Returns
    -------
    matplotlib.axes.Axes
        Logarithmic axes; the truth is black, and wavenumber 0, the mean, is left out.

    Raises
    ------
    UserError
        If the scores hold no spectrum, or a label is not there.

    Examples
    --------
    >>> spectra("scores.nc", "geopotential_500", lead_time=72)  # doctest: +SKIP
    """
    data = scores_of(scores)
    metric = _curve_of(data, metric, ("zonal_wavenumber", "total_wavenumber"), "spectrum",
                       "zonal_spectrum")  # fmt: skip
    here, channel = _along(data, metric, channel, region, lead_time, -1)
    (along,) = (str(dim) for dim in here.dims if dim != "model")
    here = here.isel({along: here[along].values > 0})
    axes = ready(ax)
    names, look = _names(data), styles(_names(data))
    lines = [_line(axes, here[along], here.sel(model=name), look[name]) for name in names]
    truth = _of_truth(metric)
    if truth in data:
        known = _along(data, truth, channel, region, lead_time, -1)[0].isel(model=0)
        known = known.isel({along: known[along].values > 0})
        lines += axes.plot(known[along], known, color=LIGHT.text, lw=1.8)
        names = [*names, "truth"]
    if metric.startswith("spectral_ratio"):
        axes.axhline(1, color=LIGHT.text, lw=0.8)
    axes.set_xscale("log")
    axes.set_yscale("linear" if metric.startswith("spectral_ratio") else "log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(along.split(" of ")[0].replace("_", " "), fontsize=9.5)
    axes.set_ylabel(safe(with_units(metric, _units(data, metric, channel))), fontsize=9.5)
    _finish(axes, data, here, channel, lines, names, ax is None)
    return axes


def rank_histogram(
    scores: Source,
    channel: str | None = None,
    *,
    metric: str | None = None,
    lead_time: float | None = None,
    region: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how often the truth has each rank among the members; flat is reliable.

    A hump has too much spread, a U too little, a slope is a bias.

    Parameters
    ----------
    scores
        Scores of ensembles with ``rank_histogram``, or their path.
    channel, region
        Labels; by default the first channel, and ``global`` if it was scored.
    metric
        Which rank histogram, if there are several.
    lead_time
        In hours; by default the first.
    ax
        Axes to draw on; by default a figure of its own.

    Returns
    -------
    matplotlib.axes.Axes
        Shares of each rank, and the line of a reliable ensemble.

    Raises
    ------
    UserError
        If the scores hold none, or a label is not there.

    Examples
    --------
    >>> rank_histogram("scores.nc", "2m_temperature", lead_time=24)  # doctest: +SKIP
    """
    data = scores_of(scores)
    metric = _curve_of(data, metric, ("rank",), "rank histogram", "rank_histogram")
    here, channel = _along(data, metric, channel, region, lead_time, 0)
    (along,) = (str(dim) for dim in here.dims if dim != "model")
    look, names, handles = styles(_names(data)), [], []
    axes = ready(ax, 3.2)
    known = here.dropna("model", how="all")
    for place, name in enumerate(known["model"].values.astype(str)):
        shares = known.sel(model=name).dropna(along)  # ensembles may be of several sizes
        width = 0.86 / known.sizes["model"]
        x = shares[along].values + width * (place - (known.sizes["model"] - 1) / 2)
        handles.append(axes.bar(x, shares, width, color=look[name].colour))
        flat = 1 / shares.sizes[along]
        ends = (-0.5, shares.sizes[along] - 0.5)
        axes.plot(ends, (flat, flat), color=LIGHT.text, lw=1.2, ls="--")
        names.append(name)
    axes.set_ylim(bottom=0)
    axes.grid(visible=False, axis="x")
    axes.xaxis.set_major_locator(MaxNLocator(11, integer=True))
    axes.set_xlabel("rank of the truth among the members (dashed: reliable)", fontsize=9.5)
    axes.set_ylabel("share", fontsize=9.5)
    _finish(axes, data, here, channel, handles, names, ax is None)
    return axes


def reliability(
    scores: Source,
    channel: str | None = None,
    *,
    metric: str | None = None,
    lead_time: float | None = None,
    region: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how often an event happens where its probability was forecast; best on the diagonal.

    Parameters
    ----------
    scores
        Scores of ensembles with ``reliability``, or their path.
    channel, region
        Labels; by default the first channel, and ``global`` if it was scored.
    metric
        Which event, such as ``reliability(quantile=0.9)``, if there are several.
    lead_time
        In hours; by default the first.
    ax
        Axes to draw on; by default a figure of its own.

    Returns
    -------
    matplotlib.axes.Axes
        Lines, and grey the diagonal. Where ``sharpness`` of the same event was scored, points are
        the larger the more often a probability was given.

    Raises
    ------
    UserError
        If the scores hold none, or a label is not there.

    Examples
    --------
    >>> reliability("scores.nc", metric="reliability(quantile=0.9)")  # doctest: +SKIP
    """
    data = scores_of(scores)
    metric = _curve_of(data, metric, ("probability",), "reliability curve", "reliability",
                       start="reliability")  # fmt: skip
    here, channel = _along(data, metric, channel, region, lead_time, 0)
    (along,) = (str(dim) for dim in here.dims if dim != "model")
    sharp = metric.replace("reliability", "sharpness", 1)
    often = _along(data, sharp, channel, region, lead_time, 0)[0] if sharp in data else None
    axes = ready(ax, 4.6, 5.2)
    axes.plot((0, 1), (0, 1), color=LIGHT.baseline, lw=1, ls="--")
    look, names, lines = styles(_names(data)), [], []
    for name in here.dropna("model", how="all")["model"].values.astype(str):
        one = here.sel(model=name).dropna(along)
        lines.append(_line(axes, one[along].values, one.values, look[name]))
        lines[-1].set_marker(look[name].marker if often is None else "")
        if often is not None:
            share = often.sel(model=name).reindex({along: one[along]}).values
            axes.scatter(one[along], one, s=8 + 220 * share, color=look[name].colour, zorder=3)
        names.append(name)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    axes.set_xlabel("forecast probability", fontsize=9.5)
    axes.set_ylabel("observed frequency", fontsize=9.5)
    _finish(axes, data, here, f"{channel}, {metric}", lines, names, ax is None)
    return axes


def _curve_of(
    data: xr.Dataset, metric: str | None, along: tuple[str, ...], what: str, example: str,
    start: str = "",
) -> str:  # fmt: skip
    """Return the variable of a curve along one of these dimensions."""
    known = [
        str(name)
        for name, one in data.data_vars.items()
        if any(str(dim).split(" of ")[0] in along for dim in one.dims)
        and str(name).startswith(start)
    ]
    if not known:
        raise UserError(f"the scores hold no {what}: evaluate with metrics=[..., {example}].")
    if metric is None:
        return next((name for name in known if "of=truth" not in name), known[0])
    if metric not in known:
        raise UserError(f"the scores hold no {what} '{metric}': {nearest(metric, known)}")
    return metric


def _along(
    data: xr.Dataset, metric: str, channel: str | None, region: str | None,
    lead_time: float | None, otherwise: int,
) -> tuple[xr.DataArray, str]:  # fmt: skip
    """Return a curve [model, along] and its channel; of the places left, ``otherwise`` counts."""
    channel = one_of("channel", channel or data["channel"].values[0], data["channel"].values)
    region = one_of("region", region or main_region(data), data["region"].values)
    here = data[metric].sel(channel=channel, region=region)
    axis = axis_of(data)
    if lead_time is not None:
        here = here.sel(at(here, {"lead_time": lead_time}))
    elif axis in here.dims:
        here = here.sortby(axis).isel({axis: otherwise})
    return here.transpose("model", ...), channel


def _of_truth(metric: str) -> str:
    """Return the label of the truth's spectrum that belongs to a forecast's.

    Examples
    --------
    >>> _of_truth("zonal_spectrum"), _of_truth("zonal_spectrum(of=members)")
    ('zonal_spectrum(of=truth)', 'zonal_spectrum(of=truth)')
    """
    return f"{metric.partition('(')[0]}(of=truth)"


def _units(data: xr.Dataset, metric: str, channel: str) -> str:
    """Return the units of a curve, which has them in attributes of its own."""
    attrs = data[metric].attrs
    power, own = int(attrs.get("unit_power", 0)), str(attrs.get("unit", ""))
    return raised(channel_units(data, channel), power, own)


def _names(data: xr.Dataset) -> list[str]:
    return [str(name) for name in data["model"].values]


def _line(axes: Axes, x: Any, y: Any, style: Style) -> Any:
    (line,) = axes.plot(x, y, color=style.colour, lw=style.width)
    if style.dashes:
        line.set_dashes(style.dashes)
    return line


def _finish(
    axes: Axes, data: xr.Dataset, here: xr.DataArray, words: str, handles: list[Any],
    names: list[str], own: bool,
) -> None:  # fmt: skip
    """Write heading and legend."""
    simulated = ", simulated" if data.attrs.get("simulated") == "true" else ""
    titled(axes, f"{words}, {here['region'].item()}, {place_name(here)}{simulated}")
    legend(axes, handles, names, own)
