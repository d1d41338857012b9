"""Each step is a function on a lazy dataset; nothing is read when it is applied."""

from typing import Any

import dask.array
import numpy as np
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.recipes.steps import STEPS, parse_step


def apply(dataset: xr.Dataset, **step: Any) -> xr.Dataset:
    return parse_step(step).apply(dataset)


def fields(**axis: Any) -> xr.Dataset:
    """Six-hourly temperatures of 40 days on two levels; the value counts the time steps."""
    time = xr.date_range("2001-01-01", periods=160, freq="6h", **axis)
    values = np.arange(160.0)[:, None, None, None] + np.zeros((160, 2, 4, 8))
    return xr.Dataset(
        {"t": (("time", "level", "latitude", "longitude"), values.astype("f4"), {"units": "K"})},
        {
            "time": time,
            "level": [850.0, 500.0],
            "latitude": [67.5, 22.5, -22.5, -67.5],
            "longitude": np.arange(-180.0, 180.0, 45.0),
        },
    )


class Unreadable:
    """An array that must not be read."""

    shape, dtype, ndim = (160, 2, 4, 8), np.dtype("f4"), 4

    def __getitem__(self, key: Any) -> Any:
        raise AssertionError("a step has read a field")


@pytest.mark.parametrize(
    "step",
    [
        {"select": {"levels": [500], "box": {"latitude": [0, 90]}, "every": {"time": 2}}},
        {"rename": {"t": "temperature"}},
        {"convert_units": {"t": "degC"}},
        {"sort": {}},
        {"resample_time": {"to": "1D"}},
        {"regrid": {"resolution": 90}},
        {"sum_over": {"dimension": "level"}},
        {"derive": {"anomaly": {"of": ["t"], "period": ["2001-01-01", "2001-01-10"]}}},
    ],
    ids=lambda step: next(iter(step)),
)
def test_no_step_reads_a_field(step: dict[str, Any]) -> None:
    array = dask.array.from_array(Unreadable(), chunks=(40, 2, 4, 8), meta=np.empty(0, "f4"))
    lazy = fields().assign(t=(fields()["t"].dims, array, {"units": "K"}))
    assert parse_step(step).apply(lazy).sizes


def test_every_step_is_tested_for_laziness() -> None:
    marks = test_no_step_reads_a_field.pytestmark[0].args[1]
    assert {next(iter(step)) for step in marks} == set(STEPS)


def test_select_keeps_order_levels_and_a_box_across_greenwich() -> None:
    kept = apply(fields(), select={"levels": [500], "box": {"longitude": [300, 50]}})
    assert kept["level"].values.tolist() == [500]
    assert kept["longitude"].values.tolist() == [-45, 0, 45]


