"""Forecasts of maps at weather stations: which cells, the height of the ground, mean errors."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from small_stores import stations

from climbench.errors import UserError
from climbench.evaluation import at_stations, evaluate
from climbench.evaluation.cells_at_stations import cells_at_stations

LATITUDE, LONGITUDE = np.arange(-87.5, 90, 5.0), np.arange(0.0, 360, 5.0)
TIMES = pd.date_range("2001-01-01", periods=96, freq="6h")
STARTS, LEADS = TIMES[:80], pd.to_timedelta([6, 24], "h")
REGION = np.arange(55.0, 66, 5.0), np.array([0.0, 5, 10, 15, 350, 355])  # Lerwick is west of 0


@pytest.fixture
def observed():
    return stations(TIMES).fillna(280.0)


GROUND = xr.Dataset(
    {
        "geopotential_at_surface": (
            ("latitude", "longitude"),
            np.full((36, 72), 980.665),
            {"units": "m2 s-2"},
        )
    },
    {"latitude": LATITUDE[::-1], "longitude": LONGITUDE},
)


def plane(latitude, longitude):
    """A field that bilinear interpolation must give back wherever it is asked."""
    east = (np.asarray(longitude) + 180) % 360 - 180
    return 270 + 0.5 * np.asarray(latitude) + 0.2 * east


def forecast(error=0.0, latitude=LATITUDE, longitude=LONGITUDE):
    """A plane plus an error that belongs to the hour of the initial time and the lead."""
    field = plane(latitude[:, None], longitude[None])
    hour = STARTS.hour.values[:, None, None, None] / 6
    wrong = error * (hour + np.array([0, 10])[:, None, None])
    values = field + np.broadcast_to(wrong, (STARTS.size, 2, *field.shape))
    dims = ("time", "prediction_timedelta", "latitude", "longitude")
    coordinates = {"time": STARTS, "prediction_timedelta": LEADS}
    coordinates |= {"latitude": latitude, "longitude": longitude}
    array = (dims, values.astype(np.float32), {"units": "K"})
    return xr.Dataset({"2m_temperature": array}, coordinates, {"model": "plane"})


@given(st.floats(-90, 90), st.floats(-360, 720), st.sampled_from(["bilinear", "nearest"]))
def test_every_place_on_earth_has_weights_that_sum_to_one(north, east, method):
    rows, columns, weights = cells_at_stations(LATITUDE, LONGITUDE, [north], [east], method)
    assert np.all(weights >= 0)
    assert weights.sum() == pytest.approx(1)
    if method == "bilinear":
        assert weights[0] @ LATITUDE[rows[0]] == pytest.approx(np.clip(north, -87.5, 87.5))
    apart = (LONGITUDE[columns[0][weights[0] > 0]] - east + 180) % 360 - 180
    assert np.all(np.abs(apart) <= 5 + 1e-9)


def test_nearest_on_the_sphere_by_brute_force():
    drawn = np.random.default_rng(0)
    north, east = drawn.uniform(-85, 85, 200), drawn.uniform(0, 360, 200)
    rows, columns, weights = cells_at_stations(LATITUDE, LONGITUDE, north, east, "nearest")
    best = weights.argmax(axis=1)
    found = (
        np.take_along_axis(rows, best[:, None], 1),
        np.take_along_axis(columns, best[:, None], 1),
    )

    def xyz(phi, lam):
        phi, lam = np.deg2rad(phi), np.deg2rad(lam)
        return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], -1)

    every = xyz(*np.meshgrid(LATITUDE, LONGITUDE, indexing="ij")).reshape(-1, 3)
    chosen = xyz(LATITUDE[found[0][:, 0]], LONGITUDE[found[1][:, 0]])
    there = xyz(north, east)
    closest = (there @ every.T).max(axis=1)
    np.testing.assert_allclose(np.sum(there * chosen, axis=1), closest, atol=1e-12)


@pytest.mark.parametrize("turned", [False, True], ids=["ascending", "descending"])
def test_a_plane_is_met_exactly_on_globe_and_region_in_any_order(tmp_path, observed, turned):
    for grid in ((LATITUDE, LONGITUDE), REGION):
        maps = forecast(0.0, *grid)
        if turned:
            maps = maps.isel(latitude=slice(None, None, -1), longitude=slice(None, None, -1))
        path = at_stations(maps, observed, tmp_path / f"{grid[0].size}.zarr")
        found = xr.open_zarr(path)
        assert found["2m_temperature"].dims == ("time", "prediction_timedelta", "station")
        expected = plane(observed["latitude"], observed["longitude"])
        np.testing.assert_allclose(
            found["2m_temperature"].transpose(..., "station"),
            np.broadcast_to(expected, (80, 2, 3)),
            atol=2e-4,
        )


def test_scores_are_those_of_the_difference_by_hand(tmp_path, observed):
    path = at_stations(forecast(), observed, tmp_path / "a.zarr", method="nearest")
    scores = evaluate(path, observed, metrics=["bias"])
    lowest = xr.open_zarr(path)["2m_temperature"].isel(prediction_timedelta=0).values
    truth = observed["2m_temperature"].sel(time=STARTS + LEADS[0]).values
    by_hand = np.mean(lowest.astype(np.float64) - truth)
    assert scores["score"].isel(lead_time=0).item() == pytest.approx(by_hand, rel=1e-5)
    assert scores["model"].item() == "plane"


def test_a_station_above_the_ground_of_the_model_is_colder(tmp_path, observed):
    plain = xr.open_zarr(at_stations(forecast(), observed, tmp_path / "a.zarr"))
    lapsed = xr.open_zarr(
        at_stations(forecast(), observed, tmp_path / "b.zarr", lapse_rate=0.0065, orography=GROUND)
    )
    change = (lapsed - plain)["2m_temperature"].isel(time=0, prediction_timedelta=0)
    np.testing.assert_allclose(change, 0.0065 * (100 - observed["altitude"]), atol=1e-4)


def test_mean_errors_are_learnt_before_and_taken_off_after(tmp_path, observed):
    """The error depends on hour and lead alone, so that nothing of it is left."""
    observed["2m_temperature"][:] = plane(observed["latitude"], observed["longitude"])
    observed["2m_temperature"][5, 1] = np.nan
    period = ["2001-01-01", "2001-01-14"]
    path = at_stations(forecast(2.0), observed, tmp_path / "a.zarr", correct_on=period)
    found = xr.open_zarr(path)
    assert found["time"].values[0] > pd.Timestamp("2001-01-14T18") + LEADS[-1]
    np.testing.assert_allclose(
        found["2m_temperature"] - observed["2m_temperature"].isel(time=0), 0, atol=2e-4
    )


def test_members_share_the_mean_error_of_their_mean(tmp_path, observed):
    observed["2m_temperature"][:] = plane(observed["latitude"], observed["longitude"])
    apart = xr.DataArray([-1.0, 1.0], dims="member", coords={"member": [0, 1]})
    both = forecast(2.0) + apart
    both["2m_temperature"].attrs["units"] = "K"
    path = at_stations(
        both, observed, tmp_path / "a.zarr", name="two", correct_on=["2001-01-01", "2001-01-14"]
    )
    left = xr.open_zarr(path)["2m_temperature"] - observed["2m_temperature"].isel(time=0)
    np.testing.assert_allclose(left.isel(member=1), 1, atol=2e-4)
    np.testing.assert_allclose(left.isel(member=0), -1, atol=2e-4)


def test_the_same_again_does_nothing_and_something_else_is_refused(tmp_path, observed):
    files = tmp_path / "maps.nc", tmp_path / "stations.nc"
    forecast().to_netcdf(files[0])
    observed.to_netcdf(files[1])
    path = at_stations(*files, tmp_path / "a.zarr")
    before = (path / "zarr.json").stat().st_mtime_ns
    assert at_stations(*files, tmp_path / "a.zarr") == path
    assert (path / "zarr.json").stat().st_mtime_ns == before
    with pytest.raises(UserError, match=r"a\.zarr is there already and is not of these forecasts"):
        at_stations(*files, tmp_path / "a.zarr", method="nearest")
    assert not list(tmp_path.glob("*.building"))


def test_stations_off_the_map_are_left_out(tmp_path, observed):
    europe = forecast().sel(latitude=slice(55, 65), longitude=slice(5, 15))
    found = xr.open_zarr(at_stations(europe, observed, tmp_path / "a.zarr"))
    assert found["station"].values.tolist() == ["Oslo", "Bergen"]
    south = forecast().sel(latitude=slice(-60, -20))
    with pytest.raises(UserError, match="none of the 3 stations lies on the map"):
        at_stations(south, observed, tmp_path / "b.zarr")
    assert not (tmp_path / "b.zarr").exists()


def test_forecasts_without_a_map_are_refused(observed, tmp_path):
    series = forecast().mean(["latitude", "longitude"])
    with pytest.raises(UserError, match="has no variable along time, latitude and longitude"):
        at_stations(series, observed, tmp_path / "a.zarr")
    assert not (tmp_path / "a.zarr").exists()


def without(name):
    return lambda ds: ds.drop_vars(name)


MISTAKES = {
    "no place": (without("latitude"), {}, "station 'Oslo' has no latitude"),
    "a place unknown": (
        lambda ds: ds.assign_coords(longitude=("station", [10.0, np.nan, 0.0])),
        {},
        "station 'Bergen' has no longitude",
    ),
    "no altitude": (
        without("altitude"),
        {"lapse_rate": 0.0065, "orography": xr.zeros_like(GROUND)},
        "'Oslo' has no altitude",
    ),
    "no ground": (lambda ds: ds, {"lapse_rate": 0.0065}, "give the model's ground with orography="),
    "nothing shared": (without("2m_temperature"), {}, "share no variable"),
    "unknown variable": (lambda ds: ds, {"variables": ["t2m"]}, "do not both have 't2m'"),
    "other unit": (
        lambda ds: ds.assign({"2m_temperature": ds["2m_temperature"].assign_attrs(units="degC")}),
        {},
        "in K and the stations in degC",
    ),
    "unknown method": (lambda ds: ds, {"method": "cubic"}, "'method' cannot be 'cubic'"),
    "maps for stations": (
        lambda ds: ds.isel(station=0, drop=True),
        {},
        "no dimensions 'time' and 'station'",
    ),
    "no such time": (lambda ds: ds, {"correct_on": ["1990", "1991"]}, "holds no forecast"),
    "no date": (lambda ds: ds, {"correct_on": ["then", "now"]}, "is wrong: write two dates"),
    "all of the time": (lambda ds: ds, {"correct_on": ["2001", "2001"]}, "end it earlier"),
    "three dates": (lambda ds: ds, {"correct_on": ["2001"]}, "'correct_on' must be"),
    "a lapse rate in K km-1": (lambda ds: ds, {"lapse_rate": 6.5}, "is none in K m-1"),
    "no lapse rate": (lambda ds: ds, {"lapse_rate": float("nan")}, "is none in K m-1"),
    "nothing to cool": (
        lambda ds: ds,
        {"lapse_rate": 0.0065, "lapse_variables": [], "orography": GROUND},
        "'lapse_variables' is empty",
    ),
    "a variable misspelt": (
        lambda ds: ds,
        {"lapse_rate": 0.0065, "lapse_variables": ["2m_temprature"], "orography": GROUND},
        "did you mean '2m_temperature'",
    ),
    "no ground there": (
        lambda ds: ds,
        {"lapse_rate": 0.0065, "orography": GROUND.where(GROUND["latitude"] < 0)},
        "ground is missing at the station 'Oslo'",
    ),
    "beyond the pole": (
        lambda ds: ds.assign_coords(latitude=("station", [59.9, 120.0, 60.2])),
        {},
        "'Bergen' has the latitude 120",
    ),
    "a name twice": (
        lambda ds: ds.assign_coords(station=["Oslo", "Oslo", "Lerwick"]),
        {"correct_on": ["2001-01-01", "2001-01-15"]},
        "station 'Oslo' is there twice",
    ),
    "no names": (without("station"), {}, "have no names"),
    "a time twice": (
        lambda ds: xr.concat([ds, ds.isel(time=[3])], "time"),
        {},
        "the time '2001-01-01 18:00:00' is there twice",
    ),
    "too short to learn": (
        lambda ds: ds,
        {"correct_on": ["2001-01-01", "2001-01-05"]},
        "fewer than 10 forecasts of every hour",
    ),
    "nothing observed": (
        lambda ds: ds.where(False),
        {"correct_on": ["2001-01-01", "2001-01-05"]},
        "no forecast of it was observed",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence(tmp_path, observed, mistake):
    change, options, sentence = MISTAKES[mistake]
    with pytest.raises(UserError, match=sentence):
        at_stations(forecast(), change(observed), tmp_path / "a.zarr", **options)
    assert not (tmp_path / "a.zarr").exists()


def test_an_angle_is_taken_from_the_nearest_cell_alone(tmp_path, observed):
    observed["wind_direction"] = observed["wind_speed"].assign_attrs(units="degree")
    maps = forecast().rename({"2m_temperature": "wind_direction"})
    maps["wind_direction"].attrs["units"] = "degree"
    with pytest.raises(UserError, match="'wind_direction' is an angle"):
        at_stations(maps, observed, tmp_path / "a.zarr")
    found = xr.open_zarr(at_stations(maps, observed, tmp_path / "b.zarr", method="nearest"))
    assert set(np.unique(found["wind_direction"])) <= set(np.unique(maps["wind_direction"]))


def test_units_that_the_forecast_lacks_are_those_of_the_stations(tmp_path, observed):
    observed["wind_direction"] = observed["wind_speed"].assign_attrs(units="degree")
    maps = forecast().rename({"2m_temperature": "wind_direction"})
    del maps["wind_direction"].attrs["units"]
    with pytest.raises(UserError, match="'wind_direction' is an angle"):
        at_stations(maps, observed, tmp_path / "a.zarr")


def test_an_angle_has_no_mean_error_and_stays_as_it_is(tmp_path, observed):
    observed["wind_direction"] = (observed["wind_speed"] * 0 + 350).assign_attrs(units="degree")
    maps = forecast(error=1.0)
    maps["wind_direction"] = (maps["2m_temperature"] * 0 + 10).assign_attrs(units="degree")
    options = {"method": "nearest", "correct_on": ["2001-01-01", "2001-01-12"]}
    found = xr.open_zarr(at_stations(maps, observed, tmp_path / "a.zarr", **options))
    assert set(np.unique(found["wind_direction"])) == {10.0}
    plain = at_stations(maps, observed, tmp_path / "b.zarr", method="nearest")
    shift = xr.open_zarr(plain)["2m_temperature"] - found["2m_temperature"]
    assert float(np.abs(shift).min()) > 0


def test_a_map_of_one_column_does_not_go_round_the_globe(tmp_path, observed):
    maps = forecast(0.0, LATITUDE, np.array([5.0]))
    observed = observed.assign_coords(longitude=("station", [5.0, 33.0, 180.0]))
    found = xr.open_zarr(at_stations(maps, observed, tmp_path / "a.zarr"))
    assert found["station"].values.tolist() == ["Oslo"]


def test_nothing_hidden_stays_beside_the_output(tmp_path, observed):
    at_stations(forecast(), observed, tmp_path / "a.zarr")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]
