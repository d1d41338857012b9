"""The recipes of the package on real bytes, against figures computed from the files by hand."""

import functools
import json
import threading
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.grids import latitude_weights
from climbench.recipes import build, load_recipe, plan
from climbench.store.opening import open_store
from climbench.store.statistics import read_statistics

WriteRecipe = Callable[..., Path]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stores")


def built(name: str, stores: Path, data_root: Path) -> xr.Dataset:
    return open_store(build(load_recipe(name), stores, data_root))


def test_ncep_slp_has_the_iceland_low_and_the_azores_high(stores: Path, data_root: Path) -> None:
    store = built("ncep_slp", stores, data_root)
    pressure = store["mean_sea_level_pressure"]
    mean = pressure.mean("time", dtype="f8")
    low, high = mean.argmin(...), mean.argmax(...)
    assert float(mean.isel(low)) == pytest.approx(100380, abs=10)
    assert float(mean.isel(high)) == pytest.approx(102180, abs=10)
    at = [(float(mean.isel(i).latitude), float(mean.isel(i).longitude)) for i in (low, high)]
    assert at == [(62.5, -30.0), (32.5, -30.0)]
    assert pressure.sizes["time"] == 2922
    assert np.all(np.diff(store["longitude"]) == 2.5)  # in one piece across Greenwich


def test_ncep_slp_persistence_error_is_that_of_the_published_reference(
    stores: Path, data_root: Path
) -> None:
    store = built("ncep_slp", stores, data_root)
    test = store["mean_sea_level_pressure"].sel(time=slice("2007", "2008")).values.astype("f8")
    weights = np.cos(np.deg2rad(store["latitude"].values))[:, None]
    error = np.mean((test[1:] - test[:-1]) ** 2 * weights / weights.mean())
    assert np.sqrt(error) == pytest.approx(642.2, abs=0.1)


def test_ncep_slp_statistics_are_those_of_the_training_years(stores: Path, data_root: Path) -> None:
    recipe = load_recipe("ncep_slp")
    path = build(recipe, stores, data_root)
    training = open_store(path)["mean_sea_level_pressure"].sel(time=slice("2001", "2006"))
    values = training.values.astype("f8")
    weights = np.broadcast_to(latitude_weights(training["latitude"])[:, None], values.shape[1:])
    weights = np.broadcast_to(weights, values.shape)
    mean = np.average(values, weights=weights)
    std = np.sqrt(np.average((values - mean) ** 2, weights=weights))
    steps = np.diff(values, axis=0)
    step_mean = np.average(steps, weights=weights[1:])
    step_std = np.sqrt(np.average((steps - step_mean) ** 2, weights=weights[1:]))
    found = read_statistics(path)["mean_sea_level_pressure"]
    expected = {"mean": mean, "std": std, "tendency_std": step_std, "count": values.size}
    for name, value in expected.items():
        assert float(found.sel(statistic=name)) == pytest.approx(value, rel=1e-9)


def test_ncep_air_from_packed_zarr_north_to_south(stores: Path, data_root: Path) -> None:
    store = built("ncep_air", stores, data_root)
    air = store["air_temperature"]
    assert air.dims == ("time", "latitude", "longitude") and air.attrs["units"] == "K"
    assert (air.sizes["time"], float(air.latitude[0]), float(air.latitude[-1])) == (2920, 15, 75)
    assert float(air.min()) == pytest.approx(221.0)
    assert float(air.max()) == pytest.approx(317.4)
    test = air.sel(time=slice("2014", "2014")).values.astype("f8")
    weights = np.cos(np.deg2rad(store["latitude"].values))[:, None]
    day = np.mean((test[4:] - test[:-4]) ** 2 * weights / weights.mean())
    assert np.sqrt(day) == pytest.approx(3.01, abs=0.01)


