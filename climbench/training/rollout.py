"""Fitting a one-step network through several of its own steps."""

from typing import Any

import torch
from torch import Tensor

from climbench.config.schema import RolloutConfig
from climbench.errors import UserError
from climbench.tasks.sample import Sample
from climbench.tasks.stepping import iterate, next_step
from climbench.training.gradient import GradientModule
from climbench.training.replay import ReplayBuffer


class RolloutModule(GradientModule):
    """A one-step network whose loss is the mean over the steps of a forecast.

    A step is fed exactly as in prediction (:mod:`climbench.tasks.stepping`), in normalised units.
    The validation loss is over the most steps, from the first epoch on, so that epochs compare.

    Parameters
    ----------
    rollout
        How many steps, and how. The others are those of :class:`GradientModule`.
    step
        Hours of a step.

    Raises
    ------
    UserError
        If the network has a loss of its own, which says nothing about steps.
    """

    def __init__(self, *args: Any, rollout: RolloutConfig, step: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if hasattr(self.network, "loss"):
            raise UserError(
                f"{type(self.network).__name__} has a loss of its own: leave out 'rollout'."
            )
        self.rollout, self.step = rollout, step
        self.replay: ReplayBuffer | None = None
        if rollout.replay is not None:
            self.replay = ReplayBuffer(rollout.replay, self.record["seed"])

    @property
    def steps(self) -> int:
        """Number of steps in the current epoch."""
        epochs: int = max(1, self.trainer.max_epochs or 1)
        share: int = len(self.rollout.steps) * self.trainer.current_epoch // epochs
        return self.rollout.steps[min(share, len(self.rollout.steps) - 1)]

    def training_loss(self, sample: Sample) -> Tensor:
        """Return the loss over the steps of this epoch; with a buffer that of one step."""
        sample = sample.at_leads(slice(0, self.steps))
        if self.replay is None:
            return self.loss(sample)
        drawn = self.replay.draw(sample, self.step)
        answer = self.network(drawn)
        self.replay.put_back(answer, self.signature)
        return torch.as_tensor(self.criterion(answer, drawn))

    def loss(self, sample: Sample) -> Tensor:
        """Return the mean of the losses of all steps that a normalised sample has truth for."""
        feed = Tensor.detach if self.rollout.detach else _as_it_is
        answers = iterate(self.network, sample, self.signature, self.step, feed)
        losses = [
            self.criterion(answers[:, at : at + 1], next_step(sample.at_lead(at), self.step))
            for at in range(answers.shape[1])
        ]
        return torch.stack(losses).mean()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the buffer, so that an interrupted training goes on with the same draws."""
        super().on_save_checkpoint(checkpoint)
        if self.replay is not None:
            checkpoint["replay"] = self.replay.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the buffer that was kept."""
        if self.replay is not None:
            self.replay.load_state_dict(checkpoint["replay"])


def _as_it_is(answer: Tensor) -> Tensor:
    return answer
