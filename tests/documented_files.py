"""What the names in the lines of README and docs stand for: small files under these names."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
import yaml
from doc_pages import ROOT, blocks
from small_scores import forecast_scores, red_noise, scenario_scores
from small_stores import stations, weather

from climbench.evaluation import combine, write_scores
from climbench.recipes import load_recipe
from climbench.variables import variable
from tests.recipes.cmip_archives import write_run
from tests.recipes.column_files import write_pairs
from tests.recipes.test_small_archives import write_weatherbench1
from tests.recipes.weatherbench2 import ERA5_5P625, OFFSET
from tests.recipes.weatherbench2 import write_archive as write_archive_of_era5

ON_LEVELS = ("u_component_of_wind", "v_component_of_wind", "vertical_velocity", "specific_humidity")

NAMES = {
    "README.md": {
        "P": "files/forecast.zarr",
        "STORE": "files/era5.zarr",
        "A.nc": "files/mine/scores.nc",
        "B.nc": "files/line/scores.nc",
        "runs/A": "runs/quickstart",
        "runs/B": "runs/ipsl_pattern_scaling",
    },
    "docs/columns.md": {
        "MINE.nc": "runs/climsim_twin/predict/column_regression-*/predictions.zarr",
        "STORE": "stores/climsim_twin-*.zarr",
    },
    "docs/emulation.md": {
        "mine.zarr": "runs/climatebench/predict/pattern_scaling-*/predictions.zarr",
        "STORE": "stores/planet_climatebench-*.zarr",
        "CHECKPOINT": "runs/climatebench/train/pattern_scaling-*/checkpoint.ckpt",
        "mine": "files/emulator",
        "lps": "files/lps",
    },
    "docs/gate.md": {"SCORES": "files/mine/scores.nc", "RULES": "conf/gate/not_worse.yaml"},
    "docs/recipes.md": {"STORE": "stores/ncep_slp-*.zarr"},
    "docs/site.md": {
        "runs/mine": "runs/ipsl_pattern_scaling",
        "a": "files/mine",
        "b": "files/line",
    },
    "docs/stations.md": {
        "FORECASTS.zarr": "files/forecast.zarr",
        "ERA5.zarr": "files/era5.zarr",
        "STORE": "files/stations.zarr",
    },
    "docs/tutorial.md": {"runs/a": "files/tutorial"},
}
"""Names of a page, and where what they stand for lies."""
EVERYWHERE = {
    **dict.fromkeys(("DIR", "DATA", "FOLDER"), "archive"),
    **dict.fromkeys(("TABLES", "FOLDER_OR_FILE"), "files/tables"),
    **{name: f"files/{name}" for name in ("era5.zarr", "forecast.zarr", "ens.zarr")},
    **{name: name for name in ("runs", "stores")},
}
"""Names of all pages."""


def write_archive(folder: Path, data_root: Path) -> None:
    """Lay out the real files, and beside them small ones in the layout of larger archives."""
    folder.mkdir()
    for real in data_root.iterdir():
        if real.name != "climsim":
            (folder / real.name).symlink_to(real)
    (folder / "climsim").mkdir()
    for real in (data_root / "climsim").iterdir():
        (folder / "climsim" / real.name).symlink_to(real)
    # recipes take every sixth or seventh: of 43 pairs the last is one of both
    list(write_pairs(folder / "climsim/train", data_root, 43, every=36))
    write_weather2k(folder / "weather2k", stations=115, days=151)
    for member in ("r1i1p1f1", "r2i1p1f1", "r3i1p1f1"):
        years = range(2015, 2051)
        run = ("CanESM5", "ssp126", member, {"tasmax": "day"})
        write_run(folder / "cmip6", *run, years, years_of_a_file=18)
    for name in ("geopotential_500", "temperature_850"):
        path = folder / f"weatherbench1/{name}/{name}_5.625deg.zip"
        write_weatherbench1(path, name, last="2018-01-27")
    (source,) = (data_root / "ncep_slp_natl").glob("*.nc")
    (folder / "example").mkdir()
    with xr.open_dataset(source) as pressure:
        for year in ("2001", "2002"):
            pressure.sel(time=year).to_netcdf(folder / f"example/slp.{year}.nc")


def write_weather2k(folder: Path, stations: int, days: int) -> None:
    """Stations x 23 factors x hours, as the authors lay them out: a daily cycle and noise."""
    hours, drawn = 24 * days, np.random.default_rng(0)
    data = drawn.normal(50, 5, size=(stations, 23, hours)).astype(np.float32)
    data[:, 4] += 10 * np.sin(2 * np.pi * np.arange(hours) / 24)
    places = drawn.uniform((38, 112, 0), (42, 118, 900), size=(stations, 3))
    data[:, :3] = places[:, :, None]
    data[1, 4, 100:130] = np.nan
    folder.mkdir()
    np.save(folder / "data.npy", data)


def write_files(folder: Path) -> None:
    """Write forecasts with their truth, observations, scores and a table."""
    folder.mkdir()
    days = pd.date_range("1979-01-01", "2020-12-31")
    truth = weather(days.values).interp(latitude=np.linspace(-67.5, 67.5, 7)).astype(np.float32)
    truth["land_sea_mask"] = (truth.orography.dims, np.tile([0.0, 1.0], (7, 4)))
    truth.to_zarr(folder / "era5.zarr", encoding={"time": {"chunks": (len(days),)}})
    starts = pd.date_range("2020-01-01", "2020-12-28")
    forecast = forecasts_of(truth[["geopotential", "2m_temperature"]], starts, leads=[24, 72])
    forecast.to_zarr(folder / "forecast.zarr")
    noise = xr.DataArray(np.random.default_rng(1).normal(size=5), dims="member")
    (forecast[["2m_temperature"]] + noise).to_zarr(folder / "ens.zarr")
    hours = pd.date_range("2020-01-01", "2020-12-31", freq="6h")
    stations(hours.values).to_zarr(folder / "stations.zarr")
    table = pd.DataFrame(red_noise((2000, 3), 0.9), columns=["A", "B", "C"])
    table.index = pd.date_range("2024-01-01", periods=2000, freq="10min", name="time")
    (folder / "tables").mkdir()
    table.to_csv(folder / "tables/record.csv")
    write_all_scores(folder)


def forecasts_of(truth: xr.Dataset, starts: pd.DatetimeIndex, leads: list[int]) -> xr.Dataset:
    """Return forecasts, hours ahead: what came, and an error of one unit."""
    leads = pd.to_timedelta(leads, "h")
    axes = {"start": starts, "prediction_timedelta": leads}
    valid = xr.DataArray(starts.values[:, None] + leads.values, axes, tuple(axes))
    found = truth.sel(time=valid).drop_vars("time").rename(start="time")
    noise = np.random.default_rng(2)
    return found.map(lambda one: one + noise.normal(size=one.shape).astype(np.float32))


def write_bucket(root: Path, hres: str, analysis: str, climatology: str, graphcast: str) -> None:
    """Write ERA5 of four years as Google's bucket has it, with all variables, and forecasts."""
    times = xr.date_range("2017", "2020-12-31T18", freq="6h")
    known = write_archive_of_era5(root / ERA5_5P625, times, chunk=1000)
    more = {}
    for name in {*load_recipe("era5_wb2_5p625").variables} - {*known}:
        like = "temperature" if name in ON_LEVELS else "2m_temperature"
        low, high = variable(name).valid_min, variable(name).valid_max
        share = known[like] - OFFSET[like]  # of the range, 0 to 1
        more[name] = (low + (0.4 + 0.2 * share) * (high - low)).astype(np.float32)
        more[name].attrs["units"] = variable(name).units
    xr.Dataset(more).to_zarr(root / ERA5_5P625, mode="a", zarr_format=2, consolidated=True)
    truth = known[["geopotential", "2m_temperature"]].sel(time="2020")
    forecast = forecasts_of(truth, xr.date_range("2020", "2020-04-01", freq="12h"), leads=[12, 24])
    days = truth.isel(time=slice(4)).rename(time="hour").assign_coords(hour=[0, 6, 12, 18])
    mean = days.expand_dims(dayofyear=np.arange(1, 367), axis=1)
    stores = {hres: forecast, graphcast: forecast, analysis: truth, climatology: mean}
    for address, store in stores.items():
        store.drop_encoding().to_zarr(root / address, zarr_format=2, consolidated=True)


