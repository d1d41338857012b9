"""Regridding keeps the area integral (conservative) and linear fields (bilinear)."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from climbench.errors import UserError
from climbench.grids import latitude_weights
from climbench.recipes.regridding import regridder
from climbench.recipes.steps import parse_step


def centres(rows: int) -> np.ndarray:
    return -90 + 180 / rows * (np.arange(rows) + 0.5)


def mean(field: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    return np.average(field.mean(-1), axis=-1, weights=latitude_weights(latitude))


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(2, 40),
    columns=st.integers(2, 50),
    to_rows=st.integers(1, 20),
    to_columns=st.integers(1, 20),
    west=st.floats(-180, 180),
    north_first=st.booleans(),
    seed=st.integers(0, 99),
)
def test_conservative_keeps_the_global_mean(
    rows: int,
    columns: int,
    to_rows: int,
    to_columns: int,
    west: float,
    north_first: bool,
    seed: int,
) -> None:
    latitude = centres(rows)[:: -1 if north_first else 1]
    longitude = west + 360 / columns * np.arange(columns)
    field = np.random.default_rng(seed).normal(size=(2, rows, columns))
    target = centres(to_rows), 360 / to_columns * np.arange(to_columns)
    moved = regridder(latitude, longitude, *target)(field)
    assert moved.shape == (2, to_rows, to_columns)
    np.testing.assert_allclose(mean(moved, target[0]), mean(field, latitude), atol=1e-12)


def test_conservative_from_quarter_degree_with_poles_in_float32() -> None:
    latitude, longitude = np.linspace(90, -90, 721), np.arange(0, 360, 0.25)
    field = (280 + np.random.default_rng(0).normal(size=(721, 1440))).astype(np.float32)
    target = centres(32), np.arange(0, 360, 5.625)
    moved = regridder(latitude, longitude, *target)(field)
    assert moved.dtype == np.float32
    exact = mean(field.astype(float), latitude)
    assert abs(mean(moved.astype(float), target[0]) / exact - 1) < 1e-6


def test_conservative_cell_by_cell_against_a_loop_over_overlaps() -> None:
    latitude, longitude = centres(5), np.array([10.0, 100.0, 190.0, 280.0])
    to_latitude, to_longitude = centres(3), np.array([0.0, 120.0, 240.0])
    field = np.random.default_rng(1).normal(size=(5, 4))
    moved = regridder(latitude, longitude, to_latitude, to_longitude)(field)
    for j, south in enumerate(np.arange(-90, 90, 60)):
        for i, west in enumerate(to_longitude - 60):
            # a fine raster of points stands for the integral
            phi = (south + np.arange(0.025, 60, 0.05))[:, None]
            lam = west + np.arange(0.25, 120, 0.5)
            rows, columns = (phi + 90) // 36, ((lam - (10 - 45)) % 360) // 90
            values = field[rows.astype(int), columns.astype(int)]
            weights = np.cos(np.deg2rad(phi)) * np.ones_like(lam)
            assert moved[j, i] == pytest.approx(np.average(values, weights=weights), abs=2e-3)


def test_missing_values_take_no_part_and_too_many_make_the_target_missing() -> None:
    latitude, longitude = centres(4), np.arange(0, 360, 45.0)
    target = centres(2), np.arange(22.5, 360, 90.0)
    field = np.full((4, 8), 5.0)
    field[0, 0] = np.nan  # a small part of one target cell
    field[2:, 2:4] = np.nan  # a whole target cell
    moved = regridder(latitude, longitude, *target)(field)
    assert moved[0, 0] == pytest.approx(5.0)
    assert np.isnan(moved[1, 1])
    assert np.isfinite(np.delete(moved.ravel(), 5)).all()
    strict = regridder(latitude, longitude, *target, valid=1.0)(field)
    assert np.isnan(strict[0, 0])


def test_conservative_leaves_what_lies_outside_a_region_missing() -> None:
    region = regridder([10.0, 20.0], [30.0, 40.0], [15.0, 75.0], [35.0, 200.0])
    moved = region(np.ones((2, 2)))
    assert moved[0, 0] == pytest.approx(1.0, abs=1e-12) or np.isnan(moved[0, 0])
    assert np.isnan(moved[1]).all() and np.isnan(moved[0, 1])


@pytest.mark.parametrize("west", [0.0, -180.0])
def test_bilinear_keeps_linear_fields_and_wraps_around(west: float) -> None:
    latitude, longitude = centres(18)[::-1], west + np.arange(0, 360, 10.0)
    field = np.broadcast_to(2 * latitude[:, None], (18, 36)).astype(float)
    target = np.linspace(-80, 80, 23), np.array([0.0, 3.3, 179.9, 355.0])
    moved = regridder(latitude, longitude, *target, method="bilinear")(field)
    np.testing.assert_allclose(moved, 2 * np.repeat(target[0][:, None], 4, 1), atol=1e-9)
    wave = np.cos(np.deg2rad(longitude)) * np.ones((18, 1))
    across = regridder(latitude, longitude, [0.0], [355.0], method="bilinear")(wave)
    expected = (np.cos(np.deg2rad(350)) + 1) / 2
    assert across[0, 0] == pytest.approx(expected)


def test_bilinear_repeats_the_last_row_at_the_pole_but_not_beyond_a_region() -> None:
    ones = np.ones((18, 36))
    world = regridder(centres(18), np.arange(0, 360, 10.0), [-90, 90], [5.0], "bilinear")
    assert world(ones).tolist() == [[1.0], [1.0]]
    region = regridder([10.0, 20.0], [30.0, 40.0], [15.0, 50.0], [35.0, 50.0], "bilinear")
    moved = region(np.ones((2, 2)))
    assert moved[0, 0] == 1.0
    assert np.isnan(moved[1]).all() and np.isnan(moved[0, 1])


def test_bilinear_needs_all_its_neighbours() -> None:
    field = np.ones((2, 2))
    field[0, 0] = np.nan
    move = regridder([10.0, 20.0], [30.0, 40.0], [10.0, 15.0, 20.0], [35.0, 40.0], "bilinear")
    moved = move(field)
    assert np.isnan(moved[:2, 0]).all()
    assert moved[2, 0] == 1.0 and moved[0, 1] == 1.0


def test_the_step_moves_every_gridded_variable_and_keeps_attributes() -> None:
    latitude, longitude = centres(6), np.arange(0, 360, 30.0)
    dataset = xr.Dataset(
        {
            "t": (("time", "latitude", "longitude"), np.ones((2, 6, 12), "f4"), {"units": "K"}),
            "index": ("time", [1.0, 2.0]),
        },
        {"latitude": latitude, "longitude": longitude, "time": [0, 1]},
    )
    moved = parse_step({"regrid": {"resolution": 45}}).apply(dataset.chunk(time=1))
    assert moved["t"].shape == (2, 4, 8)
    assert moved["t"].attrs == {"units": "K"} and moved["t"].dtype == np.float32
    assert moved["index"].values.tolist() == [1, 2]
    assert moved["latitude"].values.tolist() == [-67.5, -22.5, 22.5, 67.5]
    with pytest.raises(UserError, match="there is no variable 'latitude'"):
        parse_step({"regrid": {"resolution": 45}}).apply(dataset.rename(latitude="lat"))
