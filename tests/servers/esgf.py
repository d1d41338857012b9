"""An index node and data nodes of the Earth System Grid Federation on this machine."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

NAME = re.compile(
    r"(?P<variable_id>\w+?)_(?P<table_id>\w+?)_(?P<source_id>[^_]+)_(?P<experiment_id>[^_]+)"
    r"_(?P<member_id>[^_]+)_(?P<grid_label>g[^_.]+)(_[\d-]+)?\.nc"
)


class Esgf(ThreadingHTTPServer):
    """Files below ``root`` in the tree of CMIP, found at ``/esg-search/search``.

    Each of the data nodes ``/NODE/...`` serves all of them, unless it is ``down`` or ``damaged``.

    Attributes
    ----------
    nodes
        Names of the data nodes; the first is the publisher, the others have replicas.
    down
        Data nodes that answer 503.
    damaged
        Data nodes that serve other bytes than were published.
    retracted
        Versions that their owners have taken back.
    silent
        Whether the index node answers 500.
    most
        Files of a page at most, whatever is asked for.
    ranges
        Whether the data nodes give parts of files.
    searches, downloads, ranged
        What was asked for; of files whole ones, and the bytes of parts.
    """

    daemon_threads = True

    def __init__(self, root: Path, nodes: tuple[str, ...] = ("dkrz", "ceda")) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.nodes = nodes
        self.down: set[str] = set()
        self.damaged: set[str] = set()
        self.retracted: set[str] = set()
        self.silent = False
        self.most = 3
        self.ranges = True
        self.ranged = 0
        self.algorithm = "SHA256"
        self.searches: list[dict[str, list[str]]] = []
        self.downloads: list[str] = []

    @property
    def url(self) -> str:
        """Address of the search."""
        return f"http://127.0.0.1:{self.server_port}/esg-search/search"

    def documents(self) -> list[dict[str, Any]]:
        """Return a document for every file on every data node, most values as lists of one."""
        paths = sorted(self.root.rglob("*.nc"))
        newest: dict[Path, str] = {}
        for path in paths:
            if path.parent.name not in self.retracted:
                above = path.parent.parent
                newest[above] = max(newest.get(above, ""), path.parent.name)
        return [
            self._document(path, node, newest.get(path.parent.parent) == path.parent.name)
            for path in paths
            for node in self.nodes
        ]

    def _document(self, path: Path, node: str, latest: bool) -> dict[str, Any]:
        relative = path.relative_to(self.root)
        dataset = ".".join(relative.parts[:-1])
        address = f"http://127.0.0.1:{self.server_port}/{node}/{relative.as_posix()}"
        digest = hashlib.new(self.algorithm.lower(), path.read_bytes()).hexdigest()
        facets = NAME.fullmatch(path.name)
        words = facets.groupdict() if facets else _words_of_input4mips(relative)
        return {
            "id": f"{dataset}.{path.name}|{node}",
            "dataset_id": f"{dataset}|{node}",
            "project": [relative.parts[0]],
            "title": path.name,
            "type": "File",
            "version": "1",
            "data_node": node,
            "replica": node != self.nodes[0],
            "latest": latest,
            "retracted": path.parent.name in self.retracted,
            "size": path.stat().st_size,
            "checksum": [digest],
            "checksum_type": [self.algorithm],
            "tracking_id": ["hdl:21.14100/a"],
            "url": [
                f"{address}|application/netcdf|HTTPServer",
                f"gsiftp://{node}/{relative}|application/gridftp|GridFTP",
                f"{address}.html|application/opendap-html|OPENDAP",
            ],
            **{name: [value] for name, value in words.items() if value},
        }


def _words_of_input4mips(relative: Path) -> dict[str, str]:
    """Return the facets of input4MIPs/ERA/TARGET/INSTITUTION/SOURCE/.../VARIABLE/GRID/VERSION."""
    parts = relative.parts
    named = ("mip_era", "target_mip", "institution_id", "source_id", "realm", "frequency")
    return dict(zip((*named, "variable_id", "grid_label"), parts[1:9], strict=True))


class _Handler(BaseHTTPRequestHandler):
    server: Esgf

    def log_message(self, *arguments: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if address.path == "/esg-search/search":
            self._search(parse_qs(address.query))
        else:
            self._file(address.path.strip("/"))

    def _search(self, query: dict[str, list[str]]) -> None:
        self.server.searches.append(query)
        if self.server.silent:
            self._send(500, b"Internal Server Error", "text/html")
            return
        reserved = {"type", "format", "distrib", "limit", "offset", "fields", "facets"}
        wanted = {k: set(",".join(v).split(",")) for k, v in query.items() if k not in reserved}
        found = [
            one
            for one in self.server.documents()
            if all(set(_texts(one.get(name))) & values for name, values in wanted.items())
        ]
        offset, limit = (int(query.get(k, [d])[0]) for k, d in (("offset", "0"), ("limit", "10")))
        page = found[offset : offset + min(limit, self.server.most)]
        fields = set(",".join(query.get("fields", ["*"])).split(","))
        docs = [{k: v for k, v in one.items() if "*" in fields or k in fields} for one in page]
        facets = {}
        for name in ",".join(query.get("facets", [])).split(","):
            values = [text for one in found for text in _texts(one.get(name))]
            facets[name] = [x for v in sorted(set(values)) for x in (v, values.count(v))]
        answer = {
            "responseHeader": {"status": 0},
            "response": {"numFound": len(found), "start": offset, "docs": docs},
            "facet_counts": {"facet_fields": facets},
        }
        self._send(200, json.dumps(answer).encode(), "application/json")

    def _file(self, path: str) -> None:
        node, _, name = path.partition("/")
        if self.command == "GET" and not (self.server.ranges and "Range" in self.headers):
            self.server.downloads.append(path)
        file = self.server.root / name
        if node in self.server.down:
            self._send(503, b"down", "text/plain")
        elif node not in self.server.nodes or not file.is_file():
            self._send(404, b"not here", "text/plain")
        else:
            content = file.read_bytes()
            content = content[:-1] + b"?" if node in self.server.damaged else content
            self._ranges(content)

    def _ranges(self, content: bytes) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted is None or not self.server.ranges:
            self._send(200, content, "application/netcdf")
            return
        first, size = int(wanted[1]), len(content)
        last = min(int(wanted[2] or size), size - 1)
        self.server.ranged += last - first + 1
        part, where = content[first : last + 1], f"bytes {first}-{last}/{size}"
        self._send(206, part, "application/netcdf", {"Content-Range": where})

    def _send(
        self, status: int, content: bytes, kind: str, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            with suppress(ConnectionError):  # who wanted a part may hang up
                self.wfile.write(content)


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [str(v).lower() if isinstance(v, bool) else str(v) for v in values if v is not None]


@contextmanager
def serving_esgf(root: Path, **options: Any) -> Iterator[Esgf]:
    """Run an index node with data nodes until the end of the block."""
    with Esgf(root, **options) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
