"""The gate: rules, verdicts, files."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from small_scores import forecast_scores, red_noise, scenario_scores

from climbench.errors import UserError
from climbench.evaluation import (
    GateRules,
    combine,
    gate,
    load_rules,
    read_scores,
    write_scores,
)
from climbench.experiments.verbs import scores_of

RULES_FOLDER = Path(__file__).parents[2] / "conf" / "gate"


def rules(*given, **options):
    return GateRules.parse({"name": "test", "rules": list(given), **options}, "The rules")


def better(**rule):
    return rules({"metric": "rmse", "better_than": "reference", **rule})


def not_worse(**rule):
    return rules({"metric": "rmse", "not_worse_than": "reference", **rule})


@pytest.fixture(scope="module")
def scores():
    """By size of the error: 1, 1.6, and 1.1 drawn again."""

    def of(model, size, seed):
        errors = size * red_noise((80, 3, 2, 2), 0.3, seed)
        return forecast_scores(model, errors, leads=(24, 72), regions=("global", "europe"))

    return {
        "good": of("resnet", 1.0, 1),
        "bad": of("lps", 1.6, 2),
        "twin": of("resnet<2>", 1.1, 3),
    }


def test_a_clearly_better_candidate_passes(scores):
    result = gate(scores["good"], scores["bad"], better())
    assert result.passed
    assert result.exit_code == 0
    assert len(result.verdicts) == 6  # three channels at two lead times, the globe only
    assert {verdict.outcome for verdict in result.verdicts} == {"pass"}
    sentence = result.sentences[0]
    assert sentence.startswith("PASS: resnet beats lps on rmse of 2m_temperature at 24 h: ")
    assert " < " in sentence
    assert "(-" in sentence
    assert sentence.endswith("gain beyond chance at 0.95.")
    assert result.summary == "Gate test passed on simulated data: 6 of 6 scores keep the rules."


def test_a_clearly_worse_candidate_fails_both_ways(scores):
    for demand in (better(), not_worse()):
        result = gate(scores["bad"], scores["good"], demand)
        assert not result.passed
        assert result.exit_code == 1
        assert {verdict.outcome for verdict in result.verdicts} == {"fail"}
        assert "FAIL: lps falls behind resnet on" in result.sentences[0]
    assert result.sentences[0].endswith("loss beyond chance at 0.95.")


def test_better_but_within_noise_is_not_significant(scores):
    result = gate(scores["good"], scores["twin"], better(leads=72, variables="geopotential_500"))
    (verdict,) = result.verdicts
    assert verdict.change > 0
    assert (verdict.outcome, verdict.passed, verdict.significant) == (
        "not significant",
        False,
        False,
    )
    assert verdict.sentence.startswith("NOT SIGNIFICANT: resnet is ahead of resnet<2> on rmse")
    assert verdict.sentence.endswith("gain within chance at 0.95.")
    assert result.exit_code == 1


def test_worse_but_within_noise_is_not_worse(scores):
    demand = not_worse(leads=72, variables="geopotential_500")
    (verdict,) = gate(scores["twin"], scores["good"], demand).verdicts
    assert verdict.change < 0
    assert (verdict.outcome, verdict.passed) == ("not significant", True)
    assert verdict.sentence.startswith("NOT SIGNIFICANT: resnet<2> is behind resnet on rmse")
    assert verdict.sentence.endswith("loss within chance at 0.95.")


def test_without_confidence_the_scores_alone_decide(scores):
    result = gate(scores["good"], scores["twin"], better(confidence=None, leads=72))
    for verdict in result.verdicts:
        assert verdict.significant is None
        assert verdict.passed is (verdict.change > 0)


def test_equal_models_are_not_better_and_not_worse(scores):
    pair = scores["good"], scores["good"]
    assert {verdict.outcome for verdict in gate(*pair, better()).verdicts} == {"fail"}
    assert {verdict.outcome for verdict in gate(*pair, not_worse()).verdicts} == {"pass"}
    assert "resnet equals the reference" in gate(*pair, better()).sentences[0]


def test_margin_is_relative(scores):
    good, bad = scores["good"], scores["bad"]
    where = {"variables": "2m_temperature", "leads": 24}
    gain = gate(good, bad, better(**where)).verdicts[0].change
    assert 0.2 < gain < 0.6
    assert gate(good, bad, better(**where, margin=gain / 4)).passed
    nearly = gate(good, bad, better(**where, margin=0.95 * gain)).verdicts[0]
    assert nearly.outcome == "not significant"
    assert f"margin {95 * gain:g} %" in nearly.sentence
    assert gate(good, bad, better(**where, margin=1.1 * gain)).verdicts[0].outcome == "fail"
    loss = -gate(bad, good, better(**where)).verdicts[0].change
    assert gate(bad, good, not_worse(**where, margin=1.1 * loss)).verdicts[0].outcome == "pass"
    assert gate(bad, good, not_worse(**where, margin=loss / 4)).verdicts[0].outcome == "fail"


def test_orientation_of_the_metric_counts():
    noise = 0.1 * red_noise((60, 3, 1, 1))
    near, far = forecast_scores("near", noise - 1.0), forecast_scores("far", noise + 3.0)
    assert gate(near, far, better(metric="bias")).passed  # nearer to zero
    assert not gate(far, near, not_worse(metric="bias")).passed
    sentence = gate(near, far, better(metric="bias")).sentences[0]
    assert re.search(r": \|-[\d.]+\| < \|[\d.]+\| \(-6\d\.\d %\), gain", sentence)
    high, low = (
        scores.assign_coords(orientation=("metric", ["higher"] * 3)) for scores in (far, near)
    )
    assert gate(high, low, better(metric="mae")).passed
    assert not gate(low, high, not_worse(metric="mae")).passed


def test_a_rule_on_what_nobody_can_win_is_refused(scores):
    pair = [
        scores[name].assign_coords(orientation=("metric", ["lower", "lower", "none"]))
        for name in ("good", "bad")
    ]
    sentence = (
        "Rule 1 of 'test': no value of 'bias' is better than another: name a metric that can be "
        "won, such as rmse."
    )
    for demand in (better(metric="bias"), not_worse(metric="bias")):
        with pytest.raises(UserError, match=re.escape(sentence)):
            gate(*pair, demand)
    assert gate(*pair, better(metric="rmse")).passed


def test_rules_choose_variables_channels_leads_and_regions(scores):
    def places(**rule):
        result = gate(scores["good"], scores["bad"], better(**rule))
        return [(v.channel, v.condition, v.region) for v in result.verdicts]

    assert places(variables="2m_temperature", leads=24) == [("2m_temperature", "24 h", "global")]
    assert {channel for channel, _, _ in places(variables=["geopotential"])} == {
        "geopotential_500",
        "geopotential_850",
    }
    assert {channel for channel, _, _ in places(variables=["geopotential_850"])} == {
        "geopotential_850"
    }
    assert {lead for _, lead, _ in places(leads=[72])} == {"72 h"}
    assert {region for *_, region in places(regions="*")} == {"global", "europe"}
    assert len(places(variables="*", leads="*", regions="*")) == 12
    sentence = gate(scores["good"], scores["bad"], better(regions="europe")).sentences[0]
    assert " at 24 h in europe: " in sentence


def test_models_of_one_dataset_by_name(scores):
    both = combine([scores["good"], scores["bad"]])
    assert gate(both, both, better(), "resnet", "lps").passed
    assert gate(both, both, rules({"metric": "rmse", "better_than": "lps"}), "resnet").passed
    with pytest.raises(UserError, match=r"several models \(resnet, lps\): name one"):
        gate(both, both, better())
    with pytest.raises(UserError, match="no model 'lpz': did you mean 'lps'"):
        gate(both, both, better(), "resnet", "lpz")


def test_rules_may_name_different_models_of_either_file(scores):
    others = combine([scores["bad"], scores["twin"]])
    demand = rules(
        {"metric": "rmse", "better_than": "lps"},
        {"metric": "rmse", "not_worse_than": "resnet<2>", "margin": 0.5},
    )
    result = gate(scores["good"], others, demand)
    assert result.passed
    assert {verdict.reference for verdict in result.verdicts} == {"lps", "resnet<2>"}
    with pytest.raises(UserError, match="Rule 1 of 'test': there is no model 'lsp': did you mean"):
        gate(scores["good"], others, rules({"metric": "rmse", "better_than": "lsp"}))


def test_works_from_files_alone(scores, tmp_path):
    paths = [write_scores(scores[name], tmp_path / name)[0] for name in ("good", "bad")]
    from_files = gate(*(read_scores(path) for path in paths), better())
    assert from_files == gate(scores["good"], scores["bad"], better())


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"metric": "rsme"}, "the scores of 'lps' have no metric 'rsme': did you mean 'rmse'"),
        ({"variables": "2m_temp"}, "no variable '2m_temp': did you mean '2m_temperature'"),
        ({"variables": "geopotential_700"}, "did you mean 'geopotential_"),
        ({"leads": 12}, "have no lead time of 12 h: there are 24, 72 h"),
        ({"regions": ["europa"]}, "no region 'europa': did you mean 'europe'"),
        ({"scenarios": "ssp126"}, "have no 'scenarios': choose 'leads'"),
    ],
)
def test_a_rule_that_names_what_is_not_there_is_a_mistake(scores, wrong, sentence):
    with pytest.raises(UserError, match=f"^Rule 1 of 'test': .*{sentence}"):
        gate(scores["good"], scores["bad"], better(**wrong))


def test_a_rule_that_finds_only_missing_scores_is_a_mistake(scores):
    empty = scores["bad"].assign(score=scores["bad"]["score"] * np.nan)
    with pytest.raises(UserError, match="Rule 1 of 'test': 'lps' has no rmse where the rule looks"):
        gate(scores["good"], empty, better())


def test_a_score_that_the_candidate_lacks_fails(scores):
    part = scores["good"].sel(channel=["2m_temperature"], lead_time=[24.0])
    result = gate(part, scores["bad"], better())
    assert [verdict.passed for verdict in result.verdicts] == [True, *[False] * 5]
    assert result.sentences[2].startswith("FAIL: resnet has no rmse of geopotential_500 at 24 h, ")
    without = scores["good"].sel(metric=["mae"], statistic=["absolute_error"])
    assert not gate(without, scores["bad"], better()).passed


def test_scores_made_differently_are_refused(scores):
    other = scores["bad"].assign_attrs(conventions=json.dumps({"weights": "cos"}))
    with pytest.raises(UserError, match="cannot be compared: 'weights'"):
        gate(scores["good"], other, better())


def test_scores_of_other_samples_are_refused(scores):
    few = forecast_scores("few", red_noise((20, 3, 2, 2)), leads=(24, 72), regions=("global", "x"))
    with pytest.raises(UserError, match=r"from up to 20 samples .* up to 80, not all of them"):
        gate(few, scores["bad"], better())
    later = scores["good"].assign_coords(sample=scores["good"]["sample"] + np.timedelta64(3, "D"))
    with pytest.raises(UserError, match="evaluate both over the same times"):
        gate(later, scores["bad"], better())


def test_verdicts_do_not_depend_on_the_order_of_samples(scores):
    good, bad = scores["good"], scores["bad"]
    shuffled = bad.isel(sample=np.random.default_rng(0).permutation(bad.sizes["sample"]))
    assert gate(good, shuffled, better()) == gate(good, bad, better())


def test_a_gain_of_a_single_sample_is_not_shown():
    one, two = forecast_scores("one", [1.0]), forecast_scores("two", [2.0])
    (verdict,) = gate(one, two, better(variables="2m_temperature")).verdicts
    assert not verdict.passed  # a gain must be shown
    assert (verdict.outcome, verdict.significant) == ("not significant", None)
    assert verdict.sentence.endswith("untested: nothing to draw from.")
    assert gate(one, two, better(confidence=None)).passed
    assert gate(one, two, rules(better().rules[0], bootstrap=0)).passed


def test_scenarios_compare_scores_alone():
    good, bad = scenario_scores("cnn", 0.3), scenario_scores("lps", 0.5)
    result = gate(good, bad, better(scenarios="ssp126"))
    assert result.passed
    assert {(v.condition, v.significant) for v in result.verdicts} == {("ssp126", None)}
    assert not gate(bad, good, not_worse(scenarios="ssp126")).passed
    with pytest.raises(UserError, match="no scenario 'ssp12': did you mean 'ssp126'"):
        gate(good, bad, better(scenarios="ssp12"))
    with pytest.raises(UserError, match="have no 'leads': choose 'scenarios'"):
        gate(good, bad, better(leads=24))


def test_internal_variability_is_noise():
    """0.2 is 2.8 standard deviations of a difference whose parts have 0.05 each, 1.4 with 0.1."""
    demand = better(noise="internal_variability")
    for noise, outcome in ((0.05, "pass"), (0.1, "not significant")):
        pair = scenario_scores("cnn", 0.3, noise), scenario_scores("lps", 0.5, noise)
        (verdict, *_) = gate(*pair, demand).verdicts
        assert verdict.outcome == outcome
        assert "internal variability at 0.95" in verdict.sentence
    assert gate(*pair, better()).passed  # the scores alone
    close = better(noise="internal_variability", confidence=0.8)  # 1.28 standard deviations
    assert gate(*pair, close).passed


def test_a_gain_within_either_noise_is_not_significant(scores):
    good, bad = (
        scores[name].assign(score_noise=scores[name]["score"] * 0 + 10) for name in ("good", "bad")
    )
    result = gate(good, bad, better(noise="internal_variability", leads=24))
    assert {verdict.outcome for verdict in result.verdicts} == {"not significant"}
    assert result.sentences[0].endswith("gain within internal variability at 0.95.")
    quiet = [data.assign(score_noise=data["score"] * 0) for data in (good, bad)]
    sentence = gate(*quiet, better(noise="internal_variability", leads=24)).sentences[0]
    assert sentence.endswith("gain beyond chance and internal variability at 0.95.")


def test_unknown_internal_variability_is_refused(scores):
    demand = better(noise="internal_variability")
    with pytest.raises(UserError, match=r"how much of rmse is internal variability: evaluate "):
        gate(scores["good"], scores["bad"], demand)


def test_files(scores, tmp_path):
    rule = {"metric": "rmse", "better_than": "reference"}
    result = gate(scores["good"], scores["twin"], rules(rule, {**rule, "margin": 0.5}))
    written = json.loads(result.write_json(tmp_path / "gate.json").read_text())
    assert written["passed"] is False
    assert written["simulated"] is True
    assert len(written["verdicts"]) == 12
    assert {verdict["outcome"] for verdict in written["verdicts"]} >= {"fail", "not significant"}
    text = result.write_junit(tmp_path / "gate.xml").read_text()
    assert "resnet&lt;2&gt;" in text
    suite = ElementTree.fromstring(text)
    assert suite.attrib["tests"] == "12"
    failures = suite.findall("testcase/failure")
    assert int(suite.attrib["failures"]) == len(failures) > 0
    assert {failure.attrib["type"] for failure in failures} == {"fail", "not significant"}


def test_numbers_that_are_not_finite_are_written_as_null(scores, tmp_path):
    part = scores["good"].sel(channel=["2m_temperature"])
    result = gate(part, scores["bad"], better())
    written = json.loads(result.write_json(tmp_path / "gate.json").read_text())
    assert written["verdicts"][-1]["candidate_score"] is None


def test_annotations_are_escaped_as_github_wants(scores):
    strange = scores["twin"].assign_coords(model=["50 %,\n:x"])
    result = gate(strange, scores["bad"].assign_coords(model=["b"]), better(leads=24))
    assert result.passed
    assert result.annotations == []
    result = gate(scores["bad"], strange, better(leads=24, variables="2m_temperature"))
    (line,) = result.annotations
    assert line.startswith("::error title=climbench gate test::FAIL: lps falls behind 50 %25,\\n:x")
    assert "\n" not in line
    named = GateRules.parse({**better(leads=24).model_dump(), "name": "a,b:c %"}, "x")
    assert "title=climbench gate a%2Cb%3Ac %25::" in gate(strange, strange, named).annotations[0]
    (warning,) = gate(
        scores["twin"], scores["good"], not_worse(leads=72, variables="geopotential_500")
    ).annotations
    assert warning.startswith("::warning title=climbench gate test::NOT SIGNIFICANT: resnet<2>")


@pytest.mark.parametrize("path", sorted(RULES_FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_rules_are_valid(path):
    assert load_rules(path).name == path.stem


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{metric: rmse, better_thn: reference}", "rule 1, better_thn is no key: did you mean"),
        ("{metric: rmse, better_than: reference, lead: [24]}", "lead is no key: .* 'leads'"),
        ("{metric: rmse, better_than: reference, channel: x}", "channel is no key: valid names"),
        ("{metric: rmse}", "rule 1: give one of 'better_than' and 'not_worse_than'"),
        ("{metric: rmse, better_than: a, not_worse_than: b}", "rule 1: give one of"),
        ("{better_than: reference}", "rule 1, metric: this key is needed"),
        ("{metric: rmse, better_than: reference, margin: -1}", "margin: input should be greater"),
        ("{metric: rmse, better_than: reference, margin: true}", "margin: true and false mean"),
        ("{metric: rmse, better_than: reference, leads: [true]}", "leads: true and false mean"),
        ("{metric: rmse, better_than: reference, regions: null}", r"regions: give names, or '\*'"),
        ("{metric: rmse, better_than: reference, leads: []}", "leads: give at least one"),
        ("{metric: rmse, metric: mae, better_than: a}", "'metric' is given twice, again in line 3"),
        ("3", "rule 1: write keys and values"),
        ("{metric: rmse, better_than: reference, margin: .inf}", "margin: .*finite"),
        ("{metric: rmse, better_than: reference, leads: [a]}", "rule 1, leads: .*valid number"),
        ("{metric: rmse, better_than: reference, noise: weather}", "'internal_variability'"),
        (
            "{metric: rmse, better_than: reference, noise: internal_variability, confidence: null}",
            "'noise' needs a 'confidence'",
        ),
    ],
)
def test_wrong_rules_get_one_sentence(tmp_path, text, message):
    path = tmp_path / "rules.yaml"
    path.write_text(f"name: a\nrules:\n  - {text}\n")
    with pytest.raises(UserError, match=f"^The rules .*{message}"):
        load_rules(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nrules: []", "rules: give at least one"),
        ("name: a\nrule: []", "rule is no key: did you mean 'rules'"),
        ("name: [a", "not valid YAML"),
        ("name: a\nbootstrap: 1\nrules: []", "bootstrap: give at least 100 draws, or 0"),
        ("", "the whole"),
    ],
)
def test_a_file_that_holds_no_rules_gets_one_sentence(tmp_path, text, message):
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        load_rules(path)


def test_rules_that_are_not_there(tmp_path):
    with pytest.raises(UserError, match=r"absent.yaml cannot be read"):
        load_rules(tmp_path / "absent.yaml")


def test_all_may_be_written_as_a_list_of_one_star(scores):
    demand = better(variables=["*"], leads=["*"], regions=["*"])
    assert len(gate(scores["good"], scores["bad"], demand).verdicts) == 12


def test_rounding_is_no_gain_and_no_loss(scores):
    """The order of sums changes the last digits, always in the same direction perhaps."""
    good = scores["good"]
    less = good.assign(
        score=good["score"] * (1 - 1e-13), per_sample=good["per_sample"] * (1 - 1e-13)
    )
    for pair in ((good, less), (less, good)):
        assert {v.outcome for v in gate(*pair, not_worse()).verdicts} == {"pass"}
        assert {v.outcome for v in gate(*pair, better()).verdicts} == {"fail"}
        assert {v.change for v in gate(*pair, better()).verdicts} == {0.0}


def test_an_infinite_score_is_a_score(scores, tmp_path):
    good = scores["good"]
    lost = good.assign(score=good["score"] + np.inf, per_sample=good["per_sample"] + np.inf)
    result = gate(lost, good, not_worse(leads=24))
    assert {verdict.outcome for verdict in result.verdicts} == {"fail"}
    assert "2m_temperature at 24 h: inf > " in result.sentences[0]
    written = json.loads(result.write_json(tmp_path / "gate.json").read_text())
    assert written["verdicts"][0]["candidate_score"] is None
    assert gate(good, lost, better(confidence=None)).passed
    assert gate(good, lost, not_worse(margin=0.1)).passed
    assert {v.outcome for v in gate(lost, lost, not_worse()).verdicts} == {"pass"}


def test_scores_against_other_truths_are_refused(scores):
    other = scores["bad"].assign_attrs(truth_hash=json.dumps({"lps": "other"}))
    with pytest.raises(
        UserError, match=r"'resnet' and 'lps' cannot be compared: .*different truths"
    ):
        gate(scores["good"], other, better())
    unknown = scores["bad"].assign_attrs(truth_hash=json.dumps({"lps": ""}))
    assert gate(scores["good"], unknown, better()).passed


def test_scores_that_leave_out_other_cells_are_refused(scores):
    def leaving_out(data, number):
        missing = (data["count"].isel(region=0, drop=True) * 0 + number).astype(int)
        return data.assign(missing=missing)

    good, bad = leaving_out(scores["good"], 5), leaving_out(scores["bad"], 0)
    sentence = "'resnet' leave out 30 missing values where those of 'lps' leave out 0: evaluate"
    with pytest.raises(UserError, match=sentence):
        gate(good, bad, better())
    assert gate(good, leaving_out(bad, 5), better()).passed
    masked = bad.assign(per_sample_weight=bad["per_sample_weight"] * 0.9)
    with pytest.raises(UserError, match="do not come from the same cells: evaluate both on one"):
        gate(scores["good"], masked, better())


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda data: data.drop_vars("per_sample"), "'lps' lack 'per_sample': evaluate again"),
        (lambda data: data[["score"]].isel(metric=0), "'lps' hold no samples: evaluate again"),
        (lambda data: data.isel(sample=[]), "'lps' hold no samples: evaluate again"),
        (lambda data: data.drop_vars("orientation"), "'lps' lack 'orientation'"),
        (lambda data: data.isel(lead_time=0), "'lps' lack 'lead_time'"),
        (lambda data: data.isel(statistic=[1, 2]), "'lps' hold no samples of rmse"),
        (lambda data: data.drop_attrs(), "'lps' do not say their conventions"),
        (lambda data: data.assign_attrs(conventions="{"), "The 'conventions' .* cannot be read"),
        (lambda data: data.assign_attrs(truth_hash="[]"), "The 'truth_hash' .* cannot be read"),
    ],
)
def test_incomplete_scores_get_one_sentence(scores, damage, sentence):
    with pytest.raises(UserError, match=sentence):
        gate(scores["good"], damage(scores["bad"]), better())


def test_signs_that_cannot_be_printed_are_escaped(scores, tmp_path):
    strange = scores["good"].assign_coords(model=["a\nb\x01"])
    result = gate(scores["bad"], strange, better(leads=24))
    assert "behind a\\nb\\x01 on" in result.sentences[0]
    ElementTree.parse(result.write_junit(tmp_path / "gate.xml"))


def test_addresses_of_scores(scores, tmp_path):
    folder = tmp_path / "we:ird"
    path, _ = write_scores(scores["good"].assign_coords(model=["a:b.nc"]), folder)
    assert scores_of(str(folder)).identical(scores_of(f"{path}"))
    assert scores_of(f"{path}:a:b.nc")["model"].item() == "a:b.nc"
    assert scores_of(f"{folder}:a:b.nc")["model"].item() == "a:b.nc"
    with pytest.raises(UserError, match=r"has no model 'a': did you mean|valid names"):
        scores_of(f"{path}:a")
    with pytest.raises(UserError, match=r"absent.nc does not exist"):
        scores_of(f"{tmp_path / 'absent.nc'}:a")


def test_ahead_by_less_than_the_margin_is_not_beaten(scores):
    verdict = gate(scores["good"], scores["bad"], better(margin=0.9)).verdicts[0]
    assert verdict.outcome == "fail"
    start = "FAIL: resnet does not beat lps by the margin on rmse of 2m_temperature at 24 h: "
    assert verdict.sentence.startswith(start)
    assert verdict.sentence.endswith("margin 90 %.")
