"""Data sets of the Hugging Face hub on this machine: its interface, and its store of files."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from huggingface_hub import HfFileSystem, close_session
from servers.https import https

HOST, STORE = "huggingface.co", "cas-bridge.xethub.hf.co"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
API = re.compile(
    r"/api/datasets/(?P<name>[^/]+/[^/]+)(/(?P<what>revision|tree|paths-info)/(?P<rest>.+))?"
)
RESOLVE = re.compile(r"/datasets/(?P<name>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")


class Hub(ThreadingHTTPServer):
    """Folders ``OWNER/NAME`` of ``root`` as data sets, with one commit on ``main``.

    Attributes
    ----------
    page
        Entries of a listing; more come on a next page.
    gated
        Data sets that need a token, ``hf_test``.
    requests
        Method and path of everything that was asked for.
    tokens
        The Authorization header of each of them.
    breaks
        How many of the next answers of the store break off in the middle.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.page = 1000
        self.gated: set[str] = set()
        self.requests: list[str] = []
        self.tokens: list[str | None] = []
        self.breaks = 0
        self.lock = Lock()

    @property
    def url(self) -> str:
        """Where it is, without HTTPS."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients hang up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.requests.append(f"{self.command} {self.path}")
            self.server.tokens.append(self.headers.get("Authorization"))
        path = urlsplit(self.path).path
        if path.startswith("/store/"):
            self._content(self.server.root / unquote(path.removeprefix("/store/")))
        elif match := API.fullmatch(path) or RESOLVE.fullmatch(path):
            words = match.groupdict()
            name = words["name"]
            if not (self.server.root / name).is_dir():
                self._refuse(401, "RepoNotFound", "Repository not found")
            elif self._closed(name, resolve="path" in words):
                self._refuse(401, "GatedRepo", f"Access to dataset {name} is restricted.")
            elif "path" in words:
                self._resolve(name, unquote(words["path"]))
            else:
                self._api(name, words["what"] or "revision", words["rest"] or "main")
        else:
            self._refuse(404, "", "not found")

    def _closed(self, name: str, resolve: bool) -> bool:
        """Tell whether a token is needed: of a gated data set everybody sees the names."""
        token = self.headers.get("Authorization") == "Bearer hf_test"
        return name in self.server.gated and resolve and not token

    def _api(self, name: str, what: str, rest: str) -> None:
        root = self.server.root / name
        revision, _, path = rest.partition("/")
        if unquote(revision) not in ("main", COMMIT):
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        elif what == "revision":
            self._json({"id": name, "sha": COMMIT, "private": False, "siblings": []})
        elif what == "paths-info":
            given = parse_qs(self.body.decode())
            asked = given.get("paths") or json.loads(self.body)["paths"]
            found = [root / one for one in asked if (root / one).exists()]
            self._json([_entry(one, root) for one in found])
        else:
            self._tree(root, unquote(path))

    def _tree(self, root: Path, below: str) -> None:
        query = {key: one[-1] for key, one in parse_qs(urlsplit(self.path).query).items()}
        folder = root / below
        if not folder.is_dir():
            self._refuse(404, "EntryNotFound", f"{below} does not exist on main")
            return
        deep = query.get("recursive", "").lower() == "true"
        entries = sorted(folder.rglob("*") if deep else folder.glob("*"))
        start = int(query.get("cursor", 0))
        stop = start + self.server.page
        headers = {}
        if stop < len(entries):
            base = f"https://{HOST}{urlsplit(self.path).path}?recursive={deep}"
            headers["Link"] = f'<{base}&cursor={stop}>; rel="next"'
        self._json([_entry(one, root) for one in entries[start:stop]], headers)

    def _resolve(self, name: str, path: str) -> None:
        file = self.server.root / name / path
        if not file.is_file():
            self._refuse(404, "EntryNotFound", "Entry not found")
            return
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        headers = {
            "Location": f"https://{STORE}/store/{quote(f'{name}/{path}')}?X-Amz-Signature=secret",
            "X-Repo-Commit": COMMIT,
            "X-Linked-ETag": f'"{digest}"',
            "X-Linked-Size": str(file.stat().st_size),
            "Accept-Ranges": "bytes",
        }
        self._send(302, b"Found. Redirecting", headers)

    def _content(self, file: Path) -> None:
        content, status = file.read_bytes(), 200
        headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "Accept-Ranges": "bytes"}
        if match := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            size, first = len(content), int(match[1])
            last = min(int(match[2] or size - 1), size - 1)
            content, status = content[first : last + 1], 206
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        self._send(status, content, headers)

    def _refuse(self, status: int, code: str, words: str) -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": words}
        self._send(status, json.dumps({"error": words}).encode(), headers)

    def _json(self, content: Any, headers: dict[str, str] | None = None) -> None:
        kind = {"Content-Type": "application/json; charset=utf-8"}
        self._send(200, json.dumps(content).encode(), kind | (headers or {}))

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        broken = self.path.startswith("/store/") and self.server.breaks > 0
        if broken:
            self.server.breaks -= 1
            self.close_connection = True
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if broken else content)

    def log_message(self, *_: Any) -> None:
        pass


def _entry(path: Path, root: Path) -> dict[str, Any]:
    """Return what the hub says about a file or folder; large files are LFS's."""
    about = {"path": path.relative_to(root).as_posix()}
    if path.is_dir():
        return about | {"type": "directory", "oid": COMMIT, "size": 0}
    content = path.read_bytes()
    digest, size = hashlib.sha256(content).hexdigest(), len(content)
    lfs = {"oid": digest, "size": size, "pointerSize": 134}
    blob = hashlib.sha1(digest.encode()).hexdigest()
    return about | {"type": "file", "oid": blob, "size": size, "lfs": lfs}


@contextmanager
def serving_hub(root: Path, hosts: Mapping[str, str] | None = None) -> Iterator[Hub]:
    """Serve folders as https://huggingface.co, until the end of the block.

    Parameters
    ----------
    root
        Folder with a folder OWNER/NAME for each data set.
    hosts
        More hosts and their local servers, as of :func:`servers.https.https`.
    """
    server = Hub(root)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        close_session()  # of a client that does not know the proxy
        HfFileSystem.clear_instance_cache()
        with https({HOST: server.url, STORE: server.url, **(hosts or {})}):
            yield server
    finally:
        close_session()
        HfFileSystem.clear_instance_cache()
        server.shutdown()
        server.server_close()
        thread.join()
