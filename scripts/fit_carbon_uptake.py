"""Fit the two numbers of the embedded planet's carbon uptake to concentrations of the SSPs.

Usage: ``python scripts/fit_carbon_uptake.py rcmip-concentrations-annual-means-5-1-0.csv[.gz]``

Least squares of the logarithm of the concentration in 1900, 1950, 2000, 2014 and every tenth year
of 2020-2100 over eight SSPs, driven by the package's table of emissions.
"""

import sys

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from climbench.simulate.emissions import pathway
from climbench.simulate.radiative_forcing import carbon_dioxide_concentration

SCENARIOS = ("ssp119", "ssp126", "ssp245", "ssp370", "ssp434", "ssp460", "ssp534-over", "ssp585")
YEARS = np.array([1900, 1950, 2000, 2014, *range(2020, 2101, 10)])


def main(source: str) -> None:
    """Print the two numbers and the errors that remain."""
    table = pd.read_csv(source)
    table = table[(table["Variable"] == "Atmospheric Concentrations|CO2")]
    table = table[table["Region"] == "World"].set_index("Scenario")
    real = table.loc[list(SCENARIOS), [str(year) for year in YEARS]].to_numpy(float)

    def errors(numbers: np.ndarray) -> np.ndarray:
        ours = [
            carbon_dioxide_concentration(pathway(name).carbon_dioxide, *numbers)[YEARS - 1850]
            for name in SCENARIOS
        ]
        return (np.log(ours) - np.log(real)).ravel()

    found = least_squares(errors, [40.0, 0.05])
    print(f"response {found.x[0]:.2f} years, per uptake {found.x[1]:.5f} years / ppm")
    print(f"error {100 * np.std(found.fun):.2f} % rms, {100 * np.max(np.abs(found.fun)):.2f} % max")


if __name__ == "__main__":
    main(sys.argv[1])
