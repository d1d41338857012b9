"""The gate: whether a candidate keeps its rules against a reference, beyond chance."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from climbench.errors import UserError, nearest
from climbench.evaluation.pairing import Pair, gain, one_model, resample
from climbench.evaluation.rules import REFERENCE, GateRules, Rule, chosen_names
from climbench.evaluation.significance import Array, interval, normal_quantile
from climbench.evaluation.verdict import GateResult, Outcome, Verdict, printable
from climbench.lead_times import lead_name
from climbench.metrics.metric import get_metric


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
        Names; needed where a dataset holds several models. A rule may name another model of
        either dataset to be held against.

    Raises
    ------
    UserError
        If a model is not there or not named, the scores were made differently or from other
        samples, or a rule names what is not there.
    """
    own = one_model(candidate, candidate_model, "candidate")
    pairs: dict[str, Pair] = {}
    verdicts: list[Verdict] = []
    for number, rule in enumerate(rules.rules, start=1):
        opening = f"Rule {number} of '{rules.name}'"
        if rule.against not in pairs:
            if rule.against == REFERENCE:
                other = one_model(reference, reference_model, "reference")
            else:
                other = _named(rule.against, reference, candidate, opening)
            pairs[rule.against] = Pair.of(own, other)
        found = list(_judge(_Case(pairs[rule.against], rule, number, rules), opening))
        if not found:
            name = pairs[rule.against].names[1]
            raise UserError(f"{opening}: '{name}' has no {rule.metric} where the rule looks.")
        verdicts += found
    simulated = "true" in (candidate.attrs.get("simulated"), reference.attrs.get("simulated"))
    return GateResult(rules.name, tuple(verdicts), simulated)


def _named(name: str, reference: xr.Dataset, candidate: xr.Dataset, opening: str) -> xr.Dataset:
    """Return the scores of the model that a rule names, wherever they are."""
    known: list[str] = []
    for scores in (reference, candidate):
        models = [str(model) for model in scores["model"].to_numpy()]
        if name in models:
            return scores.sel(model=name)
        known += models
    raise UserError(f"{opening}: there is no model '{name}': {nearest(name, {*known, REFERENCE})}")


@dataclass(frozen=True)
class _Case:
    """One rule and the two models it is about."""

    pair: Pair
    rule: Rule
    number: int
    rules: GateRules


def _judge(case: _Case, opening: str) -> Iterator[Verdict]:
    """Yield the verdict of each score that a rule takes in."""
    pair, rule = case.pair, case.rule
    scores_of = f"{opening}: the scores of '{pair.names[1]}'"
    chosen_names([rule.metric], pair.reference["metric"], scores_of)
    if pair.orientation(rule.metric) == "none":
        raise UserError(
            f"{opening}: no value of '{rule.metric}' is better than another: name a metric that "
            "can be won, such as rmse."
        )
    labels = rule.labels(pair.reference, f"{opening}: the")
    own, other = pair.scores(rule.metric, labels)
    ahead = gain(own, other, pair.orientation(rule.metric))
    chance = _beyond_chance(case, labels)
    noise = _beyond_noise(case, labels, ahead, other, opening)
    for place in np.ndindex(*other.shape):
        if not np.isnan(other[place]):
            where = [names[index] for names, index in zip(labels.values(), place, strict=True)]
            tests = {"chance": float(chance[place]), "internal variability": float(noise[place])}
            scores = (float(own[place]), float(other[place]))
            yield _verdict(case, where, scores, float(ahead[place]), tests)


def _excess(rule: Rule, ahead: Array, other: Array) -> Array:
    """Return the gain (or the loss, where a rule forbids one) beyond the margin."""
    side = ahead if rule.wants_better else -ahead
    with np.errstate(invalid="ignore"):  # nothing is beyond a share of an infinite score but it
        beyond = side - rule.margin * np.abs(other) if rule.margin else side
    return np.asarray(np.where(np.isinf(side), side, beyond))


def _beyond_chance(case: _Case, labels: dict[str, list[Any]]) -> Array:
    """Return whether draws of the samples confirm the excess: 1, 0, or NaN where none can be.

    Confirmed is what is above zero in all but the lowest (1 - confidence) / 2 of the draws.
    """
    rule, pair = case.rule, case.pair
    answers = np.full([len(names) for names in labels.values()], np.nan)
    if rule.confidence is None:
        return answers
    orientation = pair.orientation(rule.metric)
    cells = {dim: names for dim, names in labels.items() if dim != pair.condition}
    for place, condition in enumerate(labels[pair.condition]):
        drawn = resample(pair, rule.metric, condition, cells, case.rules.bootstrap, case.rules.seed)
        if drawn is not None and case.rules.bootstrap:
            ahead = gain(drawn.candidate, drawn.reference, orientation)
            excess = _excess(rule, ahead, drawn.reference)
            stretch = drawn.stretch(rule.confidence)
            lower, _ = interval(excess, rule.confidence, stretch)
            answers[:, place] = np.where(np.isfinite(lower), lower > 0, np.nan)
    return answers


