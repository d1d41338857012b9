"""What a part must pass: constant fields are refused, what repeats by nature is not."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.recipes import build, load_recipe
from climbench.recipes.checks import check_part
from climbench.recipes.constant_fields import check_constant
from climbench.store import open_store, shard_files
from climbench.store.provenance import file_sha256

from .conftest import weather

WriteRecipe = Callable[..., Path]
RECIPE = load_recipe("planet_weather")


def fields(values: np.ndarray, name: str = "2m_temperature", hours: int = 6) -> xr.DataArray:
    time = np.datetime64("2000-01-01", "ns") + np.arange(len(values)) * np.timedelta64(hours, "h")
    return xr.DataArray(values, {"time": time}, ("time", "latitude", "longitude"), name)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(280, 10, shape).astype("f4")


def test_one_number_everywhere_is_refused() -> None:
    values = noise(10, 4, 8)
    values[3] = 273.15
    values[3, 0, 0] = np.nan
    with pytest.raises(UserError, match=r"is 273.15 everywhere at 2000-01-01T18:00:00"):
        check_constant(fields(values), RECIPE, [])
    allowed = load_recipe("planet_weather", {"checks": {"constant_fields": ["2m_temperature"]}})
    check_constant(fields(values), allowed, [])


@pytest.mark.parametrize(
    ("name", "number", "refused"),
    [
        ("total_precipitation_6hr", 0.0, False),  # a dry day
        ("sea_ice_cover", 0.0, False),  # summer
        ("total_cloud_cover", 1.0, False),  # overcast
        ("total_cloud_cover", 0.5, True),
        ("10m_u_component_of_wind", 0.0, True),  # nowhere is it calm everywhere
        ("10m_u_component_of_wind", 9999.0, True),
        ("something_unknown", 0.0, False),
        ("something_unknown", 1.0, True),
    ],
)
def test_what_may_be_one_number(name: str, number: float, refused: bool) -> None:
    values = noise(10, 4, 8)
    values[3] = number
    if refused:
        with pytest.raises(UserError, match="everywhere at"):
            check_constant(fields(values, name), RECIPE, [])
    else:
        check_constant(fields(values, name), RECIPE, [])


@pytest.mark.parametrize("stretch", [slice(4, 6), slice(20, 30), slice(3, 25), slice(0, 2)])
def test_a_stretch_that_stands_still_is_refused(stretch: slice) -> None:
    values = noise(30, 4, 8)
    values[stretch] = values[stretch.start]
    values[:, 0, 0] = np.nan
    times = fields(values)["time"].values.astype("datetime64[s]").astype(str)
    sentence = f"does not change from {times[stretch.start]} to {times[stretch.stop - 1]}"
    with pytest.raises(UserError, match=sentence):
        check_constant(fields(values), RECIPE, [])


def test_what_is_renewed_daily_or_never_or_in_few_cells_passes() -> None:
    daily = np.repeat(noise(8, 4, 8), 4, axis=0)  # sea surface temperature in six-hourly fields
    check_constant(fields(daily[1:-1]), RECIPE, [])
    static = np.repeat(noise(1, 4, 8), 30, axis=0)  # a mask that an archive repeats
    check_constant(fields(static), RECIPE, [])
    ice = np.zeros((30, 4, 8), "f4")  # grows in a few cells, on some days
    ice[:, 0, :4] = np.linspace(0.1, 0.9, 30)[:, None]
    ice[10:14] = ice[10]
    check_constant(fields(ice, "sea_ice_cover"), RECIPE, [])
    rain = np.where(np.arange(30)[:, None, None] % 3 == 0, noise(30, 4, 8), 0).astype("f4")
    check_constant(fields(rain, "something_unknown"), RECIPE, [])
    check_constant(fields(noise(30, 1, 1).repeat(2, axis=0)), RECIPE, [])  # a single point
    check_constant(fields(static)[0].drop_vars("time"), RECIPE, [])


def test_a_level_that_is_stuck_is_found_among_others() -> None:
    good, bad = noise(20, 4, 8), noise(20, 4, 8)
    bad[7:9] = bad[7]
    both = xr.concat([fields(good), fields(bad)], dim="level").transpose("time", "level", ...)
    with pytest.raises(UserError, match="does not change"):
        check_constant(both, RECIPE, [])
    check_constant(both.isel(level=[0]), RECIPE, [])


@pytest.mark.data
def test_real_archives_pass(data_root: Path) -> None:
    slp = xr.open_dataset(data_root / "ncep_slp_natl" / "ncep_slp_natl_daily_2001-2008.nc")
    slp = slp.rename(lat="latitude", lon="longitude")
    check_constant(slp["slp"].load(), RECIPE, [])
    merra = xr.open_dataset(data_root / "merra2_us" / "MERRA2_400.inst1_2d_asm_Nx.20200329.nc4")
    for array in merra.rename(lat="latitude", lon="longitude").load().data_vars.values():
        check_constant(array, RECIPE, [])


def test_a_build_names_the_source_of_a_stuck_field(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    broken = weather("2001-01-11", 10)
    broken["t2m"][4] = broken["t2m"][3]
    (archive / "b.nc").unlink()
    broken.to_netcdf(archive / "b.nc")
    recipe = load_recipe(str(write_recipe(output={"chunk": 10, "shard": 10})))
    sentence = r"from b\.nc does not change from 2001-01-14T00:00:00 to 2001-01-15T00:00:00 .*"
    with pytest.raises(UserError, match=sentence + r"checks\.constant_fields"):
        build(recipe, tmp_path / "stores", archive)


def test_missing_values_are_counted_and_named_by_inspect(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    import io

    from rich.console import Console

    from climbench.store import describe_store

    holed = weather("2001-01-11", 10)
    holed["t2m"][4:6] = np.nan
    holed["t2m"][0, 0, 0] = np.nan
    (archive / "b.nc").unlink()
    holed.to_netcdf(archive / "b.nc")
    recipe = load_recipe(str(write_recipe(checks={"missing_values": ["2m_temperature"]})))
    path = build(recipe, tmp_path / "stores", archive)
    entries = [json.loads(line) for line in (path / "ledger.jsonl").read_text().splitlines()]
    assert [one["missing"].get("2m_temperature", {}).get("missing") for one in entries] == [
        None,
        97,
        None,
    ]
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(describe_store(path))
    row = next(line for line in console.export_text().splitlines() if "10.1 %" in line)
    assert "2: 2001-01-15T00:00 to 2001-01-16T00:00" in row


def test_the_ledger_has_the_checksum_of_every_shard(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    path = build(load_recipe(str(write_recipe())), tmp_path / "stores", archive)
    recorded: dict[str, str] = {}
    for line in (path / "ledger.jsonl").read_text().splitlines():
        recorded |= json.loads(line)["files"]
    shards = {file for name in open_store(path).data_vars for file in shard_files(path, name)}
    on_disk = {f"store/{f.relative_to(path).as_posix()}": file_sha256(f) for f in shards}
    assert {k: v for k, v in recorded.items() if k.startswith("store/")} == on_disk
    assert on_disk.keys() >= {f"store/2m_temperature/c/{n}/0/0" for n in range(3)}


def test_checks_report_nothing_where_nothing_is_missing() -> None:
    part = fields(noise(4, 4, 8)).assign_attrs(units="K").to_dataset()
    assert check_part(part, RECIPE, []) == {}


@pytest.mark.parametrize("dimension", ["column", "station"])
def test_columns_and_stations_are_held_to_it_too(dimension: str) -> None:
    moving = noise(20, 4, 5).reshape(20, 20)
    for broken in (np.full_like(moving, 280.0), np.r_[moving[:10], moving[9:19]]):
        array = fields(broken.reshape(20, 4, 5)).stack({dimension: ("latitude", "longitude")})
        with pytest.raises(UserError, match=r"everywhere at|does not change from"):
            check_constant(array, RECIPE, [])
    few = fields(np.full((20, 1, 5), 280.0)).stack({dimension: ("latitude", "longitude")})
    check_constant(few, RECIPE, [])  # five may well be the same
