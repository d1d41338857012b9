import io
import itertools
from functools import reduce

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from climbench.errors import UserError
from climbench.store import RunningStatistics, read_statistics, time_step, write_statistics
from climbench.store.statistics import STATISTICS

AREA = np.sin(np.deg2rad([90, 40, 0, -40])) - np.sin(np.deg2rad([40, 0, -40, -90]))


def measure(ds, dimension="time", step=6.0):
    statistics = RunningStatistics(dimension, step)
    statistics.update(ds)
    return statistics


def in_parts(ds, borders, step=6.0, leads=()):
    """Measure parts apart, with states that lay in files, and the changes over their borders."""
    merged = RunningStatistics("time", step, leads)
    for start, stop in itertools.pairwise(borders):
        part, border = (RunningStatistics("time", step, leads) for _ in range(2))
        part.update(ds.isel(time=slice(start, stop)))
        border.update_border(ds, start, stop)
        for one in (part, border):
            merged = merged.merge(RunningStatistics.from_dict(one.to_dict()))
    return merged.to_dataset()


def independent(values, changes, area=AREA):
    """Figures of ``values [..., latitude, longitude]`` by numpy's own averages."""

    def moments(cells, weights):
        weights = np.broadcast_to(weights[:, None], cells.shape)
        there = ~np.isnan(cells)
        mean = np.average(cells[there], weights=weights[there])
        variance = np.average((cells[there] - mean) ** 2, weights=weights[there])
        return mean, np.sqrt(variance)

    values, changes = values.astype(np.float64), changes.astype(np.float64)
    plain = np.ones_like(area)
    return dict(
        zip(
            STATISTICS,
            [
                *moments(values, area),
                moments(changes, area)[1],
                np.nanmin(values),
                np.nanmax(values),
                np.sum(~np.isnan(values)),
                np.sum(np.isnan(values)),
                *moments(values, plain),
                moments(changes, plain)[1],
            ],
            strict=True,
        )
    )


def agrees(figures, expected):
    for name, number in expected.items():
        assert float(figures.sel(statistic=name)) == pytest.approx(number, rel=1e-9), name


def test_figures_per_level_match_numpy_with_missing_values(weather):
    weather["temperature"][3:6, 0, 1] = np.nan
    weather["temperature"][9, 1] = np.nan
    result = measure(weather).to_dataset()
    for position, level in enumerate((500, 850)):
        values = weather["temperature"].values[:, position].astype(np.float64)
        expected = independent(values, np.diff(values, axis=0))
        agrees(result["temperature"].sel(level=level), expected)


def test_a_static_field_has_no_tendency_and_counts_once(weather):
    parts = [measure(weather.isel(time=slice(a, a + 10))) for a in (0, 10, 20)]
    result = reduce(RunningStatistics.merge, parts).to_dataset()["orography"]
    assert np.isnan(result.sel(statistic="tendency_std"))
    assert result.sel(statistic="count") == 16
    assert result.sel(statistic="mean_plain") == pytest.approx(float(weather["orography"].mean()))


