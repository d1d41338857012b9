"""Two models over the same samples: what the gate and comparisons are made from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError, nearest
from climbench.evaluation.combining import check_conventions
from climbench.evaluation.scores import statistic_means
from climbench.evaluation.significance import Array, block_draws, block_length, narrowness
from climbench.metrics.metric import get_metric

ROUNDING = 1e-10  # share of a score below which a difference may come from the order of sums


@dataclass(frozen=True)
class Pair:
    """Scores of a candidate and a reference that come from the same samples.

    Attributes
    ----------
    candidate, reference
        Scores of one model each, without the dimension ``model``, samples in order of time.
    """

    candidate: xr.Dataset
    reference: xr.Dataset

    @classmethod
    def of(cls, candidate: xr.Dataset, reference: xr.Dataset) -> Self:
        """Return the pair of two models' scores.

        Raises
        ------
        UserError
            If the scores were made differently, or come from different samples or cells.
        """
        for scores in (candidate, reference):
            _check_whole(scores)
        check_conventions(candidate, reference)
        pair = cls(candidate.sortby("sample"), reference.sortby("sample"))
        pair._check_samples()
        pair._check_cells()
        return pair

    @property
    def names(self) -> tuple[str, str]:
        """The names of both models."""
        return str(self.candidate["model"].item()), str(self.reference["model"].item())

    @property
    def condition(self) -> str:
        """What the scores run along: ``lead_time`` or ``scenario``."""
        return "lead_time" if "lead_time" in self.reference.dims else "scenario"

    def orientation(self, metric: str) -> str:
        """Return whether a better score is ``lower``, ``higher``, near ``zero``, or ``none`` is."""
        return str(self.reference["orientation"].sel(metric=metric).item())

    def scores(self, metric: str, labels: Mapping[str, Sequence[Any]]) -> tuple[Array, Array]:
        """Return the scores of both at some labels; NaN where a model does not have one."""
        return self._values("score", metric, labels)

    def noise(self, metric: str, labels: Mapping[str, Sequence[Any]]) -> Array | None:
        r"""Return the standard deviation of a difference that internal variability explains.

        Where both were scored against equal draws of the truth's members (equal truth and
        seed), it is the standard deviation of the difference over the draws: what moves both
        scores alike is no noise of their difference. Else :math:`\sqrt{s_c^2 + s_r^2}` with the
        standard deviations of both, which is rather too large than too small. None where the
        scores do not have it.
        """
        if "score_noise" not in self.candidate or "score_noise" not in self.reference:
            return None
        if not self._same_draws():
            return np.hypot(*self._values("score_noise", metric, labels))
        scores = self._values("score", metric, labels)
        drawn = self._values("member_draws", metric, labels)
        own, other = (
            score[..., np.newaxis] + draws for score, draws in zip(scores, drawn, strict=True)
        )
        return np.asarray(gain(own, other, self.orientation(metric)).std(axis=-1, ddof=1))

    def _same_draws(self) -> bool:
        """Tell whether the draws of members of both are of one truth and one seed."""
        scores = (self.candidate, self.reference)
        if any("member_draws" not in data for data in scores):
            return False
        truths = {h for data in scores for h in json.loads(data.attrs["truth_hash"]).values()}
        seeds = {str(data.attrs["bootstrap"]) for data in scores}
        return len(truths) == 1 and "" not in truths and len(seeds) == 1

    def _values(
        self, name: str, metric: str, labels: Mapping[str, Sequence[Any]]
    ) -> tuple[Array, Array]:
        wanted = {"metric": [metric], **labels}
        own, other = (
            scores[name].reindex(wanted).transpose("metric", *labels, ...).to_numpy()[0]
            for scores in (self.candidate, self.reference)
        )
        return own, other

    def _check_samples(self) -> None:
        """Refuse scores of other samples: what was left out may be the hard part."""
        own, other = xr.align(
            self.candidate["per_sample_weight"] > 0,
            self.reference["per_sample_weight"] > 0,
            join="inner",
            exclude="sample",
        )
        both = own.any("sample") & other.any("sample")  # else one of them has no such score
        times = np.union1d(own["sample"].to_numpy(), other["sample"].to_numpy())
        dims = own.dims
        first, second = (
            (valid & both).reindex(sample=times, fill_value=False).transpose(*dims)
            for valid in (own, other)
        )
        if np.array_equal(first, second):
            return
        one, two = self.names
        counts = [int(valid.sum("sample").max()) for valid in (first, second)]
        raise UserError(
            f"The scores of '{one}' come from up to {counts[0]} samples and those of '{two}' from "
            f"up to {counts[1]}, not all of them the same: evaluate both over the same times."
        )

    def _check_cells(self) -> None:
        """Refuse scores of other cells: with a mask of one's own the hard ones can be left out."""
        one, two = self.names
        scores = (self.candidate, self.reference)
        if all("missing" in data for data in scores):
            own, other = xr.align(*(data["missing"] for data in scores), join="inner")
            there = [(data["per_sample_weight"] > 0).any(["sample", "region"]) for data in scores]
            differs = (own != other) & own.notnull() & other.notnull() & there[0] & there[1]
            if bool(differs.any()):
                raise UserError(
                    f"The scores of '{one}' leave out {int(own.where(differs).sum())} missing "
                    f"values where those of '{two}' leave out {int(other.where(differs).sum())}: "
                    "evaluate both where both have values."
                )
        own, other = xr.align(*(data["per_sample_weight"] for data in scores), join="inner")
        both = (own > 0) & (other > 0)
        if bool((both & (abs(own - other) > 1e-5 * other)).any()):
            raise UserError(
                f"The scores of '{one}' and '{two}' do not come from the same cells: evaluate both "
                "on one grid and with the same regions."
            )


