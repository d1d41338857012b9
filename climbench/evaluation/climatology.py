"""Build the climatology of a training period: a store in the layout of WeatherBench 2."""

import hashlib
import json
import math
import shutil
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
import zarr
from filelock import FileLock
from rich.progress import track

from climbench.errors import UserError, nearest
from climbench.evaluation.climatology_fields import (
    DRY,
    MILLIMETRES,
    SPACE,
    Steps,
    Wanted,
    cells_at_once,
    climatology_of,
    precision,
    tiles,
)
from climbench.evaluation.source import Source, content_hash, open_source
from climbench.metrics.climatology import DAYS, counts_twice, triangular_weights
from climbench.store import create_store, disk_full_is_a_user_error

HOURS_OF_A_YEAR = 365 * 24
CHUNK, SHARD = 4 * 2**20, 256 * 2**20  # bytes, uncompressed


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
    with FileLock(path.with_name(f".{path.name}.lock")), disk_full_is_a_user_error(path):
        if _is_there(path, attributes["store_hash"]):
            return path
        building = path.with_name(path.name + ".building")
        shutil.rmtree(building, ignore_errors=True)
        try:
            template = _template(source.dataset, names, steps, wanted)
            layout = {str(name): _encoding(array) for name, array in template.items()}
            create_store(building, template, attributes, layout)
            _fill(building, source.dataset[names], steps, wanted, memory, progress_bar)
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
    covered = timeline.hours[inside[-1]] - timeline.hours[inside[0]] + timeline.step
    if covered < HOURS_OF_A_YEAR:
        raise UserError(
            f"the climatology period [{period[0]}, {period[1]}] is shorter than a year: choose "
            "a longer one."
        )
    position = np.sort(order[inside.start : inside.stop])
    time = xr.DataArray(index[position], dims="time").dt
    hours, hour = np.unique(time.hour.values, return_inverse=True)
    day = time.dayofyear.values.astype(np.int64) - 1
    first, last = (timeline.index[inside[end]].strftime("%Y-%m-%dT%H:%M") for end in (0, -1))
    return Steps(
        position=position,
        hours=hours.astype(np.int64),
        hour=hour.astype(np.int64),
        day=day,
        again=counts_twice(day, time.days_in_year.values),
        first=first,
        last=last,
    )


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


def _template(dataset: xr.Dataset, names: list[str], steps: Steps, wanted: Wanted) -> xr.Dataset:
    """Return names, sizes and attributes of the output, without values."""
    sizes = {**dataset.sizes, "hour": steps.hours.size, "dayofyear": DAYS}
    variables = {}
    for name in names:
        array = dataset[name]
        for output, front in wanted.outputs(name).items():
            inner = ("hour", "dayofyear", *(dim for dim in SPACE if dim in array.dims))
            shape = (*front, *(sizes[dim] for dim in inner))
            attrs = {key: array.attrs[key] for key in ("long_name", "units") if key in array.attrs}
            attrs |= {"units": "1"} if output.endswith("_seeps_dry_fraction") else {}
            empty = np.broadcast_to(np.zeros((), precision(array)), shape)
            dims = ("quantile", *inner) if front else inner
            variables[output] = xr.Variable(dims, empty, attrs)
    found = {dim for variable in variables.values() for dim in variable.dims}
    coordinates = {
        "quantile": xr.Variable("quantile", list(wanted.quantiles)),
        "hour": xr.Variable("hour", steps.hours),
        "dayofyear": xr.Variable("dayofyear", np.arange(1, DAYS + 1)),
        **{dim: dataset[dim].variable for dim in SPACE if dim in dataset.coords},
    }
    used = {name: c for name, c in coordinates.items() if set(c.dims) <= found}
    return xr.Dataset(variables, used)


def _encoding(array: xr.DataArray) -> dict[str, Any]:
    """Return chunks of some days of whole fields of one level, and shards of many such."""
    single = ("quantile", "level")
    chunk = {dim: 1 if dim in single else size for dim, size in array.sizes.items()}
    day = math.prod(chunk.values()) // DAYS * array.dtype.itemsize
    chunk["dayofyear"] = min(DAYS, max(1, CHUNK // day))
    chunks = math.ceil(min(DAYS, max(1, SHARD // day)) / chunk["dayofyear"])
    shard = {**chunk, "dayofyear": chunks * chunk["dayofyear"]}
    codec = zarr.codecs.BloscCodec(
        cname="zstd", clevel=3, shuffle="shuffle", typesize=array.dtype.itemsize
    )
    return {
        "chunks": tuple(chunk.values()),
        "shards": tuple(shard.values()),
        "compressors": (codec,),
        "fill_value": float("nan"),
    }


def _fill(
    path: Path, truth: xr.Dataset, steps: Steps, wanted: Wanted, memory: float, progress_bar: bool
) -> None:
    """Compute the variables, some cells at a time, and write them."""
    group = zarr.open_group(str(path), mode="r+")
    work = [
        (array, tile)
        for array in truth.data_vars.values()
        for tile in tiles(array, cells_at_once(array, steps, wanted, memory))
    ]
    for array, tile in track(work, "climatology", disable=not progress_bar):
        part = array.isel(tile).transpose("time", *tile)
        for name, values in climatology_of(part, steps, wanted).items():
            group[name][(..., *tile.values())] = values
    with warnings.catch_warnings():
        # Not in the specification of Zarr v3 yet, but what xarray looks for when opening.
        warnings.filterwarnings("ignore", "Consolidated metadata")
        zarr.consolidate_metadata(path)
