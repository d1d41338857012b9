"""What public tables say about ClimateBench: cumulative CO2, and the course of the global mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.models.pattern_scaling import PatternScaling
from climbench.recipes.sources.rcmip import rcmip_emissions
from climbench.report.published import published
from climbench.tasks.sample import Sample, Signature

EMISSIONS = "ssp_forcing/rcmip-emissions-annual-means-4-0-0-ssp-only.csv.gz"
WEIGHTS = "lps_published/lps_patterns.nc"
MEANS = ("NorESM2-LM", "IPSL-CM6A-LR", "MPI-ESM1-2-LR")
"""Climate models with tables of global means; the first one there is taken."""

CONTROL = {"NorESM2-LM": 287.603362}
"""Global mean of piControl after year 1800, K; of others the mean of 1850-1900 in their history."""

TRAINING = ("historical", "ssp126", "ssp370", "ssp585")
TEST = "ssp245"
LAST_YEARS = (2080, 2100)
CLIMATEBENCH_INPUTS = ("hist-GHG", "hist-aer", "ssp126", "ssp370", "ssp585")
"""What the published mean and deviation of CO2 are of: 588 years."""

Array = NDArray[np.float64]
Series = dict[str, Array]


@dataclass(frozen=True)
class Figure:
    """One number, ours and the published one.

    Attributes
    ----------
    name
        What it is, with its unit.
    ours
        Computed here.
    published
        None where there is nothing to compare with.
    tolerance
        Largest absolute difference that counts as reproduced; None where ours is of other data.
    note
        Why they may differ.
    """

    name: str
    ours: float
    published: float | None = None
    tolerance: float | None = None
    note: str = ""

    @property
    def reproduced(self) -> bool | None:
        """Whether they agree; None where that cannot be asked."""
        if self.published is None or self.tolerance is None:
            return None
        return bool(abs(self.ours - self.published) <= self.tolerance)


def global_figures(data_root: Path) -> list[Figure]:
    """Return all figures for which the public tables are below a folder.

    Raises
    ------
    UserError
        If the table of emissions is not there.
    """
    table = data_root / EMISSIONS
    if not table.is_file():
        raise UserError(f"{table} is not there: it is RCMIP's table, see data_recipes/input4mips.")
    co2 = cumulative_co2(table)
    figures = co2_figures(co2)
    line = None
    if (data_root / WEIGHTS).is_file():
        with xr.open_dataset(data_root / WEIGHTS) as weights:
            figures += weight_figures(weights)
            line = weights["noresm2lm_co2_to_gmst"].values.astype(np.float64)
    for model in MEANS:
        path = data_root / f"cmip_global_mean/gmst_{model}.nc"
        if path.is_file():
            return figures + course_figures(model, co2, global_means(path, model), line)
    return figures


def cumulative_co2(table: Path) -> Series:
    """Return CO2 emitted since 1850, Gt, in the years of each scenario ``[year]``."""
    emissions = rcmip_emissions(table)["carbon_dioxide"]
    return {
        str(name): emissions.sel(scenario=name).dropna("time").values.astype(np.float64)
        for name in emissions["scenario"].values
    }


def co2_figures(co2: Series) -> list[Figure]:
    """Return mean and deviation of the input over ClimateBench's training years."""
    values = np.concatenate([co2[name] for name in CLIMATEBENCH_INPUTS])
    return [
        Figure("CO2, mean of 588 training years, Gt", values.mean(), 1708.658, 1e-4 * 1708.658),
        Figure("CO2, their deviation, Gt", values.std(), 2158.809, 1e-4 * 2158.809),
    ]


def weight_figures(weights: xr.Dataset) -> list[Figure]:
    """Return what must hold for the published maps of temperature."""
    rows = xr.DataArray(np.cos(np.deg2rad(weights["lat"].values)), dims="lat")
    slope, intercept = weights["noresm2lm_tas"].weighted(rows).mean(["lat", "lon"]).values
    return [
        Figure("published weights: area mean of the slopes, K/K", float(slope), 1.0, 1e-6),
        Figure("published weights: area mean of the intercepts, K", float(intercept), 0.0, 1e-6),
    ]


