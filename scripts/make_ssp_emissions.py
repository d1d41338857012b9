"""Make ``climbench/simulate/ssp_emissions.csv`` from the RCMIP emissions table.

Usage: ``python scripts/make_ssp_emissions.py rcmip-emissions-annual-means-5-1-0.csv[.gz]``

Only world totals are read; the full protocol file (doi:10.5281/zenodo.4589756) and extracts of it
with the SSPs alone both work.
"""

import sys
from pathlib import Path

import pandas as pd

OUTPUT = Path(__file__).parents[1] / "climbench" / "simulate" / "ssp_emissions.csv"
HEADER = """\
# Anthropogenic emissions of the world, history and shared socioeconomic pathways.
# Source: RCMIP protocol v5.1.0, emissions, annual means, World (doi:10.5281/zenodo.4589756);
# Nicholls et al. (2020), Geosci. Model Dev. 13, 5175-5190, doi:10.5194/gmd-13-5175-2020.
# Licence of the source: CC BY 4.0. Made by scripts/make_ssp_emissions.py.
# carbon_dioxide: Gt CO2, sum of 1850 to this year included of Emissions|CO2|MAGICC Fossil and
#   Industrial (no land use); years that the source leaves out are interpolated linearly first.
# methane: Mt CH4 / yr; sulphur_dioxide: Mt SO2 / yr (Emissions|Sulfur); black_carbon: Mt BC / yr.
"""
VARIABLES = {
    "carbon_dioxide": "Emissions|CO2|MAGICC Fossil and Industrial",
    "methane": "Emissions|CH4",
    "sulphur_dioxide": "Emissions|Sulfur",
    "black_carbon": "Emissions|BC",
}
PATHWAYS = {
    "ssp119": "ssp119",
    "ssp126": "ssp126",
    "ssp245": "ssp245",
    "ssp370": "ssp370",
    # ClimateBench's variant: less aerosol, but the greenhouse gases of ssp370
    "ssp370-lowNTCF": "ssp370-lowNTCF-aerchemmip",
    "ssp434": "ssp434",
    "ssp460": "ssp460",
    "ssp534-over": "ssp534-over",
    "ssp585": "ssp585",
}
HISTORY = [*range(1850, 2011, 10), 2014]
FUTURE = [2015, *range(2020, 2101, 10)]


def pathway(emissions: pd.DataFrame, scenario: str) -> pd.DataFrame:
    """Return the yearly figures 1850-2100 of one scenario, one column per variable."""
    world = emissions[(emissions["Scenario"] == scenario) & (emissions["Region"] == "World")]
    years = [str(year) for year in range(1850, 2101)]
    table = world.set_index("Variable").loc[list(VARIABLES.values()), years].T.astype(float)
    table.columns = list(VARIABLES)
    table.index = table.index.astype(int)
    table = table.interpolate()
    table["carbon_dioxide"] = table["carbon_dioxide"].cumsum() / 1e3  # Mt to Gt
    return table


def main(source: str) -> None:
    """Write the table."""
    emissions = pd.read_csv(source)
    rows = ["scenario,year," + ",".join(VARIABLES)]
    tables = {name: pathway(emissions, theirs) for name, theirs in PATHWAYS.items()}
    chosen = [("historical", tables["ssp245"].loc[HISTORY])]
    chosen += [(name, table.loc[FUTURE]) for name, table in tables.items()]
    for name, table in chosen:
        rows += [
            f"{name},{year}," + ",".join(f"{value:.5f}" for value in row)
            for year, row in zip(table.index, table.to_numpy(), strict=True)
        ]
    OUTPUT.write_text(HEADER + "\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
