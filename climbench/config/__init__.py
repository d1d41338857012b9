"""Typed schemas of the option groups, where ``conf/`` lies, and building what a YAML names."""

from climbench.config.instantiate import instantiate, locate
from climbench.config.schema import (
    FineTuningConfig,
    LowRankConfig,
    ModelConfig,
    OptimizerConfig,
    ReportConfig,
    TrainerConfig,
)

__all__ = [
    "FineTuningConfig",
    "LowRankConfig",
    "ModelConfig",
    "OptimizerConfig",
    "ReportConfig",
    "TrainerConfig",
    "instantiate",
    "locate",
]
