"""Files by HTTP, from a server that has bad days."""

import hashlib
import multiprocessing
import os
import random
import re
import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers.faulty_http import Faults, faulty_http

from climbench import progress
from climbench.errors import UserError
from climbench.recipes.downloads import Wanted, fetch, fetch_all, http, retrying, taking
from climbench.recipes.downloads.cache import place


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def visible(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir() if not one.name.startswith("."))


def test_a_file_is_fetched_once(root: Path, cache: Path, content: bytes) -> None:
    (root / "a.nc").write_bytes(content)
    with faulty_http(root) as server:
        path = fetch(f"{server.url}/a.nc", cache, checksum=sha256(content))
        assert fetch(f"{server.url}/a.nc", cache, checksum=sha256(content)) == path
        assert len(server.requests) == 1
    assert Path(path).read_bytes() == content
    assert visible(cache) == [Path(path).name]
    assert path.endswith("-a.nc")


@pytest.mark.parametrize("fate", ["drop", "truncate"])
@pytest.mark.parametrize("marks", [True, False])
def test_what_broke_off_is_continued_if_the_server_can_tell_the_content(
    root: Path, cache: Path, content: bytes, fate: str, marks: bool
) -> None:
    (root / "a.nc").write_bytes(content)
    with faulty_http(root, marks=marks, script=[fate]) as server, taking(cache) as traffic:
        path = fetch(f"{server.url}/a.nc", cache)
        ranges = [request.headers.get("Range") for request in server.requests]
    assert Path(path).read_bytes() == content
    assert traffic.requests == 2 and traffic.repeated == 1 and traffic.files == 1
    if marks:
        assert ranges[0] is None and ranges[1].startswith("bytes=")
        assert int(ranges[1][6:-1]) > len(content) // 4
        assert server.requests[1].headers["If-Range"].startswith('"')
    else:  # nobody would notice a file that has changed
        assert ranges == [None, None]


def test_a_checksum_tells_as_well_whether_pieces_belong_together(
    root: Path, cache: Path, content: bytes
) -> None:
    (root / "a.nc").write_bytes(content)
    with faulty_http(root, marks=False, script=["truncate"]) as server:
        path = fetch(f"{server.url}/a.nc", cache, checksum=sha256(content))
        assert "Range" in server.requests[1].headers
    assert Path(path).read_bytes() == content


def test_without_ranges_it_starts_over(root: Path, cache: Path, content: bytes) -> None:
    (root / "a.nc").write_bytes(content)
    with faulty_http(root, ranges=False, script=["truncate", "drop"]) as server:
        path = fetch(f"{server.url}/a.nc", cache)
    assert Path(path).read_bytes() == content


