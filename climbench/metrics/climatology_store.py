"""A climatology on disk: its layout, and filling it some cells at a time."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from climbench.metrics.climatology import DAYS
from climbench.metrics.climatology_fields import (
    SPACE,
    Steps,
    Wanted,
    cells_at_once,
    climatology_of,
    precision,
    tiles,
)
from climbench.progress import track
from climbench.store.layout import consolidate, create_store

CHUNK, SHARD = 4 * 2**20, 256 * 2**20  # bytes, uncompressed


def write_climatology(
    path: Path,
    fields: xr.Dataset,
    attributes: Mapping[str, Any],
    steps: Steps,
    wanted: Wanted,
    memory: float,
    progress_bar: bool = False,
) -> None:
    """Write the climatology of fields to a folder, in the layout of WeatherBench 2.

    Parameters
    ----------
    path
        The Zarr group to write, ``[hour, dayofyear, (level), latitude, longitude]``, quantiles
        with ``quantile`` in front; replaced if it exists.
    fields
        Lazy variables along ``time``.
    attributes
        Of the group.
    steps
        The period.
    wanted
        What is computed.
    memory
        GB that may be used, roughly.
    progress_bar
        Whether progress is shown.
    """
    template = _template(fields, steps, wanted)
    layout = {str(name): _encoding(array) for name, array in template.items()}
    create_store(path, template, attributes, layout)
    _fill(path, fields, steps, wanted, memory, progress_bar)


def _template(dataset: xr.Dataset, steps: Steps, wanted: Wanted) -> xr.Dataset:
    """Return names, sizes and attributes of the output, without values."""
    sizes = {**dataset.sizes, "hour": steps.hours.size, "dayofyear": DAYS}
    variables = {}
    for name, array in dataset.data_vars.items():
        for output, front in wanted.outputs(str(name)).items():
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
    for array, tile in track(work, "climatology", shown=progress_bar):
        part = array.isel(tile).transpose("time", *tile)
        for name, values in climatology_of(part, steps, wanted).items():
            group[name][(..., *tile.values())] = values
    consolidate(path)
