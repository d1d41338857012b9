"""Who wins, by how much, and in which words."""

import json

import numpy as np
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.plot.ranking import (
    baselines_of,
    headline_of,
    key_leads,
    marks_at,
    ranked,
    reference_of,
    skill,
)
from climbench.plot.wording import numbers, region_name, units_of, verdict
from climbench.report.tables import colour_class, regions_table, scorecard, standings


def set_headline(scores: xr.Dataset, values: dict[str, float], width: float = 0.1) -> xr.Dataset:
    """Give the models chosen headline scores with bounds ``width`` to either side."""
    at = headline_of(scores)
    where = {"metric": at.metric, "channel": at.channel, "region": at.region}
    axis = {"lead_time": at.lead_hours} if at.lead_hours else {}
    for model, value in values.items():
        scores["score"].loc[{"model": model, **where, **axis}] = value
        scores["lower"].loc[{"model": model, **where, **axis}] = value - width
        scores["upper"].loc[{"model": model, **where, **axis}] = value + width
    return scores


def test_the_headline_is_the_first_channel_near_a_day(forecasting, emulation):
    headline = headline_of(forecasting(leads=[6, 18, 30, 120]))
    assert (headline.metric, headline.channel) == ("rmse", "geopotential_500")
    assert headline.lead_hours == 18  # the first of two that are equally near
    assert headline_of(forecasting(), lead_hours=100).lead_hours == 96
    assert headline_of(emulation()).metric == "nrmse_total"


def test_without_rmse_the_first_metric_is_ranked(forecasting):
    scores = forecasting().sel(metric=["acc"])
    headline = headline_of(scores)
    assert (headline.metric, headline.orientation) == ("acc", "higher")
    assert ranked(scores, headline)[0] == "vit"


def neither(scores: xr.Dataset, metric: str) -> xr.Dataset:
    """Say that of a metric no value is better."""
    directions = scores["orientation"].where(scores["metric"] != metric, "none")
    return scores.assign_coords(orientation=directions)


def test_no_headline_is_what_nobody_can_win(forecasting):
    scores = neither(forecasting(), "bias").sel(metric=["bias", "acc"])
    headline = headline_of(scores)
    assert (headline.metric, headline.orientation) == ("acc", "higher")
    table = scorecard(scores, headline, "bias")
    assert "neither more nor less is better" in table.caption
    assert "colour" not in table.caption
    cells = [cell for row in table.rows for cell in row.cells]
    assert not any(cell.best or cell.colour or cell.note for cell in cells)
    assert any(cell.text != "–" for cell in cells)


def test_where_nobody_can_win_models_keep_their_order(forecasting):
    models = ("vit", "resnet", "persistence")
    scores = neither(forecasting(models=models), "bias").sel(metric=["bias"])
    headline = headline_of(scores)
    assert ranked(scores, headline) == [*models]
    assert not any(row.cells[0].best for row in standings(scores, headline).rows)
    [sentence] = verdict(scores, headline)
    assert sentence == (
        "No model wins on bias of geopotential_500 at 24 h, global: neither more nor less of it is "
        "better."
    )


def test_models_without_a_score_come_last(forecasting):
    scores = set_headline(forecasting(), {"vit": np.nan, "resnet": 1.0, "climatology": 0.5})
    order = ranked(scores, headline_of(scores))
    assert order[0] == "climatology" and order[1] == "resnet" and order[-1] == "vit"


def test_a_bias_is_best_near_zero(forecasting):
    scores = forecasting(models=("a", "b", "c")).sel(metric=["bias"])
    scores = set_headline(scores, {"a": -3.0, "b": -1.0, "c": 2.0})
    assert ranked(scores, headline_of(scores)) == ["b", "c", "a"]


def test_scenarios_are_averaged_and_a_missing_one_is_not_hidden(emulation):
    scores = emulation(scenarios=("ssp126", "ssp245"))
    scores["score"].loc[{"model": "vit", "scenario": "ssp245"}] = np.nan
    scores["score"].loc[{"model": "resnet"}] = xr.DataArray([0.1, 0.3], dims="scenario")
    headline = headline_of(scores)
    assert float(headline.of(scores["score"]).sel(model="resnet")) == pytest.approx(0.2)
    assert ranked(scores, headline)[-1] == "vit"


