"""Opening one file, whatever its format, or saying in a sentence why not."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyproj  # noqa: F401  loaded before eccodes, or the first map corrupts memory
import xarray as xr

from climbench.errors import UserError, nearest
from climbench.recipes.schema import Files
from climbench.recipes.sources.classic_netcdf import classic_length
from climbench.recipes.sources.conform import conform, without_default_fill, without_time
from climbench.recipes.sources.decoding import decoded
from climbench.recipes.sources.grib import open_grib
from climbench.recipes.sources.raster import open_raster
from climbench.recipes.sources.remote_zarr import open_remote_zarr
from climbench.recipes.sources.times import check_times, dated_years, time_from_name, with_dates

CHUNK_BYTES = 2**24  # of a dask chunk: what one thread holds
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

OTHER_FORMATS = {
    b"version https://git-lfs": "a Git LFS pointer, not the data: run `git lfs pull` where it "
    "came from",
    b"<!doctype": "a web page, not the data: the download was refused",
    b"<html": "a web page, not the data: the download was refused",
    b"<?xml": "a web page, not the data: the download was refused",
    b"\x00\x00\x01\x00\x00\x00": "a Met Office PP file: convert it to NetCDF first, as with "
    "`iris.save(iris.load(path), 'fields.nc')`",
    b"\x0e\x03\x13\x01": "HDF4, which is not read here: convert it to NetCDF first",
    b"bufr": "BUFR, which holds observations and no fields: convert it to a table first",
    b"\x1f\x8b": "compressed as a whole: declare 'archive: \"*\"' in the source",
    b"par1": "a Parquet table, not gridded data: give it to a source of tables",
}
"""First bytes of what is sometimes taken for data of a grid, in lower case, and the mend."""


def open_file(
    path: str,
    where: str,
    source: Files,
    narrow: Callable[[xr.Dataset], xr.Dataset] | None = None,
    chunks: Path | None = None,
) -> xr.Dataset:
    """Open one file or Zarr store lazily, in chunks along time.

    Parameters
    ----------
    path
        Local path, or the address of a Zarr store.
    where
        How to call it in errors and in the store.
    source
        Which variables, GRIB keys and units, and what is selected.
    narrow
        How to cut out of a Zarr store what is wanted, in place of chunks along time.
    chunks
        Folder for chunks of a remote Zarr store that are read again.

    Raises
    ------
    UserError
        If it is damaged, no data file, or lacks a variable.
    """
    kind = check_format(path, where)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Failed to open Zarr store with consol")
            warnings.filterwarnings("ignore", message="Unable to decode time axis into full")
            dataset = _opened(path, where, kind, source, chunks)
    except UserError:
        raise
    except ImportError as error:
        raise UserError(f"{where}: reading {kind} needs `pip install climbench[grib]`.") from error
    except Exception as error:  # every engine has exceptions of its own
        raise UserError(
            f"{where} cannot be read as {kind}: {_short(error)}; if it is damaged, remove {path} "
            "and fetch it again."
        ) from error
    dataset = conformed(dataset, where, source)
    if source.fixed and dataset.sizes.get("time", 0) > 1:
        dataset = without_time(dataset, where)
    if kind == "Zarr" and narrow is not None:
        in_chunks = narrow(dataset)
    else:
        in_chunks = _chunked(source.select.apply(dataset) if source.select else dataset)
    return in_chunks.map(without_default_fill, keep_attrs=True)


def conformed(dataset: xr.Dataset, where: str, source: Files) -> xr.Dataset:
    """Return the variables of a source with the names, dates and units of a store.

    Parameters
    ----------
    dataset
        A file as xarray opens it, its dates not decoded.
    where
        How to call it in errors.
    source
        Which variables, and what the file lacks.

    Raises
    ------
    UserError
        If it lacks a variable, or something is not as it should be.
    """
    if source.time_from_name is not None:
        dataset = time_from_name(dataset, where, source.time_from_name)
    dataset = conform(with_dates(dataset, where, source), where, source)
    if source.annual is None:
        dataset = dated_years(dataset, where)
    dates = "time" in dataset.coords and dataset["time"].dtype.kind in "MO"
    if source.time_shift is not None and dates:
        times: Any = dataset.indexes["time"]
        times = times + pd.Timedelta(source.time_shift).to_pytimedelta()
        dataset = dataset.assign_coords(time=("time", times, dataset["time"].attrs))
    check_times(dataset, where)
    if source.variables is not None:
        for name in source.variables:
            if name not in dataset.data_vars:
                hint = nearest(name, map(str, dataset.data_vars))
                raise UserError(f"{where} has no gridded variable '{name}': {hint}")
        dataset = dataset[source.variables]
    for name, unit in source.units.items():
        if name in dataset:
            dataset[name].attrs["units"] = unit
    return dataset


def check_format(path: str, where: str) -> str:
    """Return the format, by the first bytes and not by the name.

    Raises
    ------
    UserError
        If there is nothing, or something that is no data file.
    """
    if path.lower().endswith(".bil") and Path(path).with_suffix(".hdr").is_file():
        return "raster"
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
    if start.startswith(TIFF):
        return "raster"
    if b"GRIB" in start:
        return "GRIB"
    for first, words in OTHER_FORMATS.items():
        if start.lstrip().lower().startswith(first):
            raise UserError(f"{where} is {words}.")
    raise UserError(
        f"{where} is empty or no NetCDF, GRIB, Zarr, GeoTIFF or BIL: remove {path} and fetch it "
        "again."
    )


def _check_classic(path: Path, where: str) -> None:
    try:
        whole = path.stat().st_size >= classic_length(path)
    except (ValueError, IndexError):
        whole = False
    if not whole:
        raise UserError(f"{where} is cut short or damaged: remove {path} and fetch it again.")


def _opened(
    path: str, where: str, kind: str, source: Files, chunks: Path | None = None
) -> xr.Dataset:
    """Return a file as xarray opens it, its dates not decoded."""
    if kind == "GRIB":
        return open_grib(path, where, source)
    if kind == "raster":
        return open_raster(path, where, source)
    if "://" in path:
        return decoded(open_remote_zarr(path, chunks, decode_cf=False), where)
    engine = "zarr" if kind == "Zarr" else "netcdf4"
    stored = xr.open_dataset(path, engine=engine, chunks=None, decode_cf=False, cache=False)
    return decoded(stored, where)


def _chunked(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset in dask chunks along time that are whole chunks of the file."""
    return dataset.chunk({"time": times_of_a_block(dataset)} if "time" in dataset.dims else {})


def times_of_a_block(dataset: xr.Dataset) -> int:
    """Return how many times of a file a thread reads at once: whole chunks of it, near 16 MiB."""
    largest = max(
        (a.nbytes // a.sizes["time"] for a in dataset.data_vars.values() if "time" in a.dims),
        default=1,
    )
    wanted = max(1, CHUNK_BYTES // max(1, largest))
    stored = [a.encoding.get("preferred_chunks", {}) for a in dataset.data_vars.values()]
    step = max((int(one.get("time", 1)) for one in stored), default=1)
    return max(1, round(wanted / step)) * step


def _short(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__).rstrip(".")
