"""Small runs of CMIP6, in the tree and under the names of its archives."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

ROWS, COLUMNS = 4, 6
CALENDARS = {"NorESM2-LM": "noleap", "UKESM1-0-LL": "360_day", "MPI-ESM1-2-LR": "standard"}
FREQUENCIES = {"Amon": "MS", "day": "D", "6hrPlevPt": "6h"}
LENGTHS = {"MS": 6, "D": 8, "6h": 12}  # digits of the times in a file name
LEVELLED = ("zg", "ta", "ua", "va", "hus")
UNITS = {"tas": "K", "tasmax": "K", "tasmin": "K", "ta": "K", "pr": "kg m-2 s-1"}


def fields(
    variable: str,
    table: str,
    model: str,
    scenario: str,
    member: int,
    years: Sequence[int],
    rows: int = ROWS,
) -> xr.Dataset:
    """Months, days or six-hourly times of whole years.

    The mean of a year in the first cell is 280 + (year - 2000) + member, or nearly so.
    """
    frequency, calendar = FREQUENCIES[table], CALENDARS.get(model, "standard")
    end = "12-30" if calendar == "360_day" else "12-31"
    first, last = f"{years[0]}-01-01", f"{years[-1]}-{end}"
    if frequency == "6h":  # the archive's files begin at six and end at midnight
        first, last = f"{first} 06:00", f"{years[-1] + 1}-01-01"
    time = xr.date_range(first, last, freq=frequency, calendar=calendar, use_cftime=True)
    year = np.array([one.year for one in time])[:, None, None]
    value = {"pr": 1e-5, "tasmax": 285.0, "tasmin": 275.0}.get(variable, 280.0)
    there_and_back = 0.1 * (-1.0) ** np.arange(time.size)[:, None, None]
    steep = 0.01 * (year - 1950) * (1.1 if variable == "tasmax" else 1.0)
    pattern = steep * np.arange(COLUMNS) * np.ones((rows, 1))
    change = (year - 2000 + member + there_and_back + pattern) * (1e-7 if variable == "pr" else 1)
    data = (value + change).astype(np.float32)
    dims = ["time", "lat", "lon"]
    coordinates = {
        "time": time,
        "lat": ("lat", -90 + 180 / rows * (np.arange(rows) + 0.5), {"units": "degrees_north"}),
        "lon": ("lon", 60.0 * np.arange(COLUMNS), {"units": "degrees_east"}),
        "height": ((), 2.0, {"units": "m"}),
    }
    if table == "6hrPlevPt" and variable in LEVELLED:
        data = np.stack([data, data - 50], axis=1)
        dims.insert(1, "plev")
        plev = ("plev", [85000.0, 50000.0], {"units": "Pa", "standard_name": "air_pressure"})
        coordinates["plev"] = plev
    attributes = {"tracking_id": f"hdl:21.14100/{variable}-{scenario}-{member}"}
    units = {"units": UNITS.get(variable, "1")}
    return xr.Dataset({variable: (dims, data, units)}, coordinates, attributes)


def write_run(
    root: Path,
    model: str,
    scenario: str,
    member: str,
    variables: Mapping[str, str],
    years: Sequence[int],
    *,
    version: str = "v20190815",
    grid: str = "gn",
    years_of_a_file: int = 2,
    shift: float = 0.0,
    rows: int = ROWS,
) -> None:
    """Write the files of a run: CMIP6/ACTIVITY/INSTITUTION/MODEL/.../GRID/VERSION/NAME.nc."""
    activity = "CMIP" if scenario == "historical" else "ScenarioMIP"
    number = int(member[1:].partition("i")[0])
    for variable, table in variables.items():
        folder = root / "CMIP6" / activity / "HERE" / model / scenario / member / table / variable
        folder = folder / grid / version
        folder.mkdir(parents=True, exist_ok=True)
        for first in range(years[0], years[-1] + 1, years_of_a_file):
            inside = range(first, min(first + years_of_a_file, years[-1] + 1))
            dataset = fields(variable, table, model, scenario, number, inside, rows)
            if shift:
                dataset[variable] = (dataset[variable] + np.float32(shift)).assign_attrs(
                    dataset[variable].attrs
                )
            ends = [one.strftime("%Y%m%d%H%M") for one in dataset["time"].values[[0, -1]]]
            digits = LENGTHS[FREQUENCIES[table]]
            span = "-".join(text[:digits] for text in ends)
            name = f"{variable}_{table}_{model}_{scenario}_{member}_{grid}_{span}.nc"
            dataset.to_netcdf(folder / name, engine="netcdf4")


def write_catalogue(root: Path, path: Path, address: str) -> None:
    """Turn a tree of files into Zarr 2 stores, and write Pangeo's table of them."""
    rows = []
    for folder in sorted({file.parent for file in root.rglob("*.nc")}):
        parts = folder.relative_to(root).parts
        files = sorted(folder.glob("*.nc"))
        dataset = xr.open_mfdataset(files, decode_times=False, data_vars="minimal")
        store = path.parent / folder.relative_to(root)
        shutil.rmtree(store, ignore_errors=True)
        dataset.load().drop_encoding().to_zarr(store, zarr_format=2, consolidated=True)
        names = ("activity_id", "institution_id", "source_id", "experiment_id", "member_id")
        names += ("table_id", "variable_id", "grid_label")
        row = dict(zip(names, parts[1:9], strict=True))
        row["zstore"] = f"{address}{store.relative_to(path.parent).as_posix()}/"
        rows.append(row | {"dcpp_init_year": "", "version": parts[9].lstrip("v")})
    pd.DataFrame(rows).to_csv(path, index=False)


def input4mips(root: Path, sources: Mapping[str, str], rows: int = 18, columns: int = 36) -> None:
    """Write emissions in input4MIPs' tree; the name of the source by scenario."""
    from . import emulation_archives as emulation

    for scenario, source in sources.items():
        past = scenario == "historical"
        target, owner = ("CMIP", "PNNL-JGCRI") if past else ("ScenarioMIP", "IAMC")
        years = (2013, 2014) if past else (2015, 2020)
        for species in ("SO2", "BC"):
            variable = f"{species}_em_anthro"
            folder = root / "input4MIPs/CMIP6" / target / owner / source / "atmos/mon" / variable
            folder = folder / "gn/v20170519"
            folder.mkdir(parents=True)
            span = f"{years[0]}01-{years[-1]}12"
            name = f"{species}-em-anthro_input4MIPs_emissions_{target}_{source}_gn_{span}.nc"
            emulation.input4mips_file(variable, years, rows, columns).to_netcdf(folder / name)
