import hashlib

import fsspec
import pytest

from climbench.errors import UserError
from climbench.store import software_versions, source_record


def test_a_file_is_known_by_its_bytes(tmp_path):
    (tmp_path / "a.nc").write_bytes(b"abc")
    assert source_record(tmp_path / "a.nc") == {
        "address": str(tmp_path / "a.nc"),
        "size": 3,
        "sha256": hashlib.sha256(b"abc").hexdigest(),
    }


def test_a_folder_is_known_by_names_and_bytes_of_its_files(tmp_path):
    def record(name, files):
        for file, content in files.items():
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_bytes(content)
        return source_record(tmp_path / name)

    first = record("first", {"zarr.json": b"{}", "t/c/0": b"12"})
    assert first["size"] == 4
    assert record("copy", {"t/c/0": b"12", "zarr.json": b"{}"})["sha256"] == first["sha256"]
    assert record("other", {"zarr.json": b"{}", "t/c/0": b"13"})["sha256"] != first["sha256"]
    assert record("moved", {"zarr.json": b"{}", "t/c/1": b"12"})["sha256"] != first["sha256"]


def test_a_remote_object_is_known_by_size_and_mark():
    with fsspec.open("memory://archive/a.nc", "wb") as file:
        file.write(b"abc")
    record = source_record("memory://archive/a.nc")
    assert record["size"] == 3
    assert record["etag"]
    assert "sha256" not in record


@pytest.mark.parametrize("address", ["nowhere.nc", "memory://nowhere.nc"])
def test_a_missing_source_is_one_sentence(address):
    with pytest.raises(UserError, match=r"there is no source .*nowhere.nc: check the address"):
        source_record(address)


def test_versions_name_python_and_climbench():
    assert {"python", "climbench", "zarr", "numpy"} <= set(software_versions())
