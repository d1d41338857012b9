"""An archive behind NASA's Earthdata login: two hosts, redirects, a cookie."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote, unquote, urlsplit


@dataclass
class Earthdata:
    """Two running servers.

    Attributes
    ----------
    archive, login
        Their addresses, on the hosts 127.0.0.1 and localhost.
    seen
        Host and Authorization header of each request.
    """

    archive: str = ""
    login: str = ""
    seen: list[tuple[str, str | None]] = field(default_factory=list)


@contextmanager
def earthdata(name: str, password: str, content: bytes | Path) -> Iterator[Earthdata]:
    """Serve a folder, or one content under every path, to who has logged in."""
    state = Earthdata()
    expected = "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def answer(self, code: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            for key, value in headers.items():
                self.send_header(key.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

    class Archive(Handler):
        def do_GET(self) -> None:
            state.seen.append(("archive", self.headers.get("Authorization")))
            path, _, query = self.path.partition("?")
            if query.startswith("code="):
                self.answer(302, Location=path, Set_Cookie="session=1; Path=/")
            elif "session=1" in self.headers.get("Cookie", ""):
                file = content / path.lstrip("/") if isinstance(content, Path) else None
                if file is not None and not file.is_file():
                    self.answer(404)
                    return
                body = file.read_bytes() if file is not None else content
                self.answer(200, body, Content_Type="application/octet-stream")
            else:
                back = quote(f"{state.archive}{path}", safe="")
                self.answer(302, Location=f"{state.login}/oauth/authorize?redirect_uri={back}")

    class Login(Handler):
        def do_GET(self) -> None:
            state.seen.append(("login", self.headers.get("Authorization")))
            if self.headers.get("Authorization") != expected:
                page = b"<!DOCTYPE html><title>Earthdata Login</title>"
                self.answer(200, page, Content_Type="text/html; charset=utf-8")
                return
            back = unquote(urlsplit(self.path).query.partition("redirect_uri=")[2])
            self.answer(302, Location=f"{back}?code=secret-code")

    servers = [ThreadingHTTPServer(("127.0.0.1", 0), one) for one in (Archive, Login)]
    state.archive = f"http://127.0.0.1:{servers[0].server_port}"
    state.login = f"http://localhost:{servers[1].server_port}"
    threads = [Thread(target=s.serve_forever, args=(0.02,), daemon=True) for s in servers]
    for thread in threads:
        thread.start()
    try:
        yield state
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join()
