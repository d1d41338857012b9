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
    "activity": {
        "perfect": "it is the forecast's own, in the variable's unit",
        "worse_is_worse": "more is not better",
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
    "rank_histogram": {"perfect": "its best is flat"},
    "reliability": {"perfect": "its best is the diagonal"},
    "sharpness": {"perfect": "it is the forecast's own"},
    "spherical_harmonic_spectrum": {
        "perfect": "it is the forecast's own",
        "what_a_missing_value_hides": "it is the forecast's own",
    },
    "spread": {"perfect": "it is the forecast's own", "worse_is_worse": "more is not better"},
    "spread_skill": {
        "perfect": "there is neither spread nor error",
        "worse_is_worse": "spread grows with the error",
    },
    "zonal_spectrum": {
        "perfect": "it is the forecast's own",
        "what_a_missing_value_hides": "it is the forecast's own",
    },
}
# Besides the defaults.
FORMS = [
    "rmse(root=before)",
    "acc(form=ratio_of_means)",
    "acc(form=centred)",
    "acc(form=pooled_centred)",
    "pearson(form=pooled)",
    "nrmse_total(global_factor=1)",
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
