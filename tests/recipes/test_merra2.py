"""MERRA-2 behind NASA's login: real bytes where there are some, else granules in its layout."""

import json
import shutil
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from servers.earthdata import earthdata
from servers.https import https

from climbench.errors import UserError
from climbench.recipes import build, load_recipe
from climbench.recipes.sources.addresses import _per_date
from climbench.recipes.steps import parse_step
from climbench.testing.recipe_contract import check_recipe

DAY = {"dates": {"start": "2020-03-29", "end": "2020-03-29"}, "statistics": {"period": None}}
LEVELS = [34, 39, 41, 43, 44, 45, 48, 51, 53, 56, 63, 68, 71, 72]
COLLECTIONS = {
    "inst1_2d_asm_Nx": ("M2I1NXASM", "PS QV2M SLP T2M TQI TQL TQV TS U10M V10M DISPH"),
    "tavg1_2d_flx_Nx": ("M2T1NXFLX", "EFLUX HFLUX Z0M PRECTOT"),
    "tavg1_2d_lnd_Nx": ("M2T1NXLND", "GWETROOT LAI"),
    "tavg1_2d_rad_Nx": ("M2T1NXRAD", "LWGAB LWGEM LWTUP SWGNT SWTNT"),
    "inst3_3d_asm_Nv": ("M2I3NVASM", "CLOUD H OMEGA PL QI QL QV T U V RH"),
}
REAL = {
    "T2M": "2m_temperature",
    "TS": "skin_temperature",
    "U10M": "10m_u_component_of_wind",
    "V10M": "10m_v_component_of_wind",
    "QV2M": "2m_specific_humidity",
    "SLP": "mean_sea_level_pressure",
    "PS": "surface_pressure",
    "TQV": "total_column_water_vapour",
}


@pytest.fixture
def login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "no netrc"))
    monkeypatch.setenv("EARTHDATA_USERNAME", "me")
    monkeypatch.setenv("EARTHDATA_PASSWORD", "my-word")


