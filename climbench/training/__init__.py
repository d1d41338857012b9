"""Fitting: Lightning modules, loaders, losses and checkpoints."""

from climbench.training.checkpoint import load_checkpoint, task_of
from climbench.training.data import steady_batch
from climbench.training.train import train

__all__ = ["load_checkpoint", "steady_batch", "task_of", "train"]
