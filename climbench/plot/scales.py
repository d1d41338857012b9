"""Steps of colour: sequential for errors, diverging for signed fields."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import xarray as xr
from matplotlib.colors import Colormap
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from climbench.errors import UserError

_EXTREME_PERCENT = 2.0  # of the values lie beyond the colours at each end

Extend = Literal["neither", "min", "max", "both"]
Levels = int | Sequence[float] | None
Colours = str | Colormap | None


@dataclass(frozen=True)
class Scale:
    """Steps of colour shared by maps that are to be compared.

    Attributes
    ----------
    levels
        Bounds of the steps, increasing, in the field's units.
    colours
        A matplotlib colour map or its name: sequential for errors, diverging for signed ones.
    extend
        Which ends have values beyond the levels.
    """

    levels: tuple[float, ...]
    colours: str | Colormap
    extend: Extend


def error_scale(fields: Iterable[xr.DataArray]) -> Scale:
    """Return a sequential scale from about the least to the greatest of positive fields."""
    values = _finite(fields)
    low, high = np.percentile(values, [0, 100 - _EXTREME_PERCENT]) if values.size else (0.0, 1.0)
    levels = _levels(0.0 if low < 0.25 * high else low, high)
    return Scale(levels, "YlGnBu", "max")


def bias_scale(fields: Iterable[xr.DataArray]) -> Scale:
    """Return a diverging scale that is symmetric about zero."""
    values = np.abs(_finite(fields))
    high = np.percentile(values, 100 - _EXTREME_PERCENT) if values.size else 1.0
    levels = _levels(-high, high)
    return Scale(levels, "RdBu_r", "both")


def field_scale(fields: Iterable[xr.DataArray]) -> Scale:
    """Return a scale of values themselves: diverging where zero divides them, else sequential."""
    values = _finite(fields)
    if not values.size:
        return Scale(_levels(0.0, 1.0), "viridis", "both")
    low, high = np.percentile(values, [_EXTREME_PERCENT, 100 - _EXTREME_PERCENT])
    if low < 0 < high and min(-low, high) > 0.15 * max(-low, high):
        return bias_scale([xr.DataArray(values)])
    return Scale(_levels(low, high), "viridis", "both")


def with_options(scale: Scale, cmap: Colours, levels: Levels) -> Scale:
    """Return the scale with the colours and levels that were asked for."""
    if cmap is not None:
        scale = replace(scale, colours=cmap)
    if isinstance(levels, int):
        ticks = MaxNLocator(levels, steps=[1, 2, 2.5, 5, 10]).tick_values(
            scale.levels[0], scale.levels[-1]
        )
        return replace(scale, levels=tuple(float(tick) for tick in ticks))
    if levels is None:
        return scale
    bounds = tuple(float(level) for level in levels)
    if len(bounds) < 2 or any(np.diff(bounds) <= 0):
        raise UserError(f"levels={list(bounds)} do not rise: give two or more, each greater.")
    return replace(scale, levels=bounds, extend="both")


def _levels(low: float, high: float) -> tuple[float, ...]:
    if not high > low:
        high = low + (abs(low) or 1.0)
    ticks = MaxNLocator(10, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return tuple(float(tick) for tick in ticks)


def _finite(fields: Iterable[xr.DataArray]) -> NDArray[np.float64]:
    values = np.concatenate([field.values.ravel() for field in fields] or [np.empty(0)])
    return np.asarray(values[np.isfinite(values)], dtype=np.float64)
