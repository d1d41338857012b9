"""Statistics of a built store: several leads, one part or many, the climatology of each cell."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.evaluation import build_climatology
from climbench.evaluation.source import open_source
from climbench.recipes import build, load_recipe, plan
from climbench.store import open_store, read_statistics

from .conftest import weather

WriteRecipe = Callable[..., Path]


@pytest.fixture
def three_years(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    folder.mkdir()
    for year, days in ((2000, 366), (2001, 365), (2002, 365)):
        file = weather(f"{year}-01-01", days)
        day = np.arange(days)[:, None, None]
        noise = np.random.default_rng(year).normal(0, 2, file["t2m"].shape)
        file["t2m"] = file["t2m"] * 0 + 280 + 10 * np.cos(day / 58) + noise.astype("f4")
        file["t2m"].attrs["units"] = "K"
        file.to_netcdf(folder / f"{year}.nc")
    return folder


def built(write_recipe: WriteRecipe, folder: Path, archive: Path, **options: Any) -> Path:
    return build(load_recipe(str(write_recipe(**options))), folder, archive)


def test_a_period_beyond_the_dates_is_cut_and_one_apart_from_them_is_refused(
    three_years: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    options = {"statistics": {"period": [2000, "2001-12-31"]}, "checks": {"gaps": "allow"}}
    dates = {"start": "2001-12-20", "end": "2002-01-10"}
    path = built(write_recipe, tmp_path / "stores", three_years, dates=dates, **options)
    measured = read_statistics(path)
    assert json.loads(measured.attrs["period"]) == ["2001-12-20", "2001-12-31"]
    assert int(measured["2m_temperature"].sel(statistic="count")) == 12 * 6 * 8
    with pytest.raises(UserError, match=r"or statistics\.period=null for all of them"):
        built(write_recipe, tmp_path, three_years, dates={"start": 2002, "end": 2002}, **options)


def test_one_part_and_many_have_the_same_figures(
    three_years: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    """Changes over 24, 72 and 960 hours cross the borders of parts of thirty days."""
    statistics = {"period": ["2000-03-01", "2001-10-31"], "tendency_leads": [24, 72, 960]}
    parts = [
        read_statistics(
            built(
                write_recipe,
                tmp_path / "stores",
                three_years,
                statistics=statistics,
                output={"chunk": shard, "shard": shard},
            )
        )["2m_temperature"]
        for shard in (30, 2000)
    ]
    xr.testing.assert_allclose(parts[0], parts[1], rtol=1e-12)
    with xr.open_mfdataset(sorted(three_years.glob("*.nc"))) as files:
        values = (
            files["t2m"].sel(time=slice(*statistics["period"])).values.astype("f4").astype(float)
        )
    for lead, days in ((24, 1), (72, 3), (960, 40)):
        found = float(parts[0].sel(statistic=f"tendency_std_{lead}h_plain"))
        assert found == pytest.approx((values[days:] - values[:-days]).std(), rel=1e-12)


def test_a_lead_that_is_no_multiple_of_the_step_is_refused(
    three_years: Path, write_recipe: WriteRecipe
) -> None:
    path = str(write_recipe(statistics={"tendency_leads": [24, 30]}))
    with pytest.raises(UserError, match=r"tendency_leads: 30 hours is no multiple of .* 24 hours"):
        plan(load_recipe(path), three_years)


def test_the_climatology_in_the_store_is_that_of_climbench_climatology(
    three_years: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    period = ["2000-01-01", "2001-12-31"]
    options = {"window": 11, "std": True}
    path = built(
        write_recipe,
        tmp_path / "stores",
        three_years,
        statistics={"period": period, "climatology": options},
        output={"chunk": 61, "shard": 366},
    )
    apart = build_climatology(path, period, tmp_path / "apart.zarr", **options)
    kept = open_source(path / "climatology", "climatology").dataset
    expected = open_source(apart, "climatology").dataset
    xr.testing.assert_identical(kept.drop_attrs(deep=False), expected.drop_attrs(deep=False))
    assert kept["2m_temperature"].dims == ("hour", "dayofyear", "latitude", "longitude")
    for name in ("period", "window_days", "variables", "std"):
        assert kept.attrs[name] == expected.attrs[name]
    assert set(open_store(path).data_vars) == {"2m_temperature"}  # a group of its own
    assert set(xr.open_zarr(path).data_vars) == {"2m_temperature"}


@pytest.mark.parametrize(
    ("statistics", "sentence"),
    [
        ({"period": ["2000", "2000-06"]}, "needs a year at least"),
        ({"climatology": {"window": 60}}, "60 days have no middle: take 61"),
        ({"climatology": {"variables": ["t2m"]}}, "no 't2m'.*2m_temperature"),
        ({"climatology": {"windows": 61}}, "unknown option 'windows'.*window"),
    ],
)
def test_a_climatology_that_cannot_be_is_refused(
    three_years: Path, write_recipe: WriteRecipe, statistics: dict[str, Any], sentence: str
) -> None:
    path = str(write_recipe(statistics={"climatology": True} | statistics))
    with pytest.raises(UserError, match=sentence):
        plan(load_recipe(path), three_years)


def test_climates_of_scenarios_have_no_climatology() -> None:
    overrides = {"statistics": {"climatology": True}}
    with pytest.raises(UserError, match=r"has the dimension '(scenario|member)'"):
        plan(load_recipe("planet_climate", overrides))
