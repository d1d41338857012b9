"""Scores in words: numbers with units, and the two sentences of the verdict."""

import json
import re

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from climbench.lead_times import lead_name
from climbench.plot.ranking import (
    Headline,
    bounds,
    is_baseline,
    is_straight_line,
    marks_at,
    penalty,
    ranked,
    skill,
)

WHOLE = "global"
"""The region that is all of the data."""

_POWER = re.compile(r"(\)|\b(?:m|s|K|kg|g|Pa|hPa|W|J|mm|d|day|h))(?:\*\*|\^)?(-?\d+)\b")
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def units_of(scores: xr.Dataset, metric: str, channel: str) -> str:
    """Return the units of a score, those of the channel to the metric's power; none for ratios."""
    if "unit_power" not in scores.coords:
        return ""
    power = int(scores["unit_power"].sel(metric=metric))
    own = str(scores["unit"].sel(metric=metric).values) if "unit" in scores.coords else ""
    return raised(channel_units(scores, channel), power, own)


def raised(units: str, power: int, own: str = "") -> str:
    """Return units to a power, or a score's own unit, in which ``{units}`` stands for them.

    Examples
    --------
    >>> raised("K", 2), raised("m s-1", 2), raised("m s-1", 2, "({units})^2 m"), raised("K", 0)
    ('K²', '(m s⁻¹)²', '(m s⁻¹)² m', '')
    >>> raised("K", 2, "({units})^2 m")
    'K² m'
    """
    if own:
        bare = own.replace("({units})", "{units}") if units.isalpha() else own
        return pretty_units(bare.replace("{units}", units))
    if power == 1 or not units:
        return units
    text = pretty_units(f"{units}**{power}") if units.isalpha() else "*"
    return "" if power <= 0 else pretty_units(f"({units})**{power}") if "*" in text else text


def channel_units(scores: xr.Dataset, channel: str) -> str:
    """Return the units of a channel, with raised exponents; none where they are 1 or unknown."""
    if "units" not in scores.coords:
        return ""
    units = str(scores["units"].sel(channel=channel).values)
    return "" if units == "1" else pretty_units(units)


def pretty_units(units: str) -> str:
    """Return units with raised exponents.

    Examples
    --------
    >>> pretty_units("(m**2 s**-2)**2"), pretty_units("kg m-2 s-1"), pretty_units("GtCO2")
    ('(m² s⁻²)²', 'kg m⁻² s⁻¹', 'GtCO2')
    """
    return _POWER.sub(lambda found: found[1] + found[2].translate(_SUPERSCRIPT), units)


def with_units(name: str, units: str) -> str:
    """Return a name with its units in brackets, if it has any."""
    return f"{name} [{units}]" if units else name


def level_label(levels: xr.DataArray) -> str:
    """Return what the vertical axis shows, with its units as far as the scores tell them.

    Examples
    --------
    >>> about = {"units": "hPa", "long_name": "hybrid level at 1000 hPa"}
    >>> level_label(xr.DataArray([1.0], attrs=about))
    'reference pressure [hPa]'
    >>> level_label(xr.DataArray([1.0], attrs={"units": "m"})), level_label(xr.DataArray([1.0]))
    ('level [m]', 'level (units not recorded)')
    """
    # hybrid levels follow the ground: their number is the pressure where the ground has 1000 hPa
    hybrid = str(levels.attrs.get("long_name", "")).startswith("hybrid level")
    units = levels.attrs.get("units")
    if not units:
        return "level (units not recorded)"
    return with_units("reference pressure" if hybrid else "level", str(units))


