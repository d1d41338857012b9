"""A truth with members: their mean for the forced response, each of them for ensembles."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from climbench.evaluation.channels import NUMBERS, Channel, locate
from climbench.evaluation.source import Source
from climbench.evaluation.streaming import Data
from climbench.metrics.averaging import ratio
from climbench.metrics.fields import Array
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


@dataclass(frozen=True)
class Scanned:
    """What was averaged.

    Attributes
    ----------
    state
        All means and sums.
    against
        Of statistics of ensembles the means against each member of the truth ``[member, sample,
        condition, channel, region(, component)]``, NaN where the scenario lacks the member; none
        where the truth has one.
    """

    state: State
    against: Mapping[Statistic, Array]


def scan_truth(
    data: Data,
    expected: Data,
    truth: Source,
    statistics: Sequence[Statistic],
    scan: Callable[[Data, Sequence[Statistic]], State],
) -> Scanned:
    r"""Return the state, with statistics of ensembles against each member of the truth.

    A member is one course that weather might have taken, which is what an ensemble claims to
    draw from; the mean over members is not. So of a statistic :math:`s` of an ensemble
    the mean :math:`\frac{1}{K} \sum_k s(x, y_k)` over the :math:`K` members of the truth counts;
    all others are of the expected field against the mean :math:`\bar y`, the forced response.
    Cells count where all members have a value, for both; a member against which there is no such
    number does not.

    Parameters
    ----------
    data
        What is scored, with the mean of the members as truth.
    expected
        The same with the expected fields as predictions; ``data`` itself where there are none.
    truth
        The truth with its members.
    statistics
        All that is wanted.
    scan
        Makes the state of some statistics.
    """
    number = members_of_truth(truth)
    own = [statistic for statistic in statistics if statistic.of_ensemble(data.members)]
    if not own or (number == 1 and expected is data):
        return Scanned(scan(expected, statistics), {})
    state = scan(expected, [statistic for statistic in statistics if statistic not in own])
    unexpected = state.unexpected
    found: dict[Statistic, list[Array]] = {statistic: [] for statistic in own}
    for single in _each_member(data.truth, truth, data.channels):
        part = scan(replace(data, truth=single), own)
        here = part.weight > 0  # not where a scenario lacks the member
        unexpected = np.maximum(unexpected, part.unexpected)  # what members lack
        for statistic, means in part.means.items():
            counts = here.reshape(here.shape + (1,) * (means.ndim - here.ndim))
            found[statistic].append(np.where(counts, means, np.nan))
    against = {statistic: np.stack(each) for statistic, each in found.items()}
    averaged = {
        statistic: ratio(np.nansum(each, axis=0), (~np.isnan(each)).sum(axis=0))
        for statistic, each in against.items()
    }
    both = {s: averaged[s] if s in averaged else state.means[s] for s in statistics}
    state = replace(state, means=both, unexpected=unexpected, members=data.members)
    return Scanned(state, against if number > 1 else {})


def _each_member(mean: Source, truth: Source, channels: Sequence[Channel]) -> Iterator[Source]:
    """Yield the truth of each member, where all have a value; the mean, which it is, of one."""
    if members_of_truth(truth) == 1:
        yield mean
        return
    kept = list(dict.fromkeys(variable for variable, _ in locate(mean, channels)))
    complete = mean.dataset[kept].notnull()
    for member in range(members_of_truth(truth)):
        single = truth.dataset[kept].isel(member=member, drop=True).where(complete)
        yield replace(truth, dataset=single)


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


def without_bounds(truth: Source, metrics: Sequence[Metric], lower: Array) -> list[str]:
    """Return a note on scores of climate runs that have no bounds.

    Parameters
    ----------
    truth
        With its members.
    metrics
        Those that have a single value.
    lower
        Their lower bounds ``[metric, ...]``.
    """
    if members_of_truth(truth) == 1:
        return ["no bounds: the truth has one member, and years of a warming cannot be drawn again"]
    bare = [m.label for m, bound in zip(metrics, lower, strict=True) if np.isnan(bound).all()]
    if not bare:
        return []
    return [f"no bounds of {', '.join(bare)}: drawing members of the truth again does not give any"]
