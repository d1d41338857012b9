"""Time and memory of RMSE, bias and ACC: climbench against xarray expressions and xskillscore.

Each implementation scores the same arrays in memory, in a process of its own, in turns; the
smallest wall time and the peak memory above the loaded arrays count.

    python benchmarks/evaluate.py                  # 5 variables x 13 levels x 40 leads x 20 starts
    python benchmarks/evaluate.py --starts 60      # 1.28 GB of forecasts; peers need 10 GB
    python benchmarks/evaluate.py --grid 121x240 --levels 1
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
import xskillscore

from climbench.evaluation import evaluate

IMPLEMENTATIONS = ("climbench", "climbench without maps", "xarray", "xskillscore")
SPACE = ["latitude", "longitude"]


def arrays(starts: int, leads: int, variables: int, levels: int, grid: str):
    """Forecasts every 12 hours with leads every 6, their truth, and a climatology."""
    rows, columns = (int(size) for size in grid.split("x"))
    random = np.random.default_rng(0)
    names = [f"variable{number}" for number in range(variables)]
    initial = pd.date_range("2020-01-01", periods=starts, freq="12h")
    lead = pd.timedelta_range("6h", periods=leads, freq="6h")
    times = pd.date_range(initial[0], initial[-1] + lead[-1], freq="6h")
    coords = {
        "level": np.arange(1.0, levels + 1),
        "latitude": np.linspace(-87.5, 87.5, rows),
        "longitude": np.arange(columns) * 360 / columns,
    }
    dims = ("level", *SPACE)
    shape = (levels, rows, columns)

    def fields(*leading):
        values = {n: random.standard_normal((*leading, *shape), dtype=np.float32) for n in names}
        for array in values.values():
            array += np.float32(280)  # in place: the arrays alone make the memory
        return values

    forecast, truth = fields(starts, leads), fields(times.size)
    climate = fields(366, 4)
    leading = ("time", "prediction_timedelta")
    return (
        xr.Dataset({n: ((*leading, *dims), a) for n, a in forecast.items()}, coords)
        .assign_coords(time=initial, prediction_timedelta=lead)
        .assign_attrs(model="noise"),
        xr.Dataset({n: (("time", *dims), a) for n, a in truth.items()}, coords).assign_coords(
            time=times
        ),
        xr.Dataset(
            {n: (("dayofyear", "hour", *dims), a) for n, a in climate.items()}, coords
        ).assign_coords(dayofyear=np.arange(1, 367), hour=[0, 6, 12, 18]),
    )


def with_climbench(forecast, truth, climatology, maps=True):
    """All channels in one pass; no bootstrap, which the peers do not do either."""
    scores = evaluate(
        forecast, truth, climatology, ["rmse", "bias", "acc"], weighting="cos", maps=maps, draws=0
    )
    return scores.score.isel(model=0, region=0)


def matched(forecast, truth, climatology, name):
    """Truth and climatology at the valid times, at the size of the forecast."""
    valid = forecast.time + forecast.prediction_timedelta
    o = truth[name].sel(time=valid).assign_coords(time=forecast.time)
    c = climatology[name].sel(dayofyear=valid.dt.dayofyear, hour=valid.dt.hour)
    return forecast[name], o, c.drop_vars(["dayofyear", "hour"])


def with_xarray(forecast, truth, climatology):
    """Plain expressions, as in a notebook, one variable at a time."""
    weights = np.cos(np.deg2rad(truth.latitude))
    results = []
    for name in forecast.data_vars:
        f, o, c = matched(forecast, truth, climatology, name)
        error = f - o
        rmse = np.sqrt((error**2).weighted(weights).mean([*SPACE, "time"]))
        bias = error.weighted(weights).mean([*SPACE, "time"])
        f, o = f - c, o - c
        top = (f * o).weighted(weights).mean(SPACE)
        bottom = np.sqrt(
            (f**2).weighted(weights).mean(SPACE) * (o**2).weighted(weights).mean(SPACE)
        )
        results.append(xr.concat([rmse, bias, (top / bottom).mean("time")], "metric"))
    return xr.concat(results, "variable")


def with_xskillscore(forecast, truth, climatology):
    """Its functions where it has them; its anomaly correlation is centred."""
    weights = np.cos(np.deg2rad(truth.latitude)).broadcast_like(
        truth.isel(time=0, level=0)[next(iter(truth.data_vars))]
    )
    results = []
    for name in forecast.data_vars:
        f, o, c = matched(forecast, truth, climatology, name)
        rmse = np.sqrt(xskillscore.mse(f, o, dim=SPACE, weights=weights).mean("time"))
        bias = xskillscore.me(f, o, dim=SPACE, weights=weights).mean("time")
        acc = xskillscore.pearson_r(f - c, o - c, dim=SPACE, weights=weights).mean("time")
        results.append(xr.concat([rmse, bias, acc], "metric"))
    return xr.concat(results, "variable")


def peak_memory() -> int:
    """Largest resident memory of this process so far, bytes (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024


def measure(implementation: str, options: argparse.Namespace) -> None:
    """Run one implementation here and print its figures as JSON."""
    data = arrays(options.starts, options.leads, options.variables, options.levels, options.grid)
    loaded = sum(dataset.nbytes for dataset in data)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew here
    before = peak_memory()
    function = {
        "climbench": with_climbench,
        "climbench without maps": lambda *given: with_climbench(*given, maps=False),
        "xarray": with_xarray,
        "xskillscore": with_xskillscore,
    }[implementation]
    start, start_cpu = time.perf_counter(), time.process_time()
    result = function(*data)
    wall, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    peak = peak_memory()
    print(
        json.dumps(
            {
                "wall": wall,
                "cpu": cpu,
                "extra": peak - before,
                "peak": peak,
                "loaded": loaded,
                "rmse": float(np.mean(result.isel(metric=0))),
            }
        )
    )


def main() -> None:
    """Measure all implementations in turns and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--leads", type=int, default=40)
    parser.add_argument("--variables", type=int, default=5)
    parser.add_argument("--levels", type=int, default=13)
    parser.add_argument("--grid", default="32x64", help="latitudes x longitudes")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--one", choices=IMPLEMENTATIONS, help="measure one, in this process")
    options = parser.parse_args()
    if options.one:
        measure(options.one, options)
        return
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in IMPLEMENTATIONS}
    for _ in range(options.rounds):
        for name in IMPLEMENTATIONS:
            command = [sys.executable, __file__, "--one", name, *sys.argv[1:]]
            output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            runs[name].append(json.loads(output.splitlines()[-1]))
    best = {
        name: {key: min(run[key] for run in measured) for key in measured[0]}
        for name, measured in runs.items()
    }
    print(f"{'':24}{'wall s':>9}{'ratio':>8}{'cpu s':>9}{'ratio':>8}{'extra MB':>10}{'ratio':>8}")
    for name, figures in best.items():
        line = f"{name:24}"
        for key, width, unit in (("wall", 9, 1.0), ("cpu", 9, 1.0), ("extra", 10, 1e6)):
            ratio = figures[key] / best["climbench"][key]
            line += f"{figures[key] / unit:{width}.2f}{ratio:8.1f}"
        print(line + f"   mean RMSE {figures['rmse']:.9f}")


if __name__ == "__main__":
    main()
