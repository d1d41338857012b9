"""Every odd file of the data folder gives a correct store or one clear sentence, listed here.

Stores are compared, value by value, with what netCDF4 or ecCodes alone read.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.recipes import build, load_recipe
from climbench.recipes.schema import Recipe
from climbench.store.opening import open_store

from .odd_files import by_eccodes, by_netcdf4, nearest, nearest_by_eccodes

FOLDERS = ("odd_netcdf", "odd_other", "grib", "corrupt")
ODD = "odd_netcdf/"
ACCESS = f"{ODD}tas_Amon_ACCESS-ESM1-5_historical_r1i1p1f1_gn_185001-201412.nc"
EUROPE = f"{ODD}psl_EUR-11_MOHC-HadGEM2-ES_rcp85_r1i1p1_IPSL-WRF381P_v1_day_20060101-20101231.nc"
MPI = f"{ODD}tos_Omon_MPI-ESM1-2-LR_historical_r1i1p1f1_gn_185001-186912.nc"
IITM = f"{ODD}tos_Omon_IITM-ESM_1pctCO2_r1i1p1f1_gn_193001-193412.nc"
HADGEM = f"{ODD}tasmax_day_HadGEM2-CC_rcp85_2095_360day.nc"
INM = [
    f"{ODD}rlds_Amon_INM-CM5-0_{part}.nc"
    for part in (
        "historical_r1i1p1f1_gr1_195001-201412",  # not in the order of their times
        "historical_r1i1p1f1_gr1_185001-194912",
        "ssp245_r1i1p1f1_gr1_201501-210012",
    )
]
LEVELS = "isobaricInhPa"
ESM = "esmvaltool_cmip6"
HISTORICAL = "historical/r1i1p1f1"

STORES: list[tuple[str | list[str], str, str, str, dict[str, Any]]] = [
    # file or files, variable, first time, last time, options of the source
    (
        f"{ODD}air_MCruns_ensemble_mean_LMRv2.1.nc",
        *("air", "0000-01-01T00:00:00", "2000-01-01T00:00:00", {"rename": {"MCrun": "member"}}),
    ),
    # stamped with the end of each month, as its bounds show
    (
        f"{ODD}cesm.TREFHT.160001-200512.selection.nc",
        *("TREFHT", "1600-01-16T12:00:00", "2005-12-16T12:00:00", {}),
    ),
    # months since 1958-1-1 are calendar months
    (f"{ODD}hgt.nc", "HGT", "1958-01-01T00:00:00", "1977-02-01T00:00:00", {}),
    (INM, "rlds", "1850-01-16T12:00:00", "2100-12-16T12:00:00", {}),
    (ACCESS, "tas", "1850-01-16T12:00:00", "2014-07-16T12:00:00", {}),
    (
        f"{ODD}tas_day_MIROC6_ssp119_r1i1p1f1_gn_20150101.nc",
        *("tas", "2015-01-01T12:00:00", "2015-01-01T12:00:00", {}),
    ),
    (HADGEM, "tasmax", "2095-01-01T00:00:00", "2095-12-30T00:00:00", {}),
    # packed, decreasing latitude, degK
    (
        "cera20c/sel_cera-20c_t2m_1901-2010.nc",
        *("t2m", "1901-01-01T00:00:00", "2010-12-01T00:00:00", {}),
    ),
    # upper-case dimensions, 'unitless', three quarters missing
    (
        "nmme_southasia_ond/observations.nc",
        *("rf", "1982-12-01T00:00:00", "2019-12-01T00:00:00", {}),
    ),
    # longitude -180..180 on a Gaussian grid
    (
        "echam_6hourly_global/t_in_Celsius_2.nc",
        *("tC", "2001-01-01T00:00:00", "2001-01-10T18:00:00", {}),
    ),
    # bounds that hold garbage
    (
        "giss_daily_sresb1/tas.sresb1.giss_model_e_r.run1.atm.da.nc",
        *("tas", "2046-01-01T12:00:00", "2065-12-31T12:00:00", {}),
    ),
    # a level called pressure
    ("ncep_hgt_djf/hgt_djf.nc", "z", "1948-01-15T12:00:00", "2012-01-15T12:00:00", {}),
    # constants in twelve months
    (
        "merra2_us/MERRA2.const_2d_ctm_Nx.00000000.nc4",
        *("PHIS", "1980-01-15T12:00:00", "1980-12-15T12:00:00", {}),
    ),
    # years of 365 days whose calendar is not named
    (
        "ccm_trefht_ensemble/TREFHT.B06.57.atm.1890-1999ANN.nc",
        *("TREFHT", "1890-07-16T22:00:00", "1999-07-16T22:00:00", {"calendar": "noleap"}),
    ),
    # one time without a time axis, and columns before rows
    (
        "neuralgcm_era5/era5_tl31_19590102T00.nc",
        *("temperature", "1959-01-02T00:00:00", "1959-01-02T00:00:00", {}),
    ),
    # the undeclared default fill 9.97e36
    *(
        (
            f"{ESM}/{model}/{HISTORICAL}/{table}/ta/gn/*/*.nc",
            *("ta", f"{first}T12:00:00", f"{last}T12:00:00", {}),
        )
        for model, table, first, last in (
            ("CAS/FGOALS-g3", "Amon", "1950-01-16", "2016-12-16"),
            ("CAS/FGOALS-g3", "day", "2000-01-01", "2002-12-31"),
            ("CCCma/CanESM5", "Amon", "1850-01-16", "2014-12-16"),
            ("CCCma/CanESM5", "day", "1991-01-01", "2010-12-31"),
            ("MIROC/MIROC6", "day", "2000-01-01", "2002-12-31"),
        )
    ),
]

SERIES = [
    # file, series, first and last time
    ("climate_divisions/climdiv_prcp_1899-1999.nc", "PRECT_AL_CD1", "1899-01", "1999-12"),
    ("hadcrut_means/Tave_18562003.nc", "TAveGl", "1856-01", "2003-12"),
    ("canesm2_5members/tas_Amon_CanESM2_rcp26_2022_xyav.nc", "r1i1p1", "2022-01", "2022-12"),
]

MESSAGES: list[tuple[str, dict[str, Any]]] = [
    ("grib/era5-levels-members.grib", {}),
    ("grib/fields_with_missing_values.grib", {}),
    ("grib/hpa_and_pa.grib", {}),  # levels of 1 hPa, 10 Pa and 1 Pa on one axis
    ("grib/regular_ll_msl.grib", {}),  # a forecast of three days, at the time for which it holds
    ("grib/regular_ll_wrong_increment.grib", {}),
    ("grib/uv_on_different_levels.grib", {"shortName": "u"}),
    ("grib/uv_on_different_levels.grib", {"shortName": "v"}),
    ("grib/ekd_ens_50.grib", {"dataType": "pf"}),
    ("era5_uk_grib/era5-2mt-2019-03-uk.grib", {}),
]

SENTENCES: list[tuple[str, str, dict[str, Any]]] = [
    (f"{ODD}GFWED_sample_2017.nc", r"cells of 'loc' have a latitude each.*or stations", {}),
    (f"{ODD}contour.cdf", "'T' has the dimension 'frtime'; select one entry", {}),
    (EUROPE, r"\('rlat', 'rlon'\): a curvilinear or rotated grid; set 'flatten: true'", {}),
    (f"{ODD}seam.nc", "no latitude axis among its dimensions", {}),
    (f"{ODD}seam.nc", "the latitude of its cells is unknown", {"flatten": True}),
    (f"{ODD}ta_ps_850.nc", "no latitude axis among its dimensions", {}),
    (f"{ODD}ta_ps_850.nc", "the latitude of its cells is unknown", {"flatten": True}),
    (ACCESS, "'frequency' says 'mon' and its times are .* days apart", {}),
    (
        f"{ODD}tas_Amon_CanESM2_rcp85_r1i1p1_200701-200712.nc",
        *("times run from 2006-12-16T12:00:00 .* outside of the period in its name", {}),
    ),
    (HADGEM, "'time_vectors' has the dimension 'ts'", {}),
    (IITM, r"\('y', 'x'\): a curvilinear or rotated grid", {}),
    (MPI, r"\('j', 'i'\): a curvilinear or rotated grid", {}),
    *(
        (f"odd_other/{name}.pp", "is a Met Office PP file: convert it to NetCDF first", {})
        for name in ("A1B.2098", "E1.2098", "pre-industrial")
    ),
    ("corrupt/era5-levels-corrupted.grib", "damaged messages .*: fetch it again", {}),
    ("corrupt/inputs_ssp245.nc", "is a Git LFS pointer, not the data: run `git lfs pull`", {}),
    ("corrupt/land.nc", "'sst' from corrupt/land.nc has no values at 2003-01-01", {}),
    ("corrupt/siconc_SIday_CanESM5.nc.pid29866.ncks.tmp", "no times at all: .*never finished", {}),
    ("grib/CMC_reg_DEPR_ISBL_10_ps10km_2022072000_P000.grib2", "curvilinear or rotated grid", {}),
    ("grib/lambert_grid.grib", "curvilinear or rotated grid; set 'flatten: true'", {}),
    ("grib/ekd_mercator.grib", "cells of 'values' .* reduced grid.*'flatten: true'", {}),
    ("grib/reduced_gg.grib", "cells of 'values' .* reduced grid.*'flatten: true'", {}),
    ("grib/spherical_harmonics.grib", "are spherical harmonics, not values at places", {}),
    ("grib/ekd_ens_50.grib", r"do not fit into one array: pick some .*\{dataType: cf\}", {}),
    ("grib/ekd_ml_data.grib", "do not fit into one array: pick some", {}),
    (
        "grib/ekd_ml_data.grib",
        *("'hybrid' are model levels, not pressures", {"keys": {"shortName": "t"}}),
    ),
    ("grib/uv_on_different_levels.grib", "do not fit into one array: pick some", {}),
    ("grib/wafsgfs_L_t06z_intdsk60.grib2", "do not fit into one array: .*typeOfLevel", {}),
    (
        "grib/wafsgfs_L_t06z_intdsk60.grib2",
        *(
            "cells of 'values' .* reduced grid",
            {"keys": {"shortName": "gh", "typeOfLevel": LEVELS}},
        ),
    ),
    (
        "grib/t_analysis_and_fc_0.grib",  # values of -0.0004 to 0.03, which are no temperatures
        *("'temperature' .* beyond the physical range", {"rename": {"t": "temperature"}}),
    ),
    ("csm_control/b003_TS_200-299.nc", "'days since 0000-00-00 .* which are no dates", {}),
    (
        "ccm_trefht_ensemble/TREFHT.B06.57.atm.1890-1999ANN.nc",
        *("names no calendar, and its times are 365 days apart", {}),
    ),
    ("climdown_pair/tiny_clims.nc", "1971-02-28T00:00:00 comes after a later time", {}),
    ("nmme_southasia_ond/cfsv2_hcst.nc", "'prec' has the dimension 'S'", {}),
    ("nmme_southasia_ond/cansipsv2_hcst.nc", "'prec' has the dimension 'S'", {}),
    ("sao_19950318/95031800_sao.cdf", "cells of 'report' .*stations", {}),
    ("sao_19950318/95031801_sao.cdf", "cells of 'report' .*stations", {}),
    ("prithvi_validation/validation_rmse.nc", "no latitude axis", {}),
    ("climsim/ClimSim_low-res_grid-info.nc", "cells of 'ncol' .*unstructured", {}),
    ("climpred/CESM-DP-LE.SST.global.nc", "no latitude axis .*init, lead, member", {}),
    ("cmip_global_mean/IPCC_annual_global_tas.nc", "no latitude axis .*simulation", {}),
    ("metar/metar_2020-01.parquet", "is a Parquet table", {}),
]

ELSEWHERE: list[tuple[str, str, str]] = [
    # file, variable, and a target in degrees: first row and column of 3 x 3, step
    ("grib/reduced_gg.grib", "u10", "40/350/4"),
    ("grib/lambert_grid.grib", "nlwrs", "51/0/3"),
    ("grib/ekd_mercator.grib", "aptmp", "17.5/292.5/1"),
    ("grib/CMC_reg_DEPR_ISBL_10_ps10km_2022072000_P000.grib2", "unknown", "40/250/5"),
    (EUROPE, "psl", ""),
    (MPI, "tos", ""),
    (IITM, "tos", ""),
]


def recipe(local: str | list[str], **options: Any) -> Recipe:
    """Return a recipe for one source; options are of the source, or of the recipe as ``_name``."""
    own = {key[1:]: value for key, value in options.items() if key.startswith("_")}
    source = {k: v for k, v in options.items() if not k.startswith("_")}
    return Recipe.model_validate(
        {
            "name": "odd",
            "description": "a test",
            "licence": "-",
            "citation": "-",
            "sources": [{"kind": "files", "address": "-", "local": local, **source}],
            "steps": ["sort"],
            **own,
        }
    )


def stored(data_root: Path, tmp_path: Path, wanted: Recipe) -> xr.Dataset:
    return open_store(build(wanted, tmp_path, data_root))


def stamps(store: xr.Dataset) -> list[str]:
    return [store.indexes["time"][at].isoformat()[:19] for at in (0, -1)]


def test_no_file_is_forgotten(data_root: Path) -> None:
    listed: set[str] = set()
    for names, *_ in [*STORES, *SERIES, *MESSAGES, *SENTENCES, *ELSEWHERE]:
        for name in [names] if isinstance(names, str) else names:
            listed |= {str(p.relative_to(data_root)) for p in data_root.glob(name)}
    folders = [*FOLDERS, ESM]
    there = {
        str(path.relative_to(data_root))
        for folder in folders
        for path in (data_root / folder).rglob("*")
        if path.is_file()
    }
    assert len(there) > 50
    assert sorted(there - listed) == []


@pytest.mark.parametrize(("local", "variable", "first", "last", "options"), STORES)
def test_files_that_become_a_store(
    data_root: Path,
    tmp_path: Path,
    local: str | list[str],
    variable: str,
    first: str,
    last: str,
    options: dict[str, Any],
) -> None:
    checks = {"missing_values": [variable], "gaps": "allow", "ranges": {variable: [-1e6, 1e6]}}
    wanted = recipe(local, variables=[variable], _checks=checks, **options)
    store = stored(data_root, tmp_path, wanted)
    assert stamps(store) == [first, last]
    patterns = [local] if isinstance(local, str) else local
    paths = sorted((p for one in patterns for p in data_root.glob(one)), key=lambda p: p.name[-16:])
    values = [by_netcdf4(path, variable) for path in paths]
    expected = np.concatenate(values) if len(values) > 1 else values[0]
    if variable == "temperature":
        expected = expected.transpose(0, 2, 1)
    if variable == "t2m" or variable == "air":
        expected = expected.swapaxes(0, 1)
    found = store[variable].values
    assert np.squeeze(found).shape == np.squeeze(expected).shape
    np.testing.assert_allclose(np.squeeze(found), np.squeeze(expected), rtol=2e-7)
    assert np.isfinite(found).any() and np.nanmax(np.abs(found)) < 1e6


def test_calendars_levels_and_units_are_kept(data_root: Path, tmp_path: Path) -> None:
    def one(local: str, variable: str) -> xr.Dataset:
        checks = {"missing_values": [variable], "gaps": "allow"}
        return stored(data_root, tmp_path, recipe(local, variables=[variable], _checks=checks))

    hadgem = one(HADGEM, "tasmax")
    assert hadgem["time"].dt.calendar == "360_day" and np.all(np.diff(hadgem["latitude"]) > 0)
    echam = one("echam_6hourly_global/t_in_Celsius_2.nc", "tC")
    assert float(echam["longitude"][0]) == 0 and float(echam["longitude"][-1]) == 358.125
    miroc = one(f"{ESM}/MIROC/MIROC6/{HISTORICAL}/day/ta/gn/*/*_20000101*.nc", "ta")
    assert miroc["level"].values.tolist() == [850, 1000] and miroc["level"].units == "hPa"
    assert one("ncep_hgt_djf/hgt_djf.nc", "z")["level"].values.tolist() == [500]
    assert one("nmme_southasia_ond/observations.nc", "rf")["rf"].units == "unitless"


@pytest.mark.parametrize(("local", "variable", "first", "last"), SERIES)
def test_series_in_time(
    data_root: Path, tmp_path: Path, local: str, variable: str, first: str, last: str
) -> None:
    checks = {"missing_values": [variable]}
    wanted = recipe(local, variables=[variable], _steps=[], _checks=checks)
    store = stored(data_root, tmp_path, wanted)
    assert [stamp[:7] for stamp in stamps(store)] == [first, last]
    np.testing.assert_allclose(store[variable], by_netcdf4(data_root / local, variable), rtol=1e-6)


@pytest.mark.parametrize(("local", "keys"), MESSAGES)
def test_messages_of_grib(
    data_root: Path, tmp_path: Path, local: str, keys: dict[str, Any]
) -> None:
    pytest.importorskip("cfgrib")
    expected = by_eccodes(data_root / local, keys)
    checks = {"missing_values": ["t"] if "hpa_and_pa" in local else []}  # at 1 Pa there are none
    store = stored(data_root, tmp_path, recipe(local, keys=keys, _checks=checks)).load()
    count = 0
    for (name, date, time, level, member), plane in expected.items():
        field = store[name].sel(time=f"{date}T{time:04d}")
        if "level" in field.dims:
            field = field.sel(level=level)
        if "member" in field.dims:
            field = field.sel(member=member)
        shift = int(np.argmin(np.abs(store["longitude"].values % 360)))
        turned = np.squeeze(field.values)
        if float(store["longitude"][0]) < 0 and plane.shape[1] == 72:
            turned = np.roll(turned, -shift, axis=-1)
        np.testing.assert_allclose(turned, plane, rtol=1e-5, atol=1e-5)
        count += 1
    planes = sum(a.size // (a.sizes["latitude"] * a.sizes["longitude"]) for a in store.values())
    assert count == planes > 0


@pytest.mark.parametrize(("local", "sentence", "options"), SENTENCES)
def test_files_that_are_refused(
    data_root: Path, tmp_path: Path, local: str, sentence: str, options: dict[str, Any]
) -> None:
    if local.startswith("grib/"):
        pytest.importorskip("cfgrib")
    with pytest.raises(UserError, match=sentence) as caught:
        build(recipe(local, **options), tmp_path, data_root)
    assert "\n" not in str(caught.value) and Path(local).name in f"{caught.value} {local}"
    assert not list(tmp_path.glob("*.zarr"))


@pytest.mark.parametrize(("local", "variable", "target"), ELSEWHERE)
def test_other_grids_by_their_nearest_cells(
    data_root: Path, tmp_path: Path, local: str, variable: str, target: str
) -> None:
    path = data_root / local
    if target:
        pytest.importorskip("cfgrib")
        south, west, step = map(float, target.split("/"))
        rows, columns = (first + step * np.arange(3) for first in (south, west))
    else:
        north, east, values = curvilinear(path, variable)
        rows = np.linspace(np.nanmin(north), np.nanmax(north), 4)
        columns = np.unwrap(np.deg2rad(east))
        columns = np.rad2deg(np.linspace(columns.min(), columns.max(), 4))
    regrid = {"latitude": rows.tolist(), "longitude": columns.tolist(), "method": "nearest"}
    wanted = recipe(
        local,
        variables=[variable],
        flatten=True,
        _steps=[{"regrid": regrid}, "sort"],
        _checks={"missing_values": [variable], "gaps": "allow", "ranges": {variable: [-1e8, 1e6]}},
    )
    field = stored(data_root, tmp_path, wanted)[variable].isel(time=0).squeeze()
    found = 0
    for row in rows:
        for column in columns:
            if target:
                value, distance = nearest_by_eccodes(path, row, column)
            else:
                value, distance = nearest(values, north, east, row, column)
            there = (field["longitude"] - column) % 360
            at = int(np.argmin(np.minimum(there, 360 - there).values))
            moved = float(field.sel(latitude=row, method="nearest").isel(longitude=at))
            if np.isnan(moved):
                assert distance > 20 or np.isnan(value)
            else:
                found += 1
                assert moved == pytest.approx(value, rel=1e-5)
    assert found


def curvilinear(path: Path, variable: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return latitudes, longitudes and the first field of a file, flat."""
    import netCDF4

    with netCDF4.Dataset(path) as file:
        names = ("latitude", "longitude") if "latitude" in file.variables else ("lat", "lon")
        places = [np.ma.filled(file[name][:].astype(float), np.nan).ravel() for name in names]
        field = np.ma.filled(file[variable][0].astype(float), np.nan).ravel()
    return places[0], places[1], field


