"""Time and memory of evaluation: climbench against its peers. See README.md beside this file.

python benchmarks/evaluation/run.py memory --case S     # arrays in memory
python benchmarks/evaluation/run.py zarr --case L       # stores on the local disk
python benchmarks/evaluation/run.py crps                # 50 members x 174,240 points
python benchmarks/evaluation/run.py memory --starts 4 --leads 4 --rounds 1 --check   # seconds
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

HERE = Path(__file__).parent
FUNCTIONS = {
    "memory": {
        "climbench": "with_climbench.in_memory",
        "climbench maps": "with_climbench.in_memory_maps",
        "scores": "with_scores.in_memory",
        "xarray": "with_xarray.in_memory",
        "xarray chunks": "with_xarray.in_memory_in_chunks",
        "xarray as WB-X": "with_xarray.in_memory_statistic_by_statistic",
        "xskillscore": "with_xskillscore.in_memory",
    },
    "zarr": {
        "bare read": "with_xarray.bare_read",
        "bare read all": "with_xarray.bare_read_all",
        "climbench": "with_climbench.from_stores",
        "climbench maps": "with_climbench.from_stores_maps",
        "scores chunks": "with_scores.in_chunks",
        "xarray chunks": "with_xarray.in_chunks",
        "xarray as WB-X": "with_xarray.statistic_by_statistic",
        "xarray dask": "with_xarray.with_dask",
    },
    "crps": {
        "climbench": "with_climbench.crps",
        "climbench three": "with_climbench.three_crps",
        "properscoring": "with_xskillscore.crps_directly",
        "xskillscore": "with_xskillscore.crps",
        "scores": "with_scores.crps",
        "scores and fair": "with_scores.crps_and_fair",
    },
}
REFERENCES = {
    "memory": "reference.in_memory",
    "zarr": "reference.from_stores",
    "crps": "reference.crps",
}
TOLERANCE = 1e-5

Figures = dict[str, float]


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kind", choices=FUNCTIONS)
    parser.add_argument("--case", choices=("S", "L"), default="S")
    parser.add_argument("--starts", type=int, default=60)
    parser.add_argument("--leads", type=int, default=40)
    parser.add_argument("--codec", choices=("blosc", "zstd"), default="blosc")
    parser.add_argument("--members", type=int, default=50)
    parser.add_argument("--points", type=int, default=174_240)
    parser.add_argument("--layout", choices=("member-first", "member-last"), default="member-first")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="implementations to run")
    parser.add_argument("--check", action="store_true", help="compare with float64 numpy")
    folder = Path(tempfile.gettempdir()) / "climbench-benchmarks"
    parser.add_argument("--folder", type=Path, default=folder, help="stores and peers")
    parser.add_argument("--peers", type=Path, help="their Python; by default the folder's")
    parser.add_argument("--json", type=Path, help="where to write the figures of all runs")
    options = parser.parse_args()
    options.peers = options.peers or options.folder / "peers/bin/python"
    unknown = set(options.only or ()) - set(FUNCTIONS[options.kind])
    if unknown:
        parser.error(f"--only {unknown.pop()}: known are {', '.join(FUNCTIONS[options.kind])}")
    if not options.peers.exists():
        parser.error(f"{options.peers} is not there: run {HERE / 'install_peers.sh'} first")
    return options


def child(options: argparse.Namespace, function: str, result: Path) -> Figures | None:
    """Run a function in a process of its own; None, and its last words, if it fails."""
    python = sys.executable if "climbench" in function else options.peers
    given = {
        **{name: value for name, value in vars(options).items() if name not in ("only", "json")},
        "folder": str(options.folder),
        "peers": str(options.peers),
        "function": function,
        "result": str(result),
        "calls": 5 if options.kind == "crps" else 1,
    }
    command = [python, HERE / "measure.py", json.dumps(given)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{function} failed: {(done.stderr.strip() or 'killed').splitlines()[-1]}")
        return None
    return json.loads(done.stdout.splitlines()[-1])


def difference(kind: str, name: str, result: np.ndarray, reference: np.ndarray) -> float:
    """Largest difference from the reference: of the RMSE or CRPS, or of a correlation's 1."""
    if kind == "crps":
        expected = reference[: len(result)]
        return float(np.max(np.abs(result - expected) / expected.mean()))
    centred = name == "xskillscore"
    expected = reference[[0, 1, 3 if centred else 2]]
    scale = np.stack([expected[0], expected[0], np.ones_like(expected[0])])
    return float(np.max(np.abs(result - expected) / scale))


def measure_all(options: argparse.Namespace) -> tuple[dict[str, list[Figures]], dict[str, float]]:
    """Run every implementation once a round, in turns; return figures and differences."""
    functions = FUNCTIONS[options.kind]
    names = [name for name in functions if not options.only or name in options.only]
    runs: dict[str, list[Figures]] = {name: [] for name in names}
    differences: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        reference, result = Path(folder, "reference.npy"), Path(folder, "result.npy")
        if options.check and not child(options, REFERENCES[options.kind], reference):
            raise SystemExit(1)
        for _ in range(options.rounds):
            for name in list(runs):
                figures = child(options, functions[name], result)
                if figures is None:
                    del runs[name]
                    continue
                runs[name].append(figures)
                if options.check and result.exists():
                    differences[name] = difference(
                        options.kind, name, np.load(result), np.load(reference)
                    )
                result.unlink(missing_ok=True)
    return runs, differences


def print_table(runs: dict[str, list[Figures]], differences: dict[str, float]) -> None:
    """Print figures, and ratios to climbench (or the first) within the same round."""
    base = runs["climbench" if "climbench" in runs else next(iter(runs))]
    print(
        f"{'':16}{'wall s':>9}{'least':>9}{'ratio':>8}{'least':>8}{'proc. s':>9}"
        f"{'extra MB':>10}{'peak MB':>9}{'start s':>9}{'differs':>10}"
    )
    for name, figures in runs.items():
        walls = [run["wall"] for run in figures]
        ratios = [run["wall"] / other["wall"] for run, other in zip(figures, base, strict=True)]
        line = (
            f"{name:16}{median(walls):9.3f}{min(walls):9.3f}{median(ratios):8.2f}{min(ratios):8.2f}"
            f"{median(run['processor'] for run in figures):9.2f}"
            f"{max(run['extra'] for run in figures) / 1e6:10.0f}"
            f"{max(run['peak'] for run in figures) / 1e6:9.0f}"
            f"{median(run['start'] for run in figures):9.1f}"
        )
        print(line + (f"{differences[name]:10.1e}" if name in differences else ""))


def main() -> None:
    """Measure and print."""
    options = arguments()
    if options.kind == "zarr":
        made = child(options, "prepare", Path())
        if made is None:
            raise SystemExit(1)
        print(f"forecasts: {made['bytes'] / 1e9:.2f} GB, compressed {made['ratio']:.2f} times")
    print(f"load before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
    runs, differences = measure_all(options)
    if not runs:
        raise SystemExit(1)
    print_table(runs, differences)
    for bare in ("bare read", "bare read all"):
        if bare in runs and "climbench" in runs:
            pairs = zip(runs[bare], runs["climbench"], strict=True)
            share = median(read["wall"] / run["wall"] for read, run in pairs)
            print(f"climbench has {share:.0%} of the speed of {bare}")
    if options.json:
        options.json.write_text(json.dumps({"runs": runs, "differences": differences}, indent=1))
    wrong = [name for name, value in differences.items() if not value <= TOLERANCE]
    if wrong:
        raise SystemExit(f"differ from the reference by more than {TOLERANCE}: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
