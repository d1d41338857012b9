"""What every kind of source gives: a lazy dataset, and what it was read from."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

from climbench.recipes.schema import Files, Recipe


@dataclass(frozen=True)
class Input:
    """One object that was read.

    Attributes
    ----------
    address
        Its public address, or its path below ``data_root``.
    path
        Where its bytes are: a local path, or an address of fsspec.
    coordinates
        What the recipe says about it, such as its scenario.
    hours
        First and last time that it holds, hours since 1970 of its calendar; None without time.
    record
        What identifies it where there are no bytes to measure.
    unread
        Whether a plan has left it where it is.
    size
        Bytes that its archive says it has, of what is unread.
    about
        What it says of itself that identifies it, such as a tracking id of CMIP.
    variables
        What its source gives, by the names in the recipe's steps; empty if nobody has looked.
    """

    address: str
    path: str = ""
    coordinates: dict[str, Any] = field(default_factory=dict)
    hours: tuple[float, float] | None = None
    record: dict[str, Any] | None = None
    unread: bool = False
    size: int | None = None
    about: dict[str, str] = field(default_factory=dict)
    variables: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Opened:
    """An open source: lazy fields and the objects behind them.

    ``block`` is the largest piece that is read at once, bytes: what each thread holds.
    """

    dataset: xr.Dataset
    inputs: tuple[Input, ...]
    block: int = 0


@dataclass(frozen=True)
class Surroundings:
    """Where a build takes place.

    Attributes
    ----------
    data_root
        Folder with local copies, if the caller has one.
    downloads
        Folder for copies of remote files.
    states
        Folder for the states from which a simulation continues.
    peek
        Whether to open only the first of several remote files: for a plan, where the recipe's
        dates say how long the time axis will be.
    foresee
        Whether what an archive makes on request, and files whose names say their times, are left
        where they are: for a plan.
    """

    data_root: Path | None
    downloads: Path
    states: Path
    peek: bool = False
    foresee: bool = False


def largest_block(dataset: xr.Dataset) -> int:
    """Return the size of the largest dask block of a source, bytes."""
    arrays = [array.data for array in dataset.data_vars.values() if array.chunks is not None]
    return max((math.prod(one.chunksize) * one.dtype.itemsize for one in arrays), default=0)


Opener = Callable[[Any, Recipe, Surroundings], Opened]

Expander = Callable[[Any, Recipe, Surroundings], list[Files]]
