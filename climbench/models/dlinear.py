"""DLinear: a straight line through the trend of a series, and one through the rest."""

import torch
from torch import Tensor, nn

from climbench.errors import UserError
from climbench.models.channels import positions
from climbench.models.station_parts import forward_filled
from climbench.tasks.sample import Sample, Signature


class DLinear(nn.Module):
    r"""Forecast each series from itself: :math:`\hat y = W_t\, m(x) + W_r\, (x - m(x))`.

    :math:`m` is a running mean over the history, its ends repeated. One pair of matrices from the
    history to the leads serves all targets and stations. A gap holds the last value before it.

    Parameters
    ----------
    signature
        The question; every target must be among the inputs.
    window
        Steps of the running mean, odd.

    Raises
    ------
    UserError
        If a target is no input, or the window is even.

    References
    ----------
    Zeng et al. (2023), Are transformers effective for time series forecasting?, AAAI, section 4.
    """

    layouts = ("stations",)
    takes_missing_inputs = True

    def __init__(self, signature: Signature, window: int = 25) -> None:
        super().__init__()
        if window < 1 or window % 2 == 0:
            raise UserError(f"DLinear: option 'window' = {window} must be odd.")
        missing = [name for name in signature.targets if name not in signature.inputs]
        if missing:
            raise UserError(
                f"DLinear needs the target '{missing[0]}' among the task's inputs: add it there or "
                "leave this model out."
            )
        self.places = positions(signature.inputs, signature.targets)
        self.window = window
        self.trend = nn.Linear(signature.history, signature.leads)
        self.remainder = nn.Linear(signature.history, signature.leads)
        for layer in (self.trend, self.remainder):
            nn.init.constant_(layer.weight, 1.0 / signature.history)

    def forward(self, sample: Sample) -> Tensor:
        """Return ``[batch, lead, target, 1, station]``."""
        series = forward_filled(sample.inputs[:, :, self.places]).movedim(1, -1)
        smooth = self._running_mean(series)
        answer = self.trend(smooth) + self.remainder(series - smooth)
        return torch.as_tensor(answer).movedim(-1, 1)

    def _running_mean(self, series: Tensor) -> Tensor:
        """Return the running mean over the last dimension, whose ends are repeated."""
        half = self.window // 2
        first, last = series[..., :1], series[..., -1:]
        longer = torch.cat([*[first] * half, series, *[last] * half], dim=-1)
        return longer.unfold(-1, self.window, 1).mean(dim=-1)
