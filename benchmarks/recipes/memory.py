"""Whether the peak memory of a build grows with the number of parts.

Builds 10 and 1,000 parts of 4 MiB, in one file per 25 parts and in one file per part, each in a
process of its own, and prints the peak resident memory of the process that coordinates, of its
largest worker, and their ratios; the limit is 1.1. With ``planet`` it does the same for 5 and 40
years of the embedded planet's weather. The worker's figure is an upper bound on Linux, where a
process that is started counts the peak of the one that started it.

    python benchmarks/recipes/memory.py [planet]
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import xarray as xr
import yaml

LIMIT = 1.1
ENTRIES = 16  # of a part, 256 x 256 each
PARTS = (10, 1000)
YEARS = (5, 40)

BUILD = """
import json, resource, sys, time
from pathlib import Path
from climbench.recipes import build, load_recipe
began = time.monotonic()
options = json.loads(sys.argv[4])
workers = options.pop("workers")
recipe = load_recipe(sys.argv[1], options or None)
build(recipe, Path(sys.argv[2]), Path(sys.argv[3]), workers=workers)
unit = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss: bytes there, KiB here
for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
    print(resource.getrusage(who).ru_maxrss / unit)
print(time.monotonic() - began)
"""


def peaks(recipe: str, archive: Path, options: str) -> tuple[float, float, float]:
    """Return the peak memory of coordinator and largest worker, MiB, and the seconds of a build."""
    with tempfile.TemporaryDirectory() as stores:
        command = [sys.executable, "-c", BUILD, recipe, stores, str(archive), options]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    own, child, seconds = map(float, output.split())
    return own, child, seconds


def write_archive(folder: Path, parts: int, per_file: int) -> Path:
    """Write files of noise and a recipe that makes so many parts of them."""
    folder.mkdir()
    noise = np.random.default_rng(0).standard_normal((ENTRIES * per_file, 256, 256), np.float32)
    axes = {
        "lat": ("lat", np.linspace(-89, 89, 256), {"units": "degrees_north"}),
        "lon": ("lon", np.arange(256) * 1.40625, {"units": "degrees_east"}),
    }
    start = np.datetime64("1950-01-01", "ns")
    for number in range(-(-parts // per_file)):
        steps = np.arange(len(noise)) + number * len(noise)
        time = {"time": start + steps * np.timedelta64(1, "h")}
        noisy = xr.Dataset({"x": (("time", "lat", "lon"), noise)}, {**time, **axes})
        noisy.isel(time=slice(ENTRIES * parts)).to_netcdf(folder / f"{number:05d}.nc")
    recipe = {
        "name": "memory",
        "description": "noise for a benchmark",
        "licence": "CC0-1.0",
        "citation": "none",
        "sources": [{"kind": "files", "address": "s3://nowhere/*.nc", "local": "*.nc"}],
        "output": {"chunk": 4, "shard": ENTRIES},
    }
    path = folder / "memory.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


def of_files(per_file: int) -> float:
    """Print figures for few and many parts of files, and return the larger ratio."""
    found = []
    for parts in PARTS:
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "archive"
            recipe = write_archive(archive, parts, min(per_file, parts))
            found.append(peaks(str(recipe), archive, '{"workers": 2}'))
        print(
            f"{parts:5d} parts, {per_file} in a file: coordinator {found[-1][0]:.0f} MiB, "
            f"worker {found[-1][1]:.0f} MiB, {found[-1][2]:.0f} s",
            flush=True,
        )
    ratios = [many / few for few, many in zip(*(one[:2] for one in found), strict=True)]
    print(f"ratio: coordinator {ratios[0]:.3f}, worker {ratios[1]:.3f}, limit {LIMIT}")
    return max(ratios)


def of_planet() -> float:
    """Print figures for few and many years of the embedded planet, and return their ratio."""
    found = []
    for years in YEARS:
        end = f'{{"workers": 1, "dates": {{"end": "{1999 + years}-12-31"}}}}'
        found.append(peaks("planet_weather", Path.cwd(), end)[0])
        print(f"{years} years of the planet: {found[-1]:.0f} MiB", flush=True)
    print(f"ratio {found[1] / found[0]:.3f}, limit {LIMIT}")
    return found[1] / found[0]


def main() -> None:
    """Print all figures and end with 1 if a ratio is beyond the limit."""
    ratios = [of_planet()] if "planet" in sys.argv[1:] else [of_files(25), of_files(1)]
    sys.exit(max(ratios) > LIMIT)


if __name__ == "__main__":
    main()
