import hashlib
import warnings

import dask.array
import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given
from hypothesis import strategies as st

from climbench.errors import UserError
from climbench.store import create_store, encoding, open_store, shard_files, write_part


def digests(path):
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return {str(f.relative_to(path)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_a_chunk_is_one_field_and_a_shard_is_whole_but_along_the_parts(weather, climate):
    layout = encoding(weather, "time", chunk=1, shard=10)
    assert layout["temperature"]["chunks"] == (1, 1, 4, 4)
    assert layout["temperature"]["shards"] == (10, 2, 4, 4)
    assert layout["orography"]["chunks"] == layout["orography"]["shards"] == (4, 4)
    layout = encoding(climate, "scenario", chunk=1, shard=1)
    assert layout["tas"]["chunks"] == (1, 1, 12, 4, 4)
    assert layout["tas"]["shards"] == (1, 3, 12, 4, 4)
    assert layout["carbon_dioxide"]["shards"] == (1, 12)


@given(size=st.integers(1, 50), chunk=st.integers(1, 60), shard=st.integers(1, 60))
def test_shards_are_whole_chunks_and_not_longer_than_needed(size, chunk, shard):
    ds = xr.Dataset({"t": ("time", np.zeros(size, "f4"))})
    layout = encoding(ds, "time", chunk, shard)["t"]
    (inner,), (outer,) = layout["chunks"], layout["shards"]
    assert outer % inner == 0
    assert inner <= size
    assert outer < size + inner


def test_a_store_gives_back_what_was_written_and_needs_no_climbench(weather, write_store):
    path = write_store(weather)
    xr.testing.assert_identical(
        open_store(path).load().drop_attrs(deep=False), weather[list(open_store(path))]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no consolidated metadata yet
        xr.testing.assert_equal(xr.open_zarr(path).load(), weather)


def test_variables_are_compressed_sharded_and_nan_where_nothing_is_written(weather, tmp_path):
    path = tmp_path / "store.zarr"
    create_store(path, weather, {"recipe_hash": "a"}, encoding(weather, "time", 1, 10))
    array = zarr.open_array(path / "temperature", mode="r")
    assert array.shards == (10, 2, 4, 4)
    assert array.compressors[0].cname.value == "zstd"
    assert np.isnan(array[:]).all()


def test_places_that_are_read_lazily_are_written(weather, tmp_path):
    cells = weather.stack(column=("latitude", "longitude")).drop_vars(
        ["column", "latitude", "longitude"]
    )
    places = weather["orography"].values.ravel()
    cells = cells.assign_coords(area=("column", dask.array.from_array(places)))
    path = tmp_path / "store.zarr"
    create_store(path, cells, {"recipe_hash": "a"}, {})
    np.testing.assert_array_equal(zarr.open_array(path / "area", mode="r")[:], places)


def test_a_climate_store_is_written_by_scenario(climate, write_store):
    path = write_store(climate, "scenario", chunk=1, shard=1)
    opened = open_store(path)
    xr.testing.assert_equal(opened.load(), climate)
    assert opened["scenario"].dtype.kind == "U"
    assert opened.sel(scenario="ssp126", member="r2")["tas"].dims == climate["tas"].dims[2:]
    assert len(shard_files(path, "tas")) == 2


def test_a_calendar_of_models_is_kept(weather, write_store):
    noleap = xr.date_range("2000-02-27", periods=30, freq="D", calendar="noleap", use_cftime=True)
    opened = open_store(write_store(weather.assign_coords(time=noleap)))
    assert opened["time"].dt.calendar == "noleap"
    assert list(opened["time"].values) == list(noleap)


def test_parts_may_be_written_in_any_order_and_twice(weather, tmp_path):
    layout = encoding(weather, "time", 2, 8)
    starts = {"ordered": [0, 8, 16, 24], "otherwise": [24, 8, 0, 8, 16, 0]}
    for name, order in starts.items():
        create_store(tmp_path / name, weather, {"recipe_hash": "a"}, layout)
        for start in order:
            write_part(tmp_path / name, weather.isel(time=slice(start, start + 8)), "time", start)
    assert digests(tmp_path / "ordered") == digests(tmp_path / "otherwise")


def test_a_part_names_its_files_even_if_all_is_nan(weather, tmp_path):
    path = tmp_path / "store.zarr"
    create_store(path, weather, {"recipe_hash": "a"}, encoding(weather, "time", 2, 8))
    first = write_part(path, weather.isel(time=slice(0, 8)), "time", 0)
    assert {f.relative_to(path).parts[0] for f in first} == set(weather.data_vars)
    second = write_part(path, weather.isel(time=slice(8, 16)) * np.nan, "time", 8)
    assert {f.relative_to(path).parts[0] for f in second} == {"temperature", "2m_temperature"}
    assert all(file.is_file() for file in first + second)


@pytest.mark.parametrize("part", [slice(3, 11), slice(8, 13), slice(28, 36)])
def test_a_part_of_broken_shards_is_refused(weather, tmp_path, part):
    path = tmp_path / "store.zarr"
    create_store(path, weather, {"recipe_hash": "a"}, encoding(weather, "time", 2, 8))
    with pytest.raises(ValueError, match="not whole shards of 8"):
        write_part(path, weather.isel(time=part), "time", part.start)


def test_a_part_of_another_grid_is_refused(weather, tmp_path):
    path = tmp_path / "store.zarr"
    create_store(path, weather, {"recipe_hash": "a"}, encoding(weather, "time", 2, 8))
    with pytest.raises(ValueError, match="along latitude"):
        write_part(path, weather.isel(time=slice(8), latitude=slice(3)), "time", 0)


def test_a_full_disk_is_one_sentence(weather, tmp_path, monkeypatch):
    path = tmp_path / "store.zarr"
    create_store(path, weather, {"recipe_hash": "a"}, encoding(weather, "time", 2, 8))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zarr.Array, "__setitem__", full)
    with pytest.raises(UserError, match=r"no space is left for .*store\.zarr: free some"):
        write_part(path, weather.isel(time=slice(8)), "time", 0)


def test_scalars_and_whole_numbers_are_kept_and_dates_refused(weather, write_store):
    weather["members"] = np.int32(3)
    weather["mask"] = weather["orography"] > 0
    opened = open_store(write_store(weather)).load()
    xr.testing.assert_equal(opened, weather)
    assert opened["mask"].dtype == bool
    with pytest.raises(ValueError, match="when is datetime64"):
        write_store(weather.assign(when=weather["time"].isel(time=0, drop=True)))
