"""The table of emissions against figures copied by hand from RCMIP v5.1.0."""

import numpy as np
import pandas as pd
import pytest

from climbench.errors import UserError
from climbench.simulate.emissions import FORCERS, pathway, scenario_names, ssp_emissions

COPIED = [  # scenario, year, CH4 Mt/yr, SO2 Mt/yr, BC Mt/yr as printed in the source
    ("historical", 1850, 43.142364, 4.544464, 2.571124),
    ("historical", 1950, 152.201008, 58.206288, 4.331261),
    ("historical", 2014, 387.873539, 114.008662, 9.744380),
    ("ssp119", 2050, 170.196862, 21.628372, 2.797528),
    ("ssp126", 2100, 122.195343, 8.070348, 2.227027),
    ("ssp245", 2050, 357.166939, 53.298938, 6.332580),
    ("ssp370", 2020, 418.454212, 98.602158, 10.227893),
    ("ssp370-lowNTCF", 2050, 558.974274, 45.982436, 5.875750),
    ("ssp585", 2015, 388.072796, 100.771167, 9.727424),
    ("ssp585", 2100, 482.145485, 29.514738, 3.313752),
]


def at(dataset, scenario, year):
    return dataset.sel(scenario=scenario, time=f"{year}-07-01")


@pytest.fixture(scope="module")
def emissions():
    return ssp_emissions()


@pytest.mark.parametrize(("scenario", "year", "methane", "sulphur", "soot"), COPIED)
def test_figures_of_the_source(emissions, scenario, year, methane, sulphur, soot):
    here = at(emissions, scenario, year)
    assert here.methane == pytest.approx(methane, abs=1e-5)
    assert here.sulphur_dioxide == pytest.approx(sulphur, abs=1e-5)
    assert here.black_carbon == pytest.approx(soot, abs=1e-5)


def test_cumulative_carbon_dioxide_is_that_of_climatebench(emissions):
    # printed in ClimateBench's inputs: 0.1883 Gt in 1850, 1536 in 2015, 2793 and 4524 in 2100
    assert at(emissions, "historical", 1850).carbon_dioxide == pytest.approx(0.1883, abs=1e-4)
    assert at(emissions, "ssp245", 2015).carbon_dioxide == pytest.approx(1536.0, abs=0.1)
    assert at(emissions, "ssp126", 2100).carbon_dioxide == pytest.approx(2793.0, abs=1.0)
    assert at(emissions, "ssp245", 2100).carbon_dioxide == pytest.approx(4524.4, abs=0.1)


def test_every_tabled_year_is_the_real_file_s(emissions, data_root):
    folder = data_root / "ssp_forcing"
    real = pd.read_csv(folder / "rcmip-emissions-annual-means-5-1-0-ssp-only.csv.gz")
    real = real[real["Scenario"] == "ssp585"].set_index("Variable")
    years = [str(year) for year in range(1850, 2101)]
    fossil = real.loc["Emissions|CO2|MAGICC Fossil and Industrial", years].astype(float)
    total = 0.0
    known = np.flatnonzero(fossil.notna())
    for year, rate in zip(years, np.interp(np.arange(251), known, fossil.dropna()), strict=True):
        total += rate / 1e3
        if year in ("1850", "1900", "2010", "2020", "2050", "2100"):
            scenario = "historical" if int(year) < 2015 else "ssp585"
            here = at(emissions, scenario, year)
            assert here.carbon_dioxide == pytest.approx(total, abs=1e-4)
            assert here.sulphur_dioxide == pytest.approx(
                real.loc["Emissions|Sulfur", year], abs=1e-5
            )


def test_years_between_are_linear_and_years_outside_are_nan(emissions):
    for name in FORCERS:
        middle = at(emissions, "ssp245", 2035)[name]
        ends = at(emissions, "ssp245", 2030)[name], at(emissions, "ssp245", 2040)[name]
        assert float(middle) == pytest.approx(float(sum(ends)) / 2)
        assert np.isnan(at(emissions, "ssp245", 2014)[name])
        assert np.isnan(at(emissions, "historical", 2015)[name])
        assert emissions[name].attrs["units"]


def test_idealised_scenarios_hold_the_other_forcers_at_1850():
    control, gases, aerosol = (pathway(name) for name in ("piControl", "hist-GHG", "hist-aer"))
    history = pathway("historical")
    assert np.ptp(control.methane) == 0.0
    assert control.carbon_dioxide.max() == 0.0
    np.testing.assert_array_equal(gases.carbon_dioxide, history.carbon_dioxide)
    assert np.ptp(gases.sulphur_dioxide) == 0.0
    np.testing.assert_array_equal(aerosol.black_carbon, history.black_carbon)
    assert aerosol.carbon_dioxide.max() == 0.0


def test_a_pathway_continues_history():
    for name in scenario_names():
        path = pathway(name)
        assert path.year[0] == 1850
        assert np.all(np.diff(path.year) == 1)
        if name.startswith("ssp"):
            past = path.year < 2015
            np.testing.assert_array_equal(path.methane[past], pathway("historical").methane)


def test_an_unknown_scenario_names_the_nearest():
    with pytest.raises(UserError, match=r"ssp1-26.*did you mean 'ssp126'"):
        pathway("ssp1-26")
