"""How fast one worker of this machine builds: from an earlier build, or from a small probe."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import xarray as xr

from climbench.store.layout import create_store, encoding, write_part
from climbench.store.statistics import RunningStatistics

PROBE_BYTES = 2**25
LEAST_SECONDS = 1.0  # of work in a ledger, below which its rate says nothing


@dataclass(frozen=True)
class Throughput:
    """A measured speed.

    Attributes
    ----------
    speed
        Bytes of fields, before compression, that one worker makes in a second.
    basis
        What was measured, and what was not.
    """

    speed: float
    basis: str


def throughput(name: str, dataset: xr.Dataset, stores_dir: Path) -> Throughput:
    """Return how fast one worker is on this machine.

    The last build of the same recipe tells best, for its parts were read, stepped and written;
    without one, some noise on the same grid is written and measured.

    Parameters
    ----------
    name
        Of the recipe.
    dataset
        Lazy fields of the store; only their grid is looked at.
    stores_dir
        Folder with stores, finished or not.
    """
    for ledger in _ledgers(name, stores_dir):
        entries = [json.loads(line) for line in ledger.read_text().splitlines() if line[-1:] == "}"]
        timed = [(one["bytes"], one["seconds"]) for one in entries if "seconds" in one]
        done, seconds = (sum(column) for column in zip(*timed, strict=True)) if timed else (0, 0.0)
        if seconds >= LEAST_SECONDS:
            parts = f"{len(timed)} part{'s' * (len(timed) != 1)}"
            return Throughput(done / seconds, f"measured in the last build of {name} ({parts})")
    speed = probe(dataset)
    basis = (
        "measured by writing and measuring a little noise here; reading, downloading and steps "
        "such as regridding come on top"
    )
    return Throughput(speed, basis)


def _ledgers(name: str, stores_dir: Path) -> Iterator[Path]:
    """Yield the ledgers of the recipe's builds, the latest first."""
    found = [*stores_dir.glob(f"{name}-*/ledger.jsonl")]
    yield from sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def probe(dataset: xr.Dataset) -> float:
    """Return the speed of compressing, writing and measuring 32 MiB of noise, bytes a second.

    Parameters
    ----------
    dataset
        Its longest field, along all dimensions but ``time`` and the labels, gives the shape.
    """
    grid = ("station", "column", "latitude", "longitude")
    sizes = {str(d): n for d, n in dataset.sizes.items() if d in grid}
    cells = int(np.prod([*sizes.values()], dtype=np.int64)) if sizes else 1
    steps = max(2, PROBE_BYTES // (4 * cells))
    noise = np.random.default_rng(0).standard_normal((steps, *sizes.values()), np.float32)
    noise = np.round(280 + noise, 2)  # as precise as archives are, which compress better than noise
    axis = np.datetime64("2000-01-01", "ns") + np.arange(steps) * np.timedelta64(6, "h")
    ends = {"latitude": (-89.0, 89.0), "longitude": (0.0, 359.0)}
    coordinates = {d: np.linspace(*ends.get(d, (0, 1)), n) for d, n in sizes.items()}
    fields = xr.Dataset({"noise": (("time", *sizes), noise)}, {"time": axis, **coordinates})
    with TemporaryDirectory() as folder:
        path = Path(folder) / "probe"
        create_store(
            path, fields, {}, encoding(fields, "time", max(1, 2**20 // (4 * cells)), steps)
        )
        began = time.perf_counter()
        write_part(path, fields, "time", 0)
        RunningStatistics("time", 6.0).update(fields)
        return noise.nbytes / (time.perf_counter() - began)
