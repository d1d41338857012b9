"""Files that the Copernicus Climate Data Store makes on request: asked, waited for, fetched."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from rich.console import Console

from climbench.errors import UserError
from climbench.recipes.downloads import http
from climbench.recipes.downloads.partial import Partial
from climbench.recipes.downloads.retrying import Interrupted, Stopped

FIRST_PAUSE = 1.0  # seconds between two looks at a request
LONGEST_PAUSE = 120.0
SINGLE = ("data_format", "download_format")  # of a request; everything else is a list
SITE = "https://cds.climate.copernicus.eu"


def transfer(address: str, partial: Partial, stop: Event) -> None:
    """Ask for a file, wait in the queue, and append what comes of it.

    The number of the request lies beside the partial file: a build that was killed waits for the
    same request again.

    Parameters
    ----------
    address
        ``cds://DATASET/NAME#`` and the request as a query.
    partial
        What is there.
    stop
        Ends the waiting when set.

    Raises
    ------
    Interrupted
        If the service is busy or out of reach.
    UserError
        If there is no key, or the request is refused or fails.
    """
    dataset, request = parsed(address)
    client = _client()
    note = partial.path.with_name(f"{partial.path.name}.request")
    with _explained(dataset, note):
        if not note.exists():
            number = client.submit(dataset, request).request_id
            note.write_text(number, encoding="utf-8")
        job = client.get_remote(note.read_text(encoding="utf-8").strip())
        _wait(job, f"{dataset}, {_when(request)}", stop)
        location = job.get_results().location
    http.transfer(location, partial, stop)
    note.unlink(missing_ok=True)


def parsed(address: str) -> tuple[str, dict[str, Any]]:
    """Return the data set and the request of an address.

    Examples
    --------
    >>> parsed("cds://reanalysis-era5-land/2001-01.nc#variable=snowfall&data_format=netcdf")
    ('reanalysis-era5-land', {'variable': ['snowfall'], 'data_format': 'netcdf'})
    """
    parts = urlsplit(address)
    request: dict[str, Any] = parse_qs(parts.fragment, strict_parsing=True)
    for name in SINGLE:
        if name in request:
            request[name] = request[name][0]
    return parts.netloc, request


def _when(request: dict[str, Any]) -> str:
    return "-".join(request[name][0] for name in ("year", "month") if name in request)


def _client() -> Any:
    """Return a client with the key of ~/.cdsapirc or of the environment.

    Raises
    ------
    UserError
        If the library or the key is missing.
    """
    try:
        from cdsapi.api import get_url_key_verify
        from ecmwf.datastores import Client
    except ImportError as error:
        raise UserError("the Climate Data Store needs `pip install climbench[cds]`.") from error
    try:
        url, key, verify = get_url_key_verify(None, None, None)
    except Exception as error:  # the library has no class of its own for it
        raise UserError(
            f"there is no key for the Climate Data Store: log in at {SITE}, and write the two "
            "lines 'url: ...' and 'key: ...' that your profile page shows into ~/.cdsapirc."
        ) from error
    if ":" in key or "/api/v2" in url:
        raise UserError(
            "~/.cdsapirc is for the Climate Data Store as it was until 2024: replace its lines by "
            f"those that your profile page at {SITE} shows."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # news that the service cannot give just now
        return Client(
            url=url, key=key, verify=verify, progress=False, maximum_tries=1, retry_after=0,
            log_callback=lambda *_, **__: None,
        )  # fmt: skip


def _wait(job: Any, name: str, stop: Event) -> None:
    """Wait until a request has been worked on; say when its state changes."""
    console = Console(stderr=True)
    pause, said = FIRST_PAUSE, ""
    while not job.results_ready:
        if job.last_status != said:
            said = job.last_status
            console.print(f"Climate Data Store: {name} is {said}", markup=False, highlight=False)
        if stop.wait(pause):
            raise Stopped
        pause = min(1.5 * pause, LONGEST_PAUSE)


@contextmanager
def _explained(dataset: str, note: Path) -> Iterator[None]:
    """Turn what the service answers into what can be said or tried again."""
    from ecmwf.datastores.processing import LinkError, ProcessingFailedError

    try:
        yield
    except ProcessingFailedError as error:
        note.unlink(missing_ok=True)
        if "API state" in str(error):  # somebody has deleted the request
            raise Interrupted("the request is gone") from None
        raise _refusal(dataset, str(error)) from None
    except requests.HTTPError as error:
        _explain(dataset, note, error)
    except (requests.RequestException, LinkError) as error:
        raise Interrupted(
            f"the Climate Data Store is out of reach ({type(error).__name__})"
        ) from None


def _explain(dataset: str, note: Path, error: requests.HTTPError) -> None:
    response = error.response
    code = response.status_code
    if code == 404 and note.exists():  # requests are forgotten after a while
        note.unlink()
        raise Interrupted("the request is gone") from None
    if code in http.LATER:
        pause = response.headers.get("Retry-After", "")
        raise Interrupted(
            f"the Climate Data Store answers {code}", float(pause) if pause.isdigit() else 0.0
        ) from None
    if code == 401:
        raise UserError(
            "the Climate Data Store does not know the key in ~/.cdsapirc (or CDSAPI_KEY): copy it "
            f"again from your profile page at {SITE}."
        ) from None
    if code == 404:
        raise UserError(
            f"the Climate Data Store has no data set '{dataset}': look its name up at {SITE}."
        ) from None
    raise _refusal(dataset, str(error)) from None


def _refusal(dataset: str, message: str) -> UserError:
    """Return what to do about a refused request."""
    words = message.lower()
    if "licence" in words or "license" in words:
        return UserError(
            f"the licence of {dataset} has not been accepted: do so at the end of "
            f"{SITE}/datasets/{dataset}?tab=download#manage-licences, and run the same again."
        )
    if re.search(r"too large|cost limit|too many|limits? exceeded", words):
        return UserError(
            f"the Climate Data Store finds a request for {dataset} too large: lower 'fields' in "
            "the recipe's source, so that more and smaller ones are made."
        )
    said = " ".join(line.strip() for line in message.splitlines()[-2:] if line.strip())
    return UserError(f"the Climate Data Store refuses a request for {dataset}: {said.rstrip('.')}.")
