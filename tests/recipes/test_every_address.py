"""Every recipe that needs the network, from its own addresses: only the way to the host is bent."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from servers.esgf import serving_esgf
from servers.faulty_http import faulty_http
from servers.gcs import serving_gcs

from climbench.recipes import list_recipes, load_recipe
from climbench.recipes.schema import as_list
from climbench.recipes.schema.cmip import INDEX_NODES, PANGEO
from climbench.testing.recipe_contract import check_recipe

from . import cmip_archives, column_files, emulation_archives
from . import test_emulation_archives as emulation
from . import test_small_archives as small_archives
from .test_cmip_recipes import IAMC
from .test_cmip_recipes import small as small_cmip
from .test_stations import write_isd, write_meteostat

pytest.importorskip("huggingface_hub")
from servers.hub import serving_hub

RAW = "raw.githubusercontent.com"
Options = dict[str, Any]
Write = Callable[[Path], Options]

ELSEWHERE = {
    "era5_wb2": "test_wb2.py: Google's buckets",
    "era5_arco": "test_wb2.py: Google's buckets",
    "era5_cds": "test_climate_data_store.py: Copernicus' service",
    "era5_land": "test_climate_data_store.py: Copernicus' service",
    "cmip6_": "test_cmip_recipes.py: an index node, data nodes, Pangeo's catalogue",
    "climateset_raw": "test_cmip_recipes.py: an index node and data nodes",
    "california_crops": "test_applied_archives.py: Google's buckets",
    "firecube": "test_applied_archives.py: HTTPS",
    "gistemp": "test_applied_archives.py: HTTPS",
    "merra2": "test_merra2.py: NASA's login",
    "prism": "test_applied_archives.py: HTTPS",
}
"""Beginnings of the names of recipes that other tests pull from a server of their protocol."""


def addresses(recipe: str) -> list[str]:
    """Every remote address that stands in a recipe."""
    found: list[str] = []

    def look(value: Any) -> None:
        for one in value.values() if isinstance(value, dict) else value:
            if isinstance(one, (dict, list, tuple)):
                look(one)
            elif isinstance(one, str) and "://" in one:
                found.append(one)

    look(load_recipe(recipe).model_dump(mode="json", include={"sources"}))
    return list(dict.fromkeys(found))


def place(root: Path, address: str) -> Path:
    """Where the file of an address lies in the folder that the servers show."""
    parts = urlsplit(address)
    names = unquote(parts.path).strip("/").split("/")
    if parts.netloc == "github.com":  # which leads to another host
        names.remove("raw")
    path = root.joinpath("web", *names)
    path = path.with_name(f"{path.name}?{parts.query}") if parts.query else path
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def serving(recipe: str, root: Path) -> Iterator[dict[str, list[str]]]:
    """Serve ``web``, ``hub``, ``esgf`` and buckets; give what each host was asked for."""
    for folder in ("web", "hub", "esgf"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    public = addresses(recipe)
    hosts = {urlsplit(one).hostname or "" for one in public if one.startswith("https://")}
    asked: dict[str, list[str]] = {}
    with ExitStack() as stack:
        web = stack.enter_context(faulty_http(root / "web"))
        esgf = stack.enter_context(serving_esgf(root / "esgf"))
        stack.enter_context(serving_gcs(root / "web"))
        esgf.most = 500
        for one in public:
            if "github.com" in one:
                path = place(root, one).relative_to(root / "web").as_posix()
                moved = {"Location": f"https://{RAW}/{path}"}
                web.answers[unquote(urlsplit(one).path)] = (302, moved, b"")
        leads = {host: web.url for host in (*hosts - {"huggingface.co"}, RAW)}
        leads |= {urlsplit(one).hostname or "": esgf.url for one in INDEX_NODES}
        hub = stack.enter_context(serving_hub(root / "hub", leads))
        yield asked
        for request in web.requests:
            asked.setdefault(request.headers["Host"], []).append(request.path)
        asked["huggingface.co"] = hub.requests


def days(first: str, last: str) -> Options:
    return {"dates": {"start": first, "end": last}, "statistics": {"period": None}}


def one_of(recipe: str, number: int = 0) -> str:
    return addresses(recipe)[number].replace("{year}", "2001")


def sea_surface(recipe: str, frequency: str) -> Write:
    def write(root: Path) -> Options:
        time = xr.date_range("2001-01-01", periods=6, freq=frequency)
        small_archives.write(place(root, one_of(recipe)), "sst", "degC", time)
        return days("2001-01-01", str(time[-1])[:10])

    return write


def hadcrut(root: Path) -> Options:
    path = place(root, one_of("hadcrut"))
    path.parent.rmdir()
    small_archives.write_hadcrut(path)
    return days("2001-01-01", "2001-12-31")


def ncep_reanalysis(root: Path) -> Options:
    small_archives.write_pressure_levels(place(root, one_of("ncep_reanalysis")).parent)
    return days("2001-01-01", "2001-01-02")


def weatherbench1(root: Path) -> Options:
    for address in addresses("era5_wb1_5p625"):
        name = address.rpartition("=")[2].removesuffix("_5.625deg.zip")
        small_archives.write_weatherbench1(place(root, address), name)
    return days("2017-12-31", "2018-01-01")


def ncep_slp(root: Path) -> Options:
    axes = {"time": xr.date_range("2001-01-01", periods=4), "lat": np.linspace(90, -90, 19)}
    field = np.random.default_rng(0).uniform(1e5, 1.02e5, (4, 19, 36)).astype("f4")
    axes["lon"] = np.arange(0, 360, 10.0)
    slp = xr.Dataset({"slp": (tuple(axes), field, {"units": "Pascals"})}, axes)
    slp.to_netcdf(place(root, one_of("ncep_slp")))
    return days("2001-01-01", "2001-01-04")


def ncep_air(root: Path) -> Options:
    axes = {"time": xr.date_range("2013-01-01", periods=8, freq="6h"), "lat": [75.0, 45.0, 15.0]}
    field = np.random.default_rng(0).uniform(250, 300, (8, 3, 6))
    axes["lon"] = np.linspace(200, 330, 6)
    air = xr.Dataset({"air": (tuple(axes), field, {"units": "degK"})}, axes)
    packed = {"dtype": "i2", "scale_factor": 0.01, "add_offset": 250.0, "_FillValue": 32767}
    air.to_netcdf(place(root, one_of("ncep_air")), encoding={"air": packed})
    return days("2013-01-01", "2013-01-02")


def climatebench(root: Path) -> Options:
    emulation_archives.climatebench(root / "made")
    for address in addresses("climatebench"):
        (root / "made" / address.rsplit("/", 1)[-1]).rename(place(root, address))
    return emulation.YEARS | emulation.FLAT


def climateset(root: Path) -> Options:
    models, scenarios = {"NorESM2-LM": "noleap"}, ["historical", "ssp585"]
    emulation_archives.climateset(root / "hub/climateset/climateset", models, scenarios)
    return emulation.small_climateset(list(models), scenarios)


def em_mpi(root: Path) -> Options:
    scenarios = ["historical", "ssp126", "ssp245", "ssp370", "ssp585"]
    emulation_archives.em_mpi(root / "hub/blutjens/em-mpi", scenarios)
    return emulation.small_em_mpi()


def input4mips(root: Path) -> Options:
    cmip_archives.input4mips(root / "esgf", IAMC)
    table = next(one for one in addresses("input4mips") if one.endswith(".csv"))
    emulation_archives.write_rcmip(place(root, table))
    flat = {"constant_fields": ["sulphur_dioxide", "black_carbon"]}
    return {"dates": {"start": "2013", "end": "2020"}, "checks": flat}


MONTHLY = {"tas": "Amon", "pr": "Amon"}


def runs(root: Path) -> None:
    for scenario, years in (("historical", [2013, 2014]), ("ssp126", [2015, 2016])):
        run = (root, "MPI-ESM1-2-LR", scenario, "r1i1p1f1", MONTHLY, years)
        cmip_archives.write_run(*run)


ONE_YEAR = {"experiment_id": "ssp126", "dates": {"start": "2015-01", "end": "2015-12"}}


def esgf(root: Path) -> Options:
    runs(root / "esgf")
    return ONE_YEAR


def pangeo(options: Options) -> Write:
    def write(root: Path) -> Options:
        runs(root / "files")
        cmip_archives.write_catalogue(root / "files", place(root, PANGEO), "gs://cmip6/")
        return options

    return write


def isd(root: Path) -> Options:
    for address in addresses("isd_stations"):
        write_isd(place(root, address.replace("{year}", "2020")))
    return days("2020-01-01", "2020-01-01")


def meteostat(root: Path) -> Options:
    write_meteostat(root / "web/v2", "10384", "03772")
    return days("2018-01-01", "2018-01-01")


def opssat(root: Path) -> Options:
    stamps = pd.date_range("2022-01-01", periods=9, freq="5s").strftime("%Y-%m-%dT%H:%M:%S.000Z")
    rows = [f"{t},CADC0872,{n},normal,1,5,1,0" for n, t in enumerate(stamps)]
    header = "timestamp,channel,value,label,segment,sampling,train,anomaly"
    place(root, one_of("opssat_ad")).write_text("\n".join([header, *rows]))
    return {}


def goce(root: Path) -> Options:
    time = pd.date_range("2010-01-01", periods=100, freq="16s")
    frame = pd.DataFrame({"datetime": time, "value": np.arange(100.0)})
    for address in addresses("goce_telemetry"):
        path = root / "hub" / address.removeprefix("hf://datasets/")
        path.parent.mkdir(parents=True)
        frame.to_parquet(path)
    return {}


def beijing(root: Path) -> Options:
    """UCI's zip file holds another one, in which the tables lie in a folder."""
    names = "No year month day hour PM2.5 PM10 SO2 NO2 CO O3 TEMP PRES DEWP RAIN wd WSPM station"
    inner, outer = io.BytesIO(), place(root, one_of("beijing_stations"))
    with zipfile.ZipFile(inner, "w") as archive:
        for station, change in (("Aotizhongxin", 0), ("Wanliu", 1)):
            fields = f"4,4,4,7,300,77,{change - 0.7},1023,-18.8,0,NNW,4.4,{station}"
            rows = [f"{hour + 1},2013,3,1,{hour},{fields}" for hour in range(4)]
            text = "\n".join([names.replace(" ", ","), *rows])
            name = f"PRSA_Data_20130301-20170228/PRSA_Data_{station}_20130301-20170228.csv"
            archive.writestr(name, text)
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("PRSA2017_Data_20130301-20170228.zip", inner.getvalue())
        archive.writestr("test.csv", "")
    return {"statistics": {"period": None}}


