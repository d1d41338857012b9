"""Predictions, truth and climatology as evaluation sees them: named dimensions on one grid."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.evaluation.axes import with_known_axes
from climbench.evaluation.slab import Slab, is_identity, is_plain
from climbench.metrics.fields import Index, Layout
from climbench.recipes.sources.remote_zarr import open_remote_zarr, remote_record
from climbench.store import is_repository, is_store, open_store, store_hash, store_identity
from climbench.store.positions import as_slice
from climbench.store.stations import ALONE, STATION, as_one_row

SMALL_FILE = 65536  # bytes; larger files of a Zarr store count by name and size
GRID_TOLERANCE = 1e-3  # degrees
ALONG_ONE_PLACE = {
    "time",
    "prediction_timedelta",
    "member",
    "level",
    "dayofyear",
    "hour",
    "quantile",
}


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

    @property
    def layout(self) -> Layout:
        """The cells in the order in which the dataset has them."""
        last = [] if self.of_stations else [str(dim) for dim in self._field_dims()[-2:]]
        return Layout(
            np.asarray(self.dataset["latitude"], dtype=np.float64),
            np.mod(np.asarray(self.dataset["longitude"], dtype=np.float64), 360.0),
            longitude_first=last == ["longitude", "latitude"],
        )

    @property
    def of_stations(self) -> bool:
        """Whether the cells are stations, in one row."""
        return STATION in self.dataset.coords

    @property
    def horizontal(self) -> set[str]:
        """The dimensions that fields have over the cells: one of stations, none of one place."""
        if not self.of_stations:
            return {"latitude", "longitude"}
        return set() if self.dataset[STATION].values[0] == ALONE else {"longitude"}

    def _field_dims(self) -> tuple[Any, ...]:
        for array in self.dataset.data_vars.values():
            if self.horizontal <= set(array.dims):
                return array.dims
        raise UserError(f"{self.label} has no variable along latitude and longitude.")

    def read(self, variable: str, layout: Layout, where: Mapping[str, Index]) -> Slab:
        """Read one variable.

        Parameters
        ----------
        variable
            Its name.
        layout
            The order in which cells are wanted.
        where
            Which positions to read along some of the dimensions. A variable in memory, in the
            order that is wanted, is taken whole: nothing is copied.
        """
        array, label = self.dataset[variable].variable, f"{self.label}: the variable '{variable}'"
        leading = [str(dim) for dim in array.dims if dim not in ("latitude", "longitude")]
        horizontal = ["latitude", "longitude"]
        if layout.longitude_first:
            horizontal.reverse()
        order = [*leading, *horizontal]
        rows, columns = self._places(layout)
        if isinstance(array._data, np.ndarray) and list(array.dims) == order:
            in_place = is_identity(rows) and is_identity(columns) and is_plain(array.values)
            if in_place:
                sizes = {dim: array.sizes[dim] for dim in leading}
                return Slab(label, array.values.reshape(-1, layout.size), sizes, {})
        loaded = {dim: index for dim, index in where.items() if dim in leading}
        selection = {dim: as_slice(index) for dim, index in loaded.items()}
        try:
            part = array.isel(selection)
            values = part.transpose(*(dim for dim in order if dim in part.dims)).values
            values = np.expand_dims(
                values, [at for at, d in enumerate(order) if d not in part.dims]
            )
        except (OSError, RuntimeError) as error:
            reason = str(error).strip().split("\n")[0]
            raise UserError(f"{label} cannot be read, a part of it is damaged: {reason}") from error
        values = values[..., as_slice(columns if horizontal[1] == "longitude" else rows)]
        values = values[..., as_slice(rows if horizontal[0] == "latitude" else columns), :]
        values = np.ascontiguousarray(values)
        sizes = dict(zip(leading, values.shape, strict=False))
        return Slab(label, values.reshape(-1, layout.size), sizes, loaded)

    def _places(self, layout: Layout) -> tuple[Index, Index]:
        """Return the positions of a layout's rows and columns in this dataset."""
        rows = self.rows[np.argsort(np.argsort(layout.latitude))]
        columns = self.columns[np.argsort(np.argsort(np.round(layout.longitude, 6) % 360.0))]
        return rows, columns


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
    dataset = data if isinstance(data, xr.Dataset) else open_data(data, label)
    dataset = with_known_axes(dataset, label)
    if not {"latitude", "longitude"} & set(dataset.dims):
        dataset = _stations(dataset, label)
    for name in ("latitude", "longitude"):
        if name not in dataset.coords or dataset[name].dims != (name,):
            raise UserError(
                f"{label} has no one-dimensional coordinate '{name}': scores need fields on a "
                "latitude-longitude grid."
            )
    latitude = np.asarray(dataset["latitude"], dtype=np.float64)
    longitude = np.mod(np.round(np.asarray(dataset["longitude"], dtype=np.float64), 6), 360.0)
    rows, columns = np.argsort(latitude), np.argsort(longitude)
    if np.any(np.abs(latitude) > 90.0 + 1e-6):
        farthest = latitude[np.argmax(np.abs(latitude))]
        raise UserError(f"{label}: the latitude {farthest:g} lies beyond the poles: correct it.")
    for name, values in (("latitude", latitude[rows]), ("longitude", longitude[columns])):
        if np.any(np.diff(values) <= 0) or not np.all(np.isfinite(values)):
            raise UserError(f"{label}: the coordinate '{name}' has repeated or missing values.")
    return Source(dataset, label, latitude[rows], longitude[columns], rows, columns)


