"""Fixtures shared by all tests."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder with the real files; tests that need it skip where it is absent."""
    folder = os.environ.get("CLIMBENCH_TEST_DATA")
    if not folder:
        pytest.skip("CLIMBENCH_TEST_DATA is not set: no real data files here")
    return Path(folder)


@pytest.fixture(scope="module")
def module_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder of a test file whose runs are large: pytest would keep it until the last test."""
    folder = tmp_path_factory.mktemp("module")
    yield folder
    shutil.rmtree(folder)
