"""Objects by FTP, and from Amazon's and Google's storage."""

import hashlib
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fsspec.registry import _registry
from servers.ftp import ftp
from servers.gcs import serving_gcs
from servers.s3 import S3, s3

from climbench.errors import UserError
from climbench.recipes.downloads import fetch, filesystems, find, storage_options, taking


@pytest.fixture(scope="module")
def storage() -> Iterator[S3]:
    with s3() as server:
        yield server


@pytest.fixture
def bucket(storage: S3, content: bytes, monkeypatch: pytest.MonkeyPatch) -> S3:
    monkeypatch.setenv("AWS_ENDPOINT_URL", storage.url)
    storage.put("public", "data/a.nc", content)
    return storage


def test_a_file_by_anonymous_ftp(root: Path, cache: Path, content: bytes) -> None:
    (root / "prism").mkdir()
    (root / "prism" / "a.nc").write_bytes(content)
    (root / "prism" / "b.txt").write_bytes(b"")
    with ftp(root) as server:
        assert find(f"{server.url}/prism/*.nc")[0].endswith("/prism/a.nc")
        path = fetch(f"{server.url}/prism/a.nc", cache)
        assert Path(path).read_bytes() == content
        assert Path(fetch(f"{server.url}/prism/b.txt", cache)).read_bytes() == b""
        with pytest.raises(UserError, match=r"prism/c\.nc does not exist"):
            fetch(f"{server.url}/prism/c.nc", cache)
        with pytest.raises(UserError, match="no object matches"):
            find(f"{server.url}/prism/*.grib")


def test_ftp_that_breaks_off_is_continued(root: Path, cache: Path, content: bytes) -> None:
    (root / "a.nc").write_bytes(content)
    checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
    with ftp(root) as server, taking(cache) as traffic:
        server.breaks = 2
        path = fetch(f"{server.url}/a.nc", cache, checksum=checksum)
        starts = [start for start, _ in server.starts]
    assert Path(path).read_bytes() == content
    assert starts[0] == 0 and 0 < starts[1] < starts[2]
    assert traffic.repeated == 2


def test_ftp_takes_a_login_from_netrc(
    root: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "a.nc").write_bytes(b"1")
    netrc = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(netrc))
    with ftp(root, users={"me": "my-word"}) as server:
        with pytest.raises(UserError, match=r"a\.nc is not open to everybody.*~/\.netrc"):
            fetch(f"{server.url}/a.nc", cache)
        netrc.write_text("machine 127.0.0.1 login me password my-word\n")
        assert Path(fetch(f"{server.url}/a.nc", cache)).read_bytes() == b"1"


def test_public_buckets_need_no_key(bucket: S3, cache: Path, content: bytes) -> None:
    assert find("s3://public/data/*.nc") == ["s3://public/data/a.nc"]
    path = fetch("s3://public/data/a.nc", cache)
    assert Path(path).read_bytes() == content
    with pytest.raises(UserError, match=r"s3://public/none\.nc does not exist"):
        fetch("s3://public/none.nc", cache)
    with pytest.raises(UserError, match=r"s3://public/data is a folder: name the files"):
        fetch("s3://public/data", cache)


def test_objects_come_in_blocks_and_are_continued(
    bucket: S3, cache: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystems, "BLOCK", 2**16)
    blocks = filesystems._blocks
    firsts: list[int] = []

    def breaking(filesystem: object, path: str, start: int, size: int) -> Iterator[bytes]:
        firsts.append(start)
        for number, piece in enumerate(blocks(filesystem, path, start, size)):
            if number == 2 and len(firsts) < 3:
                raise OSError("connection reset")
            yield piece

    monkeypatch.setattr(filesystems, "_blocks", breaking)
    path = fetch("s3://public/data/a.nc", cache)
    assert firsts == [0, 2**17, 2**18]
    assert Path(path).read_bytes() == content


def test_an_object_that_changed_since_is_begun_anew(
    bucket: S3, cache: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(fetch("s3://public/data/a.nc", cache))
    path.rename(path.with_name(f"{path.name}.part"))
    os.truncate(path.with_name(f"{path.name}.part"), 1000)
    about = '{"address": "s3://public/data/a.nc", "size": 512000, "mark": "of another content"}'
    path.with_name(f"{path.name}.part.json").write_text(about)
    path.with_name(f"{path.name}.part").write_bytes(b"?" * 1000)
    assert Path(fetch("s3://public/data/a.nc", cache)).read_bytes() == content


def test_a_missing_library_and_an_unknown_scheme_are_said(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(_registry, "s3", raising=False)
    with pytest.raises(UserError, match=r"pip install climbench\[s3\]"):
        fetch("s3://bucket/a.nc", cache)
    with pytest.raises(UserError, match=r"gopher://old/a.nc cannot be reached: .*gopher"):
        fetch("gopher://old/a.nc", cache)


def test_a_public_file_on_google_storage(root: Path, cache: Path, content: bytes) -> None:
    (root / "bucket/data").mkdir(parents=True)
    (root / "bucket/data/a.nc").write_bytes(content)
    with serving_gcs(root):
        assert find("gs://bucket/data/*.nc") == ["gs://bucket/data/a.nc"]
        assert Path(fetch("gs://bucket/data/a.nc", cache)).read_bytes() == content
        with pytest.raises(UserError, match=r"gs://bucket/none\.nc does not exist"):
            fetch("gs://bucket/none.nc", cache)


def test_what_google_storage_logs_is_not_printed_before_our_sentence() -> None:
    storage_options("gs://bucket/a.zarr")
    assert any(isinstance(one, logging.NullHandler) for one in logging.getLogger("gcsfs").handlers)


def test_google_storage_is_read_the_same_whoever_imported_gcsfs_first() -> None:
    """With its other class, which asks by another protocol, this would wait for minutes."""
    code = (
        "import gcsfs; from fsspec import get_filesystem_class as given\n"
        "from climbench.recipes.downloads import storage_options\n"
        "storage_options('gs://bucket/a')\n"
        "assert given('gs') is given('gcs') is gcsfs.core.GCSFileSystem, given('gs')"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GCSFS")}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