def _stations(dataset: xr.Dataset, label: str) -> xr.Dataset:
    """Return stations as a row of cells of one size, in the order of their names.

    Raises
    ------
    UserError
        If a station stands there twice.
    """
    if STATION not in dataset.dims and not set(dataset.dims) <= ALONG_ONE_PLACE:
        return dataset
    if STATION in dataset.dims:
        if STATION not in dataset.coords:
            raise UserError(f"{label} has no coordinate 'station' that names its stations.")
        dataset = dataset.sortby(STATION)
    row = as_one_row(dataset)
    names = row[STATION].values
    if np.unique(names).size < names.size:
        again = next(name for name in names if np.count_nonzero(names == name) > 1)
        raise UserError(f"{label}: the station '{again}' stands there more than once.")
    return row.assign_coords(longitude=360.0 / names.size * np.arange(names.size))


def open_data(address: Path | str, label: str) -> xr.Dataset:
    """Open a Zarr group, a netCDF file or a folder of netCDF files, lazily.

    Raises
    ------
    UserError
        If there is none, or it cannot be read.
    """
    path = Path(address)
    remote = "://" in str(address)
    if not remote and not path.exists():
        raise UserError(f"{label} does not exist: check the path.")
    files = sorted(path.glob("*.nc")) if path.is_dir() and not remote else []
    is_group = remote or any((path / name).exists() for name in ("zarr.json", ".zgroup"))
    try:
        if path.is_file() and not remote:
            return xr.open_dataset(path, engine="netcdf4", decode_timedelta=False)
        if files and not is_group:
            return _open_folder(files, label)
        if is_store(address):
            store = open_store(address)  # refuses what is damaged
            if is_repository(address):
                return store
        # Local metadata are quick to read one by one, and many stores have no consolidated ones.
        return _unmasked(str(address), consolidated=None if remote else False)
    except (OSError, ValueError, KeyError) as error:
        kind = "netCDF file" if path.is_file() else "folder of netCDF files" if files else "Zarr"
        kind = "Zarr group" if kind == "Zarr" else kind
        reason = str(error).strip().split("\n")[0]
        raise UserError(f"{label} cannot be read as a {kind}: {reason}") from error


