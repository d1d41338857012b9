"""GISTEMP, PRISM, FireCube, MODIS and the California crops in their layouts, and made-up twins."""

import gzip
import json
import sys
import zipfile
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from pyproj import Transformer
from rasterio.transform import from_origin
from servers.faulty_http import faulty_http
from servers.gcs import serving_gcs
from servers.https import https

from climbench.cli import main
from climbench.errors import UserError
from climbench.recipes import build, list_recipes, load_recipe
from climbench.store import open_store
from climbench.testing.recipe_contract import check_recipe

KELVIN = 273.15


def few(start: str, end: str) -> dict:
    return {"dates": {"start": start, "end": end}, "statistics": {"period": None}}


def stores(tmp_path: Path) -> Path:
    (tmp_path / "stores").mkdir()
    return tmp_path / "stores"


def test_gistemp_comes_by_https_in_gzip(tmp_path):
    """It is packed in hundredths, stamped on the 15th, from -179 and from the south."""
    packed = np.random.default_rng(0).integers(-500, 500, (12, 6, 8)).astype("i2")
    packed[:, 0] = 32767
    months = np.arange("2001-01", "2002-01", dtype="datetime64[M]")
    days = (months.astype("datetime64[D]") - np.datetime64("1800-01-01")).astype(int) + 14
    axes = {
        "lat": (np.linspace(-75, 75, 6), "degrees_north"),
        "lon": (np.arange(-157.5, 180, 45), "degrees_east"),
        "time": (days, "days since 1800-01-01 00:00:00"),
    }
    raw = tmp_path / "raw.nc"
    with netCDF4.Dataset(raw, "w") as file:
        file.createDimension("nv", 2)
        for name, (values, units) in axes.items():
            file.createDimension(name, None if name == "time" else len(values))
            file.createVariable(name, "i4" if name == "time" else "f4", (name,))[:] = values
            file[name].units = units
        file["time"].bounds = "time_bnds"
        bounds = file.createVariable("time_bnds", "i4", ("time", "nv"))
        bounds[:] = days[:, None] + [-14, 16]
        field = file.createVariable("tempanomaly", "i2", ("time", "lat", "lon"), fill_value=32767)
        field.units, field.scale_factor = "K", 0.01
        field.set_auto_scale(False)
        field[:] = packed
    site = tmp_path / "site/pub/gistemp/gistemp1200_GHCNv4_ERSSTv5.nc.gz"
    site.parent.mkdir(parents=True)
    site.write_bytes(gzip.compress(raw.read_bytes()))
    asked = few("2001-01-01", "2001-12-31")
    with faulty_http(tmp_path / "site") as server, https({"data.giss.nasa.gov": server.url}):
        store = check_recipe("gistemp", stores(tmp_path), asked)
    expected = np.roll(np.where(packed == 32767, np.nan, packed * 0.01), -4, axis=2)
    np.testing.assert_allclose(store["tas_anomaly"].values, expected, rtol=1e-5)
    assert str(store["time"].values[0])[:10] == "2001-01-15"


def test_gzip_that_breaks_off_is_refused(tmp_path):
    folder = tmp_path / "gistemp"
    folder.mkdir()
    noise = gzip.compress(np.random.default_rng(0).bytes(10_000))
    (folder / "gistemp1200_X.nc.gz").write_bytes(noise[:5000])
    with pytest.raises(UserError, match=r"gistemp1200_X.nc.gz is cut short or damaged"):
        build(load_recipe("gistemp"), stores(tmp_path), tmp_path)


# PRISM

TEMPERATURE = np.float32([[10, 11, 12], [20, -9999, 22]])