def test_skill_by_hand():
    rmse = xr.DataArray([2.0, 8.0, np.nan, 10.0], coords={"model": ["a", "b", "c", "d"]})
    np.testing.assert_allclose(skill(rmse, "b", "lower"), [0.75, 0.0, np.nan, -0.25])
    assert np.isnan(skill(rmse, "b", "higher")).all()
    assert np.isnan(skill(rmse * 0, "b", "lower")).all()


def test_key_leads_are_those_nearest_to_one_three_and_five_days(forecasting):
    assert key_leads(forecasting()) == [24, 72, 120]
    assert key_leads(forecasting(leads=[120.0, 6.0])) == [6, 120]  # in any order
    assert key_leads(forecasting(leads=[6])) == [6]
    assert key_leads(forecasting(leads=[18.0, 6.0, 12.0])) == [6, 12, 18]  # of an interpolation


def test_the_reference_is_the_straight_line_else_another_baseline(forecasting, emulation):
    assert reference_of(forecasting()) == "linear_regression"
    assert reference_of(emulation()) == "pattern_scaling"
    assert reference_of(forecasting(models=("vit", "climatology"))) == "climatology"
    field = ("vit", "persistence", "linear_regression_field")
    assert reference_of(forecasting(models=field)) == "linear_regression_field"
    assert reference_of(forecasting(models=("vit",))) is None


def test_the_best_of_several_straight_lines_is_the_reference_of_whichever_run(forecasting):
    other = "linear_regression (second)"
    scores = forecasting(models=("vit", "linear_regression", other))
    scores = set_headline(scores, {"vit": 8.0, "linear_regression": 10.0, other: 9.0})
    assert reference_of(scores) == other
    assert baselines_of(scores) == ["linear_regression", other]
    assert "vit beats linear_regression (second)" in verdict(scores, headline_of(scores))[1]


def test_the_verdict_says_yes(forecasting):
    scores = set_headline(forecasting(), {"vit": 8.0, "resnet": 9.0, "linear_regression": 10.0})
    winner, straight_line = verdict(scores, headline_of(scores))
    assert winner == (
        "vit wins on rmse of geopotential_500 at 24 h, global: 8 m² s⁻² (95 % interval 7.9 to 8.1)."
    )
    assert straight_line == (
        "Better than a straight line? Yes: vit beats linear_regression (skill +20.0 %)."
    )


def test_the_verdict_says_no_even_in_a_tie(forecasting):
    tie = {"vit": 10.0, "resnet": 11.0, "linear_regression": 10.0}
    scores = set_headline(forecasting(), tie)
    assert "No: vit does not beat linear_regression" in verdict(scores, headline_of(scores))[1]


def test_a_straight_line_is_not_measured_against_itself(forecasting):
    models = ("resnet", "linear_regression", "linear_regression_field")
    best = {"resnet": 11.0, "linear_regression": 10.0, "linear_regression_field": 9.0}
    scores = set_headline(forecasting(models=models), best)
    sentence = verdict(scores, headline_of(scores))[1]
    assert "No: resnet does not beat linear_regression_field" in sentence


def test_the_verdict_admits_that_intervals_overlap(forecasting):
    near = {"vit": 9.9, "resnet": 11.0, "linear_regression": 10.0}
    scores = set_headline(forecasting(), near)
    assert "but their 95 % intervals overlap" in verdict(scores, headline_of(scores))[1]


def test_the_verdict_says_what_a_test_found_or_that_there_was_none(forecasting):
    scores = set_headline(forecasting(), {"vit": 9.0, "resnet": 11.0, "linear_regression": 10.0})
    headline = headline_of(scores)
    assert headline.lead_hours == 24.0
    mark = xr.full_like(scores["score"], "", dtype=object).sel(lead_time=[24.0])
    mark.loc[{"model": "vit", "metric": "rmse"}] = "not significant"
    tests = mark.to_dataset(name="mark").expand_dims(reference=["linear_regression"])
    assert "but not beyond chance (skill" in verdict(scores, headline, tests)[1]
    values = headline.of(scores["score"]).sel(model=["resnet", "vit"])
    assert marks_at(tests, "linear_regression", values) == ["", "not significant"]
    assert marks_at(tests, "persistence", values) == ["", ""]
    later = scores["score"].sel(metric="rmse", channel="geopotential_500", region="global")
    assert set(marks_at(tests, "linear_regression", later.sel(lead_time=72.0))) == {""}
    bare = scores.assign(lower=scores["lower"] * np.nan)
    assert verdict(bare, headline)[1].endswith("(skill +10.0 %); whether by chance was not tested.")


