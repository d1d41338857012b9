"""Fitting a network's weights by gradient descent."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

import torch
from lightning.pytorch.callbacks import Timer
from torch import Tensor

from climbench.config import OptimizerConfig
from climbench.tasks.sample import Sample
from climbench.training.module import FittedModule
from climbench.training.sharding import SharedOut, share_out

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "radam": torch.optim.RAdam,
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


def cyclic_factor(cycles: float, lowest: float) -> float:
    """Return the share of the learning rate after so many cycles of rising and falling.

    Parameters
    ----------
    cycles
        Since the beginning; each is half as high above the lowest as the one before.
    lowest
        Share at the beginning and end of a cycle.

    References
    ----------
    Smith (2017), Cyclical learning rates for training neural networks, WACV ("triangular2").

    Examples
    --------
    >>> [round(cyclic_factor(at, 0.1), 3) for at in (0.0, 0.25, 0.5, 1.0, 1.5, 2.5)]
    [0.1, 0.55, 1.0, 0.1, 0.55, 0.325]
    """
    whole, place = int(cycles), cycles % 1
    return lowest + (1 - lowest) * (1 - abs(2 * place - 1)) * 0.5**whole


class GradientModule(FittedModule):
    """A network that an optimizer fits; see :class:`FittedModule`."""

    def __init__(self, *args: Any, optimizer: OptimizerConfig, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.optimizer_config = optimizer
        self.rates: Mapping[str, float] = {}
        """Factors of the learning rate, by the weight's name in the network; 1 for all others."""
        self.clocked = (-1, 0.0)  # the last step that was asked for, and the share of the minutes

    def on_fit_start(self) -> None:
        """Fit what a network starts from; a training that goes on has it already."""
        network = cast(Any, self.network)
        if hasattr(network, "fit_first") and not network.fitted:
            batches = cast(Any, self.trainer).datamodule.in_order()
            network.fit_first(
                self.normalise(self.transfer_batch_to_device(batch, self.device, 0), overwrite=True)
                for batch in batches
            )

    def training_step(self, batch: Sample, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        loss = self.training_loss(self.normalise(batch, overwrite=True))
        size = len(batch.targets)
        self.log("train/loss", loss, batch_size=size, on_step=False, on_epoch=True, sync_dist=True)
        return loss

    def training_loss(self, sample: Sample) -> Tensor:
        """Return the loss of a normalised sample that training minimises."""
        return self.loss(sample)

    def configure_model(self) -> None:
        """Share the weights out, where that is how devices work together."""
        if isinstance(self.trainer.strategy, SharedOut):
            share_out(self.network, self.trainer.strategy.device_mesh["data_parallel"])

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Limit the norm of the gradient.

        A network of parts that are trained apart does it itself, by its ``clip_gradients``.
        """
        if gradient_clip_val is not None and hasattr(self.network, "clip_gradients"):
            cast(Any, self.network).clip_gradients(gradient_clip_val)
        else:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Take a step, then let the parts of the network that have an ``after_step`` follow it."""
        super().optimizer_step(*args, **kwargs)
        for part in self.network.modules():
            if hasattr(part, "after_step"):
                cast(Any, part).after_step()

    def progress(self, step: int) -> float:
        """Return the share of the training that ends with a step, by steps or by the clock.

        Where minutes are limited the share of the time counts if it is greater, so that the
        schedule comes to its end there too. Of several ranks the clock of the first counts: with
        learning rates of their own their weights would drift apart.
        """
        share: float = (step + 1) / self.trainer.estimated_stepping_batches
        timers = [each for each in self.trainer.callbacks if isinstance(each, Timer)]
        if timers and self.clocked[0] != step:  # each group of weights asks
            left, used = timers[0].time_remaining(), timers[0].time_elapsed()
            clock = 0.0 if left is None else used / (used + max(0.0, left))
            self.clocked = step, float(self.trainer.strategy.broadcast(clock))
        return min(1.0, max(share, self.clocked[1]))

    def _groups(self) -> list[dict[str, Any]]:
        """Return the weights to fit, those of one decay and one learning rate together."""
        config = self.optimizer_config
        groups: dict[tuple[float, float], list[Tensor]] = {}
        for name, weight in self.network.named_parameters():
            if weight.requires_grad:
                decay = config.weight_decay if weight.ndim > 1 else 0.0
                groups.setdefault((decay, self.rates.get(name, 1.0)), []).append(weight)
        return [
            {"params": weights, "weight_decay": decay, "lr": rate * config.learning_rate}
            for (decay, rate), weights in groups.items()
        ]

    def configure_optimizers(self) -> dict[str, Any]:
        """Return the optimizer and its schedule; biases and gains do not decay."""
        config = self.optimizer_config
        adam = {"betas": config.betas} if config.betas is not None else {}
        optimizer = OPTIMIZERS[config.name](self._groups(), lr=config.learning_rate, **adam)
        whole_decay = (config.factor_per_epoch or 1.0) ** (self.trainer.max_epochs or 1)
        cycles = (self.trainer.max_epochs or 1) / (config.cycle_epochs or 1)

        def factor(step: int) -> float:
            progress = self.progress(step)
            if config.schedule == "cyclic" and progress >= config.warmup_fraction:
                return cyclic_factor(cycles * progress, config.lowest_share)
            schedule = "constant" if config.schedule == "cyclic" else config.schedule
            return learning_rate_factor(progress, config.warmup_fraction, schedule, whole_decay)

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }
