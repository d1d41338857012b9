"""Typed schemas of the option groups, where ``conf/`` lies, and building what a YAML names."""

from climbench.config.instantiate import instantiate, locate
from climbench.config.schema import ModelConfig, OptimizerConfig, TrainerConfig

__all__ = ["ModelConfig", "OptimizerConfig", "TrainerConfig", "instantiate", "locate"]
