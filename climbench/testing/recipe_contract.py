"""What every recipe and every kind of source keeps: run it on your own YAML."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from climbench.recipes import build, load_recipe, plan
from climbench.recipes.fields import PLACES
from climbench.store import open_store, read_statistics


def check_recipe(
    name_or_path: str,
    folder: Path,
    overrides: Mapping[str, Any] | None = None,
    data_root: Path | None = None,
) -> xr.Dataset:
    """Plan and build a recipe in a folder, and hold its store to what all stores keep.

    Parameters
    ----------
    name_or_path
        The recipe.
    folder
        An empty folder for the store.
    overrides
        What makes the recipe small enough for a test, such as a few dates.
    data_root
        Folder with local copies of the archive.

    Returns
    -------
    xarray.Dataset
        The open store.

    Raises
    ------
    AssertionError
        If something is not kept; the sentence says what.
    """
    recipe = load_recipe(name_or_path, overrides)
    for name in ("description", "licence", "citation"):
        _require(bool(getattr(recipe, name).strip()), f"'{name}' is empty")
    plan(recipe, data_root)
    _require(not list(folder.glob("*.zarr*")), "a plan leaves a store behind")
    path = build(recipe, folder, data_root)
    before = {file: file.stat().st_mtime_ns for file in path.rglob("*")}
    _require(build(recipe, folder, data_root) == path, "a second build gives another store")
    after = {file: file.stat().st_mtime_ns for file in path.rglob("*")}
    _require(before == after, "a second build changes the store")
    store = open_store(path)
    _check_axes(store)
    _check_variables(store, path)
    _require(store.attrs["recipe_hash"] == recipe.hash, "the store has another recipe's hash")
    _require(bool(json.loads(store.attrs["sources"])), "the store does not say what it is made of")
    return store


def _check_axes(store: xr.Dataset) -> None:
    for axis in {"latitude", "longitude"} & {*map(str, store.dims)}:
        _require(bool(np.all(np.diff(store[axis].values) > 0)), f"{axis} does not ascend")
    for dimension, needed in PLACES.items():
        for place in needed if dimension in store.dims else ():
            _require(place in store.coords, f"'{dimension}' has no coordinate '{place}'")
    _require(bool(store.indexes["time"].is_monotonic_increasing), "time does not ascend")
    _require(bool(store.indexes["time"].is_unique), "a time is there twice")


def _check_variables(store: xr.Dataset, path: Path) -> None:
    statistics = read_statistics(path)
    for name, array in store.data_vars.items():
        _require("units" in array.attrs, f"'{name}' has no units")
        _require(bool(array.notnull().any()), f"'{name}' has no value")
        _require(name in statistics, f"'{name}' has no statistics")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(f"recipe contract: {message}")
