"""Every recipe of the package, made small, keeps the contract; so does every kind of source."""

import pytest

from climbench.recipes import list_recipes, load_recipe
from climbench.recipes.sources import OPENERS
from climbench.testing.recipe_contract import check_recipe

EARTH = {"kind": "simulated_earth", "scenarios": ["historical", "ssp126"]}
SEASONS = ["tas_djf", "tas_mam", "tas_jja", "tas_son"]
DAILY = ["tas", "diurnal_temperature_range", "pr", "pr90"]
FEW_COLUMNS = {
    "dates": {"start": "0001-02-01", "end": "0001-02-06"},
    "statistics": {"period": ["0001-02-01", "0001-02-06"]},
}
SMALL = {
    "planet_weather": {
        "dates": {"start": "2000-01-01", "end": "2000-01-20"},
        "statistics": {"period": ["2000-01-01", "2000-01-15"]},
    },
    "stations_twin": {
        "dates": {"start": "2000-01-01", "end": "2000-02-20"},
        "statistics": {"period": ["2000-01-01", "2000-02-05"]},
    },
    "planet_climate": {},
    "climsim_twin": FEW_COLUMNS,
    "climsim_twin_low": FEW_COLUMNS,
    "climsim_twin_low_warm": FEW_COLUMNS,
    "climsim_twin_warm": FEW_COLUMNS,
    "planet_large_ensemble": {"sources": [EARTH | {"members": 2}]},
    "planet_climatebench": {
        "sources": [EARTH | {"variables": DAILY, "emission_maps": True}],
        "statistics": {"scenarios": ["historical"]},
    },
    "planet_climate_models": {
        "sources": [EARTH | {"model": [0, 3]}],
        "statistics": {"scenarios": ["historical"]},
    },
    "planet_seasonal": {
        "sources": [EARTH | {"variables": ["tas", *SEASONS]}],
        "statistics": {"scenarios": ["historical"]},
    },
    "telemetry_twin": {
        "dates": {"start": "2024-02-15", "end": "2024-03-05", "frequency": "10min"},
        "statistics": {"period": ["2024-02-15", "2024-02-25"]},
    },
    "ncep_slp": {
        "dates": {"start": "2001-01-01", "end": "2002-12-31"},
        "statistics": {"period": ["2001-01-01", "2001-12-31"]},
    },
    "ncep_air": {},
    "ipsl_cmip6_annual": {},
    "cmip6_global_mean": {},
    "cmip6_global_mean_ipsl": {},
    "era5_uk": {},
    "arm_sgpmet": {},
    "cesm_le_point": {},
    "era5_canadian_cities": {},
    "metar": {},
    "anusplin_nunavut": {},
    "bnu_esm_nunavut": {},
}


EMULATION = {"climatebench", "em_mpi", "climateset", "input4mips"}
"""Held to the contract in tests/recipes/test_emulation_archives.py, on files in their layout."""


CMIP = {
    "cmip6_pangeo",
    "cmip6_esgf",
    "cmip6_annual",
    "cmip6_annual_pangeo",
    "cmip6_mpi_esm1_2_hr",
    "cmip6_mpi_esm1_2_hr_1p40625",
    "climateset_raw",
}
"""Held to it in tests/recipes/test_cmip_recipes.py, from local servers."""

ERA5 = {name for name in list_recipes() if name.startswith(("era5_wb2", "era5_arco"))}
"""Held to it in tests/recipes/test_wb2.py, from a local bucket."""
DATA_STORE = {"era5_cds", "era5_land"}
"""Held to it in tests/recipes/test_climate_data_store.py, from a local service."""

LAYOUTS = {
    "beijing_stations",
    "climsim",
    "climsim_aquaplanet",
    "climsim_expanded",
    "climsim_scoring",
    "goce_telemetry",
    "isd_stations",
    "meteostat",
    "opssat_ad",
    "telemetry_csv",
    "weather2k",
}
"""Held to it in tests/recipes/test_columns.py, test_stations.py and test_tables.py."""

SMALL_ARCHIVES = {"era5_wb1_5p625", "hadcrut", "ncep_reanalysis", "noaa_ersst", "oisst"}
"""Held to it in tests/recipes/test_small_archives.py."""

APPLIED = {
    "california_crops",
    "california_crops_synthetic",
    "firecube",
    "firecube_synthetic",
    "gistemp",
    "merra2",
    "merra2_prithvi",
    "modis_lst",
    "modis_lst_synthetic",
    "prism",
}
"""Held to it in tests/recipes/test_merra2.py and test_applied_archives.py."""


def test_no_recipe_is_left_out():
    elsewhere = LAYOUTS | ERA5 | DATA_STORE | CMIP | EMULATION | SMALL_ARCHIVES | APPLIED
    assert elsewhere | set(SMALL) == set(list_recipes())


def test_every_kind_of_source_is_used_by_a_recipe():
    names = {*SMALL, *LAYOUTS, *APPLIED}
    used = {type(source) for name in names for source in load_recipe(name).sources}
    assert used >= set(OPENERS)


MADE = [name for name in SMALL if load_recipe(name).simulated]


@pytest.mark.parametrize("name", MADE)
def test_simulated_recipe_keeps_the_contract(name, tmp_path):
    store = check_recipe(name, tmp_path, SMALL[name])
    assert store.attrs["simulated"] == "true"


@pytest.mark.data
@pytest.mark.parametrize("name", sorted({*SMALL} - {*MADE}))
def test_real_recipe_keeps_the_contract(name, tmp_path, data_root):
    store = check_recipe(name, tmp_path, SMALL[name], data_root)
    assert store.attrs["simulated"] == "false"


@pytest.mark.parametrize("name", list_recipes())
def test_recipe_says_how_large_its_archive_is_and_which_years_it_has(name):
    recipe = load_recipe(name)
    assert recipe.size, f"{name} has no 'size', such as '5.9 GB a year'"
    assert recipe.period, f"{name} has no 'period', such as '1959/2023'"