def numbers(values: ArrayLike) -> list[str]:
    """Return scores as text with the same decimals, so that a column can be compared.

    The smallest score has three significant digits, as far as four decimals give them.

    Examples
    --------
    >>> numbers([73.86, 630.0, float("nan")]), numbers([2.5e-5, 4e-5])
    (['73.9', '630.0', '–'], ['2.50e-05', '4.00e-05'])
    """
    array = np.asarray(values, dtype=float)
    sizes = np.abs(array[np.isfinite(array) & (array != 0)])
    if sizes.size and sizes.max() < 0.01:
        return [f"{value:z.2e}" if np.isfinite(value) else number(value) for value in array]
    smallest = sizes.min() if sizes.size else 1.0
    decimals = int(np.clip(2 - np.floor(np.log10(smallest)), 0, 4))
    return [f"{value:z.{decimals}f}" if np.isfinite(value) else number(value) for value in array]


def number(value: float, units: str = "") -> str:
    """Return one score as text with four significant digits, and its units.

    Examples
    --------
    >>> number(123.456, "K"), number(54321.9), number(float("nan"))
    ('123.5 K', '54322', '–')
    >>> number(-0.0), with_margin(-0.001, -0.3, 0.3)
    ('0', '0.00 ± 0.30')
    """
    if np.isnan(value):
        return "–"
    text = f"{value:.0f}" if 1000 <= abs(value) < 1e7 else f"{value:z.4g}"
    return f"{text} {units}" if units else text


def with_margin(value: float, lower: float, upper: float) -> str:
    """Return a score and how far the farther of its bounds is, with two digits of that.

    Examples
    --------
    >>> with_margin(512.34, 503.0, 521.0), with_margin(0.98765, 0.98, 0.99)
    ('512.3 ± 9.3', '0.9877 ± 0.0077')
    >>> with_margin(3.0, float("nan"), float("nan")), with_margin(54321.0, 50000.0, 60000.0)
    ('3', '54321 ± 5679')
    >>> with_margin(3.0, 2.0, float("inf")), with_margin(2e-9, 1e-9, 3e-9)
    ('3 ± inf', '2.0e-09 ± 1.0e-09')
    """
    margin = max(abs(value - lower), abs(upper - value)) if np.isfinite(value) else np.nan
    if np.isnan([lower, upper, margin]).any():
        return number(value)
    if margin == 0 or np.isinf(margin):
        return f"{number(value)} ± {margin:.0f}"
    decimals = 1 - int(np.floor(np.log10(margin)))
    if decimals > 5 or abs(value) + margin >= 1e7:
        digits = max(0, int(np.floor(np.log10(max(abs(value), margin) / margin))) + 1)
        return f"{value:.{digits}e} ± {margin:.1e}"
    return f"{value:z.{max(0, decimals)}f} ± {margin:.{max(0, decimals)}f}"


def percent(value: float) -> str:
    """Return a skill as text.

    Examples
    --------
    >>> percent(0.234), percent(-0.05), percent(0.0), percent(float("nan"))
    ('+23 %', '-5 %', '0 %', '–')
    """
    if not np.isfinite(value):
        return "–"
    rounded = round(100 * value)
    return f"{rounded:+d} %" if rounded else "0 %"


def place_name(at: xr.DataArray) -> str:
    """Return the scenario, or the lead time in hours, that one label of scores stands at.

    Examples
    --------
    >>> place_name(xr.DataArray(1.0, coords={"lead_time": 24.0}))
    '24 h'
    """
    if "scenario" in at.coords:
        return str(at["scenario"].item())
    return lead_name(at["lead_time"].item())


def region_name(scores: xr.Dataset, region: str) -> str:
    """Return a region in words: "global" is all of the data, which need not be the globe.

    Examples
    --------
    >>> grid = {"latitude": [30.0, 60.0, 7], "longitude": [0.0, 40.0, 9]}
    >>> scores = xr.Dataset(attrs={"data": json.dumps({"grid": grid})})
    >>> region_name(scores, "global"), region_name(scores, "tropics")
    ('whole domain', 'tropics')
    """
    grid = json.loads(str(scores.attrs.get("data", "{}"))).get("grid")
    if region != WHOLE or not grid:
        return region
    (south, north, rows), (west, east, columns) = grid["latitude"], grid["longitude"]
    if min(rows, columns) < 2:
        return "all data"  # series, stations or columns, on no grid
    height, width = abs(north - south), abs(east - west)
    whole = height * (1 + 1 / rows) > 170 and width * (1 + 1 / columns) > 350
    return region if whole else "whole domain"


