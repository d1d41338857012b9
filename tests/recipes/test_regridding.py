"""Regridding keeps the area integral (conservative) and linear fields (bilinear)."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from climbench.errors import UserError
from climbench.grids import gaussian_latitudes, latitude_bounds, latitude_weights, longitude_bounds
from climbench.recipes.nearest_cells import nearest_cells
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


def uneven(low: float, high: float, count: int, seed: int) -> np.ndarray:
    """Centres at uneven distances, of cells that fill low..high or a little less."""
    steps = np.random.default_rng(seed).uniform(0.5, 1.5, count)
    edges = low + (high - low) * np.concatenate([[0], np.cumsum(steps) / steps.sum()])
    return (edges[1:] + edges[:-1]) / 2


def brute_force(
    latitude: np.ndarray,
    longitude: np.ndarray,
    to: tuple[np.ndarray, np.ndarray],
    field: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return integrals over each target cell and its covered area, overlap by overlap."""

    def shared(source: np.ndarray, target: np.ndarray, turns: tuple[int, ...]) -> np.ndarray:
        table = np.zeros((target.size - 1, source.size - 1))
        for j, (t0, t1) in enumerate(pairwise(target)):
            for i, (s0, s1) in enumerate(pairwise(source)):
                for turn in turns:
                    low = max(min(t0, t1), min(s0, s1) + 360 * turn)
                    table[j, i] += max(0.0, min(max(t0, t1), max(s0, s1) + 360 * turn) - low)
        return table

    sines = [np.sin(np.deg2rad(latitude_bounds(x))) for x in (latitude, to[0])]
    rows = shared(*sines, turns=(0,))
    columns = shared(
        longitude_bounds(longitude), longitude_bounds(to[1]), turns=(-3, -2, -1, 0, 1, 2, 3)
    )
    there = np.isfinite(field)
    return rows @ np.where(there, field, 0) @ columns.T, rows @ there.astype(float) @ columns.T


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.tuples(*[st.integers(2, 14)] * 4),
    region=st.tuples(st.floats(-80, 40), st.floats(-700, 700), st.floats(5, 40), st.floats(5, 350)),
    west=st.floats(-360, 360),
    reverse=st.tuples(st.booleans(), st.booleans()),
    missing=st.floats(0, 0.6),
    seed=st.integers(0, 999),
)
def test_conservative_keeps_the_integral_on_any_grid(
    sizes: tuple[int, int, int, int],
    region: tuple[float, float, float, float],
    west: float,
    reverse: tuple[bool, bool],
    missing: float,
    seed: int,
) -> None:
    """Uneven rows and columns, either direction, any meridian, regional targets, holes."""
    rows, columns, to_rows, to_columns = sizes
    latitude = uneven(-90, 90, rows, seed)[:: -1 if reverse[0] else 1]
    longitude = west + 360 / columns * np.arange(columns)
    south, east, height, width = region
    target = (
        uneven(south, south + height, to_rows, seed + 1)[:: -1 if reverse[1] else 1],
        uneven(east, east + width, to_columns, seed + 2),
    )
    random = np.random.default_rng(seed)
    field = random.normal(280, 20, size=(rows, columns))
    field[random.random(field.shape) < missing] = np.nan
    moved = regridder(latitude, longitude, *target, valid=1e-3)(field[None])[0]
    integral, covered = brute_force(latitude, longitude, target, field)
    found = np.isfinite(moved)
    np.testing.assert_allclose((moved * covered)[found], integral[found], rtol=1e-9)
    areas = np.outer(
        np.abs(np.diff(np.sin(np.deg2rad(latitude_bounds(target[0]))))),
        np.abs(np.diff(longitude_bounds(target[1]))),
    )
    assert np.all(covered[~found] <= 2e-3 * areas[~found])
    whole = np.where(np.isnan(field), 0.0, field).astype(np.float32)
    single = regridder(latitude, longitude, *target)(whole[None])[0]
    exact = regridder(latitude, longitude, *target)(whole[None].astype(float))[0]
    assert (
        abs(single.sum(dtype=float) / exact.sum() - 1) < 1e-6 if exact.any() else not single.any()
    )


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(2, 30),
    columns=st.integers(3, 40),
    west=st.floats(-180, 180),
    points=st.lists(
        st.tuples(st.floats(-89.9, 89.9), st.floats(-360, 360)), min_size=1, max_size=5
    ),
)
def test_nearest_takes_the_cell_around_a_point(
    rows: int, columns: int, west: float, points: list[tuple[float, float]]
) -> None:
    latitude, longitude = centres(rows)[::-1], west + 360 / columns * np.arange(columns)
    field = np.arange(rows * columns, dtype=float).reshape(rows, columns)
    for north, east in points:
        moved = regridder(latitude, longitude, [north], [east], "nearest")(field)
        row, column = divmod(int(moved[0, 0]), columns)
        away = (east - longitude[column] + 180) % 360 - 180
        assert abs(north - latitude[row]) <= 90 / rows + 1e-6
        assert abs(away) <= 180 / columns + 1e-6


