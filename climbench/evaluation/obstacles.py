"""What data must have for a metric besides an ensemble or a climatology."""

from collections.abc import Sequence

from climbench.evaluation.angles import angles
from climbench.evaluation.bands import pictures
from climbench.evaluation.channels import Channel
from climbench.evaluation.source import Source
from climbench.evaluation.vectors import vector_pairs
from climbench.metrics.bands import PictureScore
from climbench.metrics.circular import AngleScore
from climbench.metrics.metric import Metric
from climbench.metrics.seeps import HEAVY_THRESHOLD, StableEquitableError
from climbench.metrics.vector import WindVectorError

METRES = ("", "m", "metre", "metres", "meter", "meters", "m of water equivalent")


def obstacle(metric: Metric, channels: Sequence[Channel], climate: Source | None) -> str:
    """Return why a metric cannot be computed, in a sentence; nothing if it can.

    A metric that is named is then refused, one that a family stands for left out.

    Parameters
    ----------
    metric
        What is scored.
    channels
        The fields that are scored.
    climate
        The climatology; None where there is none.
    """
    if isinstance(metric, WindVectorError) and not vector_pairs(channels):
        return (
            f"The metric '{metric.name}' needs both components of the wind, such as "
            "u_component_of_wind and v_component_of_wind, in predictions and truth."
        )
    if isinstance(metric, AngleScore) and not any(angles(channels)):
        return (
            f"The metric '{metric.name}' is of angles: no variable of predictions and truth is in "
            "degrees."
        )
    if isinstance(metric, PictureScore) and not pictures(channels):
        return (
            f"The metric '{metric.label}' needs several bands: a variable on several levels in "
            "predictions and truth."
        )
    if climate is None:
        return ""
    for companion in (c for s in metric.statistics for c in s.companions):
        names = [f"{channel.variable}_{companion.suffix}" for channel in channels]
        if not any(name in climate.dataset for name in names):
            return (
                f"{climate.label} has no '{names[0]}', which '{metric.label}' needs: build it "
                "with `climbench climatology`."
            )
    if isinstance(metric, StableEquitableError):
        for channel in channels:
            known = f"{channel.variable}_{HEAVY_THRESHOLD.suffix}" in climate.dataset
            if known and channel.units not in METRES:
                return (
                    f"The metric '{metric.name}' is of precipitation in metres, but "
                    f"'{channel.name}' is in '{channel.units}': convert it."
                )
    return ""
