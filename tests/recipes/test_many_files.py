"""Many alike files are opened as one: the same stores as one by one, in less of the time."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.recipes import build, load_recipe
from climbench.recipes.fields import open_fields
from climbench.recipes.sources import Surroundings, files
from climbench.recipes.sources.source import Opened

from .conftest import weather
from .test_build import arrays

WriteRecipe = Callable[..., Path]


def daily(folder: Path, days: int = 40, **encoding: Any) -> Path:
    """A file of each day, whose times are counted from that day; the names are in another order."""
    folder.mkdir()
    fields = weather("2001-01-01", days)
    fields["t2m"] = fields["t2m"].where(fields["t2m"] > 276)
    for day in range(days):
        one = fields.isel(time=[day]).assign_attrs(tracking_id=f"hdl:{day}", history=f"made {day}")
        one.to_netcdf(folder / f"{(day * 7) % days:02d}.nc", encoding=encoding)
    return folder


def opened(recipe_file: Path, data: Path) -> Opened:
    return open_fields(load_recipe(str(recipe_file)), Surroundings(data, data, data))


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    def switch() -> None:
        monkeypatch.setattr(files, "MANY", 10**9)

    return switch


PACKED = {"dtype": "int16", "scale_factor": 0.01, "add_offset": 280.0, "_FillValue": -1}


@pytest.mark.parametrize(
    "encoding", [{}, {"t2m": PACKED}, {"time": {"units": "hours since 1900-01-01"}}]
)
def test_the_store_is_that_of_files_opened_one_by_one(
    write_recipe: WriteRecipe,
    tmp_path: Path,
    encoding: dict[str, Any],
    one_by_one: Callable[[], None],
) -> None:
    data = daily(tmp_path / "archive", **encoding)
    recipe = write_recipe(output={"chunk": 4, "shard": 12})
    assert len(opened(recipe, data).dataset["2m_temperature"].chunks[0]) == 40
    stores = [build(load_recipe(str(recipe)), tmp_path / "together", data)]
    one_by_one()
    stores.append(build(load_recipe(str(recipe)), tmp_path / "apart", data))
    assert arrays(stores[0]) == arrays(stores[1])
    assert (stores[0] / "zarr.json").read_text() == (stores[1] / "zarr.json").read_text()
    lines = [(one / "ledger.jsonl").read_text().splitlines() for one in stores]
    inputs = [
        [sorted(json.loads(line)["inputs"], key=lambda i: str(i["tracking_id"])) for line in one]
        for one in lines
    ]
    assert inputs[0] == inputs[1]
    assert [one["address"] for one in inputs[0][0][:3]] == [
        "00.nc",
        "07.nc",
        "30.nc",
    ]  # 0, 1 and 10


def test_any_selection_over_many_files_is_right_in_another_process_too(
    write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    lazy = opened(write_recipe(), daily(tmp_path / "archive")).dataset["2m_temperature"]
    lazy = pickle.loads(pickle.dumps(lazy))
    expected = weather("2001-01-01", 40)["t2m"].sortby("lat").where(lambda t2m: t2m > 276)
    for key in (slice(3, 31, 5), slice(None, None, -1), [7, 2, 2, 39], 5):
        found = lazy.isel(time=key)[..., 1:4, 2]
        np.testing.assert_array_equal(found.values, expected.isel(time=key)[..., 1:4, 2].values)


def spoil_units(one: xr.Dataset) -> None:
    one["t2m"].attrs["units"] = "degC"


def spoil_grid(one: xr.Dataset) -> None:
    one["lat"] = one["lat"] + 1


def spoil_time(one: xr.Dataset) -> None:
    one["time"] = one["time"] - np.timedelta64(1, "D")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (spoil_units, r"05\.nc: 't2m' is in 'degC' and in 00\.nc in 'K'"),
        (spoil_grid, r"05\.nc is on another grid than 00\.nc"),
        (spoil_time, r"(05\.nc and \d\d\.nc|\d\d\.nc and 05\.nc) overlap"),
    ],
)
def test_the_one_that_differs_is_named(
    write_recipe: WriteRecipe,
    tmp_path: Path,
    spoil: Callable[[xr.Dataset], None],
    sentence: str,
) -> None:
    data = daily(tmp_path / "archive")
    with xr.open_dataset(data / "05.nc") as file:
        one = file.load()
    spoil(one)
    one.to_netcdf(data / "05.nc")
    with pytest.raises(UserError, match=sentence):
        opened(write_recipe(), data)


def test_files_of_different_packing_are_opened_one_by_one(
    write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    data = daily(tmp_path / "archive", t2m=PACKED)
    with xr.open_dataset(data / "05.nc") as file:
        one = file.load()
    one["t2m"].encoding = PACKED | {"scale_factor": 0.02}
    one.to_netcdf(data / "05.nc")
    found = opened(write_recipe(), data).dataset["2m_temperature"].sortby("latitude")
    expected = weather("2001-01-01", 40)["t2m"].where(lambda t2m: t2m > 276).sortby("lat")
    np.testing.assert_allclose(found.values, expected.values, atol=0.015)


def numbered(times: list[Any], units: str, dtype: str, path: Path) -> None:
    fields = weather("2001-01-01", len(times))
    numbers = np.array(times, dtype)
    fields.assign_coords(time=("time", numbers, {"units": units})).to_netcdf(path)


@pytest.mark.parametrize(
    ("units", "hour", "dtype"),
    [("days", 1 / 24, "f8"), ("seconds", 3600, "f4"), ("hours", 1, "i1")],
)
def test_each_day_counts_from_its_own_midnight(
    write_recipe: WriteRecipe, tmp_path: Path, units: str, hour: float, dtype: str
) -> None:
    for day in range(20):
        path = tmp_path / f"{day:02d}.nc"
        numbered([hour * n for n in range(24)], f"{units} since 2001-01-{day + 1:02d}", dtype, path)
    found = opened(write_recipe(), tmp_path).dataset
    np.testing.assert_array_equal(
        found["time"].values, xr.date_range("2001-01-01", periods=480, freq="h").values
    )


def test_a_declared_calendar_holds_between_files_too(
    write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    for month in range(36):
        units = f"days since {2000 + month // 12}-{month % 12 + 1:02d}-01"
        numbered([14.0], units, "f8", tmp_path / f"{month:02d}.nc")
    source = {"kind": "files", "address": "s3://nowhere/*.nc", "local": "*.nc"}
    found = opened(write_recipe(sources=[source | {"calendar": "noleap"}]), tmp_path).dataset
    assert {date.day for date in found["time"].values} == {15}