@settings(max_examples=30, deadline=None)
@given(
    cuts=st.sets(st.integers(1, 29)),
    holes=st.sets(st.integers(0, 29), max_size=28),
    lost=st.sets(st.integers(1, 28), max_size=5),
    block=st.sampled_from([1, 40, 10**6]),
)
def test_any_split_gives_the_figures_of_one_pass(cuts, holes, lost, block):
    values = np.random.default_rng(0).normal(250, 20, (30, 4, 3)).astype("f4")
    values[sorted(holes)] = np.nan
    hour = np.arange(30) * np.timedelta64(6, "h")
    kept = [step for step in range(30) if step not in lost]
    ds = xr.Dataset(
        {"t": (("time", "latitude", "longitude"), values)},
        {"time": np.datetime64("2000-01-01", "ns") + hour, "latitude": [-60.0, -20.0, 20.0, 60.0]},
    ).isel(time=kept)
    borders = [0, *sorted(cut for cut in cuts if cut < len(kept)), len(kept)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("climbench.store.statistics.BLOCK", block)
        patch.setattr("climbench.store.statistics.READ", block)
        merged = in_parts(ds, borders)
    xr.testing.assert_allclose(merged, measure(ds).to_dataset(), rtol=1e-10)
    neighbours = [b - a == 1 for a, b in itertools.pairwise(kept)]
    changes = np.diff(values[kept].astype(np.float64), axis=0)[neighbours]
    if not (np.isnan(values[kept]).all() or np.isnan(changes).all()):
        agrees(merged["t"], independent(values[kept], changes))


@settings(max_examples=30, deadline=None)
@given(
    cuts=st.sets(st.integers(1, 29)),
    lost=st.sets(st.integers(1, 28), max_size=12),
    block=st.sampled_from([1, 40, 10**6]),
)
def test_changes_over_longer_leads_cross_the_borders_of_parts(cuts, lost, block):
    """Leads longer than a part, and longer than a gap, from states that lay in files."""
    values = np.random.default_rng(0).normal(250, 20, (30, 4, 3)).astype("f4")
    values[5, 1] = np.nan
    kept = np.array([step for step in range(30) if step not in lost])
    ds = xr.Dataset(
        {"t": (("time", "latitude", "longitude"), values[kept])},
        {
            "time": np.datetime64("2000-01-01", "ns") + kept * np.timedelta64(6, "h"),
            "latitude": [-60.0, -20.0, 20.0, 60.0],
        },
    )
    borders = [0, *sorted(cut for cut in cuts if cut < len(kept)), len(kept)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("climbench.store.statistics.BLOCK", block)
        patch.setattr("climbench.store.statistics.READ", block)
        figures = in_parts(ds, borders, leads=[6, 24, 72])["t"]
    for hours in (6, 24, 72):
        pairs = [(i, i + hours // 6) for i in kept if i + hours // 6 in kept]
        if pairs:
            changes = np.array([values[j].astype(float) - values[i] for i, j in pairs])
            expected = independent(changes, changes)
            for ending, mean_of in (("", "std"), ("_plain", "std_plain")):
                found = float(figures.sel(statistic=f"tendency_std_{hours}h{ending}"))
                assert found == pytest.approx(expected[mean_of], rel=1e-9)
    assert figures.sel(statistic="tendency_std_6h") == pytest.approx(
        float(figures.sel(statistic="tendency_std")), nan_ok=True
    )


def test_a_state_holds_no_fields(weather):
    """At 0.25 degrees a part is one time: what is kept of its fields is as large as they are."""
    sizes = [
        max(a.size for a in measure(weather.isel(time=slice(n))).to_dict().values())
        for n in (1, 30)
    ]
    assert sizes[0] == sizes[1]


def test_updating_is_merging(weather):
    running = RunningStatistics("time", 6.0)
    parts = [weather.isel(time=slice(a, a + 7)) for a in range(0, 30, 7)]
    for part in parts:
        running.update(part)
    merged = reduce(RunningStatistics.merge, map(measure, parts))
    xr.testing.assert_identical(running.to_dataset(), merged.to_dataset())


@pytest.mark.parametrize("dimension", ["time", "scenario"])
def test_a_state_survives_a_file_bit_for_bit(weather, climate, dimension):
    ds, step = (weather, 6.0) if dimension == "time" else (climate, 8760.0)
    half = ds.sizes[dimension] // 2
    first, second = (
        measure(ds.isel({dimension: part}), dimension, step)
        for part in (slice(half), slice(half, None))
    )
    file = io.BytesIO()
    np.savez(file, **first.to_dict())
    file.seek(0)
    with np.load(file, allow_pickle=False) as state:
        restored = RunningStatistics.from_dict(state)
    for one, other in zip(
        first.merge(second).to_dict().items(), restored.merge(second).to_dict().items(), strict=True
    ):
        assert one[0] == other[0]
        np.testing.assert_array_equal(one[1], other[1])


def test_reversed_latitudes_and_other_orders_of_dimensions_change_nothing(weather):
    usual = measure(weather).to_dataset()
    turned = weather.isel(latitude=slice(None, None, -1)).transpose(..., "time", "latitude")
    xr.testing.assert_allclose(measure(turned).to_dataset(), usual, rtol=1e-12)


def test_one_step_and_fields_of_nan(weather):
    single = measure(weather.isel(time=[0])).to_dataset()["2m_temperature"]
    assert np.isfinite(single.sel(statistic="std"))
    assert np.isnan(single.sel(statistic="tendency_std"))
    empty = measure(weather * np.nan).to_dataset()["2m_temperature"]
    assert empty.sel(statistic="missing") == 30 * 16
    assert empty.sel(statistic="count") == 0
    assert np.isnan(empty.sel(statistic=["mean", "std", "min", "max"])).all()


def test_large_means_do_not_eat_the_deviation():
    values = 1e6 + np.arange(1000.0).reshape(1000, 1, 1) % 2
    ds = xr.Dataset({"z": (("time", "latitude", "longitude"), values)}, {"latitude": [0.0]})
    ds = ds.assign_coords(time=np.arange(1000))
    parts = [measure(ds.isel(time=slice(a, a + 10)), step=8766.0) for a in range(0, 1000, 10)]
    result = reduce(RunningStatistics.merge, parts).to_dataset()["z"]
    assert result.sel(statistic="std") == pytest.approx(0.5, rel=1e-9)


@pytest.mark.parametrize("dimension", ["scenario", "member"])
def test_climate_parts_skip_years_outside_a_scenario(climate, dimension):
    parts = [
        measure(climate.isel({dimension: [i]}), dimension, time_step(climate["time"]))
        for i in range(climate.sizes[dimension])
    ]
    result = reduce(RunningStatistics.merge, parts).to_dataset()
    tas = climate["tas"].values
    agrees(result["tas"], independent(tas, np.diff(tas.astype(np.float64), axis=2)))
    emissions = climate["carbon_dioxide"].values
    assert result["carbon_dioxide"].sel(statistic="count") == 12
    assert result["carbon_dioxide"].sel(statistic="std") == pytest.approx(np.nanstd(emissions))


def test_statistics_are_kept_in_the_store_with_period_and_recipe(weather, write_store):
    path = write_store(weather)
    with pytest.raises(UserError, match=r"store\.zarr has no statistics"):
        read_statistics(path)
    statistics = measure(weather)
    write_statistics(path, statistics, ["2000-01-01", "2000-01-08"], "abc")
    stored = read_statistics(path)
    xr.testing.assert_equal(stored, statistics.to_dataset())
    assert stored.attrs == {"period": '["2000-01-01", "2000-01-08"]', "recipe_hash": "abc"}
    assert set(xr.open_zarr(path).data_vars) == set(weather.data_vars)  # and without a warning


def test_a_published_persistence_error_is_the_tendency(data_root):
    # one-day persistence of NCEP/NCAR sea-level pressure over 2007-2008: RMSE 642.2 Pa
    slp = xr.open_dataset(data_root / "ncep_slp_natl" / "ncep_slp_natl_daily_2001-2008.nc")
    slp = slp.rename(lat="latitude", lon="longitude").sel(time=slice("2007", "2008"))
    result = measure(slp, step=24.0).to_dataset()["slp"]
    assert float(result.sel(statistic="tendency_std")) == pytest.approx(642.2, abs=0.05)
    weights = np.cos(np.deg2rad(slp["latitude"]))
    assert float(result.sel(statistic="mean")) == pytest.approx(
        float(slp["slp"].astype(float).weighted(weights).mean()), abs=0.01
    )