def write_raster(path: Path, field: np.ndarray, driver: str, **options: object) -> None:
    """Write a raster from north to south: cells of 0.5 degrees from 125 W, 50 N."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = {"height": field.shape[0], "width": field.shape[1], "count": 1}
    place = {"transform": from_origin(-125, 50, 0.5, 0.5), "crs": "EPSG:4269", "nodata": -9999}
    with rasterio.open(
        path, "w", driver=driver, dtype=str(field.dtype), **shape, **(place | options)
    ) as file:
        file.write(field, 1)


def write_prism(path: Path, field: np.ndarray, driver: str) -> None:
    """Write a zip of PRISM: the raster and what lies beside it."""
    ending = "tif" if driver == "GTiff" else "bil"
    raster = path.parent / "raster" / f"{path.stem}.{ending}"
    write_raster(raster, field, driver)
    raster.with_suffix(".info.txt").write_text("PRISM_DATASET_TYPE: an81d")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(raster.parent.iterdir()):
            archive.write(file, file.name)
            file.unlink()


@pytest.mark.parametrize("driver", ["GTiff", "EHdr"])
def test_prism_of_both_kinds(driver, tmp_path):
    root = tmp_path / ("site" if driver == "GTiff" else "prism")
    for number, day in enumerate(("20170131", "20170201")):
        for name in ("tmax", "tmin", "ppt"):
            field = np.where(TEMPERATURE == -9999, -9999, TEMPERATURE + number).astype("f4")
            if driver == "GTiff":
                folder = root / f"time_series/us/an/4km/{name}/daily/2017"
                write_prism(folder / f"prism_{name}_us_25m_{day}.zip", field, driver)
            else:
                name = f"PRISM_{name}_stable_4kmD2_{day}_bil.zip"
                write_prism(root / name, field, driver)
    asked = few("2017-01-31", "2017-02-01")
    if driver == "GTiff":
        with faulty_http(root) as server, https({"data.prism.oregonstate.edu": server.url}):
            store = check_recipe("prism", stores(tmp_path), asked)
    else:
        store = check_recipe("prism", stores(tmp_path), asked, tmp_path)
    assert store["latitude"].values.tolist() == [49.25, 49.75]
    assert store["longitude"].values.tolist() == [235.25, 235.75, 236.25]
    today = np.array([[20, np.nan, 22], [10, 11, 12]])
    expected = np.stack([today, today + 1])
    highest, rain = store["maximum_2m_temperature"], store["total_precipitation_24hr"]
    np.testing.assert_allclose(highest.values, expected + KELVIN, rtol=1e-6)
    np.testing.assert_allclose(rain.values, expected / 1000, rtol=1e-6)
    assert [str(t)[:10] for t in store["time"].values] == ["2017-01-31", "2017-02-01"]


YEAR = few("2020-01-01", "2020-12-31")


def test_modis_has_times_with_holes_between(tmp_path):
    for day in ("20200101", "20200105", "20200223"):
        write_raster(tmp_path / f"modis_lst/M_{day}.tif", TEMPERATURE, "GTiff")
    store = check_recipe("modis_lst", stores(tmp_path), YEAR, tmp_path)
    days = ["2020-01-01", "2020-01-05", "2020-02-23"]
    assert [str(t)[:10] for t in store["time"].values] == days
    expected = [[20, np.nan, 22], [10, 11, 12]]
    found = store["land_surface_temperature"].values
    np.testing.assert_allclose(found, np.array([expected] * 3) + KELVIN, rtol=1e-6)


def test_a_map_in_a_projection_needs_flatten(tmp_path):
    field = np.arange(300 * 300, dtype="f4").reshape(300, 300)
    utm = {"transform": from_origin(410_000, 5_312_000, 100, 100), "crs": "EPSG:32631"}
    write_raster(tmp_path / "modis_lst/M_20200101.tif", field, "GTiff", **utm)
    with pytest.raises(UserError, match=r"M_20200101.tif is a map in a projection.*flatten: true"):
        build(load_recipe("modis_lst", YEAR), stores(tmp_path), tmp_path)
    (source,) = load_recipe("modis_lst").resolved()["sources"]
    target = {"latitude": [47.85, 47.86], "longitude": [1.85, 1.86], "method": "nearest"}
    options = {
        "sources": [source | {"flatten": True}],
        "steps": [{"regrid": target}],
        "checks": {"ranges": {"land_surface_temperature": [0, 1e6]}},
    }
    store = open_store(
        build(load_recipe("modis_lst", YEAR | options), tmp_path / "stores", tmp_path)
    )
    to_map = Transformer.from_crs("EPSG:4326", "EPSG:32631", always_xy=True)
    for at, north in enumerate((47.85, 47.86)):
        for beside, east in enumerate((1.85, 1.86)):
            x, y = to_map.transform(east, north)
            found = int(store["land_surface_temperature"].values[0, at, beside])
            row, column = divmod(found, 300)
            centre = (410_000 + 100 * (column + 0.5), 5_312_000 - 100 * (row + 0.5))
            assert np.hypot(x - centre[0], y - centre[1]) < 75  # half a diagonal, and rounding


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"crs": None}, "does not say where its cells are"),
        ({"transform": Affine(0.5, 0.1, -125, 0.1, -0.5, 50)}, "is turned"),
    ],
)
def test_a_raster_without_a_place_is_refused(options, match, tmp_path):
    write_raster(tmp_path / "modis_lst/M_20200101.tif", TEMPERATURE, "GTiff", **options)
    with pytest.raises(UserError, match=match):
        build(load_recipe("modis_lst", YEAR), stores(tmp_path), tmp_path)


def test_without_rasterio_the_extra_is_named(tmp_path, monkeypatch):
    write_raster(tmp_path / "modis_lst/M_20200101.tif", TEMPERATURE, "GTiff")
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(UserError, match=r"rasters need `pip install climbench\[raster\]`"):
        build(load_recipe("modis_lst", YEAR), stores(tmp_path), tmp_path)


def test_a_cut_raster_is_refused(tmp_path):
    path = tmp_path / "modis_lst/M_20200101.tif"
    write_raster(path, TEMPERATURE, "GTiff")
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(UserError, match=r"M_20200101.tif cannot be read as GeoTIFF or BIL"):
        build(load_recipe("modis_lst", YEAR), stores(tmp_path), tmp_path)


# FireCube and the crops

FIXED = ("DEM", "SLOPE", "ROAD_DISTANCE", "WATERWAY_DISTANCE", "POP_DENS_2020")


def test_firecube_is_placed_by_axes_that_say_nothing(tmp_path):
    random = np.random.default_rng(0)
    names = load_recipe("firecube").sources[0].variables
    fields = {
        name: (
            ("y", "x") if name.startswith(("CLC", *FIXED)) else ("time", "y", "x"),
            random.uniform(0, 1, (4, 5) if name.startswith(("CLC", *FIXED)) else (3, 4, 5)),
            {"units": "%" if name == "min_rh" else "unitless"},
        )
        for name in names
    }
    for name in ("burned_areas", "ignition_points"):
        fields[name][1][:] = 0
        fields[name][1][1, 2, 3] = 1
    fields["number_of_fires"] = (("time",), np.arange(3))
    fields["avg_t2m"] = fields["max_t2m"]
    axes = {
        "time": np.array(["2018-07-01T10", "2018-07-02T10", "2018-07-03T10"], "datetime64[ns]"),
        "y": np.linspace(42.3, 34.3, 4),
        "x": np.linspace(18.7, 28.9, 5),
        "spatial_ref": 0,
        "band": 1,
    }
    folder = tmp_path / "site/records/6475592/files"
    folder.mkdir(parents=True)
    xr.Dataset(fields, axes).to_netcdf(folder / "dataset_greece.nc")
    asked = few("2018-07-01", "2018-07-03")
    with faulty_http(tmp_path / "site") as server, https({"zenodo.org": server.url}):
        store = check_recipe("firecube", stores(tmp_path), asked)
    assert {*store.data_vars} == {*names}
    for name in ("burned_areas", "lst_day", "DEM", "CLC_2018_9"):
        found = store[name].transpose(..., "latitude", "longitude").values
        np.testing.assert_allclose(found, fields[name][1][..., ::-1, :], rtol=1e-6)
    assert store["min_rh"].attrs["units"] == "1"
    assert store["latitude"].attrs["units"] == "degrees_north"


def test_california_has_neither_2012_nor_the_last_day_of_leap_years(tmp_path):
    names = load_recipe("california_crops").sources[0].variables
    random = np.random.default_rng(0)
    for year in (2011, 2013):
        time = xr.date_range(f"{year}-01-01T12", periods=365)
        dims = ("time", "y", "x")
        fields = {n: (dims, random.uniform(1, 9, (365, 3, 4)).astype("f4")) for n in names}
        axes = {"time": time, "y": np.linspace(39.3, 38.7, 3), "x": np.linspace(-121.9, -121.4, 4)}
        bucket = tmp_path / "buckets/california-crop-yield-benchmark"
        folder = bucket / f"counties/Sutter/climate/{year}"
        path = folder / f"DayMet_Sutter_{year}.zarr"
        xr.Dataset(fields, axes).to_zarr(path, zarr_format=2)
    missing = load_recipe("california_crops").dates.missing
    asked = few("2011-01-01", "2013-12-31")
    with serving_gcs(tmp_path / "buckets"):
        store = check_recipe("california_crops", stores(tmp_path), asked)
    assert store.sizes["time"] == 730
    assert "2012" in missing
    np.testing.assert_allclose(
        store["tmax"].sel(time="2013"), fields["tmax"][1][:, ::-1] + KELVIN, rtol=1e-6
    )
    assert store["longitude"].values[0] == pytest.approx(238.1)


# Made-up twins

TWINS = [name for name in list_recipes() if name.endswith("_synthetic")]


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_has_the_layout_of_its_archive_and_says_that_it_is_made_up(name, tmp_path):
    store = check_recipe(name, tmp_path, few("2018-01-01", "2018-03-31"))
    assert store.attrs["simulated"] == "true"
    twin, real = load_recipe(name), load_recipe(name.removesuffix("_synthetic"))
    source = real.sources[0]
    wanted = {source.rename.get(one, one) for one in source.variables or ["band_1"]}
    assert {*store.data_vars} == wanted
    assert twin.steps == real.steps
    assert twin.licence == "CC0-1.0"


@pytest.mark.data
def test_the_twin_of_firecube_keeps_the_published_extremes(data_root, tmp_path):
    published = json.loads((data_root / "firecube/mean_std_train.json").read_text())
    dynamic, static = published["dynamic"], published["static"]
    store = open_store(build(load_recipe("firecube_synthetic"), tmp_path))
    names = {
        **{f"max_{n}": (dynamic, f"era5_max_{n}") for n in ("t2m", "d2m", "sp", "tp")},
        "lst_day": (dynamic, "LST_Day_1km"),
        "min_rh": (dynamic, "era5_min_rh"),
        "sminx": (dynamic, "sminx"),
        "fwi": (dynamic, "fwi"),
        "DEM": (static, "dem_mean"),
        "ROAD_DISTANCE": (static, "roads_distance"),
    }
    for name, (group, key) in names.items():
        field = store[name]
        reach = group["max"][key] - group["min"][key]
        assert float(field.min()) >= group["min"][key] - 0.01 * reach, name
        assert float(field.max()) <= group["max"][key] + 0.01 * reach, name
        assert abs(float(field.mean()) - group["mean"][key]) < 1.5 * group["std"][key], name
    fires = store["burned_areas"].values == 1
    assert 0.002 < fires.mean() < 0.03
    weather = store["fwi"].values
    assert weather[fires].mean() > 2 * weather.mean()  # there is something to learn


def test_the_command_builds_the_twin(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["recipe=modis_lst", "dates=2018-01-01/2018-01-31", f"stores_dir={tmp_path}"]
    assert main(["build", *words, "source=synthetic"]) == 0
    (path,) = tmp_path.glob("modis_lst_synthetic-*.zarr")
    assert open_store(path).attrs["simulated"] == "true"
    assert main(["build", "recipe=prism", "source=synthetic"]) == 2
    assert main(["build", "recipe=prism", "source=other"]) == 2
    said = "".join(capsys.readouterr())
    assert "recipe 'prism' has no synthetic twin" in said
    assert "option 'source' = 'other' is wrong: write synthetic" in said


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        (
            {"b": {"units": "1", "follows": {"a": 0.5}}, "a": {"units": "1"}},
            "'b' follows 'a', which",
        ),
        (
            {"a": {"units": "1"}, "b": {"units": "1", "fixed": True, "follows": {"a": 1}}},
            "is fixed",
        ),
        ({"a": {"units": "1"}, "b": {"units": "1", "follows": {"a": 1.1}}}, "more than 1"),
    ],
)
def test_what_a_made_up_field_follows_is_looked_at(fields, match):
    place = {"latitude": [40, 42], "longitude": [20, 22]}
    source = {"kind": "synthetic", **place, "fields": fields}
    with pytest.raises(UserError, match=match):
        load_recipe("modis_lst_synthetic", {"sources": [source]})
