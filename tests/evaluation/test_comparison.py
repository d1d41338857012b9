"""Two models compared: paired differences, bounds, p and q."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from rich.console import Console
from scipy import stats
from small_scores import CHANNELS, forecast_scores, red_noise, scenario_scores

from climbench.errors import UserError
from climbench.evaluation import combine, compare, comparison_table, write_comparison
from climbench.evaluation.comparison import comparison_rows
from climbench.evaluation.pairing import Pair, one_model, resample
from climbench.evaluation.significance import diebold_mariano

ONE = {"region": "global", "lead_time": 24.0}


def pair_of(own, other, **options):
    return (
        forecast_scores("resnet", own, **options),
        forecast_scores("lps", other, **options),
    )


@pytest.fixture(scope="module")
def errors():
    """Errors of one channel, lead time and region, not independent of each other."""
    common = red_noise(50, 0.5, seed=1)
    return common + 0.3 * red_noise(50, 0.2, 2), 1.2 * common + 0.5 * red_noise(50, 0.4, 3)


def test_a_difference_is_candidate_minus_reference(errors):
    result = compare(*pair_of(*errors))
    assert set(result.sizes) == {"metric", "channel", "region", "lead_time"}
    own, other = (np.sqrt(np.mean(values**2)) for values in errors)
    row = result.sel(metric="rmse", channel="2m_temperature", **ONE)
    assert float(row["candidate"]) == pytest.approx(own)
    assert float(row["reference"]) == pytest.approx(other)
    assert float(row["difference"]) == pytest.approx(own - other)
    assert float(row["lower"]) < own - other < float(row["upper"])
    assert (result.attrs["candidate"], result.attrs["reference"]) == ("resnet", "lps")


def test_what_is_better_near_zero_is_compared_by_size():
    result = compare(*pair_of(red_noise(30) - 4.0, red_noise(30, seed=1) + 6.0))
    row = result.sel(metric="bias", channel="2m_temperature", **ONE)
    assert float(row["difference"]) == pytest.approx(-2.0, abs=0.6)
    assert row["mark"] == "better"


def test_nobody_wins_by_what_has_no_better_value(errors):
    """The others are tested as if it were not there: one test less shares the false finds."""
    pair = [
        scores.assign_coords(orientation=("metric", ["lower", "lower", "none"]))
        for scores in pair_of(errors[0], 3 * errors[1] + 5.0)
    ]
    result = compare(*pair)
    neither = result.sel(metric="bias")
    means = (errors[0].mean(), 3 * errors[1].mean() + 5.0)
    np.testing.assert_allclose(neither["difference"], means[0] - means[1])
    assert (neither["lower"] < neither["difference"]).all()
    assert (neither["difference"] < neither["upper"]).all()
    assert set(neither["mark"].to_numpy().ravel()) == {""}
    assert neither["p"].isnull().all() and neither["q"].isnull().all()
    others = ["rmse", "mae"]
    assert set(result.sel(metric=others)["mark"].to_numpy().ravel()) == {"better"}
    alone = compare(*pair, metrics=others)
    np.testing.assert_array_equal(result["q"].sel(metric=others), alone["q"])
    console = Console(width=120, record=True)
    console.print(comparison_table(result))
    text = " ".join(console.export_text().split())
    assert "resnet is ▲ better in 6 and ▼ worse in 0 of 6 scores (q at most 0.05)." in text
    assert "Nobody wins by the other 3: bias." in text


def test_of_a_mean_the_test_is_that_of_the_samples_own_differences(errors):
    row = compare(*pair_of(*errors)).sel(metric="mae", channel="2m_temperature", **ONE)
    differences = np.abs(errors[0]) - np.abs(errors[1])
    assert float(row["p"]) == pytest.approx(float(diebold_mariano(differences).p))


@pytest.mark.parametrize(("step_hours", "horizon"), [(24, 1), (12, 2), (6, 4), (18, 2), (48, 1)])
def test_the_lead_time_in_steps_is_the_horizon(errors, step_hours, horizon):
    pair = pair_of(*errors, step_hours=step_hours)
    row = compare(*pair, autocorrelation="lead").sel(metric="mae", channel="2m_temperature", **ONE)
    differences = np.abs(errors[0]) - np.abs(errors[1])
    assert float(row["p"]) == pytest.approx(float(diebold_mariano(differences, horizon).p))


def test_of_a_root_the_linear_part_is_tested(errors):
    """The delta method: a root's change is that of its square over twice the root."""
    row = compare(*pair_of(*errors)).sel(metric="rmse", channel="2m_temperature", **ONE)
    own, other = (np.sqrt(np.mean(values**2)) for values in errors)
    linear = errors[0] ** 2 / (2 * own) - errors[1] ** 2 / (2 * other)
    series = linear - linear.mean() + (own - other)
    assert float(row["p"]) == pytest.approx(float(diebold_mariano(series).p), rel=0.1)


