r"""Is one emulator better than another, or is it the draw of the members? Paired differences.

Both emulators are trained on the same draws of :math:`n` members and scored against the same
truth. Two things make their difference uncertain: which members they were trained on (and from
which random weights), seen in the :math:`k` draws, and which members the truth is a mean of, seen
by leaving out one at a time. With :math:`s^2` the variance of the differences over draws and
:math:`v` that of their mean over truths,

.. math:: \bar d \pm t_\nu \sqrt{s^2 / k + v}

with Student's :math:`t` of Welch and Satterthwaite's :math:`\nu` degrees of freedom, widened so
that the bounds of all numbers of members hold together (Bonferroni).
"""

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import stats

from climbench.experiments.internal_variability.truth import spread_of_a_mean

Array = NDArray[np.float64]

DIMS = ("emulator", "size", "truth", "channel", "metric")


class Difference(NamedTuple):
    """Candidate less reference, so that below zero the candidate is better.

    Attributes
    ----------
    mean, lower, upper
        Mean over the draws and its bounds, in the unit of the score; NaN where unknown.
    p
        Two-sided probability of such a mean without any difference.
    better, draws
        In how many of how many draws the candidate is better.
    """

    mean: float
    lower: float
    upper: float
    p: float
    better: int
    draws: int


def paired_difference(
    differences: Array,
    truth_variance: float,
    truth_members: int,
    confidence: float = 0.95,
    together: int = 1,
) -> Difference:
    """Return mean and bounds of the differences of two emulators over draws.

    Parameters
    ----------
    differences
        Candidate less reference for each draw ``[draw]``; NaN where one is missing.
    truth_variance
        Variance of their mean that stems from the members of the truth.
    truth_members
        How many those are.
    confidence
        Of the bounds.
    together
        How many such bounds shall hold at once.

    References
    ----------
    Welch (1947), Biometrika 34, 28-35, for the degrees of freedom of a sum of two variances.
    """
    known = differences[np.isfinite(differences)]
    number, better = known.size, int((known < 0).sum())
    if number == 0:
        return Difference(np.nan, np.nan, np.nan, np.nan, 0, 0)
    mean = float(known.mean())
    if number == 1:  # one draw does not tell how much draws differ
        return Difference(mean, np.nan, np.nan, np.nan, better, 1)
    by_draw = float(known.var(ddof=1)) / number
    total = by_draw + truth_variance
    parts = by_draw**2 / (number - 1) + truth_variance**2 / max(truth_members - 1, 1)
    if total == 0:
        return Difference(mean, mean, mean, float(mean == 0), better, number)
    freedom = total**2 / parts
    half = stats.t.ppf(1 - (1 - confidence) / (2 * together), freedom) * np.sqrt(total)
    p = 2 * stats.t.sf(abs(mean) / np.sqrt(total), freedom)
    return Difference(mean, mean - half, mean + half, float(p), better, number)


def compare_fits(fits: xr.Dataset, reference: str, confidence: float = 0.95) -> xr.Dataset:
    """Return the scores of all draws side by side, and the paired differences to a reference.

    Parameters
    ----------
    fits
        ``score [fit, truth, channel, metric]`` and ``without_one [fit, channel, metric,
        truth_member]`` with the coordinates ``model``, ``members``, ``member_seed`` and
        ``model_seed`` along ``fit``. Scores of several random weights of one draw are averaged.
    reference
        Name of a model.
    confidence
        Of the bounds, for all numbers of members together.

    Returns
    -------
    xarray.Dataset
        ``draw_score`` and ``difference [emulator, size, truth, channel, metric, draw]``, and the
        fields of :class:`Difference` without ``draw``; ``size`` is the number of members. NaN for
        the reference itself and where draws are not paired.
    """
    draws = by_draw(fits)
    score, without = draws["draw_score"], draws["without_one"]
    difference = (score - score.sel(emulator=reference)).where(score.emulator != reference)
    number = fits.sizes["truth_member"]
    paired = difference.sel(truth="all").notnull()
    departures = (without - without.sel(emulator=reference)).where(paired).mean("draw")
    variance = xr.apply_ufunc(spread_of_a_mean, departures, input_core_dims=[["truth_member"]])
    unseen = number - draws["size"]
    held_out = variance * number / unseen.where(unseen > 0)  # a mean over fewer members
    variance = xr.concat([variance, held_out], "truth").fillna(0.0).transpose(*DIMS)
    together = (paired.sum("draw") > 1).any(["channel", "metric"]).sum("size").clip(min=1)
    shape = tuple(difference.sizes[name] for name in DIMS)
    values = np.full((len(Difference._fields), *shape), np.nan)
    for at in np.ndindex(shape):
        found = paired_difference(
            difference.values[at],
            float(variance.values[at]),
            number,
            confidence,
            int(together[at[0]]),
        )
        values[(slice(None), *at)] = found
    fields = dict(zip(Difference._fields, values, strict=True))
    return xr.Dataset(
        {"draw_score": score, "difference": difference}
        | {name: (DIMS, value) for name, value in fields.items()}
    ).drop_vars("truth_member", errors="ignore")


def by_draw(fits: xr.Dataset) -> xr.Dataset:
    """Return scores ``[emulator, size, ..., draw]``, averaged over random weights."""
    columns = {"emulator": "model", "size": "members", "draw": "member_seed"}
    index = {name: np.unique(fits[column].values) for name, column in columns.items()}
    at = tuple(np.searchsorted(index[n], fits[column].values) for n, column in columns.items())
    shape = tuple(len(values) for values in index.values())
    count = np.zeros(shape)
    np.add.at(count, at, 1)
    grouped = {}
    for name, renamed in {"score": "draw_score", "without_one": "without_one"}.items():
        values = fits[name].transpose("fit", ...)
        total = np.zeros((*shape, *values.shape[1:]))
        np.add.at(total, at, values.values)
        with np.errstate(invalid="ignore"):
            mean = total / count.reshape(*shape, *[1] * (values.ndim - 1))
        grouped[renamed] = xr.DataArray(mean, dims=(*columns, *values.dims[1:]))
    labels = {name: fits[name] for name in ("truth", "channel", "metric", "truth_member")}
    whole = xr.Dataset(grouped, {**index, **labels})
    return whole.transpose("emulator", "size", "truth", "channel", "metric", "draw", ...)
