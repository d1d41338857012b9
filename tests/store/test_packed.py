import pickle
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from climbench.errors import UserError
from climbench.store import PackedReader, open_store, pack
from climbench.store.reader import shard_files

CHANNELS = ["2m_temperature", "temperature_850", "orography"]
METHODS = ["mmap", "ram", "zarr"]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """Four steps of three 4 x 4 channels a shard, so that 30 steps end in a broken one."""
    monkeypatch.setattr("climbench.store.packed.SHARD_BYTES", 4 * 3 * 16 * 4)


def side_by_side(weather):
    """What the cache should hold, put together by hand."""
    fields = np.empty((30, 3, 4, 4), "f4")
    fields[:, 0] = weather["2m_temperature"]
    fields[:, 1] = weather["temperature"].sel(level=850)
    fields[:, 2] = weather["orography"]
    return fields


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("indices", [[0], [29, 0, 7, 7, 12], list(range(30)), []])
def test_every_method_gives_the_same_values_in_any_order(weather, tmp_path, method, indices):
    weather["2m_temperature"][5] = np.nan
    reader = PackedReader(pack(weather, CHANNELS, tmp_path, "key"), method)
    batch = reader[np.array(indices, np.int64)]
    assert reader.method == method
    assert batch.dtype == np.float32
    assert batch.flags.writeable  # a batch is a copy: normalising it harms nothing
    np.testing.assert_array_equal(batch, side_by_side(weather)[indices])


