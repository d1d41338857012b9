"""How fast batches are read from a packed cache, against a numpy memmap of the same size.

Run ``python benchmarks/reader.py``. Rates depend on the machine; the ratios to the memmap, which
is as fast as memory allows, hardly do. Every row reads the same random batches.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

from climbench.store import (
    PackedReader,
    channel_names,
    create_store,
    encoding,
    open_store,
    pack,
    write_part,
)

ROWS, COLUMNS = 32, 64
SHARD = 1460  # steps of a year, 6-hourly


def random_store(path: Path, steps: int, channels: int) -> Path:
    """Write a store of noise, one array per variable, one step per chunk, a year per shard."""
    rng = np.random.default_rng(0)
    shape = (steps, ROWS, COLUMNS)
    coordinates = {
        "time": np.datetime64("2000-01-01", "ns") + np.arange(steps) * np.timedelta64(6, "h"),
        "latitude": (np.arange(ROWS) + 0.5) * 180 / ROWS - 90,
        "longitude": np.arange(COLUMNS) * 360 / COLUMNS,
    }
    dimensions = ("time", "latitude", "longitude")
    ds = xr.Dataset(
        {
            f"variable{c}": (dimensions, rng.standard_normal(shape, dtype=np.float32))
            for c in range(channels)
        },
        coordinates,
    )
    create_store(path, ds, {"recipe_hash": "noise"}, encoding(ds, "time", 1, SHARD))
    for start in range(0, steps, SHARD):
        write_part(path, ds.isel(time=slice(start, start + SHARD)), "time", start)
    return path


def samples_per_second(
    read: Callable[[np.ndarray], np.ndarray], batches: list[np.ndarray], seconds: float
) -> float:
    """Return the rate of the best of three rounds, after one batch to open what is lazy."""
    read(batches[0])
    rates = []
    for _ in range(3):
        count, start = 0, time.perf_counter()
        for batch in batches:
            read(batch)
            count += batch.size
            if time.perf_counter() - start > seconds:
                break
        rates.append(count / (time.perf_counter() - start))
    return max(rates)


def main() -> None:
    """Print a table of readers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=5840)
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=2.0, help="longest round of one reader")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = open_store(random_store(folder / "store.zarr", options.steps, options.channels))
        start = time.perf_counter()
        packed = pack(store, channel_names(store), folder, "benchmark")
        seconds = time.perf_counter() - start
        shape = PackedReader(packed, "zarr").shape
        print(f"{shape}, {4e-6 * np.prod(shape):.0f} MB, packed in {seconds:.1f} s")
        flat = np.memmap(folder / "flat", "<f4", "w+", shape=shape)
        flat[:] = PackedReader(packed, "ram")[np.arange(len(flat))]
        flat.flush()
        memmap = np.memmap(folder / "flat", "<f4", "r", shape=shape)
        readers: dict[str, Callable[[np.ndarray], np.ndarray]] = {
            "numpy memmap": lambda at: memmap[at],
            "packed, ram": PackedReader(packed, "ram").__getitem__,
            "packed, mmap": PackedReader(packed, "mmap").__getitem__,
            "packed, zarr": PackedReader(packed, "zarr").__getitem__,
            "xarray, one array per variable": lambda at: np.stack(
                [array.isel(time=at).values for array in store.data_vars.values()], axis=1
            ),
        }
        rng = np.random.default_rng(1)
        size = options.batch
        batches = [rng.integers(0, options.steps, size) for _ in range(20 * options.steps // size)]
        limit = None
        print(f"{'reader':32}{'samples/s':>12}{'of memmap':>12}")
        for reader, read in readers.items():
            np.testing.assert_array_equal(read(batches[0]), memmap[batches[0]])
            rate = samples_per_second(read, batches, options.seconds)
            limit = limit or rate
            print(f"{reader:32}{rate:12,.0f}{100 * rate / limit:11.1f}%")


if __name__ == "__main__":
    main()
