"""Small archives that the tests of this folder write themselves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml


def weather(
    start: str, days: int, name: str = "t2m", rows: int = 6, units: str | None = "K", **axis: Any
) -> xr.Dataset:
    """Daily fields of a temperature on a coarse grid, north to south as archives have them."""
    time = xr.date_range(start, periods=days, freq="1D", **axis)
    latitude = np.linspace(75, -75, rows)
    longitude = np.arange(0, 360, 45.0)
    day = np.arange(days)[:, None, None]
    field = 280 + 10 * np.cos(np.deg2rad(latitude))[:, None] + 0.1 * day + np.arange(8) / 8
    attributes = {"units": units} if units is not None else {}
    return xr.Dataset(
        {name: (("time", "lat", "lon"), field.astype(np.float32), attributes)},
        {
            "time": time,
            "lat": ("lat", latitude, {"units": "degrees_north"}),
            "lon": ("lon", longitude, {"units": "degrees_east"}),
        },
    )


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Two consecutive files, ten days each."""
    folder = tmp_path / "archive"
    folder.mkdir()
    weather("2001-01-01", 10).to_netcdf(folder / "a.nc")
    weather("2001-01-11", 10).to_netcdf(folder / "b.nc")
    return folder


@pytest.fixture
def write_recipe(tmp_path: Path) -> Callable[..., Path]:
    """Write a recipe for ``archive``; keyword arguments replace its options."""

    def write(**options: Any) -> Path:
        content = {
            "name": "small",
            "description": "a test",
            "licence": "CC0-1.0",
            "citation": "nobody",
            "sources": [
                {
                    "kind": "files",
                    "address": "s3://nowhere/*.nc",
                    "local": "*.nc",
                    "rename": {"t2m": "2m_temperature"},
                }
            ],
            "steps": [{"sort": {}}],
            "output": {"chunk": 4, "shard": 8},
        }
        path = tmp_path / "small.yaml"
        path.write_text(yaml.safe_dump(content | options, sort_keys=False))
        return path

    return write
