"""Tables of global means: every number of the table is the store's one cell of that year."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.grids import latitude_bounds, longitude_bounds
from climbench.recipes import build, load_recipe
from climbench.store import open_store

SCENARIOS = ["historical", "ssp245"]


@pytest.fixture
def table(tmp_path: Path) -> xr.Dataset:
    """Two members; 1850 to 1852 and 2015 to 2016."""
    past, future = [[286.0, 287.0, 288.0], [287.0] * 3], [[289.0, 290.0], [291.0, 289.5]]
    return xr.Dataset(
        {
            "tas_historical": (("member", "time_hist"), past, {"units": "K"}),
            "tas_ssp245": (("member", "time_ssp"), future, {"units": "K"}),
        },
        {"member": ["r1", "r14"], "time_hist": [1850, 1851, 1852], "time_ssp": [2015, 2016]},
    )


def built(table: xr.Dataset, folder: Path, **source: object) -> xr.Dataset:
    table.to_netcdf(folder / "table.nc")
    options = {"kind": "global_means", "local": "table.nc", "scenarios": SCENARIOS, **source}
    steps = [{"derive": {"anomaly": {"of": ["tas"], "period": ["1850", "1852"],
                                     "scenario": "historical"}}}]  # fmt: skip
    over = {"sources": [options, {"kind": "emissions"}], "steps": steps}
    return open_store(build(load_recipe("cmip6_global_mean", over), folder / "stores", folder))


def test_each_number_is_a_year_of_a_member(table: xr.Dataset, tmp_path: Path) -> None:
    store = built(table, tmp_path)
    assert dict(store["tas"].sizes) == {
        "scenario": 2, "member": 2, "time": 5, "latitude": 1, "longitude": 1,
    }  # fmt: skip
    future = store["tas_anomaly"].sel(scenario="ssp245").dropna("time", how="all")
    assert future["time"].dt.year.values.tolist() == [2015, 2016]
    # less the mean over members and years of the past: 287
    np.testing.assert_allclose(future.values[..., 0, 0], [[2.0, 3.0], [4.0, 2.5]])


def test_the_one_cell_is_the_globe(table: xr.Dataset, tmp_path: Path) -> None:
    store = built(table, tmp_path)
    assert latitude_bounds(store["latitude"].values).tolist() == [-90, 90]
    assert longitude_bounds(store["longitude"].values).tolist() == [0, 360]


def test_mistakes_are_named(table: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no 'tas_ssp585' along time_ssp.*'tas_ssp245'"):
        built(table, tmp_path, scenarios=["historical", "ssp585"])
    with pytest.raises(UserError, match=r"other\.nc is not there: check data_root"):
        built(table, tmp_path, local="other.nc")
    with pytest.raises(UserError, match="give data_root=FOLDER"):
        build(load_recipe("cmip6_global_mean"), tmp_path / "stores")
    table["tas_ssp245"][1, 0] = np.nan
    with pytest.raises(UserError, match="member r14 lacks years of ssp245"):
        built(table, tmp_path)


@pytest.mark.data
@pytest.mark.parametrize(
    ("recipe", "model", "members"),
    [
        ("cmip6_global_mean", "MPI-ESM1-2-LR", 10),
        ("cmip6_global_mean_ipsl", "IPSL-CM6A-LR", 6),
    ],
)
def test_the_real_tables(
    data_root: Path, tmp_path: Path, recipe: str, model: str, members: int
) -> None:
    store = open_store(build(load_recipe(recipe), tmp_path, data_root))
    with xr.open_dataset(data_root / f"cmip_global_mean/gmst_{model}.nc") as given:
        late = given["tas_ssp370"].sel(time_ssp=slice(2081, 2100)).mean().item()
        early = given["tas_historical"].sel(time_hist=slice(1850, 1900)).mean().item()
    found = store["tas_anomaly"].sel(scenario="ssp370", time=slice("2081", "2100"))
    assert found.sizes["member"] == members
    assert found.mean().item() == pytest.approx(late - early, abs=1e-3)