@settings(max_examples=15, deadline=None)
@given(
    length=st.integers(1, 25),
    shard=st.integers(1, 30),
    indices=st.lists(st.integers(0, 24), max_size=20),
    holes=st.sets(st.integers(0, 24)),
)
def test_mapped_files_hold_what_zarr_reads(tmp_path_factory, length, shard, indices, holes):
    folder = tmp_path_factory.mktemp("cache")
    values = np.random.default_rng(0).normal(size=(length, 2, 3)).astype("f4")
    values[[hole for hole in holes if hole < length]] = np.nan
    ds = xr.Dataset(
        {"t": (("time", "latitude", "longitude"), values)},
        {"time": np.arange(length), "latitude": [0.0, 1.0], "longitude": [0.0, 1.0, 2.0]},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("climbench.store.packed.SHARD_BYTES", shard * 24)
        path = pack(ds, ["t"], folder, "key")
    at = np.array([i for i in indices if i < length], np.int64)
    mapped, plain = PackedReader(path, "mmap"), PackedReader(path, "zarr")
    assert mapped.method == "mmap"
    np.testing.assert_array_equal(mapped[at], plain[at])
    np.testing.assert_array_equal(mapped[at][:, 0], values[at])


def test_a_cache_is_plain_zarr_with_coordinates_and_names(weather, tmp_path):
    path = pack(weather, CHANNELS, tmp_path, "key")
    opened = xr.open_zarr(path, consolidated=False)
    assert opened["fields"].dims == ("time", "channel", "latitude", "longitude")
    assert opened["channel"].values.tolist() == CHANNELS
    np.testing.assert_array_equal(opened["fields"], side_by_side(weather))
    reader = PackedReader(path)
    assert reader.channels == CHANNELS
    assert reader.shape == (30, 3, 4, 4)
    assert len(reader) == 30
    np.testing.assert_array_equal(reader.time, weather["time"])
    np.testing.assert_array_equal(reader.coordinates["latitude"], weather["latitude"])


def test_steps_beyond_the_ends_are_refused(weather, tmp_path):
    path = pack(weather, CHANNELS, tmp_path, "key")
    for method in METHODS:
        for step in (-1, 30):
            with pytest.raises(IndexError, match=r"steps must lie in 0\.\.29"):
                PackedReader(path, method)[np.array([step])]


def test_packing_again_does_nothing_and_another_key_or_selection_is_another_cache(
    weather, tmp_path
):
    path = pack(weather, CHANNELS, tmp_path, "key")
    before = {file: file.stat().st_mtime_ns for file in path.rglob("*")}
    assert pack(weather, CHANNELS, tmp_path, "key") == path
    assert {file: file.stat().st_mtime_ns for file in path.rglob("*")} == before
    others = {
        pack(weather, CHANNELS, tmp_path, "other"),
        pack(weather, CHANNELS[:2], tmp_path, "key"),
    }
    assert len(others | {path}) == 3


def test_a_half_written_cache_is_done_again(weather, tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    class Dies:
        """Values that cannot be had after the second block."""

        def __init__(self):
            self.left = 2

        def __call__(self, field):
            self.left -= 1
            if self.left < 0:
                raise Killed
            return repeatable(field)

    from climbench.store.packed import _repeatable as repeatable

    with monkeypatch.context() as patch:
        patch.setattr("climbench.store.packed._repeatable", Dies())
        with pytest.raises(Killed):
            pack(weather, CHANNELS, tmp_path, "key")
    assert list(tmp_path.glob("*.building"))
    assert not list(tmp_path.glob("*.zarr"))
    reader = PackedReader(pack(weather, CHANNELS, tmp_path, "key"))
    np.testing.assert_array_equal(reader[np.arange(30)], side_by_side(weather))
    assert not list(tmp_path.glob("*.building"))


def test_two_builders_do_not_collide(weather, tmp_path):
    with ThreadPoolExecutor(4) as builders:
        paths = set(builders.map(lambda _: pack(weather, CHANNELS, tmp_path, "key"), range(4)))
    reader = PackedReader(paths.pop())
    assert not paths
    assert [path.name for path in tmp_path.glob("*") if path.name[0] != "."] == [reader.path.name]
    np.testing.assert_array_equal(reader[np.arange(30)], side_by_side(weather))


@pytest.mark.parametrize("method", METHODS)
def test_a_reader_goes_to_a_worker_as_its_path(weather, tmp_path, method):
    reader = PackedReader(pack(weather, CHANNELS, tmp_path, "key"), method)
    sent = pickle.dumps(reader)
    assert len(sent) < 1000
    np.testing.assert_array_equal(pickle.loads(sent)[np.arange(30)], side_by_side(weather))


def test_files_of_another_order_are_read_by_zarr(weather, tmp_path):
    path = pack(weather, CHANNELS, tmp_path, "key")
    shard = path / "fields" / "c" / "0" / "0" / "0" / "0"
    array = zarr.open_array(path / "fields", mode="r")
    assert shard_files(path / "fields", array) is not None
    shard.rename(shard.with_name("lost"))
    assert PackedReader(path, "mmap").method == "zarr"
    assert np.isnan(PackedReader(path, "mmap")[np.array([0])]).all()


def test_compressed_or_unsharded_arrays_are_read_by_zarr(weather, tmp_path):
    ds = xr.Dataset({"fields": (("time", "channel", "y", "x"), side_by_side(weather))})
    ds.attrs["channels"] = CHANNELS
    for name, encoding in {
        "compressed": {"chunks": (1, 3, 4, 4), "shards": (4, 3, 4, 4)},
        "unsharded": {"chunks": (1, 3, 4, 4), "compressors": ()},
        "split": {"chunks": (1, 1, 4, 4), "shards": (4, 3, 4, 4), "compressors": ()},
    }.items():
        ds.to_zarr(tmp_path / name, encoding={"fields": encoding}, consolidated=False)
        reader = PackedReader(tmp_path / name, "mmap")
        assert reader.method == "zarr"
        np.testing.assert_array_equal(reader[np.array([3, 1])], side_by_side(weather)[[3, 1]])


def test_auto_takes_memory_for_small_caches_and_says_so(weather, tmp_path, monkeypatch, caplog):
    path = pack(weather, CHANNELS, tmp_path, "key")
    with caplog.at_level("INFO"):
        assert PackedReader(path).method == "ram"
        monkeypatch.setattr("climbench.store.reader.free_memory", lambda: 100)
        assert PackedReader(path).method == "mmap"
    assert [record.message.split()[-1] for record in caplog.records] == ["ram", "mmap"]


def test_climate_is_stacked_without_empty_years(climate, tmp_path):
    reader = PackedReader(pack(climate, ["tas", "carbon_dioxide"], tmp_path, "key"))
    where = reader.coordinates
    assert reader.shape == (3 * 6 + 2 * 6, 2, 4, 4)
    assert set(zip(where["scenario"].values, where["member"].values, strict=True)) == {
        ("historical", "r1"),
        ("historical", "r2"),
        ("historical", "r3"),
        ("ssp126", "r1"),
        ("ssp126", "r2"),
    }
    batch = reader[np.arange(len(reader))]
    assert not np.isnan(batch).any()
    for step in range(len(reader)):
        at = {name: where[name].values[step] for name in ("scenario", "member", "time")}
        np.testing.assert_array_equal(batch[step, 0], climate["tas"].sel(at))
        del at["member"]
        assert np.all(batch[step, 1] == np.float32(climate["carbon_dioxide"].sel(at)))
    assert where["year"].values.tolist()[:7] == [*range(2009, 2015), 2009]


def test_emissions_alone_are_stacked_by_scenario(climate, tmp_path):
    reader = PackedReader(pack(climate, ["carbon_dioxide"], tmp_path, "key"))
    assert reader.shape == (12, 1, 4, 4)
    assert "member" not in reader.coordinates


def test_model_calendars_are_kept(weather, tmp_path):
    times = xr.date_range("2000-02-27", periods=30, freq="D", calendar="noleap", use_cftime=True)
    reader = PackedReader(pack(weather.assign_coords(time=times), CHANNELS, tmp_path, "key"))
    assert list(reader.time) == list(times)


def test_mistakes_are_one_sentence(weather, climate, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="unknown channel 'orografy': did you mean 'orography'"):
        pack(weather, ["orografy"], tmp_path, "key")
    with pytest.raises(UserError, match="unknown reader 'mmmap': did you mean 'mmap'"):
        PackedReader(pack(weather, CHANNELS, tmp_path, "key"), "mmmap")
    with pytest.raises(UserError, match="channels tas hold no value: all are NaN"):
        pack(climate * np.nan, ["tas"], tmp_path, "key")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zarr.Array, "__setitem__", full)
    with pytest.raises(UserError, match=r"no space is left for .*building: free some"):
        pack(weather, CHANNELS, tmp_path, "another key")


def test_memory_does_not_grow_with_the_length(tmp_path, monkeypatch, write_store):
    monkeypatch.setattr("climbench.store.packed.SHARD_BYTES", 400_000)
    peaks = []
    for length in (30, 150):  # 1.2 and 6 MB, in shards of 10 steps
        ds = xr.Dataset(
            {"t": (("time", "latitude", "longitude"), np.zeros((length, 100, 100), "f4"))},
            {"time": np.arange(length), "latitude": np.arange(100.0) - 50, "longitude": range(100)},
        )
        store = open_store(write_store(ds, chunk=10, shard=10))
        tracemalloc.start()
        pack(store, ["t"], tmp_path / str(length), "key")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
