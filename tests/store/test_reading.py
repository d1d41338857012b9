"""Every way of reading training data gives the same values, and the machine decides which."""

import pickle
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from small_stores import weather, write_store

from climbench import memory
from climbench.errors import UserError
from climbench.store import open_store, pack
from climbench.store.reader import PackedReader
from climbench.store.reading import Reading, StoreReader

CHANNELS = ["2m_temperature", "geopotential_850", "orography", "geopotential_500"]
METHODS = ["ram", "mmap", "zarr"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    ds = weather(pd.date_range("2000-01-01", periods=30, freq="6h"))
    ds["2m_temperature"][5] = np.nan
    ds["geopotential"][7, 0, 1, 2] = np.nan
    return open_store(write_store(tmp_path_factory.mktemp("stores") / "planet", ds))


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr("climbench.store.packed.SHARD_BYTES", 7 * 4 * 32 * 4)


def side_by_side(ds):
    level = ds["geopotential"]
    orography = np.broadcast_to(ds["orography"], (30, 4, 8))
    fields = [ds["2m_temperature"], level.sel(level=850), orography, level.sel(level=500)]
    return np.stack([np.asarray(field) for field in fields], axis=1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("channels", [None, [0], [3, 1], [1, 2, 3], []])
def test_windows_of_some_channels_are_the_same_by_every_method(store, tmp_path, method, channels):
    reader = Reading(method).open(store, CHANNELS, tmp_path, "key")
    assert reader.method == method
    steps = np.array([[4, 5, 6, 7, 8], [29, 0, 1, 1, 13]])  # across shards, repeated, with NaN
    wanted = slice(None) if channels is None else channels
    fields = reader.take(steps, channels)
    np.testing.assert_array_equal(fields, side_by_side(store)[steps][:, :, wanted])
    assert fields.dtype == np.float32 and fields.flags.writeable
    found = pickle.loads(pickle.dumps(reader)).take(steps, channels)  # as a worker has it
    np.testing.assert_array_equal(found, fields)
    for beyond in (-1, 30):
        with pytest.raises(IndexError, match=r"0\.\.29"):
            reader.take(np.array([beyond]))


def test_channels_that_lie_apart_come_from_mapped_files(store, tmp_path, monkeypatch):
    reader = Reading("mmap").open(store, CHANNELS, tmp_path, "key")
    steps = np.array([29, 0, 8, 7, 1])
    read = reader.take(steps, [3, 1])
    monkeypatch.setattr("climbench.store.reader.FEW_RUNS", 1)
    monkeypatch.setattr("climbench.store.reader.MAPPED_BYTES", 100)  # pages are given back
    for _ in range(2):
        np.testing.assert_array_equal(reader.take(steps, [3, 1]), read)
    np.testing.assert_array_equal(read, side_by_side(store)[steps][:, [3, 1]])


@pytest.mark.parametrize("method", METHODS)
def test_missing_values_are_known_without_looking_again(store, tmp_path, method, monkeypatch):
    reader = Reading(method).open(store, CHANNELS, tmp_path, "key")
    if method != "zarr":
        monkeypatch.setattr(PackedReader, "take", None)
    assert np.argwhere(reader.missing).tolist() == [[5, 0], [7, 3]]


def test_a_copy_from_before_missing_values_were_noted_is_looked_through(store, tmp_path):
    path = pack(store, CHANNELS, tmp_path, "key")
    shutil.rmtree(path / "missing")
    assert np.argwhere(PackedReader(path).missing).tolist() == [[5, 0], [7, 3]]


def test_a_worker_maps_what_its_parent_holds_in_memory(store, tmp_path):
    reader = Reading("ram").open(store, CHANNELS, tmp_path, "key")
    assert pickle.loads(pickle.dumps(reader)).method == "mmap"


def test_the_machine_decides(store, tmp_path, monkeypatch, caplog):
    def method(share=0.5):
        return Reading("auto", share).open(store, CHANNELS, tmp_path / "cache", "key").method

    free = {"disk": 100, "memory": 10**9}
    disk = "climbench.store.reading.shutil.disk_usage"
    monkeypatch.setattr(disk, lambda _: SimpleNamespace(free=free["disk"]))
    monkeypatch.setattr("climbench.store.reader.free_memory", lambda: free["memory"])
    assert method() == "zarr"
    assert "a packed copy of the training data takes" in caplog.text
    free["disk"] = 10**9
    with caplog.at_level("INFO"):
        assert method() == "ram"
        free.update(memory=2 * 15360, disk=0)  # the copy is there: no room is needed
        assert method() == "ram"
        assert method(share=0.4) == "mmap"
    assert [record.message.split()[-1] for record in caplog.records[-3:]] == ["ram", "ram", "mmap"]


def test_a_part_of_a_store_can_be_read_without_a_copy(store, tmp_path):
    north = store.isel(latitude=slice(2, 4))
    reader = pickle.loads(pickle.dumps(StoreReader(north, CHANNELS)))
    np.testing.assert_array_equal(reader.take(np.array([3])), side_by_side(store)[[3], :, 2:])
    assert not list(tmp_path.iterdir())


def test_an_unknown_reader_is_one_sentence(store, tmp_path):
    with pytest.raises(UserError, match="unknown reader 'rum': did you mean 'ram'"):
        Reading("rum").open(store, CHANNELS, tmp_path, "key")


def test_a_job_has_the_memory_of_its_control_group(tmp_path, monkeypatch):
    job = tmp_path / "slurm" / "job"
    job.mkdir(parents=True)
    (tmp_path / "meminfo").write_text("MemTotal: 900 kB\nMemAvailable:  800 kB\n")
    (tmp_path / "cgroup").write_text("12:cpu:/x\n0::/slurm/job\n")
    monkeypatch.setattr(memory, "MACHINE", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "GROUP", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "GROUPS", tmp_path)
    assert memory.free_memory() == 800 * 1024
    (job / "memory.max").write_text("max\n")
    (job / "memory.stat").write_text("anon 1000\nfile 5000\n")
    (job.parent / "memory.max").write_text("51000\n")
    (job.parent / "memory.stat").write_text("anon 1000\nfile 5000\n")
    assert memory.free_memory() == 50_000  # the page cache counts as free
