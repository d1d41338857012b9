"""Predictions, truth and climatology as evaluation sees them: named dimensions on one grid."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.store import is_store, open_store

ALIASES = {
    "lat": "latitude",
    "lon": "longitude",
    "init_time": "time",
    "lead_time": "prediction_timedelta",
    "prediction_time": "prediction_timedelta",
}
SMALL_FILE = 65536  # bytes; larger files of a Zarr store count by name and size
GRID_TOLERANCE = 1e-3  # degrees


@dataclass(frozen=True)
class Source:
    """A dataset, how it is called in messages, and the order that puts its cells in place.

    Attributes
    ----------
    dataset
        The variables, with climbench's names of dimensions.
    label
        Role and address, for messages.
    latitude, longitude
        Cell centres, ascending, longitude in [0, 360).
    rows, columns
        Positions in the dataset of ``latitude`` and ``longitude``.
    """

    dataset: xr.Dataset
    label: str
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]

    def read(
        self, variable: str, dims: Sequence[str], where: dict[str, NDArray[np.int64]]
    ) -> NDArray[Any]:
        """Read one variable.

        Parameters
        ----------
        variable
            Its name.
        dims
            Leading dimensions; those that the variable lacks get length 1.
        where
            Positions to read along some of the dimensions.

        Returns
        -------
        numpy.ndarray
            Values ``[*dims, latitude, longitude]`` in the variable's unit; a view where nothing
            has to move.

        Raises
        ------
        UserError
            If the variable has a dimension that is not expected.
        """
        array = self.dataset[variable].variable
        order = [*(dim for dim in dims if dim in array.dims), "latitude", "longitude"]
        if extra := set(array.dims) - set(order):
            raise UserError(
                f"{self.label}: the variable '{variable}' has the dimension "
                f"'{min(map(str, extra))}', which scores do not know: select or average over it."
            )
        selection = {dim: as_slice(index) for dim, index in where.items() if dim in array.dims}
        values = array.isel(selection).transpose(*order).values
        values = values[..., as_slice(self.rows), :][..., as_slice(self.columns)]
        shape = iter(values.shape)
        return values.reshape([next(shape) if d in array.dims else 1 for d in dims] + list(shape))


def as_slice(index: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """Return evenly stepping positions as a slice, which reads faster and copies nothing.

    Examples
    --------
    >>> as_slice(np.array([2, 3, 4])), as_slice(np.array([2, 1, 0]))
    (slice(2, 5, 1), slice(2, None, -1))
    """
    if index.size < 2:
        return slice(int(index[0]), int(index[0]) + 1, 1) if index.size else slice(0, 0)
    step = int(index[1] - index[0])
    if step == 0 or np.any(np.diff(index) != step):
        return index
    stop = int(index[-1]) + (1 if step > 0 else -1)
    return slice(int(index[0]), stop if stop >= 0 else None, step)


def open_source(data: xr.Dataset | Path | str, role: str) -> Source:
    """Open a dataset and find the order of its cells.

    Parameters
    ----------
    data
        A dataset, or the address of a Zarr group or netCDF file.
    role
        What it is (``predictions``, ``truth``, ``climatology``), for messages.

    Raises
    ------
    UserError
        If it cannot be opened, or has no latitude and longitude.
    """
    label = role if isinstance(data, xr.Dataset) else f"{role} {data}"
    dataset = data if isinstance(data, xr.Dataset) else _open(data, label)
    names = {*dataset.dims, *dataset.coords}
    dataset = dataset.rename(
        {old: new for old, new in ALIASES.items() if old in names and new not in names}
    )
    for name in ("latitude", "longitude"):
        if name not in dataset.coords or dataset[name].dims != (name,):
            raise UserError(
                f"{label} has no one-dimensional coordinate '{name}': scores need fields on a "
                "latitude-longitude grid."
            )
    latitude = np.asarray(dataset["latitude"], dtype=np.float64)
    longitude = np.mod(np.round(np.asarray(dataset["longitude"], dtype=np.float64), 6), 360.0)
    rows, columns = np.argsort(latitude), np.argsort(longitude)
    for name, values in (("latitude", latitude[rows]), ("longitude", longitude[columns])):
        if np.any(np.diff(values) <= 0) or not np.all(np.isfinite(values)):
            raise UserError(f"{label}: the coordinate '{name}' has repeated or missing values.")
    return Source(dataset, label, latitude[rows], longitude[columns], rows, columns)


def _member_mean(store: xr.Dataset) -> xr.Dataset:
    """Return a climate store with the mean of its members: what emulators are scored on."""
    return store.mean("member", keep_attrs=True) if "member" in store.dims else store


def _open(address: Path | str, label: str) -> xr.Dataset:
    path = Path(address)
    remote = "://" in str(address)
    if not remote and not path.exists():
        raise UserError(f"{label} does not exist: check the path.")
    is_file = path.is_file() and not remote
    try:
        if is_file:
            return xr.open_dataset(path, engine="netcdf4", decode_timedelta=True)
        if is_store(address):
            return _member_mean(open_store(address))
        # Local metadata are quick to read one by one, and many stores have no consolidated ones.
        consolidated = None if remote else False
        return xr.open_dataset(
            str(address), engine="zarr", consolidated=consolidated, decode_timedelta=True
        )
    except (OSError, ValueError, KeyError) as error:
        kind = "netCDF file" if is_file else "Zarr group"
        reason = str(error).strip().split("\n")[0]
        raise UserError(f"{label} cannot be read as a {kind}: {reason}") from error


def check_same_grid(first: Source, second: Source) -> None:
    """Refuse two sources whose cells differ.

    Raises
    ------
    UserError
        With both grids.
    """
    same = all(
        one.shape == other.shape and np.allclose(one, other, atol=GRID_TOLERANCE)
        for one, other in (
            (first.latitude, second.latitude),
            (first.longitude, second.longitude),
        )
    )
    if not same:
        raise UserError(
            f"The grids differ: {first.label} has {_describe(first)}, {second.label} has "
            f"{_describe(second)}; regrid one of them."
        )


def _describe(source: Source) -> str:
    north, east = source.latitude, source.longitude
    return (
        f"{north.size} x {east.size} cells (latitude {north[0]:g} to {north[-1]:g}, "
        f"longitude {east[0]:g} to {east[-1]:g})"
    )


def content_hash(data: xr.Dataset | Path | str | None) -> str:
    """Return an identity of what was scored.

    Parameters
    ----------
    data
        A dataset or an address.

    Returns
    -------
    str
        A local file: SHA-256 of its bytes. A local Zarr group: SHA-256 over name and size of each
        file and the bytes of small ones (all metadata). A dataset or remote address: the hash
        that its attributes carry. Empty where there is none.
    """
    if data is None:
        return ""
    if isinstance(data, xr.Dataset):
        return str(data.attrs.get("store_hash") or data.attrs.get("recipe_hash") or "")
    if "://" in str(data):
        return content_hash(_open(data, str(data)))
    path = Path(data)
    digest = hashlib.sha256()
    if path.is_file():
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()
    for file_path in sorted(p for p in path.rglob("*") if p.is_file()):
        size = file_path.stat().st_size
        digest.update(f"{file_path.relative_to(path).as_posix()} {size}\n".encode())
        if size <= SMALL_FILE:
            digest.update(file_path.read_bytes())
    return digest.hexdigest()
