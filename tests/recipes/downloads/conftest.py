"""Short pauses, and no credentials but those of the test."""

import random
from pathlib import Path

import pytest

from climbench.recipes.downloads import retrying
from climbench.recipes.downloads.credentials import AWS


@pytest.fixture(autouse=True)
def quick_and_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(retrying, "FIRST_PAUSE", 0.001)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    for name in (*AWS, "CLIMBENCH_DOWNLOADS", "CLIMBENCH_DOWNLOADS_LIMIT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Folder that a server shows."""
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "downloads"


@pytest.fixture
def content() -> bytes:
    return random.Random(0).randbytes(512_000)