def _check_whole(scores: xr.Dataset) -> None:
    """Refuse scores that lack what a comparison needs."""
    name = scores["model"].item()
    condition = "scenario" if "scenario" in scores.dims else "lead_time"
    if "per_sample_weight" not in scores or scores.sizes.get("sample", 0) == 0:
        raise UserError(f"The scores of '{name}' hold no samples: evaluate again.")
    cells = {"channel", "region", condition}
    needed: dict[str, set[str]] = {dim: {dim} for dim in (*cells, "metric", "sample")}
    needed |= {"orientation": {"metric"}, "unit_power": {"metric"}}
    needed |= {"variable": {"channel"}, "units": {"channel"}, "score": {"metric", *cells}}
    needed |= {"per_sample_weight": {"sample", *cells}}
    needed |= {"per_sample": {"statistic", "sample", *cells}}
    for variable, dims in needed.items():
        if variable not in scores.variables or set(scores[variable].dims) != dims:
            raise UserError(f"The scores of '{name}' lack '{variable}': evaluate again.")


def one_model(scores: xr.Dataset, name: str | None, role: str) -> xr.Dataset:
    """Return the scores of one model, without the dimension.

    Parameters
    ----------
    scores
        Scores of one or several models.
    name
        The model; may be None where there is only one.
    role
        What the scores are, for the sentence about a mistake.

    Raises
    ------
    UserError
        If the model is not there, or several are and none is named.
    """
    models = [str(model) for model in scores["model"].to_numpy()]
    if name is None and len(models) > 1:
        raise UserError(f"The {role} scores hold several models ({', '.join(models)}): name one.")
    name = models[0] if name is None else name
    if name not in models:
        raise UserError(f"The {role} scores have no model '{name}': {nearest(name, models)}")
    return scores.sel(model=name)


def gain(candidate: Array, reference: Array, orientation: str) -> Array:
    """Return by how much the candidate is ahead, in the score's unit.

    Where no score is better (``none``), by how much less it has. What differs by less than
    rounding explains, a share of ``1e-10``, counts as equal.

    Examples
    --------
    >>> float(gain(np.array(-1.0), np.array(3.0), "zero"))
    2.0
    """
    if orientation == "zero":
        candidate, reference, orientation = np.abs(candidate), np.abs(reference), "lower"
    sign = 1.0 if orientation == "higher" else -1.0
    with np.errstate(invalid="ignore"):
        ahead = (candidate - reference) * sign
        equal = np.abs(ahead) <= ROUNDING * np.minimum(np.abs(candidate), np.abs(reference))
    infinite = np.isinf(candidate) | np.isinf(reference)
    return np.asarray(np.where(np.where(infinite, candidate == reference, equal), 0.0, ahead))