def test_select_dates_take_whole_days() -> None:
    kept = apply(fields(), select={"dates": ["2001-01-02", "2001-01-03"]})
    assert kept.sizes["time"] == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variables": ["tt"]}, "no variable 'tt' at this point"),
        ({"levels": [700]}, "level 700 is absent, there are 850, 500 hPa"),
        ({"dates": ["2005", "2006"]}, "no time lies between 2005 and 2006"),
        ({"box": {"latitude": [1, 2]}}, "holds no grid point"),
        ({"every": {"day": 2}}, "no dimension 'day'"),
    ],
)
def test_select_says_what_is_absent(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        apply(fields(), select=options)


def test_sort_brings_every_axis_in_order_and_moves_the_fields_with_it() -> None:
    mixed = fields().transpose("longitude", "time", "level", "latitude")
    rows = mixed["latitude"].broadcast_like(mixed["t"]).astype("f4")
    ordered = apply(mixed.assign(rows=rows), sort={})
    assert ordered["t"].dims == ("time", "level", "latitude", "longitude")
    assert ordered["latitude"].values.tolist() == [-67.5, -22.5, 22.5, 67.5]
    assert ordered["level"].values.tolist() == [500, 850]
    assert ordered["longitude"].values.tolist() == list(range(0, 360, 45))
    assert ordered["rows"].isel(time=0, level=0, longitude=3).values.tolist() == [
        -67.5,
        -22.5,
        22.5,
        67.5,
    ]


def test_sort_keeps_a_region_across_greenwich_in_one_piece() -> None:
    region = fields().isel(longitude=[3, 4, 5]).assign_coords(longitude=[315.0, 0.0, 45.0])
    assert apply(region, sort={})["longitude"].values.tolist() == [-45.0, 0.0, 45.0]


@pytest.mark.parametrize(
    ("given", "wanted", "factor", "offset"),
    [
        ("degK", "K", 1, 0),
        ("degC", "K", 1, 273.15),
        ("Celsius", "K", 1, 273.15),
        ("hPa", "Pa", 100, 0),
        ("millibars", "Pa", 100, 0),
        ("Pascals", "Pa", 1, 0),
        ("g kg-1", "kg kg-1", 1e-3, 0),
        ("kg kg**-1", "1", 1, 0),
        ("%", "1", 0.01, 0),
        ("m s**-1", "km/h", 3.6, 0),
        ("W m-2", "J s-1 m-2", 1, 0),
        ("gpm", "m", 1, 0),
    ],
)
def test_units_in_the_spellings_of_archives(
    given: str, wanted: str, factor: float, offset: float
) -> None:
    dataset = xr.Dataset({"x": ("time", np.array([0.0, 1.0, 300.0]), {"units": given})})
    converted = apply(dataset, convert_units={"x": wanted})["x"]
    np.testing.assert_allclose(converted, np.array([0, 1, 300]) * factor + offset, rtol=1e-12)
    assert converted.attrs["units"] == wanted


def test_precipitation_may_be_a_mass_or_a_depth() -> None:
    rain = xr.Dataset({"pr": ("time", [1 / 86400], {"units": "kg m-2 s-1"})})
    assert float(apply(rain, convert_units={"pr": "mm day-1"})["pr"][0]) == pytest.approx(1.0)
    dust = rain.rename(pr="dust")
    with pytest.raises(UserError, match="'dust' cannot be converted"):
        apply(dust, convert_units={"dust": "mm day-1"})


@pytest.mark.parametrize(
    ("given", "wanted"), [("K", "Pa"), ("K", "furlongs per"), ("bananas", "K")]
)
def test_a_unit_that_cannot_be_converted_is_named(given: str, wanted: str) -> None:
    dataset = xr.Dataset({"x": ("time", [1.0], {"units": given})})
    with pytest.raises(UserError, match=f"'x' cannot be converted from '{given}' to '{wanted}'"):
        apply(dataset, convert_units={"x": wanted})


def test_a_variable_without_unit_is_not_converted_in_silence() -> None:
    with pytest.raises(UserError, match="'x' has no unit"):
        apply(xr.Dataset({"x": ("time", [1.0])}), convert_units={"x": "K"})


@pytest.mark.parametrize("axis", [{}, {"calendar": "360_day", "use_cftime": True}], ids=str)
def test_daily_means_are_of_whole_days_only(axis: dict[str, Any]) -> None:
    late = fields(**axis).isel(time=slice(1, 10))  # 06:00 on the first day to 06:00 on the third
    daily = apply(late, resample_time={"to": "1D", "method": "mean"})
    assert daily.sizes["time"] == 1
    assert str(daily["time"].values[0])[:10] == "2001-01-02"
    assert float(daily["t"].isel(level=0, latitude=0, longitude=0)[0]) == np.mean([4, 5, 6, 7])
    assert daily["t"].attrs["cell_methods"] == "time: mean"


@pytest.mark.parametrize(("method", "first"), [("max", 7), ("min", 4), ("sum", 22), ("instant", 4)])
def test_other_ways_to_fill_a_window(method: str, first: float) -> None:
    late = fields().isel(time=slice(1, None))
    daily = apply(late, resample_time={"to": "1D", "method": method})
    assert float(daily["t"].isel(level=0, latitude=0, longitude=0)[0]) == first


def test_windows_shorter_than_a_day_begin_at_midnight() -> None:
    half = apply(fields().isel(time=slice(1, None)), resample_time={"to": "12h"})
    assert str(half["time"].values[0])[:16] == "2001-01-01T12:00"
    assert float(half["t"][0, 0, 0, 0]) == 2.5


def test_months_are_as_long_as_the_calendar_says() -> None:
    monthly = apply(fields(), resample_time={"to": "MS"})
    assert monthly.sizes["time"] == 1  # the ten days of February do not make a month
    assert float(monthly["t"][0, 0, 0, 0]) == np.arange(124).mean()


@pytest.mark.parametrize(
    ("calendar", "weights"),
    [
        ("standard", [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]),
        ("noleap", [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]),
        ("360_day", [30] * 12),
    ],
)
def test_years_of_months_are_weighted_by_their_days(calendar: str, weights: list[int]) -> None:
    """Stamped with their middles; the two months of the next year do not make one."""
    starts = xr.date_range("2000-01-01", periods=14, freq="MS", calendar=calendar, use_cftime=True)
    months = fields().isel(time=slice(14)).assign_coords(time=starts.shift(15, "D")).chunk()
    months["t"][3, 1, 0, 0] = np.nan
    yearly = apply(months, resample_time={"to": "YS"})
    assert [time.isoformat()[:10] for time in yearly["time"].values] == ["2000-01-01"]
    expected = np.average(np.arange(12.0), weights=weights)
    assert float(yearly["t"][0, 0, 0, 0]) == pytest.approx(expected, rel=1e-6)
    assert np.isnan(yearly["t"][0, 1, 0, 0]) and yearly["t"].dtype == np.float32
    assert float(apply(months, resample_time={"to": "YS", "method": "max"})["t"][0, 0, 0, 0]) == 11
    seasons = apply(months, resample_time={"to": "QS"})
    assert seasons.sizes["time"] == 4
    with pytest.raises(UserError, match=r"no whole number of months, .*: write MS, QS or YS"):
        apply(months, resample_time={"to": "90D"})


def test_days_may_begin_at_noon() -> None:
    """Six-hourly values 0, 1, 2, ... from midnight: noon of the first day is the third."""
    daily = apply(fields(), resample_time={"to": "1D", "method": "max", "begins": 12})
    assert [str(time)[:13] for time in daily["time"].values[:2]] == [
        "2001-01-01T12",
        "2001-01-02T12",
    ]
    assert daily["t"][:2, 0, 0, 0].values.tolist() == [5.0, 9.0]
    with pytest.raises(ValueError, match="less than 24"):
        apply(fields(), resample_time={"to": "1D", "begins": 30})


def test_a_missing_step_makes_a_missing_window() -> None:
    holed = fields()
    holed["t"][5] = np.nan
    daily = apply(holed, resample_time={"to": "1D"})["t"][:, 0, 0, 0]
    assert np.isnan(daily[1]) and not np.isnan(daily[[0, 2]]).any()


def test_uneven_times_are_not_resampled() -> None:
    with pytest.raises(UserError, match="not evenly spaced"):
        apply(fields().isel(time=[0, 1, 3, 4]), resample_time={"to": "1D"})
    with pytest.raises(UserError, match="not a whole number"):
        apply(fields(), resample_time={"to": "9h"})
    with pytest.raises(UserError, match="'fortnight' is no length of time"):
        apply(fields(), resample_time={"to": "fortnight"})


def test_sum_over_adds_what_is_there_and_misses_what_lacks_a_part() -> None:
    dataset = fields().assign(other=("time", np.arange(160.0)))
    dataset["t"][0, 1, 0, 0] = np.nan
    summed = apply(dataset, sum_over={"dimension": "level"})
    assert summed["t"].dims == ("time", "latitude", "longitude") and summed["t"].units == "K"
    assert np.isnan(summed["t"][0, 0, 0]) and float(summed["t"][3, 0, 0]) == 6.0
    assert "other" in summed and "level" not in summed.coords
    with pytest.raises(UserError, match="no dimension 'sector'"):
        apply(dataset, sum_over={"dimension": "sector"})


def test_regrid_to_a_grid_with_rows_on_the_poles() -> None:
    regridded = apply(apply(fields(), sort={}), regrid={"rows": 3, "columns": 4})
    assert regridded["latitude"].values.tolist() == [-90, 0, 90]
    assert regridded["longitude"].values.tolist() == [0, 90, 180, 270]
    assert np.allclose(regridded["t"][7], 7.0)
    with pytest.raises(ValueError, match="give either"):
        parse_step({"regrid": {"rows": 3}})
    with pytest.raises(ValueError, match="give either"):
        parse_step({"regrid": {"rows": 3, "columns": 4, "resolution": 90}})


def test_depth_of_water_becomes_a_mass_again() -> None:
    rain = fields().rename(t="pr90").assign()
    rain["pr90"].attrs["units"] = "mm day-1"
    converted = apply(rain, convert_units={"pr90": "kg m-2 s-1"})
    assert float(converted["pr90"][100, 0, 0, 0]) == pytest.approx(100 / 86400)