def test_nearest_keeps_classes_and_holes_and_leaves_the_outside_missing() -> None:
    field = np.array([[1.0, np.nan], [3.0, 4.0]], dtype=np.float32)
    target = [10.0, 13.0, 40.0], [30.0, 41.0, 80.0]
    moved = regridder([10.0, 20.0], [30.0, 40.0], *target, method="nearest")(field)
    expected = [[1, np.nan, np.nan], [1, np.nan, np.nan], [np.nan] * 3]
    np.testing.assert_array_equal(moved, expected)


def test_gaussian_rows_are_those_of_real_files_and_of_the_step(data_root: Path) -> None:
    with xr.open_dataset(data_root / "echam_6hourly_global/t_in_Celsius_2.nc") as echam:
        np.testing.assert_allclose(gaussian_latitudes(96)[::-1], echam["lat"], atol=1e-6)
        field = echam["tC"].isel(time=[0]).rename(lat="latitude", lon="longitude").load()
    step = parse_step({"regrid": {"gaussian": 16}})
    moved = step.apply(field.to_dataset())["tC"]
    assert moved.shape == (1, 32, 64) and float(moved["longitude"][1]) == 5.625
    latitudes = field["latitude"].values, moved["latitude"].values
    before, after = (
        mean(values.astype(float), rows)[0]
        for values, rows in zip((field.values, moved.values), latitudes, strict=True)
    )
    assert after == pytest.approx(before, abs=1e-6 * 280)


def test_fields_on_columns_by_the_nearest_on_the_sphere() -> None:
    at = np.arange(5000)
    north = np.rad2deg(np.arcsin((2 * at + 1) / 5000 - 1))  # a spiral of even density
    east = at * 137.50776405 % 360 - 180
    values = np.cos(np.deg2rad(north)) * np.cos(np.deg2rad(east))
    dataset = xr.Dataset(
        {"t": (("time", "column"), np.stack([values, 2 * values]))},
        {"latitude": ("column", north), "longitude": ("column", east)},
    )
    step = parse_step({"regrid": {"resolution": 30, "method": "nearest"}})
    moved = step.apply(dataset.chunk(time=1))["t"]
    assert moved.dims == ("time", "latitude", "longitude") and moved.shape == (2, 6, 12)
    phi, lam = np.deg2rad(moved["latitude"]), np.deg2rad(moved["longitude"])
    np.testing.assert_allclose(moved[1], 2 * np.cos(phi) * np.cos(lam), atol=0.1)
    with pytest.raises(UserError, match=r"'conservative' needs a latitude-longitude grid"):
        parse_step({"regrid": {"resolution": 30}}).apply(dataset)


def test_beyond_a_region_and_without_places_there_is_no_nearest_cell() -> None:
    north, east = np.meshgrid(np.arange(40, 50), np.arange(-5, 5))
    cells = nearest_cells(north, east, [45.2, 60.0], [359.9, 20.0])
    assert (cells >= 0).tolist() == [[True, False], [False, False]]
    assert (north.ravel()[cells[0, 0]], east.ravel()[cells[0, 0]]) == (45, 0)
    with pytest.raises(UserError, match="the nearest of 0 cells"):
        nearest_cells([np.nan], [0.0], [0.0], [0.0])
