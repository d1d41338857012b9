"""Score definitions: statistics, weights, regions and mergeable state, on arrays alone."""

from climbench.metrics import (
    climate,
    contingency,
    correlation,
    deterministic,
    distributions,
    ensemble,
    event_curves,
    event_probabilities,
    events,
    images,
    neighbourhood,
    seeps,
    spectra,
    spread,
    variability,
    vector,
)
from climbench.metrics.averaging import Regions
from climbench.metrics.fields import Batch, Companion, Fields, Layout, Stack, Threshold
from climbench.metrics.metric import (
    Metric,
    get_metric,
    metric_families,
    metric_names,
    register,
    shared_statistics,
)
from climbench.metrics.regions import REGIONS, region_labels, region_weights
from climbench.metrics.state import State
from climbench.metrics.statistic import CellStatistic, FieldStatistic, Statistic

__all__ = [
    "REGIONS",
    "Batch",
    "CellStatistic",
    "Companion",
    "FieldStatistic",
    "Fields",
    "Layout",
    "Metric",
    "Regions",
    "Stack",
    "State",
    "Statistic",
    "Threshold",
    "climate",
    "contingency",
    "correlation",
    "deterministic",
    "distributions",
    "ensemble",
    "event_curves",
    "event_probabilities",
    "events",
    "get_metric",
    "images",
    "metric_families",
    "metric_names",
    "neighbourhood",
    "region_labels",
    "region_weights",
    "register",
    "seeps",
    "shared_statistics",
    "spectra",
    "spread",
    "variability",
    "vector",
]
