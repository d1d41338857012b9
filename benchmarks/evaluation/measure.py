"""Run one implementation in this process and print its figures as JSON; run.py calls this.

Imports, and a first call on a few cells that compiles what is compiled, come before the clock
starts. The peak of memory starts anew when the inputs are loaded.
"""

import ctypes
import gc
import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from inputs import CASES, Case, datasets, ensemble, stores, tiny


def store_folder(options: SimpleNamespace, name: str, starts: int, leads: int) -> Path:
    """Return where the stores of a case are."""
    return Path(options.folder) / "stores" / f"{name}-{starts}x{leads}-{options.codec}"


def prepare(options: SimpleNamespace) -> dict[str, float]:
    """Write the stores that are missing; return how well the forecasts are compressed."""
    case = CASES[options.case]
    stores(store_folder(options, f"{options.case}-tiny", 2, 2), tiny(case), 2, 2, options.codec)
    folder = store_folder(options, options.case, options.starts, options.leads)
    stores(folder, case, options.starts, options.leads, options.codec)
    files = [path for path in (folder / "forecast.zarr").rglob("*") if path.is_file()]
    fields = options.starts * options.leads * len(case.variables)
    values = fields * int(np.prod(case.shape)) * 4
    return {"bytes": values, "ratio": values / sum(path.stat().st_size for path in files)}


def first_inputs(options: SimpleNamespace, case: Case) -> tuple:
    """Return inputs of a few cells."""
    if options.kind == "crps":
        return ensemble(options.members, 100, options.layout)
    if options.kind == "zarr":
        return (store_folder(options, f"{options.case}-tiny", 2, 2),)
    return datasets(tiny(case), 2, 2)


def inputs(options: SimpleNamespace, case: Case) -> tuple:
    """Return the inputs that are measured."""
    if options.kind == "crps":
        return ensemble(options.members, options.points, options.layout)
    if options.kind == "zarr":
        return (store_folder(options, options.case, options.starts, options.leads),)
    return datasets(case, options.starts, options.leads)


def peak_memory() -> int:
    """Largest resident memory since the peak was last reset, bytes (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024


def reset_peak() -> None:
    """Give freed memory back and let the peak start anew, so that nothing hides in old pages."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def measure(function: Callable, options: SimpleNamespace) -> dict[str, float]:
    """Return wall and processor time of the fastest call, and memory of all."""
    given = inputs(options, CASES[options.case])
    reset_peak()
    before = peak_memory()
    walls, processors, result = [], [], None
    for _ in range(options.calls):
        result = None
        wall, processor = time.perf_counter(), time.process_time()
        result = function(*given)
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    peak = peak_memory()
    if result is not None:
        np.save(options.result, result)
    return {"wall": min(walls), "processor": min(processors), "extra": peak - before, "peak": peak}


def main() -> None:
    """Do what the options in the first argument say."""
    options = SimpleNamespace(**json.loads(sys.argv[1]))
    if options.function == "prepare":
        print(json.dumps(prepare(options)))
        return
    start = time.perf_counter()
    module, name = options.function.split(".")
    function = getattr(importlib.import_module(module), name)
    function(*first_inputs(options, CASES[options.case]))
    start = time.perf_counter() - start
    print(json.dumps({"start": start, **measure(function, options)}))


if __name__ == "__main__":
    main()
