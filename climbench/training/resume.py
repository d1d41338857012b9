"""Going on where a training was interrupted, in the middle of an epoch too, to the same weights."""

import random
import time
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

AGREE_EVERY = 20  # steps: whether it is time to save is asked of rank 0, which costs a message


class ResumePoints(Callback):  # type: ignore[misc]  # lightning is not typed here
    """Saves all that a training needs to go on: every few minutes, and when it is told to end.

    Lightning saves weights, optimizer, schedule, callbacks and the place in the epoch; this adds
    the states of the random number generators (dropout, noise). Checkpoints at the ends of epochs
    are those of ``ModelCheckpoint``.

    Parameters
    ----------
    path
        The checkpoint to write, whole or not at all.
    minutes
        Between two of them; None: only when the process is told to end (SIGTERM).
    """

    def __init__(self, path: Path, minutes: float | None) -> None:
        self.path, self.minutes = path, minutes
        self.saved = time.monotonic()
        self.random: dict[str, Any] | None = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Give the generators back the states that they had."""
        self.saved = time.monotonic()
        if self.random is not None:
            set_random_state(self.random)
            self.random = None

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Save if it is time."""
        if trainer.is_last_batch:  # validation and the checkpoint of the epoch come next
            return
        if self._is_time(trainer):
            trainer.save_checkpoint(self.path)
            self.saved = time.monotonic()

    def _is_time(self, trainer: L.Trainer) -> bool:
        late = self.minutes is not None and time.monotonic() - self.saved > 60 * self.minutes
        if trainer.world_size == 1:
            return late or bool(trainer.received_sigterm)
        if trainer.global_step % AGREE_EVERY:
            return False
        return bool(trainer.strategy.broadcast(late))

    def state_dict(self) -> dict[str, Any]:
        """Return the states of the random number generators, for a checkpoint."""
        return random_state()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the states until the training starts."""
        self.random = state_dict


def random_state() -> dict[str, Any]:
    """Return the states of all global random number generators as plain values and tensors."""
    name, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 -- that of outside networks
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        "numpy": [name, np.asarray(keys).tolist(), *rest],
        "python": random.getstate(),
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Set the states that :func:`random_state` returned."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))  # noqa: NPY002
    random.setstate(state["python"])