def global_means(path: Path, model: str) -> Series:
    """Return global mean temperature as anomaly, K, mean over members, by scenario ``[year]``.

    A table of all members of the scenarios beside the file is taken in their place, as ClimateBench
    averages three of ssp245 and this source's NetCDF has the first only.
    """
    with xr.open_dataset(path) as table:
        means = {
            name: table[f"tas_{name}"].mean("member").values.astype(np.float64)
            for name in (*TRAINING, TEST)
        }
        early = table["tas_historical"].sel(time_hist=slice(1850, 1900)).mean().item()
    every = path.with_name(f"gmst_{model}_ssp_members.csv")
    if every.is_file():
        members = pd.read_csv(every, index_col="year")
        for name in means:
            own = [column for column in members.columns if column.endswith(f"_tas_{name}")]
            if own:
                means[name] = members[own].mean(axis=1).to_numpy()
    return {name: values - CONTROL.get(model, early) for name, values in means.items()}


def course_figures(model: str, co2: Series, means: Series, line: Array | None) -> list[Figure]:
    """Return the errors of pattern scaling's first stage, ours and the published line."""
    row = next(one for one in published("climatebench") if one.model == "pattern scaling")
    ours = (
        np.concatenate([co2[name] for name in TRAINING]),
        np.concatenate([means[name] for name in TRAINING]),
    )
    slope, intercept = first_stage(*ours)
    same = model == "NorESM2-LM"
    score = row.scores["tas_anomaly"]["nrmse_global"] if same else None
    note = (
        "Ours is fitted on historical and three SSPs: hist-GHG and hist-aer, which the published "
        "line also saw, are in no public table of global means; their slopes are not comparable."
    )
    late = means[TEST][-(LAST_YEARS[1] - LAST_YEARS[0] + 1) :]
    figures = [
        Figure(
            f"{model}, ssp245: warming of 2080-2100, K",
            late.mean(),
            2.0705421 if same else None,
            1e-3 if same else None,
        ),
        Figure(
            f"{model}: NRMSE global of our line",
            nrmse_global(intercept + slope * co2[TEST], means[TEST]),
            score,
            1e-3 if same else None,
            note if same else "",
        ),
    ]
    published_line = line if line is not None and same else (None, None)
    if line is not None and same:
        figures.append(
            Figure(
                "NRMSE global of the published line",
                nrmse_global(line[1] + line[0] * co2[TEST], means[TEST]),
                score,
                1e-3,
            )
        )
    return [
        *figures,
        Figure(f"{model}: slope, K/Gt CO2", slope, published_line[0]),
        Figure(f"{model}: intercept, K", intercept, published_line[1]),
    ]


def nrmse_global(prediction: Array, truth: Array) -> float:
    r"""Return :math:`\sqrt{\overline{(p - y)^2}} / |\bar y|` over the last years of series."""
    count = LAST_YEARS[1] - LAST_YEARS[0] + 1
    p, y = prediction[-count:], truth[-count:]
    return float(np.sqrt(np.mean((p - y) ** 2)) / abs(y.mean()))


def first_stage(
    co2: Sequence[float] | Array, means: Sequence[float] | Array
) -> tuple[float, float]:
    """Return slope and intercept of climbench's own pattern scaling on series ``[year]``."""
    signature = Signature(
        inputs=("carbon_dioxide",),
        forcings=(),
        static=(),
        targets=("tas_anomaly",),
        history=1,
        leads=1,
        latitude=(-45.0, 45.0),
        longitude=(0.0,),
    )
    fields = [
        torch.as_tensor(np.asarray(x)).double()[:, None, None, None, None] for x in (co2, means)
    ]
    inputs, targets = (field.expand(-1, 1, 1, 2, 1) for field in fields)
    years = torch.arange(len(inputs))
    model = PatternScaling(signature)
    model.accumulate(
        Sample(
            inputs=inputs,
            forcings=inputs[:, :, :0],
            static=inputs[0, 0, :0],
            targets=targets,
            lead_time=torch.zeros(len(years), 1),
            day_of_year=years[:, None],
            days_in_year=years[:, None],
            hour=torch.zeros(len(years), 1),
            year=years[:, None],
            run=years,
            climate_model=torch.zeros_like(years),
            index=years,
        )
    )
    model.solve()
    slope, intercept = model.line.tolist()
    return slope, intercept
