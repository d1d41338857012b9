"""Files by HTTP on this machine, as badly as an archive on a bad day, but the same every time."""

import hashlib
import random
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass
class Faults:
    """What goes wrong.

    Attributes
    ----------
    drop
        Share of the requests whose connection is reset, before the answer or within it.
    truncate
        Share of the bodies that end early, with the connection closed in good order.
    burst, length
        Share of the requests that begin a burst of 503, and how many requests it lasts.
    retry_after
        What those say in Retry-After.
    seed
        Of the random numbers.
    """

    drop: float = 0.0
    truncate: float = 0.0
    burst: float = 0.0
    length: int = 5
    retry_after: str | None = None
    seed: int = 0


@dataclass(frozen=True)
class Request:
    """One request, as the server saw it: its path, headers, and the status of the answer."""

    path: str
    headers: dict[str, str]
    status: int


@dataclass(eq=False)
class FaultyHttp(ThreadingHTTPServer):
    """The files of a folder.

    Attributes
    ----------
    root
        The folder; a file may be called by path and query, ``download?files=a.zip``.
    faults
        What goes wrong.
    ranges, marks
        Whether ranges are served, and files have an ETag and Last-Modified.
    answers
        By path: ``(status, headers, body)`` in place of a file.
    script
        What happens to the next requests before ``faults`` are asked: ``"whole"``, ``"drop"``,
        ``"truncate"``, ``"busy"``, ``"stall"`` (silence after half of the body).
    latency
        Seconds before each answer.
    requests
        All that came.
    most_at_once
        Largest number of requests that were open at the same time.
    """

    root: Path
    faults: Faults = field(default_factory=Faults)
    ranges: bool = True
    marks: bool = True
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    script: list[str] = field(default_factory=list)
    latency: float = 0.0
    requests: list[Request] = field(default_factory=list)

    daemon_threads = True
    request_queue_size = 128

    def __post_init__(self) -> None:
        ThreadingHTTPServer.__init__(self, ("127.0.0.1", 0), _Handler)
        self.random = random.Random(self.faults.seed)
        self.busy = 0
        self.open = 0
        self.most_at_once = 0
        self.lock = Lock()

    @property
    def url(self) -> str:
        """Address of the folder, without a slash at the end."""
        return f"http://127.0.0.1:{self.server_port}"

    def fate(self) -> str:
        """Return what happens to the next request."""
        with self.lock:
            if self.script:
                return self.script.pop(0)
            if self.busy:
                self.busy -= 1
                return "busy"
            drawn = self.random.random()
            if drawn < self.faults.burst:
                self.busy = self.faults.length - 1
                return "busy"
            if drawn < self.faults.burst + self.faults.drop:
                return "drop"
            is_cut = drawn < self.faults.burst + self.faults.drop + self.faults.truncate
            return "truncate" if is_cut else "whole"

    def share(self) -> float:
        """Return how much of a body comes before it breaks off."""
        with self.lock:
            return self.random.random() if self.faults.drop or self.faults.truncate else 0.5

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: the other side hangs up where a test wants it to."""


class _Handler(BaseHTTPRequestHandler):
    server: FaultyHttp
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.open += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.open)
        time.sleep(self.server.latency)
        try:
            self._answer(with_body=True)
        finally:
            with self.server.lock:
                self.server.open -= 1

    def _answer(self, with_body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        fate = self.server.fate()
        if fate == "busy":
            wait = self.server.faults.retry_after
            self._send(503, {} if wait is None else {"Retry-After": wait}, b"busy", "whole")
            return
        if path in self.server.answers:
            status, headers, body = self.server.answers[path]
            self._send(status, headers, body, fate)
            return
        file = self.server.root / self.path.lstrip("/")
        file = file if file.is_file() else self.server.root / path.lstrip("/")
        if not file.is_file():
            self._send(404, {}, b"not here", "whole")
            return
        content = file.read_bytes()
        headers = {"Content-Type": "application/octet-stream"}
        if self.server.marks:
            headers["ETag"] = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
            headers["Last-Modified"] = formatdate(file.stat().st_mtime, usegmt=True)
        status, body = self._range(content, headers)
        self._send(status, headers, body if with_body else b"", fate)

    def _range(self, content: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        fits = condition in (None, headers.get("ETag"), headers.get("Last-Modified"))
        if not (self.server.ranges and asked and fits):
            return 200, content
        start, stop = int(asked[1]), int(asked[2] or len(content) - 1) + 1
        if start >= len(content):
            headers["Content-Range"] = f"bytes */{len(content)}"
            return 416, b""
        body = content[start:stop]
        headers["Content-Range"] = f"bytes {start}-{start + len(body) - 1}/{len(content)}"
        return 206, body

    def _send(self, status: int, headers: dict[str, str], body: bytes, fate: str) -> None:
        request = Request(self.path, dict(self.headers.items()), status)
        with self.server.lock:
            self.server.requests.append(request)
        share = self.server.share() if fate in ("drop", "truncate", "stall") else 1.0
        if fate == "drop" and share < 0.25:
            self._hang_up()
            return
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: int(len(body) * share)])
        self.wfile.flush()
        if fate == "drop":
            self._hang_up()
        elif fate == "stall":
            self.rfile.read(1)  # until the other side has had enough
            self.close_connection = True
        elif fate == "truncate":
            self.close_connection = True

    def _hang_up(self) -> None:
        """Break the connection off."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def faulty_http(root: Path, **options: Any) -> Iterator[FaultyHttp]:
    """Serve a folder until the end of the block; options as of :class:`FaultyHttp`."""
    server = FaultyHttp(root, **options)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
