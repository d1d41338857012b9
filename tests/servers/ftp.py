"""A folder by anonymous FTP on this machine, which may break a transfer off."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import DTPHandler, FTPHandler
from pyftpdlib.servers import FTPServer


class Ftp:
    """A running server.

    Attributes
    ----------
    url
        Address of the folder, without a slash at the end.
    breaks
        How many of the next transfers break off after 64 KiB.
    starts
        First byte that each transfer was asked for, and the file.
    """

    def __init__(self, port: int) -> None:
        self.url = f"ftp://127.0.0.1:{port}"
        self.breaks = 0
        self.starts: list[tuple[int, str]] = []


@contextmanager
def ftp(root: Path, users: dict[str, str] | None = None) -> Iterator[Ftp]:
    """Serve a folder until the end of the block, to everybody or to ``users`` with passwords."""
    logging.getLogger("pyftpdlib").setLevel(logging.ERROR)
    authorizer = DummyAuthorizer()
    for name, password in (users or {}).items():
        authorizer.add_user(name, password, str(root))
    if users is None:
        authorizer.add_anonymous(str(root))

    class Transfer(DTPHandler):
        ac_out_buffer_size = 2**14

        def send(self, data: bytes) -> Any:
            sent = super().send(data)
            if self.get_transmitted_bytes() >= 2**16 and state.breaks:
                state.breaks -= 1
                self.close()
            return sent

    class Handler(FTPHandler):
        dtp_handler = Transfer
        banner = "test"
        auth_failed_timeout = 0
        use_sendfile = False  # it would go past Transfer.send

        def ftp_RETR(self, file: str) -> Any:
            state.starts.append((self._restart_position, Path(file).name))
            return super().ftp_RETR(file)

    Handler.authorizer = authorizer
    server = FTPServer(("127.0.0.1", 0), Handler)
    state = Ftp(server.address[1])
    thread = Thread(target=server.serve_forever, kwargs={"timeout": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.close_all()
        thread.join(timeout=5)