@pytest.mark.parametrize("checked", [False, True])
def test_a_file_that_changes_meanwhile_is_not_glued(
    root: Path, cache: Path, content: bytes, checked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = content[::-1]
    checksum = sha256(new) if checked else None
    (root / "a.nc").write_bytes(content)
    monkeypatch.setattr(retrying, "TRIES", 1)
    with faulty_http(root, script=["truncate", "truncate"]) as server:
        address = f"{server.url}/a.nc"
        interrupted_download(address, cache)
        partial = place(address, cache)
        assert 0 < partial.with_name(f"{partial.name}.part").stat().st_size < len(content)
        (root / "a.nc").write_bytes(new)
        path = fetch(address, cache, checksum=checksum)
    assert Path(path).read_bytes() == new


def interrupted_download(address: str, cache: Path) -> None:
    """Ask once, of a server that breaks off, and leave it at that."""
    from threading import Event

    from climbench.recipes.downloads import http
    from climbench.recipes.downloads.partial import Partial

    path = place(address, cache)
    cache.mkdir(exist_ok=True)
    with pytest.raises(retrying.Interrupted):
        http.transfer(address, Partial(path.with_name(f"{path.name}.part")), Event())


def test_a_file_that_became_shorter(root: Path, cache: Path, content: bytes) -> None:
    (root / "a.nc").write_bytes(content)
    with faulty_http(root, script=["truncate"]) as server:
        interrupted_download(f"{server.url}/a.nc", cache)
        (root / "a.nc").write_bytes(content[:100])
        checksum = sha256(content[:100])
        path = fetch(f"{server.url}/a.nc", cache, checksum=checksum)
        assert [request.status for request in server.requests] == [200, 200]
    assert Path(path).read_bytes() == content[:100]


def test_a_killed_download_is_continued(root: Path, cache: Path) -> None:
    content = os.urandom(2**20) * 64
    (root / "a.nc").write_bytes(content)
    with faulty_http(root) as server:
        address = f"{server.url}/a.nc"
        part = place(address, cache)
        part = part.with_name(f"{part.name}.part")
        child = multiprocessing.get_context("fork").Process(target=fetch, args=(address, cache))
        child.start()
        while not (part.exists() and part.stat().st_size > 2**20):
            assert child.is_alive(), "it was quicker than the kill"
            time.sleep(0.001)
        child.kill()
        child.join()
        assert visible(cache) == [part.name, f"{part.name}.json"]
        there = part.stat().st_size
        path = fetch(address, cache)
        assert server.requests[-1].headers["Range"] == f"bytes={there}-"
    assert Path(path).read_bytes() == content


def test_a_whole_file_that_a_kill_left_without_its_name_is_not_fetched_again(
    root: Path, cache: Path, content: bytes
) -> None:
    (root / "a.nc").write_bytes(content)
    with faulty_http(root) as server:
        path = Path(fetch(f"{server.url}/a.nc", cache))
        size = f'{{"address": "{server.url}/a.nc", "size": {len(content)}}}'
        path.with_name(f"{path.name}.part.json").write_text(size)
        path.rename(path.with_name(f"{path.name}.part"))
        assert Path(fetch(f"{server.url}/a.nc", cache)).read_bytes() == content
        assert len(server.requests) == 1


def test_busy_servers_are_asked_again_when_they_say(
    root: Path, cache: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "a.nc").write_bytes(content)
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=2.5), usegmt=True)
    pauses: list[float] = []
    monkeypatch.setattr(
        "threading.Event.wait", lambda self, seconds=None: pauses.append(seconds) and False
    )
    with faulty_http(root, faults=Faults(retry_after="7"), script=["busy"]) as server:
        fetch_in_this_thread(f"{server.url}/a.nc", cache)
    with faulty_http(root, faults=Faults(retry_after=later), script=["busy"]) as server:
        fetch_in_this_thread(f"{server.url}/a.nc", cache)
    asked = [pause for pause in pauses if pause is not None and pause > 0.1]
    assert 7 <= asked[0] < 8
    assert 0.3 < asked[1] < 3


def fetch_in_this_thread(address: str, cache: Path) -> None:
    from threading import Event

    from climbench.recipes.downloads.fetch import _fetched

    _fetched(Wanted(address), cache, Event())


def test_tries_end_unless_they_bring_something(root: Path, cache: Path) -> None:
    content = os.urandom(2**21)
    (root / "a.nc").write_bytes(content)
    with faulty_http(root, script=["truncate"] * 12) as server:  # more than TRIES
        assert Path(fetch(f"{server.url}/a.nc", cache)).read_bytes() == content
    with faulty_http(root, script=["busy"] * 100) as server:
        with pytest.raises(UserError, match=r"127.0.0.1 answers 503 .*the same command continues"):
            fetch(f"{server.url}/a.nc", cache)
        assert len(server.requests) == retrying.TRIES
    with pytest.raises(UserError, match=r"refused.*the same command continues"):
        fetch(f"{server.url}/b.nc", cache)