def write_all_scores(folder: Path) -> None:
    """Write scores of a model that beats the straight line, of forecasts and of scenarios."""
    error = red_noise((120, 3, 2, 1), 0.4)
    leads = {"leads": (24, 72)}
    line = forecast_scores("linear_regression", 2 * error[::-1], **leads)
    mine = forecast_scores("two_convolutions", error, **leads)
    write_scores(mine, folder / "mine")
    write_scores(line, folder / "line")
    write_scores(combine([mine, line]), folder / "tutorial")
    write_scores(scenario_scores("mine", 0.5), folder / "emulator")
    write_scores(scenario_scores("lps", 1.0), folder / "lps")


def write_blocks(page: Path, folder: Path) -> None:
    """Write the files that a page shows, and those that it tells its reader to write."""
    for block in blocks(page):
        if re.fullmatch(r"[\w/]+\.(py|yaml)", block.info):
            (folder / block.info).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.info).write_text(block.text)
        elif block.text.startswith("year,"):
            (folder / "my_scenario.csv").write_text(block.text)
        elif block.info == "recipe":
            (folder / "example_slp.yaml").write_text(block.text)
            write_own_experiment(folder / "my_conf/experiment/example_slp.yaml")


def write_own_experiment(path: Path) -> None:
    """Copy an experiment and change in it what docs/own_archive.md says."""
    text = (ROOT / "conf/experiment/ncep_slp.yaml").read_text()
    options = yaml.safe_load(text) | {"name": "example_slp", "recipe": "example_slp.yaml"}
    options["task"] |= {
        "train": ["2001-01-01", "2001-12-31"],
        "validation": ["2002-01-01", "2002-06-30"],
        "test": ["2002-07-01", "2002-12-31"],
    }
    path.parent.mkdir(parents=True)
    path.write_text(f"# @package _global_\n{yaml.safe_dump(options, sort_keys=False)}")


def lay_names(folder: Path, shared: Path, page: str) -> None:
    """Put the names of a page in its folder, for as many as there is something to stand for."""
    for name, place in (EVERYWHERE | NAMES.get(page, {})).items():
        root = ROOT if place.startswith("conf/") else shared
        link = folder / name
        for real in root.glob(place):
            if not link.is_symlink():
                link.symlink_to(real)
