"""Recurrent networks over the history of each station: LSTM and GRU."""

from typing import Literal

import torch
from torch import Tensor, nn

from climbench.models.station_parts import StationInput, StationOutput
from climbench.tasks.sample import Sample, Signature

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU}


class RecurrentNetwork(nn.Module):
    """Read the history of a station step by step, then answer all leads at once.

    Every station by itself, with the same weights; the state after the last step goes with what
    is known of the station and of the time that is asked for into the head, whose answer is the
    change from the last value.

    Parameters
    ----------
    signature
        The question.
    cell
        ``lstm`` or ``gru``.
    hidden, layers
        Width and number of recurrent layers.
    dropout
        Between the layers.

    References
    ----------
    Hochreiter and Schmidhuber (1997), Long short-term memory, Neural Computation 9; Cho et al.
    (2014), Learning phrase representations using RNN encoder-decoder, EMNLP.
    """

    layouts = ("stations",)
    takes_missing_inputs = True

    def __init__(
        self,
        signature: Signature,
        cell: Literal["lstm", "gru"] = "lstm",
        hidden: int = 64,
        layers: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.input = StationInput(signature)
        self.reader = CELLS[cell](
            self.input.each_step, hidden, layers, batch_first=True, dropout=dropout
        )
        self.mix = nn.Sequential(nn.Linear(hidden + self.input.once, hidden), nn.ReLU())
        self.output = StationOutput(signature, hidden)

    def forward(self, sample: Sample) -> Tensor:
        """Return ``[batch, lead, target, 1, station]``."""
        steps = self.input.steps(sample).transpose(1, 2)
        batch, stations = steps.shape[:2]
        states, _ = self.reader(steps.flatten(0, 1))
        last = states[:, -1].reshape(batch, stations, -1)
        answer: Tensor = self.output(
            self.mix(torch.cat([last, self.input.still(sample)], dim=-1)), sample
        )
        return answer