def test_silence_within_a_body_is_a_broken_connection(
    root: Path,
    cache: Path,
    content: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (root / "a.nc").write_bytes(content)
    monkeypatch.setattr(http, "TIMEOUT", (1, 0.1))
    monkeypatch.setattr(retrying, "LONG", 0.05)  # so the user hears of the first one
    with faulty_http(root, script=["stall"]) as server:
        assert Path(fetch(f"{server.url}/a.nc", cache)).read_bytes() == content
        assert [one.status for one in server.requests] == [200, 206]
    said = " ".join(capfd.readouterr().err.split())
    assert re.search(r"a\.nc: .*timed out.*; trying again", said)


def test_redirects_are_followed_but_not_for_ever(root: Path, cache: Path, content: bytes) -> None:
    (root / "a.nc").write_bytes(content)
    answers = {
        "/old.nc": (302, {"Location": "/a.nc"}, b""),
        "/round.nc": (302, {"Location": "/round.nc"}, b""),
        "/here.nc": (302, {"Location": "file:///etc/passwd"}, b""),
    }
    with faulty_http(root, answers=answers, script=["whole", "truncate"]) as server:
        assert Path(fetch(f"{server.url}/old.nc", cache)).read_bytes() == content
        with pytest.raises(UserError, match="round in circles"):
            fetch(f"{server.url}/round.nc", cache)
        with pytest.raises(UserError, match=r"here.nc cannot be reached"):
            fetch(f"{server.url}/here.nc", cache)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((404, {}, b""), r"a.nc does not exist: 127.0.0.1 answers 404"),
        ((403, {}, b""), r"needs a login at 127.0.0.1.*'machine 127.0.0.1 login NAME.*~/.netrc"),
        ((400, {}, b""), r"127.0.0.1 answers 400 \(Bad Request\)"),
        (
            (200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>Log in"),
            r"gives a web page of 127.0.0.1, not the file: open it in a browser.*~/.netrc",
        ),
    ],
)
def test_refusals_are_said_at_once(
    root: Path, cache: Path, answer: tuple[int, dict[str, str], bytes], sentence: str
) -> None:
    with faulty_http(root, answers={"/a.nc": answer}) as server:
        with pytest.raises(UserError, match=sentence):
            fetch(f"{server.url}/a.nc", cache)
        assert len(server.requests) == 1
    assert visible(cache) == []


def test_another_content_than_published_is_asked_for_twice_and_refused(
    root: Path, cache: Path, content: bytes
) -> None:
    (root / "a.nc").write_bytes(content)
    with faulty_http(root) as server:
        with pytest.raises(UserError, match=r"not the published file: its MD5 differs"):
            fetch(f"{server.url}/a.nc", cache, checksum=f"md5:{'0' * 32}")
        assert len(server.requests) == 2
        assert visible(cache) == []
        digest = hashlib.md5(content).hexdigest()
        assert fetch(f"{server.url}/a.nc", cache, checksum=f"md5:{digest.upper()}")


def test_a_copy_that_was_harmed_is_replaced(root: Path, cache: Path, content: bytes) -> None:
    (root / "a.nc").write_bytes(content)
    with faulty_http(root) as server:
        path = Path(fetch(f"{server.url}/a.nc", cache))
        path.write_bytes(content[:-1] + b"?")
        assert fetch(f"{server.url}/a.nc", cache, checksum=sha256(content)) == str(path)
    assert path.read_bytes() == content


def test_mirrors_are_tried_in_order_and_go_on_where_another_stopped(
    root: Path, cache: Path, tmp_path: Path, content: bytes
) -> None:
    (root / "a.nc").write_bytes(content)
    empty = tmp_path / "empty"
    empty.mkdir()
    with (
        faulty_http(empty) as first,
        faulty_http(root, script=["truncate", *["busy"] * 50]) as second,
        faulty_http(root) as third,
    ):
        mirrors = [f"{one.url}/a.nc" for one in (second, third)]
        path = fetch(f"{first.url}/a.nc", cache, mirrors=mirrors, checksum=sha256(content))
        assert [len(one.requests) for one in (first, second, third)] == [1, 4, 1]
        assert "Range" in third.requests[0].headers
    assert Path(path).read_bytes() == content


