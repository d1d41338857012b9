"""Every way in which an archive can be broken ends in one sentence that names the culprit."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.recipes import build, load_recipe, plan

from .conftest import weather

WriteRecipe = Callable[..., Path]


def refused(recipe: Path, archive: Path, message: str) -> None:
    """Check that the build ends with this message and leaves only parts that are finished."""
    stores = archive.parent / "stores"
    with pytest.raises(UserError, match=message) as caught:
        build(load_recipe(str(recipe)), stores, archive)
    assert "\n" not in str(caught.value)
    begun = [one for one in stores.iterdir() if one.name != "downloads"]  # but no lock
    assert all((one / "ledger.jsonl").is_file() for one in begun)  # and no empty store


def cut(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
def test_truncated_netcdf4(archive: Path, write_recipe: WriteRecipe, share: float) -> None:
    cut(archive / "b.nc", share)
    refused(write_recipe(), archive, r"b\.nc cannot be read as NetCDF")


@pytest.mark.parametrize("unlimited", [[], ["time"]])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
def test_truncated_netcdf3_which_the_library_reads_as_zeros(
    archive: Path, write_recipe: WriteRecipe, share: float, unlimited: list[str]
) -> None:
    weather("2001-01-11", 10).to_netcdf(
        archive / "b.nc", format="NETCDF3_CLASSIC", unlimited_dims=unlimited
    )
    cut(archive / "b.nc", share)
    refused(write_recipe(), archive, r"b\.nc is cut short or damaged: remove .*b\.nc")


def test_damage_inside_a_field_is_found_when_it_is_read(
    archive: Path, write_recipe: WriteRecipe
) -> None:
    noise = weather("2001-01-11", 10, rows=180)
    noise["t2m"] += np.random.default_rng(0).normal(size=noise["t2m"].shape).astype("f4")
    compressed = {"t2m": {"zlib": True, "fletcher32": True, "chunksizes": (1, 180, 8)}}
    compressed["t2m"]["_FillValue"] = None
    weather("2001-01-01", 10, rows=180).to_netcdf(archive / "a.nc")
    noise.to_netcdf(archive / "b.nc", encoding=compressed)
    content = bytearray((archive / "b.nc").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    (archive / "b.nc").write_bytes(content)
    assert plan(load_recipe(str(write_recipe())), archive).bytes > 0  # a plan reads no field
    refused(write_recipe(), archive, r"b\.nc is damaged .*: remove .*b.nc and fetch it again")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        (b"<!DOCTYPE html><html>403</html>", "web page, not the data"),
        (b"", "empty or no NetCDF"),
        (b"1,2,3\n", "empty or no NetCDF"),
    ],
)
def test_what_is_no_data_file(
    archive: Path, write_recipe: WriteRecipe, content: bytes, message: str
) -> None:
    (archive / "b.nc").write_bytes(content)
    refused(write_recipe(), archive, rf"b\.nc is .*{message}")


def test_the_real_git_lfs_pointer(data_root: Path, write_recipe: WriteRecipe) -> None:
    sources = [{"kind": "files", "address": "-", "local": "corrupt/inputs_ssp245.nc"}]
    recipe = load_recipe(str(write_recipe(sources=sources)))
    with pytest.raises(UserError, match=r"inputs_ssp245.nc is a Git LFS pointer"):
        plan(recipe, data_root)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("corrupt/era5-levels-corrupted.grib", "has damaged messages"),
        ("corrupt/siconc_SIday_CanESM5.nc.pid29866.ncks.tmp", "siconc"),
        (
            "odd_netcdf/tos_Omon_MPI-ESM1-2-LR_historical_r1i1p1f1_gn_185001-186912.nc",
            "curvilinear",
        ),
        ("odd_netcdf/psl_EUR-11_*.nc", "curvilinear|no latitude axis"),
        ("odd_netcdf/ta_ps_850.nc", "no latitude axis|curvilinear"),
        ("grib/lambert_grid.grib", "curvilinear|no latitude axis"),
    ],
)
def test_real_files_that_cannot_become_a_store(
    data_root: Path, write_recipe: WriteRecipe, file: str, message: str
) -> None:
    sources = [{"kind": "files", "address": "-", "local": file}]
    recipe = load_recipe(str(write_recipe(sources=sources)))
    with pytest.raises(UserError, match=message):
        plan(recipe, data_root)


def test_another_grid_than_its_siblings(archive: Path, write_recipe: WriteRecipe) -> None:
    weather("2001-01-11", 10, rows=7).to_netcdf(archive / "b.nc")
    refused(write_recipe(), archive, r"b\.nc is on another grid than a\.nc: 7 latitude values")


def test_the_same_size_of_grid_at_another_place(archive: Path, write_recipe: WriteRecipe) -> None:
    moved = weather("2001-01-11", 10)
    moved.assign_coords(lon=moved["lon"] + 1).to_netcdf(archive / "b.nc")
    refused(write_recipe(), archive, r"b\.nc is on another grid than a\.nc: 8 longitude values")


def test_missing_variable(archive: Path, write_recipe: WriteRecipe) -> None:
    weather("2001-01-11", 10, name="tas").to_netcdf(archive / "b.nc")
    refused(write_recipe(), archive, r"(a|b)\.nc lacks the variable '\w+' that (a|b)\.nc has")
    source = {"kind": "files", "address": "-", "local": "*.nc", "variables": ["t2n"]}
    recipe = write_recipe(sources=[source])
    refused(recipe, archive, r"a\.nc has no gridded variable 't2n': did you mean 't2m'\?")


def test_unit_that_cannot_be_converted(archive: Path, write_recipe: WriteRecipe) -> None:
    recipe = write_recipe(steps=[{"convert_units": {"2m_temperature": "Pa"}}])
    refused(recipe, archive, r"'2m_temperature' cannot be converted from 'K' to 'Pa'")


def test_siblings_in_different_units(archive: Path, write_recipe: WriteRecipe) -> None:
    weather("2001-01-11", 10, units="degC").to_netcdf(archive / "b.nc")
    refused(write_recipe(), archive, r"b\.nc: 't2m' is in 'degC' and in a\.nc in 'K'")


def test_the_same_unit_in_another_spelling_is_no_difference(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    weather("2001-01-11", 10, units="degK").to_netcdf(archive / "b.nc")
    assert build(load_recipe(str(write_recipe())), tmp_path / "stores", archive).exists()


def test_values_in_another_unit_than_the_file_says(
    archive: Path, write_recipe: WriteRecipe
) -> None:
    broken = weather("2001-01-11", 10)
    broken["t2m"] -= 273.15
    broken.to_netcdf(archive / "b.nc")
    refused(write_recipe(), archive, r"'2m_temperature' from b\.nc .* physical range 170 to 340")


def test_overlapping_times(archive: Path, write_recipe: WriteRecipe) -> None:
    weather("2001-01-09", 10).to_netcdf(archive / "b.nc")
    refused(
        write_recipe(),
        archive,
        r"a\.nc and b\.nc overlap: the first ends at 2001-01-10T00:00:00, the second begins at "
        r"2001-01-09T00:00:00",
    )


def test_a_time_that_comes_twice_or_too_late(archive: Path, write_recipe: WriteRecipe) -> None:
    days = weather("2001-01-11", 10)
    days.isel(time=[0, 1, 1, 2]).to_netcdf(archive / "b.nc")
    refused(write_recipe(), archive, r"b\.nc: the time 2001-01-12T00:00:00 comes twice")
    (archive / "b.nc").unlink()
    days.isel(time=[0, 2, 1]).to_netcdf(archive / "b.nc")
    refused(write_recipe(), archive, r"the time 2001-01-12T00:00:00 comes after a later time")


def test_missing_times_between_and_within_files(archive: Path, write_recipe: WriteRecipe) -> None:
    weather("2001-01-13", 10).to_netcdf(archive / "b.nc")
    gap = r"times are missing between 2001-01-10T00:00:00 and 2001-01-13T00:00:00"
    refused(write_recipe(), archive, gap)
    dates = {"start": 2001, "end": "2001-01-22", "frequency": "1D", "missing": ["2001-01-11"]}
    refused(write_recipe(dates=dates), archive, r"1 times are missing, the first is 2001-01-12")


def test_times_that_end_too_early(archive: Path, write_recipe: WriteRecipe) -> None:
    dates = {"start": "2001-01-01", "end": "2001-01-25", "frequency": "1D"}
    refused(write_recipe(dates=dates), archive, r"5 times are missing, the first is 2001-01-21")


def test_a_frequency_that_the_files_do_not_have(archive: Path, write_recipe: WriteRecipe) -> None:
    dates = {"start": "2001-01-01", "end": "2001-01-20", "frequency": "2D"}
    refused(write_recipe(dates=dates), archive, r"the time 2001-01-02T00:00:00 is not on the axis")


def test_missing_times_that_are_known_become_nan(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    weather("2001-01-13", 10).to_netcdf(archive / "b.nc")
    dates = {"start": 2001, "end": 2001, "frequency": "1D", "missing": ["2001-01-11", "2001-01-12"]}
    dates["end"] = "2001-01-22"
    recipe = load_recipe(str(write_recipe(dates=dates)))
    store = xr.open_zarr(build(recipe, tmp_path / "stores", archive))
    empty = store["2m_temperature"].isnull().all(["latitude", "longitude"]).values
    assert store.sizes["time"] == 22
    assert np.flatnonzero(empty).tolist() == [10, 11]


@pytest.mark.parametrize("calendar", ["noleap", "360_day"])
def test_mixed_calendars(archive: Path, write_recipe: WriteRecipe, calendar: str) -> None:
    other = weather("2001-01-11", 10, calendar=calendar, use_cftime=True)
    other.to_netcdf(archive / "b.nc")
    refused(write_recipe(), archive, rf"b\.nc has the calendar {calendar} and a\.nc has")


def test_real_mixed_calendars(data_root: Path, write_recipe: WriteRecipe) -> None:
    files = [
        "CCCma/CanESM5/historical/r1i1p1f1/day/ta/gn/*/*.nc",
        "MIROC/MIROC6/historical/r1i1p1f1/day/ta/gn/*/*_20000101-20001231.nc",
    ]
    local = [f"esmvaltool_cmip6/{file}" for file in files]
    sources = [{"kind": "files", "address": "-", "local": local}]
    with pytest.raises(UserError, match=r"another grid|calendar"):
        plan(load_recipe(str(write_recipe(sources=sources))), data_root)


def test_nan_filled_field(archive: Path, write_recipe: WriteRecipe) -> None:
    holed = weather("2001-01-11", 10)
    holed["t2m"][3] = np.nan
    holed.to_netcdf(archive / "b.nc")
    refused(
        write_recipe(), archive, r"'2m_temperature' from b\.nc has no values at 2001-01-14T00:00:00"
    )


def test_nan_filled_field_that_is_expected(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    holed = weather("2001-01-11", 10)
    holed["t2m"][3] = np.nan
    holed.to_netcdf(archive / "b.nc")
    recipe = write_recipe(checks={"missing_values": ["2m_temperature"]})
    assert build(load_recipe(str(recipe)), tmp_path / "stores", archive).exists()


def test_the_real_file_that_is_all_nan(data_root: Path, write_recipe: WriteRecipe) -> None:
    source = {"kind": "files", "address": "-", "local": "corrupt/land.nc"}
    recipe = load_recipe(str(write_recipe(sources=[source], checks={"gaps": "allow"})))
    stores = write_recipe().parent / "stores"
    with pytest.raises(UserError, match=r"'sst' from corrupt/land.nc has no values at 2003-01-01"):
        build(recipe, stores, data_root)


def test_an_undeclared_default_fill_value_becomes_nan(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    for name, start in (("a.nc", "2001-01-01"), ("b.nc", "2001-01-11")):
        filled = weather(start, 10)
        filled["t2m"][:, 0] = 9.969209968386869e36
        filled.to_netcdf(archive / name, encoding={"t2m": {"_FillValue": None}})
    store = xr.open_zarr(build(load_recipe(str(write_recipe())), tmp_path / "stores", archive))
    values = store["2m_temperature"].isel(latitude=-1).values
    assert np.isnan(values).all()
    assert float(store["2m_temperature"].max()) < 300


def test_a_file_that_is_not_there(archive: Path, write_recipe: WriteRecipe) -> None:
    shutil.rmtree(archive)
    archive.mkdir()
    refused(write_recipe(), archive, r"nothing in .* matches \*\.nc: check data_root")


def test_a_checksum_that_differs_from_the_published(
    archive: Path, write_recipe: WriteRecipe
) -> None:
    source = {"kind": "files", "address": "-", "local": "*.nc", "sha256": {"b.nc": "0" * 64}}
    refused(write_recipe(sources=[source]), archive, r"b\.nc is not the published file")


def test_axes_that_are_out_of_order(archive: Path, write_recipe: WriteRecipe) -> None:
    refused(
        write_recipe(steps=[]), archive, r"latitude is not ascending; add the step 'sort: \{\}'"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dates": {"start": "2001-01-01", "end": "2001-02-30"}}, "no date of the .*gregorian cal"),
        ({"statistics": {"period": ["2001-01-01", "2001-02-30"]}}, "no date of the .*gregorian"),
        ({"steps": [{"rename": {"2m_temperature": "latitude"}}]}, "'latitude', which is there"),
        ({"steps": [{"rename": {"2m_temperature": "time"}}]}, "'time', which is there already"),
        (
            {"checks": {"ranges": {"2m_temperatur": [0, 1]}}},
            "checks.ranges: .*mean '2m_temperature'",
        ),
        (
            {"checks": {"constant_fields": ["t"]}},
            "checks.constant_fields: there is no variable 't'",
        ),
    ],
)
def test_options_that_fit_no_data(
    archive: Path, write_recipe: WriteRecipe, options: dict[str, Any], message: str
) -> None:
    refused(write_recipe(**options), archive, message)


def test_a_unit_of_a_variable_that_no_file_has(archive: Path, write_recipe: WriteRecipe) -> None:
    source = {"kind": "files", "address": "-", "local": "*.nc", "rename": {"t2m": "warmth"}}
    refused(
        write_recipe(sources=[source | {"units": {"tm2": "K"}}]),
        archive,
        "no file has 'tm2': did you mean 't2m'",
    )


@pytest.mark.parametrize("workers", ["two", 1.5, 0, True])
def test_a_number_of_workers_that_is_none(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path, workers: Any
) -> None:
    recipe = load_recipe(str(write_recipe()))
    with pytest.raises(UserError, match=f"'workers' = {workers} is wrong: give a whole number"):
        build(recipe, tmp_path / "stores", archive, workers=workers)
