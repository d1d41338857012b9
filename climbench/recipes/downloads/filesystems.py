"""Objects by FTP, Google and Amazon, and globs of Hugging Face: what fsspec can reach."""

import ftplib
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import fsspec

from climbench.errors import UserError
from climbench.recipes.downloads.credentials import HUB, how_to_log_in, shown, storage_options
from climbench.recipes.downloads.partial import Partial
from climbench.recipes.downloads.retrying import Interrupted, Stopped, persistently
from climbench.recipes.downloads.traffic import count

BLOCK = 2**24  # bytes of one request
EXTRAS = {"gs": "gcs", "gcs": "gcs", "s3": "s3", "http": "http", "https": "http", "hf": "hub"}
MARKS = ("ETag", "etag", "md5Hash", "blob_id", "modify", "LastModified", "mtime", "created")


def find(pattern: str) -> list[str]:
    """Return the addresses of the objects that a remote glob matches, in order.

    Raises
    ------
    UserError
        If the address cannot be reached, or nothing matches.
    """

    def attempt() -> list[str]:
        with _reaching(pattern) as (filesystem, path):
            return [filesystem.unstrip_protocol(name) for name in sorted(filesystem.glob(path))]

    try:
        found = persistently(attempt, shown(pattern))
    except Interrupted as error:
        raise UserError(f"{shown(pattern)} cannot be reached: {error.reason}.") from error
    if not found:
        raise UserError(f"no object matches {shown(pattern)}.")
    return found


def transfer(address: str, partial: Partial, stop: Event) -> None:
    """Fetch what is missing of an object, block by block.

    Parameters
    ----------
    address
        Of any scheme that fsspec knows.
    partial
        What is there; begun anew if the object has another size or mark by now.
    stop
        Ends the transfer when set.

    Raises
    ------
    Interrupted
        If another try may bring the rest.
    UserError
        If there is no such object, or it needs a login.
    """
    with _reaching(address) as (filesystem, path):
        origin = _origin(address, filesystem, path)
    here = partial.origin
    same = here == origin and origin["mark"] is not None
    if not (same or (partial.checked and here.get("size") == origin["size"])):
        partial.begin(origin)
    partial.extend(_pieces(address, partial.size, origin["size"], stop))
    if partial.size < origin["size"]:
        raise Interrupted(f"only {partial.size} of {origin['size']} bytes came")
    with _reaching(address) as (filesystem, path):
        filesystem.invalidate_cache()
        if _origin(address, filesystem, path) != origin:
            partial.remove()
            raise Interrupted("the object has changed while it was fetched")


def _origin(address: str, filesystem: Any, path: str) -> dict[str, Any]:
    about = filesystem.info(path)
    if about.get("type") == "directory":
        raise UserError(f"{shown(address)} is a folder: name the files in it, such as */*.nc.")
    mark = next((str(about[one]) for one in MARKS if about.get(one) is not None), None)
    return {"address": shown(address), "size": int(about["size"]), "mark": mark}


def _pieces(address: str, start: int, size: int, stop: Event) -> Iterator[bytes]:
    with _reaching(address) as (filesystem, path):
        stream = (
            _ftp_stream if isinstance(getattr(filesystem, "ftp", None), ftplib.FTP) else _blocks
        )
        for piece in stream(filesystem, path, start, size):
            count(bytes=len(piece))
            yield piece
            if stop.is_set():  # what has come is kept
                raise Stopped


def _blocks(filesystem: Any, path: str, start: int, size: int) -> Iterator[bytes]:
    for first in range(start, size, BLOCK):
        piece = filesystem.cat_file(path, start=first, end=min(first + BLOCK, size))
        yield piece
        if len(piece) < min(BLOCK, size - first):
            break


def _ftp_stream(filesystem: Any, path: str, start: int, size: int) -> Iterator[bytes]:
    """One command for all that is missing: stopping an FTP server midway costs a connection."""
    filesystem.ftp.voidcmd("TYPE I")
    with filesystem.ftp.transfercmd(f"RETR {path}", rest=start or None) as connection:
        while start < size and (piece := connection.recv(2**16)):
            start += len(piece)
            yield piece


@contextmanager
def _reaching(address: str) -> Iterator[tuple[Any, str]]:
    """Give the filesystem and the path of an address; turn failures into sentences or retries."""
    scheme = address.partition("://")[0]
    options = storage_options(address)
    if scheme == "ftp":  # a connection that broke is not mended, and none is shared
        options["skip_instance_cache"] = True
    try:
        yield fsspec.core.url_to_fs(address, **options)
    except ImportError as error:
        extra = EXTRAS.get(scheme, "http")
        raise UserError(f"{shown(address)} needs `pip install climbench[{extra}]`.") from error
    except FileNotFoundError as error:
        raise UserError(f"{shown(address)} does not exist.") from error
    except (PermissionError, ftplib.error_perm) as error:
        raise UserError(
            f"{shown(address)} is not open to everybody ({_reason(error)}): put the credentials of "
            "its owner into the environment or ~/.netrc."
        ) from error
    except (UserError, Interrupted, Stopped):
        raise
    except Exception as error:  # every protocol has exceptions of its own
        if isinstance(error, ValueError) and scheme not in fsspec.available_protocols():
            raise UserError(f"{shown(address)} cannot be reached: {_reason(error)}.") from error
        answer = getattr(error, "response", None)  # of the hub
        if getattr(answer, "status_code", None) in (401, 403):
            raise UserError(
                f"{shown(address)} is not open to you: {how_to_log_in(HUB)}."
            ) from error
        raise Interrupted(_reason(error)) from error


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return shown(lines[0].rstrip(".")) if lines else type(error).__name__
