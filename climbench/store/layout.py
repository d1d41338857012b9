"""How a store lies on disk: chunks in shards, written in parts of whole shards."""

import itertools
import json
import math
import warnings
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BloscCodec

from climbench.store.disk import disk_full_is_a_user_error

FORMAT = 1
SINGLE = (
    "source_id",
    "scenario",
    "member",
    "level",
)  # dimensions along which a reader takes one at a time


def encoding(
    ds: xr.Dataset, part_dimension: str, chunk: int, shard: int
) -> dict[str, dict[str, Any]]:
    """Return the chunks, shards and codec of each data variable.

    A chunk holds ``chunk`` entries along ``part_dimension``, one along each other of ``scenario``,
    ``member`` and ``level``, and all along the rest, so that one field is one read. A shard, which
    is one file, holds ``shard`` entries along ``part_dimension`` and all along the rest, so that
    parts of whole shards can be written without a lock.

    Parameters
    ----------
    ds
        The dataset or a template of it; only names and sizes are looked at.
    part_dimension
        Dimension along which the store is built: ``time`` for weather, ``scenario`` or
        ``member`` for climate.
    chunk, shard
        Entries of a chunk and of a shard along ``part_dimension``; a shard is rounded up to whole
        chunks, and neither is longer than the dimension needs.

    Returns
    -------
    dict
        Encoding for :meth:`xarray.Dataset.to_zarr`, by variable.

    Examples
    --------
    >>> ds = xr.Dataset({"t": (("time", "level", "latitude"), np.zeros((5, 2, 3), "f4"))})
    >>> entry = encoding(ds, "time", chunk=2, shard=3)["t"]
    >>> entry["chunks"], entry["shards"]
    ((2, 1, 3), (4, 2, 3))
    """
    if chunk < 1 or shard < 1:
        raise ValueError("chunk and shard must be at least 1")
    return {
        str(name): _variable_encoding(array, part_dimension, chunk, shard)
        for name, array in ds.data_vars.items()
    }


def _variable_encoding(
    array: xr.DataArray, part_dimension: str, chunk: int, shard: int
) -> dict[str, Any]:
    chunks: list[int] = []
    shards: list[int] = []
    for dimension, size in zip(array.dims, array.shape, strict=True):
        if dimension == part_dimension:
            inner = min(chunk, size)
            outer = math.ceil(min(shard, size) / inner) * inner
        else:
            # of a column all levels are read together, of a map one
            single = dimension in SINGLE and not (dimension == "level" and "column" in array.dims)
            inner, outer = (1 if single else size), size
        chunks.append(inner)
        shards.append(outer)
    codec = BloscCodec(cname="zstd", clevel=3, shuffle="shuffle", typesize=array.dtype.itemsize)
    layout: dict[str, Any] = {"compressors": (codec,)}
    if array.dims:
        layout |= {"chunks": tuple(chunks), "shards": tuple(shards)}
    if np.issubdtype(array.dtype, np.floating):
        layout["fill_value"] = float("nan")
    return layout


def create_store(
    path: Path | str,
    template: xr.Dataset,
    attributes: Mapping[str, Any],
    encoding: Mapping[str, Mapping[str, Any]],
) -> None:
    """Write the metadata and coordinates of a store, but none of its data.

    Parameters
    ----------
    path
        Folder of the store, replaced if it exists; a builder gives a name that ends in
        ``.building`` and renames it when all parts are written.
    template
        Names, dimensions, types, attributes and coordinates; its data variables are not read.
    attributes
        Root attributes of the contract: ``recipe``, ``recipe_hash``, ``sources``, ``software``,
        ``simulated``; whatever is not a string or number is written as JSON.
    encoding
        From :func:`encoding`.

    Raises
    ------
    ValueError
        If a data variable is neither numbers nor truth values.
    """
    bare = template.drop_encoding()
    for name, array in bare.data_vars.items():
        if array.dtype.kind not in "fiub":
            raise ValueError(f"{name} is {array.dtype}: a store holds numbers")
    data = {
        name: (array.dims, _placeholder(array), array.attrs)
        for name, array in bare.data_vars.items()
    }
    coordinates = {name: _spellable(array.compute()) for name, array in bare.coords.items()}
    attrs = {**bare.attrs, **{key: _plain(value) for key, value in attributes.items()}}
    empty = xr.Dataset(data, coordinates, {**attrs, "climbench_format": FORMAT})
    one_chunk = {str(n): {"chunks": a.shape} for n, a in empty.coords.items() if a.ndim}
    empty.to_zarr(
        path,
        mode="w",
        compute=False,
        zarr_format=3,
        consolidated=False,
        encoding={**one_chunk, **{name: dict(entry) for name, entry in encoding.items()}},
    )


