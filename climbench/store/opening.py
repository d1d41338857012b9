"""Opening a store, and telling one store's content from another's."""

import hashlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from climbench.errors import UserError
from climbench.store.layout import FORMAT, shard_files
from climbench.store.repository import is_repository, zarr_store


def open_store(path: Path | str) -> xr.Dataset:
    """Open a finished store lazily, without dask.

    Parameters
    ----------
    path
        Folder of the store, Zarr or Icechunk, or an address that fsspec understands
        (``gs://...``).

    Returns
    -------
    xarray.Dataset
        The variables; a field is read when its values are asked for.

    Raises
    ------
    UserError
        If there is no store, or one that is half-written, damaged or not climbench's.
    """
    if "://" not in str(path):
        _check_folder(Path(path))
    try:
        attributes = dict(zarr.open_group(zarr_store(path), mode="r").attrs)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path} is not a Zarr group that can be read: {error}") from error
    if "climbench_format" not in attributes or "recipe_hash" not in attributes:
        raise UserError(
            f"{path} is a Zarr group but not a climbench store: name it as the source of a recipe "
            "and make a store with `climbench build`"
        )
    if attributes["climbench_format"] != FORMAT:
        raise UserError(
            f"{path} has store format {attributes['climbench_format']} and this climbench reads "
            f"format {FORMAT}: build it again"
        )
    ds = read_group(path)
    if "://" not in str(path) and not is_repository(path):
        _check_shards(Path(path), ds)
    return ds


def is_store(path: Path | str) -> bool:
    """Tell whether a folder is a store that ``climbench build`` wrote, whole or damaged."""
    if is_repository(path):
        return "recipe_hash" in zarr.open_group(zarr_store(path), mode="r").attrs
    file = Path(path) / "zarr.json"
    return file.is_file() and "recipe_hash" in json.loads(file.read_text())["attributes"]


def read_group(path: Path | str, group: str = "") -> xr.Dataset:
    """Return a group of a store, lazily, with text as the type that netCDF and pandas know."""
    store = zarr_store(path)
    root = zarr.open_group(store, mode="r")
    consolidated = not group and root.metadata.consolidated_metadata is not None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Unable to decode time axis into full")
        ds = xr.open_dataset(
            store, group=group or None, engine="zarr", chunks=None, consolidated=consolidated
        )
    text = {
        name: (array.dims, np.array(array.values.tolist(), dtype=str), array.attrs)
        for name, array in ds.coords.items()
        if array.dtype.kind == "T"
    }
    return ds.assign_coords(text)


def _check_folder(path: Path) -> None:
    path = path.resolve()
    building = path.with_name(path.name + ".building")
    if path.name.endswith(".building") or (building.exists() and not path.exists()):
        raise UserError(
            f"{path} is half-written: run the same `climbench build` again to finish it"
        )
    if not path.exists():
        raise UserError(f"there is no store at {path}: make it with `climbench build`")
    if not (path / "zarr.json").is_file() and not is_repository(path):
        raise UserError(
            f"{path} is not a climbench store (a folder with zarr.json): name it as the source of "
            "a recipe and make a store with `climbench build`"
        )


def _check_shards(path: Path, ds: xr.Dataset) -> None:
    """Refuse a store with lost files, whose fields Zarr would silently give as NaN."""
    for name in ds.data_vars:
        lost = [file for file in shard_files(path, name) if not file.is_file()]
        if lost:
            raise UserError(
                f"store {path} is damaged: {len(lost)} of its files are missing, the first is "
                f"{lost[0].relative_to(path)}; delete the store and build it again"
            )


def store_hash(path: Path | str) -> str:
    """Return the identity of a store's content: SHA-256 of its recipe hash and its sources.

    Two stores that were built from the same recipe and the same source objects have the same
    hash, wherever these lie.
    """
    return store_identity(dict(zarr.open_group(zarr_store(path), mode="r").attrs))


def store_identity(attributes: Mapping[str, Any]) -> str:
    """Return the hash of a store from its root attributes, see :func:`store_hash`."""
    sources = json.loads(str(attributes.get("sources", "[]")))
    marks = sorted(str(s.get("sha256") or (s.get("etag"), s.get("size"))) for s in sources)
    text = json.dumps([attributes["recipe_hash"], marks], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
