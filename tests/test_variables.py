import re

import pint
import pytest

from climbench.errors import UserError
from climbench.variables import variable, variables


def test_the_table_has_the_variables_of_weather_climate_and_forcing():
    names = set(variables())
    weather = {"geopotential", "temperature", "2m_temperature", "10m_u_component_of_wind"}
    assert weather <= names
    assert {"tas", "tasmax", "tasmin", "pr", "psl", "huss", "uas", "vas", "hfds"} <= names
    assert {"carbon_dioxide", "methane", "sulphur_dioxide", "black_carbon"} <= names


@pytest.mark.parametrize("entry", variables().values(), ids=lambda entry: entry.name)
def test_each_entry_is_complete(entry):
    assert entry.valid_min < entry.valid_max
    assert entry.standard_name == entry.standard_name.strip().replace(" ", "_")
    assert entry.long_name
    assert set(entry.names) <= {"era5_cds", "grib", "weatherbench2", "cmip6"}
    assert entry.attributes["units"] == entry.units


@pytest.mark.parametrize("units", sorted({entry.units for entry in variables().values()}))
def test_units_are_known_to_the_unit_library(units):
    spelt = re.sub(r"([a-zA-Z])(-?\d)", r"\1**\2", units)  # pint wants ** before a power
    pint.UnitRegistry().parse_expression(spelt.replace(" ", " * "))


def test_archive_names():
    assert variable("2m_temperature").names == {
        "era5_cds": "2m_temperature",
        "grib": "2t",
        "weatherbench2": "2m_temperature",
        "cmip6": "tas",
    }


def test_an_unknown_variable_is_one_sentence_with_the_nearest_name():
    with pytest.raises(UserError, match="unknown variable 'geopotental': did you mean 'geopotent"):
        variable("geopotental")
