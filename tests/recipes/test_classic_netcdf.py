"""The length that a NetCDF 3 header promises is the length of the file."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from climbench.recipes.sources.classic_netcdf import classic_length


def write(path: Path, kind: str, unlimited: bool, records: int = 5) -> None:
    variables = {
        "a": (("time", "x"), np.ones((records, 3), "i2")),
        "b": (("time",), np.ones(records, "f8")),
        "name": (("x",), np.array([1, 2, 3], "i1"), {"note": "odd"}),
    }
    dataset = xr.Dataset(variables, attrs={"title": "five", "numbers": np.arange(3, dtype="i4")})
    dataset.to_netcdf(path, format=kind, unlimited_dims=["time"] if unlimited else [])


@pytest.mark.parametrize("kind", ["NETCDF3_CLASSIC", "NETCDF3_64BIT"])
@pytest.mark.parametrize("unlimited", [False, True])
@pytest.mark.parametrize("records", [1, 5])
def test_the_promised_length(tmp_path: Path, kind: str, unlimited: bool, records: int) -> None:
    path = tmp_path / "a.nc"
    write(path, kind, unlimited, records)
    assert 0 <= path.stat().st_size - classic_length(path) < 4  # padding of the last variable


def test_the_wide_counts_of_cdf5(tmp_path: Path) -> None:
    from netCDF4 import Dataset

    path = tmp_path / "a.nc"
    with Dataset(path, "w", format="NETCDF3_64BIT_DATA") as file:
        file.createDimension("x", 7)
        file.createVariable("x", "u8", ("x",))[:] = np.arange(7)
    assert classic_length(path) == path.stat().st_size


def test_a_lone_record_variable_is_not_padded(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    lone = xr.Dataset({"a": (("time", "x"), np.ones((5, 3), "i1"))})
    lone.to_netcdf(path, format="NETCDF3_CLASSIC", unlimited_dims=["time"])
    assert 0 <= path.stat().st_size - classic_length(path) < 4


@pytest.mark.parametrize("length", [3, 4, 30, 100])
def test_a_cut_header(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.nc"
    write(path, "NETCDF3_CLASSIC", True)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises((ValueError, IndexError)):
        classic_length(path)


def test_real_classic_files(data_root: Path) -> None:
    files = [p for p in data_root.rglob("*.*") if p.is_file() and p.open("rb").read(3) == b"CDF"]
    assert files
    for path in files:
        assert path.stat().st_size >= classic_length(path), path.name
