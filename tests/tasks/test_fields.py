"""Channels over time, stored and computed."""

import numpy as np
import pandas as pd
import pytest
from small_stores import weather, write_store

from climbench.recipes.formulas import toa_incident_solar_radiation
from climbench.store import open_store
from climbench.tasks import fields as module
from climbench.tasks.fields import Fields

SUN = "toa_incident_solar_radiation"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    times = pd.date_range("2000-02-27", "2001-03-02", freq="6h")  # with a 29 February
    return write_store(tmp_path_factory.mktemp("stores") / "planet", weather(times))


@pytest.mark.parametrize("kept", [2**26, 0])
def test_computed_channels_stand_beside_stored_ones_in_any_order(path, tmp_path, monkeypatch, kept):
    monkeypatch.setattr(module, "KEPT_BYTES", kept)
    ds = open_store(path)
    fields = Fields(path, ds, ["2m_temperature", SUN, "geopotential_500"], tmp_path)
    positions = np.array([[0, 1, 1464], [9, 3, 8]])  # 27 February of two years
    for _ in range(2):  # computed, then remembered
        read = fields.read(positions, ["geopotential_500", SUN, "2m_temperature"])
        np.testing.assert_array_equal(read[:, :, 2], ds["2m_temperature"].values[positions])
        for sample, step in np.ndindex(2, 3):
            time = pd.Timestamp(ds["time"].values[positions[sample, step]])
            expected = toa_incident_solar_radiation(
                time.day_of_year, time.hour, ds["latitude"].values[:, None], ds["longitude"].values
            )
            np.testing.assert_allclose(read[sample, step, 1], expected, rtol=1e-6)


def test_one_stored_channel_may_be_all_that_is_asked_for(path, tmp_path):
    ds = open_store(path)
    fields = Fields(path, ds, ["2m_temperature", "geopotential_500", SUN], tmp_path)
    read = fields.read(np.array([[3], [2]]), ["geopotential_500"])
    expected = ds["geopotential"].sel(level=500).values[[3, 2]]
    np.testing.assert_array_equal(read[:, 0, 0], expected)
    assert fields.read(np.array([[3]]), [SUN]).shape == (1, 1, 1, 4, 8)
    assert fields.read(np.array([[3]]), []).shape == (1, 1, 0, 4, 8)