def test_ipsl_scenarios_members_and_warming(stores: Path, data_root: Path) -> None:
    store = built("ipsl_cmip6_annual", stores, data_root)
    assert store["tas"].dims == ("scenario", "member", "time", "latitude", "longitude")
    assert store.sizes["time"] == 251
    there = store["tas"].notnull().all(["latitude", "longitude"]).sum("time")
    assert there.sel(scenario="historical").values.tolist() == [165, 165]
    assert there.sel(scenario="ssp126").values.tolist() == [86, 0]
    assert there.sel(scenario="ssp585").values.tolist() == [86, 86]
    weights = np.cos(np.deg2rad(store["latitude"]))
    world = store["tas"].weighted(weights).mean(["latitude", "longitude"]).sel(member="r1i1p1f1")
    before = world.sel(scenario="historical", time=slice("1850", "1900")).mean()
    for scenario, warming in (("ssp126", 2.35), ("ssp585", 6.02)):
        late = world.sel(scenario=scenario, time=slice("2081", "2100")).mean()
        assert float(late - before) == pytest.approx(warming, abs=0.01)


def test_ipsl_anomalies_and_emissions(stores: Path, data_root: Path) -> None:
    store = built("ipsl_cmip6_annual", stores, data_root)
    reference = store["tas_anomaly"].sel(scenario="historical", time=slice("1850", "1900"))
    assert np.abs(reference.mean(["member", "time"], dtype="f8")).max() < 1e-4
    co2 = store["carbon_dioxide"]
    assert co2.dims == ("scenario", "time")
    assert np.isnan(co2.sel(scenario="ssp126", time="2014")).all()
    end = co2.isel(time=-1).sel(scenario=["ssp126", "ssp585"]).values
    assert end[1] > 2 * end[0] > 0
    sources = json.loads(store.attrs["sources"])
    assert len(sources) == 5 and store.attrs["simulated"] == "false"


def test_era5_from_grib(stores: Path, data_root: Path) -> None:
    pytest.importorskip("cfgrib")
    store = built("era5_uk", stores, data_root)
    temperature = store["2m_temperature"]
    assert temperature.shape == (744, 33, 49)
    assert float(temperature.min()) == pytest.approx(265.7, abs=0.05)
    assert float(temperature.max()) == pytest.approx(291.6, abs=0.05)
    assert float(store["latitude"][0]) == 50 and float(store["longitude"][0]) == -10
    assert not list(data_root.rglob("era5_uk_grib/*.idx"))


@pytest.mark.parametrize(
    ("local", "variable", "steps", "sizes"),
    [
        ("echam_6hourly_global/*.nc", "tC", 40, {"latitude": 96, "longitude": 192}),
        (
            "esmvaltool_cmip6/CAS/FGOALS-g3/historical/r1i1p1f1/Amon/*/*/*/*.nc",
            "ta",
            804,
            {"level": 2},
        ),
        ("odd_netcdf/tasmax_day_HadGEM2-CC_rcp85_2095_360day.nc", "tasmax", 360, {"latitude": 36}),
        ("ersst/*.nc", "sst", 128, {}),
    ],
)
def test_other_archives_become_stores_with_their_own_calendar(
    stores: Path,
    data_root: Path,
    write_recipe: WriteRecipe,
    local: str,
    variable: str,
    steps: int,
    sizes: dict[str, int],
) -> None:
    source = {"kind": "files", "address": "-", "local": local, "variables": [variable]}
    recipe = write_recipe(sources=[source], checks={"missing_values": [variable]}, output={})
    store = open_store(build(load_recipe(str(recipe)), stores, data_root))
    assert store.sizes["time"] == steps
    assert {name: store.sizes[name] for name in sizes} == sizes
    assert np.all(np.diff(store["latitude"]) > 0) and np.all(np.diff(store["longitude"]) > 0)
    if "360day" in local:
        assert store["time"].dt.calendar == "360_day"
    if "FGOALS" in local:
        assert float(store["ta"].max()) < 350  # the undeclared 9.97e36 became NaN
        assert store["level"].values.max() <= 1000