def granule(path: Path, names: str, minutes: range, levels: bool = False) -> dict[str, np.ndarray]:
    """Write a granule of a small globe, from -180 and from the south; 1e15 is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    axes = {"lon": np.arange(-180, 180, 45.0), "lat": np.linspace(-90, 90, 5)}
    if levels:
        axes["lev"] = np.arange(1.0, 73.0)
    units = {"lon": "degrees_east", "lat": "degrees_north", "lev": "layer"}
    random = np.random.default_rng(len(names))
    fields = {}
    with netCDF4.Dataset(path, "w") as file:
        for name, values in {**axes, "time": np.array(minutes)}.items():
            file.createDimension(name, values.size)
            file.createVariable(name, "i4" if name == "time" else "f8", (name,))[:] = values
            file[name].units = units.get(name, "")
        file["time"].units = f"minutes since 2020-03-29 00:{minutes.start:02d}:00"
        file["time"][:] = np.array(minutes) - minutes.start
        dims = ("time", *(("lev",) if levels else ()), "lat", "lon")
        for name in names.split():
            field = file.createVariable(name, "f4", dims, fill_value=np.float32(1e15))
            field.units = "1"
            values = random.uniform(1, 2, field.shape).astype("f4")
            if name == "LAI":
                values[..., 0, :] = np.nan
            fields[name] = values
            field[:] = np.ma.masked_invalid(values)
    return fields


def constants(folder: Path, varies: str = "") -> None:
    """Write the constants as they come, the same for twelve months."""
    path = folder / "MERRA2_101.const_2d_ctm_Nx.00000000.nc4"
    names = "PHIS FRACI FRLAKE FRLAND FROCEAN FRLANDICE"
    granule(path, names, range(12))
    with netCDF4.Dataset(path, "a") as file:
        file["time"].units = "days since 1980-01-15 12:00:00"
        for name in {*names.split()} - {varies}:
            file[name][:] = file[name][:1]


@pytest.mark.data
def test_real_granules_come_from_behind_the_login(data_root, tmp_path, login):
    real = data_root / "merra2_us"
    single = "MERRA2_400.inst1_2d_asm_Nx.20200329.nc4"
    fixed = "MERRA2.const_2d_ctm_Nx.00000000.nc4"
    places = {
        single: "data/MERRA2/M2I1NXASM.5.12.4/2020/03",
        fixed: "data/MERRA2_MONTHLY/M2C0NXCTM.5.12.4/1980",
    }
    for name, folder in places.items():
        (tmp_path / "site" / folder).mkdir(parents=True)
        target = name.replace("MERRA2.const", "MERRA2_101.const")
        shutil.copy(real / name, tmp_path / "site" / folder / target)
    (tmp_path / "stores").mkdir()
    with earthdata("me", "my-word", tmp_path / "site") as servers:
        hosts = {
            "goldsmr4.gesdisc.eosdis.nasa.gov": servers.archive,
            "urs.earthdata.nasa.gov": servers.login,
        }
        servers.archive = "https://goldsmr4.gesdisc.eosdis.nasa.gov"
        servers.login = "https://urs.earthdata.nasa.gov"
        with https(hosts):
            store = check_recipe("merra2", tmp_path / "stores", DAY)
        assert all((host == "login") == (sent is not None) for host, sent in servers.seen)
    assert "my-word" not in json.dumps({**store.attrs})
    with netCDF4.Dataset(real / single) as original:
        for name, here in REAL.items():
            np.testing.assert_array_equal(store[here].values, original[name][:])
    with netCDF4.Dataset(real / fixed) as original:
        assert store["geopotential_at_surface"].dims == ("latitude", "longitude")
        np.testing.assert_array_equal(store["geopotential_at_surface"], original["PHIS"][6])
        np.testing.assert_array_equal(store["land_fraction"], original["FRLAND"][0])
    assert store["longitude"].values[[0, -1]].tolist() == [260, 290]


def test_what_varies_is_not_taken_for_fixed(tmp_path):
    constants(tmp_path / "merra2", varies="FRLAKE")
    _, names = COLLECTIONS["inst1_2d_asm_Nx"]
    path = tmp_path / "merra2/MERRA2_400.inst1_2d_asm_Nx.20200329.nc4"
    granule(path, names, range(0, 1440, 60))
    (tmp_path / "stores").mkdir()
    with pytest.raises(UserError, match=r"const_2d_ctm.*'FRLAKE' varies with time: leave 'fixed'"):
        build(load_recipe("merra2", DAY), tmp_path / "stores", tmp_path)


def test_the_160_variables_of_prithvi(tmp_path):
    made = {}
    folder = tmp_path / "merra2"
    for collection, (_, names) in COLLECTIONS.items():
        minutes = range(0, 1440, 180) if "inst3" in collection else range(0, 1440, 60)
        if "tavg1" in collection:
            minutes = range(30, 1470, 60)
        path = folder / f"MERRA2_400.{collection}.20200329.nc4"
        made |= granule(path, names, minutes, levels="3d" in collection)
    constants(folder)
    (tmp_path / "stores").mkdir()
    unused = {"DISPH", "PRECTOT", "RH"}
    ranges = {name: [-1e9, 1e9] for name in {"PHIS", *made} - unused}
    store = check_recipe(
        "merra2_prithvi", tmp_path / "stores", DAY | {"checks": {"ranges": ranges}}, tmp_path
    )
    layered = [name for name in store.data_vars if "level" in store[name].dims]
    surface = [
        n for n in store.data_vars if "level" not in store[n].dims and "time" in store[n].dims
    ]
    assert len(surface) + len(layered) * store.sizes["level"] == 160
    assert store["level"].values.tolist() == LEVELS
    assert store["level"].attrs["units"] == "1"
    assert store["time"].dt.hour.values.tolist() == [0, 3, 6, 9, 12, 15, 18, 21]
    east = np.argsort(np.arange(-180, 180, 45.0) % 360)
    levels = np.array(LEVELS) - 1
    expected = made["T"][:, levels][..., east]
    found = store["T"].transpose("time", "level", "latitude", "longitude")
    np.testing.assert_array_equal(found, expected)
    for name in ("T2M", "HFLUX", "LAI", "SWTNT"):  # 00, 03 ...; fluxes of the hour from then on
        np.testing.assert_array_equal(store[name], made[name][::3][..., east])


@pytest.mark.data
def test_the_names_are_those_of_prithvis_validation(data_root):
    recipe = load_recipe("merra2_prithvi")
    wanted = set()
    for source in recipe.sources:
        if not source.fixed:
            levels = source.select.levels if source.select else None
            for name in source.variables:
                wanted |= {f"{name}_level_{level:.1f}" for level in levels} if levels else {name}
    with netCDF4.Dataset(data_root / "prithvi_validation/validation_rmse.nc") as published:
        assert wanted == {*published.variables} - {"step"}
    assert len(wanted) == 160


def test_the_stream_in_the_name_follows_the_date():
    source = load_recipe("merra2").sources[0]
    days = {
        "1980-01-01": "100.inst1_2d_asm_Nx.19800101",
        "1991-12-31": "100.inst1_2d_asm_Nx.19911231",
        "1992-01-01": "200.inst1_2d_asm_Nx.19920101",
        "2020-08-31": "400.inst1_2d_asm_Nx.20200831",
        "2020-09-30": "401.inst1_2d_asm_Nx.20200930",
        "2020-10-01": "400.inst1_2d_asm_Nx.20201001",
        "2023-02-28": "400.inst1_2d_asm_Nx.20230228",
    }
    for day, expected in days.items():
        dates = load_recipe("merra2", {"dates": f"{day}/{day}"}).dates
        (address,) = _per_date(source.address, dates, source.by_date)
        assert address.endswith(f"/{day[:4]}/{day[5:7]}/MERRA2_{expected}.nc4")
    dates = load_recipe("merra2", {"dates": "1979/1980"}).dates
    with pytest.raises(UserError, match="'by_date' has no 'stream' for 1979-01-01: it begins 1980"):
        _per_date(source.address, dates, source.by_date)


def test_an_address_stands_for_the_months_that_are_not_missing():
    dates = {"start": "2000-11-15", "end": "2001-02", "missing": ["2000-12", "2001-01-05"]}
    dates = load_recipe("merra2", {"dates": dates}).dates
    assert _per_date("t_{year}{month}.nc", dates, {}) == [
        "t_200011.nc",
        "t_200101.nc",
        "t_200102.nc",
    ]
    days = _per_date("t_{day}.{month}.nc", dates, {})
    assert days[0] == "t_15.11.nc"
    assert days[-1] == "t_28.02.nc"
    assert len(days) == 16 + 31 - 1 + 28


def test_humidity_is_not_derived_from_numbers_of_levels():
    level = xr.DataArray([71.0, 72.0], dims="level", attrs={"units": "1"})
    air = xr.Dataset({n: ("level", [1.0, 1.0]) for n in ("QV", "T")}, {"level": level})
    names = {"specific_humidity": "QV", "temperature": "T"}
    with pytest.raises(UserError, match="the levels are in '1': name a 'pressure'"):
        parse_step({"derive": {"relative_humidity": names}}).apply(air)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"axes": {"x": "longitude"}}, "has no axis 'x' as its option 'axes' says"),
        ({"time_shift": "half an hour"}, "'half an hour' is no length of time"),
    ],
)
def test_options_that_do_not_fit_the_file_are_named(options, match, tmp_path):
    path = tmp_path / "merra2/MERRA2_400.inst1_2d_asm_Nx.20200329.nc4"
    granule(path, COLLECTIONS["inst1_2d_asm_Nx"][1], range(0, 1440, 60))
    sources = load_recipe("merra2").resolved()["sources"][:1]
    with pytest.raises(UserError, match=match):
        recipe = load_recipe("merra2", DAY | {"sources": [sources[0] | options]})
        build(recipe, tmp_path / "stores", tmp_path)
