"""Small copies of the archives of climate emulation, in their own layout and naming."""

import functools
import tarfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

SCENARIOS = ("historical", "hist-GHG", "hist-aer", "ssp126", "ssp370", "ssp370-lowNTCF", "ssp585")
ROWS, COLUMNS = 6, 8
LATITUDE = np.linspace(-90, 90, ROWS)
LONGITUDE = np.arange(COLUMNS) * 360 / COLUMNS
LAST, FIRST = 2014, 2015
SHORT = 5  # years of a small scenario


def years_of(scenario: str) -> np.ndarray:
    """The last years of history, or the first of a future."""
    past = scenario.startswith("hist")
    return np.arange(LAST - SHORT + 1, LAST + 1) if past else np.arange(FIRST, FIRST + SHORT)


def climatebench(folder: Path) -> None:
    """train_val.tar.gz and test.tar.gz, members on top, axis names by kind."""
    loose = folder / "loose"
    loose.mkdir(parents=True)
    for scenario in (*SCENARIOS, "ssp245"):
        climatebench_inputs(scenario).to_netcdf(loose / f"inputs_{scenario}.nc")
        climatebench_outputs(scenario).to_netcdf(loose / f"outputs_{scenario}.nc")
    climatebench_outputs("piControl").to_netcdf(loose / "outputs_piControl.nc")
    idealised().to_netcdf(loose / "inputs_1pctCO2.nc")
    training = [f for f in sorted(loose.glob("*.nc")) if "ssp245" not in f.name]
    pack(folder / "train_val.tar.gz", training, loose)
    pack(folder / "test.tar.gz", sorted(loose.glob("*_ssp245.nc")), loose)


def climatebench_inputs(scenario: str) -> xr.Dataset:
    years = years_of(scenario)
    emitted = scenario != "hist-aer"
    aerosol = scenario != "hist-GHG"
    maps = np.ones((years.size, ROWS, COLUMNS)) * aerosol
    return xr.Dataset(
        {
            "CO2": ("time", 1500.0 * emitted + 36.0 * np.arange(years.size) * emitted),
            "SO2": (("time", "latitude", "longitude"), 1e-11 * maps),
            "CH4": ("time", np.full(years.size, 0.37) * emitted),
            "BC": (("time", "latitude", "longitude"), 1e-12 * maps),
        },
        {"time": years, "latitude": LATITUDE, "longitude": LONGITUDE},
    )


def climatebench_outputs(scenario: str) -> xr.Dataset:
    """Anomalies [member, time, lat, lon]; member 1 of historical has no range in its first year."""
    years = years_of(scenario)
    count = 1 if scenario in ("ssp126", "ssp585") else 3
    shape = (count, years.size, ROWS, COLUMNS)
    member = np.arange(count)[:, None, None, None]
    warmth = (0.01 * np.arange(years.size)[:, None, None] + 0.1 * member) * np.ones(shape)
    # Scenarios differ: equal ones would be taken for copies of each other.
    warmth += 0.001 * ["ssp245", *SCENARIOS, "piControl"].index(scenario)
    range_ = 0.1 * warmth
    if scenario == "historical":
        range_[0, 0] = np.nan
    dims = ("member", "time", "lat", "lon")
    return xr.Dataset(
        {
            "tas": (dims, warmth.astype("f4")),
            "diurnal_temperature_range": (dims, range_.astype("f4")),
            "pr": (dims, (1e-6 * warmth).astype("f4")),
            "pr90": (dims, 2e-6 * warmth),
        },
        {"member": np.arange(1, count + 1), "time": years, "lat": LATITUDE, "lon": LONGITUDE}
        | {"quantile": 0.9},
    )


def idealised() -> xr.Dataset:
    """1pctCO2: an atmospheric mass, and model years."""
    zeros = np.zeros(150, "f4")
    mass = np.linspace(2, 4951, 150, dtype="f4")
    return xr.Dataset(
        {"CO2": ("time", mass), **{name: ("time", zeros) for name in ("SO2", "CH4", "BC")}},
        {"time": np.arange(1, 151)},
    )


