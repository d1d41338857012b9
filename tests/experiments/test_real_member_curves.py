"""Global means of real ensembles: what more members do to their mean, and to a straight line."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from climbench.experiments.global_figures import EMISSIONS, TEST, TRAINING, cumulative_co2
from climbench.experiments.internal_variability.draws import shares_of
from climbench.experiments.internal_variability.lines import SubsetLines
from climbench.metrics import Regions
from climbench.metrics.noise_floor import noise_floor
from climbench.models.internal_variability_time import fit_autoregression
from climbench.tasks.members import draw_members

pytestmark = pytest.mark.data

MEMBERS, DRAWS = 10, 200
LATE = slice(-21, None)  # 2080 to 2100
ONE_CELL = Regions(np.ones((1, 1)))


@pytest.fixture(scope="module")
def mpi(data_root: Path) -> dict[str, np.ndarray]:
    """MPI-ESM1-2-LR by scenario [member, year], K against the mean of 1850 to 1900."""
    with xr.open_dataset(data_root / "cmip_global_mean/gmst_MPI-ESM1-2-LR.nc") as file:
        early = file["tas_historical"].sel(time_hist=slice(1850, 1900)).mean().item()
        return {name: file[f"tas_{name}"].values - early for name in (*TRAINING, TEST)}


def spread(members: np.ndarray) -> float:
    """Return the standard deviation over members, root mean square over years, K."""
    return float(np.sqrt(members.var(axis=0, ddof=1).mean()))


def differences(members: np.ndarray, count: int) -> float:
    """Return the RMSE of the mean of some members against that of all others, over many draws."""
    squares = []
    for seed in range(DRAWS):
        drawn = draw_members(len(members), count, seed)
        others = np.delete(members, drawn, axis=0).mean(axis=0)
        squares.append(np.square(members[drawn].mean(axis=0) - others).mean())
    return float(np.sqrt(np.mean(squares)))


def test_the_mean_of_n_members_is_as_noisy_as_theory_says(mpi) -> None:
    r"""Means of n and of the other 10 - n differ by sigma times the root of 1/n + 1/(10 - n)."""
    truth = mpi[TEST][:, LATE]
    sigma = spread(truth)
    assert sigma == pytest.approx(0.113, abs=0.001)
    for count in range(1, MEMBERS):
        expected = sigma * np.sqrt(1 / count + 1 / (MEMBERS - count))
        assert differences(truth, count) == pytest.approx(expected, rel=0.05)
    floor = noise_floor(truth[:, :, None], ONE_CELL, "rmse")
    assert floor[0] == pytest.approx(sigma / np.sqrt(MEMBERS), rel=1e-9)


def test_34_members_of_cesm_obey_the_same_law_and_remember_the_last_year(data_root: Path) -> None:
    with xr.open_dataset(data_root / "climpred/CESM-LE.global_mean.SST.1955-2015.nc") as file:
        members = file["SST"].transpose("member", "time").values
    assert members.shape == (34, 61)
    sigma = spread(members)
    for count in (1, 2, 4, 8, 17):
        expected = sigma * np.sqrt(1 / count + 1 / (34 - count))
        assert differences(members, count) == pytest.approx(expected, rel=0.05)
    # Departures of each member from the mean of all: the ocean's memory from year to year.
    departures = members - members.mean(axis=0)
    memories = [fit_autoregression(one, 1)[0].item() for one in departures]
    assert np.mean(memories) == pytest.approx(0.5, abs=0.1)


def test_a_straight_line_hardly_gains_from_more_members(data_root: Path, mpi) -> None:
    """423 years of each member average their own noise away: one member is nearly enough.

    The finding of Luetjens et al. (2025) on other data: the error of pattern scaling is flat in n,
    while the noise of the n-member mean that it is fitted on falls as one over the root of n.
    """
    co2 = cumulative_co2(data_root / EMISSIONS)
    emitted = np.concatenate([co2[name] for name in TRAINING])
    means = np.concatenate([mpi[name] for name in TRAINING], axis=1)
    truth = mpi[TEST].mean(axis=0)[LATE]
    error, scatter = {}, {}
    for count in (1, 2, 5, 10):
        drawn = [draw_members(MEMBERS, count, seed) for seed in range(DRAWS)]
        lines = SubsetLines(emitted, means, shares_of(drawn, MEMBERS)).global_lines()
        years = co2[TEST][LATE]
        predicted = lines.intercept[:, None] + lines.slope[:, None] * years
        error[count] = np.sqrt(np.square(predicted - truth).mean(axis=1)).mean()
        scatter[count] = np.sqrt(predicted.var(axis=0).mean())
    slope, intercept = np.polyfit(emitted, means.mean(axis=0), 1)
    plain = np.sqrt(np.square(intercept + slope * co2[TEST][LATE] - truth).mean())
    assert error[10] == pytest.approx(plain, rel=1e-9)
    assert slope == pytest.approx(5.14e-4, abs=0.01e-4)  # K / Gt CO2
    assert all(error[few] >= error[more] for few, more in pairwise(error))
    assert error[1] / error[10] < 1.03
    noise = spread(mpi[TEST][:, LATE])
    assert error[1] < noise / 2, "a year of one member is further from the truth than the line"
    # Drawn without replacement, n of 10 scatter by the root of (10 - n) / (9 n) of one.
    for count in (2, 5):
        expected = scatter[1] * np.sqrt((MEMBERS - count) / ((MEMBERS - 1) * count))
        assert scatter[count] == pytest.approx(expected, rel=0.1)
    assert scatter[10] == 0.0 or scatter[10] < 1e-12


def test_two_sources_agree_on_the_same_run(data_root: Path, mpi) -> None:
    """The IPCC's table, degrees Celsius, and the curves above are of the same simulation."""
    with xr.open_dataset(data_root / "cmip_global_mean/IPCC_annual_global_tas.nc") as table:
        labels = {"source": "MPI-ESM1-2-LR", "experiment": "ssp585", "mip_era": "CMIP6"}
        here = np.all([table[key].values == value for key, value in labels.items()], axis=0)
        assert here.sum() == 1
        other = table["tas"].isel(simulation=int(np.flatnonzero(here)[0]))
        member = str(other["member"].item())
        years = other["time"].dt.year
        series = {
            "historical": other.values[(years >= 1850) & (years <= 2014)],
            "ssp585": other.values[(years >= 2015) & (years <= 2100)],
        }
    place = int(member.split("i")[0].removeprefix("r")) - 1
    own = {name: mpi[name][place] for name in series}
    offset = np.mean(own["historical"] - series["historical"])
    for name, one in series.items():
        assert np.std(own[name] - (one + offset)) < 0.05
