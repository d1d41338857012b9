"""Score definitions: statistics, weights, regions and mergeable state, on arrays alone."""

from climbench.metrics import climate, deterministic
from climbench.metrics.metric import (
    Metric,
    get_metric,
    metric_names,
    register,
    shared_statistics,
)
from climbench.metrics.regions import REGIONS, region_weights
from climbench.metrics.state import State
from climbench.metrics.statistic import Fields, Statistic

__all__ = [
    "REGIONS",
    "Fields",
    "Metric",
    "State",
    "Statistic",
    "climate",
    "deterministic",
    "get_metric",
    "metric_names",
    "region_weights",
    "register",
    "shared_statistics",
]