@dataclass(frozen=True)
class Resampled:
    """Both scores of one metric and condition under the same draws of samples.

    Attributes
    ----------
    candidate, reference
        Scores ``[draw, channel, region]``.
    series
        What each sample adds to the gain ``[sample, channel, region]``; its mean is the gain.
    length
        Samples in a block.
    """

    candidate: Array
    reference: Array
    series: Array
    length: int

    def stretch(self, confidence: float) -> float:
        """Return by how much percentile bounds must be stretched."""
        return narrowness(len(self.series), self.length, confidence)


def resample(
    pair: Pair,
    metric: str,
    condition: Any,
    labels: Mapping[str, Sequence[Any]],
    draws: int,
    seed: int,
) -> Resampled | None:
    """Draw samples of both models alike.

    The series that autocorrelation is judged by are jackknife pseudo-values: for a mean of
    samples the samples' own differences, for roots and ratios their linear part.

    Parameters
    ----------
    pair
        Both models.
    metric
        Label.
    condition
        Lead time in hours.
    labels
        Of ``channel`` and ``region``.
    draws, seed
        Number of draws, which may be 0; of the random numbers.

    Returns
    -------
    Resampled or None
        None where nothing can be drawn: the score does not follow from samples, there is a single
        one, or samples are the years of a climate that changes.

    References
    ----------
    Efron and Tibshirani (1993), An Introduction to the Bootstrap, section 11.5, pseudo-values.
    """
    known = get_metric(metric)
    absent = metric not in pair.candidate["metric"].to_numpy()
    if absent or known.needs_cells or pair.condition != "lead_time":
        return None
    both = np.intersect1d(pair.candidate["sample"], pair.reference["sample"])
    here: dict[str, Any] = {**labels, "lead_time": [condition], "sample": both}
    models = [
        scores[["per_sample", "per_sample_weight"]].reindex(here).isel(lead_time=0)
        for scores in (pair.candidate, pair.reference)
    ]
    models = [scores.transpose(..., *labels) for scores in models]
    weights = [
        scores["per_sample_weight"].transpose("sample", ...).fillna(0.0).to_numpy()
        for scores in models
    ]
    valid = (weights[0] > 0) & (weights[1] > 0)
    some = valid.any(axis=(1, 2))
    number = int(np.count_nonzero(some))
    if number < 2:
        return None
    kept = [str(label) for label in pair.reference["statistic"].to_numpy()]
    for statistic in known.statistics:
        if not any(
            label == statistic.label or label.startswith(f"{statistic.label}#") for label in kept
        ):
            raise UserError(
                f"The scores of '{pair.names[1]}' hold no samples of {metric}: evaluate again."
            )
    means = [statistic_means(known, scores["per_sample"].isel(sample=some)) for scores in models]
    shared = [np.where(valid, weight, 0.0)[some] for weight in weights]

    def drawn(counts: NDArray[Any] | None) -> tuple[Array, Array]:
        own, other = (known.resampled(m, w, counts) for m, w in zip(means, shared, strict=True))
        return own, other

    orientation = pair.orientation(metric)
    every = gain(*drawn(np.ones((1, number))), orientation)
    without = gain(*drawn(None), orientation)
    series = _pseudo_values(every, without, valid[some])
    length = block_length(series)
    own, other = drawn(block_draws(number, length, draws, seed))  # none: empty
    return Resampled(own, other, series, length)


def _pseudo_values(every: Array, without: Array, valid: Any) -> Array:
    """Return what each sample adds ``[sample, ...]``, from the scores without each of them."""
    count = valid.sum(axis=0)
    with np.errstate(invalid="ignore"):  # of infinite scores
        departure = np.where(valid, (count - 1) * (every - without), np.nan)
    number = np.isfinite(departure).sum(axis=0)
    centre = np.nansum(departure, axis=0) / np.maximum(number, 1)
    return np.asarray(every + departure - centre)