def _beyond_noise(
    case: _Case, labels: dict[str, list[Any]], ahead: Array, other: Array, opening: str
) -> Array:
    """Return whether the excess is larger than internal variability explains: 1, 0 or NaN."""
    rule = case.rule
    if rule.noise is None or rule.confidence is None:
        return np.full(other.shape, np.nan)
    noise = case.pair.noise(rule.metric, labels)
    unknown = noise is None or bool(np.isnan(noise[np.isfinite(ahead)]).any())
    if unknown and rule.noise == "internal_variability_if_known":
        return np.full(other.shape, np.nan)
    if noise is None or unknown:
        one, two = case.pair.names
        raise UserError(
            f"{opening}: the scores of '{one}' and '{two}' do not say how much of {rule.metric} is "
            "internal variability: evaluate against a truth with members, or leave out 'noise'."
        )
    return np.where(_excess(rule, ahead, other) > normal_quantile(rule.confidence) * noise, 1.0, 0)


def _verdict(
    case: _Case,
    where: list[Any],
    scores: tuple[float, float],
    ahead: float,
    tests: dict[str, float],
) -> Verdict:
    pair, rule = case.pair, case.rule
    (own, other), (candidate, reference) = scores, pair.names
    channel, label, region = where
    condition = lead_name(label) if pair.condition == "lead_time" else str(label)
    made = {name: bool(answer) for name, answer in tests.items() if not np.isnan(answer)}
    significant = all(made.values()) if made else None
    outcome = _outcome(case, ahead, other, significant)
    place = f"{rule.metric} of {channel} at {condition}"
    place += "" if region == "global" else f" in {region}"
    if np.isnan(own):
        sentence = f"{candidate} has no {place}, {reference} has {other:.4g}"
    else:
        sentence = (
            f"{_comparison(case, place, scores, ahead, outcome)}{_notes(rule, outcome, made)}"
        )
    return Verdict(
        passed=outcome == "pass" or (outcome == "not significant" and not rule.wants_better),
        outcome=outcome,
        sentence=printable(f"{outcome.upper()}: {sentence}."),
        rule=case.number,
        metric=rule.metric,
        channel=str(channel),
        condition=condition,
        region=str(region),
        candidate=candidate,
        reference=reference,
        candidate_score=own,
        reference_score=other,
        change=ahead / abs(other) if other != 0 and np.isfinite(other) else np.nan,
        significant=significant,
    )


def _outcome(case: _Case, ahead: float, other: float, significant: bool | None) -> Outcome:
    rule = case.rule
    if np.isnan(ahead):
        return "fail"
    beyond = float(_excess(rule, np.array(ahead), np.array(other))) > 0
    unproven = rule.wants_better and significant is None and _can_be_tested(case)
    if beyond and (significant is False or unproven):
        return "not significant"
    return "pass" if beyond is rule.wants_better else "fail"


def _can_be_tested(case: _Case) -> bool:
    """Tell whether a test is wanted and there would be one with enough samples."""
    wanted = case.rule.confidence is not None and case.rules.bootstrap > 0
    drawable = not get_metric(case.rule.metric).needs_cells
    return wanted and drawable and case.pair.condition == "lead_time"


def _comparison(
    case: _Case, place: str, scores: tuple[float, float], ahead: float, outcome: Outcome
) -> str:
    """Return who is ahead of whom, where, and both scores."""
    own, other = scores
    candidate, reference = case.pair.names
    reference = "the reference" if candidate == reference else reference
    if outcome == "not significant":
        met = f"is ahead of {reference}" if ahead > 0 else f"is behind {reference}"
    elif ahead > 0 and outcome == "fail":
        met = f"does not beat {reference} by the margin"
    else:
        verb = "beats" if ahead > 0 else "falls behind" if ahead < 0 else "equals"
        met = f"{verb} {reference}"
    sized = case.pair.orientation(case.rule.metric) == "zero"
    shown = [f"|{value:z.4g}|" if sized else f"{value:z.4g}" for value in scores]
    if sized:
        own, other = abs(own), abs(other)
    relation = "<" if own < other else ">" if own > other else "="
    finite = other != 0 and np.isfinite([own, other]).all()
    change = f" ({100 * (own - other) / abs(other):+z.1f} %)" if finite else ""
    values = f" {relation} ".join(shown)
    return f"{candidate} {met} on {place}: {values}{change}"


def _notes(rule: Rule, outcome: Outcome, made: dict[str, bool]) -> str:
    """Return what decided besides the scores: margin and tests."""
    notes = [f"margin {100 * rule.margin:g} %"] if rule.margin else []
    what = "gain" if rule.wants_better else "loss"
    asked = outcome == "not significant" or (outcome == "pass") is rule.wants_better
    if asked and made:
        names = [name for name, answer in made.items() if answer == (outcome != "not significant")]
        side = "within" if outcome == "not significant" else "beyond"
        notes.append(f"{what} {side} {' and '.join(names)} at {rule.confidence:g}")
    elif asked and rule.confidence is not None:
        notes.append("untested: nothing to draw from")
    return "".join(f", {note}" for note in notes)