def test_each_sample_counts_by_its_weight(errors):
    """A sample without weight is no sample; the weighted mean's parts add up to it."""
    scores = pair_of(*errors)
    weights = np.random.default_rng(0).uniform(0.5, 1.5, 50)
    weights[[3, 20]] = 0.0
    weighted = [
        data.assign(per_sample_weight=data["per_sample_weight"] * weights) for data in scores
    ]
    pair = Pair.of(*(one_model(data, None, "test") for data in weighted))
    labels = {"channel": ["2m_temperature"], "region": ["global"]}
    drawn = resample(pair, "mae", 24.0, labels, draws=50, seed=0)
    differences = np.abs(errors[1]) - np.abs(errors[0])  # what is lower is better
    mean = np.average(differences, weights=weights)
    series = drawn.series[:, 0, 0]
    assert len(series) == 48
    assert series.mean() == pytest.approx(mean)
    kept = weights > 0
    shares = weights[kept] / weights.sum()
    variance = np.sum((shares * (differences[kept] - mean)) ** 2)
    assert np.var(series) / 48 == pytest.approx(variance, rel=0.1)


def test_bounds_are_those_of_both_models_under_the_same_draws(errors):
    """Pairing takes out what both share: the bounds are narrower than of independent draws."""
    row = compare(*pair_of(*errors)).sel(metric="rmse", channel="2m_temperature", **ONE)
    alone = [
        compare(*pair_of(values, np.ones(50))).sel(metric="rmse", channel="2m_temperature", **ONE)
        for values in errors
    ]
    widths = [float(part["upper"] - part["lower"]) for part in (row, *alone)]
    assert widths[0] < 0.8 * np.hypot(*widths[1:])


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_bounds_and_tests_of_equal_models_are_right_about_as_often_as_they_say(correlation):
    """300 pairs of models with equally large red errors: 95 % bounds, tests at the level 0.05."""
    leads, regions = tuple(range(6, 126, 6)), tuple("abcde")
    shape = (60, 3, len(leads), len(regions))
    own, other = (red_noise(shape, correlation, seed) for seed in (1, 2))
    pair = pair_of(own, other, leads=leads, regions=regions)
    result = compare(*pair, metrics="rmse", bootstrap=300)
    held = (result["lower"] <= 0) & (result["upper"] >= 0)
    assert 0.89 < float(held.mean()) <= 0.99
    assert 0.02 < float((result["p"] < 0.05).mean()) < 0.1
    assert float((result["mark"] != "not significant").mean()) < 0.01


def test_a_real_difference_is_found_among_many():
    sizes = np.where(np.arange(20) < 5, 0.5, 1.0)  # better at the first five lead times
    leads = tuple(range(6, 126, 6))
    own, other = (red_noise((160, 3, 20, 1), 0.3, seed) for seed in (1, 2))
    pair = pair_of(own * sizes[:, np.newaxis], other, leads=leads)
    result = compare(*pair, metrics="rmse")
    marks = result["mark"].sel(metric="rmse", region="global")
    assert (marks[:, :5] == "better").all()
    assert int((marks[:, 5:] == "better").sum()) <= 2
    np.testing.assert_allclose(
        result["q"].to_numpy().ravel(),
        stats.false_discovery_control(result["p"].to_numpy().ravel()),
    )


def test_tests_need_no_draws(errors):
    whole, quick = (compare(*pair_of(*errors), bootstrap=draws) for draws in (100, 0))
    xr.testing.assert_identical(
        whole[["p", "q", "mark"]].drop_attrs(), quick[["p", "q", "mark"]].drop_attrs()
    )
    assert quick["p"].notnull().any() and whole["lower"].notnull().any()
    assert quick["lower"].isnull().all() and quick["upper"].isnull().all()


def test_a_model_against_itself_is_the_same(errors):
    scores = forecast_scores("resnet", errors[0])
    result = compare(scores, scores)
    for name in ("difference", "lower", "upper"):
        np.testing.assert_array_equal(result[name], 0.0)
    np.testing.assert_array_equal(result["p"], 1.0)
    assert set(np.unique(result["mark"])) == {"not significant"}


def test_a_single_sample_has_no_bounds_and_no_test():
    result = compare(*pair_of([1.0], [2.0]))
    assert float(result["difference"].sel(metric="rmse").max()) == -1.0
    for name in ("lower", "upper", "p", "q"):
        assert result[name].isnull().all()
    assert set(np.unique(result["mark"])) == {""}


