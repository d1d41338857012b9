"""The contract of metrics, run on every registered one."""

import pytest

from climbench.metrics import get_metric, metric_names
from climbench.testing.metric_contract import CHECKS


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", metric_names())
def test_metric_keeps_the_contract(name, check):
    check(get_metric(name))
