"""The gate: rules, verdicts, files."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from climbench.errors import UserError
from climbench.evaluation import (
    GateRules,
    combine,
    evaluate,
    gate,
    load_rules,
    read_scores,
    write_scores,
)

RULES_FOLDER = Path(__file__).parents[2] / "conf" / "gate"


def rules(*given, **options):
    return GateRules(name="test", rules=list(given), **options)


@pytest.fixture
def scores(truth, climatology, persistence):
    """Scores by size of the error: 0.3 and 0.6 standard deviations, and 0.3 drawn again."""

    def of(error, seed, model):
        forecasts = persistence(truth, truth.time[:40], [0], error=error, seed=seed)
        return evaluate(
            forecasts, truth, climatology, ["rmse", "bias", "acc"], model=model, draws=20
        )

    return {
        "good": of(0.3, 1, "resnet"),
        "bad": of(3.0, 2, "lps"),
        "twin": of(0.3, 3, "resnet<2>"),
    }


def test_a_clearly_better_candidate_passes(scores):
    result = gate(scores["good"], scores["bad"], rules({"metric": "rmse"}))
    assert result.passed
    assert result.exit_code == 0
    assert len(result.verdicts) == 3
    sentence = result.sentences[0]
    assert sentence.startswith("PASS: RESNET beats LPS on rmse of 2m_temperature at 0 h: ")
    assert " < " in sentence
    assert "(-" in sentence
    assert sentence.endswith("gain beyond chance at 0.95.")


@pytest.mark.parametrize("metric", ["rmse", "acc"])
def test_a_clearly_worse_candidate_fails_whatever_the_orientation(scores, metric):
    for compare in ("better", "not_worse"):
        result = gate(scores["bad"], scores["good"], rules({"metric": metric, "compare": compare}))
        assert not result.passed
        assert result.exit_code == 1
        assert "falls behind" in result.sentences[0]
    assert gate(scores["good"], scores["bad"], rules({"metric": metric})).passed


def test_what_chance_explains_is_neither_better_nor_worse(scores):
    for candidate, reference in (("good", "twin"), ("twin", "good")):
        pair = scores[candidate], scores[reference]
        better = gate(*pair, rules({"metric": "rmse", "channel": "2m_temperature"}))
        not_worse = gate(
            *pair, rules({"metric": "rmse", "channel": "2m_temperature", "compare": "not_worse"})
        )
        assert not better.passed
        assert not_worse.passed
        assert better.verdicts[0].significant is False


def test_equal_models_are_not_better_and_not_worse(scores):
    pair = scores["good"], scores["good"]
    assert not gate(*pair, rules({"metric": "rmse"})).passed
    assert gate(*pair, rules({"metric": "rmse", "compare": "not_worse"})).passed


def test_margin_is_relative(scores):
    good, bad = scores["good"], scores["bad"]
    where = {"metric": "rmse", "channel": "2m_temperature"}
    gain = gate(good, bad, rules(where)).verdicts[0].change
    assert 0 < gain < 1
    for factor, passed in ((0.8, True), (1.2, False)):
        assert gate(good, bad, rules(where | {"margin": gain * factor})).passed is passed
    loss = -gate(bad, good, rules(where)).verdicts[0].change
    for factor, passed in ((1.2, True), (0.5, False)):
        rule = where | {"margin": loss * factor, "compare": "not_worse"}
        assert gate(bad, good, rules(rule)).passed is passed


def test_bias_is_better_near_zero(truth, persistence):
    base = persistence(truth, truth.time[:40], [6])
    high = evaluate(base + 1.0, truth, metrics=["bias"], model="high", draws=0)
    low = evaluate(base - 3.0, truth, metrics=["bias"], model="low", draws=0)
    rule = {"metric": "bias", "channel": "2m_temperature"}
    assert gate(high, low, rules(rule)).passed
    assert not gate(low, high, rules(rule)).passed


def test_models_of_one_dataset_by_name(scores):
    both = combine([scores["good"], scores["bad"]])
    assert gate(both, both, rules({"metric": "rmse"}), "resnet", "lps").passed
    assert gate(both, both, rules({"metric": "rmse", "reference": "lps"}), "resnet").passed
    with pytest.raises(UserError, match=r"several models \(resnet, lps\): name one"):
        gate(both, both, rules({"metric": "rmse"}))
    with pytest.raises(UserError, match="no model 'lpz': did you mean 'lps'"):
        gate(both, both, rules({"metric": "rmse"}), "resnet", "lpz")


def test_works_from_files_alone(scores, tmp_path):
    paths = [write_scores(scores[name], tmp_path / name)[0] for name in ("good", "bad")]
    from_files = gate(*(read_scores(path) for path in paths), rules({"metric": "rmse"}))
    assert from_files == gate(scores["good"], scores["bad"], rules({"metric": "rmse"}))


@pytest.mark.parametrize(
    "where",
    [{"channel": "geopotential_700"}, {"lead_time": 12}, {"region": "europe"}, {"metric": "mae"}],
)
def test_a_rule_that_matches_nothing_is_an_error(scores, where):
    with pytest.raises(UserError, match="Rule 1 of 'test' matches no score of 'lps'"):
        gate(scores["good"], scores["bad"], rules({"metric": "rmse"} | where))
    with pytest.raises(UserError, match="matches no score"):
        gate(scores["good"], scores["bad"], rules({"metric": "rmse", "scenario": "ssp126"}))


def test_a_score_that_the_candidate_lacks_fails(scores):
    part = scores["good"].sel(channel=["2m_temperature"])
    result = gate(part, scores["bad"], rules({"metric": "rmse"}))
    assert [verdict.passed for verdict in result.verdicts] == [True, False, False]
    assert "RESNET has no rmse of geopotential_500 at 0 h" in result.sentences[1]


def test_scores_made_differently_are_refused(scores, truth, forecasts):
    other = evaluate(forecasts, truth, weighting="cos", draws=0)
    with pytest.raises(UserError, match="cannot be compared: 'weights'"):
        gate(scores["good"], other, rules({"metric": "rmse"}))


def test_scores_of_other_samples_are_refused(scores, truth, climatology, persistence):
    few = persistence(truth, truth.time[:20], [0], error=0.3)  # the hard days may be left out
    fewer = evaluate(few, truth, climatology, ["rmse", "bias", "acc"], model="few", draws=20)
    with pytest.raises(UserError, match=r"up to 20 samples .* up to 40:"):
        gate(fewer, scores["good"], rules({"metric": "rmse"}))


def test_emulation_compares_scores_alone(runs):
    prediction, truth = runs
    good = evaluate(prediction, truth, metrics=["nrmse_total"])
    bad = evaluate(prediction + 0.5, truth, metrics=["nrmse_total"], model="cnn")
    rule = {"metric": "nrmse_total", "scenario": "ssp126"}
    result = gate(good, bad, rules(rule))
    assert result.passed
    assert result.verdicts[0].significant is None
    assert not gate(bad, good, rules(rule)).passed


def test_files(scores, tmp_path):
    result = gate(scores["twin"], scores["good"], rules({"metric": "rmse"}, {"metric": "acc"}))
    written = json.loads(result.write_json(tmp_path / "gate.json").read_text())
    assert written["passed"] is False
    assert len(written["verdicts"]) == 6
    text = result.write_junit(tmp_path / "gate.xml").read_text()
    assert "RESNET&lt;2&gt;" in text
    suite = ElementTree.fromstring(text)
    assert suite.attrib["tests"] == "6"
    failures = sum(not verdict.passed for verdict in result.verdicts)
    assert int(suite.attrib["failures"]) == failures == len(suite.findall("testcase/failure"))


@pytest.mark.parametrize("path", sorted(RULES_FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_rules_are_valid(path):
    assert load_rules(path).name == path.stem


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nrules: [{metric: rmse, chanel: x}]", "chanel.*did you mean 'channel'"),
        ("name: a\nrules: [{metric: rmse, compare: best}]", "rules.0.compare"),
        ("name: a\nrules: []", "rules: list should have at least 1 item"),
        ("name: [a", "not valid YAML"),
        ("", "the whole"),
    ],
)
def test_wrong_rules_get_one_sentence(tmp_path, text, message):
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        load_rules(path)


def test_rules_that_are_not_there(tmp_path):
    with pytest.raises(UserError, match=r"absent.yaml cannot be read"):
        load_rules(tmp_path / "absent.yaml")


def test_verdicts_do_not_depend_on_the_order_of_samples(scores):
    good, bad = scores["good"], scores["bad"]
    shuffled = bad.isel(sample=np.random.default_rng(0).permutation(bad.sizes["sample"]))
    assert gate(good, shuffled, rules({"metric": "rmse"})) == gate(
        good, bad, rules({"metric": "rmse"})
    )
