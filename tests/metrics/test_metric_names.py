"""The table of metrics and the sharing of statistics."""

from dataclasses import dataclass
from typing import ClassVar, get_args

import pytest

from climbench.errors import UserError
from climbench.metrics import (
    get_metric,
    metric_families,
    metric_names,
    register,
    shared_statistics,
)
from climbench.metrics.climate import NormalisedRmseTotal
from climbench.metrics.deterministic import MeanSquaredError
from climbench.metrics.metric import Orientation
from climbench.testing.metric_cases import metric_of


def test_all_names_are_there():
    assert set(metric_names()) >= {
        *("rmse", "mse", "mae", "bias", "acc"),
        *("nrmse_spatial", "nrmse_global", "nrmse_total"),
    }


def test_unknown_name_gets_the_nearest():
    with pytest.raises(UserError, match="no metric 'rsme': did you mean 'rmse'"):
        get_metric("rsme")


def test_a_name_is_taken_once():
    @dataclass(frozen=True)
    class Other(MeanSquaredError):
        name: ClassVar[str] = "mse"

    with pytest.raises(ValueError, match="two metrics are named 'mse'"):
        register(Other)


def test_parameters_tell_metrics_apart():
    assert NormalisedRmseTotal() == NormalisedRmseTotal(global_factor=5.0)
    assert NormalisedRmseTotal() != NormalisedRmseTotal(global_factor=1.0)


def test_statistics_are_shared():
    names = ["rmse", "mse", "bias", "nrmse_global", "nrmse_total", "acc"]
    statistics = shared_statistics([get_metric(name) for name in names])
    assert len(statistics) == len(set(statistics)) == 6


@pytest.mark.parametrize("name", metric_names())
def test_docstring_states_formula_source_unit_and_orientation(name):
    text = type(metric_of(name)).__doc__
    assert all(word in text for word in ("Unit:", "Better:", "References"))


@pytest.mark.parametrize("name", metric_names())
def test_every_metric_belongs_to_a_family_and_has_an_orientation(name):
    metric = metric_of(name)
    assert name in metric_families()[metric.family]
    assert metric.orientation in get_args(Orientation)
    assert metric.unit_power in (0, 1, 2)


BETTER = {
    "lower": "Better: lower",
    "higher": "Better: higher",
    "zero": "Better: nearer to zero",
    "none": "Better: neither",
}


@pytest.mark.parametrize("name", metric_names())
def test_docstring_and_orientation_agree(name):
    metric = metric_of(name)
    assert BETTER[metric.orientation] in " ".join(type(metric).__doc__.split())


def test_nobody_wins_by_what_is_the_forecasts_own_or_a_curve_to_look_at():
    assert {name for name in metric_names() if metric_of(name).orientation == "none"} == {
        *("activity", "spread", "zonal_spectrum", "spherical_harmonic_spectrum"),
        *("spectral_ratio", "rank_histogram", "reliability", "sharpness"),
    }


def test_rates_of_the_roc_have_opposite_directions():
    rates = [get_metric(f"roc(threshold=1, rate={rate})") for rate in ("hit", "false_alarm")]
    assert [rate.orientation for rate in rates] == ["higher", "lower"]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("rmse", "rmse"),
        ("rmse()", "rmse"),
        (" rmse( root = before ) ", "rmse(root=before)"),
        ("rmse(root=after)", "rmse"),
        ("nrmse_total(global_factor=1)", "nrmse_total(global_factor=1)"),
        ("nrmse_total(global_factor=1, norm=std)", "nrmse_total(norm=std, global_factor=1)"),
    ],
)
def test_labels_name_what_differs_from_the_defaults(text, label):
    metric = get_metric(text)
    assert metric.label == label
    assert get_metric(label) == metric


@pytest.mark.parametrize("number", [1e-5, 3e-12, 280.123456789, 101325.5, 1e7, -40.0, 1e300])
def test_numbers_in_labels_keep_all_their_digits(number):
    metric = NormalisedRmseTotal(global_factor=number)
    assert get_metric(metric.label) == metric


def test_thresholds_that_nearly_agree_have_labels_that_differ():
    one, other = (f"brier(threshold={value})" for value in (101325.1, 101325.2))
    assert get_metric(one).label != get_metric(other).label
    assert get_metric(one).statistics[0].label != get_metric(other).statistics[0].label


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rmse(rot=before)", "'rmse' has no parameter 'rot': did you mean 'root'"),
        ("mse(root=before)", "'mse' has no parameter 'root': it has none"),
        ("rmse(root=never)", "'rmse.root=never.' cannot be made: root=never is none of after"),
        ("rmse(before)", r"write rmse\(parameter=value\)"),
        ("rmse(root=before", r"is no metric: write a name, or name\(parameter=value\)"),
        ("brier", "'brier' cannot be made: give"),
    ],
)
def test_what_is_no_metric_is_refused(text, message):
    with pytest.raises(UserError, match=message):
        get_metric(text)


def test_a_metric_is_its_own_name():
    metric = get_metric("rmse(root=before)")
    assert get_metric(metric) is metric
    assert get_metric("rmse", root="before") == metric
    assert get_metric("rmse(root=after)", root="before") == get_metric("rmse")
