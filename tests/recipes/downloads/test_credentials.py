"""Passwords go to their own host, and nowhere else."""

from collections.abc import Callable
from pathlib import Path

import pytest
from servers.earthdata import earthdata
from servers.faulty_http import faulty_http

from climbench.errors import UserError
from climbench.recipes import Recipe, build, load_recipe
from climbench.recipes.downloads import credentials, fetch, find, shown, storage_options
from climbench.recipes.downloads.credentials import login_of

from ..conftest import weather


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(path))
    return path


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://a.org/b.nc?year=2001&author=x", "https://a.org/b.nc?year=2001&author=x"),
        ("https://me:word@a.org/b@c.nc", "https://a.org/b@c.nc"),
        ("https://a.org/b.nc?token=abc", "https://a.org/b.nc?token=..."),
        ("https://a.org/b?x=1&access_token=abc&y=2", "https://a.org/b?x=1&access_token=...&y=2"),
        (
            "https://a.org/b?X-Amz-Credential=me%2F&X-Amz-Signature=12&X-Amz-Date=1",
            "https://a.org/b?X-Amz-Credential=...&X-Amz-Signature=...&X-Amz-Date=1",
        ),
        (
            "see 'ftp://u:p@h/a' and http://x/?api_key=1",
            "see 'ftp://h/a' and http://x/?api_key=...",
        ),
        ("/home/me@work/a.nc", "/home/me@work/a.nc"),
    ],
)
def test_addresses_are_shown_without_secrets(address: str, expected: str) -> None:
    assert shown(address) == expected


def test_the_earthdata_login_gets_the_password_and_the_archive_does_not(
    netrc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with earthdata("me", "my-word", b"MERRA-2") as servers:
        with pytest.raises(UserError, match=r"web page of localhost.*machine localhost login NAME"):
            fetch(f"{servers.archive}/a.nc4", tmp_path / "downloads")
        netrc.write_text("machine localhost login me password my-word\n")
        servers.seen.clear()
        path = fetch(f"{servers.archive}/a.nc4", tmp_path / "downloads")
        assert Path(path).read_bytes() == b"MERRA-2"
        hosts = [host for host, _ in servers.seen]
        assert hosts == ["archive", "login", "archive", "archive"]
        assert all((host == "login") == (sent is not None) for host, sent in servers.seen)
        # the same from the environment
        netrc.unlink()
        monkeypatch.setattr(credentials, "EARTHDATA", "localhost")
        monkeypatch.setenv("EARTHDATA_USERNAME", "me")
        monkeypatch.setenv("EARTHDATA_PASSWORD", "my-word")
        assert fetch(f"{servers.archive}/b.nc4", tmp_path / "downloads")


def test_a_default_entry_is_for_nobody_and_a_broken_file_is_named_without_its_words(
    netrc: Path,
) -> None:
    netrc.write_text("machine a.org login me password one\ndefault login you password two\n")
    assert login_of("a.org") == ("me", "one")
    assert login_of("b.org") is None
    netrc.write_text("machine a.org login me\nsecret-word here\n")
    with pytest.raises(UserError, match=r"netrc, line \d: this is not as netrc files are") as error:
        login_of("a.org")
    assert "secret" not in str(error.value)


def test_passwords_do_not_travel_in_the_clear(netrc: Path) -> None:
    import requests

    netrc.write_text("machine a.org login me password one\n")

    def header(address: str) -> str | None:
        request = requests.Request("GET", address)
        return credentials.Session().prepare_request(request).headers.get("Authorization")

    assert header("https://a.org/x") is not None
    assert header("http://a.org/x") is None
    assert header("https://a.org.evil.net/x") is None


def test_another_port_of_the_same_host_does_not_get_the_login(
    netrc: Path, root: Path, cache: Path
) -> None:
    netrc.write_text("machine 127.0.0.1 login me password one\n")
    (root / "b.nc").write_bytes(b"b")
    with faulty_http(root) as server, faulty_http(root) as other:
        server.answers["/a.nc"] = (302, {"Location": f"{other.url}/b.nc"}, b"")
        server.answers["/c.nc"] = (302, {"Location": "/b.nc"}, b"")
        fetch(f"{server.url}/a.nc", cache)
        fetch(f"{server.url}/c.nc", cache)
        assert all("Authorization" in one.headers for one in server.requests)
        assert "Authorization" not in other.requests[0].headers


def test_no_secret_is_in_an_error(tmp_path: Path, root: Path) -> None:
    with faulty_http(root) as server:
        addresses = [
            f"{server.url}/a.nc?token=secret-word",
            "http://127.0.0.1:1/a.nc?token=secret-word",
            "https://me:secret-word@127.0.0.1:1/a.nc",
            "gopher://h/a.nc?token=secret-word",
            "ftp://me:secret-word@127.0.0.1:1/a.nc",
        ]
        for address in addresses:
            with pytest.raises(UserError) as error:
                fetch(address, tmp_path / "downloads")
            assert "secret" not in str(error.value), error.value
        with pytest.raises(UserError) as error:
            find("http://127.0.0.1:1/*.nc?token=secret-word")
        assert "secret" not in str(error.value)


def test_a_recipe_with_a_password_is_refused(write_recipe: Callable[..., Path]) -> None:
    source = {"kind": "files", "address": "https://me:secret-word@a.org/b.nc"}
    with pytest.raises(UserError, match=r"https://a.org/b.nc .*machine a\.org login NAME") as error:
        load_recipe(str(write_recipe(sources=[source])))
    assert "secret" not in str(error.value)


def test_no_token_is_in_a_store(
    root: Path, tmp_path: Path, write_recipe: Callable[..., Path]
) -> None:
    weather("2001-01-01", 10).to_netcdf(root / "a.nc")
    with faulty_http(root) as server:
        paths = []
        for token in ("secret-word", "secret-two"):
            source = {
                "kind": "files",
                "address": f"{server.url}/a.nc?token={token}",
                "rename": {"t2m": "2m_temperature"},
            }
            recipe: Recipe = load_recipe(str(write_recipe(sources=[source])))
            paths.append(build(recipe, tmp_path / "stores"))
        assert paths[0] == paths[1]  # a new token makes no other store
        assert server.requests[0].path.endswith("token=secret-word")
    written = [file for file in (tmp_path / "stores").rglob("*") if file.is_file()]
    assert len(written) > 5
    assert not [file for file in written if b"secret" in file.read_bytes()]
    assert not [file for file in written if "secret" in file.name]


def test_public_storage_is_anonymous_unless_the_environment_has_a_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    assert storage_options("gs://bucket/a") == {"token": "anon"}
    assert storage_options("s3://bucket/a") == {"anon": True}
    monkeypatch.setenv("AWS_PROFILE", "work")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "key.json")
    assert storage_options("gs://bucket/a") == storage_options("s3://bucket/a") == {}
