"""Many alike NetCDF files, opened as one: of each only the header and the times are read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray, CachingFileManager, NetCDF4DataStore
from xarray.backends.netCDF4_ import NETCDF4_PYTHON_LOCK
from xarray.core import indexing

from climbench.errors import UserError
from climbench.recipes.schema import Files
from climbench.recipes.sources.conform import without_default_fill
from climbench.recipes.sources.decoding import decoded
from climbench.recipes.sources.opening import check_format, conformed, times_of_a_block
from climbench.recipes.sources.times import check_times, with_dates
from climbench.store.positions import as_slice

MANY = 16
"""Files from which on it is worth while: each takes about 3 ms, and 30 ms by itself."""

LARGEST = 2**20  # values of a coordinate, or of a fixed field, that are compared in every file

Named = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Together:
    """Many files as one.

    Attributes
    ----------
    dataset
        Their lazy fields, in the order of their times.
    names, paths
        The files in that order.
    ends
        First and last time of each file, as positions on the time axis.
    attributes
        Global attributes of each file that were asked for.
    """

    dataset: xr.Dataset
    names: list[str]
    paths: list[str]
    ends: list[tuple[int, int]]
    attributes: list[dict[str, str]]

    @property
    def file(self) -> tuple[str, xr.Dataset]:
        """All files, with the names of the first and the last."""
        return f"{self.names[0]} ... {self.names[-1]}", self.dataset


@dataclass(frozen=True)
class _Header:
    """What alike files have in common, and what each has of its own."""

    common: dict[str, Any]
    time: str
    about: dict[str, Any]
    times: NDArray[Any]
    attributes: dict[str, str]

    def dated(self, name: str, source: Files) -> "_Header":
        """Return it with dates, which mean the same in each file, in place of numbers."""
        alone = xr.Dataset(coords={"time": ("time", self.times, self.about)})
        dates = with_dates(alone, name, source)["time"]
        return replace(self, times=dates.values, about=dict(dates.attrs))


def open_together(files: Named, source: Files, kept: Sequence[str]) -> Together | None:
    """Return files that differ in nothing but their times as one dataset.

    Parameters
    ----------
    files
        Name and path of each.
    source
        What is read of them.
    kept
        Global attributes that are wanted of each file.

    Returns
    -------
    Together or None
        None if they are few, no NetCDF, not quite alike, or anything is wrong with them: then each
        has to be opened by itself, which finds the words for it.
    """
    if len(files) < MANY or source.fixed or source.time_from_name is not None:
        return None
    try:
        headers = _headers(files, kept, source)
        if headers is None:
            return None
        order = sorted(range(len(files)), key=lambda at: headers[at].times[0])
        names, paths = ([files[at][place] for at in order] for place in (0, 1))
        series = _Series(paths, [headers[at].times for at in order], headers[0].about)
        if np.any(series.times[1:] <= series.times[:-1]):
            return None
        return _opened(series, headers[order[0]], names, [headers[at] for at in order], source)
    except (UserError, OSError, RuntimeError, ValueError, TypeError):
        return None


def _opened(
    series: "_Series", first: _Header, names: list[str], headers: list[_Header], source: Files
) -> Together | None:
    where = f"{names[0]} ... {names[-1]}"
    dataset = conformed(series.dataset(first.time), where, source)
    if dataset.sizes.get("time") != series.times.size:
        return None
    starts = [*series.starts.tolist(), series.times.size]
    ends = [(start, stop - 1) for start, stop in pairwise(starts)]
    for name, (start, last) in zip(names, ends, strict=True):
        check_times(dataset[["time"]].isel(time=slice(start, last + 1)), name)
    if source.select is not None:
        dataset = source.select.apply(dataset)
    step = times_of_a_block(dataset)
    blocks = [
        min(step, last + 1 - at) for start, last in ends for at in range(start, last + 1, step)
    ]
    lazy = dataset.chunk({"time": tuple(blocks)}).map(without_default_fill, keep_attrs=True)
    return Together(lazy, names, series.paths, ends, [one.attributes for one in headers])


def _headers(files: Named, kept: Sequence[str], source: Files) -> list[_Header] | None:
    """Return the headers of files, with dates if their units differ; None if anything else does."""
    headers: list[_Header] = []
    for name, path in files:
        if check_format(path, name) != "NetCDF":
            return None
        header = _header(path, kept)
        if header is None or not header.times.size:
            return None
        headers.append(header)
        if header.common != headers[0].common:
            return None
    if len({one.about["units"] for one in headers}) == 1:
        return headers
    if "bounds" in headers[0].about:  # of other units too
        return None
    return [one.dated(name, source) for one, (name, _) in zip(headers, files, strict=True)]


def _header(path: str, kept: Sequence[str]) -> _Header | None:
    """Return the header of a file; None without one axis of times "since" something."""
    import netCDF4

    with netCDF4.Dataset(path) as file:
        file.set_auto_maskandscale(False)
        variables = {
            name: (one, {key: one.getncattr(key) for key in one.ncattrs()})
            for name, one in file.variables.items()
        }
        axes = [n for n, (one, _) in variables.items() if one.dimensions == (n,)]
        since = [n for n in axes if " since " in str(variables[n][1].get("units"))]
        if len(since) != 1:
            return None
        (time,) = since
        about = dict(variables[time][1])
        if "scale_factor" in about or "add_offset" in about:
            return None
        del variables[time][1]["units"]
        common: dict[str, Any] = {"time": time}
        for name, (one, attributes) in variables.items():
            sizes = {d: len(file.dimensions[d]) for d in one.dimensions if d != time}
            values = None
            if time not in one.dimensions and one.size <= LARGEST:
                values = sha256(repr([*one[...]]).encode() if one.dtype is str else one[...])
            spelt = {key: repr(value) for key, value in attributes.items()}
            common[name] = (
                one.dimensions,
                sizes,
                str(one.dtype),
                values and values.digest(),
                spelt,
            )
        own = {name: str(file.getncattr(name)) for name in kept if name in file.ncattrs()}
        return _Header(common, time, about, np.asarray(file[time][...]), own)


class _Series:
    """Files one after the other; each is opened when it is read."""

    def __init__(self, paths: list[str], times: list[NDArray[Any]], about: dict[str, Any]) -> None:
        self.paths = paths
        self.times = np.concatenate(times)
        self.about = about  # the attributes of time: without units if times are dates
        self.starts = np.cumsum([0, *(one.size for one in times[:-1])])
        self._managers: dict[int, CachingFileManager[Any]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_managers": {}}

    def read(self, number: int, name: str, key: tuple[Any, ...]) -> NDArray[Any]:
        """Return values of a file as they are stored; xarray closes files not used for long."""
        import netCDF4

        with NETCDF4_PYTHON_LOCK:  # the library may not even open two files at once
            if number not in self._managers:
                self._managers[number] = CachingFileManager(
                    netCDF4.Dataset, self.paths[number], mode="r", lock=NETCDF4_PYTHON_LOCK
                )
            variable = self._managers[number].acquire(needs_lock=False).variables[name]
            variable.set_auto_maskandscale(False)
            return np.asarray(variable[key])

    def dataset(self, time: str) -> xr.Dataset:
        """Return all files as xarray would open one, its dates not decoded."""
        variables, attributes = NetCDF4DataStore.open(self.paths[0]).load()  # type: ignore[no-untyped-call]
        series = {}
        for name, one in variables.items():
            data: Any = one
            if name == time:
                data = xr.Variable(one.dims, self.times, self.about)
            elif time in one.dims:
                lazy = indexing.LazilyIndexedArray(_Array(self, str(name), one, time))
                data = xr.Variable(one.dims, lazy, one.attrs, one.encoding)
            series[name] = data
        return decoded(xr.Dataset(series, attrs=dict(attributes)), self.paths[0])


class _Array(BackendArray):
    """A variable of all files, as it is stored."""

    def __init__(self, series: _Series, name: str, first: xr.Variable, time: str) -> None:
        self.series = series
        self.name = name
        self.axis = first.dims.index(time)
        self.dtype = first.dtype
        self.shape = tuple(
            series.times.size if at == self.axis else size for at, size in enumerate(first.shape)
        )

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        support = indexing.IndexingSupport.BASIC
        return indexing.explicit_indexing_adapter(key, self.shape, support, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        wanted = np.arange(self.shape[self.axis])[key[self.axis]]
        places = np.atleast_1d(wanted)
        owners = np.searchsorted(self.series.starts, places, side="right") - 1
        pieces = []
        for number in dict.fromkeys(owners.tolist()):
            own = places[owners == number] - self.series.starts[number]
            at = (*key[: self.axis], as_slice(own), *key[self.axis + 1 :])
            pieces.append(self.series.read(number, self.name, at))
        axis = sum(isinstance(one, slice) for one in key[: self.axis])  # the others are gone
        joined = np.concatenate(pieces, axis=axis)
        return joined if wanted.ndim else np.take(joined, 0, axis=axis)
