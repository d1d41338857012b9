"""The table of metrics and the sharing of statistics."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from climbench.errors import UserError
from climbench.metrics import get_metric, metric_names, register, shared_statistics
from climbench.metrics.climate import NormalisedRmseTotal
from climbench.metrics.deterministic import MeanSquaredError


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
    text = type(get_metric(name)).__doc__
    assert all(word in text for word in ("Unit:", "Better:", "References"))
