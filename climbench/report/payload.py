"""What the scripts of a page are told: all scores as plain lists, with the words they need."""

import re
from typing import Any

import numpy as np
import xarray as xr

from climbench.plot.ranking import Headline, axis_of, is_baseline, ranked, reference_of
from climbench.plot.wording import caption, channel_units, raised, region_name, units_of
from climbench.report.tables import COLOUR_LIMITS

DIGITS = 5  # significant ones of a number on the page; scores.csv has all
CODES = {"": ".", "better": "1", "worse": "1", "not significant": "0"}  # of tests
OF_TRUTH = "(of=truth)"
USUAL = {"model", "channel", "region", "lead_time", "scenario"}


def scores_payload(
    scores: xr.Dataset, headline: Headline, comparison: xr.Dataset | None
) -> dict[str, Any]:
    """Return the scores for leaderboard and curves, models in the order of the headline.

    Parameters
    ----------
    scores
        Scores [model, metric, channel, region, lead_time or scenario].
    headline
        What is chosen when the page opens.
    comparison
        ``mark`` of tests, see :func:`climbench.plot.ranking.marks_at`.

    Returns
    -------
    dict
        JSON-able; ``score``, ``lower``, ``upper`` and the texts of ``marks`` (by reference, a sign
        of ``CODES`` each) are flat, in the order metric, channel, region, place, model; ``samples``
        is the number of samples [metric, region, place], as text.
    """
    axis = axis_of(scores)
    models = ranked(scores, headline)
    dims = ("metric", "channel", "region", axis, "model")
    here = scores.sel(model=models)
    marks = {}
    if comparison is not None:
        full = comparison["mark"].reindex({dim: here[dim] for dim in dims}, fill_value="")
        marks = {
            str(mark["reference"].item()): "".join(
                CODES[str(one)] for one in mark.transpose(*dims).values.ravel()
            )
            for mark in full
        }
    metrics, channels = (here[name].values.astype(str).tolist() for name in ("metric", "channel"))
    return {
        "axis": axis,
        "models": [{"name": name, "baseline": is_baseline(name)} for name in models],
        "metrics": [
            {"name": name, "orientation": str(here["orientation"].sel(metric=name).item())}
            for name in metrics
        ],
        "channels": channels,
        "regions": [region_name(scores, name) for name in here["region"].values.astype(str)],
        "places": _places(here[axis], axis),
        "units": [[units_of(here, metric, channel) for channel in channels] for metric in metrics],
        **{name: flat(here[name].transpose(*dims)) for name in ("score", "lower", "upper")},
        "marks": marks,
        "samples": _samples(here, dims),
        "reference": reference_of(scores, headline),
        "limits": list(COLOUR_LIMITS),
        "caption": caption(scores, headline),
        "start": {
            "metric": metrics.index(headline.metric),
            "channel": channels.index(headline.channel),
            "region": here["region"].values.astype(str).tolist().index(headline.region),
            "place": 0
            if headline.lead_hours is None
            else here[axis].values.tolist().index(headline.lead_hours),
        },
    }


def _samples(scores: xr.Dataset, dims: tuple[str, ...]) -> list[str]:
    """Return how many samples there are [metric, region, place], of all models and channels."""
    if "count" not in scores:
        return []
    counts = scores["count"].astype(float).broadcast_like(scores["score"]).transpose(*dims)
    some = counts.where(counts > 0)
    fewest, most = (
        getattr(some, name)(["channel", "model"]).fillna(0).values.astype(int).ravel()
        for name in ("min", "max")
    )
    return [str(m) if f == m else f"{f} to {m}" for f, m in zip(fewest, most, strict=True)]