def climsim(recipe: str, month: str = "0001-02") -> Write:
    def write(root: Path) -> Options:
        folder, grid = addresses(recipe)
        pairs = root / "hub" / folder.removeprefix("hf://datasets/")
        column_files.write_small(pairs, place(root, grid), month, 8)
        chosen = ["state_t", "ptend_t", "cam_in_SNOWHICE", "cam_out_PRECC"]
        return days(f"{month}-01", f"{month}-01") | {"variables": chosen}

    return write


CASES: dict[str, Write] = {
    "beijing_stations": beijing,
    "climatebench": climatebench,
    "climateset": climateset,
    "climsim": climsim("climsim"),
    "climsim_aquaplanet": climsim("climsim_aquaplanet"),
    "climsim_expanded": climsim("climsim_expanded"),
    "climsim_scoring": climsim("climsim_scoring", "0008-02"),
    "cmip6_annual_pangeo": pangeo(small_cmip("cmip6_annual_pangeo", ["historical", "ssp126"])),
    "cmip6_esgf": esgf,
    "cmip6_pangeo": pangeo(ONE_YEAR),
    "em_mpi": em_mpi,
    "era5_wb1_5p625": weatherbench1,
    "goce_telemetry": goce,
    "hadcrut": hadcrut,
    "input4mips": input4mips,
    "isd_stations": isd,
    "meteostat": meteostat,
    "ncep_air": ncep_air,
    "ncep_reanalysis": ncep_reanalysis,
    "ncep_slp": ncep_slp,
    "noaa_ersst": sea_surface("noaa_ersst", "MS"),
    "oisst": sea_surface("oisst", "1D"),
    "opssat_ad": opssat,
}
"""How the files of a recipe are written below a folder, and what makes the recipe small."""

