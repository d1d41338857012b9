"""ClimSim: pairs of files of the true layout in, columns with tendencies out."""

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr

from climbench.columns import column_variables, column_vectors
from climbench.errors import UserError
from climbench.recipes import build, load_recipe, plan
from climbench.store import read_statistics
from climbench.testing.recipe_contract import check_recipe
from tests.recipes.column_files import statistics_of, write_pairs

STEPS = 15  # every seventh of them are three
pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, data_root: Path) -> Path:
    """A folder like data_root, with the first five hours of the archive."""
    root = tmp_path_factory.mktemp("climsim")
    list(write_pairs(root / "climsim/train", data_root, STEPS))
    grid = "climsim/ClimSim_low-res_grid-info.nc"
    (root / grid).write_bytes((data_root / grid).read_bytes())
    return root


@pytest.fixture(scope="module")
def store(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    overrides = {
        "dates": {"start": "0001-02-01", "end": "0001-02-01"},
        "statistics": {"period": ["0001-02-01", "0001-02-01"]},
    }
    return check_recipe("climsim", tmp_path_factory.mktemp("stores"), overrides, archive)


def test_every_variable_of_both_vectors_is_there_in_the_published_order(store: xr.Dataset) -> None:
    for version, sizes in {"v1": (124, 128), "v2": (557, 368)}.items():
        vectors = column_vectors(version)
        names = (vectors.inputs, vectors.targets)
        assert tuple(vectors.length(one) for one in names) == sizes
        for name in (*vectors.inputs, *vectors.targets):
            levels = column_variables()[name].levels
            dims = ("time", "level", "column") if levels else ("time", "column")
            assert store[name].dims == dims
    assert set(store.data_vars) == set(column_variables())


def test_the_stride_counts_from_the_first_step(store: xr.Dataset) -> None:
    minutes = [t.hour * 60 + t.minute for t in store["time"].values]
    assert minutes == [140 * n for n in range(3)]
    assert store["time"].dt.calendar == "noleap"


def test_values_are_those_of_the_files_and_tendencies_their_difference(
    store: xr.Dataset, archive: Path
) -> None:
    path = archive / "climsim/train/0001-02/E3SM-MMF.mli.0001-02-01-08400.nc"
    with netCDF4.Dataset(path) as before, netCDF4.Dataset(str(path).replace("mli", "mlo")) as after:
        state = np.asarray(before["state_t"][:])
        change = (np.asarray(after["state_t"][:]) - state) / 1200.0
        rain = np.asarray(after["cam_out_PRECC"][:])
    at = store.isel(time=1)
    np.testing.assert_array_equal(at["state_t"], state.astype(np.float32))
    np.testing.assert_array_equal(at["ptend_t"], change.astype(np.float32))
    np.testing.assert_array_equal(at["cam_out_PRECC"], rain.astype(np.float32))


def test_levels_go_down_and_columns_have_their_area(store: xr.Dataset) -> None:
    assert store["level"].values[[0, -1]] == pytest.approx([0.078, 992.6], rel=1e-2)
    assert float(store["area"].sum()) == pytest.approx(4 * np.pi, rel=1e-6)
    assert store["latitude"].dims == store["longitude"].dims == ("column",)


def test_the_fill_value_of_snow_is_missing_and_not_a_number(store: xr.Dataset) -> None:
    snow = store["cam_in_SNOWHICE"]
    assert bool(snow.isel(column=slice(0, None, 2)).isnull().all())
    assert float(snow.max()) < 1e6


def test_statistics_are_weighted_by_area(store: xr.Dataset, archive: Path, tmp_path: Path) -> None:
    overrides = {
        "dates": {"start": "0001-02-01", "end": "0001-02-01"},
        "statistics": {"period": ["0001-02-01", "0001-02-01"]},
        "variables": ["state_ps", "state_t"],
    }
    path = build(load_recipe("climsim", overrides), tmp_path, archive)
    found = read_statistics(path)
    area = store["area"].values
    pressure = store["state_ps"].values.astype(np.float64)
    mean = float((pressure * area).sum() / (area.sum() * len(pressure)))
    assert float(found["state_ps"].sel(statistic="mean")) == pytest.approx(mean, rel=1e-9)
    assert float(found["state_ps"].sel(statistic="mean_plain")) == pytest.approx(pressure.mean())
    assert abs(mean - pressure.mean()) > 0.01  # a plain mean is another one
    assert found["state_t"].sizes["level"] == 60


def test_generated_files_have_the_published_moments(store: xr.Dataset, data_root: Path) -> None:
    published = statistics_of(data_root)["mli_state_tlev_60"]
    lowest = store["state_t"].isel(level=-1)
    assert float(lowest.mean()) == pytest.approx(published["Mean"], abs=1.5)


def test_a_file_of_the_archive_has_the_published_size(archive: Path) -> None:
    sizes = {
        part: (archive / f"climsim/train/0001-02/E3SM-MMF.{part}.0001-02-01-00000.nc")
        .stat()
        .st_size
        for part in ("mli", "mlo")
    }
    assert sizes["mli"] == pytest.approx(1.9e6, rel=0.05)
    assert sizes["mlo"] == pytest.approx(1.1e6, rel=0.08)


OTHER_LEVELS: dict[str, Any] = {"levels": 30}


def test_another_number_of_levels_is_refused(
    archive: Path, data_root: Path, tmp_path: Path
) -> None:
    list(write_pairs(tmp_path / "climsim/train", data_root, 1, **OTHER_LEVELS))
    grid = "climsim/ClimSim_low-res_grid-info.nc"
    (tmp_path / grid).write_bytes((archive / grid).read_bytes())
    with pytest.raises(UserError, match="384 columns and 30 levels, its grid file 384 and 60"):
        _plan(tmp_path)


def test_a_lost_half_is_named(archive: Path, data_root: Path, tmp_path: Path) -> None:
    for path in write_pairs(tmp_path / "climsim/train", data_root, 1):
        path.with_name(path.name.replace("mli", "mlo")).unlink()
    grid = "climsim/ClimSim_low-res_grid-info.nc"
    (tmp_path / grid).write_bytes((archive / grid).read_bytes())
    with pytest.raises(UserError, match=r"mlo.0001-02-01-00000.nc is not there"):
        _plan(tmp_path)


def test_a_lost_step_is_a_gap(archive: Path, data_root: Path, tmp_path: Path) -> None:
    paths = list(write_pairs(tmp_path / "climsim/train", data_root, 6))
    paths[3].unlink()
    grid = "climsim/ClimSim_low-res_grid-info.nc"
    (tmp_path / grid).write_bytes((archive / grid).read_bytes())
    with pytest.raises(UserError, match="times are missing between 0001-02-01T00:40:00"):
        _plan(tmp_path, stride=1)


def test_a_file_of_another_time_than_its_name_is_refused(
    archive: Path, data_root: Path, tmp_path: Path
) -> None:
    first, second = list(write_pairs(tmp_path / "climsim/train", data_root, 2))
    second.write_bytes(first.read_bytes())
    grid = "climsim/ClimSim_low-res_grid-info.nc"
    (tmp_path / grid).write_bytes((archive / grid).read_bytes())
    with pytest.raises(UserError, match=r"01200.nc or its other half is of 00010201, second 0"):
        build(_recipe(stride=1), tmp_path / "stores", tmp_path)


def _recipe(stride: int = 7) -> Any:
    source = load_recipe("climsim").sources[0].model_dump() | {"stride": stride}
    dates = {"start": "0001-02", "end": "0001-02"}
    overrides = {"dates": dates, "statistics": {"period": None}, "sources": [source]}
    return load_recipe("climsim", overrides)


def _plan(root: Path, stride: int = 7) -> None:
    plan(_recipe(stride), root)


def test_all_levels_of_a_column_are_one_read(store: xr.Dataset) -> None:
    assert store["state_t"].encoding["chunks"][1] == 60
