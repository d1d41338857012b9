"""Sources are joined by variable, along labels, and with emissions; misfits are named."""

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


def source(local: str, **options: Any) -> dict[str, Any]:
    return {"kind": "files", "address": "-", "local": local, **options}


def annual(first: int, years: int, name: str = "tas", shift: float = 0.0) -> xr.Dataset:
    dataset = weather("2001-01-01", years, name=name)
    time = xr.date_range(f"{first}-07-01", periods=years, freq="YS-JUL")
    return dataset.assign_coords(time=time) + shift


@pytest.fixture
def scenarios(tmp_path: Path) -> Path:
    folder = tmp_path / "scenarios"
    folder.mkdir()
    for member in ("r1", "r2"):
        for scenario, first, years in (("historical", 2010, 5), ("ssp126", 2015, 4)):
            dataset = annual(first, years, shift=float(member == "r2"))
            dataset["tas"].attrs["units"] = "K"
            dataset.to_netcdf(folder / f"{scenario}_{member}.nc")
    return folder


def labelled(*names: str) -> list[dict[str, Any]]:
    """Return a source for each ``scenario_member``."""
    return [
        source(f"{n}.nc", coordinates=dict(zip(("scenario", "member"), n.split("_"), strict=True)))
        for n in names
    ]


def test_two_variables_and_a_fixed_field(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    weather("2001-01-01", 20, name="sp").assign_attrs().to_netcdf(archive / "sp.nc")
    height = weather("2001-01-01", 1, name="orography", units="m").isel(time=0, drop=True)
    height.to_netcdf(archive / "height.nc")
    recipe = write_recipe(sources=[source("[ab].nc"), source("sp.nc"), source("height.nc")])
    store = open_store(build(load_recipe(str(recipe)), tmp_path / "stores", archive))
    assert {name: array.dims for name, array in store.data_vars.items()} == {
        "t2m": ("time", "latitude", "longitude"),
        "sp": ("time", "latitude", "longitude"),
        "orography": ("latitude", "longitude"),
    }


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (weather("2001-01-01", 20), "other.nc and another source both have 't2m'"),
        (weather("2001-01-02", 20, name="sp"), "other.nc has another time axis"),
        (weather("2001-01-01", 20, name="sp", rows=5), "other.nc has another latitude axis"),
    ],
)
def test_sources_that_do_not_fit(
    archive: Path, write_recipe: WriteRecipe, other: xr.Dataset, message: str
) -> None:
    other.to_netcdf(archive / "other.nc")
    recipe = load_recipe(str(write_recipe(sources=[source("[ab].nc"), source("other.nc")])))
    with pytest.raises(UserError, match=message):
        plan(recipe, archive)


def test_scenarios_and_members_with_one_absent(
    scenarios: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    sources = labelled("historical_r1", "historical_r2", "ssp126_r1")
    recipe = write_recipe(sources=[*sources, {"kind": "emissions"}], output={})
    store = open_store(build(load_recipe(str(recipe)), tmp_path / "stores", scenarios))
    assert store["tas"].dims == ("scenario", "member", "time", "latitude", "longitude")
    there = store["tas"].notnull().all(["latitude", "longitude"]).sum("time")
    assert there.values.tolist() == [[5, 5], [4, 0]]
    difference = store["tas"].sel(member="r2") - store["tas"].sel(member="r1")
    assert float(difference.sel(scenario="historical").mean()) == pytest.approx(1.0, abs=1e-4)
    assert store["methane"].dims == ("scenario", "time")
    assert store["methane"].notnull().sum("time").values.tolist() == [5, 4]


def test_a_hole_in_the_years_of_a_member_is_refused(
    scenarios: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    holed = annual(2010, 5)
    holed["tas"].attrs["units"] = "K"
    holed["tas"][2] = np.nan
    holed.to_netcdf(scenarios / "historical_r2.nc")
    recipe = load_recipe(str(write_recipe(sources=labelled("historical_r1", "historical_r2"))))
    with pytest.raises(UserError, match=r"'tas' from historical_r2.nc has no values at 2012-07-01"):
        build(recipe, tmp_path / "stores", scenarios)
    holed["tas"][:] = np.nan
    (scenarios / "historical_r2.nc").unlink()
    holed.to_netcdf(scenarios / "historical_r2.nc")
    with pytest.raises(UserError, match=r"'tas' from historical_r2.nc has no values at all"):
        build(recipe, tmp_path / "stores", scenarios)


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (labelled("historical_r1", "historical_r1"), "have the same coordinates"),
        (
            [*labelled("historical_r1"), source("ssp126_r1.nc", coordinates={"scenario": "x"})],
            r"has the coordinates \['scenario'\]",
        ),
        ([*labelled("historical_r1"), {"kind": "emissions", "variables": ["co2"]}], "no emissions"),
        (
            [source("ssp126_r1.nc", coordinates={"scenario": "ssp127"}), {"kind": "emissions"}],
            "no emissions of scenario 'ssp127': did you mean 'ssp126'",
        ),
        ([source("ssp126_r1.nc"), {"kind": "emissions"}], "emissions need fields"),
    ],
)
def test_labels_and_emissions_that_do_not_fit(
    scenarios: Path, write_recipe: WriteRecipe, sources: list[dict[str, Any]], message: str
) -> None:
    recipe = load_recipe(str(write_recipe(sources=sources)))
    with pytest.raises(UserError, match=message):
        plan(recipe, scenarios)


