"""Small archives of one file or a file a year, real where there are some, else in their layout."""

import json
import zipfile
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.testing.recipe_contract import check_recipe

KELVIN = 273.15


def write(path: Path, name: str, units: str, time: xr.CFTimeIndex, levels: bool = False) -> None:
    """Fields as NOAA PSL writes them: north to south, missing values as -9.96921e36."""
    axes = {"time": time}
    if levels:
        axes["level"] = ("level", np.float32([1000, 500, 100]), {"units": "millibar"})
    axes["lat"] = ("lat", np.linspace(75, -75, 6, dtype="f4"), {"units": "degrees_north"})
    axes["lon"] = ("lon", np.arange(0, 360, 45, dtype="f4"), {"units": "degrees_east"})
    shape = [len(time), *([3] if levels else []), 6, 8]
    field = np.random.default_rng(0).uniform(1, 20, shape).astype("f4")
    if not levels:
        field[..., 0, :] = np.nan  # land
    data = xr.Dataset({name: (tuple(axes), field, {"units": units})}, axes)
    path.parent.mkdir(parents=True, exist_ok=True)
    data.to_netcdf(path, encoding={name: {"_FillValue": np.float32(-9.96921e36)}})


def few(start: str, end: str) -> dict:
    return {"dates": {"start": start, "end": end}, "statistics": {"period": None}}


@pytest.mark.parametrize(
    ("recipe", "file", "frequency"),
    [("noaa_ersst", "ersst/sst.mnmean.nc", "MS"), ("oisst", "oisst/sst.day.mean.2001.nc", "1D")],
)
def test_sea_surface_is_kelvin_south_to_north(recipe, file, frequency, tmp_path):
    time = xr.date_range("2001-01-01", periods=12, freq=frequency)
    path = tmp_path / file
    write(path, "sst", "degC", time)
    if recipe == "oisst":  # goes from south to north
        turned = xr.load_dataset(path).isel(lat=slice(None, None, -1))
        turned.to_netcdf(path)
    (tmp_path / "stores").mkdir()
    store = check_recipe(
        recipe, tmp_path / "stores", few("2001-01-01", str(time[-1])[:10]), tmp_path
    )
    with netCDF4.Dataset(path) as original:
        order = np.argsort(original["lat"][:])
        expected = np.ma.filled(original["sst"][:], np.nan)[:, order] + KELVIN
    np.testing.assert_allclose(store["sea_surface_temperature"].values, expected, rtol=1e-6)


ON_LEVELS = {
    "air": ("degK", "temperature"),
    "hgt": ("m", "geopotential_height"),
    "uwnd": ("m/s", "u_component_of_wind"),
    "vwnd": ("m/s", "v_component_of_wind"),
}


def write_pressure_levels(folder: Path) -> None:
    """Two days of 2001, a file for each variable."""
    time = xr.date_range("2001-01-01", periods=8, freq="6h")
    for name, (units, _) in ON_LEVELS.items():
        write(folder / f"{name}.2001.nc", name, units, time, levels=True)
    with netCDF4.Dataset(folder / "air.2001.nc", "a") as file:
        file["air"][:] += 250


def test_pressure_levels_of_four_files_are_one_store(tmp_path):
    write_pressure_levels(tmp_path / "ncep_reanalysis")
    (tmp_path / "stores").mkdir()
    store = check_recipe(
        "ncep_reanalysis", tmp_path / "stores", few("2001-01-01", "2001-01-02"), tmp_path
    )
    for name, (_, here) in ON_LEVELS.items():
        with netCDF4.Dataset(tmp_path / f"ncep_reanalysis/{name}.2001.nc") as original:
            expected = original[name][:, ::-1, ::-1].filled(np.nan)
        found = store[here].transpose("time", "level", "latitude", "longitude")
        np.testing.assert_allclose(found.values, expected, rtol=1e-6)


def write_hadcrut(path: Path) -> np.ndarray:
    """A year from south to north and from -180, with bounds and a scalar beside it."""
    field = np.random.default_rng(0).uniform(-3, 3, (12, 6, 8))
    field[:, 0] = np.nan
    axes = {
        "time": xr.date_range("2001-01-16", periods=12, freq="30D"),
        "latitude": ("latitude", np.linspace(-75, 75, 6), {"units": "degrees_north"}),
        "longitude": ("longitude", np.arange(-157.5, 180, 45), {"units": "degrees_east"}),
        "realization": 100,
    }
    data = xr.Dataset(
        {
            "tas_mean": (("time", "latitude", "longitude"), field, {"units": "K"}),
            "latitude_bnds": (("latitude", "bnds"), np.zeros((6, 2))),
            "realization_bnds": (("bnds",), np.array([1, 200])),
        },
        axes,
    )
    path.parent.mkdir(parents=True)
    data.to_netcdf(path)
    return field


def test_anomalies_keep_the_cells_without_observations(tmp_path):
    field = write_hadcrut(tmp_path / "hadcrut/HadCRUT.5.analysis.nc")
    (tmp_path / "stores").mkdir()
    store = check_recipe("hadcrut", tmp_path / "stores", few("2001-01-01", "2001-12-31"), tmp_path)
    expected = np.roll(field, -4, axis=2)  # 22.5 to 337.5 degrees east
    np.testing.assert_allclose(store["longitude"].values, np.arange(22.5, 360, 45))
    np.testing.assert_allclose(store["tas_anomaly"].values, expected, rtol=1e-6)


