"""Derived variables against independent formulas and published figures."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.recipes import formulas
from climbench.recipes.steps import parse_step


def derive(dataset: xr.Dataset, **options: Any) -> xr.Dataset:
    return parse_step({"derive": options}).apply(dataset)


@pytest.mark.parametrize(
    ("celsius", "pascal"),
    # Goff-Gratch table of the WMO (water above, ice below)
    [(30.0, 4243.0), (20.0, 2337.0), (0.0, 610.7), (-30.0, 38.0), (-60.0, 1.08)],
)
def test_saturation_vapour_pressure_against_the_meteorological_tables(
    celsius: float, pascal: float
) -> None:
    assert formulas.saturation_vapour_pressure(celsius + 273.15) == pytest.approx(pascal, rel=8e-3)


def test_relative_humidity_of_saturated_air_is_one_hundred() -> None:
    temperature, pressure = np.array([240.0, 265.0, 300.0]), 850e2
    vapour = formulas.saturation_vapour_pressure(temperature)
    humidity = 0.621981 * vapour / (pressure - (1 - 0.621981) * vapour)
    np.testing.assert_allclose(formulas.relative_humidity(humidity, temperature, pressure), 100)


def test_relative_humidity_takes_the_pressure_from_the_levels() -> None:
    dims = ("time", "level", "latitude", "longitude")
    dataset = xr.Dataset(
        {
            "specific_humidity": (dims, np.full((1, 2, 1, 1), 0.005, "f4")),
            "temperature": (dims, np.full((1, 2, 1, 1), 280.0, "f4")),
        },
        {"level": [500.0, 850.0]},
    )
    result = derive(dataset, relative_humidity={})["relative_humidity"]
    expected = formulas.relative_humidity(0.005, 280.0, np.array([50000.0, 85000.0]))
    np.testing.assert_allclose(result.values.ravel(), expected, rtol=1e-5)
    assert result.dims == dims and result.attrs["units"] == "%" and result.dtype == np.float32


def test_wind_speed_is_the_length_of_the_vector() -> None:
    wind = xr.Dataset({"u": ("x", [3.0, -5.0]), "v": ("x", [4.0, 12.0])})
    speed = derive(wind, wind_speed={"eastward": "u", "northward": "v"})["wind_speed"]
    assert speed.values.tolist() == [5.0, 13.0]
    with pytest.raises(UserError, match="no variable 'u_component_of_wind'"):
        derive(wind, wind_speed={})


def climate() -> xr.Dataset:
    values = np.arange(2 * 2 * 6.0).reshape(2, 2, 6, 1, 1).astype("f4")
    values[0, :, 3:] = np.nan  # historical: 2000 to 2002
    values[1, :, :3] = np.nan
    return xr.Dataset(
        {"tas": (("scenario", "member", "time", "latitude", "longitude"), values, {"units": "K"})},
        {
            "scenario": ["historical", "ssp126"],
            "member": [1, 2],
            "time": xr.date_range("2000-07-01", periods=6, freq="YS-JUL"),
            "latitude": [0.0],
            "longitude": [0.0],
        },
    )


def test_anomalies_are_from_the_mean_of_all_members_of_the_reference() -> None:
    options = {"of": ["tas"], "period": [2000, 2001], "scenario": "historical"}
    result = derive(climate(), anomaly=options)
    reference = np.mean([0, 1, 6, 7])
    np.testing.assert_allclose(result["tas_anomaly"], climate()["tas"] - reference, rtol=1e-6)
    assert result["tas"].identical(climate()["tas"])
    assert result["tas_anomaly"].attrs["reference_period"] == "2000 to 2001"
    with pytest.raises(UserError, match=r"no scenario 'histrical'.*did you mean 'historical'"):
        derive(climate(), anomaly=options | {"scenario": "histrical"})


def test_daily_mean_radiation_against_the_closed_form() -> None:
    """Q = S/pi (h0 sin phi sin delta + cos phi cos delta sin h0) at the solstice and equinox."""
    latitude = np.array([-60.0, 0.0, 45.0, 66.0])[:, None]
    for day, declination, distance in ((172, 23.44, 1.0163), (80, 0.0, 0.9962)):
        energy = sum(
            formulas.toa_incident_solar_radiation(day, hour, latitude, 17.0)
            for hour in np.arange(1.0, 25.0)
        )
        phi, delta = np.deg2rad(latitude), np.deg2rad(declination)
        h0 = np.arccos(np.clip(-np.tan(phi) * np.tan(delta), -1, 1))
        mean = np.sin(phi) * np.sin(delta) * h0 + np.cos(phi) * np.cos(delta) * np.sin(h0)
        expected = 1361 / distance**2 / np.pi * mean
        np.testing.assert_allclose(energy / 86400, expected, rtol=0.015, atol=2)


def test_radiation_follows_the_sun_westward_and_a_window_is_the_sum_of_its_hours() -> None:
    longitude = np.arange(0, 360, 7.5)
    noon = formulas.toa_incident_solar_radiation(80, 18.5, 0.0, longitude)
    assert abs(longitude[noon.argmax()] - 270) <= 7.5  # 18 UTC is noon at 90 W
    hours = [formulas.toa_incident_solar_radiation(80, h, 30.0, longitude) for h in (10, 11, 12)]
    window = formulas.toa_incident_solar_radiation(80, 12.0, 30.0, longitude, window=3.0)
    np.testing.assert_allclose(window, sum(hours), rtol=1e-12)


@pytest.mark.parametrize("calendar", ["standard", "noleap", "360_day"])
def test_the_radiation_step_is_lazy_and_knows_calendars(calendar: str) -> None:
    dataset = xr.Dataset(
        {"t": (("time", "latitude", "longitude"), np.zeros((4, 2, 3), "f4"))},
        {
            "time": xr.date_range("2000-06-20", periods=4, freq="6h", calendar=calendar),
            "latitude": [-80.0, 80.0],
            "longitude": [0.0, 120.0, 240.0],
        },
    ).chunk(time=2)
    result = derive(dataset, toa_incident_solar_radiation={})["toa_incident_solar_radiation"]
    assert result.chunks == ((2, 2), (2,), (3,))
    assert result.attrs["units"] == "J m-2" and result.dtype == np.float32
    loaded = result.values
    assert (loaded[:, 0] == 0).all() and (loaded[:, 1] > 0).all()  # polar night and day


def test_static_fields() -> None:
    sea = np.array([[np.nan, 1.0], [2.0, np.nan]])
    dataset = xr.Dataset(
        {"sst": (("time", "latitude", "longitude"), np.stack([sea, sea]))},
        {"latitude": [0.0, 10.0], "longitude": [5.0, 6.0], "time": [0, 1]},
    )
    result = derive(dataset, land_sea_mask={"missing_on_land": "sst"}, place={})
    assert result["land_sea_mask"].values.tolist() == [[1, 0], [0, 1]]
    assert result["latitude_field"].values.tolist() == [[0, 0], [10, 10]]
    assert result["longitude_field"].values.tolist() == [[5, 6], [5, 6]]


def daily_extremes(units: str = "K") -> xr.Dataset:
    time = xr.date_range("2001-01-01", periods=4, freq="1D")
    cell = ("time", "latitude", "longitude")
    highest, lowest = (
        (cell, np.array(values)[:, None, None], {"units": unit})
        for values, unit in (([280.0, 282, 290, 288], "K"), ([272.0, 270, 280, 282], units))
    )
    return xr.Dataset({"tasmax": highest, "tasmin": lowest}, {"time": time})


def test_the_mean_daily_range_is_the_difference_of_the_mean_extremes() -> None:
    """Days of 8, 12, 10 and 6 K: 9 K, before and after the mean."""
    days = daily_extremes()
    options = {"of": "tasmax", "less": "tasmin", "result": "diurnal_temperature_range"}
    first = derive(days, difference=options)["diurnal_temperature_range"]
    assert first.values.ravel().tolist() == [8, 12, 10, 6] and first.attrs["units"] == "K"
    mean = days.mean("time", keep_attrs=True)
    after = derive(mean, difference=options)["diurnal_temperature_range"]
    assert after.item() == first.mean().item() == 9.0


def test_a_difference_of_two_units_is_refused() -> None:
    options = {"of": "tasmax", "less": "tasmin", "result": "range"}
    with pytest.raises(UserError, match=r"'tasmax' is in 'K' and 'tasmin' in 'degC'"):
        derive(daily_extremes("degC"), difference=options)
    with pytest.raises(UserError, match=r"no variable 'tasmim'.*did you mean 'tasmin'"):
        derive(daily_extremes(), difference=options | {"less": "tasmim"})
