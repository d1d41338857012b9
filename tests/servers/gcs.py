"""A bucket of Google Cloud Storage on this machine: the JSON interface that gcsfs speaks."""

import base64
import hashlib
import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, unquote, urlsplit

os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # it is slow to import
from gcsfs.core import GCSFileSystem

PAGE = 1000  # entries of a listing
OBJECT = re.compile(r"/storage/v1/b/(?P<bucket>[^/]+)/o/(?P<name>.+)")
MEDIA = re.compile(r"/download/storage/v1/b/(?P<bucket>[^/]+)/o/(?P<name>.+)")
LISTING = re.compile(r"/storage/v1/b/(?P<bucket>[^/]+)/o/?")


class Gcs(ThreadingHTTPServer):
    """Folders of ``root`` as public buckets.

    Attributes
    ----------
    reads
        How often the bytes of each object, ``bucket/name``, were asked for.
    listings
        Prefixes that were listed.
    latency
        Seconds before each answer.
    most_at_once
        Largest number of requests that were open at the same time.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, root: Path, latency: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.latency = latency
        self.reads: Counter[str] = Counter()
        self.listings: list[str] = []
        self.open = 0
        self.most_at_once = 0
        self.lock = Lock()

    @property
    def url(self) -> str:
        """What ``STORAGE_EMULATOR_HOST`` has to be."""
        return f"http://127.0.0.1:{self.server_port}"

    def chunks_read(self) -> Counter[str]:
        """Return how often each chunk of a Zarr array, not of a coordinate, was read."""
        chunk = re.compile(r".*\.zarr[^/]*/(?P<array>[^/]+)/[\d.]+$")
        names = {"time", "latitude", "longitude", "level", "lat", "lon", "hour", "dayofyear"}
        names.add("prediction_timedelta")
        found = {name: chunk.match(name) for name in self.reads}
        return Counter(
            {n: self.reads[n] for n, m in found.items() if m and m["array"] not in names}
        )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gcs

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.open += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.open)
        try:
            time.sleep(self.server.latency)
            self._answer()
        finally:
            with self.server.lock:
                self.server.open -= 1

    def _answer(self) -> None:
        address = urlsplit(self.path)
        query = {key: one[-1] for key, one in parse_qs(address.query).items()}
        if match := MEDIA.fullmatch(address.path):
            self._media(match["bucket"], unquote(match["name"]))
        elif match := OBJECT.fullmatch(address.path):
            bucket, name = match["bucket"], unquote(match["name"])
            if query.get("alt") == "media":
                self._media(bucket, name)
            elif path := self._file(bucket, name):
                self._json(_record(bucket, name, path))
            else:
                self._absent(bucket, name)
        elif match := LISTING.fullmatch(address.path):
            self._listing(match["bucket"], query)
        else:
            self._absent("", address.path)

    def _file(self, bucket: str, name: str) -> Path | None:
        path = (self.server.root / bucket / name).resolve()
        inside = path.is_relative_to(self.server.root.resolve())
        return path if inside and path.is_file() else None

    def _media(self, bucket: str, name: str) -> None:
        path = self._file(bucket, name)
        with self.server.lock:
            self.server.reads[f"{bucket}/{name}"] += 1
        if path is None:
            self._absent(bucket, name)
            return
        content, status, headers = path.read_bytes(), 200, {}
        if match := re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", "")):
            size = len(content)
            first = int(match[1]) if match[1] else size - int(match[2])
            last = min(int(match[2]) if match[1] and match[2] else size - 1, size - 1)
            content, status = content[first : last + 1], 206
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        self._send(status, content, "application/octet-stream", headers)

    def _listing(self, bucket: str, query: dict[str, str]) -> None:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        self.server.listings.append(f"{bucket}/{prefix}")
        root = self.server.root / bucket
        below = root / prefix.rpartition("/")[0]
        found = below.rglob("*") if not delimiter else below.glob("*")
        items, prefixes = [], []
        for path in sorted(found):
            name = path.relative_to(root).as_posix()
            if name.startswith(prefix) and path.is_file():
                items.append(_record(bucket, name, path))
            elif path.is_dir() and delimiter and f"{name}/".startswith(prefix):
                prefixes.append(f"{name}/")
        start = int(query.get("pageToken", 0))
        answer: dict[str, Any] = {"kind": "storage#objects", "items": items[start : start + PAGE]}
        if start == 0 and prefixes:
            answer["prefixes"] = prefixes
        if start + PAGE < len(items):
            answer["nextPageToken"] = str(start + PAGE)
        self._json(answer)

    def _absent(self, bucket: str, name: str) -> None:
        message = f"No such object: {bucket}/{name}"
        self._json({"error": {"code": 404, "message": message, "errors": []}}, 404)

    def _json(self, content: dict[str, Any], status: int = 200) -> None:
        self._send(status, json.dumps(content).encode(), "application/json", {})

    def _send(self, status: int, content: bytes, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {"Content-Type": kind, **headers}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        pass


def _record(bucket: str, name: str, path: Path) -> dict[str, Any]:
    """Return what the service says about an object."""
    content = path.read_bytes()
    md5 = base64.b64encode(hashlib.md5(content).digest()).decode()
    return {
        "kind": "storage#object",
        "bucket": bucket,
        "name": name,
        "size": str(len(content)),
        "md5Hash": md5,
        "etag": md5[:12],
        "generation": "1",
        "updated": "2024-01-01T00:00:00.000Z",
        "timeCreated": "2024-01-01T00:00:00.000Z",
        "contentType": "application/octet-stream",
    }


@contextmanager
def serving_gcs(root: Path, latency: float = 0.0) -> Iterator[Gcs]:
    """Serve the folders of ``root`` as buckets, on a free port that gcsfs takes for Google's."""
    server = Gcs(root, latency)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        with patch.dict(os.environ, {"STORAGE_EMULATOR_HOST": server.url}):
            os.environ.pop("GOOGLE_APPLICATION_CREDENTIALS", None)
            yield server
    finally:
        GCSFileSystem.clear_instance_cache()  # they know the address of this server
        server.shutdown()
        server.server_close()
        thread.join()