def test_what_one_model_lacks_is_missing(errors):
    own, other = pair_of(*errors, leads=(24, 72))
    result = compare(own.sel(channel=["geopotential_500"], lead_time=[72.0]), other)
    there = result["difference"].notnull()
    assert int(there.sum()) == result.sizes["metric"]
    assert result["p"].notnull().equals(there)
    assert len(comparison_rows(result)) == result.sizes["metric"]


def test_seed_and_order_of_samples(errors):
    own, other = pair_of(*errors)
    first, again = (compare(own, other, seed=1) for _ in range(2))
    assert first.identical(again)
    assert not first.identical(compare(own, other, seed=2))
    shuffled = other.isel(sample=np.random.default_rng(0).permutation(50))
    assert first.identical(compare(own, shuffled, seed=1))


def test_scenarios_have_bounds_only_where_internal_variability_is_known():
    result = compare(scenario_scores("cnn", 0.3), scenario_scores("lps", 0.5))
    assert set(result.sizes) == {"metric", "channel", "region", "scenario"}
    np.testing.assert_allclose(result["difference"], -0.2)
    assert result["p"].isnull().all() and result["lower"].isnull().all()
    known = compare(scenario_scores("cnn", 0.3, 0.06), scenario_scores("lps", 0.5, 0.08))
    np.testing.assert_allclose(known["upper"], -0.2 + stats.norm.ppf(0.975) * 0.1)
    np.testing.assert_allclose(known["p"], 2 * stats.norm.sf(2.0))


def test_what_is_compared_can_be_chosen(errors):
    pair = pair_of(*errors, leads=(24, 72))
    result = compare(*pair, metrics=["mae", "rmse"], variables="geopotential", leads=[72])
    assert result["metric"].values.tolist() == ["rmse", "mae"]
    assert result["channel"].values.tolist() == ["geopotential_500", "geopotential_850"]
    assert result["lead_time"].values.tolist() == [72.0]


def test_models_of_one_file(errors):
    both = combine(pair_of(*errors))
    named = compare(both, both, candidate_model="resnet", reference_model="lps")
    xr.testing.assert_allclose(named, compare(*pair_of(*errors)))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"metrics": "rsme"}, "The scores of 'lps' have no metric 'rsme': did you mean 'rmse'"),
        ({"variables": ["2m_temp"]}, "no variable '2m_temp': did you mean '2m_temperature'"),
        ({"leads": [12]}, "no lead time of 12 h: there are 24 h"),
        ({"regions": "globe"}, "no region 'globe': did you mean 'global'"),
        ({"scenarios": "ssp126"}, "have no 'scenarios'"),
        ({"bootstrap": 99}, "The comparison: bootstrap: give at least 100 draws, or 0 for none"),
        ({"confidence": 1.0}, "The comparison: confidence: "),
        ({"autocorrelation": "leads"}, "autocorrelation: input should be 'automatic' or 'lead'"),
        ({"candidate_model": "resnt"}, "The candidate scores have no model 'resnt': did you mean"),
    ],
)
def test_mistakes_are_one_sentence(errors, options, sentence):
    with pytest.raises(UserError, match=sentence):
        compare(*pair_of(*errors), **options)


def test_scores_without_samples_are_refused(errors):
    own, other = pair_of(*errors)
    with pytest.raises(UserError, match="The scores of 'lps' hold no samples: evaluate again"):
        compare(own, other.drop_vars("per_sample_weight"))


def shown(result, width=80, **options):
    console = Console(width=width)
    with console.capture() as capture:
        console.print(comparison_table(result, width=width, **options))
    return capture.get()


def test_the_table_says_what_is_real(errors):
    result = compare(*pair_of(0.3 * errors[0], errors[1], leads=(24, 72)), metrics="rmse")
    text = shown(result)
    assert text.startswith("SIMULATED DATA  Comparison: resnet against lps, rmse, global\n")
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "geopotential_500  72 h" in text
    assert text.count("▲") == 1 + len(CHANNELS) * 2
    assert "resnet is ▲ better in 6 and ▼ worse in 0 of 6 scores (q at most 0.05)." in text
    assert "4 more are not shown" in " ".join(shown(result, most=2).split())
    assert "–" in shown(compare(*pair_of([1.0], [2.0])))