def curves_payload(scores: xr.Dataset, headline: Headline) -> list[dict[str, Any]]:
    """Return the scores that run along a dimension of their own: spectra, histograms, seasons.

    Parameters
    ----------
    scores
        Scores; what has more than the usual dimensions and a number for each model is taken.

    Returns
    -------
    list
        For each: ``name``, ``along`` (its dimension), ``x``, whether these are ``numbers`` and
        ``logarithmic``, ``units`` of each channel, flat ``values`` in the order channel, place, x,
        model, for the headline's region, and ``ideal`` in the order channel, place, x: what the
        truth or a perfect forecast (``ideal_name``) has, None where nobody knows.
    """
    axis = axis_of(scores)
    usual = {"model", "channel", "region", axis}
    models = ranked(scores, headline)
    channels = scores["channel"].values.astype(str).tolist()
    curves = []
    for name, values in scores.data_vars.items():
        if str(name).endswith(OF_TRUTH) and str(name).removesuffix(OF_TRUTH) in scores:
            continue  # stands beside the forecasts'
        own = [dim for dim in values.dims if dim not in usual and dim in values.coords]
        if "unit_power" not in values.attrs or len(own) != 1 or not usual <= {*values.dims}:
            continue
        along = str(own[0])
        here = values.sel(model=models, region=headline.region)
        if not here.notnull().any():
            continue
        x = here[along].values
        numbers = bool(np.issubdtype(x.dtype, np.number))
        curves.append(
            {
                "name": str(name),
                "x": [rounded(each) for each in x] if numbers else x.astype(str).tolist(),
                "numbers": numbers,
                "logarithmic": along.endswith("wavenumber"),
                "units": [_curve_units(values, here["channel"], name) for name in channels],
                "values": flat(here.transpose("channel", axis, own[0], "model")),
                "ideal": _ideal(scores, str(name), here.isel(model=0, drop=True), axis),
                "ideal_name": "the truth"
                if f"{name}{OF_TRUTH}" in scores
                else "a perfect forecast",
                **_axes(str(name), here, [channel_units(scores, each) for each in channels]),
            }
        )
    return curves


def _axes(name: str, here: xr.DataArray, units: list[str]) -> dict[str, Any]:
    """Return what stands at the axes of a curve, and the event of each channel that it is about."""
    plain = name.partition("(")[0]
    along = str(next(dim for dim in here.dims if dim in here.coords and dim not in USUAL))
    if plain == "rank_histogram":
        members = here.sizes[along] - 1
        return {"along": f"rank of the truth among {members} members", "across": "frequency"}
    if plain != "reliability":
        return {"along": along.replace("_", " "), "across": ""}
    found = {key: value for key, value in re.findall(r"(\w+)=([^,()]+)", name)}
    side = "below" if found.get("above") == "false" else "above"
    limit = found.get("threshold")
    events = [f"{side} {limit} {unit}".rstrip() if limit else "" for unit in units]
    if "quantile" in found:
        events = [f"{side} the {found['quantile']} quantile of the climatology"] * len(units)
    return {"along": "forecast probability", "across": "observed frequency", "events": events}


def _curve_units(values: xr.DataArray, channels: xr.DataArray, channel: str) -> str:
    """Return the units of a curve of one channel."""
    own = str(channels["units"].sel(channel=channel).item()) if "units" in channels.coords else ""
    return raised(own, int(values.attrs["unit_power"]), str(values.attrs.get("unit", "")))


def _ideal(
    scores: xr.Dataset, name: str, like: xr.DataArray, axis: str
) -> list[float | None] | None:
    """Return what a perfect forecast has: the truth's curve, equal ranks, or the probability."""
    along = next(dim for dim in like.dims if dim not in ("channel", axis))
    order = ("channel", axis, along)
    if name + OF_TRUTH in scores:
        truth = scores[name + OF_TRUTH].sel(region=like["region"])
        return flat(truth.max("model").transpose(*order))
    plain = name.partition("(")[0]
    if plain == "rank_histogram":
        return flat(xr.ones_like(like).transpose(*order) / like.sizes[along])
    if plain == "reliability":
        return flat((xr.zeros_like(like) + like[along]).transpose(*order))
    return None


def flat(values: xr.DataArray) -> list[float | None]:
    """Return numbers as a list, None where there is none.

    Examples
    --------
    >>> flat(xr.DataArray([[1.0, float("nan")], [2.0, 123456.7]]))
    [1.0, None, 2.0, 123460.0]
    """
    return [rounded(value) for value in np.asarray(values, dtype=float).ravel()]


def rounded(value: float) -> float | None:
    """Return a number with the digits of the page; None if it is not finite."""
    return float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None


def _places(labels: xr.DataArray, axis: str) -> list[dict[str, Any]]:
    """Return name and, of lead times, hours of each place."""
    from climbench.lead_times import lead_name

    if axis == "scenario":
        return [{"name": str(label), "hours": None} for label in labels.values]
    return [{"name": lead_name(hours), "hours": float(hours)} for hours in labels.values]
