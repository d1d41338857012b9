"""The contract of metrics, run on every registered one."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from climbench.metrics import CellStatistic, Metric, get_metric, metric_names
from climbench.metrics.deterministic import MeanSquaredError
from climbench.metrics.moments import SquaredError
from climbench.testing.metric_cases import metric_of
from climbench.testing.metric_contract import (
    CHECKS,
    check_metric,
    check_missing_have_weight_zero,
    check_scaling,
    law,
)

# Where a law does not hold, and why.
EXCEPTIONS = {
    "auprc": {"an_ensemble_counts_by_its_mean": "members give a probability"},
    "auroc": {"an_ensemble_counts_by_its_mean": "members give a probability"},
    **{
        name: {"an_ensemble_counts_by_its_mean": "the mean of angles is that of unit vectors"}
        | {"scaling": "a circle has 360 degrees, and no other unit"}
        for name in ("circular_bias", "circular_mae", "circular_rmse")
    },
    "coverage": {
        "perfect": "its best value is the interval's level",
        "worse_is_worse": "members that move away from the truth take the interval with them",
    },
    "effective_resolution": {
        "perfect": "its best value is the grid's",
        "worse_is_worse": "noise adds power",
    },
    "ignorance": {"perfect": "a finite ensemble is never certain"},
    "log_score": {
        "perfect": "it is infinite without spread",
        "scaling": "a change of unit adds to it",
    },
    "psnr": {"perfect": "it is infinite"},
    "sam": {"worse_is_worse": "one band has no mixture"},
    "spherical_harmonic_spectrum": {"what_a_missing_value_hides": "it is the forecast's own"},
    "spread_skill": {
        "perfect": "there is neither spread nor error",
        "worse_is_worse": "spread grows with the error",
    },
    "zonal_spectrum": {"what_a_missing_value_hides": "it is the forecast's own"},
}
# Besides the defaults.
FORMS = [
    "rmse(root=before)",
    "acc(form=ratio_of_means)",
    "acc(form=centred)",
    "acc(form=pooled_centred)",
    "pearson(form=pooled)",
    "pearson(form=pooled, weights=none)",
    "bias(sign=truth_minus_forecast, weights=none)",
    "nrmse_total(global_factor=1)",
    "auroc(quantile=0.8, form=pooled)",
    "auprc(quantile=0.8, form=pooled)",
]


@pytest.mark.parametrize("check", CHECKS, ids=law)
@pytest.mark.parametrize("name", [*metric_names(), *FORMS])
def test_metric_keeps_the_contract(name, check):
    if law(check) in EXCEPTIONS.get(name, {}):
        pytest.skip(EXCEPTIONS[name][law(check)])
    check(metric_of(name))


def test_exceptions_are_of_metrics_and_laws_that_there_are():
    laws = {law(check) for check in CHECKS}
    assert all(laws >= set(reasons) for reasons in EXCEPTIONS.values())


@dataclass(frozen=True)
class Foreign(Metric):
    """A metric of somebody else, not registered."""

    name: ClassVar[str] = "foreign"
    orientation: ClassVar[str] = "lower"
    unit_power: ClassVar[int] = 2

    @property
    def statistics(self):
        return (SquaredError(),)


@pytest.mark.parametrize("orientation", ["none", "higher"])
def test_a_metric_without_a_best_value_may_have_any(orientation):
    spread = type("Spread", (type(get_metric("spread")),), {"orientation": orientation})()
    if orientation == "none":
        check_metric(spread, without=["the_label_names_it"])
        return
    with pytest.raises(AssertionError, match="perfect forecast"):
        check_metric(spread, without=["the_label_names_it"])


def test_anybodys_metric_can_be_checked():
    check_metric(Foreign(), without=["the_label_names_it"])


def test_a_wrong_unit_is_found():
    @dataclass(frozen=True)
    class Wrong(Foreign):
        unit_power: ClassVar[int] = 1

    with pytest.raises(AssertionError, match=r"foreign: scaling by 0\.001"):
        check_scaling(Wrong())


@dataclass(frozen=True)
class Careless(CellStatistic):
    """The mistake of peers: the sum leaves missing cells out, the number of cells does not."""

    name: ClassVar[str] = "careless"

    def values(self, batch):
        return np.square(batch.forecast - batch.truth)

    def means(self, batch, regions):
        return np.nan_to_num(self.values(batch)) @ regions.weights / regions.total


def test_counting_missing_cells_is_found():
    @dataclass(frozen=True)
    class Wrong(Foreign):
        @property
        def statistics(self):
            return (Careless(),)

    with pytest.raises(AssertionError, match="foreign: missing values"):
        check_missing_have_weight_zero(Wrong())


def test_a_registered_metric_keeps_them_all_at_once():
    assert get_metric("mse") == MeanSquaredError()
    check_metric(get_metric("mse"))
