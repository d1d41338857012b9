"""Traps that hide in files, written here one at a time; the real files are in another test."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.recipes import build, load_recipe, plan
from climbench.store.opening import open_store

from .conftest import weather

WriteRecipe = Callable[..., Path]
Stored = Callable[..., xr.Dataset]
HYBRID = {"standard_name": "atmosphere_hybrid_sigma_pressure_coordinate"}
HPA = {"units": "hPa"}


def on_a_rotated_pole(dataset: xr.Dataset) -> xr.Dataset:
    """Return fields whose axes are called latitude and longitude, of a pole elsewhere."""
    pole = xr.DataArray(0, attrs={"grid_mapping_name": "rotated_latitude_longitude"})
    dataset["t2m"].attrs["grid_mapping"] = "pole"
    return dataset.assign(pole=pole)


@pytest.fixture
def stored(tmp_path: Path, write_recipe: WriteRecipe) -> Stored:
    """Write one file (or several, by name) and build a store of it."""

    def store(files: xr.Dataset | dict[str, xr.Dataset], **options: Any) -> xr.Dataset:
        encoding = options.pop("encoding", {})
        own = {key[1:]: options.pop(key) for key in list(options) if key.startswith("_")}
        folder = tmp_path / "odd"
        folder.mkdir(exist_ok=True)
        for name, dataset in (files if isinstance(files, dict) else {"odd.nc": files}).items():
            dataset.to_netcdf(folder / name, encoding=encoding)
        source = {"kind": "files", "address": "-", "local": "*.nc", **options}
        recipe = load_recipe(str(write_recipe(sources=[source], **own)))
        return open_store(build(recipe, tmp_path / "stores", folder))

    return store


def test_the_default_fill_of_packed_integers_that_nobody_declared(stored: Stored) -> None:
    packed = weather("2001-01-01", 3)
    whole = np.round((packed["t2m"].values - 280) / 0.01).astype("i2")
    whole[:, 2, 3] = -32767
    attributes = {"scale_factor": 0.01, "add_offset": 280.0, "units": "K"}
    field = stored(packed.assign(t2m=(packed["t2m"].dims, whole, attributes)))["t2m"]
    expected = np.where(whole == -32767, np.nan, whole * 0.01 + 280)[:, ::-1]
    np.testing.assert_allclose(field, expected, rtol=1e-6)
    assert int(field.isnull().sum()) == 3


def test_fill_and_missing_value_that_differ_are_both_missing(stored: Stored) -> None:
    holed = weather("2001-01-01", 3)
    holed["t2m"][0, 0, 0], holed["t2m"][1, 1, 1] = -999.0, 1e20
    holed["t2m"].attrs["missing_value"] = np.float32(1e20)
    field = stored(holed, encoding={"t2m": {"_FillValue": np.float32(-999)}})["t2m"]
    assert int(field.isnull().sum()) == 2 and float(field.max()) < 300


@pytest.mark.parametrize(
    ("missing", "kind"),
    [(1e20, "f4"), (-9999.9, "f4"), ("-999", "f4"), (np.float32(-9999.9), "f8"), (-99, "f4")],
)
def test_missing_values_of_another_type_than_the_data(
    stored: Stored, missing: Any, kind: str
) -> None:
    holed = weather("2001-01-01", 3).astype({"t2m": kind})
    holed["t2m"][0, 0, 0] = float(str(missing))
    holed["t2m"].attrs["missing_value"] = missing
    field = stored(holed, encoding={"t2m": {"_FillValue": None}})["t2m"]
    assert int(field.isnull().sum()) == 1 and float(field.min()) > 200


def test_the_first_meridian_twice_and_grids_in_radians(stored: Stored) -> None:
    plain = weather("2001-01-01", 2)
    cyclic = xr.concat([plain, plain.isel(lon=[0]).assign_coords(lon=[360.0])], dim="lon")
    radians = {
        axis: (axis, np.deg2rad(cyclic[axis].values), {"units": "radian"})
        for axis in ("lat", "lon")
    }
    found = stored(cyclic.assign_coords(radians))
    assert found["longitude"].values.tolist() == np.arange(0, 360, 45.0).tolist()
    np.testing.assert_allclose(found["latitude"], np.sort(plain["lat"].values))
    np.testing.assert_array_equal(found["t2m"], plain["t2m"][:, ::-1])


def test_a_scalar_level_becomes_an_axis_in_hpa(stored: Stored) -> None:
    single = weather("2001-01-01", 2, name="ta")
    level = xr.DataArray(85000.0, attrs={"units": "Pa", "standard_name": "air_pressure"})
    field = stored(single.assign_coords(plev=level))["ta"]
    assert field.dims == ("time", "level", "latitude", "longitude")
    assert field["level"].values.tolist() == [850.0]


def test_pressures_without_a_unit_and_levels_in_any_order(stored: Stored) -> None:
    column = xr.concat([weather("2001-01-01", 2, name="ta") + n for n in range(3)], dim="plev")
    column = column.assign_coords(plev=[100000.0, 85000.0, 50000.0])
    field = stored(column, _levels=[1000, 500])["ta"]
    assert field["level"].values.tolist() == [500, 1000]
    assert float((field[:, 0] - field[:, 1]).mean()) == pytest.approx(2, abs=1e-4)


def test_the_time_in_the_name_only_in_whatever_order(stored: Stored) -> None:
    files = {
        f"sst_v2.{day}.nc": weather("2001-01-01", 1, name="sst").isel(time=0, drop=True) + number
        for number, day in enumerate(("20010203", "20010201", "20010202"))
    }
    field = stored(files, time_from_name="%Y%m%d")["sst"]
    assert [str(t)[:10] for t in field["time"].values] == ["2001-02-01", "2001-02-02", "2001-02-03"]
    assert (field - field[0]).mean(["latitude", "longitude"]).values.round(4).tolist() == [0, 1, -1]


@pytest.mark.parametrize(
    ("name", "pattern", "message"),
    [
        ("a.nc", "%Y%m%d", r"a.nc: its name has 0 dates like '%Y%m%d'"),
        ("a_20010101-20010102.nc", "%Y%m%d", r"its name has 2 dates"),
        ("a_20011301.nc", "%Y%m%d", r"correct 'time_from_name'"),
        ("a_2001.nc", "%y%b", r"'%y' is none of"),
    ],
)
def test_names_without_a_time(stored: Stored, name: str, pattern: str, message: str) -> None:
    field = weather("2001-01-01", 1).isel(time=0, drop=True)
    with pytest.raises(UserError, match=message):
        stored({name: field}, time_from_name=pattern)


def test_a_single_time_is_kept_unless_the_field_is_fixed(stored: Stored, tmp_path: Path) -> None:
    snapshot = weather("2001-01-01", 1, name="orography", units="m").isel(time=0)
    assert stored(snapshot)["orography"].dims == ("time", "latitude", "longitude")
    assert stored(snapshot, fixed=True)["orography"].dims == ("latitude", "longitude")


@pytest.mark.parametrize(
    ("values", "attributes", "expected"),
    [
        ([0, 1, 2], {"units": "months since 1959-12-15"}, "1959-12-15 1960-01-15 1960-02-15"),
        ([11, 12, 13], {"units": "Months since jan 1899"}, "1899-12-01 1900-01-01 1900-02-01"),
        (
            [0.5, 1.5, 2.5],
            {"units": "months since 1960-01-01", "calendar": "360"},
            "1960-01-16 1960-02-16 1960-03-16",
        ),
        ([1999, 2000, 2001], {"units": "years"}, "1999-07-01 2000-07-01 2001-07-01"),
        ([189912, 190001, 190002], {"units": "YYYYMM"}, "1899-12-01 1900-01-01 1900-02-01"),
        ([19990101.5, 19990102], {"units": "day as %Y%m%d.%f"}, "1999-01-01 1999-01-02"),
        ([58, 59, 60], {"units": "days since 2000-1-1", "calendar": "noleap"}, "0228 0301 0302"),
    ],
)
def test_dates_in_every_spelling(
    stored: Stored, values: list[float], attributes: dict[str, str], expected: str
) -> None:
    dataset = weather("2001-01-01", len(values)).assign_coords(time=("time", values, attributes))
    dates = [date.isoformat()[:10] for date in stored(dataset).indexes["time"]]
    wanted = expected.split()
    if len(wanted[0]) == 4:
        dates = [date[5:].replace("-", "") for date in dates]
    if "360" in attributes.values():
        dates = [date[:8] + "16" for date in dates]
    assert dates == wanted


@pytest.mark.parametrize(
    ("values", "attributes", "message"),
    [
        ([0.5, 1.5], {"units": "months since 2000-01-01"}, "parts of months .* no calendar"),
        ([0, 1], {"units": "months since spring"}, "'spring' in .* is no date"),
        ([0, 1], {"units": "days since 2000-01-01", "calendar": "lunar"}, "'lunar', which are no"),
        ([1.0, 9.97e36], {"units": "days since 2000-01-01"}, "'time' has missing times"),
        ([0.0, 0.25], {}, "its times 0 to 0.25 .* neither dates nor whole years"),
        ([199901, 199902], {}, "199901 to 199902 are no years between 1700 and 2260"),
        ([1, 2], {"units": "hours"}, r"\('hours'\) are neither dates nor whole years"),
        ([0, 365, 730, 1095, 1460], {"units": "days since 1-1-1"}, "names no calendar"),
    ],
)
def test_times_that_are_no_dates(
    stored: Stored, values: list[float], attributes: dict[str, str], message: str
) -> None:
    dataset = weather("2001-01-01", len(values)).assign_coords(time=("time", values, attributes))
    with pytest.raises(UserError, match=message):
        stored(dataset)


def test_a_declared_calendar_keeps_years_of_365_days_in_step(stored: Stored) -> None:
    values = 365.0 * np.arange(40)
    dataset = weather("2001-01-01", 40)
    dataset = dataset.assign_coords(time=("time", values, {"units": "days since 1900-03-01"}))
    times = stored(dataset, calendar="noleap").indexes["time"]
    assert {date.isoformat()[5:10] for date in times} == {"03-01"}


@pytest.mark.parametrize("hours", [1, 24])
def test_stamps_at_the_end_of_days_move_to_their_middle_but_not_those_of_hours(
    stored: Stored, hours: int
) -> None:
    dataset = weather("2001-01-02", 3)
    end = hours * np.arange(1, 4)
    bounds = ("time", "bnds"), np.stack([end - hours, end], axis=1)
    attributes = {"units": "hours since 2001-01-01", "bounds": "time_bnds"}
    dataset = dataset.assign_coords(time=("time", end, attributes)).assign(time_bnds=bounds)
    first = stored(dataset).indexes["time"][0].isoformat()
    assert first == ("2001-01-01T12:00:00" if hours == 24 else "2001-01-01T01:00:00")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.assign_coords(lat=("lat", d.lat.values * 2)), "latitude has .* beyond 90"),
        (lambda d: d.assign_coords(lon=("lon", d.lon.values, {"units": "m"})), "is in 'm', not in"),
        (
            lambda d: d.assign_coords(
                lat=("lat", d.lat.values, {"standard_name": "grid_latitude", "units": "degrees"})
            ),
            "no latitude axis",
        ),
        (lambda d: d.drop_vars("time"), "the dimension 'time' has no values"),
        (lambda d: d.expand_dims(hybrid=[1, 2]), "'hybrid' are model levels, not pressures"),
        (
            lambda d: d.expand_dims(lev=2).assign_coords(lev=("lev", [0.1, 0.2], HYBRID)),
            "'lev' are model levels",
        ),
        (
            lambda d: d.expand_dims(plev=[1e5, 5e4]).assign_coords(plev=("plev", [1e5, 5e4], HPA)),
            r"levels 50000 to 100000 \('hPa'\) are no pressures",
        ),
        (lambda d: d.isel(lat=[0, 1, 1]), r"the latitude -?\d+ is there twice: mend the file"),
        (lambda d: d.rename(t2m="x").where(d.t2m < d.t2m.max(), np.inf), "infinite values"),
        (lambda d: d.rename(t2m="tas").drop_attrs(), "'tas' has no unit and stores hold it in"),
        (on_a_rotated_pole, "on a grid of 'rotated_latitude_longitude'"),
        (
            lambda d: d.assign(t2m=d.t2m.assign_attrs(missing_value="no")),
            "'t2m' is 'no', no number",
        ),
        (lambda d: d.isel(time=[0, 1, 1, 2]), "2001-01-02T00:00:00 comes twice"),
        (lambda d: d.isel(time=[0, 2, 1]), "2001-01-02T00:00:00 comes after a later time"),
        (lambda d: d.assign_attrs(frequency="6hr"), "says '6hr' and its times are 1 days apart"),
    ],
)
def test_files_that_would_become_wrong_fields(
    stored: Stored, change: Callable[[xr.Dataset], xr.Dataset], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        stored(change(weather("2001-01-01", 3)))


def test_names_of_members_and_unlimited_times(stored: Stored, tmp_path: Path) -> None:
    runs = xr.concat([weather("2001-01-01", 3), weather("2001-01-01", 3) + 1], dim="realization")
    runs = runs.assign_coords(realization=["r1i1p1f1", "r2i1p1f1"])
    runs.encoding["unlimited_dims"] = {"time"}
    found = stored(runs)
    assert found["member"].values.tolist() == ["r1i1p1f1", "r2i1p1f1"]
    assert float((found["t2m"][1] - found["t2m"][0]).mean()) == pytest.approx(1, abs=1e-4)


def test_messages_that_repeat_are_refused_and_keys_pick_one(
    data_root: Path, tmp_path: Path, write_recipe: WriteRecipe
) -> None:
    """An analysis and a forecast for the same time, of which one would hide the other."""
    eccodes = pytest.importorskip("eccodes")
    with (data_root / "grib/regular_ll_msl.grib").open("rb") as file:
        first = eccodes.codes_grib_new_from_file(file)
    other = eccodes.codes_clone(first)
    eccodes.codes_set(other, "dataDate", 20061005)
    eccodes.codes_set(other, "step", 48)
    eccodes.codes_set_values(other, eccodes.codes_get_values(first) + 100)
    with (tmp_path / "twice.grib").open("wb") as file:
        for message in (first, other):
            eccodes.codes_write(message, file)
    source = {"kind": "files", "address": "-", "local": "twice.grib"}
    with pytest.raises(UserError, match=r"several messages of 'prmsl' for one time and level"):
        plan(load_recipe(str(write_recipe(sources=[source]))), tmp_path)
    recipe = load_recipe(str(write_recipe(sources=[source | {"keys": {"dataDate": 20061005}}])))
    planned = plan(recipe, tmp_path).dataset["prmsl"]
    expected = eccodes.codes_get_values(other).reshape(181, 360)[::-1]
    np.testing.assert_allclose(planned.squeeze(), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"iScansNegatively": 1}, "written from east to west, which would turn the field"),
        ({"jPointsAreConsecutive": 1}, "written column by column"),
        ({}, "is cut short within a message"),
    ],
)
def test_messages_in_an_order_that_would_turn_the_field(
    data_root: Path, tmp_path: Path, write_recipe: WriteRecipe, keys: dict[str, int], message: str
) -> None:
    eccodes = pytest.importorskip("eccodes")
    with (data_root / "grib/regular_ll_msl.grib").open("rb") as file:
        first = eccodes.codes_grib_new_from_file(file)
    for key, value in keys.items():
        eccodes.codes_set(first, key, value)
    with (tmp_path / "turned.grib").open("wb") as file:
        eccodes.codes_write(first, file)
        file.write(b"" if keys else b"GRI")
    source = {"kind": "files", "address": "-", "local": "turned.grib"}
    with pytest.raises(UserError, match=message):
        plan(load_recipe(str(write_recipe(sources=[source]))), tmp_path)


@pytest.mark.parametrize("role", [{"cf_role": "timeseries_id"}, {}])
def test_names_of_stations_beside_them(stored: Stored, role: dict[str, str]) -> None:
    names = xr.DataArray(["Davos", "Chur"], dims="place", attrs=role)
    numbers = xr.DataArray(["same", "same"], dims="place")
    series = xr.Dataset(
        {"t": (("time", "place"), [[1.0, 2.0], [3.0, 5.0], [4.0, 7.0]], {"units": "K"})},
        {"time": xr.date_range("2001-01-01", periods=3)},
    ).assign(lat=("place", [46.8, 46.9]), lon=("place", [9.8, 9.5]), code=numbers, city=names)
    found = stored(series, stations="place", _steps=[], _checks={"gaps": "allow"})
    assert found["station"].values.tolist() == ["Davos", "Chur"]
    assert found["t"].sel(station="Chur").values.tolist() == [2.0, 5.0, 7.0]