def consolidate(path: Path | str) -> None:
    """Write down in one place what a finished group holds: opening it then takes one read."""
    with warnings.catch_warnings():
        # Not in the specification of Zarr v3 yet, but what xarray looks for when opening.
        warnings.filterwarnings("ignore", "Consolidated metadata")
        zarr.consolidate_metadata(str(path), zarr_format=3)


def _placeholder(array: xr.DataArray) -> Any:
    return dask.array.zeros(array.shape, dtype=array.dtype, chunks=-1)


def _spellable(array: xr.DataArray) -> xr.DataArray:
    """Return text as variable-length strings: Zarr v3 has no other specified text type."""
    return array.astype(object) if array.dtype.kind == "U" else array


def _plain(value: Any) -> str | int | float:
    return value if isinstance(value, str | int | float) else json.dumps(value, sort_keys=True)


def write_part(path: Path | str, ds_part: xr.Dataset, dimension: str, start: int) -> list[Path]:
    """Write one part of whole shards; writing the same part again gives the same bytes.

    Variables without ``dimension`` (static fields, say) are written with the part at ``start`` 0.

    Parameters
    ----------
    path
        A folder that :func:`create_store` made.
    ds_part
        All data variables, for consecutive entries along ``dimension``; read one at a time.
    dimension
        The part dimension.
    start
        Position of the part's first entry in the store.

    Returns
    -------
    list of Path
        The shard files that were written, every one of which exists.

    Raises
    ------
    ValueError
        If the part does not cover whole shards or its shape is not the store's.
    """
    group = zarr.open_group(str(path), mode="r+")
    written: list[Path] = []
    for name, part in ds_part.data_vars.items():
        array = group[str(name)].with_config({"write_empty_chunks": True})
        dimensions = array.metadata.dimension_names or ()
        if dimension not in dimensions and start > 0:
            continue
        part = part.transpose(*dimensions)
        region = _region(array, part, dimension, start)
        with disk_full_is_a_user_error(Path(path)):
            array[tuple(slice(*edges) for edges in region)] = part.values
        written += [Path(path) / str(name) / key for key in _shard_keys(array, region)]
    return written


def _region(array: Any, part: xr.DataArray, dimension: str, start: int) -> list[tuple[int, int]]:
    """Return (first, last + 1) along each dimension, after checking that shards stay whole."""
    region = []
    for name, size, length, shard in zip(
        part.dims, array.shape, part.shape, array.shards or array.chunks, strict=True
    ):
        first = start if name == dimension else 0
        last = first + length
        whole = first % shard == 0 and (last == size or (last % shard == 0 and last < size))
        if not whole or (name != dimension and length != size):
            raise ValueError(
                f"{part.name}: {first}..{last} of {size} along {name} is not whole "
                f"shards of {shard}"
            )
        region.append((first, last))
    return region


def _shard_keys(array: Any, region: list[tuple[int, int]]) -> Iterator[str]:
    shards = array.shards or array.chunks
    ranges = [
        range(first // shard, math.ceil(last / shard))
        for (first, last), shard in zip(region, shards, strict=True)
    ]
    for cell in itertools.product(*ranges):
        yield array.metadata.encode_chunk_key(cell)


def shard_files(path: Path | str, name: Hashable) -> list[Path]:
    """Return the files that hold a variable of a complete store, in order."""
    array = zarr.open_array(str(Path(path) / str(name)), mode="r")
    whole = [(0, size) for size in array.shape]
    return [Path(path) / str(name) / key for key in _shard_keys(array, whole)]
