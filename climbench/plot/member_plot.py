"""Scores against the number of training members, as a user's own figure."""

import xarray as xr
from matplotlib.axes import Axes

from climbench.errors import UserError
from climbench.plot.canvases import legend, ready, titled
from climbench.plot.member_figures import draw_members
from climbench.plot.member_names import metric_name, score_units
from climbench.plot.opening import Source, one_of, opened
from climbench.plot.wording import with_units


def members(
    results: Source,
    metric: str | None = None,
    channel: str | None = None,
    *,
    truth: str = "all",
    ax: Axes | None = None,
) -> Axes:
    """Draw a score against the number of members that emulators were trained on.

    A dot for each draw of members, the mean over draws, one standard deviation shaded, and the
    noise floor: what a perfect emulator would score against the mean of the truth's members.

    Parameters
    ----------
    results
        What the experiment internal_variability found, or the path of its results.nc:
        ``draw_score [emulator, size, truth, channel, metric, draw]``, ``noise_floor``.
    metric, channel
        Labels; by default the first of each.
    truth
        ``all`` members, or those ``held_out`` from the draw.
    ax
        Axes to draw on; by default a figure of its own.

    Returns
    -------
    matplotlib.axes.Axes
        The number of members on a logarithmic axis.

    Raises
    ------
    UserError
        If these are no such results, or a label is not there.

    Examples
    --------
    >>> members("runs/internal_variability/report-0b1c/results.nc")  # doctest: +SKIP
    """
    data = opened(results)
    if not isinstance(data, xr.Dataset) or "draw_score" not in data or "emulator" not in data.dims:
        raise UserError(
            "these are no results of the experiment internal_variability: give its results.nc."
        )
    chosen = {"metric": metric, "channel": channel, "truth": truth}
    labels = {
        dim: one_of(dim, data[dim].values[0] if name is None else name, data[dim].values)
        for dim, name in chosen.items()
    }
    name = metric_name(labels["metric"])
    words = f"{name}, {labels['channel']}"
    if units := score_units(data, labels["channel"], labels["metric"]):
        words = f"{with_units(name, units)}, {labels['channel']}"
    axes = ready(ax)
    lines, names = draw_members(axes, data.sel(labels), words)
    simulated = ", simulated" if data.attrs.get("simulated") == "true" else ""
    titled(axes, words + simulated)
    legend(axes, lines, names, ax is None)
    return axes
