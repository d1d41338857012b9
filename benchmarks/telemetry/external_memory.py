"""Trees on more rows than memory holds: seconds, and the most memory that the process took.

    python benchmarks/telemetry/external_memory.py --rows 20000000 --features 50 --rounds 10

Rows are made anew each time that they are read, so that only the bins are kept: in memory, or with
--disk on disk. The answer is a known function of the features, and what is left of it is printed.
"""

import argparse
import resource
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from climbench.models.boosting import Rows, Trees, grow, quantised, set_target

BLOCK = 1_000_000


def rows(number: int, features: int, size: int) -> Rows:
    """Return a block of random rows, the same each time."""
    return np.random.default_rng(number).random((size, features), dtype=np.float32)


def target(x: Rows) -> Rows:
    """Return what the trees are to find."""
    return np.asarray(3 * (x[:, 0] > 0.5) + np.sin(6 * x[:, 1]) + x[:, 2] * x[:, 3])


def main() -> None:
    """Grow trees and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--features", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--disk", action="store_true")
    options = parser.parse_args()
    sizes = [min(BLOCK, options.rows - at) for at in range(0, options.rows, BLOCK)]
    blocks = [partial(rows, at, options.features, size) for at, size in enumerate(sizes)]
    with tempfile.TemporaryDirectory() as place:
        begin = time.monotonic()
        folder = Path(place) if options.disk else None
        fitted = quantised(blocks, max_bin=256, folder=folder)
        binned = time.monotonic()
        answers = np.concatenate([target(block()) for block in blocks])
        set_target(fitted, answers, np.zeros_like(answers))
        held = rows(len(blocks), options.features, 100_000)
        held_out = quantised([lambda: held], max_bin=256, reference=fitted)
        set_target(held_out, target(held), np.zeros(len(held), np.float32))
        trees = Trees(rounds=options.rounds, learning_rate=0.3, colsample_bytree=1.0)
        booster = grow(fitted, held_out, trees, seed=0)
        end = time.monotonic()
    left = np.std(target(held) - booster.inplace_predict(held)) / np.std(target(held))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{options.rows:,} rows x {options.features} features, {options.rounds} rounds")
    print(f"bins {binned - begin:.0f} s, trees {end - binned:.0f} s, peak memory {peak:.2f} GB")
    print(f"left of the deviation: {left:.3f}")


if __name__ == "__main__":
    main()