def test_emissions_are_annual(archive: Path, write_recipe: WriteRecipe) -> None:
    daily = source("a.nc", coordinates={"scenario": "historical"})
    recipe = load_recipe(str(write_recipe(sources=[daily, {"kind": "emissions"}])))
    with pytest.raises(UserError, match="emissions are annual"):
        plan(recipe, archive)


def test_units_that_a_file_does_not_give_are_declared(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    for name, start in (("a.nc", "2001-01-01"), ("b.nc", "2001-01-11")):
        (weather(start, 10, units=None) - 273.15).to_netcdf(archive / name)
    rename = {"t2m": "2m_temperature"}
    steps = [{"convert_units": {"2m_temperature": "K"}}, {"sort": {}}]
    bare = write_recipe(sources=[source("*.nc", rename=rename)], steps=steps)
    with pytest.raises(UserError, match="'2m_temperature' has no unit to convert to K from"):
        plan(load_recipe(str(bare)), archive)
    given = source("*.nc", rename=rename, units={"t2m": "degC"})
    recipe = load_recipe(str(write_recipe(sources=[given], steps=steps)))
    store = open_store(build(recipe, tmp_path / "stores", archive))
    assert 270 < float(store["2m_temperature"].mean()) < 300


def test_a_part_that_resamples_knows_its_files(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    recipe = write_recipe(steps=[{"sort": {}}, {"resample_time": {"to": "2D"}}])
    store = open_store(build(load_recipe(str(recipe)), tmp_path / "stores", archive))
    with xr.open_mfdataset(sorted(archive.glob("*.nc"))) as files:
        expected = files["t2m"].sortby("lat").coarsen(time=2).mean().values
    np.testing.assert_allclose(store["2m_temperature"], expected, rtol=1e-6)


def test_two_runs_of_a_simulated_climate_are_the_same_and_labelled(
    write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    planet = {"kind": "simulated_earth", "scenarios": ["historical", "ssp585"], "members": 2}
    recipe = load_recipe(str(write_recipe(sources=[planet], output={})))
    one, other = (open_store(build(recipe, tmp_path / name)) for name in "ab")
    assert one.identical(other)
    assert one.attrs["simulated"] == "true"
    from climbench.simulate.earth import simulate_climate

    direct = simulate_climate(["historical", "ssp585"], 2)
    np.testing.assert_array_equal(one["tas"], direct["tas"])
    np.testing.assert_allclose(one["methane"], direct["methane"], rtol=1e-6)


@pytest.mark.parametrize("days", [3, 20])
def test_cells_that_lie_elsewhere_in_one_file_are_refused(
    write_recipe: WriteRecipe, tmp_path: Path, days: int
) -> None:
    x, y = np.meshgrid(np.arange(6.0), np.arange(5.0))
    for day in range(days):
        turned = slice(None, None, -1 if day == 1 else 1)
        xr.Dataset(
            {"t2m": (("time", "y", "x"), (280 + x + y)[None], {"units": "K"})},
            {
                "time": [np.datetime64("2001-01-01", "ns") + np.timedelta64(day, "D")],
                "lat": (("y", "x"), (40 + y + 0.1 * x)[:, turned], {"units": "degrees_north"}),
                "lon": (("y", "x"), (10 + x - 0.1 * y)[:, turned], {"units": "degrees_east"}),
            },
        ).to_netcdf(tmp_path / f"{day:02d}.nc")
    source = {"kind": "files", "address": "s3://nowhere/*.nc", "local": "*.nc", "flatten": True}
    recipe = load_recipe(str(write_recipe(sources=[source])))
    with pytest.raises(UserError, match=r"01\.nc is on another grid than 00\.nc: 30 latitude"):
        build(recipe, tmp_path / "stores", tmp_path)
