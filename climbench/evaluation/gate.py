"""The gate: whether a candidate keeps its rules against a reference, beyond chance."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from climbench.errors import UserError, nearest
from climbench.evaluation.combining import check_conventions
from climbench.evaluation.rules import GateRules, Rule
from climbench.evaluation.significance import block_draws, interval
from climbench.evaluation.verdict import GateResult, Verdict
from climbench.metrics.metric import Metric, get_metric
from climbench.metrics.statistic import Array

SELECTORS = ("metric", "channel", "lead_time", "scenario", "region")


def gate(
    candidate: xr.Dataset,
    reference: xr.Dataset,
    rules: GateRules,
    candidate_model: str | None = None,
    reference_model: str | None = None,
) -> GateResult:
    """Judge a candidate against a reference.

    Parameters
    ----------
    candidate, reference
        Scores datasets; they may be the same one with several models.
    rules
        What is demanded.
    candidate_model, reference_model
        Names; needed where a dataset holds several models. A rule's own ``reference`` goes first.

    Raises
    ------
    UserError
        If a model is not there or not named, the scores were made differently, or a rule
        matches nothing.
    """
    check_conventions(candidate, reference)
    own = _model(candidate, candidate_model, "candidate")
    verdicts: list[Verdict] = []
    for number, rule in enumerate(rules.rules, start=1):
        other = _model(reference, rule.reference or reference_model, "reference")
        _check_counts(own, other)
        found = list(_judge(number, rule, own, other, rules))
        if not found:
            raise UserError(
                f"Rule {number} of '{rules.name}' matches no score of "
                f"'{other['model'].item()}': {rule.model_dump_json(exclude_none=True)}"
            )
        verdicts += found
    return GateResult(rules.name, tuple(verdicts))


def _check_counts(candidate: xr.Dataset, reference: xr.Dataset) -> None:
    """Refuse scores of another number of samples: what was left out may be the hard part."""
    one, other = xr.align(candidate["count"], reference["count"], join="inner")
    if not one.drop_vars("model").equals(other.drop_vars("model")):
        raise UserError(
            f"The scores of '{candidate['model'].item()}' come from up to {int(one.max())} samples "
            f"and those of '{reference['model'].item()}' from up to {int(other.max())}: evaluate "
            "both over the same times."
        )


def _model(scores: xr.Dataset, name: str | None, role: str) -> xr.Dataset:
    models = [str(model) for model in scores["model"].to_numpy()]
    if name is None:
        if len(models) > 1:
            raise UserError(
                f"The {role} scores hold several models ({', '.join(models)}): name one."
            )
        name = models[0]
    if name not in models:
        raise UserError(f"The {role} scores have no model '{name}': {nearest(name, models)}")
    return scores.sel(model=name)


def _judge(
    number: int, rule: Rule, candidate: xr.Dataset, reference: xr.Dataset, rules: GateRules
) -> Iterator[Verdict]:
    """Yield the verdict of each score that a rule takes in."""
    for where in _matches(rule, reference):
        own = _score(candidate, where)
        other = _score(reference, where)
        if np.isnan(other):
            continue
        orientation = str(reference["orientation"].sel(metric=rule.metric).item())
        gain = float(_gain(np.array(own), np.array(other), orientation))
        demand = rule.margin * abs(other) * (1 if rule.compare == "better" else -1)
        beyond = gain > demand if rule.compare == "better" else gain >= demand
        significant = None
        if rule.confidence is not None and np.isfinite(own):
            significant = _significant(rule, candidate, reference, where, rules)
        if rule.compare == "better":
            passed = beyond and significant is not False
        else:
            passed = beyond or significant is False
        lead_or_scenario = next(k for k in ("lead_time", "scenario") if k in where)
        hours = lead_or_scenario == "lead_time"
        condition = f"{where[lead_or_scenario]:g} h" if hours else str(where[lead_or_scenario])
        names = str(candidate["model"].item()), str(reference["model"].item())
        yield Verdict(
            passed=passed,
            sentence=_sentence(rule, where, condition, names, (own, other), passed, significant),
            rule=number,
            metric=rule.metric,
            channel=str(where["channel"]),
            condition=condition,
            region=str(where["region"]),
            candidate=names[0],
            reference=names[1],
            candidate_score=own,
            reference_score=other,
            change=gain / abs(other) if other != 0 else np.nan,
            significant=significant,
        )


def _matches(rule: Rule, reference: xr.Dataset) -> Iterator[dict[str, Any]]:
    """Yield the labels of each score of the reference that a rule takes in."""
    score = reference["score"]
    chosen: dict[str, list[Any]] = {}
    for name in SELECTORS:
        wanted = getattr(rule, name)
        if name not in score.dims:
            if wanted != "*":
                return
            continue
        labels = score[name].to_numpy().tolist()
        chosen[name] = labels if wanted == "*" else [label for label in labels if label == wanted]
    for labels in product(*chosen.values()):
        yield dict(zip(chosen, labels, strict=True))


def _score(scores: xr.Dataset, where: dict[str, Any]) -> float:
    """Return one score; NaN where the dataset does not have it."""
    if any(label not in scores.indexes[name] for name, label in where.items()):
        return float("nan")
    return float(scores["score"].sel(where).item())


def _gain(candidate: Array, reference: Array, orientation: str) -> Array:
    """Return by how much the candidate is ahead, in the score's unit."""
    if orientation == "zero":
        return np.abs(reference) - np.abs(candidate)
    return (candidate - reference) * (1.0 if orientation == "higher" else -1.0)