def test_a_region_that_is_all_of_the_data_is_not_called_the_globe(forecasting):
    def named(rows, columns):
        data = {"grid": {"latitude": rows, "longitude": columns}}
        return region_name(forecasting().assign_attrs(data=json.dumps(data)), "global")

    assert named([-88.75, 88.75, 72], [0.0, 357.5, 144]) == "global"
    assert named([90.0, -90.0, 181], [-180.0, 179.0, 360]) == "global"
    assert named([75.0, 15.0, 25], [200.0, 330.0, 53]) == "whole domain"
    assert named([0.0, 0.0, 1], [116.0, 117.0, 5]) == "all data"  # stations
    assert region_name(forecasting(), "global") == "global"


def test_the_verdict_knows_what_it_does_not_know(forecasting):
    alone = forecasting(models=("vit",))
    winner, straight_line = verdict(alone, headline_of(alone))
    assert winner.startswith("vit is the only model")
    assert straight_line.startswith(
        "Better than a straight line? Unknown: none, as linear_regression,"
    )
    baselines = forecasting(models=("persistence", "linear_regression"))
    assert "only baselines" in verdict(baselines, headline_of(baselines))[1]
    nothing = set_headline(forecasting(models=("a", "b")), {"a": np.nan, "b": np.nan})
    assert verdict(nothing, headline_of(nothing))[0].startswith("No model has a score")


@pytest.mark.parametrize("dim", ["model", "metric", "channel", "region", "lead_time"])
def test_empty_scores_are_refused(forecasting, dim):
    with pytest.raises(UserError, match=f"nothing along '{dim}'"):
        headline_of(forecasting().isel({dim: []}))


def test_units_follow_the_metric(forecasting):
    scores = forecasting()
    assert units_of(scores, "rmse", "geopotential_500") == "m² s⁻²"
    assert units_of(scores, "acc", "geopotential_500") == ""
    squared = scores.assign_coords(unit_power=("metric", [2, 1, 0]))
    assert units_of(squared, "rmse", "geopotential_500") == "(m² s⁻²)²"
    assert units_of(scores.drop_vars("unit_power"), "rmse", "geopotential_500") == ""


def test_numbers_of_a_column_have_the_same_decimals():
    assert numbers([1.0, 123.456]) == ["1.00", "123.46"]
    assert numbers([0.0, -0.5]) == ["0.000", "-0.500"]
    assert numbers([np.nan, np.inf]) == ["–", "inf"]
    assert numbers([]) == []


@pytest.mark.parametrize(
    ("percent", "name"),
    [(0.5, "same"), (1.5, "better1"), (-3, "worse2"), (30, "better5"), (-51, "worse6")],
)
def test_colours_change_at_the_limits_of_the_scorecards(percent, name):
    assert colour_class(percent / 100) == name


def test_tables_show_skill_mark_the_best_and_leave_out_what_is_missing(forecasting):
    scores = forecasting(regions=("global", "tropics"))
    headline = headline_of(scores)
    table = scorecard(scores, headline, "rmse")
    assert table.groups[0] == ("geopotential_500 [m² s⁻²]", 3)
    assert [row.model for row in table.rows] == ranked(scores, headline)
    best, last = table.rows[0].cells[0], table.rows[0].cells[-1]
    assert best.best and best.note.startswith("+") and best.colour.startswith("better")
    assert last.text == "–" and not (last.best or last.note or last.colour)
    line = next(row for row in table.rows if row.model == "linear_regression")
    assert line.is_baseline and {cell.colour for cell in line.cells} == {""}
    assert regions_table(scores, headline).columns == ["global", "tropics"]
    assert standings(scores, headline).columns[0] == "rmse [m² s⁻²]"
    higher = scorecard(scores, headline, "acc")
    assert {cell.colour for row in higher.rows for cell in row.cells} == {""}
