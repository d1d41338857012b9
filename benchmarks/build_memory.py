"""Peak memory of a build does not grow with the number of years.

Builds the embedded planet's weather for 5 and for 40 years, each in a process of its own, and
prints the peak resident memory of both and their ratio; the limit is 1.1.

    python benchmarks/build_memory.py [years years]
"""

import subprocess
import sys
import tempfile
from pathlib import Path

LIMIT = 1.1

BUILD = """
import resource, sys, time
from pathlib import Path
from climbench.recipes import build, load_recipe
began = time.monotonic()
recipe = load_recipe("planet_weather", {"dates": {"end": f"{1999 + int(sys.argv[1])}-12-31"}})
build(recipe, Path(sys.argv[2]))
unit = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss: bytes there, KiB here
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, time.monotonic() - began)
"""


def peak_memory(years: int) -> float:
    """Return the peak resident memory of a build of so many years, MiB."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", BUILD, str(years), folder]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    peak, seconds = map(float, output.split())
    print(
        f"{years:3d} years: peak {peak:6.0f} MiB, {seconds:5.0f} s, store {size / 2**20:6.0f} MiB"
    )
    return peak


def main() -> None:
    """Print both figures and end with 1 if the ratio is beyond the limit."""
    few, many = map(int, sys.argv[1:] or ("5", "40"))
    ratio = peak_memory(many) / peak_memory(few)
    print(f"ratio {ratio:.3f}, limit {LIMIT}")
    sys.exit(ratio > LIMIT)


if __name__ == "__main__":
    main()
