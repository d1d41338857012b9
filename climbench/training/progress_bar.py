"""The progress of a training by the same bar as all other work."""

from typing import Any

import lightning.pytorch as L
from lightning.pytorch.callbacks import ProgressBar

from climbench.progress import Meter


class TrainingBar(ProgressBar):  # type: ignore[misc]
    """One bar for all epochs, with the last losses behind it.

    Parameters
    ----------
    label
        What is trained.
    """

    def __init__(self, label: str) -> None:
        super().__init__()
        self.label = label
        self._meter: Meter | None = None
        self._shown = True

    def disable(self) -> None:
        """Show nothing: of several processes only the first speaks."""
        self._shown = False

    def enable(self) -> None:
        """Show the bar again."""
        self._shown = True

    def print(self, *args: Any, **kwargs: Any) -> None:
        """Print nothing: what Lightning would say is said elsewhere."""

    def on_train_start(self, trainer: L.Trainer, *_: Any) -> None:
        """Begin, at the epoch where an interrupted training goes on."""
        batches = trainer.num_training_batches
        endless = not isinstance(batches, int) or (trainer.max_epochs or -1) < 0
        total = None if endless else int(batches) * int(trainer.max_epochs or 1)
        done = trainer.current_epoch * int(batches) if not endless else 0
        self._meter = Meter(self.label, total, shown=self._shown, done=done).__enter__()

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Count a batch."""
        if self._meter is not None:
            self._meter.advance(note=lambda: self._note(trainer))

    def on_train_end(self, *_: Any) -> None:
        """Take the bar away."""
        self._close()

    def on_exception(self, *_: Any) -> None:
        """Take the bar away before a mistake is explained."""
        self._close()

    def _close(self) -> None:
        if self._meter is not None:
            self._meter.__exit__()
            self._meter = None

    def _note(self, trainer: L.Trainer) -> str:
        losses = trainer.callback_metrics
        known = [
            f"{name} {float(losses[key]):.4g}"  # waits for the device: only when it is shown
            for name, key in (("loss", "train/loss"), ("validation", "validation/loss"))
            if key in losses
        ]
        epochs = trainer.max_epochs or 0
        epoch = [f"epoch {trainer.current_epoch + 1} of {epochs}"] if epochs > 1 else []
        return ", ".join([*epoch, *known])
