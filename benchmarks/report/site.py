"""Time and size of a site of 20 models, 8 variables and 20 leads with maps, and of its first use.

    python benchmarks/report/site.py [--models 20] [--latitudes 32]

Scores are random numbers with the dimensions of real ones. The browser is Debian's chromium, where
there is one: the time is from the start of loading until the leaderboard has been sorted.
"""

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import xarray as xr

from climbench.experiments.marks import marks_against_baselines
from climbench.memory import peak_memory
from climbench.report import Benchmark, report

METRICS = {"rmse": "lower", "mae": "lower", "bias": "zero"}
STATISTICS = ("squared_error", "absolute_error", "error")
CHANNELS, SAMPLES = 8, 730


def random_scores(models: int, leads: int, latitudes: int) -> xr.Dataset:
    """Return scores that grow with the lead time, and smooth maps."""
    rng = np.random.default_rng(0)
    names = ["persistence", "climatology", "linear_regression"]
    names += [f"network_{number:02d}" for number in range(models - len(names))]
    hours = 6.0 * np.arange(1, leads + 1)
    shape = (models, len(METRICS), CHANNELS, 1, leads)
    growth = 1 - np.exp(-hours / 60)
    score = growth * rng.uniform(0.6, 1.2, shape[:-1])[..., np.newaxis] * 100
    lat = np.linspace(-90 + 90 / latitudes, 90 - 90 / latitudes, latitudes)
    lon = np.arange(2 * latitudes) * 180 / latitudes
    waves = rng.normal(size=(models, CHANNELS, leads, 8, 8)).astype(np.float32)
    basis_lat = np.stack([np.cos(np.deg2rad(lat) * k) for k in range(8)])
    basis_lon = np.stack([np.cos(np.deg2rad(lon) * k) for k in range(8)])
    maps = np.einsum("mcljk,ja,kb->mclab", waves, basis_lat, basis_lon).astype(np.float32)
    dims = ("model", "channel", "lead_time", "latitude", "longitude")
    channels = [f"variable_{number}" for number in range(CHANNELS)]
    sampled = ("model", "statistic", "channel", "region", "lead_time", "sample")
    axes = ("model", "metric", "channel", "region", "lead_time")
    return xr.Dataset(
        {
            "score": (axes, score),
            "lower": (axes, 0.95 * score),
            "upper": (axes, 1.05 * score),
            "count": (
                ("model", "channel", "region", "lead_time"),
                np.full((models, CHANNELS, 1, leads), 730),
            ),
            "per_sample": (sampled, rng.normal(size=(models, 3, CHANNELS, 1, leads, SAMPLES)) ** 2),
            "per_sample_weight": (
                (sampled[0], *sampled[2:]),
                np.ones((models, CHANNELS, 1, leads, SAMPLES)),
            ),
            "map_rmse": (dims, 50 + np.abs(maps)),
            "map_bias": (dims, maps),
        },
        {
            "model": names,
            "metric": list(METRICS),
            "channel": channels,
            "region": ["global"],
            "lead_time": hours,
            "statistic": list(STATISTICS),
            "sample": np.datetime64("2020-01-01", "ns")
            + np.arange(SAMPLES) * np.timedelta64(12, "h"),
            "latitude": lat,
            "longitude": lon,
            "orientation": ("metric", list(METRICS.values())),
            "unit_power": ("metric", [1, 1, 1]),
            "variable": ("channel", channels),
            "level": ("channel", np.full(CHANNELS, np.nan)),
            "units": ("channel", ["K"] * CHANNELS),
        },
        {"simulated": "true", "task": "forecasting", "conventions": "{}"},
    )


def first_use(page: Path) -> dict[str, float]:
    """Return seconds until the leaderboard is there, and until it has been sorted by a click."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"))
        tab = browser.new_page()
        start = time.perf_counter()
        tab.goto(page.as_uri(), wait_until="commit")
        tab.wait_for_selector("#board[data-ready]")
        ready = time.perf_counter() - start
        tab.click("#board thead th:nth-child(3) button")
        tab.wait_for_selector("#board thead th:nth-child(3)[aria-sort=ascending]")
        sorted_after = time.perf_counter() - start
        browser.close()
    return {"ready": ready, "sorted": sorted_after}


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--leads", type=int, default=20)
    parser.add_argument("--latitudes", type=int, default=32)
    options = parser.parse_args()
    scores = random_scores(options.models, options.leads, options.latitudes)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        marks = marks_against_baselines(scores)
        tested = time.perf_counter() - start
        benchmark = Benchmark("Random numbers", scores, comparison=marks)
        page = report(benchmark, Path(folder) / "site")
        seconds = time.perf_counter() - start
        files = [file for file in page.parent.rglob("*") if file.is_file()]
        found = {
            "build_s": seconds,
            "of_which_tests_s": tested,
            "size_mb": sum(file.stat().st_size for file in files) / 1e6,
            "files": len(files),
            "maps": sum(file.suffix == ".png" for file in files),
            "peak_memory_gb": (peak_memory() or 0) / 1e9,
        }
        if shutil.which("chromium"):
            found |= first_use(page)
    print(json.dumps({key: round(value, 2) for key, value in found.items()}))


if __name__ == "__main__":
    main()
