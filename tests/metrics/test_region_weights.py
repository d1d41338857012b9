"""Regions and weights of cells."""

import numpy as np
import pytest

from climbench.errors import UserError
from climbench.metrics import REGIONS, region_weights

LATITUDE = np.arange(-90.0, 90.1, 2.5)
LONGITUDE = np.arange(0.0, 360.0, 2.5)


def cells(name, longitude=LONGITUDE):
    weights = region_weights(LATITUDE, longitude, [name])
    return weights[:, 0].reshape(LATITUDE.size, longitude.size)


def test_tropics_and_extra_tropics_are_the_globe():
    """Rows exactly on 20 degrees are counted once."""
    both = region_weights(LATITUDE, LONGITUDE, ["tropics", "extra-tropics"]).sum(axis=1)
    np.testing.assert_array_equal(both, region_weights(LATITUDE, LONGITUDE)[:, 0])


def test_weights_have_mean_one():
    assert region_weights(LATITUDE, LONGITUDE).mean() == pytest.approx(1.0, rel=1e-14)


def test_europe_crosses_greenwich():
    inside = cells("europe") > 0
    east = np.where(inside.any(axis=0))[0] * 2.5
    assert set(east) == {*np.arange(0, 42.6, 2.5), *np.arange(347.5, 360, 2.5)}
    north = LATITUDE[inside.any(axis=1)]
    assert (north.min(), north.max()) == (35.0, 75.0)


def test_longitudes_from_minus_180_give_the_same_cells():
    shifted = np.arange(-180.0, 180.0, 2.5)
    order = np.argsort(shifted % 360)
    for name in REGIONS:
        np.testing.assert_allclose(cells(name, shifted)[:, order], cells(name), rtol=1e-13)


def test_uneven_longitudes_weigh_by_width():
    weights = region_weights([0.0], [0.0, 10.0, 30.0])[:, 0]
    np.testing.assert_allclose(weights / weights.sum(), np.array([10, 15, 20]) / 45)


def test_region_outside_the_grid_is_refused():
    with pytest.raises(UserError, match="'antarctic' has no cell on the grid of latitude 30 to 60"):
        region_weights([30.0, 45.0, 60.0], [0.0, 10.0], ["antarctic"])


def test_unknown_region_names_the_nearest():
    with pytest.raises(UserError, match="did you mean 'europe'"):
        region_weights(LATITUDE, LONGITUDE, ["eurpe"])
