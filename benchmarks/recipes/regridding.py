"""Regridding 1440 x 721 to 64 x 32, conservatively: climbench against its peers and the limit.

pip install xarray-regrid    # optional; left out of the table where it is absent
python benchmarks/recipes/regridding.py [--fields 24] [--rounds 7] [--missing 0.3]

The functions take turns within each round, so that their ratios hold on a busy machine. The limit
is the bare product of scipy's sparse matrices, one per axis, on values without holes; xarray-regrid
is timed twice, as it is called by default (holes looked for) and without. Results must agree with a
dense product in float64, where there are holes too.
"""

import argparse
import json
import sys
import time
import tracemalloc
from collections.abc import Callable
from statistics import median

import numpy as np
import scipy.sparse
import xarray as xr

from climbench.recipes.regridding import Weights, regridder

LATITUDE, LONGITUDE = np.linspace(90, -90, 721), np.arange(0, 360, 0.25)
TARGET = -90 + 5.625 * (np.arange(32) + 0.5), np.arange(0, 360, 5.625)

Fields = np.ndarray
Function = Callable[[Fields], np.ndarray]


def with_climbench() -> Function:
    """Return the regridding of this package."""
    return regridder(LATITUDE, LONGITUDE, *TARGET)


def with_dense_matrices() -> Function:
    """Return the product that climbench had before: fields in float64, holes in two more."""
    rows, columns = (matrix(w).toarray() for w in axes())

    def apply(fields: Fields) -> np.ndarray:
        missing = np.isnan(fields)
        share = rows @ np.where(missing, 0.0, 1.0) @ columns.T
        total = rows @ np.where(missing, 0.0, fields) @ columns.T
        with np.errstate(invalid="ignore"):
            return np.where(share >= 0.5 - 1e-6, total / share, np.nan)

    return apply


def with_sparse_matrices() -> Function:
    """Return the limit: no holes, sums in the fields' own type, float32."""
    rows, columns = (matrix(w).astype(np.float32) for w in axes())
    return lambda fields: np.stack([(columns @ (rows @ field).T).T for field in fields])


def with_xarray_regrid(skipna: bool = True) -> Function:
    """Return the peer's regridding."""
    import xarray_regrid  # noqa: F401 an accessor

    target = xr.Dataset(coords={"latitude": TARGET[0], "longitude": TARGET[1]})
    axes = {"latitude": LATITUDE, "longitude": LONGITUDE}

    def apply(fields: Fields) -> np.ndarray:
        array = xr.DataArray(fields, axes | {"time": range(len(fields))}, ("time", *axes))
        moved = array.regrid.conservative(target, latitude_coord="latitude", skipna=skipna)
        return moved.transpose("time", *axes).values

    return apply


def with_xarray_regrid_without_holes() -> Function:
    """Return the peer's, told that no value is missing."""
    return with_xarray_regrid(skipna=False)


FUNCTIONS = {
    "climbench": with_climbench,
    "scipy sparse, the limit": with_sparse_matrices,
    "dense float64": with_dense_matrices,
    "xarray-regrid": with_xarray_regrid,
    "xarray-regrid, skipna=False": with_xarray_regrid_without_holes,
}


def axes() -> tuple[tuple[Weights, int], tuple[Weights, int]]:
    """Return the weights and the number of sources of rows and columns."""
    prepared = regridder(LATITUDE, LONGITUDE, *TARGET)
    return (prepared.latitude, LATITUDE.size), (prepared.longitude, LONGITUDE.size)


def matrix(axis: tuple[Weights, int]) -> scipy.sparse.csr_matrix:
    """Return the weights of an axis as a matrix of scipy."""
    weights, size = axis
    shape = (weights.starts.size - 1, size)
    return scipy.sparse.csr_matrix((weights.shares, weights.sources, weights.starts), shape)


def fields_of(count: int, missing: float) -> Fields:
    """Return temperatures, some of them missing."""
    random = np.random.default_rng(0)
    fields = np.empty((count, 721, 1440), np.float32)
    for field in fields:  # one by one: the peak of memory is to be the functions'
        random.standard_normal(dtype=np.float32, out=field)
        field *= 20
        field += 280
        field[random.random(field.shape, dtype=np.float32) < missing] = np.nan
    return fields


def peak_memory(function: Function, fields: Fields) -> float:
    """Return the MiB of arrays that a function holds at once beyond the fields it is given."""
    tracemalloc.start()
    function(fields)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return peak


def main() -> None:
    """Time the functions in turns and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fields", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--missing", type=float, default=0.0)
    chosen = parser.parse_args()
    fields = fields_of(chosen.fields, chosen.missing)
    start = time.perf_counter()
    with_climbench()
    prepared = time.perf_counter() - start
    functions = {}
    for name, make in FUNCTIONS.items():
        try:
            functions[name] = make()
        except ImportError:
            print(f"{name} is not installed: left out", file=sys.stderr)
    exact = functions["dense float64"](fields)
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    errors = {}
    for turn in range(chosen.rounds + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            moved = function(fields)
            if turn:  # the first compiles and warms up
                seconds[name].append(time.perf_counter() - start)
            else:
                errors[name] = float(np.max(np.abs(moved / exact - 1)))  # NaN: does without holes
    figures = {
        name: {
            "milliseconds a field": 1000 * median(times) / chosen.fields,
            "climbench is faster by": median(
                other / own for other, own in zip(times, seconds["climbench"], strict=True)
            ),
            "relative error": errors[name],
            "peak MiB": peak_memory(functions[name], fields),
        }
        for name, times in seconds.items()
    }
    print(
        json.dumps({"weights, ms": 1000 * prepared, "missing": chosen.missing, **figures}, indent=1)
    )


if __name__ == "__main__":
    main()
