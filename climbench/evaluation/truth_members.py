"""A truth with members: their mean for the forced response, each of them for ensembles."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from climbench.evaluation.channels import NUMBERS, locate
from climbench.evaluation.source import Source
from climbench.evaluation.streaming import Data
from climbench.metrics.metric import Metric
from climbench.metrics.state import State
from climbench.metrics.statistic import Statistic


def members_of_truth(truth: Source) -> int:
    """Return how many members the truth has; 1 where it has no such dimension."""
    return truth.dataset.sizes.get("member", 1)


def mean_over_members(truth: Source) -> Source:
    """Return the truth with the mean of its members: what deterministic scores are against.

    A member that a scenario lacks altogether is none of its members; a value that another one
    lacks is missing in the mean.
    """
    if "member" not in truth.dataset.dims:
        return truth
    return replace(truth, dataset=truth.dataset.map(_mean, keep_attrs=True))


def _mean(field: xr.DataArray) -> xr.DataArray:
    if "member" not in field.dims or field.dtype.kind not in NUMBERS:
        return field
    field = field.astype(np.float64, keep_attrs=True)
    if "scenario" in field.dims:
        there = field.notnull().any([d for d in field.dims if d not in ("scenario", "member")])
        if not there.all() and there.any():
            there = there | ~there.any("member")  # of a scenario that nobody has, all is missing
            total = field.where(there, 0.0).sum("member", skipna=False, keep_attrs=True)
            return total / there.sum("member")
    return field.mean("member", skipna=False, keep_attrs=True)


def scan_truth(
    data: Data,
    truth: Source,
    statistics: Sequence[Statistic],
    scan: Callable[[Data, Sequence[Statistic]], State],
) -> State:
    r"""Return the state, with statistics of ensembles against each member of the truth.

    A member is one course that weather might have taken, which is what an ensemble claims to
    draw from; the mean over members is not. So of a statistic :math:`s` of an ensemble
    the mean :math:`\frac{1}{K} \sum_k s(x, y_k)` over the :math:`K` members of the truth counts;
    all others are against the mean :math:`\bar y`, the forced response. Cells count where all
    members have a value, for both; a member against which there is no such number does not.

    Parameters
    ----------
    data
        What is scored, with the mean of the members as truth.
    truth
        The truth with its members.
    statistics
        All that is wanted.
    scan
        Makes the state of some statistics.
    """
    number = members_of_truth(truth)
    own = [statistic for statistic in statistics if statistic.of_ensemble(data.members)]
    if number == 1 or not own:
        return scan(data, statistics)
    state = scan(data, [statistic for statistic in statistics if statistic not in own])
    kept = list(dict.fromkeys(variable for variable, _ in locate(data.truth, data.channels)))
    complete = data.truth.dataset[kept].notnull()
    sums: dict[Statistic, Any] = {}
    present: dict[Statistic, Any] = {}
    for member in range(number):
        single = truth.dataset[kept].isel(member=member, drop=True).where(complete)
        part = scan(replace(data, truth=replace(truth, dataset=single)), own)
        here = part.weight > 0  # not where a scenario lacks the member
        for statistic in own:
            found = part.means[statistic]
            counts = here.reshape(here.shape + (1,) * (found.ndim - here.ndim)) & ~np.isnan(found)
            present[statistic] = present.get(statistic, 0) + counts
            sums[statistic] = sums.get(statistic, 0.0) + np.where(counts, found, 0.0)
    with np.errstate(invalid="ignore"):  # 0 / 0 where no member counts: NaN
        averaged = {s: total / present[s] for s, total in sums.items()}
    means = {s: averaged[s] if s in averaged else state.means[s] for s in statistics}
    return replace(state, means=means)


def which_truth(
    truth: Source, metrics: Sequence[Metric], forecast_members: int
) -> tuple[str, list[str]]:
    """Return the convention by which members of the truth count, and a note for the user."""
    number = members_of_truth(truth)
    if number == 1:
        return "", []
    own = [m.label for m in metrics if m.of_ensemble(forecast_members)]
    others = [m.label for m in metrics if not m.of_ensemble(forecast_members)]
    sentences = [
        f"{', '.join(labels)} against {what}"
        for labels, what in (
            (others, f"the mean of the {number} members of the truth"),
            (own, f"each of the {number} members of the truth, averaged"),
        )
        if labels
    ]
    convention = f"mean of {number} members; scores of ensembles: each of them, averaged"
    return convention, ["; ".join(sentences)]


def without_bounds(truth: Source, metrics: Sequence[Metric], forecast_members: int) -> list[str]:
    """Return a note on scores of ensembles, which drawing members of the truth gives no bounds."""
    own = [m.label for m in metrics if m.of_ensemble(forecast_members) and m.curve is None]
    if members_of_truth(truth) == 1 or not own:
        return []
    return [f"no bounds of {', '.join(own)}: of climate runs only scores of the mean have them"]
