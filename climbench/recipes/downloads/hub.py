"""Files of Hugging Face's hub: by HTTP, which needs no library and goes on where it stopped."""

import os
import re
from threading import Event
from urllib.parse import quote

from climbench.errors import UserError
from climbench.recipes.downloads import http
from climbench.recipes.downloads.credentials import HUB
from climbench.recipes.downloads.partial import Partial

ADDRESS = re.compile(r"hf://((?:datasets|spaces)/)?([^/@]+/[^/@]+)(?:@([^/]+))?/(.+)")


def transfer(address: str, partial: Partial, stop: Event) -> None:
    """Ask once for what is missing of a file, and append what comes.

    Parameters
    ----------
    address
        ``hf://datasets/OWNER/NAME/PATH``, or ``...NAME@REVISION/PATH``.
    partial, stop
        As for HTTP.

    Raises
    ------
    Interrupted
        If another try may bring the rest.
    UserError
        If there is no such file, or it needs a login.
    """
    http.transfer(by_http(address), partial, stop)


def by_http(address: str) -> str:
    """Return where a file of the hub is by HTTP.

    Raises
    ------
    UserError
        If the address names no file of a repository.

    Examples
    --------
    >>> by_http("hf://datasets/LEAP/ClimSim_low-res/train/a b.nc")
    'https://huggingface.co/datasets/LEAP/ClimSim_low-res/resolve/main/train/a%20b.nc'
    """
    found = ADDRESS.fullmatch(address)
    if found is None:
        raise UserError(f"{address} names no file: write hf://datasets/OWNER/NAME/PATH.")
    kind, name, revision, path = found.groups()
    hub = os.environ.get("HF_ENDPOINT", f"https://{HUB}").rstrip("/")
    return f"{hub}/{kind or ''}{name}/resolve/{revision or 'main'}/{quote(path)}"
