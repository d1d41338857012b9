"""Small datasets in the layouts of the two kinds of store, and stores made of them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from climbench.store import create_store, encoding, write_part

GRID = {
    "latitude": ("latitude", [-60.0, -20.0, 20.0, 60.0], {"units": "degrees_north"}),
    "longitude": ("longitude", [0.0, 90.0, 180.0, 270.0], {"units": "degrees_east"}),
}


@pytest.fixture
def weather() -> xr.Dataset:
    """30 six-hourly steps of one variable on two levels, one at the surface, one static."""
    rng = np.random.default_rng(0)
    times = np.datetime64("2000-01-01", "ns") + np.arange(30) * np.timedelta64(6, "h")
    return xr.Dataset(
        {
            "temperature": (
                ("time", "level", "latitude", "longitude"),
                rng.normal(270, 10, (30, 2, 4, 4)).astype("f4"),
                {"units": "K"},
            ),
            "2m_temperature": (
                ("time", "latitude", "longitude"),
                rng.normal(290, 10, (30, 4, 4)).astype("f4"),
                {"units": "K"},
            ),
            "orography": (("latitude", "longitude"), rng.normal(size=(4, 4)).astype("f4")),
        },
        {"time": times, "level": [500, 850], **GRID},
    )


@pytest.fixture
def climate() -> xr.Dataset:
    """Two scenarios of six years each, three members of which ssp126 has two, and emissions."""
    rng = np.random.default_rng(1)
    tas = rng.normal(287, 5, (2, 3, 12, 4, 4)).astype("f4")
    emissions = rng.normal(100, 5, (2, 12))
    tas[0, :, 6:] = emissions[0, 6:] = np.nan
    tas[1, :, :6] = emissions[1, :6] = np.nan
    tas[1, 2] = np.nan
    return xr.Dataset(
        {
            "tas": (("scenario", "member", "time", "latitude", "longitude"), tas),
            "carbon_dioxide": (("scenario", "time"), emissions),
        },
        {
            "scenario": ["historical", "ssp126"],
            "member": ["r1", "r2", "r3"],
            "time": np.array([f"{year}-07-01" for year in range(2009, 2021)], "datetime64[ns]"),
            **GRID,
        },
    )


@pytest.fixture
def write_store(tmp_path: Path) -> Callable[..., Path]:
    """Write a dataset as a finished store, as a builder does it: in parts of whole shards."""

    def write(
        ds: xr.Dataset, dimension: str = "time", chunk: int = 2, shard: int = 8, **attributes
    ) -> Path:
        path = tmp_path / "store.zarr"
        layout = encoding(ds, dimension, chunk, shard)
        create_store(path, ds, {"recipe": {}, "recipe_hash": "abc", **attributes}, layout)
        for start in range(0, ds.sizes[dimension], shard):
            part = ds.isel({dimension: slice(start, start + shard)})
            write_part(path, part, dimension, start)
        return path

    return write