def test_mirrors_are_not_glued_without_a_checksum(
    root: Path, cache: Path, tmp_path: Path, content: bytes
) -> None:
    (root / "a.nc").write_bytes(content)
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.nc").write_bytes(content[::-1])
    with (
        faulty_http(root, script=["truncate", *["busy"] * 50]) as first,
        faulty_http(other) as second,
    ):
        path = fetch(f"{first.url}/a.nc", cache, mirrors=[f"{second.url}/a.nc"])
    assert Path(path).read_bytes() == content[::-1]


def test_if_no_address_has_it_all_are_named(root: Path, cache: Path) -> None:
    with faulty_http(root) as one, faulty_http(root) as other:
        addresses = [f"{server.url}/a.nc" for server in (one, other)]
        with pytest.raises(UserError, match=f"{addresses[0]} does.*; {addresses[1]} does"):
            fetch(addresses[0], cache, mirrors=addresses[1:])


def test_several_come_at_once_and_the_same_one_once(root: Path, cache: Path) -> None:
    for number in range(12):
        (root / f"{number}.nc").write_bytes(bytes([number]) * 1000)
    with faulty_http(root) as server:
        wanted = [Wanted(f"{server.url}/{number % 12}.nc") for number in range(24)]
        paths = fetch_all(wanted, cache)
        assert len(server.requests) == 12
    assert [Path(path).read_bytes()[0] for path in paths] == [*range(12), *range(12)]


def test_one_failure_stops_the_rest(root: Path, cache: Path) -> None:
    for number in range(40):
        (root / f"{number}.nc").write_bytes(b"x")
    with faulty_http(root) as server:
        names = ["none.nc", *(f"{number}.nc" for number in range(40))]
        with pytest.raises(UserError, match=r"none\.nc does not exist"):
            fetch_all([Wanted(f"{server.url}/{name}") for name in names], cache)
        assert len(server.requests) < 40


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    size=st.integers(0, 300_000),
    seed=st.integers(0, 2**32),
    ranges=st.booleans(),
    marks=st.booleans(),
    checked=st.booleans(),
)
def test_whatever_goes_wrong_the_content_is_right(
    tmp_path_factory: pytest.TempPathFactory,
    size: int,
    seed: int,
    ranges: bool,
    marks: bool,
    checked: bool,
) -> None:
    folder = tmp_path_factory.mktemp("any")
    content = random.Random(seed).randbytes(size)
    (folder / "a.nc").write_bytes(content)
    faults = Faults(drop=0.25, truncate=0.15, burst=0.02, length=2, seed=seed)
    with (
        faulty_http(folder, faults=faults, ranges=ranges, marks=marks) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        # tries of one byte bring nothing or all: eight may well fail in a row
        patch.setattr(sys.modules[Wanted.__module__], "TRIES", 50)
        checksum = sha256(content) if checked else None
        path = fetch(f"{server.url}/a.nc", folder / "downloads", checksum=checksum)
    assert Path(path).read_bytes() == content


def test_long_downloads_say_how_much_has_come(
    root: Path, cache: Path, content: bytes, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    for name in ("a.nc", "b.nc"):
        (root / name).write_bytes(content)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    monkeypatch.setattr(http, "TIMEOUT", (30, 2))
    with faulty_http(root, script=["whole", "stall"]) as server:
        fetch_all([Wanted(f"{server.url}/{name}.nc") for name in "ab"], cache)
    lines = [one for one in capsys.readouterr().err.splitlines() if one.startswith("download: ")]
    assert re.fullmatch(r"download: 1 of 2, .*/.*, .* left, [\d.]+ kiB", lines[0])
    assert re.fullmatch(r"download: 2 of 2, .*, 0\.0 s left, [\d.]+ (k|M)iB", lines[-1])