def test_a_remote_file_is_copied_once_and_the_copy_is_used(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    for name in ("a.nc", "b.nc"):
        memory.pipe(f"/bucket/{name}", (archive / name).read_bytes())
    source = {
        "kind": "files",
        "address": "memory://bucket/*.nc",
        "rename": {"t2m": "2m_temperature"},
    }
    recipe = load_recipe(str(write_recipe(sources=[source])))
    store = open_store(build(recipe, tmp_path / "stores"))
    assert store.sizes["time"] == 20
    addresses = [one["address"] for one in json.loads(store.attrs["sources"])]
    assert addresses == ["memory:///bucket/a.nc", "memory:///bucket/b.nc"]
    assert len(list((tmp_path / "stores" / "downloads").iterdir())) == 2
    memory.rm("/bucket", recursive=True)
    later = load_recipe(str(write_recipe(sources=[source | {"address": "memory:///bucket/a.nc"}])))
    assert build(later, tmp_path / "stores").exists()  # from the copy


def test_a_remote_zarr_store_is_read_in_place(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    with xr.open_mfdataset(sorted(archive.glob("*.nc"))) as files:
        files.load().to_zarr("memory://bucket/t2m.zarr", zarr_format=2, consolidated=True)
    source = {
        "kind": "files",
        "address": "memory://bucket/t2m.zarr",
        "rename": {"t2m": "2m_temperature"},
    }
    recipe = load_recipe(str(write_recipe(sources=[source])))
    store = open_store(build(recipe, tmp_path / "stores"))
    assert store.sizes["time"] == 20
    assert not [*(tmp_path / "stores" / "downloads").glob("*")]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("memory://bucket/absent.nc", r"memory://bucket/absent.nc does not exist"),
        ("memory://bucket/absent*.nc", r"no object matches memory://bucket/absent"),
        ("ftpp://x/y.nc", r"ftpp://x/y.nc cannot be reached: .*ftpp"),
        ("absent/*.nc", r"no file matches absent"),
    ],
)
def test_addresses_that_lead_nowhere(
    write_recipe: WriteRecipe, tmp_path: Path, address: str, message: str
) -> None:
    recipe = load_recipe(str(write_recipe(sources=[{"kind": "files", "address": address}])))
    with pytest.raises(UserError, match=message):
        plan(recipe, downloads=tmp_path)


def test_years_in_an_address_are_those_of_the_dates(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    (archive / "a.nc").rename(archive / "t2m.2001.nc")
    source = {"kind": "files", "address": str(archive / "t2m.{year}.nc")}
    recipe = write_recipe(sources=[source], dates={"start": 2001, "end": "2001-01-10"})
    assert plan(load_recipe(str(recipe)), downloads=tmp_path).dataset.sizes["time"] == 10
    with pytest.raises(UserError, match=r"small.yaml: 'dates' is missing"):
        load_recipe(str(write_recipe(sources=[source])))


def test_a_plan_of_remote_files_fetches_only_the_first(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    for name in ("a.nc", "b.nc"):
        memory.pipe(f"/planned/{name}", (archive / name).read_bytes())
    source = {"kind": "files", "address": "memory://planned/*.nc"}
    dates = {"start": "2001-01-01", "end": "2001-01-20", "frequency": "1D"}
    recipe = load_recipe(str(write_recipe(sources=[source], dates=dates)))
    planned = plan(recipe, downloads=tmp_path / "downloads")
    assert planned.dataset.sizes["time"] == 20
    assert len(planned.inputs) == 2
    assert len(list((tmp_path / "downloads").iterdir())) == 1


def test_files_over_http(archive: Path, write_recipe: WriteRecipe, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    handler = functools.partial(QuietHandler, directory=str(archive))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"http://127.0.0.1:{server.server_port}"
        source = {"kind": "files", "address": [f"{host}/a.nc", f"{host}/b.nc"]}
        recipe = load_recipe(str(write_recipe(sources=[source])))
        assert open_store(build(recipe, tmp_path / "stores")).sizes["time"] == 20
        source["address"] = [f"{host}/absent.nc"]
        with pytest.raises(UserError, match=r"absent.nc does not exist"):
            build(load_recipe(str(write_recipe(sources=[source]))), tmp_path / "stores")
        server.shutdown()
    assert not list((tmp_path / "stores" / "downloads").glob("*.part"))


class QuietHandler(SimpleHTTPRequestHandler):
    """A server that does not print each request."""

    def log_message(self, *arguments: object) -> None:
        pass