REAL: dict[str, Options] = {
    "anusplin_nunavut": {},
    "arm_sgpmet": {"variables": ["temp_mean", "qc_temp_mean"]},
    "bnu_esm_nunavut": {},
    "cesm_le_point": days("1990-01-02", "1990-01-31"),
    "era5_canadian_cities": days("1990-01-01", "1990-01-31") | {"variables": ["tas", "hurs"]},
    "era5_uk": days("2019-03-01", "2019-03-02"),
    "ipsl_cmip6_annual": {},
    "metar": days("2020-01-01", "2020-01-02"),
}
"""Recipes of small files, which are served as they are, and what makes the recipe small."""


def test_no_recipe_is_left_out() -> None:
    """Without addresses are simulations, twins, and what its owners give to each user alone."""
    for name in set(list_recipes()) - {*CASES, *REAL}:
        remote = addresses(name) or name.startswith(("era5_cds", "era5_land"))
        assert not remote or name.startswith(tuple(ELSEWHERE)), f"{name}: no server has its files"


def check(name: str, root: Path, folder: Path, options: Options) -> xr.Dataset:
    """Plan and build from the servers; every address of the recipe was asked for."""
    with serving(name, root) as asked:
        store = check_recipe(name, folder / "stores", options)
    for one in json.loads(store.attrs["sources"]):
        local = name in ("input4mips", "cmip6_esgf") and "127.0.0.1" in one["address"]  # data node
        assert local or one["address"].startswith(("https://", "hf://", "gs://"))
    for address in addresses(name):
        parts = urlsplit(address)
        if parts.scheme == "https" and parts.hostname not in ("huggingface.co", *NODES):
            paths = [unquote(urlsplit(path).path) for path in asked[str(parts.hostname)]]
            year = str(store.indexes["time"][0])[:4]
            assert unquote(parts.path).replace("{year}", year) in paths
    return store


NODES = [urlsplit(one).hostname for one in INDEX_NODES]


@pytest.fixture(autouse=True)
def one_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A plan and the build after it fetch each file once."""
    monkeypatch.setenv("CLIMBENCH_DOWNLOADS", str(tmp_path / "downloads"))
    monkeypatch.delenv("HF_TOKEN", raising=False)


@pytest.mark.parametrize("name", CASES)
def test_recipe_from_its_own_addresses(name: str, tmp_path: Path) -> None:
    options = CASES[name](tmp_path / "served")
    store = check(name, tmp_path / "served", tmp_path, options)
    assert store.data_vars


@pytest.mark.data
@pytest.mark.parametrize("name", REAL)
def test_real_file_from_its_own_address(name: str, tmp_path: Path, data_root: Path) -> None:
    for source in load_recipe(name).sources:
        for address in as_list(getattr(source, "address", None) or []):
            local = data_root / str(source.local)
            same = local.with_name(address.rsplit("/", 1)[-1])
            content = (same if same.exists() else local).read_bytes()
            place(tmp_path / "served", address).write_bytes(content)
    check(name, tmp_path / "served", tmp_path, REAL[name])