def caption(scores: xr.Dataset, headline: Headline) -> str:
    """Return what is ranked, in words: "rmse of 2m_temperature at 24 h, global"."""
    lead = "" if headline.lead_hours is None else f" at {lead_name(headline.lead_hours)}"
    region = region_name(scores, headline.region)
    return f"{headline.metric} of {headline.channel}{lead}, {region}"


def samples_of(scores: xr.Dataset, headline: Headline) -> str:
    """Return how many samples the headline's scores are of: "n = 148", or "n = 120 to 148"."""
    if "count" not in scores:
        return ""
    counts = headline.of(scores["count"].astype(float).broadcast_like(scores["score"])).values
    known = counts[np.isfinite(counts) & (counts > 0)]
    if not known.size:
        return ""
    fewest, most = int(known.min()), int(known.max())
    return f"n = {most}" if fewest == most else f"n = {fewest} to {most}"


def verdict(
    scores: xr.Dataset, headline: Headline, comparison: xr.Dataset | None = None
) -> list[str]:
    """Return which model wins and whether one beats the straight line, a sentence each.

    Parameters
    ----------
    scores, headline
        The scores, and the one that counts.
    comparison
        ``mark`` of tests, see :func:`climbench.plot.ranking.marks_at`. Without one of model and
        straight line the intervals say whether there is a doubt.
    """
    values = headline.of(scores["score"])
    order = [name for name in ranked(scores, headline) if np.isfinite(values.sel(model=name))]
    if not order:
        return [f"No model has a score for {caption(scores, headline)}."]
    if headline.orientation == "none":
        where = caption(scores, headline)
        return [f"No model wins on {where}: neither more nor less of it is better."]
    return [_winner(scores, headline, order), _straight_line(scores, headline, order, comparison)]


def _winner(scores: xr.Dataset, headline: Headline, order: list[str]) -> str:
    best = order[0]
    units = units_of(scores, headline.metric, headline.channel)
    value = number(float(headline.of(scores["score"]).sel(model=best)), units)
    low, high = bounds(scores, headline, best)
    interval = f" (95 % interval {number(low)} to {number(high)})" if np.isfinite(low) else ""
    place = f"{caption(scores, headline)}: {value}{interval}."
    if scores.sizes["model"] == 1:
        return f"{best} is the only model: {place}"
    return f"{best} wins on {place}"


def _straight_line(
    scores: xr.Dataset, headline: Headline, order: list[str], comparison: xr.Dataset | None
) -> str:
    lines = list(filter(is_straight_line, order))
    others = [name for name in order if not (is_baseline(name) or is_straight_line(name))]
    if not lines:
        return "Better than a straight line? Unknown: none, as linear_regression, has a score."
    if not others:
        return "Better than a straight line? Unknown: only baselines have a score."
    line, best = lines[0], others[0]
    values = headline.of(scores["score"])
    penalties = penalty(values, headline.orientation)
    gain = 100 * float(skill(values, line, headline.orientation).sel(model=best))
    margin = f" (skill {gain:+.1f} %)" if np.isfinite(gain) else ""
    if penalties.sel(model=best) >= penalties.sel(model=line):
        return f"Better than a straight line? No: {best} does not beat {line}{margin}."
    (mark,) = marks_at(comparison, line, values.sel(model=[best]))
    if mark:
        doubt = ", but not beyond chance" if mark == "not significant" else " beyond chance"
        return f"Better than a straight line? Yes: {best} beats {line}{doubt}{margin}."
    low, high = bounds(scores, headline, best)
    line_low, line_high = bounds(scores, headline, line)
    doubt = ", but their 95 % intervals overlap" if low <= line_high and line_low <= high else ""
    if not np.isfinite([low, line_low]).all():
        doubt = "; whether by chance was not tested"
    return f"Better than a straight line? Yes: {best} beats {line}{margin}{doubt}."
