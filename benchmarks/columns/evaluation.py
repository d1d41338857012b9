"""Time and memory of scoring ClimSim's whole scoring year: 4380 times x 384 columns x 128 outputs.

    python benchmarks/columns/evaluation.py [times]

Predictions and truth are stores of random numbers on the real grid, compressed as climbench does.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import cftime
import numpy as np
import xarray as xr

from climbench.columns import column_variables, column_vectors
from climbench.evaluation import evaluate
from climbench.recipes.sources.simulated_columns import layer_coordinates
from climbench.simulate.column_states import column_planet
from climbench.store import create_store, encoding, write_part

BLOCK = 144


def write(folder: Path, times: int, seed: int) -> None:
    """Write a year of outputs, and what scores need."""
    planet, known = column_planet(), column_variables()
    names = (*column_vectors("v1").targets, "state_ps", "pbuf_LHFLX", "pbuf_SHFLX")
    sizes = {"lev": 60, "ncol": 384}
    minutes = np.arange(times) * 120
    axis = cftime.num2date(minutes, "minutes since 0008-02-01", calendar="noleap")
    layers = layer_coordinates(planet.interface_a, planet.interface_b, 1e5)
    coords = {
        "time": axis,
        "area": ("ncol", planet.area),
        "latitude": ("ncol", planet.latitude),
        **{name: ("lev", values) for name, (_, values, _) in layers.items()},
    }
    rng = np.random.default_rng(seed)

    def block(first: int, last: int) -> xr.Dataset:
        data = {}
        for name in names:
            dims = ("time", "ncol", "lev") if known[name].levels else ("time", "ncol")
            shape = (last - first, *(sizes[dim] for dim in dims[1:]))
            values = rng.standard_normal(shape, dtype=np.float32)
            values += 98600.0 if name == "state_ps" else 0.0
            data[name] = (dims, values, {"units": known[name].units})
        return xr.Dataset(data, {**coords, "time": axis[first:last]})

    template = xr.Dataset(
        {
            name: (array.dims, np.broadcast_to(np.float32(0), (times, *array.shape[1:])))
            for name, array in block(0, 1).data_vars.items()
        },
        coords,
    )
    layout = encoding(template, "time", chunk=24, shard=BLOCK)
    create_store(folder, template, {"model": "random"}, layout)
    for start in range(0, times, BLOCK):
        write_part(folder, block(start, min(start + BLOCK, times)), "time", start)


def main() -> None:
    """Write, score, and tell seconds and megabytes."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 4380
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("predictions.zarr", "truth.zarr")]
        for seed, path in enumerate(paths):
            write(path, times, seed)
        begin = time.perf_counter()
        outputs = xr.open_zarr(paths[0], chunks=None, consolidated=False)[
            [*column_vectors("v1").targets]
        ]
        truth = xr.open_zarr(paths[1], chunks=None, consolidated=False)
        evaluate(outputs, truth, metrics=["mae", "rmse", "r2", "bias"])
        seconds = time.perf_counter() - begin
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{times * 384:,} columns x 128: {seconds:.1f} s, at most {memory:,.0f} MB in memory")


if __name__ == "__main__":
    main()