def pack(path: Path, files: Sequence[Path], root: Path) -> None:
    """Write files into a tar.gz under their paths below a folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for file in files:
            archive.add(file, file.relative_to(root).as_posix())


def em_mpi(folder: Path, scenarios: Sequence[str]) -> None:
    """RUNS/SCENARIO/VARIABLE/250_km/FREQUENCY/YEARS/ensemble.nc."""
    for scenario in scenarios:
        years = years_of(scenario)
        for variable, frequency in (("tas", "mon"), ("pr", "mon"), ("dtr", "day"), ("pr90", "day")):
            span = f"{years[0]}-{years[-1]}"
            name = f"r1-r3i1p1f1/{scenario}/{variable}/250_km/{frequency}/{span}/ensemble.nc"
            path = folder / "interim/CMIP6/MPI-ESM1-2-LR" / name
            path.parent.mkdir(parents=True)
            em_mpi_file(variable, years).to_netcdf(path)


def em_mpi_file(variable: str, years: np.ndarray) -> xr.Dataset:
    """Stamps, units and member names as they are there: different from variable to variable."""
    day = "01-01" if variable == "pr90" else "12-31"
    time = np.array([f"{year}-{day}" for year in years], "datetime64[ns]")
    value = {"tas": 14.0, "pr": 2.5, "dtr": 9.0, "pr90": 6.0}[variable]
    fields = np.full((3, years.size, ROWS, COLUMNS), value, "f4")
    fields += 0.1 * np.arange(years.size, dtype="f4")[:, None, None]
    if variable == "tas":
        fields[1, 2] = np.nan  # a year without values
    units = {"tas": "°C", "pr": "kg m-2 s-1", "dtr": "K", "pr90": "mm/day"}[variable]
    dims = ("member", "time", "latitude", "longitude")
    coordinates = {"time": time, "latitude": LATITUDE, "longitude": LONGITUDE}
    if variable != "dtr":  # some files have no names of members
        coordinates["member"] = [f"r{number}i1f1p1" for number in (1, 2, 3)]
    return xr.Dataset({variable: (dims, fields, {"units": units})}, coordinates)


def climateset(folder: Path, models: dict[str, str], scenarios: Sequence[str]) -> None:
    """outputs/MODEL.tar.gz with CMIP6/MODEL/MEMBER/SCENARIO/VARIABLE/250_km/mon/YEAR/FILE.nc."""
    for model, calendar in models.items():
        loose = folder / "loose" / model
        files = []
        for scenario in scenarios:
            for year in years_of(scenario):
                for variable in ("tas", "pr"):
                    files.append(
                        loose
                        / f"CMIP6/{model}/r1i1p1f1/{scenario}/{variable}/250_km/mon/{year}"
                        / f"CMIP6_{model}_r1i1p1f1_{scenario}_{variable}_250_km_mon_gn_{year}.nc"
                    )
                    files[-1].parent.mkdir(parents=True)
                    climateset_file(variable, int(year), calendar).to_netcdf(files[-1])
        pack(folder / "outputs" / f"{model}.tar.gz", files, loose)


def climateset_file(variable: str, year: int, calendar: str) -> xr.Dataset:
    """Twelve months; the value of a month is its number, above a base."""
    time = xr.date_range(f"{year}-01-01", periods=12, freq="MS", calendar=calendar, use_cftime=True)
    months = np.arange(1, 13, dtype="f4")[:, None, None] * np.ones((ROWS, COLUMNS), "f4")
    field = 280 + months if variable == "tas" else 1e-6 * months
    units = {"tas": "K", "pr": "kg m-2 s-1"}[variable]
    return xr.Dataset(
        {variable: (("time", "lat", "lon"), field.astype("f4"), {"units": units})},
        {"time": time, "lat": LATITUDE, "lon": LONGITUDE},
    )


def input4mips(folder: Path, scenarios: dict[str, str], rows: int = 18, columns: int = 36) -> None:
    """Names of the ESGF; history every year, the futures in 2015 and 2020, by sector."""
    for species in ("SO2", "BC"):
        for scenario, model in scenarios.items():
            past = scenario == "historical"
            project = "CMIP_CEDS-2017-05-18" if past else f"ScenarioMIP_IAMC-{model}-{scenario}-1-1"
            years = (2013, 2014) if past else (2015, 2020)
            span = f"{years[0]}01-{years[-1]}12"
            name = f"{species}-em-anthro_input4MIPs_emissions_{project}_gn_{span}.nc"
            path = folder / "atmos/mon" / f"{species}_em_anthro/gn" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            input4mips_file(f"{species}_em_anthro", years, rows, columns).to_netcdf(path)


def input4mips_file(variable: str, years: Sequence[int], rows: int, columns: int) -> xr.Dataset:
    """Eight sectors that emit (year - 2010) 1e-12 together, on half a degree's kind of grid."""
    time = [np.datetime64(f"{y}-{m:02d}-15", "ns") for y in years for m in range(1, 13)]
    latitude = -90 + 180 / rows * (np.arange(rows) + 0.5)
    longitude = -180 + 360 / columns * (np.arange(columns) + 0.5)
    year = np.repeat(np.array(years), 12)
    fields = np.full((len(time), 8, rows, columns), 1e-12 / 8) * (year - 2010)[:, None, None, None]
    dims = ("time", "sector", "lat", "lon")
    return xr.Dataset(
        {variable: (dims, fields.astype("f4"), {"units": "kg m-2 s-1"})},
        {"time": time, "sector": np.arange(8), "lat": latitude, "lon": longitude},
    )


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder over HTTP; give its address and the requests that came."""
    requested: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            requested.append(f"{self.command} {self.path}")

    handler = functools.partial(Handler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", requested
        server.shutdown()


def write_rcmip(path: Path) -> None:
    """A table of RCMIP: 10 Mt a year of everything, 36 Mt more in 2015, 2020 and 2100."""
    units = {
        "Emissions|CO2|MAGICC Fossil and Industrial": "Mt CO2/yr",
        "Emissions|CH4": "Mt CH4/yr",
    }
    units |= {"Emissions|Sulfur": "Mt SO2/yr", "Emissions|BC": "Mt BC/yr"}
    rows = []
    for scenario in ("ssp126", "ssp245", "ssp370", "ssp585"):
        for variable, unit in units.items():
            row = {"Model": "x", "Scenario": scenario, "Region": "World", "Variable": variable}
            row |= {"Unit": unit, "Mip_Era": "CMIP6", "Activity_Id": "not_applicable"}
            row |= {str(year): 10.0 if year < 2015 else 46.0 for year in range(1750, 2015)}
            row |= {str(year): np.nan for year in range(2015, 2101)}
            row |= {"2015": 46.0, "2020": 46.0, "2100": 46.0}
            rows.append(row)
    pd.DataFrame(rows).to_csv(path, index=False)
