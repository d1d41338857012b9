"""The packed training cache: all channels of a time step side by side, uncompressed."""

import hashlib
import itertools
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from filelock import FileLock
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.store.channels import read_channel
from climbench.store.disk import disk_full_is_a_user_error

DIMENSIONS = ("time", "channel", "latitude", "longitude")
SHARD_BYTES = 64_000_000

Block = tuple[NDArray[np.float32], xr.Dataset]  # fields of some steps, and coordinates along time


def pack(ds: xr.Dataset, channels: Sequence[str], directory: Path, key: str) -> Path:
    """Copy channels of a dataset into one array, ``fields [time, channel, latitude, longitude]``.

    The array is float32, a chunk is one step, a shard (one file) some 64 MB, and nothing is
    compressed: any Zarr v3 reader opens it, and :class:`climbench.store.reader.PackedReader` maps
    it into memory. ``missing [time, channel]`` says where values are missing. Data are copied
    block by block, so memory does not grow with the length.

    A climate dataset is stacked: each (scenario, member, time) is a step, with coordinates
    ``scenario``, ``member`` and ``year`` along ``time``; steps without any value in the
    channels that have all these dimensions are left out. A channel without some of the dimensions
    (a global forcing, a static field) is repeated along them.

    Parameters
    ----------
    ds
        A store, or a dataset like one.
    channels
        Names ``variable`` or ``variable_level``, in the order wanted.
    directory
        Folder of caches.
    key
        Identity of the dataset's content: :func:`climbench.store.store_hash` and whatever was
        selected since.

    Returns
    -------
    Path
        Folder of the cache, complete. If it was there already, nothing is done.

    Raises
    ------
    UserError
        If the dataset lacks a channel, or the disk is full.
    """
    path = packed_path(channels, directory, key)
    name, building = path.name, directory / f"{path.name}.building"
    directory.mkdir(parents=True, exist_ok=True)
    with FileLock(directory / f".{name}.lock"):  # stays: to remove it would let two builders in
        if not path.exists():
            shutil.rmtree(building, ignore_errors=True)
            fields = {channel: read_channel(ds, channel) for channel in channels}
            with disk_full_is_a_user_error(building):
                _write(building, ds, fields, key)
            building.rename(path)
    return path


def packed_path(channels: Sequence[str], directory: Path, key: str) -> Path:
    """Return where :func:`pack` leaves, or has left, what it makes of the same arguments."""
    identity = json.dumps([key, list(channels)])
    return directory / f"packed-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.zarr"


def _write(path: Path, ds: xr.Dataset, fields: dict[str, xr.DataArray], key: str) -> None:
    grid = (ds.sizes["latitude"], ds.sizes["longitude"])
    step = (len(fields), *grid)
    samples = [d for d in ("scenario", "member") if any(d in f.dims for f in fields.values())]
    most = ds.sizes["time"] * int(np.prod([ds.sizes[d] for d in samples], dtype=int))
    length = min(most, max(1, SHARD_BYTES // (4 * int(np.prod(step)))))
    array = zarr.open_group(str(path), mode="w").create_array(
        "fields",
        shape=(most, *step),
        chunks=(1, *step),
        shards=(length, *step),
        dtype="float32",
        compressors=None,
        fill_value=float("nan"),
        dimension_names=DIMENSIONS,
        config={"write_empty_chunks": True},  # a mapped file must have every chunk in its place
    )
    coordinates, missing, end = [], [], 0
    blocks = _stacked(ds, fields, samples) if samples else _in_time(ds, fields, length)
    for values, along_time in _regroup(blocks, length):
        array[end : end + len(values)] = values
        coordinates.append(along_time)
        missing.append(~np.isfinite(values).all(axis=(2, 3)))
        end += len(values)
    if end == 0:
        raise UserError(f"channels {', '.join(fields)} hold no value: all are NaN at each time")
    array.resize((end, *step))
    attributes = {"key": key, "channels": list(fields)}
    beside = _coordinates(ds, xr.concat(coordinates, "time"), attributes)
    beside["missing"] = ("time", "channel"), np.concatenate(missing)
    beside.to_zarr(path, mode="a", consolidated=False)


def _coordinates(ds: xr.Dataset, along_time: xr.Dataset, attributes: dict[str, Any]) -> xr.Dataset:
    coordinates = {
        **along_time.coords,
        "channel": ("channel", np.array(attributes["channels"], dtype=object)),
        "latitude": ds["latitude"],
        "longitude": ds["longitude"],
    }
    bare = xr.Dataset(coords=coordinates, attrs=attributes).drop_encoding()
    texts = {n: a.astype(object) for n, a in bare.coords.items() if a.dtype.kind in "UT"}
    return bare.assign_coords(texts)  # Zarr v3 has no text of fixed length


def _in_time(ds: xr.Dataset, fields: dict[str, xr.DataArray], length: int) -> Iterator[Block]:
    for start in range(0, ds.sizes["time"], length):
        steps = slice(start, start + length)
        time = ds["time"].isel(time=steps)
        values = np.empty((time.size, len(fields), *_grid(ds)), dtype=np.float32)
        for position, field in enumerate(fields.values()):
            values[:, position] = _repeatable(field.isel(time=steps, missing_dims="ignore"))
        yield values, xr.Dataset(coords={"time": time.values})


def _stacked(
    ds: xr.Dataset, fields: dict[str, xr.DataArray], samples: list[str]
) -> Iterator[Block]:
    time = ds["time"]
    years = time.dt.year.values if time.dtype.kind in "MO" else time.values
    full = [set(samples) <= set(field.dims) for field in fields.values()]
    judged = full if any(full) else [True] * len(fields)
    for entry in itertools.product(*(range(ds.sizes[d]) for d in samples)):
        at = dict(zip(samples, entry, strict=True))
        values = np.empty((time.size, len(fields), *_grid(ds)), dtype=np.float32)
        for position, field in enumerate(fields.values()):
            values[:, position] = _repeatable(field.isel(at, missing_dims="ignore"))
        kept = ~np.isnan(values[:, judged]).all(axis=(1, 2, 3))
        labels = {d: ("time", np.repeat(ds[d].values[[i]], kept.sum())) for d, i in at.items()}
        along = {"time": time.values[kept], "year": ("time", years[kept]), **labels}
        yield values[kept], xr.Dataset(coords=along)


def _regroup(blocks: Iterator[Block], length: int) -> Iterator[Block]:
    """Yield the same steps in blocks of ``length``, so that each shard is written once."""
    waiting: list[Block] = []
    for block in blocks:
        waiting.append(block)
        while sum(len(values) for values, _ in waiting) >= length:
            whole = _join(waiting)
            yield whole[0][:length], whole[1].isel(time=slice(length))
            waiting = [(whole[0][length:], whole[1].isel(time=slice(length, None)))]
    if sum(len(values) for values, _ in waiting):
        yield _join(waiting)


def _join(blocks: list[Block]) -> Block:
    if len(blocks) == 1:
        return blocks[0]
    values = np.concatenate([values for values, _ in blocks])
    return values, xr.concat([along for _, along in blocks], "time")


def _grid(ds: xr.Dataset) -> tuple[int, int]:
    return ds.sizes["latitude"], ds.sizes["longitude"]


def _repeatable(field: xr.DataArray) -> NDArray[Any]:
    """Return values ``[time, latitude, longitude]``, of length 1 along dimensions it lacks."""
    order = ("time", "latitude", "longitude")
    values = field.transpose(*(d for d in order if d in field.dims)).values
    return np.asarray(values[tuple(slice(None) if d in field.dims else None for d in order)])