def _open_folder(files: Sequence[Path], label: str) -> xr.Dataset:
    """Open netCDF files as one dataset: parts of a dimension, or one start or lead each.

    Raises
    ------
    UserError
        If a variable has another unit in one of them, or they do not fit together.
    """
    units: dict[str, tuple[str, str]] = {}

    def prepared(part: xr.Dataset) -> xr.Dataset:
        file = Path(part.encoding.get("source", "")).name
        for name, array in part.data_vars.items():
            unit = str(array.attrs.get("units", ""))
            known, first = units.setdefault(str(name), (unit, file))
            if known != unit:
                raise UserError(
                    f"{label}: '{name}' is in '{known}' in {first} and in '{unit}' in {file}: "
                    "convert one of them."
                )
        part = with_known_axes(part, f"{label}, {file}")
        return part.sortby([dim for dim in ("level", "latitude") if dim in part.indexes])

    try:
        return xr.open_mfdataset(
            files, engine="netcdf4", decode_timedelta=False, preprocess=prepared
        )
    except (ValueError, TypeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise UserError(f"The files of {label} do not fit together: {reason}") from error


def _fastest_decoder(address: str) -> AbstractContextManager[Any]:
    """Let the arrays of a local store be decoded by zarrs where it is installed (extra ``fast``).

    It reads and decompresses twice as fast as zarr-python alone, see ``benchmarks/evaluation``.
    """
    if "://" in address or find_spec("zarrs") is None:
        return nullcontext()
    import zarrs  # noqa: F401  registers itself

    decoder: AbstractContextManager[Any] = zarr.config.set(
        {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}
    )
    return decoder


def _unmasked(address: str, **options: Any) -> xr.Dataset:
    """Open a Zarr group; what needs no decoding is not decoded, which saves passes over it.

    xarray looks for the fill value in each block, though NaN is missing already.
    """
    options |= {"chunks": None, "decode_timedelta": False}
    if "://" in address:
        opening = partial(open_remote_zarr, address, cache=True, decode_times=True, **options)
    else:
        opening = partial(xr.open_dataset, address, engine="zarr", **options)
    with _fastest_decoder(address):
        decoded, raw = opening(), opening(mask_and_scale=False)
    plain = {
        name: raw[name].variable
        for name in decoded.data_vars
        if raw[name].dtype.kind == "f"
        and not {"scale_factor", "add_offset", "missing_value"} & raw[name].attrs.keys()
        and np.isnan(raw[name].attrs.get("_FillValue", np.nan))
    }
    return decoded.assign(plain)


def check_same_grid(first: Source, second: Source) -> None:
    """Refuse two sources whose cells differ.

    Raises
    ------
    UserError
        With both grids.
    """
    for one, other in ((first, second), (second, first)):
        if one.of_stations:
            _check_same_stations(one, other)
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


def _check_same_stations(one: Source, other: Source) -> None:
    if not other.of_stations:
        raise UserError(
            f"{one.label} is of stations and {other.label} has maps: bring the maps to the "
            "stations first, with `climbench stations`."
        )
    missing = set(one.dataset["station"].values) - set(other.dataset["station"].values)
    if missing:
        raise UserError(
            f"{other.label} lacks the station '{min(missing)}', which {one.label} has: select the "
            "same stations."
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
        A store of climbench, open or not: that of its recipe and sources, wherever it was built, so
        that scores from two machines can be compared. A local file: SHA-256 of its bytes. Another
        local Zarr group: SHA-256 over name and size of each
        file and the bytes of small ones (all metadata). A dataset or remote address: the hash
        that its attributes carry; a remote group without: that of its metadata. Empty where
        there is none.
    """
    if data is None:
        return ""
    if isinstance(data, xr.Dataset):
        known = store_identity(data.attrs) if "recipe_hash" in data.attrs else ""
        return str(data.attrs.get("store_hash", known))
    if "://" in str(data):
        return content_hash(open_data(data, str(data))) or str(remote_record(str(data))["etag"])
    path = Path(data)
    if is_store(path):
        return store_hash(path)
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
