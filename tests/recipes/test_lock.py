"""One builder of a store at a time."""

from pathlib import Path

import pytest

from climbench.recipes.lock import alone


def test_a_held_store_leaves_no_file_of_its_lock_behind(tmp_path):
    with alone(tmp_path / "a.zarr"):
        assert {path.name for path in tmp_path.iterdir()} == {".a.zarr.lock", ".a.zarr.holder"}
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no /proc")
def test_a_folder_that_takes_no_files_is_refused_rather_than_waited_for():
    with pytest.raises(OSError, match=r"/proc/\.a\.zarr\.lock"), alone(Path("/proc/a.zarr")):
        pass
