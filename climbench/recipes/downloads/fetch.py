"""Fetching files: each once, whole and checked, several at a time."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from dask.utils import format_bytes

from climbench.errors import UserError
from climbench.progress import BAR_SECONDS, Meter
from climbench.recipes.downloads import cds, filesystems, http, hub
from climbench.recipes.downloads.cache import evict, locked, mark_used, place
from climbench.recipes.downloads.checksums import matches
from climbench.recipes.downloads.credentials import check_address, shown
from climbench.recipes.downloads.partial import Partial
from climbench.recipes.downloads.retrying import TRIES, Interrupted, persistently
from climbench.recipes.downloads.traffic import count, counting

AT_ONCE = 4  # files; more than that, public archives take for an attack
TRIES_OF_MANY = 2  # of one address before the next is asked

Transfer = Callable[[str, Partial, Event], None]

TRANSFERS: dict[str, Transfer] = {
    "http": http.transfer,
    "https": http.transfer,
    "cds": cds.transfer,
    "hf": hub.transfer,
}
"""How to ask once for the missing bytes of a file, by scheme; by default, fsspec's way."""


@dataclass(frozen=True)
class Wanted:
    """A file to fetch.

    Attributes
    ----------
    address
        Where it is; a local path or a Zarr store is read in place.
    mirrors
        Where the same file is as well, tried in this order.
    checksum
        Published checksum, ``sha256:...`` or ``md5:...``.
    """

    address: str
    mirrors: tuple[str, ...] = ()
    checksum: str | None = None

    @property
    def in_place(self) -> bool:
        """Whether it is read where it is."""
        return "://" not in self.address or is_zarr(self.address)


def is_zarr(address: str) -> bool:
    """Tell whether an address names a Zarr store, by its ending or as a folder.

    Examples
    --------
    >>> is_zarr("gs://cmip6/tas/"), is_zarr("gs://era5/a.zarr-v3"), is_zarr("a.zarr.zip")
    (True, True, False)
    """
    return re.search(r"(\.zarr(-v\d+)?|/)$", address) is not None


def fetch(
    address: str, folder: Path, *, mirrors: Iterable[str] = (), checksum: str | None = None
) -> str:
    """Return where a file can be opened: fetched if it is not there yet.

    Parameters
    ----------
    address, mirrors, checksum
        See :class:`Wanted`.
    folder
        Cache of downloads.

    Raises
    ------
    UserError
        If no address gives the file as it was published.
    """
    return fetch_all([Wanted(address, tuple(mirrors), checksum)], folder)[0]


def fetch_all(wanted: Sequence[Wanted], folder: Path, at_once: int = AT_ONCE) -> list[str]:
    """Return where each file can be opened, in the same order.

    Parameters
    ----------
    wanted
        Files.
    folder
        Cache of downloads.
    at_once
        Files on their way at the same time.

    Raises
    ------
    UserError
        If one of them cannot be had; the others stop, what has come of them is kept.
    """
    stop = Event()
    with ThreadPoolExecutor(max(1, min(at_once, len(wanted)))) as pool:
        running = [pool.submit(_fetched, one, folder, stop) for one in wanted]
        try:
            _watch(running, wanted, folder)
            return [one.result() for one in running]
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _watch(running: Sequence[Future[str]], wanted: Sequence[Wanted], folder: Path) -> None:
    """Show how much has come until all is there, or raise what went wrong."""
    waiting = set(running)
    with counting() as traffic, Meter("download", len(running)) as meter:
        while waiting:
            finished, waiting = wait(waiting, BAR_SECONDS, FIRST_EXCEPTION)
            for one in finished:
                one.result()
            under_way = [w for w, one in zip(wanted, running, strict=True) if one.running()]
            shares = sum(_partial(one, place(one.address, folder)).share for one in under_way)
            come = len(running) - len(waiting) + shares
            meter.advance(max(0.0, come - meter.done), lambda: format_bytes(traffic.bytes))


def _partial(wanted: Wanted, path: Path) -> Partial:
    return Partial(path.with_name(f"{path.name}.part"), wanted.checksum is not None)


def _fetched(wanted: Wanted, folder: Path, stop: Event) -> str:
    if wanted.in_place:
        path = Path(wanted.address)
        if path.is_file() and not matches(path, wanted.checksum):
            raise UserError(_refusal(wanted.address, wanted.checksum))
        return wanted.address
    path = place(wanted.address, folder)
    with locked(path, stop):
        if path.exists() and not matches(path, wanted.checksum):
            path.unlink()  # it came before its checksum was known, or was harmed since
        if not path.exists():
            _download(wanted, path, stop)
            count(files=1)
        mark_used(path)
    evict(folder)
    return str(path)


def _download(wanted: Wanted, path: Path, stop: Event) -> None:
    """Fetch a file from the first of its addresses that has it.

    Where there are mirrors, nobody waits long for one of them before all have been asked.
    """
    partial = _partial(wanted, path)
    addresses = [wanted.address, *wanted.mirrors]
    requests = Counter[str]()
    failures: dict[str, str] = {}
    for tries in (TRIES_OF_MANY, TRIES) if wanted.mirrors else (TRIES,):
        for address in list(addresses):
            try:
                _complete(address, partial, wanted.checksum, stop, requests, tries)
                partial.finish(path)
                return
            except Interrupted as error:
                failures[address] = f"{shown(address)} cannot be fetched: {error.reason}"
            except UserError as error:
                failures[address] = str(error).rstrip(".")
                addresses.remove(address)
    every = "; ".join(failures.values())
    later = "; the same command continues" if addresses else ""
    raise UserError(f"{every}{later}.")


def _complete(
    address: str,
    partial: Partial,
    checksum: str | None,
    stop: Event,
    requests: Counter[str],
    tries: int,
) -> None:
    """Fetch a file from one address until it is whole and has its checksum."""
    transfer = TRANSFERS.get(address.partition("://")[0], filesystems.transfer)

    def attempt() -> None:
        count(requests=1, repeated=int(requests.total() > 0))
        requests[address] += 1
        transfer(address, partial, stop)

    check_address(address)
    for _ in range(2):  # pieces of two contents, or a bit that fell over: once more from the start
        here = partial.origin.get("address") == shown(address)
        if not (partial.complete and (here or partial.checked)):
            persistently(attempt, shown(address), stop, lambda: partial.size, tries)
        if matches(partial.path, checksum):
            return
        partial.remove()
    raise UserError(_refusal(address, checksum))


def _refusal(address: str, checksum: str | None) -> str:
    kind = (checksum or "").partition(":")[0].upper()
    return f"{shown(address)} is not the published file: its {kind} differs; fetch it again."
