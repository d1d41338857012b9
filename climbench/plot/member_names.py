"""What the results of the internal-variability experiment are called."""

import xarray as xr

from climbench.plot.wording import pretty_units

NAMES = {
    "nrmse_spatial(norm=none)": "RMSE of the mean map",
    "nrmse_global(norm=none)": "RMSE of the global mean",
    "nrmse_spatial": "NRMSE of the mean map",
    "nrmse_global": "NRMSE of the global mean",
    "nrmse_total": "total NRMSE",
}
FEWEST_DRAWS = 5
"""With fewer, bounds say more about the number of draws than about the models: no verdict."""


def metric_name(label: str) -> str:
    """Return what a score is called on the page."""
    return NAMES.get(label, label)


def score_units(results: xr.Dataset, channel: str, metric: str) -> str:
    """Return the unit of a score; empty where it has none."""
    power = int(results["unit_power"].sel(metric=metric))
    units = pretty_units(str(results["units"].sel(channel=channel).values))
    return units if power == 1 and units != "1" else ""


def emulators(results: xr.Dataset) -> list[str]:
    """Return the models, the reference first."""
    reference = str(results.attrs["reference"])
    names = [str(name) for name in results["emulator"].values]
    return [reference, *(name for name in names if name != reference)]