def _significant(
    rule: Rule,
    candidate: xr.Dataset,
    reference: xr.Dataset,
    where: dict[str, Any],
    rules: GateRules,
) -> bool | None:
    """Tell whether the paired bootstrap confirms a difference; None without samples.

    For ``better``: whether the gain exceeds the margin in the stated share of draws. For
    ``not_worse``: whether the candidate falls behind by more than the margin in that share.
    """
    metric = get_metric(rule.metric)
    if metric.needs_cells or "lead_time" not in where or rule.confidence is None:
        return None
    both = np.intersect1d(candidate["sample"].to_numpy(), reference["sample"].to_numpy())
    here = {name: label for name, label in where.items() if name != "metric"}
    own, other = (scores.sel(sample=both).sel(here) for scores in (candidate, reference))
    common = (own["per_sample_weight"] > 0) & (other["per_sample_weight"] > 0)
    if np.count_nonzero(common) < 2:
        return None
    length = int(max(own["block_length"].item(), other["block_length"].item()))
    length = min(length, max(1, both.size // 2))
    draws = block_draws(both.size, length, rules.draws, rules.seed)
    drawn, drawn_other = (
        _drawn_scores(metric, scores[["per_sample", "per_sample_weight"]].where(common), draws)
        for scores in (own, other)
    )
    gain = _gain(drawn, drawn_other, metric.orientation)
    ahead = gain if rule.compare == "better" else -gain
    excess = ahead - rule.margin * np.abs(drawn_other)
    lower, _ = interval(excess[np.isfinite(excess)], rule.confidence)
    return bool(lower > 0)


def _drawn_scores(metric: Metric, samples: xr.Dataset, draws: Array) -> Array:
    """Return the score of each draw, from the per-sample means of one channel and lead time."""
    means = {
        statistic: samples["per_sample"].sel(statistic=statistic.name).to_numpy()
        for statistic in metric.statistics
    }
    return metric.resampled(means, samples["per_sample_weight"].fillna(0.0).to_numpy(), draws)


def _sentence(
    rule: Rule,
    where: dict[str, Any],
    condition: str,
    names: Sequence[str],
    values: tuple[float, float],
    passed: bool,
    significant: bool | None,
) -> str:
    own, other = values
    candidate, reference = (name.upper() for name in names)
    place = f"{rule.metric} of {where['channel']} at {condition}"
    place += "" if where["region"] == "global" else f" in {where['region']}"
    verdict = "PASS" if passed else "FAIL"
    if np.isnan(own):
        return f"{verdict}: {candidate} has no {place}, {reference} has {other:.4g}."
    relation = "<" if own < other else ">" if own > other else "="
    change = f" ({100 * _change(own, other):+.1f} %)"
    orientation = get_metric(rule.metric).orientation
    gain = float(_gain(np.array(own), np.array(other), orientation))
    verb = "beats" if gain > 0 else "falls behind" if gain < 0 else "equals"
    notes = [f"margin {100 * rule.margin:g} %"] if rule.margin else []
    if significant is not None:
        what = "gain" if rule.compare == "better" else "loss"
        notes.append(f"{what} {'' if significant else 'not '}beyond chance at {rule.confidence:g}")
    note = f", {', '.join(notes)}" if notes else ""
    return (
        f"{verdict}: {candidate} {verb} {reference} on {place}: "
        f"{own:.4g} {relation} {other:.4g}{change}{note}."
    )


def _change(own: float, other: float) -> float:
    """Return the difference relative to the reference; infinite where that is zero."""
    return (own - other) / abs(other) if other else float(np.sign(own)) * np.inf
