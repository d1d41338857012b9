"""Fitting: Lightning modules, loaders, losses and checkpoints."""

import os

# Large tensors in huge pages: without them page faults take more time than scaling a batch does.
# Read by torch at its first large allocation; no effect but on Linux.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

from climbench.training.checkpoint import load_checkpoint, task_of, validation_loss
from climbench.training.data import steady_batch
from climbench.training.initial_weights import initial_weights_hash
from climbench.training.train import check_model, train

__all__ = [
    "check_model",
    "initial_weights_hash",
    "load_checkpoint",
    "steady_batch",
    "task_of",
    "train",
    "validation_loss",
]
