"""The cache: its limit, and what it never removes."""

import errno
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from servers.faulty_http import faulty_http

from climbench.errors import UserError
from climbench.recipes.downloads import downloads_folder, fetch, in_use, taking, used_bytes
from climbench.recipes.downloads.cache import FOLDER, LIMIT, evict, mark_used, size_limit
from climbench.recipes.downloads.partial import Partial

ANOTHER_BUILD = """
import sys, time
from pathlib import Path
from climbench.recipes.downloads.cache import in_use, mark_used
with in_use(Path(sys.argv[1])):
    mark_used(Path(sys.argv[2]))
    print("holds", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def filled(cache: Path) -> list[Path]:
    """Four files of 1000 bytes; the first was used last."""
    cache.mkdir()
    paths = [cache / f"{number}.nc" for number in range(4)]
    for age, path in enumerate(paths):
        path.write_bytes(bytes(1000))
        os.utime(path, (1e9 - age, 1e9))
    return paths


def names(cache: Path) -> set[str]:
    return {path.name for path in cache.glob("*.nc")}


def test_what_was_used_least_recently_goes_first_and_it_is_said(
    filled: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    evict(cache)
    assert used_bytes(cache) == 4000  # the usual limit is far
    monkeypatch.setenv(LIMIT, "2.5 kB")
    evict(cache)
    assert names(cache) == {"0.nc", "1.nc"}
    assert "2 downloads (1.95 kiB) that no build uses were removed" in capfd.readouterr().err
    mark_used(filled[1])
    monkeypatch.setenv(LIMIT, "1kB")
    evict(cache)
    assert names(cache) == {"1.nc"}
    assert filled[1].stat().st_mtime == 1e9  # the time of change identifies the content
    monkeypatch.setenv(LIMIT, "none")
    assert size_limit() == float("inf")


def test_a_limit_that_is_no_size(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT, "plenty")
    with pytest.raises(UserError, match=f"{LIMIT} is 'plenty': write a size such as '50 GB'"):
        with taking(cache):
            pass


def test_what_a_build_uses_stays(
    filled: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIMIT, "0")
    with in_use(cache):
        mark_used(filled[3])
        evict(cache)
        assert names(cache) == {"3.nc"}
    evict(cache)
    assert names(cache) == set()
    assert list(cache.iterdir()) == []


def test_what_the_build_of_another_process_uses_stays_until_it_ends_or_is_killed(
    filled: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIMIT, "0")
    command = [sys.executable, "-c", ANOTHER_BUILD, str(cache), str(filled[3])]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None and other.stdout.readline() == "holds\n"
    evict(cache)
    assert names(cache) == {"3.nc"}
    other.kill()
    other.wait()
    evict(cache)
    assert names(cache) == set()


@pytest.mark.parametrize("name", ["unpacked/a.tar-0", "chunks/0123456789ab"])
def test_unpacked_archives_and_chunks_count_and_go_as_a_whole(
    filled: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = cache / name
    folder.mkdir(parents=True)
    (folder / "b.nc").write_bytes(bytes(500))
    os.utime(folder, (1e8, 1e8))
    assert used_bytes(cache) == 4500
    monkeypatch.setenv(LIMIT, "4 kB")
    with in_use(cache):
        mark_used(folder)
        os.utime(folder, (1e8, 1e8))
        evict(cache)
        assert folder.exists() and len(names(cache)) == 3
        (cache / "3.nc").write_bytes(bytes(1000))
    evict(cache)
    assert not folder.exists() and len(names(cache)) == 4


def test_files_of_this_build_stay_beyond_the_limit_and_go_after_it(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        (root / f"{number}.nc").write_bytes(bytes(1000))
    monkeypatch.setenv(LIMIT, "1 kB")
    with faulty_http(root) as server:
        with taking(cache) as traffic:
            paths = [Path(fetch(f"{server.url}/{number}.nc", cache)) for number in range(3)]
            assert all(path.exists() for path in paths)
        assert [path.exists() for path in paths] == [False, False, True]
    assert (traffic.files, traffic.bytes, traffic.requests, traffic.repeated) == (3, 3000, 3, 0)


def fetch_and_report(address: str, cache: Path, results: "multiprocessing.Queue[str]") -> None:
    results.put(fetch(address, cache))


def test_processes_that_want_the_same_file_fetch_it_once(root: Path, cache: Path) -> None:
    (root / "a.nc").write_bytes(os.urandom(2**22))
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    with faulty_http(root) as server:
        arguments = (f"{server.url}/a.nc", cache, results)
        workers = [context.Process(target=fetch_and_report, args=arguments) for _ in range(3)]
        for worker in workers:
            worker.start()
        paths = {results.get(timeout=20) for _ in workers}
        for worker in workers:
            worker.join()
        assert len(server.requests) == 1
    assert len(paths) == 1
    assert Path(paths.pop()).read_bytes() == (root / "a.nc").read_bytes()


def test_the_folder_can_be_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert downloads_folder(tmp_path / "stores") == tmp_path / "stores" / "downloads"
    monkeypatch.setenv(FOLDER, str(tmp_path / "shared"))
    assert downloads_folder(tmp_path / "stores") == tmp_path / "shared"


def test_doctor_tells_where_downloads_are_and_how_large(
    filled: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from climbench.experiments.doctor import describe_downloads

    monkeypatch.setenv(FOLDER, str(cache))
    monkeypatch.setenv(LIMIT, "50 GB")
    assert describe_downloads() == f"3.91 kiB in {cache} ({LIMIT}: 50 GB)"


def test_a_full_disk_of_downloads_is_named(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be another one than that of the stores."""

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (root / "a.nc").write_bytes(b"a")
    monkeypatch.setattr(Partial, "extend", full)
    with (
        faulty_http(root) as server,
        pytest.raises(UserError, match=f"no space is left for {cache}: free some or choose"),
    ):
        fetch(f"{server.url}/a.nc", cache)
