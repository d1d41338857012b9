"""Opening one file, whatever its format, or saying in a sentence why not."""

import warnings
from pathlib import Path
from typing import Any

import pyproj  # noqa: F401  loaded before eccodes, or the first map corrupts memory
import xarray as xr

from climbench.errors import UserError, nearest
from climbench.recipes.schema import Files
from climbench.recipes.sources.classic_netcdf import classic_length
from climbench.recipes.sources.conform import conform, without_default_fill

CHUNK_BYTES = 2**24  # of a dask chunk: what one thread holds


def open_file(path: str, where: str, source: Files) -> xr.Dataset:
    """Open one file or Zarr store lazily, in chunks along time.

    Parameters
    ----------
    path
        Local path, or the address of a Zarr store.
    where
        How to call it in errors and in the store.
    source
        Which variables, GRIB keys and units.

    Raises
    ------
    UserError
        If it is damaged, no data file, or lacks a variable.
    """
    kind = _format(path, where)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Failed to open Zarr store with consol")
            warnings.filterwarnings("ignore", message="Unable to decode time axis into full")
            dataset = xr.open_dataset(path, **_arguments(kind, source))
    except ImportError as error:
        raise UserError(f"{where}: reading {kind} needs `pip install climbench[grib]`.") from error
    except Exception as error:  # every engine has exceptions of its own
        raise UserError(f"{where} cannot be read as {kind}: {_short(error)}.") from error
    dataset = conform(dataset, where, source.variables)
    if source.variables is not None:
        for name in source.variables:
            if name not in dataset.data_vars:
                hint = nearest(name, map(str, dataset.data_vars))
                raise UserError(f"{where} has no gridded variable '{name}': {hint}")
        dataset = dataset[source.variables]
    for name, unit in source.units.items():
        if name in dataset:
            dataset[name].attrs["units"] = unit
    return _chunked(dataset).map(without_default_fill, keep_attrs=True)


def _format(path: str, where: str) -> str:
    """Return the format, by the first bytes and not by the name.

    Raises
    ------
    UserError
        If there is nothing, or something that is no data file.
    """
    if "://" in path or Path(path).is_dir():
        return "Zarr"
    if not Path(path).is_file():
        raise UserError(f"{where} does not exist.")
    with Path(path).open("rb") as file:
        start = file.read(512)
    if start.startswith(b"\x89HDF"):
        return "NetCDF"
    if start.startswith((b"CDF\x01", b"CDF\x02", b"CDF\x05")):
        _check_classic(Path(path), where)
        return "NetCDF"
    if b"GRIB" in start:
        return "GRIB"
    if start.startswith(b"version https://git-lfs"):
        raise UserError(
            f"{where} is a Git LFS pointer, not the data: run `git lfs pull` where it came from."
        )
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise UserError(f"{where} is a web page, not the data: the download was refused.")
    raise UserError(f"{where} is empty or no NetCDF, GRIB or Zarr: fetch it again.")


def _check_classic(path: Path, where: str) -> None:
    try:
        whole = path.stat().st_size >= classic_length(path)
    except (ValueError, IndexError):
        whole = False
    if not whole:
        raise UserError(f"{where} is cut short or damaged: fetch it again.")


def _arguments(kind: str, source: Files) -> dict[str, Any]:
    if kind == "GRIB":
        # no index file beside the data, and no skipping of damaged messages
        options = {"indexpath": "", "errors": "raise", "filter_by_keys": dict(source.keys)}
        return {"engine": "cfgrib", "backend_kwargs": options, "cache": False}
    if kind == "Zarr":
        return {"engine": "zarr", "chunks": None, "cache": False}
    return {"engine": "netcdf4", "cache": False}


def _chunked(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset in dask chunks along time that are whole chunks of the file."""
    if "time" not in dataset.dims:
        return dataset.chunk()
    largest = max(
        (a.nbytes // a.sizes["time"] for a in dataset.data_vars.values() if "time" in a.dims),
        default=1,
    )
    wanted = max(1, CHUNK_BYTES // max(1, largest))
    stored = [a.encoding.get("preferred_chunks", {}) for a in dataset.data_vars.values()]
    step = max((int(one.get("time", 1)) for one in stored), default=1)
    return dataset.chunk({"time": max(1, round(wanted / step)) * step})


def _short(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__).rstrip(".")