def test_names_that_are_too_long_for_a_column_become_headings(errors):
    regions = ("northern-hemisphere_land", "southern-hemisphere_land")
    pair = pair_of(0.3 * errors[0], errors[1], leads=(24, 72), regions=regions)
    result = compare(*pair, metrics=["rmse", "mae"])
    lines = shown(result).splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert "geopotential_850, southern-hemisphere_land" in [line.strip() for line in lines]
    row = next(line for line in lines if line.startswith("mae"))
    assert row.split()[:3] == ["mae", "24", "h"]
    one_table = shown(result, width=120).splitlines()
    assert sum("against" in line for line in one_table) == 2  # the title and one head


def test_files_hold_every_number(errors, tmp_path):
    result = compare(*pair_of(*errors))
    table, record = write_comparison(result, tmp_path / "new")
    rows = pd.read_csv(table)
    assert len(rows) == result["difference"].size
    first = rows.iloc[0]
    assert (first["metric"], first["units"]) == ("rmse", "K")
    assert first["q"] == pytest.approx(float(result["q"][0, 0, 0, 0]))
    written = json.loads(record.read_text())
    assert written["candidate"] == "resnet"
    assert written["bootstrap"]["draws"] == 1000
    assert len(written["scores"]) == len(rows)
    single = compare(*pair_of([1.0], [2.0]))
    _, record = write_comparison(single, tmp_path)
    assert json.loads(record.read_text())["scores"][0]["p"] is None


@pytest.mark.parametrize("option", ["metrics", "variables", "leads", "regions"])
def test_an_empty_choice_is_a_mistake(errors, option):
    with pytest.raises(UserError, match=f"The comparison: {option}: give at least one"):
        compare(*pair_of(*errors), **{option: []})


def test_rounding_is_no_difference(errors):
    scores = forecast_scores("resnet", errors[0])
    less = scores.assign(score=scores["score"] * (1 - 1e-13))
    less["per_sample"] = less["per_sample"] * (1 - 1e-13)
    result = compare(scores, less)
    np.testing.assert_array_equal(result["difference"], 0.0)
    np.testing.assert_array_equal(result["p"], 1.0)


def test_infinite_scores_are_written_as_null(errors, tmp_path):
    own, other = pair_of(*errors)
    lost = own.assign(score=own["score"] + np.inf, per_sample=own["per_sample"] + np.inf)
    _, record = write_comparison(compare(lost, other), tmp_path)
    assert json.loads(record.read_text())["scores"][0]["candidate"] is None
    assert "inf" in shown(compare(lost, other, metrics="mae"))


@pytest.mark.parametrize("size", [1e-100, 1e80])
def test_huge_and_tiny_scores_are_tested_like_others(errors, size):
    usual = compare(*pair_of(*errors), metrics="mae")
    other = compare(*pair_of(*(size * np.asarray(e) for e in errors)), metrics=["mae", "rmse"])
    np.testing.assert_allclose(other["p"].sel(metric=["mae"]), usual["p"], rtol=1e-6)


def test_units_are_those_of_the_metric(errors):
    own, other = (
        scores.assign_coords(unit=("metric", ["", "km", "{units} decade-1"]))
        for scores in pair_of(*errors)
    )
    rows = comparison_rows(compare(own, other, variables="2m_temperature"))
    assert rows["units"].tolist() == ["K", "km", "K decade-1"]


def test_what_only_one_file_has_is_said(errors):
    own, other = pair_of(*errors)
    wider = xr.concat([own, own.assign_coords(region=["europe"])], "region", data_vars="minimal")
    wider = wider.assign_attrs(own.attrs)
    assert compare(own, other).attrs["only_in_one"] == ""
    result = compare(wider, other)
    assert result.attrs["only_in_one"] == "only the candidate has region europe"
    assert result.sizes["region"] == 1
    console = Console(width=100)
    with console.capture() as capture:
        console.print(comparison_table(result))
    assert "Not compared: only the candidate has region europe." in capture.get()
    turned = compare(other, wider)
    assert turned.attrs["only_in_one"] == "only the reference has region europe"
    chosen = compare(wider, other, regions="global")
    assert set(chosen.region.values) == {"global"}


def test_files_without_anything_in_common_are_refused(errors):
    own, other = pair_of(*errors)
    for dim, name in (("region", "europe"), ("channel", "tas"), ("lead_time", 6.0)):
        moved = own.isel({dim: [0]})
        coords = {k: (dim, v.values) for k, v in moved.coords.items() if v.dims == (dim,)}
        moved = moved.drop_vars(coords).assign_coords({**coords, dim: [name]})
        with pytest.raises(UserError, match=f"have no {dim} in common: "):
            compare(moved, other)
    metrics = [str(label) for label in own.metric.values]
    with pytest.raises(UserError, match="have no metric in common: "):
        compare(own.sel(metric=metrics[:1]), other.sel(metric=metrics[1:]))
