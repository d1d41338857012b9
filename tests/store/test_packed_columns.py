"""The packed cache of columns gives rows as the store has them, in any order."""

import pickle

import numpy as np
import pytest
import xarray as xr
import zarr

from climbench.store import packed_columns
from climbench.store.packed_columns import PackedColumns, pack_columns

TIMES, LEVELS, COLUMNS = 7, 3, 4


@pytest.fixture
def store():
    rng = np.random.default_rng(0)
    profile = rng.normal(size=(TIMES, LEVELS, COLUMNS)).astype("f4")
    flux = rng.normal(size=(TIMES, COLUMNS)).astype("f4")
    return xr.Dataset(
        {"t": (("time", "level", "column"), profile), "ps": (("time", "column"), flux)}
    )


@pytest.fixture(params=[2**28, 100])
def packed(request, store, tmp_path, monkeypatch):
    """One shard, and one for each time."""
    monkeypatch.setattr(packed_columns, "SHARD_BYTES", request.param)
    return PackedColumns(pack_columns(store, ["ps", "t"], tmp_path, "key"))


def test_a_row_is_a_column_at_a_time_its_values_in_the_order_asked_for(store, packed):
    assert packed.shape == (TIMES * COLUMNS, 1 + LEVELS)
    rows = np.array([5 * COLUMNS + 2, 0, 27, 5 * COLUMNS + 2])
    for row, values in zip(rows, packed.take(rows), strict=True):
        here = store.isel(time=row // COLUMNS, column=row % COLUMNS)
        np.testing.assert_array_equal(values, [here.ps, *here.t.values])


def test_a_worker_and_zarr_read_the_same(packed):
    rows = np.arange(len(packed))
    expected = packed.take(rows)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(packed)).take(rows), expected)
    whole = zarr.open_array(str(packed.path / "columns"), mode="r")[:]
    np.testing.assert_array_equal(whole, expected)


def test_what_is_packed_is_not_packed_again(store, tmp_path):
    first = pack_columns(store, ["t"], tmp_path, "key")
    before = first.stat().st_mtime_ns
    assert pack_columns(store, ["t"], tmp_path, "key") == first
    assert first.stat().st_mtime_ns == before
    assert pack_columns(store, ["t"], tmp_path, "another") != first


@pytest.mark.parametrize("row", [-1, TIMES * COLUMNS])
def test_rows_beyond_the_end_are_refused(packed, row):
    with pytest.raises(IndexError):
        packed.take(np.array([row]))
