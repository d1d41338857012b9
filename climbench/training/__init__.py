"""Fitting: Lightning modules, loaders, losses and checkpoints."""

from climbench.training.checkpoint import load_checkpoint, task_of
from climbench.training.data import steady_batch
from climbench.training.initial_weights import initial_weights_hash
from climbench.training.train import train

__all__ = ["initial_weights_hash", "load_checkpoint", "steady_batch", "task_of", "train"]
