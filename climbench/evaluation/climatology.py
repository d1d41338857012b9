"""Build the climatology of a training period: a store in the layout of WeatherBench 2."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
import zarr

from climbench.errors import UserError, nearest
from climbench.evaluation.source import Source, content_hash, open_source
from climbench.metrics.climatology import triangular_weights
from climbench.metrics.climatology_fields import DRY, MILLIMETRES, SPACE, Steps, Wanted
from climbench.metrics.climatology_store import write_climatology
from climbench.recipes.lock import alone
from climbench.store import disk_full_is_a_user_error

HOURS_OF_A_YEAR = 365 * 24


def build_climatology(
    truth: xr.Dataset | Path | str,
    period: tuple[str | int, str | int],
    output: Path | str,
    *,
    variables: Sequence[str] | None = None,
    window: int = 61,
    quantiles: Sequence[float] = (),
    std: bool = False,
    seeps: Sequence[str] = (),
    memory: float = 2.0,
    progress_bar: bool = False,
) -> Path:
    r"""Write the mean of each day of the year and hour over a period, smoothed over days.

    .. math:: c_{h,d} = \frac{\sum_o w_o \sum_y x_{y,h,d+o}}{\sum_o w_o N_{h,d+o}}, \quad
        w_o = 1 - |o| / 30

    Days are counted round a year of 366; day 366 of a common year is its day 365. Values that
    are missing have weight zero. ``<variable>_std`` is the standard deviation with the same
    weights, ``<variable>_quantile`` as in
    :func:`climbench.metrics.climatology_quantiles.window_quantiles`. For SEEPS,
    ``<variable>_seeps_dry_fraction`` is the share of the amounts in the window, unweighted, that
    are below 0.25 mm (of 24 hours; 0.1 mm of 6 hours), and ``<variable>_seeps_threshold`` the
    weighted quantile 2/3 of the others.

    Parameters
    ----------
    truth
        A store, any Zarr group or netCDF file, or a dataset.
    period
        First and last date of the training period, both inside; at least a year.
    output
        The Zarr store to write, ``[hour, dayofyear, (level), latitude, longitude]``, quantiles
        with ``quantile`` in front; float64 where the truth is, else float32. It gets its name
        when it is whole; if it is there from the same options and truth, nothing is done.
    variables
        Names; by default all fields along ``time``.
    window
        Odd width in days; the ends have weight zero. 1 means no smoothing.
    quantiles
        Levels between 0 and 1.
    std
        Whether the standard deviation is computed.
    seeps
        Precipitation whose thresholds for SEEPS are computed; in metres if it has no unit.
    memory
        GB that may be used, roughly. With less, chunks are read more often. Mean and standard
        deviation need some for each cell, quantiles for each cell and time.
    progress_bar
        Whether progress is shown.

    Returns
    -------
    Path
        ``output``.

    Raises
    ------
    UserError
        If an option is wrong, the period is not covered or shorter than a year, or ``output`` is
        there with other content.

    References
    ----------
    Rasp et al. (2024), WeatherBench 2, section 3.2, and its ``compute_climatology.py``, method
    "explicit". Rodwell et al. (2010), doi:10.1002/qj.656, for SEEPS.
    """
    if "://" in str(output):
        raise UserError(f"option 'output' = {output} is wrong: give a folder on this machine.")
    source, path = open_source(truth, "truth"), Path(output)
    wanted = Wanted(window, tuple(map(float, quantiles)), std, tuple(seeps))
    names = _variables(source, variables)
    _check(wanted, source, names, memory)
    steps = _steps(source, period)
    attributes = _attributes(source, content_hash(truth), names, steps, wanted)
    path.parent.mkdir(parents=True, exist_ok=True)
    with alone(path), disk_full_is_a_user_error(path):
        if _is_there(path, attributes["store_hash"]):
            return path
        building = path.with_name(path.name + ".building")
        shutil.rmtree(building, ignore_errors=True)
        try:
            write_climatology(
                building, source.dataset[names], attributes, steps, wanted, memory, progress_bar
            )
            building.rename(path)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return path


def _variables(source: Source, chosen: Sequence[str] | None) -> list[str]:
    """Return all fields along time, or those that were chosen if they are such."""
    arrays, needed = source.dataset.data_vars, {"time", "latitude", "longitude"}
    fields = [str(n) for n, a in arrays.items() if needed <= set(a.dims) and a.dtype.kind in "fiu"]
    for name in chosen or []:
        if name not in fields:
            raise UserError(
                f"{source.label} has no field '{name}' along time: {nearest(name, fields)}"
            )
    names = sorted(set(fields if chosen is None else chosen))
    if not names:
        raise UserError(f"{source.label} has no field along time, latitude and longitude.")
    for name in names:
        if extra := {str(dim) for dim in arrays[name].dims} - {"time", *SPACE}:
            raise UserError(
                f"{source.label}: the variable '{name}' has the dimension '{min(extra)}', which "
                "a climatology does not have: select or average over it."
            )
    return names


def _check(wanted: Wanted, source: Source, names: list[str], memory: float) -> None:
    """Refuse options that are wrong."""
    try:
        triangular_weights(wanted.window)
    except ValueError as error:
        raise UserError(f"option 'window' = {wanted.window} is wrong: {error}.") from error
    levels = wanted.quantiles
    if any(not 0 <= level <= 1 for level in levels) or len({*levels}) != len(levels):
        raise UserError(
            f"option 'quantiles' = {list(levels)} is wrong: give different numbers from 0 to 1."
        )
    for name in wanted.seeps:
        if name not in names:
            raise UserError(f"option 'seeps': there is no field '{name}': {nearest(name, names)}")
        if not name.endswith(tuple(DRY)):
            raise UserError(
                f"option 'seeps' = {name} is wrong: what counts as dry is known for sums over 6 "
                "and 24 hours, whose names end in _6hr and _24hr."
            )
        units = str(source.dataset[name].attrs.get("units", ""))
        if units not in MILLIMETRES:
            raise UserError(
                f"{source.label} has '{name}' in {units}: convert it to m or mm for option 'seeps'."
            )
    if memory <= 0:
        raise UserError(f"option 'memory' = {memory} is wrong: give GB, more than 0.")


def _steps(source: Source, period: Sequence[str | int]) -> Steps:
    """Return the time steps of the period, refusing one that the truth does not cover."""
    index = source.dataset.indexes.get("time")
    if not isinstance(index, pd.DatetimeIndex | xr.CFTimeIndex):
        raise UserError(f"{source.label} has no coordinate 'time' with dates.")
    if getattr(index, "calendar", "") == "360_day":
        raise UserError(
            f"{source.label} has a calendar of 360 days, which leaves days of the year without "
            "values: convert it with xarray's convert_calendar."
        )
    if not index.is_unique:
        again = index[index.duplicated()][0]
        raise UserError(f"{source.label}: the time {again} stands there more than once.")
    order = np.argsort(index, kind="stable").astype(np.int64)
    from climbench.tasks.timeline import Timeline  # tasks bring torch, which scores do without

    timeline = Timeline(index[order])
    inside = timeline.period((period[0], period[1]), "climatology")
    covered = (timeline.minutes[inside[-1]] - timeline.minutes[inside[0]]) / 60 + timeline.step
    if covered < HOURS_OF_A_YEAR:
        raise UserError(
            f"the climatology period [{period[0]}, {period[1]}] is shorter than a year: choose "
            "a longer one."
        )
    return Steps.at(index, np.sort(order[inside.start : inside.stop]))


def _attributes(
    source: Source, truth_hash: str, names: list[str], steps: Steps, wanted: Wanted
) -> dict[str, Any]:
    """Return the root attributes; ``store_hash`` is empty if the truth has no hash."""
    options = {
        "period": [steps.first, steps.last],
        "window_days": wanted.window,
        "variables": names,
        "quantiles": list(wanted.quantiles),
        "std": str(wanted.std).lower(),
        "seeps": list(wanted.seeps),
        "truth_hash": truth_hash,
    }
    identity = hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()
    simulated = source.dataset.attrs.get("simulated")
    return {
        **options,
        "truth": source.label.removeprefix("truth "),
        "store_hash": identity if truth_hash else "",
        "climbench_version": version("climbench"),
        **({} if simulated is None else {"simulated": simulated}),
    }


def _is_there(path: Path, identity: str) -> bool:
    """Tell whether the very climatology is there already; refuse to replace anything else."""
    if not path.exists():
        return False
    try:
        found = zarr.open_group(str(path), mode="r").attrs.get("store_hash")
    except (OSError, ValueError, KeyError):
        found = None
    if not identity or found != identity:
        raise UserError(
            f"{path} is there already and is not the climatology of this truth and these "
            "options: delete it or choose another output."
        )
    return True
