"""Small stores in the layout of the WeatherBench 2 and ARCO buckets, written by zarr."""

from pathlib import Path

import numpy as np
import xarray as xr

ERA5 = "weatherbench2/datasets/era5"
ERA5_5P625 = f"{ERA5}/1959-2023_01_10-6h-64x32_equiangular_conservative.zarr"
ERA5_1P5 = f"{ERA5}/1959-2023_01_10-6h-240x121_equiangular_with_poles_conservative.zarr"
ERA5_0P25 = f"{ERA5}/1959-2023_01_10-wb13-6h-1440x721_with_derived_variables.zarr"
ARCO = "gcp-public-data-arco-era5/ar/full_37-1h-0p25deg-chunk-1.zarr-v3"
LEVELS = [50, 100, 150, 200, 250, 300, 400, 500, 600, 700, 850, 925, 1000]
UNITS = {
    "geopotential": "m**2 s**-2",
    "temperature": "K",
    "2m_temperature": "K",
    "geopotential_at_surface": "m**2 s**-2",
    "land_sea_mask": "(0 - 1)",
}
OFFSET = {"geopotential": 50_000.0, "temperature": 250.0, "2m_temperature": 285.0}


def write_archive(
    path: Path,
    times: xr.CFTimeIndex,
    chunk: int,
    order: tuple[str, str] = ("longitude", "latitude"),
    rows: int = 4,
    columns: int = 8,
    poles: bool = False,
    levels: tuple[int, ...] = tuple(LEVELS),
) -> xr.Dataset:
    """Write a store as the buckets have them: Zarr format 2, consolidated, one level of names.

    Latitude ascends where longitude comes first, and descends where latitude does.
    """
    half = 90 / rows
    latitude = np.linspace(-90, 90, rows) if poles else np.linspace(-90 + half, 90 - half, rows)
    if order[0] == "latitude":
        latitude = latitude[::-1]
    axes = {
        "time": times,
        "level": np.array(levels),
        "latitude": ("latitude", latitude.astype("f4"), {"units": "degrees_north"}),
        "longitude": (
            "longitude",
            np.arange(0, 360, 360 / columns).astype("f4"),
            {"units": "degrees_east"},
        ),
    }
    sizes = {"latitude": rows, "longitude": columns, "level": len(levels), "time": len(times)}
    random = np.random.default_rng(0)
    fields = {}
    for name, units in UNITS.items():
        leading = () if name in ("geopotential_at_surface", "land_sea_mask") else ("time",)
        if name in ("geopotential", "temperature"):
            leading = ("time", "level")
        dims = (*leading, *order)
        values = random.random([sizes[dim] for dim in dims]).astype("f4")
        fields[name] = (dims, values + np.float32(OFFSET.get(name, 0)), {"units": units})
    dataset = xr.Dataset(fields, axes)
    encoding = {
        name: {"chunks": tuple(chunk if d == "time" else sizes[d] for d in fields[name][0])}
        for name in fields
    }
    dataset.to_zarr(path, zarr_format=2, consolidated=True, encoding=encoding)
    return dataset
