"""Fields that no archive means: one number everywhere, or standing still while others move on."""

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.recipes.dates import stamps
from climbench.recipes.reading import source_of
from climbench.recipes.schema import Recipe
from climbench.recipes.sources import Input
from climbench.variables import variables

PLANES = (("latitude", "longitude"), ("column",), ("station",))
"""Dimensions of one field, by layout; a series may well stand still."""
LEAST_CELLS = 16  # of a field with values, below which equal numbers may be chance
USUALLY = 0.75  # share of the fields that last one step, above which a longer stay is odd

Fields = NDArray[np.floating]


def check_constant(array: xr.DataArray, recipe: Recipe, where: Sequence[Input]) -> None:
    """Refuse fields along time that are one number everywhere, or that stand still for a while.

    A field of zeros passes if the quantity has one sign (no rain, no ice), and so does one at the
    upper end of its range (overcast). A field stands still if it is equal to the one before
    although more than half of its cells change in this part and the variable usually changes at
    each step: what is renewed once a day or never (sea ice, a mask) passes.

    Parameters
    ----------
    array
        Computed fields of one variable, ``[..., time, ..., latitude, longitude]``, or on
        ``column`` or ``station``.
    recipe
        Variables in its ``checks.constant_fields`` are let through.
    where
        What the fields were read from; named in the error.

    Raises
    ------
    UserError
        Naming variable, time and source.
    """
    name = str(array.name)
    plane = next((one for one in PLANES if {"time", *one} <= {*array.dims}), None)
    if plane is None or name in recipe.checks.constant_fields:
        return
    others = [dim for dim in array.dims if dim not in ("time", *plane)]
    series = array.transpose(*others, "time", *plane)
    times = array.indexes["time"]
    advice = "a broken file, or list the variable under checks.constant_fields."
    cells = int(np.prod([array.sizes[dim] for dim in plane]))
    for run in series.values.reshape(-1, times.size, cells):
        for at in _flat(run, *_limits(name, recipe)):
            number = float(run[at][np.isfinite(run[at])][0])
            source = source_of(array.isel(time=at), where)
            raise UserError(
                f"'{name}' from {source} is {number:g} everywhere at {stamps(times[[at]])[0]}: "
                + advice
            )
        still = _still(run)
        if still is not None:
            ends, source = stamps(times[list(still)]), source_of(array.isel(time=still[0]), where)
            raise UserError(
                f"'{name}' from {source} does not change from {ends[0]} to {ends[1]} although it "
                f"does at other times: {advice}"
            )


def _limits(name: str, recipe: Recipe) -> tuple[float, float]:
    """Return the physical range of a variable, endless if nobody knows it."""
    if name in recipe.checks.ranges:
        return recipe.checks.ranges[name]
    known = variables().get(name)
    return (known.valid_min, known.valid_max) if known else (0.0, np.inf)


def _flat(run: Fields, low: float, high: float) -> Iterator[int]:
    """Yield the times of ``run [time, cell]`` at which all cells with values are the same."""
    sample = run[:, :: max(1, run.shape[1] // LEAST_CELLS)]
    with np.errstate(invalid="ignore"):
        spread = np.fmax.reduce(sample, axis=1) - np.fmin.reduce(sample, axis=1)
    both_signs = low <= -high / 2
    for at in np.flatnonzero(~(spread > 0)):  # a sample without values is looked at as well
        values = run[at][np.isfinite(run[at])]
        if values.size < LEAST_CELLS or np.any(values != values[0]):
            continue
        if values[0] != high and (values[0] != 0 or both_signs):
            yield int(at)


def _still(run: Fields) -> tuple[int, int] | None:
    """Return the first and last time of the first stretch that stands still, if there is one."""
    sample = run[:, :: max(1, run.shape[1] // LEAST_CELLS)]
    if not np.any(_equal(sample[1:], sample[:-1]).all(axis=1)):
        return None
    present = np.isfinite(run)
    alive = np.flatnonzero(present.sum(axis=1) >= LEAST_CELLS)
    same = _equal(run[1:], run[:-1])
    moving = np.count_nonzero(~same.all(axis=0))
    repeated = same.all(axis=1) & np.isin(np.arange(1, len(run)), alive)
    for at in np.flatnonzero(repeated):
        values = run[at][present[at]]
        repeated[at] = np.any(values != values[0])  # what is flat passed the other check
    starts = np.flatnonzero(np.r_[True, ~repeated])
    lengths = np.diff(np.r_[starts, len(run)])
    usual = np.mean(lengths == 1) >= USUALLY
    if not usual or moving <= np.count_nonzero(present.any(axis=0)) / 2 or lengths.max() == 1:
        return None
    first = int(np.argmax(lengths > 1))
    return int(starts[first]), int(starts[first] + lengths[first] - 1)


def _equal(one: Fields, other: Fields) -> NDArray[np.bool_]:
    return np.asarray((one == other) | (np.isnan(one) & np.isnan(other)))
