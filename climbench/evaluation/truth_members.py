"""A truth with members: their mean for the forced response, each of them for ensembles."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from climbench.evaluation.channels import locate
from climbench.evaluation.source import Source
from climbench.evaluation.streaming import Data
from climbench.metrics.metric import Metric
from climbench.metrics.state import State
from climbench.metrics.statistic import Statistic


def members_of_truth(truth: Source) -> int:
    """Return how many members the truth has; 1 where it has no such dimension."""
    return truth.dataset.sizes.get("member", 1)


def mean_over_members(truth: Source) -> Source:
    """Return the truth with the mean of its members: what deterministic scores are against."""
    if "member" not in truth.dataset.dims:
        return truth
    exact = truth.dataset.astype(np.float64, keep_attrs=True)
    return replace(truth, dataset=exact.mean("member", skipna=False, keep_attrs=True))


def scan_truth(
    data: Data,
    truth: Source,
    statistics: Sequence[Statistic],
    scan: Callable[[Data, Sequence[Statistic]], State],
) -> State:
    r"""Return the state, with statistics of ensembles against each member of the truth.

    A member is one course that weather might have taken, which is what an ensemble claims to
    draw from; the mean over members is not. So of a statistic :math:`s` that needs an ensemble
    the mean :math:`\frac{1}{K} \sum_k s(x, y_k)` over the :math:`K` members of the truth counts;
    all others are against the mean :math:`\bar y`, the forced response. Cells count where all
    members have a value, for both.

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
    own = [statistic for statistic in statistics if statistic.needs_members]
    if number == 1 or not own:
        return scan(data, statistics)
    state = scan(data, [statistic for statistic in statistics if not statistic.needs_members])
    kept = list(dict.fromkeys(variable for variable, _ in locate(data.truth, data.channels)))
    complete = data.truth.dataset[kept].notnull()
    sums: dict[Statistic, Any] = {}
    for member in range(number):
        single = truth.dataset[kept].isel(member=member, drop=True).where(complete)
        part = scan(replace(data, truth=replace(truth, dataset=single)), own)
        for statistic in own:
            sums[statistic] = sums.get(statistic, 0.0) + part.means[statistic]
    means = {s: sums[s] / number if s in sums else state.means[s] for s in statistics}
    return replace(state, means=means)


def which_truth(truth: Source, metrics: Sequence[Metric]) -> tuple[str, list[str]]:
    """Return the convention by which members of the truth count, and a note for the user."""
    number = members_of_truth(truth)
    if number == 1:
        return "", []
    own = [metric.label for metric in metrics if metric.needs_members]
    others = [metric.label for metric in metrics if not metric.needs_members]
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
