"""NetCDF to store: climbench beside the simplest loop and beside xarray alone.

Writes an archive of yearly NetCDF files (two variables, 121 x 240, zlib), then in turn, each in a
process of its own whose imports are not counted, while everything else is:

- ``climbench``: `climbench.build` with two workers (checks, statistics, checksums and all);
- ``one worker``: the same with one;
- ``loop``: netCDF4 reads what a shard holds, zarr writes it in the same chunks, shards and codec;
- ``xarray``: ``open_mfdataset(...).to_zarr(...)`` with default chunks.

Prints seconds of each round and the medians of the ratios of rounds; targets: at least 0.7 of the
loop's throughput and 2 times xarray's on 2 cores.

    python benchmarks/recipes/throughput.py [rounds [years]]
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import xarray as xr
import yaml

GRID = (121, 240)
STEPS = 730  # of a year
CHUNK, SHARD = 9, 585  # what climbench takes by itself for this grid
TARGETS = {"loop": 0.7, "xarray": 2.0}

RECIPE = {
    "name": "throughput",
    "description": "two variables for a benchmark",
    "licence": "CC0-1.0",
    "citation": "none",
    "sources": [
        {
            "kind": "files",
            "address": "s3://nowhere/*.nc",
            "local": "*.nc",
            "rename": {"t2m": "2m_temperature", "u10": "10m_u_component_of_wind"},
        }
    ],
    "output": {"chunk": CHUNK, "shard": SHARD},
}

BUILD = """
import sys, time
from pathlib import Path
from climbench.recipes import build, load_recipe
began = time.perf_counter()
build(load_recipe(sys.argv[3]), Path(sys.argv[2]), Path(sys.argv[1]), workers={workers})
print(time.perf_counter() - began)
"""

LOOP = """
import sys, time
from pathlib import Path
import netCDF4, numpy as np, zarr
began = time.perf_counter()
files = [netCDF4.Dataset(path) for path in sorted(Path(sys.argv[1]).glob("*.nc"))]
length = sum(len(file["time"]) for file in files)
group = zarr.open_group(sys.argv[2] + "/loop.zarr", mode="w")
codec = zarr.codecs.BloscCodec(cname="zstd", clevel=3, shuffle="shuffle", typesize=4)
for name in ("t2m", "u10"):
    array = group.create_array(name, shape=(length, {rows}, {columns}), dtype="f4",
                               chunks=({chunk}, {rows}, {columns}),
                               shards=({shard}, {rows}, {columns}), compressors=codec)
    written, pieces, held = 0, [], 0
    for file in files:
        file.set_auto_mask(False)
        at = 0
        while at < len(file["time"]):
            take = min({shard} - held, len(file["time"]) - at)
            pieces.append(file[name][at:at + take])
            at, held = at + take, held + take
            if held == {shard} or written + held == length:
                array[written:written + held] = np.concatenate(pieces)
                written, pieces, held = written + held, [], 0
print(time.perf_counter() - began)
"""

XARRAY = """
import sys, time
from pathlib import Path
import dask.array, netCDF4, xarray as xr, zarr
began = time.perf_counter()
xr.open_mfdataset(sorted(Path(sys.argv[1]).glob("*.nc"))).to_zarr(sys.argv[2] + "/x.zarr")
print(time.perf_counter() - began)
"""

PROGRAMS = {
    "climbench": BUILD.replace("{workers}", "2"),
    "one worker": BUILD.replace("{workers}", "1"),
    "loop": LOOP.format(rows=GRID[0], columns=GRID[1], chunk=CHUNK, shard=SHARD),
    "xarray": XARRAY,
}


def write_archive(folder: Path, years: int) -> None:
    """Write fields that compress as weather does: smooth, with noise in the last digits."""
    random = np.random.default_rng(0)
    rows = np.linspace(-90, 90, GRID[0])
    columns = np.arange(GRID[1]) * 360 / GRID[1]
    wave = np.cos(np.deg2rad(rows))[:, None] * np.sin(np.deg2rad(columns))
    for year in range(2001, 2001 + years):
        time = xr.date_range(f"{year}-01-01", periods=STEPS, freq="12h")
        fields = {}
        for name, units, mean, scale in (("t2m", "K", 280, 20), ("u10", "m s-1", 0, 10)):
            coarse = random.standard_normal((STEPS, 31, 60), np.float32)
            eddies = coarse.repeat(4, axis=1).repeat(4, axis=2)[:, : GRID[0]]
            noise = 0.01 * random.standard_normal((STEPS, *GRID), np.float32)
            field = (mean + scale * wave + eddies + noise).round(2).astype(np.float32)
            fields[name] = (("time", "lat", "lon"), field, {"units": units})
        axes = {
            "time": time,
            "lat": ("lat", rows, {"units": "degrees_north"}),
            "lon": ("lon", columns, {"units": "degrees_east"}),
        }
        compressed = {"zlib": True, "complevel": 4, "shuffle": True, "chunksizes": (1, *GRID)}
        encoding = {name: compressed for name in fields}
        xr.Dataset(fields, axes).to_netcdf(folder / f"{year}.nc", encoding=encoding)


def seconds(program: str, archive: Path, recipe: Path) -> float:
    """Return how long a program takes to convert the archive."""
    with tempfile.TemporaryDirectory(dir=archive.parent) as output:
        command = [sys.executable, "-W", "ignore", "-c", program, archive, output, recipe]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return float(done.stdout)


def main() -> None:
    """Print the seconds of each round and the ratios; end with 1 if a target is missed."""
    rounds, years = (*map(int, sys.argv[1:]), *(5, 4)[len(sys.argv) - 1 :])
    taken: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    with tempfile.TemporaryDirectory() as folder:
        archive, recipe = Path(folder) / "archive", Path(folder) / "throughput.yaml"
        archive.mkdir()
        recipe.write_text(yaml.safe_dump(RECIPE))
        write_archive(archive, years)
        mebibytes = years * STEPS * GRID[0] * GRID[1] * 2 * 4 / 2**20
        print(f"{mebibytes:.0f} MiB of fields in {years} files; {os.cpu_count()} cores")
        for number in range(rounds):
            for name, program in PROGRAMS.items():
                taken[name].append(seconds(program, archive, recipe))
            line = ", ".join(f"{name} {times[-1]:.1f} s" for name, times in taken.items())
            print(f"round {number + 1}: {line}", flush=True)
    missed = False
    for name in ("climbench", "one worker"):
        for other, target in TARGETS.items():
            ratio = np.median(np.divide(taken[other], taken[name]))
            print(f"{name}: {ratio:.2f} times the throughput of {other} (target {target})")
            missed |= name == "climbench" and ratio < target
    sys.exit(missed)


if __name__ == "__main__":
    main()
