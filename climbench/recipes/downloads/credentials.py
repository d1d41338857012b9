"""Credentials: from ~/.netrc and the environment, to their own host, and never shown."""

import logging
import netrc
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fsspec
import requests
from requests.auth import AuthBase

from climbench.errors import UserError

EARTHDATA = "urs.earthdata.nasa.gov"
HUB = "huggingface.co"
OWN_MACHINE = ("localhost", "127.0.0.1", "::1")
AWS = (
    *("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
)

_USER = re.compile(r"(?<=://)[^/\s?#@]*@")
_SECRET = re.compile(
    r"([?&;](?:[\w.%-]*(?:token|signature|credential|passw|secret|_?key(?:id)?|auth(?!or))[\w.%-]*"
    r"|sig|code)=)[^&;\s'\"]*",
    re.IGNORECASE,
)


def shown(text: str) -> str:
    """Return an address, or a text with addresses, without what opens doors.

    Examples
    --------
    >>> shown("https://me:word@archive.org/a.nc?token=abc&year=2001")
    'https://archive.org/a.nc?token=...&year=2001'
    """
    return _SECRET.sub(r"\1...", _USER.sub("", text))


def check_address(address: str) -> None:
    """Refuse an address with a password in it, for recipes and stores are given to others.

    Raises
    ------
    UserError
        Saying where the password belongs.
    """
    if "://" in address and _USER.search(address):
        host = urlsplit(address).hostname
        raise UserError(
            f"{shown(address)} was given with a password: write 'machine {host} login NAME "
            "password WORD' into ~/.netrc and leave it out here."
        )


def login_of(host: str) -> tuple[str, str] | None:
    """Return name and password for a host, if ~/.netrc (or the file in NETRC) names that host.

    NASA Earthdata's may also be in EARTHDATA_USERNAME and EARTHDATA_PASSWORD.

    Raises
    ------
    UserError
        If the file cannot be understood.
    """
    name, word = (os.environ.get(f"EARTHDATA_{one}") for one in ("USERNAME", "PASSWORD"))
    if host == EARTHDATA and name and word:
        return name, word
    path = Path(os.environ.get("NETRC") or "~/.netrc").expanduser()
    if not path.is_file():
        return None
    try:
        # 'default' is left out: it would give a password to whoever asks
        entry = netrc.netrc(path).hosts.get(host)
    except netrc.NetrcParseError as error:  # its text may quote a password
        raise UserError(f"{path}, line {error.lineno}: this is not as netrc files are.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    return (entry[0], entry[2]) if entry else None


class _Login(AuthBase):
    """The login of whichever host is asked, if it cannot be overheard on the way."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        parts = urlsplit(request.url or "")
        host = parts.hostname or ""
        unheard = parts.scheme == "https" or host in OWN_MACHINE
        login = login_of(host) if unheard else None
        if unheard and host == HUB and (token := _hub_token()):
            request.headers["Authorization"] = f"Bearer {token}"
        elif login is not None:
            request.prepare_auth(login)
        return request


def _hub_token() -> str | None:
    """Return the token for Hugging Face's hub: that in HF_TOKEN, or of ``hf auth login``."""
    try:
        from huggingface_hub import get_token
    except ImportError:
        return os.environ.get("HF_TOKEN")
    token: str | None = get_token()
    return token


def how_to_log_in(host: str) -> str:
    """Return what to do about a refusal, in words that follow a colon."""
    if host == HUB:
        return (
            "check the data set's name, ask for access on its page, and put your token into "
            "HF_TOKEN or run `hf auth login`"
        )
    return (
        f"write 'machine {host} login NAME password WORD' into ~/.netrc, and accept the data's "
        "terms there in a browser"
    )


class Session(requests.Session):
    """HTTP with a login per host: a redirect takes no password along to another one."""

    def __init__(self) -> None:
        super().__init__()
        self.auth = _Login()
        self.max_redirects = 10
        self._asked = ""

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        """Ask, and know in redirects what was asked for."""
        self._asked = str(url)
        return super().request(method, url, *args, **kwargs)

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Take the login of the last host off, and put that of the next one on."""
        prepared_request.headers.pop("Authorization", None)
        asked, target = urlsplit(self._asked), urlsplit(prepared_request.url or "")
        usual = target.scheme == "https" and target.port in (None, 443)
        here = target.hostname in OWN_MACHINE and target.hostname != asked.hostname
        # what listens at another port of a host may be somebody else's
        if usual or here or target[:2] == asked[:2]:
            _Login()(prepared_request)


def _plain_gcsfs() -> None:
    """Let gs:// mean gcsfs's plain class, whoever imported gcsfs, and when.

    Its other one first asks by another protocol what kind of bucket it is, which anonymous
    readers may not, and waits long for the answer.
    """
    os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # it is slow to import
    if not (log := logging.getLogger("gcsfs")).handlers:
        log.addHandler(logging.NullHandler())  # else it prints what we say in a sentence
    with suppress(ImportError):
        from gcsfs.core import GCSFileSystem

        for scheme in ("gs", "gcs"):
            fsspec.register_implementation(scheme, GCSFileSystem, clobber=True)


def storage_options(address: str) -> dict[str, Any]:
    """Return the options of fsspec for an address: anonymous unless the environment says who.

    Examples
    --------
    >>> storage_options("memory://a/b.nc")
    {}
    """
    scheme = address.partition("://")[0]
    if scheme in ("gs", "gcs"):
        _plain_gcsfs()
        return {} if os.environ.get("GOOGLE_APPLICATION_CREDENTIALS") else {"token": "anon"}
    if scheme == "s3":
        return {} if any(map(os.environ.get, AWS)) else {"anon": True}
    if scheme == "ftp":
        login = login_of(urlsplit(address).hostname or "")
        return {"username": login[0], "password": login[1]} if login else {}
    return {}
