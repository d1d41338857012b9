"""Files of Hugging Face's hub: found by globs, fetched by HTTP, with a token where needed."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fsspec.registry import _registry

from climbench.errors import UserError
from climbench.recipes.downloads import fetch, find, taking

pytest.importorskip("huggingface_hub")
from servers.hub import Hub, serving_hub

DATA = "hf://datasets/blutjens/em-mpi"


@pytest.fixture
def hub(root: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    folder = root / "blutjens/em-mpi/ssp126/tas"
    folder.mkdir(parents=True)
    for name in ("a.nc", "b.nc", "c d.nc", "readme.md"):
        (folder / name).write_bytes(content)
    with serving_hub(root) as server:
        yield server


def test_a_glob_goes_through_all_pages(hub: Hub) -> None:
    hub.page = 2
    found = [f"{DATA}/ssp126/tas/{name}.nc" for name in ("a", "b", "c d")]
    assert find(f"{DATA}/**/tas/*.nc") == found
    with pytest.raises(UserError, match="no object matches"):
        find(f"{DATA}/ssp999/*.nc")


def test_a_file_takes_one_request_and_its_redirect(hub: Hub, cache: Path, content: bytes) -> None:
    for name in ("a.nc", "c d.nc"):
        assert Path(fetch(f"{DATA}/ssp126/tas/{name}", cache)).read_bytes() == content
    assert len(hub.requests) == 4 and not [one for one in hub.requests if "/api/" in one]


def test_a_transfer_that_breaks_off_goes_on_where_it_stopped(
    hub: Hub, cache: Path, content: bytes
) -> None:
    hub.breaks = 2
    with taking(cache) as traffic:
        assert Path(fetch(f"{DATA}/ssp126/tas/a.nc", cache)).read_bytes() == content
    assert traffic.repeated == 2 and traffic.bytes == len(content)


def test_a_gated_data_set_asks_for_a_token_that_nobody_else_sees(
    hub: Hub, cache: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.gated.add("blutjens/em-mpi")
    with pytest.raises(UserError, match=r"needs a login at huggingface.co.*into HF_TOKEN or run"):
        fetch(f"{DATA}/ssp126/tas/a.nc", cache)
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    hub.tokens.clear()
    assert Path(fetch(f"{DATA}/ssp126/tas/a.nc", cache)).read_bytes() == content
    assert hub.tokens == ["Bearer hf_test", None]  # the store of files is another host
    assert not [one for one in cache.rglob("*") if b"hf_test" in one.read_bytes()]


def test_a_file_needs_no_library_and_a_glob_names_its_extra(
    hub: Hub, cache: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.delitem(_registry, "hf", raising=False)
    assert Path(fetch(f"{DATA}/ssp126/tas/a.nc", cache)).read_bytes() == content
    with pytest.raises(UserError, match=r"pip install climbench\[hub\]"):
        find(f"{DATA}/**/*.nc")


def test_what_is_not_there_is_said(hub: Hub, cache: Path) -> None:
    with pytest.raises(UserError, match=r"em-mpi/resolve/main/ssp126/none.nc does not exist"):
        fetch(f"{DATA}/ssp126/none.nc", cache)
    with pytest.raises(UserError, match="check the data set's name, ask for access"):
        fetch("hf://datasets/nobody/nothing/a.nc", cache)
    with pytest.raises(UserError, match="names no file: write hf://datasets/OWNER/NAME/PATH"):
        fetch("hf://datasets/nobody", cache)
