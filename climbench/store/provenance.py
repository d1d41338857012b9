"""Where data come from: identity of source objects and versions of the software."""

import hashlib
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from climbench.errors import UserError

PACKAGES = ("climbench", "dask", "h5netcdf", "netCDF4", "numpy", "scipy", "xarray", "zarr")


def source_record(address: str | Path) -> dict[str, Any]:
    """Return what identifies a source object.

    Parameters
    ----------
    address
        A local file, a local folder (a Zarr store, say), or a remote address of fsspec.

    Returns
    -------
    dict
        ``address``, ``size`` in bytes, and ``sha256``: that of the file, or of the sorted list of
        a folder's files with theirs. A remote object is not read: it has ``etag``, the mark that
        its server changes with the content, in place of ``sha256``.

    Raises
    ------
    UserError
        If there is nothing at the address.
    """
    if "://" in str(address):
        return _remote_record(str(address))
    path = Path(address)
    if path.is_file():
        return {"address": str(address), "size": path.stat().st_size, "sha256": file_sha256(path)}
    if not path.is_dir():
        raise UserError(f"there is no source file at {address}: check the address and data_root")
    files = sorted(file for file in path.rglob("*") if file.is_file())
    lines = [f"{file_sha256(file)}  {file.relative_to(path).as_posix()}\n" for file in files]
    return {
        "address": str(address),
        "size": sum(file.stat().st_size for file in files),
        "sha256": hashlib.sha256("".join(lines).encode()).hexdigest(),
    }


def _remote_record(address: str) -> dict[str, Any]:
    from fsspec.core import url_to_fs

    filesystem, path = url_to_fs(address)
    try:
        information = filesystem.info(path)
        mark = next((information[k] for k in ("ETag", "etag", "md5Hash") if k in information), None)
        return {
            "address": address,
            "size": information.get("size") or filesystem.du(path),
            "etag": str(mark if mark is not None else filesystem.checksum(path)),
        }
    except FileNotFoundError as error:
        raise UserError(f"there is no source at {address}: check the address") from error


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def software_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that shape a store's content."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:  # h5netcdf and the like are not always installed
            continue
    return versions
