"""Columns per second of the loader, in one process, beside a memory-mapped array of the same rows.

    python benchmarks/columns/loader.py [millions of columns]

The store holds random numbers in ClimSim's first vectors (124 + 128 float32).
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import zarr

from climbench.store.packed_columns import PackedColumns
from climbench.tasks.column_samples import ColumnPart, ColumnSamples, ColumnStore
from climbench.tasks.timeline import Timeline
from climbench.training.data import Batches, Loader

COLUMNS, VALUES, INPUTS, BATCH = 384, 252, 124, 3072
BLOCK = 512  # times that are written at once


def packed(folder: Path, times: int) -> PackedColumns:
    """Write random rows as the training cache holds them."""
    array = zarr.open_group(str(folder), mode="w").create_array(
        "columns",
        shape=(times * COLUMNS, VALUES),
        chunks=(COLUMNS, VALUES),
        shards=(BLOCK * COLUMNS, VALUES),
        dtype="float32",
        compressors=None,
    )
    rng = np.random.default_rng(0)
    for start in range(0, times, BLOCK):
        rows = (min(BLOCK, times - start) * COLUMNS, VALUES)
        array[start * COLUMNS : start * COLUMNS + rows[0]] = rng.random(rows, dtype=np.float32)
    return PackedColumns(folder)


def through_loader(store: PackedColumns, times: int) -> float:
    """Return shuffled columns per second, as training asks for them."""
    line = Timeline(pd.date_range("2000-01-01", periods=times, freq="20min"))
    part = ColumnPart(ColumnStore("random", store, line, COLUMNS), np.arange(times), 0)
    samples = ColumnSamples([part], INPUTS)
    loader = Loader(samples, Batches(len(samples), BATCH, shuffle=True, seed=1))
    begin, seen = time.perf_counter(), 0
    for batch in loader:
        seen += len(batch.targets)
    return seen / (time.perf_counter() - begin)


def through_memmap(path: Path, rows: int) -> float:
    """Return shuffled rows per second of a plain memory-mapped array, cut in two."""
    plain = np.lib.format.open_memmap(path, mode="r")
    order = np.random.default_rng(1).permutation(rows)
    begin = time.perf_counter()
    for start in range(0, rows, BATCH):
        batch = plain[order[start : start + BATCH]]
        _ = batch[:, :INPUTS], batch[:, INPUTS:]
    return rows / (time.perf_counter() - begin)


def main() -> None:
    """Measure both, twice: the second time files are in memory."""
    times = round(1e6 * float(sys.argv[1] if len(sys.argv) > 1 else 1.0) / COLUMNS)
    with tempfile.TemporaryDirectory() as folder:
        store = packed(Path(folder) / "columns.zarr", times)
        plain = Path(folder) / "plain.npy"
        copy = np.lib.format.open_memmap(plain, mode="w+", dtype="<f4", shape=store.shape)
        for start in range(0, len(store), BATCH):
            rows = np.arange(start, min(start + BATCH, len(store)))
            copy[rows] = store.take(rows)
        copy.flush()
        for turn in ("first", "second"):
            own, other = through_loader(store, times), through_memmap(plain, len(store))
            print(f"{turn} epoch: loader {own:,.0f} columns/s, memmap {other:,.0f} columns/s")


if __name__ == "__main__":
    main()