def test_an_archive_in_zarr(data_root: Path, tmp_path: Path) -> None:
    """Packed int16 without a declared fill, decreasing latitude."""
    import zarr

    folder = "ncep_air_4xdaily/air_4xdaily_2013-2014.zarr"
    raw = zarr.open_group(str(data_root / folder), mode="r")["air"]
    expected = raw[:].astype(float) * raw.attrs["scale_factor"] + raw.attrs.get("add_offset", 0)
    store = stored(data_root, tmp_path, recipe(folder, variables=["air"]))
    np.testing.assert_allclose(store["air"], expected[:, ::-1], rtol=1e-6)
    assert stamps(store) == ["2013-01-01T00:00:00", "2014-12-31T18:00:00"]


def test_every_recipe_of_the_table_is_read_by_the_loader(tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(
        "name: odd\ndescription: a\nlicence: a\ncitation: a\nsources:\n"
        "  - {kind: files, address: '-', calendar: noleap, time_from_name: '%Y%m%d', fixed: true,"
        " flatten: true}\nsteps:\n  - regrid: {gaussian: 16, method: nearest}\n"
    )
    source = load_recipe(str(path)).sources[0]
    assert (source.calendar, source.fixed, source.flatten) == ("noleap", True, True)  # type: ignore[union-attr]
