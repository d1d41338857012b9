"""HTTPS hosts by their true names on this machine: a proxy that leads to local servers."""

import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copyfileobj
from socket import SHUT_WR, create_connection, socket
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, hosts: Mapping[str, str], identity: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hosts = hosts
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(identity)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients hang up."""


class _Handler(BaseHTTPRequestHandler):
    server: _Proxy

    def do_CONNECT(self) -> None:
        host = self.path.rpartition(":")[0]
        if host not in self.server.hosts:
            self.send_error(502, f"nobody serves {host} here")
            return
        self.send_response(200)
        self.end_headers()
        address = urlsplit(self.server.hosts[host])
        with (
            self.server.context.wrap_socket(self.connection, server_side=True) as outside,
            create_connection((address.hostname, address.port)) as inside,
        ):
            back = Thread(target=_pass_on, args=(inside, outside), daemon=True)
            back.start()
            _pass_on(outside, inside)
            back.join()
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


def _pass_on(one: socket, other: socket) -> None:
    """Carry what one side says to the other until it has said all."""
    with suppress(OSError, ValueError):
        copyfileobj(one.makefile("rb", buffering=0), other.makefile("wb", buffering=0))  # type: ignore[misc]
    with suppress(OSError):
        other.shutdown(SHUT_WR)


def _write_identity(path: Path, hosts: Mapping[str, str]) -> None:
    """Write a key, and a certificate of all hosts that is signed with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([*map(x509.DNSName, hosts)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))


@contextmanager
def https(hosts: Mapping[str, str]) -> Iterator[None]:
    """Lead ``https://HOST`` to the local server of that host (HTTP) until the end of the block.

    No address has to be changed for it: libraries take proxy and certificate from the environment.
    Hosts that are not named cannot be reached.
    """
    with TemporaryDirectory() as folder:
        identity = Path(folder, "identity.pem")
        _write_identity(identity, hosts)
        server = _Proxy(hosts, identity)
        address = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        mark = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), str(identity))
        with patch.dict(os.environ, mark | dict.fromkeys(("https_proxy", "HTTPS_PROXY"), address)):
            for name in ("no_proxy", "NO_PROXY", "CURL_CA_BUNDLE"):
                os.environ.pop(name, None)
            try:
                yield
            finally:
                server.shutdown()
                server.server_close()
                thread.join()
