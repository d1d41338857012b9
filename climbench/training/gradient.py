"""Fitting a network's weights by gradient descent."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from lightning.pytorch.callbacks import Timer
from torch import Tensor

from climbench.config import OptimizerConfig
from climbench.tasks.sample import Sample
from climbench.training.module import FittedModule

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": partial(torch.optim.RMSprop, alpha=0.9, eps=1e-7),  # as in Keras
    "sgd": torch.optim.SGD,
}


def learning_rate_factor(
    progress: float, warmup: float, schedule: str, whole_decay: float = 1.0
) -> float:
    """Return the share of the learning rate after a share of the training.

    It rises linearly over the warm-up, then stays (``constant``), falls to zero along half a
    cosine (``cosine``), or falls by the same factor in the same time (``exponential``).

    Parameters
    ----------
    progress
        Share of the training that is done, 0..1.
    warmup
        Share of the training that is warm-up.
    schedule
        ``constant``, ``cosine`` or ``exponential``.
    whole_decay
        Factor of the exponential over the whole training, warm-up included.

    Examples
    --------
    >>> [round(learning_rate_factor(p, 0.2, "cosine"), 2) for p in (0.0, 0.1, 0.2, 0.6, 1.0)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if progress < warmup:
        return progress / warmup
    if schedule == "constant":
        return 1.0
    if schedule == "exponential":
        return float(whole_decay**progress)
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


class GradientModule(FittedModule):
    """A network that an optimizer fits; see :class:`FittedModule`."""

    def __init__(self, *args: Any, optimizer: OptimizerConfig, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.optimizer_config = optimizer

    def training_step(self, batch: Sample, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        loss = self.loss(self.normalise(batch))
        size = len(batch.targets)
        self.log("train/loss", loss, batch_size=size, on_step=False, on_epoch=True, sync_dist=True)
        return loss

    def progress(self, step: int) -> float:
        """Return the share of the training that ends with a step, by steps or by the clock.

        Where minutes are limited the share of the time counts if it is greater, so that the
        schedule comes to its end there too.
        """
        share: float = (step + 1) / self.trainer.estimated_stepping_batches
        for timer in self.trainer.callbacks:
            if isinstance(timer, Timer) and timer.time_remaining() is not None:
                used = timer.time_elapsed()
                share = max(share, used / (used + max(0.0, timer.time_remaining())))
        return min(1.0, share)

    def configure_optimizers(self) -> dict[str, Any]:
        """Return the optimizer and its schedule; biases and gains do not decay."""
        config = self.optimizer_config
        fitted = [weight for weight in self.network.parameters() if weight.requires_grad]
        groups = [
            {"params": [w for w in fitted if w.ndim > 1], "weight_decay": config.weight_decay},
            {"params": [w for w in fitted if w.ndim <= 1], "weight_decay": 0.0},
        ]
        optimizer = OPTIMIZERS[config.name](groups, lr=config.learning_rate)
        whole_decay = (config.factor_per_epoch or 1.0) ** (self.trainer.max_epochs or 1)
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda step: learning_rate_factor(
                self.progress(step), config.warmup_fraction, config.schedule, whole_decay
            ),
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }
