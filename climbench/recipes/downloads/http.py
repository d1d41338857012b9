"""Files by HTTP: the rest of what is there already, or all of it."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from importlib.metadata import version
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from climbench.errors import UserError
from climbench.recipes.downloads.credentials import Session, how_to_log_in, shown
from climbench.recipes.downloads.partial import Partial
from climbench.recipes.downloads.retrying import Interrupted, Stopped
from climbench.recipes.downloads.traffic import count

PIECE = 2**16  # bytes; what a dropped connection can lose of what has come
TIMEOUT = (30, 60)  # seconds until a connection, and between two bytes
LATER = {408, 425, 429, *range(500, 600)} - {501, 505}
PAGES = ("text/html", "application/xhtml")

_own = threading.local()


def transfer(address: str, partial: Partial, stop: Event) -> None:
    """Ask once for what is missing of a file, and append what comes.

    Parameters
    ----------
    address
        Of scheme http or https.
    partial
        What is there; begun anew if the server has another content by now, or no ranges.
    stop
        Ends the transfer when set.

    Raises
    ------
    Interrupted
        If less came than the server has, or it is busy.
    UserError
        If the server refuses, or gives something else than a file.
    """
    start, headers = _missing(address, partial)
    with _asking(address, headers) as response:
        _check_status(address, response, partial)
        _refuse_page(address, response)
        if not (start and _continues(response, start, partial)):
            partial.begin(_origin(address, response))
        partial.extend(_pieces(response, stop))
        size = partial.origin.get("size")
        if size is not None and partial.size > size:
            partial.remove()
            raise Interrupted("more came than the server had announced")
        if size is not None and partial.size < size:
            raise Interrupted(f"only {partial.size} of {size} bytes came")


def _missing(address: str, partial: Partial) -> tuple[int, dict[str, str]]:
    """Return the first byte to ask for, and the headers that ask for it.

    Without a mark of the content or a published checksum, nobody would notice if the rest were
    that of another file: such a file is fetched from its first byte.
    """
    headers = {"Accept-Encoding": "identity", "User-Agent": f"climbench/{version('climbench')}"}
    origin = partial.origin
    same = origin.get("address") == shown(address)
    etag = str(origin.get("etag") or "")
    mark = etag if etag and not etag.startswith("W/") else origin.get("modified")
    if not partial.size or not (partial.checked or (same and mark)):
        return 0, headers
    headers["Range"] = f"bytes={partial.size}-"
    if same and mark:
        headers["If-Range"] = str(mark)
    return partial.size, headers


@contextmanager
def _asking(address: str, headers: dict[str, str]) -> Iterator[requests.Response]:
    """Give the answer of a server; turn failures on the way into what can be said or repeated."""
    if not hasattr(_own, "session"):
        _own.session = Session()  # one per thread: connections and cookies are kept
    session: Session = _own.session
    try:
        with session.get(address, headers=headers, stream=True, timeout=TIMEOUT) as response:
            yield response
    except requests.TooManyRedirects as error:
        raise UserError(f"{shown(address)} leads round in circles: correct the address.") from error
    except (RequestException, HTTPError) as error:
        if isinstance(error, ValueError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise UserError(f"{shown(address)} cannot be reached: {_reason(error)}.") from None
        raise Interrupted(_reason(error)) from None


def _check_status(address: str, response: requests.Response, partial: Partial) -> None:
    code = response.status_code
    host = urlsplit(response.url).hostname
    if code in (200, 206):
        return
    if code == 416:  # the file has become shorter than what is here
        partial.remove()
        raise Interrupted("the file has changed")
    if code in LATER:
        raise Interrupted(f"{host} answers {code} {response.reason}", _retry_after(response))
    if code in (404, 410):
        raise UserError(f"{shown(address)} does not exist: {host} answers {code}.")
    if code in (401, 403, 407):
        raise UserError(
            f"{shown(address)} needs a login at {host}, which answers {code}: "
            f"{how_to_log_in(str(host))}."
        )
    known = {one.value for one in HTTPStatus}
    words = HTTPStatus(code).phrase if code in known else "nothing known"
    raise UserError(f"{shown(address)} cannot be fetched: {host} answers {code} ({words}).")


def _refuse_page(address: str, response: requests.Response) -> None:
    """Refuse the page for people that archives give to those without a login, with code 200."""
    kind = response.headers.get("Content-Type", "").lower()
    if kind.startswith(PAGES) and not urlsplit(address).path.lower().endswith((".html", ".htm")):
        host = urlsplit(response.url).hostname
        raise UserError(
            f"{shown(address)} gives a web page of {host}, not the file: open it in a browser; if "
            f"it is a login, {how_to_log_in(str(host))}."
        )


def _continues(response: requests.Response, start: int, partial: Partial) -> bool:
    """Tell whether an answer is the rest of what is there; without ranges it is all of it."""
    if response.status_code != 206:
        return False
    content = re.match(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    origin = partial.origin
    new = response.headers.get("ETag")
    changed = not partial.checked and bool(new and origin.get("etag") not in (None, new))
    right = (
        content is not None
        and int(content[1]) == start
        and content[2] in ("*", str(origin.get("size")))
    )
    if not right or changed:
        partial.remove()
        raise Interrupted("the file has changed")
    return True


def _origin(address: str, response: requests.Response) -> dict[str, Any]:
    headers = response.headers
    length = headers.get("Content-Length", "")
    encoded = headers.get("Content-Encoding", "identity") != "identity"
    return {
        "address": shown(address),
        "size": int(length) if length.isdigit() and not encoded else None,
        "etag": headers.get("ETag"),
        "modified": headers.get("Last-Modified"),
    }


def _pieces(response: requests.Response, stop: Event) -> Iterator[bytes]:
    # not asked for, but some servers compress on the fly; a name.gz is compressed by itself
    decode = not urlsplit(response.url).path.lower().endswith((".gz", ".tgz", ".z"))
    for piece in response.raw.stream(PIECE, decode_content=decode):
        count(bytes=len(piece))
        yield piece
        if stop.is_set():  # what has come is kept
            raise Stopped


def _retry_after(response: requests.Response) -> float:
    """Return the seconds that a server asks to wait: a number, or a date to wait for."""
    text = response.headers.get("Retry-After", "")
    if text.strip().isdigit():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _reason(error: Exception) -> str:
    """Return the innermost words of an error, without addresses' secrets."""
    deeper: Any = error
    while isinstance(deeper, Exception):
        error = deeper
        deeper = getattr(error, "reason", None) or (error.args[-1] if error.args else None)
    words = re.sub(r"^.*?object at 0x\w+>: |^\w+\(.*?\): ", "", str(error)).strip().rstrip(".")
    return shown(words) or type(error).__name__
