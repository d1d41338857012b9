"""Regions of forecasting tasks: right rows and columns whatever their order and convention."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from small_stores import LATITUDE, LONGITUDE, weather, write_store

from climbench.errors import UserError
from climbench.tasks import DirectForecasting, IterativeForecasting
from climbench.tasks.regions import KNOWN, cut_region, region_box

TIMES = pd.date_range("2000-01-01", "2000-02-20T18", freq="6h")
TASK = {
    "inputs": ["2m_temperature"],
    "targets": ["2m_temperature"],
    "lead_times": [6],
    "train": ("2000-01-01", "2000-01-31"),
    "validation": ("2000-02-01", "2000-02-10"),
    "test": ("2000-02-11", "2000-02-20"),
}
ROWS, COLUMNS = np.linspace(-87.1875, 87.1875, 32), np.arange(64) * 5.625


def globe(latitude=ROWS, longitude=COLUMNS):
    """Return fields whose value says where it lies, whatever the convention of longitude."""
    values = latitude[:, None] * 1000 + longitude % 360
    coordinates = {"latitude": latitude, "longitude": longitude}
    return xr.Dataset({"place": (("latitude", "longitude"), values)}, coordinates)


@pytest.mark.parametrize("rows", [ROWS, ROWS[::-1]], ids=["ascending", "descending"])
@pytest.mark.parametrize(
    "columns",
    [COLUMNS, COLUMNS - 180, COLUMNS[::-1]],
    ids=["0 to 360", "-180 to 180", "westward"],
)
def test_europe_has_its_own_rows_and_columns_in_every_convention(rows, columns):
    part = cut_region(globe(rows, columns), "Europe")
    np.testing.assert_allclose(
        part.latitude, [30.9375, 36.5625, 42.1875, 47.8125, 53.4375, 59.0625, 64.6875]
    )
    np.testing.assert_allclose(part.longitude, np.arange(8) * 5.625)
    expected = part.latitude.values[:, None] * 1000 + part.longitude.values
    np.testing.assert_allclose(part["place"], expected)


@pytest.mark.parametrize(
    ("region", "longitude"),
    [
        ({"latitude": [30, 60], "longitude": [350, 12]}, [-5.625, 0, 5.625, 11.25]),
        ({"latitude": [30, 60], "longitude": [-10, 12]}, [-5.625, 0, 5.625, 11.25]),
        ({"latitude": [30, 60], "longitude": [170, -170]}, [174.375, 180, 185.625]),
        ("NorthAmerica", np.arange(40, 54) * 5.625),
    ],
)
def test_regions_may_cross_the_edges_of_the_map(region, longitude):
    part = cut_region(globe(longitude=np.arange(-32, 32) * 5.625), region)
    np.testing.assert_allclose(part.longitude % 360, np.asarray(longitude) % 360)
    assert (np.diff(part.longitude) > 0).all()
    assert (part["place"] - part.latitude * 1000 == part.longitude % 360).all()


def test_all_longitudes_stay_as_they_are():
    part = cut_region(globe(), {"latitude": [-30, 30]})
    np.testing.assert_array_equal(part.longitude, globe().longitude)
    assert cut_region(part, None) is part


def test_the_regions_of_climax_and_of_weatherbench_have_names():
    assert region_box("Australia") == (-50, 10, 100, 180)
    assert region_box("europe") == (35, 75, -12.5, 42.5)
    assert {"SouthAmerica", "SouthAsia", "EastAsia", "tropics"} <= set(KNOWN)


@pytest.mark.parametrize(
    ("region", "sentence"),
    [
        ("Europa", "did you mean 'europe'"),
        ({"latitude": [60, 30]}, "write a name, or"),
        ({"latitude": [30, 60], "lon": [0, 10]}, "write a name, or"),
        ({"longitude": [0, 10]}, "write a name, or"),
        ({"latitude": [30, "north"]}, "write a name, or"),
        ({"latitude": [1, 2]}, "0 rows and 64 columns"),
    ],
)
def test_wrong_regions_are_one_sentence(region, sentence):
    with pytest.raises(UserError, match=sentence):
        cut_region(globe(), region)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("stores") / "planet", weather(TIMES))


def test_a_regional_task_is_regional_throughout(store, tmp_path):
    region = {"latitude": [-30, 70], "longitude": [-50, 50]}
    part = DirectForecasting(store=store, cache=tmp_path, region=region, **TASK)
    whole = DirectForecasting(store=store, cache=tmp_path, static=["latitude"], **TASK)
    assert part.signature.latitude == (-22.5, 22.5, 67.5)
    assert part.signature.longitude == (-45.0, 0.0, 45.0)
    assert not part.signature.periodic
    rows, columns = slice(1, 4), [7, 0, 1]
    for split in ("train", "test"):
        own, other = part.split(split)[3], whole.split(split)[3]
        np.testing.assert_array_equal(own.inputs, other.inputs[..., rows, columns])
        np.testing.assert_array_equal(own.targets, other.targets[..., rows, columns])
    truth = part.truth()["2m_temperature"].values
    np.testing.assert_array_equal(
        truth, whole.truth()["2m_temperature"].values[:, rows][..., columns]
    )
    period = (
        xr.open_zarr(store, consolidated=False)["2m_temperature"]
        .sel(time=slice(*TASK["train"]))
        .values
    )
    assert part.normalisation.mean[0] == pytest.approx(period[:, rows][..., columns].mean())
    assert part.climatology()["2m_temperature"].shape[-2:] == (3, 3)
    assert part.template()["2m_temperature"].shape[-2:] == (3, 3)
    assert part.hash != whole.hash
    np.testing.assert_array_equal(whole.split("train")[0].static[0, :, 0], LATITUDE)


def test_known_channels_are_those_of_the_time_that_is_stepped_to(store, tmp_path):
    names = ["toa_incident_solar_radiation", "cos_day_of_year", "sin_local_hour"]
    options = TASK | {"lead_times": [24], "forcings": names, "cache": tmp_path}
    task = IterativeForecasting(store=store, step=12, **options)
    sample = task.split("test")[5]
    assert sample.forcings.shape == (1, 2, 3, LATITUDE.size, LONGITUDE.size)
    start = TIMES[TIMES >= "2000-02-11"][5]
    for step, hours in enumerate((12, 24)):
        valid = start + pd.Timedelta(hours=hours)
        season = 2 * np.pi * (valid.day_of_year - 1 + valid.hour / 24) / 365.25
        np.testing.assert_allclose(sample.forcings[0, step, 1], np.cos(season), atol=1e-6)
        solar = 2 * np.pi * (valid.hour / 24 + LONGITUDE / 360)
        np.testing.assert_allclose(sample.forcings[0, step, 2, 0], np.sin(solar), atol=1e-6)
        sunny = sample.forcings[0, step, 0].numpy() > 0
        noon_at = (12 - valid.hour) * 15 % 360
        assert sunny[1, np.argmin(np.abs((LONGITUDE - noon_at + 180) % 360 - 180))]


def test_both_splits_together_hold_every_window_of_each_once(store, tmp_path):
    task = DirectForecasting(store=store, cache=tmp_path, **TASK)
    both = task.split("train_and_validation")
    assert len(both) == len(task.split("train")) + len(task.split("validation"))
    starts = both.input_positions[:, -1]
    assert np.unique(starts).size == len(both)
    assert starts.max() < task.periods["test"].start
