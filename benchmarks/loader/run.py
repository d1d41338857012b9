"""How fast batches are loaded: climbench against ClimateLearn and a numpy memmap. See README.md.

python benchmarks/loader/run.py                         # 49 channels, history 3, lead 72 h
python benchmarks/loader/run.py --channels 8 --history 1 --batch 32   # against a raw memmap
python benchmarks/loader/run.py --stall                 # does a small network wait?
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from inputs import SHARD, STEP

HERE = Path(__file__).parent
LOADERS = (
    "climbench",
    "climbench mmap",
    "climbench, not scaled",
    "climbench zarr",
    "npy memmap",
    "npy memmap, not scaled",
    "ClimateLearn",
)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--channels", type=int, default=49)
    parser.add_argument("--history", type=int, default=3)
    parser.add_argument("--lead", type=int, default=72, help="hours")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--year", type=int, default=8736, help="hours of data")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=2, help="the faster counts")
    parser.add_argument("--in-order", action="store_true", help="do not shuffle")
    parser.add_argument("--only", nargs="+", choices=LOADERS, default=LOADERS, metavar="NAME")
    parser.add_argument("--stall", action="store_true")
    parser.add_argument("--steps", type=int, default=20, help="of training, for --stall")
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir(), "climbench-loader")
    )
    parser.add_argument("--peers", type=Path, help="their Python; by default the folder's")
    parser.add_argument("--json", type=Path, help="where to write the figures of all runs")
    return parser.parse_args()


def child(options: argparse.Namespace, loader: str, **more) -> dict[str, float] | None:
    """Run a loader in a process of its own; None, and its last words, if it fails."""
    peers = options.peers or options.folder / "peers/bin/python"
    python = peers if loader == "ClimateLearn" else sys.executable
    kept = ("channels", "history", "lead", "batch", "year", "workers", "epochs", "steps")
    given = {name: getattr(options, name) for name in kept}
    place = options.folder / f"{options.channels}x{options.year}"
    given |= {"folder": str(place), "loader": loader, "batch_file": ""}
    given |= {"shuffle": not options.in_order, **more}
    command = [python, HERE / "measure.py", json.dumps(given)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{loader} failed: {(done.stderr.strip() or 'killed').splitlines()[-1]}")
        return None
    return json.loads(done.stdout.splitlines()[-1])


def check_equal(options: argparse.Namespace, names: list[str]) -> None:
    """Stop unless all loaders give the same first windows, scaled alike."""
    first: dict[str, np.ndarray] = {}
    whole = (SHARD - (options.history - 1) * STEP - options.lead) // STEP  # of ClimateLearn's file
    size = min(options.batch, whole)
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            if "not scaled" in name:
                continue
            file = str(Path(folder, "batch.npz"))
            if child(options, name, batch_file=file, shuffle=False, epochs=0) is not None:
                with np.load(file) as batch:
                    first[name] = np.concatenate([batch[k][:size].ravel() for k in ("x", "y")])
    expected = next(iter(first.values()))
    for name, values in first.items():
        if not np.allclose(values, expected, atol=1e-5):
            raise SystemExit(f"{name} gives other values")
    print(f"{', '.join(first)} give the same first {size} windows")


def main() -> None:
    """Measure in turns and print."""
    options = arguments()
    options.folder.mkdir(parents=True, exist_ok=True)
    (options.folder / f"{options.channels}x{options.year}").mkdir(exist_ok=True)
    made = child(options, "prepare")
    if made is None:
        raise SystemExit(1)
    load = os.getloadavg()[0]
    print(f"packed in {made['packing']:.1f} s (0: was there); load {load:.2f} on {os.cpu_count()}")
    if options.stall:
        found = child(options, "stall")
        print(f"a network of 6 layers waits {found['stall']:.1%} of {found['wall']:.1f} s")
        return
    names = list(options.only)
    check_equal(options, names)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in list(runs):
            figures = child(options, name)
            if figures is None:
                del runs[name]
            else:
                runs[name].append(figures)
    base = runs[next(iter(runs))]
    print(f"{'':28}{'samples/s':>11}{'first/it':>10}{'samples':>9}{'first s':>9}{'peak MB':>9}")
    for name, figures in runs.items():
        ratio = median(b["rate"] / f["rate"] for b, f in zip(base, figures, strict=True))
        print(
            f"{name:28}{median(f['rate'] for f in figures):11,.0f}{ratio:10.2f}"
            f"{figures[0]['samples']:9d}{median(f['first'] for f in figures):9.2f}"
            f"{max(f['peak'] for f in figures) / 1e6:9.0f}"
        )
    if options.json:
        text = {
            "options": {k: str(v) for k, v in vars(options).items()},
            "load": load,
            "runs": runs,
        }
        options.json.write_text(json.dumps(text, indent=1))


if __name__ == "__main__":
    main()