@pytest.mark.data
def test_ersst_has_the_values_of_the_real_file(data_root, tmp_path):
    store = check_recipe("noaa_ersst", tmp_path, few("2010-01-01", "2020-08-31"), data_root)
    with netCDF4.Dataset(next((data_root / "ersst").glob("*.nc"))) as original:
        expected = np.ma.filled(original["sst"][:, ::-1], np.nan) + KELVIN
    assert expected.shape == (128, 89, 180)
    found = store["sea_surface_temperature"].values
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


WEATHERBENCH1 = {
    "geopotential_500": ("z", "m**2 s**-2", 500),
    "temperature_850": ("t", "K", 850),
    "2m_temperature": ("t2m", "K", None),
    "10m_u_component_of_wind": ("u10", "m s**-1", None),
    "10m_v_component_of_wind": ("v10", "m s**-1", None),
}


def write_weatherbench1(path: Path, name: str, last: str = "2018-01-01") -> xr.DataArray:
    """A variable's zip file: hourly fields, a file a year, one level beside them."""
    short, units, level = WEATHERBENCH1[name]
    axes = {
        "time": xr.date_range("2017-12-31", f"{last}T23", freq="1h"),
        "lat": ("lat", np.linspace(-87.1875, 87.1875, 32), {"units": "degrees_north"}),
        "lon": ("lon", np.arange(0, 360, 5.625), {"units": "degrees_east"}),
    }
    bounds = (-20, 20) if "wind" in name else (200, 300)
    field = (
        np.random.default_rng(len(name)).uniform(*bounds, (len(axes["time"]), 32, 64)).astype("f4")
    )
    data = xr.Dataset({short: (tuple(axes), field, {"units": units})}, axes)
    if level is not None:
        data = data.assign_coords(level=((), np.int32(level), {"units": "millibars"}))
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for year, part in data.groupby("time.year"):
            one = f"{name}_{year}_5.625deg.nc"
            part.to_netcdf(path.with_name(one))
            archive.write(path.with_name(one), one)
            path.with_name(one).unlink()
    return data[short]


def weatherbench1(folder: Path, variables: list[str], **options) -> xr.Dataset:
    (folder / "stores").mkdir()
    asked = few("2017-12-31", "2018-01-01") | {"variables": variables} | options
    return check_recipe("era5_wb1_5p625", folder / "stores", asked, folder)


def zip_of(folder: Path, name: str) -> Path:
    return folder / f"weatherbench1/{name}/{name}_5.625deg.zip"


def test_weatherbench_has_its_levels_in_the_names_of_its_variables(tmp_path):
    chosen = ["geopotential_500", "temperature_850"]  # the other three are not asked for
    written = {name: write_weatherbench1(zip_of(tmp_path, name), name) for name in chosen}
    store = weatherbench1(tmp_path, chosen)
    assert list(store.data_vars) == chosen
    for name, array in written.items():
        assert store[name].dims == ("time", "latitude", "longitude")
        np.testing.assert_array_equal(store[name].values, array.values)
    assert len(json.loads(store.attrs["sources"])) == 4  # two years of two


def test_a_variable_of_weatherbench_on_all_levels_is_no_single_one(tmp_path):
    path = zip_of(tmp_path, "geopotential_500")
    one = write_weatherbench1(path, "geopotential_500").rename("z")
    both = xr.concat([one, one.assign_coords(level=850)], "level")
    both["level"].attrs["units"] = "millibars"
    both.to_netcdf(tmp_path / "both.nc")
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(tmp_path / "both.nc", "both.nc")
    with pytest.raises(UserError, match=r"both.nc has the levels 500, 850 hPa: .*'one_level'"):
        weatherbench1(tmp_path, ["geopotential_500"])


@pytest.mark.parametrize(
    ("rows", "number", "words"),
    [(1, 9e4, "beyond the physical range"), (32, 250, "250 everywhere at")],
)
def test_the_archive_at_fault_is_named_among_several(tmp_path, rows, number, words):
    write_weatherbench1(zip_of(tmp_path, "geopotential_500"), "geopotential_500")
    path = zip_of(tmp_path, "temperature_850")
    broken = write_weatherbench1(path, "temperature_850").copy()
    broken[40, :rows] = number  # in the second of two years
    with zipfile.ZipFile(path, "w") as archive:
        for year, part in broken.to_dataset().groupby("time.year"):
            part.to_netcdf(tmp_path / f"{year}.nc")
            archive.write(tmp_path / f"{year}.nc", f"{year}.nc")
    with pytest.raises(UserError, match=words) as caught:
        weatherbench1(tmp_path, ["geopotential_500", "temperature_850"])
    assert "temperature_850_5.625deg.zip/2018.nc" in str(caught.value)
    assert "another" not in str(caught.value)


def test_data_of_another_name_hides_nothing(tmp_path):
    write_weatherbench1(zip_of(tmp_path, "2m_temperature"), "2m_temperature")
    with pytest.raises(UserError, match="geopotential_500_5"):  # wrong: all are asked
        weatherbench1(tmp_path, ["temperature_2m"])
