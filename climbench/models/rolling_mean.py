"""Two simple answers to what a series does next: its recent mean, and its last cycle."""

from typing import ClassVar

import torch
from torch import Tensor

from climbench.errors import UserError
from climbench.models.persistence import Persistence
from climbench.tasks.sample import Sample, Signature


class RollingMean(Persistence):
    r"""Answer every lead with the mean of the last steps, without those that are missing.

    .. math:: \hat y(t + \tau) = \frac{1}{n} \sum_{i=0}^{n-1} x(t - i)

    Parameters
    ----------
    signature
        The question; every target must be among the inputs.
    window
        Input steps :math:`n` of the mean.

    Raises
    ------
    UserError
        If a target is not an input, or the window is longer than the history.
    """

    layouts: ClassVar[tuple[str, ...]] = ("stations",)
    takes_missing_inputs = True

    def __init__(self, signature: Signature, window: int = 6) -> None:
        super().__init__(signature)
        if not 1 <= window <= signature.history:
            raise UserError(
                f"option 'window' = {window} of the rolling mean must be 1 to the task's history, "
                f"{signature.history}: lengthen 'task.history'"
            )
        self.window = window
        self.own = [signature.inputs.index(name) for name in signature.targets]

    def forward(self, sample: Sample) -> Tensor:
        """Return the mean at every lead; the training mean where nothing was measured."""
        mean = sample.inputs[:, -self.window :, self.own].nanmean(1, keepdim=True).nan_to_num(0.0)
        return mean.expand(-1, sample.lead_time.shape[1], -1, -1, -1)


class SeasonalNaive(Persistence):
    r"""Answer with the value one cycle before: the same time yesterday.

    .. math:: \hat y(t + \tau) = x(t + \tau - m P), \qquad m = \lceil \tau / P \rceil

    Parameters
    ----------
    signature
        The question; every target must be among the inputs.
    period
        Input steps of a cycle :math:`P`; the history must hold one more.
    hours
        Hours of a cycle.

    Raises
    ------
    UserError
        If a target is not an input, or the history is shorter than the cycle.

    References
    ----------
    Hyndman and Athanasopoulos (2021), Forecasting: principles and practice, section 5.2.
    """

    layouts: ClassVar[tuple[str, ...]] = ("stations",)
    takes_missing_inputs = True

    def __init__(self, signature: Signature, period: int = 144, hours: float = 24.0) -> None:
        super().__init__(signature)
        if period < 1 or hours <= 0:
            raise UserError("options 'period' and 'hours' of seasonal_naive must be positive")
        if period > signature.history:
            raise UserError(
                f"option 'period' = {period} of seasonal_naive is longer than the task's history, "
                f"{signature.history}: lengthen 'task.history'"
            )
        self.period, self.hours = period, hours
        self.own = [signature.inputs.index(name) for name in signature.targets]

    def forward(self, sample: Sample) -> Tensor:
        """Return the last cycle's value; the last one where it is missing, or the mean."""
        ahead = (sample.lead_time / self.hours * self.period).round().long()  # steps
        back = torch.remainder(-ahead, self.period)
        at = sample.inputs.shape[1] - 1 - back
        rows = torch.arange(len(at), device=at.device)[:, None]
        own = sample.inputs[:, :, self.own]
        last = own[:, -1:].expand(-1, at.shape[1], -1, -1, -1)
        found = own[rows, at]
        return torch.where(found.isnan(), last, found).nan_to_num(0.0)
