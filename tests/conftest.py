"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder with the real files; tests that need it skip where it is absent."""
    folder = os.environ.get("CLIMBENCH_TEST_DATA")
    if not folder:
        pytest.skip("CLIMBENCH_TEST_DATA is not set: no real data files here")
    return Path(folder)
