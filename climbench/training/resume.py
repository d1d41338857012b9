"""Going on where a training was interrupted, in the middle of an epoch too, to the same weights."""

import os
import random
import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.exceptions import SIGTERMException

TOLD_TO_END = 128 + signal.SIGTERM  # exit code
INTERRUPTED = 128 + signal.SIGINT
SAVING = b"climbench: saving after this step; interrupt again to end without\n"


class ResumePoints(Callback):  # type: ignore[misc]  # lightning is not typed here
    """Saves all that a training needs to go on: every few minutes, and when it is told to end.

    Lightning saves weights, optimizer, schedule, callbacks and the place in the epoch; this adds
    the states of the random number generators (dropout, noise). Checkpoints at the ends of epochs
    are those of ``ModelCheckpoint``. Gradients that wait for more batches are in no checkpoint:
    saving waits for the step of the optimizer.

    A process that is told to end (SIGTERM, or SIGINT from the keyboard) says so to the other ranks
    after its step, and all save and end together. Lightning's own handler is replaced: it sends a
    message in the midst of whatever the ranks are doing, and lets them end at different steps.

    Parameters
    ----------
    path
        The checkpoint to write, whole or not at all.
    minutes
        Between two of them; None: only when the process is told to end.
    """

    def __init__(self, path: Path, minutes: float | None) -> None:
        self.path, self.minutes = path, minutes
        self.saved = time.monotonic()
        self.told_to_end: int | None = None  # exit code
        self.random: dict[str, Any] | None = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Give the generators back the states that they had; other ranks draw other numbers."""
        self.saved = time.monotonic()
        if self.random is not None:
            set_random_state(self.random)
            self.random = None
        if trainer.global_rank > 0:
            torch.manual_seed(int(torch.randint(2**62, ())) + trainer.global_rank)
        if threading.current_thread() is threading.main_thread():  # Lightning gives it back
            signal.signal(signal.SIGTERM, self._note)
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                signal.signal(signal.SIGINT, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            if self.told_to_end == INTERRUPTED:
                signal.default_int_handler(number, frame)
            os.write(2, SAVING)  # print might be in the middle of something
        self.told_to_end = 128 + number

    def _end(self) -> NoReturn:
        raise SIGTERMException(self.told_to_end or TOLD_TO_END)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """End between two epochs: the first has been saved."""
        if _any_rank(trainer, self.told_to_end is not None) and trainer.current_epoch > 0:
            self._end()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Save if it is time."""
        if trainer.is_last_batch:  # validation and the checkpoint of the epoch come next
            return
        if (index + 1) % trainer.accumulate_grad_batches:
            return
        late = self.minutes is not None and time.monotonic() - self.saved > 60 * self.minutes
        if _any_rank(trainer, late or self.told_to_end is not None):
            trainer.save_checkpoint(self.path)
            self.saved = time.monotonic()
            if _any_rank(trainer, self.told_to_end is not None):
                self._end()

    def state_dict(self) -> dict[str, Any]:
        """Return the states of the random number generators, for a checkpoint."""
        return random_state()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the states until the training starts."""
        self.random = state_dict


def _any_rank(trainer: L.Trainer, answer: bool) -> bool:
    """Tell all ranks whether one of them says yes."""
    return bool(trainer.strategy.reduce_boolean_decision(answer, all=False))


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
