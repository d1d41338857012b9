"""Real files of climate models: CMIP6 folders, members without a calendar, days of a year."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml

from climbench.errors import UserError
from climbench.metrics import Regions, region_weights
from climbench.metrics.noise_floor import noise_floor
from climbench.recipes import build, load_recipe
from climbench.store import open_store

pytestmark = pytest.mark.data

ACCESS = "access_esm1_5_drs/CMIP6/CMIP/CSIRO/ACCESS-ESM1-5/{scenario}/{member}/Amon/tas/gn"
RUNS = ("historical", "piControl", "1pctCO2")
ONLY_JANUARY_AND_JULY = "odd_netcdf/tas_Amon_ACCESS-ESM1-5_historical_r1i1p1f1_gn_185001-201412.nc"
CCM = {"57": "all_forcings", "59": "all_forcings", "66": "natural", "69": "natural"}
QUEBEC = "noresm2_daily_quebec/ScenarioMIP_NCC_NorESM2-MM_{scenario}_r1i1p1f1_gn_raw.nc"


def files(local: str, **options: Any) -> dict[str, Any]:
    return {"kind": "files", "address": "-", "local": local, **options}


def built(folder: Path, data_root: Path, sources: list[dict[str, Any]], *steps: Any) -> xr.Dataset:
    about = {"name": "real", "description": "a test", "licence": "see the files", "citation": "-"}
    recipe = folder / "real.yaml"
    recipe.write_text(yaml.safe_dump(about | {"sources": sources, "steps": [{"sort": {}}, *steps]}))
    return open_store(build(load_recipe(str(recipe)), folder, data_root))


def world(field: xr.DataArray) -> xr.DataArray:
    weights = np.cos(np.deg2rad(field["latitude"]))
    return field.astype(np.float64).weighted(weights).mean(["latitude", "longitude"])


def access(annual: str) -> dict[str, Any]:
    labels = {"scenario": list(RUNS), "member": "r1i1p1f1"}
    place = f"{ACCESS.replace('{member}', 'r1i1p1f1')}/*/tas_Amon_*.nc"
    return files(place, coordinates=labels, variables=["tas"], annual=annual)


def test_cmip6_folders_are_a_store_of_scenarios(data_root: Path, tmp_path: Path) -> None:
    """Means of the first and last ten years, weighted by days; equal months give 0.01 K less."""
    store = built(tmp_path, data_root, [access("mean")])
    assert store["tas"].dims == ("scenario", "member", "time", "latitude", "longitude")
    found = {
        name: world(store["tas"].sel(scenario=name, member="r1i1p1f1")).dropna("time").values
        for name in RUNS
    }
    assert {name: one.size for name, one in found.items()} == {
        "historical": 15,
        "piControl": 80,
        "1pctCO2": 80,
    }
    ends = {"piControl": (287.69, 287.63), "1pctCO2": (287.70, 289.85)}
    ends |= {"historical": (288.62, 288.69)}
    for name, (first, last) in ends.items():
        assert found[name][:10].mean() == pytest.approx(first, abs=0.015)
        assert found[name][-10:].mean() == pytest.approx(last, abs=0.015)
        (path,) = data_root.glob(
            ACCESS.format(scenario=name, member="r1i1p1f1") + "/*/tas_Amon_*.nc"
        )
        coder = xr.coders.CFDatetimeCoder(use_cftime=True)
        with xr.open_dataset(path, decode_times=coder) as file:
            months = world(file["tas"].rename(lat="latitude", lon="longitude"))
            by_days = months.weighted(months["time"].dt.days_in_month)
            assert found[name].mean() == pytest.approx(float(by_days.mean()), abs=1e-4)
            equal = float(months.isel(time=slice(0, 120)).mean())
        assert equal == pytest.approx(first, abs=0.005)


def test_seasons_of_a_real_model_and_its_warming_arctic_winter(
    data_root: Path, tmp_path: Path
) -> None:
    store = built(tmp_path, data_root, [access("seasons")])
    seasons = [f"tas_{season}" for season in ("djf", "mam", "jja", "son")]
    assert set(store.data_vars) == {"tas", *seasons}
    first = store["tas_djf"].sel(scenario="piControl", member="r1i1p1f1")
    missing = first.isnull().all(["latitude", "longitude"]).values
    assert missing[:80].tolist() == [True, *[False] * 79], "the first winter has no December"
    (path,) = data_root.glob(
        ACCESS.format(scenario="historical", member="r1i1p1f1") + "/*/tas_Amon_*.nc"
    )
    with xr.open_dataset(path) as file:
        months = file["tas"].sel(time=slice("2003-12", "2004-02")).values.astype(np.float64)
    by_hand = (31 * months[0] + 31 * months[1] + 29 * months[2]) / 91
    winter = (
        store["tas_djf"].sel(scenario="historical", member="r1i1p1f1").dropna("time", how="all")
    )
    np.testing.assert_allclose(winter.isel(time=3), by_hand, atol=1e-3)  # 2001, 2002, 2003, 2004
    late = store.sel(member="r1i1p1f1").isel(time=slice(60, 80)).mean("time")
    change = (late.sel(scenario="1pctCO2") - late.sel(scenario="piControl")).sel(
        latitude=slice(70, 90)
    )
    warmer = {name: float(world(change[name])) for name in seasons}
    assert warmer["tas_djf"] > 2 * warmer["tas_jja"] > 0
    assert max(warmer, key=lambda name: warmer[name]) in ("tas_djf", "tas_son")


@pytest.mark.parametrize("annual", ["mean", "seasons", "interpolated"])
def test_a_monthly_file_of_januaries_and_julies_is_refused(
    annual: str, data_root: Path, tmp_path: Path
) -> None:
    source = files(ONLY_JANUARY_AND_JULY, variables=["tas"], annual=annual)
    with pytest.raises(UserError, match=r"185001-201412.nc has 2 times a year.*twelve months"):
        built(tmp_path, data_root, [source])


@pytest.fixture(scope="module")
def ccm(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    """Four members, three of which lack the calendar that the fourth has."""
    sources = [
        files(
            f"ccm_trefht_ensemble/TREFHT.B06.{member}.atm.1890-1999ANN.nc",
            coordinates={"scenario": scenario, "member": member},
            annual="mean",
            rename={"TREFHT": "tas"},
        )
        for member, scenario in CCM.items()
    ]
    return built(tmp_path_factory.mktemp("ccm"), data_root, sources)


def test_members_with_and_without_a_calendar_are_on_one_axis(ccm: xr.Dataset) -> None:
    assert ccm["time"].dt.year.values.tolist() == list(range(1890, 2000))
    assert ccm["member"].values.tolist() == list(CCM)
    trends = {
        member: np.polyfit(np.arange(110), world(run), 1)[0] * 100
        for member, scenario in CCM.items()
        for run in [ccm["tas"].sel(scenario=scenario, member=member)]
    }
    known = {"57": 0.60, "59": 0.52, "66": 0.12, "69": 0.08}  # K per century
    assert trends == pytest.approx(known, abs=0.005)


def test_without_years_their_calendars_do_not_fit_together(data_root: Path, tmp_path: Path) -> None:
    sources = [
        files(
            f"ccm_trefht_ensemble/TREFHT.B06.{member}.atm.1890-1999ANN.nc",
            coordinates={"member": member},
        )
        for member in ("57", "69")
    ]
    with pytest.raises(UserError, match=r"57.*names no calendar, and its times are 365 days apart"):
        built(tmp_path, data_root, sources)


def test_the_noise_floor_of_two_real_members_is_half_their_difference(ccm: xr.Dataset) -> None:
    r"""Of two members the variance is d^2 / 2, that of their mean d^2 / 4."""
    pair = ccm["tas"].sel(scenario="all_forcings", member=["57", "59"]).isel(time=slice(-20, None))
    values = pair.values.reshape(2, 20, -1)
    weights = region_weights(pair["latitude"].values, pair["longitude"].values, ["global"], "cos")
    floor = noise_floor(values, Regions(weights), "rmse")[0]
    difference = pair.sel(member="57").astype(float) - pair.sel(member="59")
    assert floor == pytest.approx(float(np.sqrt(world(difference**2).mean())) / 2, rel=1e-5)
    assert 0.2 < floor < 1.0  # K: a year's weather at a place, in the mean of two


@pytest.fixture(scope="module")
def quebec(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    """Annual mean, 0.9 quantile of the days and their difference, for two futures of a member."""
    indices = (("mean", "tas"), ({"quantile": 0.9}, "tas90"))
    sources = [
        files(
            QUEBEC,
            coordinates={"scenario": ["ssp126", "ssp245"]},
            annual=annual,
            rename={"tas": name},
        )
        for annual, name in indices
    ]
    warm = {"of": "tas90", "less": "tas", "result": "warm_days_above_mean"}
    return built(
        tmp_path_factory.mktemp("quebec"), data_root, sources, {"derive": {"difference": warm}}
    )


def test_the_ninth_tenth_of_a_years_days_by_sorting_them(
    quebec: xr.Dataset, data_root: Path
) -> None:
    with xr.open_dataset(data_root / QUEBEC.format(scenario="ssp245")) as file:
        days = file["tas"].sel(time="2031").values.astype(np.float64)
    assert len(days) == 365
    ordered = np.sort(days, axis=0)
    by_hand = 0.4 * ordered[327] + 0.6 * ordered[328]  # 0.9 x 364 = 327.6
    found = quebec.sel(scenario="ssp245", time="2031-07-01")
    np.testing.assert_allclose(found["tas90"], by_hand, atol=1e-3)
    np.testing.assert_allclose(found["tas"], days.mean(axis=0), atol=1e-3)
    expected = by_hand - days.mean(axis=0)
    np.testing.assert_allclose(found["warm_days_above_mean"], expected, atol=1e-3)
    assert quebec["warm_days_above_mean"].attrs["units"] == "K"


def test_two_futures_of_a_member_share_its_history(quebec: xr.Dataset) -> None:
    assert quebec.sizes["time"] == 51
    one = quebec["tas"]
    same = (one.sel(scenario="ssp126") == one.sel(scenario="ssp245")).all(["latitude", "longitude"])
    assert same.values.tolist() == [True] * 15 + [False] * 36  # to 2014
