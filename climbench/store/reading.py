"""How the channels of a store are read step by step: packed, or straight from the store."""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, get_args

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError, nearest
from climbench.store.channels import split_channel
from climbench.store.packed import pack, packed_path
from climbench.store.reader import MEMORY_SHARE, Fields, Method, PackedReader, missing_values

log = logging.getLogger(__name__)


class Reader(Protocol):
    """Steps of some channels, in any order.

    Attributes
    ----------
    method
        ``ram``, ``mmap`` or ``zarr``.
    shape
        ``(time, channel, latitude, longitude)``.
    """

    method: Method
    shape: tuple[int, int, int, int]

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Where a channel has a missing value at a step ``[time, channel]``."""
        ...

    def take(self, steps: NDArray[np.int64], channels: Sequence[int] | None = None) -> Fields:
        """Return ``[..., channel, latitude, longitude]`` at steps ``[...]``."""
        ...


@dataclass(frozen=True)
class Reading:
    """How a machine reads training data; the values are the same in each case.

    Attributes
    ----------
    method
        ``ram`` and ``mmap`` read a packed copy, from memory or from its files; ``zarr`` reads
        the store itself and needs no room for a copy, but is slow. ``auto`` takes ``ram`` where
        the copy is small (256 MB) and so beside the free memory, ``mmap`` elsewhere, and ``zarr``
        where the disk has no room for it.
    memory_share
        How much of the free memory ``auto`` may fill.
    """

    method: Method = "auto"
    memory_share: float = MEMORY_SHARE

    def open(self, ds: xr.Dataset, channels: Sequence[str], cache: Path, key: str) -> Reader:
        """Return a reader of channels over time.

        Parameters
        ----------
        ds
            The store, opened, or a part of it.
        channels
            Names, in the order wanted.
        cache
            Folder of the packed copy.
        key
            Identity of the store's content and part, see :func:`climbench.store.packed.pack`.

        Raises
        ------
        UserError
            If the store lacks a channel, there is no such method, or the disk is full.
        """
        if self.method not in get_args(Method):
            raise UserError(
                f"unknown reader '{self.method}': {nearest(self.method, get_args(Method))}"
            )
        if self.method == "zarr" or (self.method == "auto" and not _room(ds, channels, cache, key)):
            return StoreReader(ds, channels)
        return PackedReader(pack(ds, channels, cache, key), self.method, self.memory_share)


def _room(ds: xr.Dataset, channels: Sequence[str], cache: Path, key: str) -> bool:
    """Tell whether a packed copy is there or has room."""
    if packed_path(channels, cache, key).exists():
        return True
    cache.mkdir(parents=True, exist_ok=True)
    sizes = (ds.sizes["time"], len(channels), ds.sizes["latitude"], ds.sizes["longitude"])
    needed, free = 4 * int(np.prod(sizes)), shutil.disk_usage(cache).free
    if needed > free:
        log.warning(
            "%s has %.1f GB free and a packed copy of the training data takes %.1f GB: they are "
            "read from the store itself, which is slower",
            *(cache, free / 1e9, needed / 1e9),
        )
    return needed <= free


class StoreReader:
    """Steps read from the store itself, for which no packed copy is made; see :class:`Reader`.

    Parameters
    ----------
    ds
        The store, opened lazily, or a part of it; a worker process opens it anew.
    channels
        Names ``variable`` or ``variable_level``; constant ones are repeated in time.
    """

    method: Method = "zarr"

    def __init__(self, ds: xr.Dataset, channels: Sequence[str]) -> None:
        self.ds = ds
        self.sources = [split_channel(self.ds, name) for name in channels]
        grid = self.ds.sizes["latitude"], self.ds.sizes["longitude"]
        self.shape: tuple[int, int, int, int] = (self.ds.sizes["time"], len(channels), *grid)
        log.info("reading the store itself, %s, by zarr", ds.encoding.get("source", ""))

    def take(self, steps: NDArray[np.int64], channels: Sequence[int] | None = None) -> Fields:
        """Return ``[..., channel, latitude, longitude]`` at steps ``[...]``.

        Raises
        ------
        IndexError
            If a step is negative or beyond the last.
        """
        once, back = np.unique(steps.ravel(), return_inverse=True)
        if once.size and (once[0] < 0 or once[-1] >= self.shape[0]):
            raise IndexError(f"steps must lie in 0..{self.shape[0] - 1}")
        wanted = [
            self.sources[at] for at in (range(self.shape[1]) if channels is None else channels)
        ]
        fields = np.empty((once.size, len(wanted), *self.shape[2:]), dtype=np.float32)
        for variable in dict.fromkeys(variable for variable, _ in wanted):
            to = [at for at, (name, _) in enumerate(wanted) if name == variable]
            fields[:, to] = self._variable(variable, once, [wanted[at][1] for at in to])
        return fields[back].reshape(*steps.shape, *fields.shape[1:])

    def _variable(
        self, name: str, steps: NDArray[np.int64], levels: Sequence[float | None]
    ) -> NDArray[Any]:
        """Return a variable ``[step, level, latitude, longitude]``, one step of a constant one."""
        field = self.ds[name].isel(time=steps, missing_dims="ignore")
        field = (
            field.sel(level=list(levels)) if "level" in field.dims else field.expand_dims("level")
        )
        field = field if "time" in field.dims else field.expand_dims("time")
        return np.asarray(field.transpose("time", "level", "latitude", "longitude").values)

    @cached_property
    def missing(self) -> NDArray[np.bool_]:
        """Where a channel has a missing value at a step ``[time, channel]``."""
        return missing_values(self)
